"""What a scripted server did, told per prompt, per attempt and per job. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from .play import ScriptedJob, State


@dataclass(slots=True)
class Execution:
    """One time that the server's worker took a job up."""

    prompt_id: str
    attempt_id: str | None
    """The mark that the client put into `extra_data`."""
    job_id: str | None
    """The client's own job, as the picture's provenance names it."""
    ended: State | None = None
    """None while it runs, and for ever where the server died over it."""

    @classmethod
    def of(cls, job: ScriptedJob) -> Execution:
        """The execution of a job that begins now."""
        info = _object(_object(job.extra.get("extra_pnginfo")).get("comfyclient"))
        return cls(
            prompt_id=job.prompt_id,
            attempt_id=_text(job.extra.get("comfyclient_attempt")),
            job_id=_text(info.get("job_id")),
        )


class Accounts:
    """Every execution, oldest first.

    assert server.accounts.by_job() == {job.id: 1}
    assert server.accounts.succeeded.by_job()[job.id] == 1
    """

    def __init__(self, executions: Iterable[Execution] = ()) -> None:
        self._executions = tuple(executions)

    @property
    def succeeded(self) -> Accounts:
        """Those that ran to a good end."""
        return Accounts(e for e in self._executions if e.ended == "success")

    @property
    def unfinished(self) -> Accounts:
        """Those that run still, or that the server died over."""
        return Accounts(e for e in self._executions if e.ended is None)

    def by_prompt(self) -> Counter[str]:
        """How often each prompt id was executed."""
        return Counter(e.prompt_id for e in self._executions)

    def by_attempt(self) -> Counter[str]:
        """How often each attempt of a comfyclient was executed."""
        return Counter(e.attempt_id for e in self._executions if e.attempt_id)

    def by_job(self) -> Counter[str]:
        """How often each job of a comfyclient was executed."""
        return Counter(e.job_id for e in self._executions if e.job_id)

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._executions)

    def __len__(self) -> int:
        return len(self._executions)

    def __repr__(self) -> str:
        return f"Accounts({list(self._executions)})"


def _object(value: JsonValue | Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
