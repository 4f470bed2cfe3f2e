"""The seam between a job and the instance that runs it. Pure.

How to add a transport: write a class with the methods of `Transport` in a module of
its own beside this one, let `wiring.py` construct it for a new `transport = "…"` word
of the configuration, and subclass the contract tests for it. What it must keep:

- `submit` returns once the server has taken the job, and raises otherwise. When the
  answer is lost it asks the server before it raises or sends again.
- After `submit` or `follow`, every event goes to the follower, in order, and `ended` is
  called exactly once, whatever happens to connections, unless `forget` was called.
- A follower's methods return at once; they may be called from the thread that reads the
  network.
- Every wait takes its time from the deadline that was given, or from the follower's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import JsonValue

from ..errors import ComfyClientError
from ..events import Event, NodeOutput
from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..preflight.object_info import ObjectInfo
from ..timing import Deadline
from ..workflow import InputFile, Workflow
from .profile import Held


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of a job; a job that is sent again gets another attempt."""

    attempt_id: str
    """A canonical UUID: the `prompt_id`, where the server takes one."""
    workflow: Workflow
    provenance: Mapping[str, JsonValue] = field(default_factory=dict)
    """Goes into the picture's metadata, as `extra_pnginfo.comfyclient`."""
    allow_partial: bool = False
    """Accept that the server drops outputs which fail its validation."""
    previews: bool = False
    """Ask for latent previews, where the server lets a prompt choose."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A transport's receipt: enough to find the job again from another process."""

    instance: str
    attempt_id: str
    prompt_id: str
    """The id under which the server knows the job."""
    client_id: str
    """Who hears of its progress; empty where the server does not say."""
    number: float | None = None
    """The server's queue number; falls back to 0 when it restarts."""
    receipt: Mapping[str, str] = field(default_factory=dict)
    """Whatever else finds the job again, in the transport's own words."""

    @property
    def told_again(self) -> bool:
        """Whether whoever asks the server for the attempt learns all of it anew."""
        return self.prompt_id == self.attempt_id and not self.receipt


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job ended on its server."""

    error: ComfyClientError | None
    """None: it succeeded."""
    outputs: Mapping[str, NodeOutput] = field(default_factory=dict)
    """By node of the submitted graph; may be partly filled after an error."""
    cached_nodes: tuple[str, ...] = ()
    started_at: datetime | None = None
    """By the server's clock."""
    ended_at: datetime | None = None
    acknowledge: Callable[[], None] = field(
        default=lambda: None, compare=False, repr=False
    )
    """To be called once the end is written down: the server may forget it then.

    Where it is not called, the server tells the end again, to whoever asks next.
    """


class Follower(Protocol):
    """What a transport tells of one job; every method returns at once."""

    @property
    def deadline(self) -> Deadline:
        """When the job is given up."""

    def heard(self, event: Event) -> None:
        """Something happened."""

    def ended(self, verdict: Verdict) -> None:
        """The server is done with it, or lost it; nothing follows."""

    def overdue(self, trouble: ComfyClientError | None) -> None:
        """The deadline passed before the job ended; nothing follows.

        `trouble` is why the server could not be asked of late, where it could not.
        """


class Feature(StrEnum):
    """What an instance gives beside results, where its kind can at all."""

    PROGRESS = "progress"
    """Events of nodes while a job runs."""
    PREVIEWS = "previews"
    """Pictures of the work so far."""
    STOPPING = "stopping"
    """A job that runs can be stopped."""
    CATALOGUE = "catalogue"
    """It tells its version, node classes and models."""
    FILES = "files"
    """It takes inputs and hands out outputs itself."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What an instance says of itself."""

    version: str | None
    """ComfyUI's version, where it says one."""
    queue_remaining: int
    """Jobs waiting and running, of all clients."""
    devices: tuple[str, ...] = ()
    abilities: Mapping[str, Held] = field(default_factory=dict)
    """What is held of each ability of the table in `profile`, and why."""
    features: frozenset[Feature] = frozenset(Feature)
    """What this kind of instance gives."""


class Transport(Protocol):
    """One instance, reached one way."""

    @property
    def name(self) -> str:
        """The instance's name in its environment."""

    @property
    def client_id(self) -> str:
        """The name under which this process listens to the instance."""

    @property
    def backlog(self) -> int | None:
        """Jobs waiting and running there, of all clients, as it told last.

        None where it has not told of late. Asking costs nothing: no request is made.
        """

    @property
    def away_s(self) -> float:
        """Seconds for which it was asked for its jobs and could not be reached."""

    def greet(self, *, deadline: Deadline) -> str | None:
        """Its version, asked for only where that is not known; jobs may be sent then.

        Raises:
            UnreachableError: there is nobody.
            WrongVersionError: it is sent nothing: its version is not in the range.
            TransportError: any other trouble that a submit would have too.
        """

    def submit(
        self, attempt: Attempt, follower: Follower, *, deadline: Deadline
    ) -> Ticket:
        """Send a job and follow it.

        Raises:
            ValidationError: the server refuses the graph.
            UnreachableError, BusyError: nothing was accepted; another may take it.
            UnclearAnswerError: the server cannot be asked whether it has the job.
            TransportError: any other trouble; its `retry` says what may help.
        """

    def follow(self, ticket: Ticket, workflow: Workflow, follower: Follower) -> None:
        """Follow a job that was submitted before, perhaps by another process."""

    def find(self, attempt_id: str, *, deadline: Deadline) -> Ticket | None:
        """Look for an attempt whose answer was lost, for as long as it may arrive.

        None is certain: the server does not have it, so it may be sent again.

        Raises:
            UnclearAnswerError: the server could not be asked.
        """

    def cancel(self, ticket: Ticket, *, deadline: Deadline) -> None:
        """Ask the server to drop or stop this job; how it ended is told by `ended`."""

    def forget(self, ticket: Ticket) -> None:
        """Follow the job no longer; the server goes on with it."""

    def relieve(self, *, deadline: Deadline) -> None:
        """Ask the instance to let go of models and memory, as after one ran out."""

    def upload(self, file: InputFile, *, deadline: Deadline) -> str:
        """Put an input file there, once; its name as the graph must give it."""

    def open(
        self, ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
    ) -> AbstractContextManager[Download]:
        """Open a file of the instance for streaming, from the span's start if it can.

        Raises:
            OutputMissingError: the instance has no such file (any more).
        """

    def probe(self, *, deadline: Deadline) -> Probe:
        """Ask the instance how it is."""

    def object_info(self, *, deadline: Deadline) -> ObjectInfo:
        """Ask the instance for its node classes.

        Raises:
            TransportError: it cannot be asked.
        """

    def close(self) -> None:
        """Let go of connections and threads; running jobs stay on the server."""
