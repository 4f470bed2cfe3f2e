"""What happens to a job, one small frozen class each.

A caller matches on the class:

    for event in job.events():
        match event:
            case Progress(fraction=fraction):
                ...
            case Finished(error=None):
                ...

Node ids are those of the submitted graph: nodes that the server adds while it runs
(node expansion) are told under the node they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import JsonValue

from .errors import ComfyClientError
from .files.outputs import OutputRef
from .steps.records import StageKind, StageRecord


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage began: words, photos or pictures, before the graph is filled."""

    name: str
    kind: StageKind


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is over."""

    record: StageRecord


@dataclass(frozen=True, slots=True)
class Queued:
    """The server took the job (again, after a resubmission)."""

    position: int | None = None
    """Jobs before it, the running one included; None where the server does not say."""


@dataclass(frozen=True, slots=True)
class Started:
    """The server began to execute the job."""


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes need no execution: the server has their results already."""

    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node began to execute."""

    node_id: str


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """A node reports its own steps."""

    node_id: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is done."""

    node_id: str


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """A node showed a result: files, and values such as text."""

    node_id: str
    refs: tuple[OutputRef, ...]
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    """What it showed besides files, by key, such as `{"text": ["hello"]}`."""


@dataclass(frozen=True, slots=True)
class NodeText:
    """A node wrote a line of text while it ran."""

    node_id: str
    text: str


@dataclass(frozen=True, slots=True)
class NodeBlocked:
    """A node was blocked with a message; the rest of the graph goes on."""

    node_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of the work so far, or an image sent over the websocket."""

    image: bytes = field(repr=False)
    media_type: str
    """`image/jpeg` or `image/png`."""
    node_id: str | None = None
    """None from servers that do not say which node it is of."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the whole graph is done; never falls."""

    fraction: float
    """0..1, weighted by node class."""
    node_id: str | None = None
    """The node at work."""
    title: str | None = None
    """Its title in the graph, or its class."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The websocket broke: no progress for a while; the job itself goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRestored:
    """The websocket is back."""


@dataclass(frozen=True, slots=True)
class Resubmitted:
    """An attempt came to nothing, and the job is sent again: its nodes start anew."""

    attempt: int
    """The one that begins, from 2."""
    reason: ComfyClientError


@dataclass(frozen=True, slots=True)
class Finished:
    """The job ended; always the last event."""

    error: ComfyClientError | None = None
    """None when it succeeded."""


Event: TypeAlias = (
    StageStarted
    | StageFinished
    | Queued
    | Started
    | NodesCached
    | NodeStarted
    | NodeProgress
    | NodeFinished
    | NodeOutput
    | NodeText
    | NodeBlocked
    | Preview
    | Progress
    | ConnectionLost
    | ConnectionRestored
    | Resubmitted
    | Finished
)
