"""What hosted models answered, as the ledger keeps it: asked once, kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in what is billed."""

    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.images + other.images,
        )


NOTHING = Usage()
"""Of what cost nothing."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One request to a model, known by its digest, and what came of it."""

    environment: str
    digest: str
    """SHA-256 of all that was asked: the words themselves are not kept."""
    step: str
    """`copy`, `observe` or `paint`."""
    model: str
    began_at: datetime
    task_id: str | None = None
    """The service's task, where there is one: it is looked at, not begun again."""
    request_id: str | None = None
    value: JsonValue = field(default=None, repr=False)
    """What the step made of the answer; None while there is none."""
    usage: Usage = NOTHING
    ended_at: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether the answer is there."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one model's answers cost in all."""

    model: str
    answers: int
    usage: Usage


class Answers(Protocol):
    """The answers that an environment's ledger keeps. Each step is durable."""

    def find(self, environment: str, digest: str) -> StoredAnswer | None:
        """What is known of a request."""

    def began(self, answer: StoredAnswer) -> StoredAnswer:
        """Record a task that runs; the one that was recorded before stands."""

    def keep(self, answer: StoredAnswer) -> StoredAnswer:
        """Record an answer; where another one was complete before, that one stands."""

    def drop(self, environment: str, digest: str, *, task_id: str | None) -> None:
        """Forget a request whose task came to nothing: it may be made anew."""

    def spent(
        self, environment: str, *, since: datetime | None = None
    ) -> Sequence[Spent]:
        """What the answers cost, by model."""


class Unkept:
    """Answers that nobody keeps: each is asked for anew."""

    def find(self, environment: str, digest: str) -> StoredAnswer | None:
        """Nothing."""
        return None

    def began(self, answer: StoredAnswer) -> StoredAnswer:
        """Itself."""
        return answer

    def keep(self, answer: StoredAnswer) -> StoredAnswer:
        """Itself."""
        return answer

    def drop(self, environment: str, digest: str, *, task_id: str | None) -> None:
        """Nothing."""

    def spent(
        self, environment: str, *, since: datetime | None = None
    ) -> Sequence[Spent]:
        """Unknown."""
        return ()
