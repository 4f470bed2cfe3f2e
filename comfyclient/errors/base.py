"""What every error of this package is, and the one word that the router reads."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self


class Retry(StrEnum):
    """What trying again could bring; the router reads nothing else of an error."""

    NEVER = "never"
    HERE = "here"
    ELSEWHERE = "elsewhere"


class ComfyClientError(Exception):
    """The root: `except ComfyClientError` catches whatever this package raises."""

    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        job_id: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do about it."""
        self.job_id = job_id
        self.instance = instance
        """Name of the instance that was asked."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when tried again."""
        return self.retry is not Retry.NEVER

    def attach(self, *, job_id: str | None = None, instance: str | None = None) -> Self:
        """Fill in what the raiser could not know; what is set already stays."""
        self.job_id = self.job_id if self.job_id is not None else job_id
        self.instance = self.instance if self.instance is not None else instance
        return self

    def __str__(self) -> str:
        context = (("job", self.job_id), ("instance", self.instance))
        where = [f"{name} {value}" for name, value in context if value is not None]
        text = f"{self.message} ({', '.join(where)})" if where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text
