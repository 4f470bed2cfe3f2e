"""What an HTTP answer means: submitting, queue, history, jobs. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import JsonValue

from ..errors import NodeIssue
from ..events import NodeOutput
from .failures import BLOCKED, Failure, read_failure
from .messages import State
from .nodes import submitted_id
from .refusals import GraphInfo, issues_of
from .results import merged, output_refs
from .wire import (
    JsonObject,
    as_list,
    as_node,
    as_number,
    as_object,
    as_text,
    object_or_empty,
    parse_object,
    text_or,
    wrong,
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the job, or at least a part of it."""

    prompt_id: str
    """The server's: older ones ignore the id that was sent."""
    number: float | None
    """The place in its queue's order; lower runs first."""
    issues: tuple[NodeIssue, ...]
    """Parts of the graph that it refused and will not run."""


class Whereabouts(StrEnum):
    """Where the server has a job."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    state: State
    outputs: Mapping[str, NodeOutput] = field(default_factory=dict)
    """By node of the submitted graph. Up to 0.3.67 this also lists what earlier runs
    left in the cache for nodes that this one did not reach."""
    failure: Failure | None = None
    cached_nodes: tuple[str, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    interrupted_node: str | None = None
    """The node that was running, or next, when somebody stopped the job."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """The jobs that a server has not finished, in the order it will run them."""

    running: tuple[str, ...]
    pending: tuple[str, ...]

    def position(self, prompt_id: str) -> int | None:
        """Jobs before this one, the running one included; None when it is not here."""
        if prompt_id in self.running:
            return 0
        if prompt_id not in self.pending:
            return None
        return len(self.running) + self.pending.index(prompt_id)

    def whereabouts(self, prompt_id: str) -> Whereabouts:
        """Running, pending, or not known to the queue."""
        if prompt_id in self.running:
            return Whereabouts.RUNNING
        return Whereabouts.PENDING if prompt_id in self.pending else Whereabouts.UNKNOWN


def read_accepted(body: bytes, graph: GraphInfo | None = None) -> Accepted:
    """The 200 of `POST /prompt`.

    Raises:
        BadAnswerError: it is not what ComfyUI answers.
    """
    answer = parse_object(body, "the answer to a submit")
    number = answer.get("number")
    return Accepted(
        prompt_id=as_text(answer.get("prompt_id"), "the prompt_id of a submit"),
        number=None if number is None else as_number(number, "the number of a submit"),
        issues=issues_of(answer, graph),
    )


def read_queue(body: bytes) -> QueueView:
    """The answer of `GET /queue`, whose pending jobs come in no useful order.

    Raises:
        BadAnswerError: it is not what ComfyUI answers.
    """
    answer = parse_object(body, "the queue")
    return QueueView(
        running=tuple(job for _, job in _items(answer, "queue_running")),
        pending=tuple(job for _, job in sorted(_items(answer, "queue_pending"))),
    )


def _items(answer: JsonObject, key: str) -> list[tuple[float, str]]:
    return [_item(item, key) for item in as_list(answer.get(key), f"the {key}")]


def _item(item: JsonValue, key: str) -> tuple[float, str]:
    fields = as_list(item, f"an item of {key}")
    if len(fields) < 2:
        raise wrong(f"an item of {key}", item, "a number, an id and a graph")
    number = as_number(fields[0], f"the number in {key}")
    prompt_id = as_text(fields[1], f"the prompt_id in {key}")
    return (math.inf if math.isnan(number) else number, prompt_id)


def read_history(body: bytes, prompt_id: str) -> Outcome | None:
    """How the job ended, from `GET /history/{id}`; None when history has it not.

    Raises:
        BadAnswerError: it is not what ComfyUI answers.
    """
    answer = parse_object(body, "the history")
    entries = {
        key: as_object(entry, f"the history entry of {key}")
        for key, entry in answer.items()
    }
    if prompt_id not in entries:
        return None
    entry = entries[prompt_id]
    log = _Log.read(object_or_empty(entry.get("status")))
    meta = object_or_empty(entry.get("meta"))
    outputs = _outputs(entry.get("outputs"), _graph_ids(entry.get("prompt")), meta)
    return log.outcome(_ended_as(entry.get("status"), log, outputs), outputs)


def read_job(body: bytes) -> tuple[Whereabouts, Outcome | None]:
    """Where a job is, from `GET /api/jobs/{id}` (0.6 and later), and how it ended.

    Raises:
        BadAnswerError: it is not what ComfyUI answers; a status that this version
            does not know is one too, for it must not read as "unknown job".
    """
    answer = parse_object(body, "the job")
    if "status" not in answer and answer.get("error") == "Job not found":
        return Whereabouts.UNKNOWN, None
    status = as_text(answer.get("status"), "the status of the job")
    match status:
        case "pending":
            return Whereabouts.PENDING, None
        case "in_progress":
            return Whereabouts.RUNNING, None
        case "completed" | "failed" | "cancelled":
            return Whereabouts.ENDED, _job_outcome(answer, status)
        case _:
            raise wrong("the status of the job", status, "a status known here")


def _job_outcome(answer: JsonObject, status: str) -> Outcome:
    log = _Log.read(object_or_empty(answer.get("execution_status")))
    log.learn_error(answer.get("execution_error"))
    log.learn_times(
        answer.get("execution_start_time"), answer.get("execution_end_time")
    )
    prompt = object_or_empty(answer.get("workflow")).get("prompt")
    outputs = _outputs(answer.get("outputs"), frozenset(object_or_empty(prompt)), {})
    if status == "completed":
        return log.outcome("success", outputs)
    # 0.6 to 0.8 call an interrupted job failed
    stopped = status == "cancelled" or log.last == "execution_interrupted"
    return log.outcome("cancelled" if stopped else "error", outputs)


@dataclass(slots=True)
class _Log:
    """What the messages of a finished job tell."""

    last: str | None = None
    """The type of the last message that ends a job."""
    failure: Failure | None = None
    cached: tuple[str, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    interrupted_node: str | None = None

    @classmethod
    def read(cls, status: JsonObject) -> _Log:
        """Learn from every message that has the expected shape, skip the others."""
        log = cls()
        messages = status.get("messages")
        for message in messages if isinstance(messages, list) else []:
            match message:
                case [str(kind), dict(data)]:
                    log.learn(kind, data)
        return log

    def learn(self, kind: str, data: JsonObject) -> None:
        """Take in one message."""
        match kind:
            case "execution_start":
                self.started_at = _moment(data.get("timestamp"))
            case "execution_cached":
                nodes = data.get("nodes")
                ids = nodes if isinstance(nodes, list) else []
                self.cached = tuple(n for n in ids if isinstance(n, str))
            case "execution_error":
                self.learn_error(data)
            case "execution_interrupted":
                self._end(kind, data)
                self.interrupted_node = _node(data.get("node_id"))
            case "execution_success":
                self._end(kind, data)

    def learn_error(self, data: JsonValue) -> None:
        """Take in an execution_error, unless it tells of a blocked node."""
        if isinstance(data, dict) and data.get("exception_type") != BLOCKED:
            self._end("execution_error", data)
            self.failure = read_failure(data)

    def learn_times(self, started: JsonValue, ended: JsonValue) -> None:
        """Take in the times that the jobs API tells of itself."""
        self.started_at = _moment(started) or self.started_at
        self.ended_at = _moment(ended) or self.ended_at

    def _end(self, kind: str, data: JsonObject) -> None:
        self.last = kind
        self.ended_at = _moment(data.get("timestamp"))

    def outcome(self, state: State, outputs: Mapping[str, NodeOutput]) -> Outcome:
        """All of it together."""
        return Outcome(
            state=state,
            outputs=outputs,
            failure=self.failure if state == "error" else None,
            cached_nodes=self.cached,
            started_at=self.started_at,
            ended_at=self.ended_at,
            interrupted_node=self.interrupted_node if state == "cancelled" else None,
        )


def _ended_as(status: JsonValue, log: _Log, outputs: Mapping[str, NodeOutput]) -> State:
    if not isinstance(status, dict):
        # before 2024-01-11 history says nothing: outputs are the only sign
        return "success" if outputs else "error"
    if status.get("status_str") == "success":
        return "success"
    if log.last == "execution_interrupted":
        return "cancelled"
    if status.get("status_str") != "error" and status.get("completed") is True:
        return "success"
    return "error"


def _node(value: JsonValue) -> str | None:
    return None if value is None else submitted_id(as_node(value, "a node_id"))


def _moment(value: JsonValue) -> datetime | None:
    """A server's milliseconds; servers before 2024-07-21 send none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _graph_ids(prompt: JsonValue) -> frozenset[str]:
    match prompt:
        case [_, _, dict(graph), *_]:
            return frozenset(graph)
        case _:
            return frozenset()


def _outputs(
    value: JsonValue, graph_ids: frozenset[str], meta: JsonObject
) -> dict[str, NodeOutput]:
    found: dict[str, NodeOutput] = {}
    for key, ui in as_object(value if value is not None else {}, "outputs").items():
        node = _owner(key, graph_ids, meta)
        shown = output_refs(node, ui)
        found[node] = merged(found[node], shown) if node in found else shown
    return found


def _owner(key: str, graph_ids: frozenset[str], meta: JsonObject) -> str:
    """The submitted node that an output stands under.

    `meta` comes last: for a cached node it keeps the ids of the run that made it.
    """
    if key in graph_ids:
        return key
    parent = submitted_id(key)
    if parent in graph_ids:
        return parent
    display = text_or(object_or_empty(meta.get(key)).get("display_node"), "")
    return display if display in graph_ids else parent
