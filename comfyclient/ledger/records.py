"""What the ledger remembers of a job: its states, intent and rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from .. import errors
from ..errors import ComfyClientError
from ..files.outputs import OutputRef, SavedFile

MAX_MESSAGE = 2000
"""Characters kept of an error's message or of a detail."""


class JobState(StrEnum):
    """How far a job has come."""

    INTENDED = "intended"
    """To be sent (again); no server is known to have it."""
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    """Finished on the server, its files not yet collected."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The server knows it no longer, and it was not sent again."""
    COLLECTED = "collected"

    @property
    def terminal(self) -> bool:
        """Whether the server has nothing more to do for it."""
        return _RANK[self] >= _RANK[JobState.SUCCEEDED]

    @property
    def settled(self) -> bool:
        """Whether nothing at all is left to do, collecting included."""
        return self.terminal and self is not JobState.SUCCEEDED

    def may_become(self, later: JobState) -> bool:
        """Whether a report of `later` is news; late and repeated reports are not.

        States only move forward, and the first ending stands: only a job called lost
        may still turn out to have ended otherwise, and one that succeeded may still
        lose its outputs before they came home.
        """
        if later is JobState.COLLECTED:
            return self is JobState.SUCCEEDED
        if later is JobState.LOST and self is JobState.SUCCEEDED:
            return True
        if self is JobState.LOST:
            return later.terminal and later is not self
        return _RANK[later] > _RANK[self] and not self.terminal


_RANK = {
    JobState.INTENDED: 0,
    JobState.ACCEPTED: 1,
    JobState.RUNNING: 2,
    JobState.SUCCEEDED: 3,
    JobState.FAILED: 3,
    JobState.CANCELLED: 3,
    JobState.LOST: 3,
    JobState.COLLECTED: 4,
}

UNSETTLED = tuple(state for state in JobState if not state.settled)
"""The states of jobs that resuming has to look at."""


@dataclass(frozen=True, slots=True)
class JobIntent:
    """A job that is about to be sent. Nothing in it may be a secret or a raw trip."""

    job_id: str
    environment: str
    digest: str
    """Of the rendered graph."""
    template: str | None = None
    """`name@version`; None for a graph of the caller's own."""
    seed: int | None = None
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    trip_id: str | None = None
    idempotency_key: str | None = None
    graph: JsonValue = field(default=None, repr=False)
    """The rendered graph, kept once per digest, for sending it again."""
    extra: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """Whatever else sending it again takes."""


@dataclass(frozen=True, slots=True)
class StoredError:
    """An error as the ledger keeps it: its class and its words, redacted."""

    kind: str
    """Name of a class of `errors.py`."""
    message: str
    hint: str | None = None
    node_id: str | None = None
    class_type: str | None = None

    @classmethod
    def of(cls, error: ComfyClientError) -> StoredError:
        """What is kept of an error: no traceback, no values, no server text beside."""
        return cls(
            kind=type(error).__name__,
            message=error.message,
            hint=error.hint,
            node_id=getattr(error, "node_id", None),
            class_type=getattr(error, "class_type", None),
        )

    def revived(
        self, *, job_id: str | None = None, instance: str | None = None
    ) -> ComfyClientError:
        """The error again, to be raised in another process."""
        kind = getattr(errors, self.kind, None)
        if not (isinstance(kind, type) and issubclass(kind, ComfyClientError)):
            kind = errors.JobError  # of a newer version: the words still say it
        error: ComfyClientError = kind(self.message, hint=self.hint)
        if isinstance(error, errors.ExecutionError):
            error.node_id, error.class_type = self.node_id, self.class_type
        return error.attach(job_id=job_id, instance=instance)


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One sending of a job to one instance."""

    attempt_id: str
    job_id: str
    ordinal: int
    """From 1."""
    instance: str
    client_id: str
    begun_at: datetime
    """Recorded before it was sent."""
    accepted_at: datetime | None = None
    prompt_id: str | None = None
    number: float | None = None
    """The server's own counter when it took the job."""
    ended_at: datetime | None = None
    error: StoredError | None = None
    """Why it ended without a result."""
    receipt: Mapping[str, str] = field(default_factory=dict)
    """What else finds it again on its server, in its transport's words."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One line of a job's history."""

    at: datetime
    state: JobState
    attempt_id: str | None = None
    detail: str | None = None
    error: StoredError | None = None


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """Who works on a job."""

    name: str
    """Its label, or its machine's name and process id; and what makes it unique."""
    until: datetime | None
    """When its lease runs out, or ran out; None where it is not in the ledger."""
    gone: bool
    """Whether its process is seen to run no more."""

    def living(self, now: datetime) -> bool:
        """Whether its jobs are its own for now."""
        return self.until is not None and self.until > now and not self.gone


@dataclass(frozen=True, slots=True)
class JobRow:
    """All that the ledger knows of a job."""

    job_id: str
    environment: str
    template: str | None
    digest: str
    seed: int | None
    params: Mapping[str, JsonValue]
    trip_id: str | None
    idempotency_key: str | None
    extra: Mapping[str, JsonValue] = field(repr=False)
    state: JobState
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    """When it reached its first terminal state."""
    error: StoredError | None
    outputs: tuple[OutputRef, ...]
    files: tuple[SavedFile, ...]
    owner: str | None
    """The ledger handle that works on it; its lease may have run out."""
    attempts: tuple[AttemptRow, ...]
    """Oldest first."""
    told: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """What else the server told of the end; empty where nothing was recorded."""

    @property
    def attempt(self) -> AttemptRow | None:
        """The last attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def instance(self) -> str | None:
        """Where the last attempt went."""
        return None if self.attempt is None else self.attempt.instance

    @property
    def prompt_id(self) -> str | None:
        """The last attempt's id on the server, once accepted."""
        return None if self.attempt is None else self.attempt.prompt_id

    @property
    def client_id(self) -> str | None:
        """The websocket name under which the last attempt was sent."""
        return None if self.attempt is None else self.attempt.client_id

    @property
    def unclear(self) -> AttemptRow | None:
        """The attempt that may or may not have reached its server, if any.

        Ask that server for it before sending again.
        """
        last = self.attempt
        if last is None or last.accepted_at is not None or last.ended_at is not None:
            return None
        return last


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That a server took an attempt, and what it told of it."""

    attempt_id: str
    prompt_id: str
    number: float | None = None
    receipt: Mapping[str, str] | None = None
    at: datetime | None = None
    """None: now."""


_SECRETS = (
    # user:password@ in a URL, and its query string (signatures live there)
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"']+@", re.IGNORECASE), r"\1…@"),
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?\"']+)\?[^\s\"']+", re.IGNORECASE),
        r"\1?…",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), r"\1 …"),
    (
        re.compile(
            r"([\"']?\b[\w-]*(?:authorization|token|api[_-]?key|secret|password|passwd"
            r"|signature|access[_-]?key(?:[_-]?id)?)[\"']?\s*[:=]\s*)"
            r"(?!…|(?:bearer|basic)\s)[\"']?[^\s\"',;&}]+[\"']?",
            re.IGNORECASE,
        ),
        r"\1…",
    ),
    (re.compile(r"\b(?:sk-|LTAI|STS\.)[\w-]{8,}"), "…"),
)


def redacted(text: str) -> str:
    """The text without what looks like a key, a token or a signed query string."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def storable(text: str) -> str:
    """The text as every database takes it: no NUL, no lone surrogate, not endless."""
    if len(text) > MAX_MESSAGE:
        text = text[: MAX_MESSAGE - 1] + "…"
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
