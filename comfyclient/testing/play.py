"""What a scripted job does, step by step, and what a real server would do. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from packaging.version import Version
from pydantic import JsonValue

State: TypeAlias = Literal["success", "error", "cancelled"]
Message: TypeAlias = dict[str, JsonValue]

_SINCE_PROGRESS_STATE = Version("0.3.45")


@dataclass(slots=True)
class ScriptedJob:
    """One job that the scripted server took."""

    prompt_id: str
    number: float
    graph: Mapping[str, JsonValue]
    extra: Mapping[str, JsonValue]
    client_id: str | None
    version: Version
    outputs: dict[str, JsonValue]
    """What its output nodes show, as history will tell it."""
    cached: bool = False
    """The same graph ran before."""
    interrupted: threading.Event = field(default_factory=threading.Event)
    cue: Cue | None = None
    """What a script makes of it."""
    heeds: bool = True
    """False: an interruption of it is accepted and changes nothing."""

    def say(self, kind: str, **data: JsonValue) -> Message:
        """A message about this job."""
        return {"type": kind, "data": {**data, "prompt_id": self.prompt_id}}


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send a frame to every client, as ComfyUI does for prompts without one."""

    frame: JsonValue | bytes


@dataclass(frozen=True, slots=True)
class Raw:
    """Send the job's client bytes that need not be a frame."""

    content: bytes


@dataclass(frozen=True, slots=True)
class DropSockets:
    """End every websocket."""

    resets: bool = False
    closes: bool = False
    """With a close frame."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Go on once the test has set this."""

    gate: threading.Event


@dataclass(frozen=True, slots=True)
class AwaitLooks:
    """Go on once this job was looked for so many times by HTTP."""

    count: int


@dataclass(frozen=True, slots=True)
class AwaitSocket:
    """Go on once the job's client has a websocket."""


@dataclass(frozen=True, slots=True)
class Store:
    """Take the job out of the queue and put it into the history."""

    state: State = "success"
    outputs: Mapping[str, JsonValue] | None = None
    """None stores what the graph's output nodes show."""
    messages: Sequence[Message] = ()
    """Told in the entry's status, before its last message."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The server forgets every job and ends every connection."""

    version: str | None = None
    """The version that it comes back as; None keeps it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End every connection and refuse new ones, until it is started again."""

    seconds: float | None = None
    """Start again after so many, on the server's clock."""
    remembers: bool = False
    """Only the network is gone: jobs go on."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Answer nothing any more, until the server is told to speak."""

    route: str | None = None
    """Only this route; None means all, and websockets."""
    seconds: float | None = None
    """Speak again after so many, on the server's clock."""


@dataclass(frozen=True, slots=True)
class KillWorker:
    """No job runs any more until a restart, while HTTP goes on."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Go on after so many seconds on the server's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Never go on; the job stays in the queue as running."""

    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class Deafen:
    """Forget which websocket the job's client has; it stays open."""


@dataclass(frozen=True, slots=True)
class ForgetHistory:
    """Somebody clears the history."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Somebody else stops the job."""


ServerStep: TypeAlias = DropSockets | Restart | Stop | Silence | KillWorker
"""What concerns the whole server, whichever job runs."""

Frame: TypeAlias = Message | str | bytes
"""Sent to the job's client; a status, to everybody."""

Step: TypeAlias = (
    Frame
    | Broadcast
    | Raw
    | Hold
    | AwaitLooks
    | AwaitSocket
    | Sleep
    | Hang
    | Store
    | Deafen
    | ForgetHistory
    | Interrupt
    | ServerStep
)
"""A dict, string or bytes is a frame for the job's client."""

Play: TypeAlias = Callable[[ScriptedJob], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class Cue:
    """What a script makes of one job, and when that may begin."""

    arranged: Callable[[ScriptedJob, Sequence[Step]], Sequence[Step]]
    """The job's steps, given those that it would take without the script."""
    answered: threading.Event = field(default_factory=threading.Event)
    """The request that brought the job was answered, or will never be."""


def usual(job: ScriptedJob) -> list[Step]:
    """What ComfyUI does for a graph whose nodes all succeed."""
    cached = list(job.graph) if job.cached else []
    steps: list[Step] = [
        status(1),
        job.say("execution_start"),
        job.say("execution_cached", nodes=[*cached]),
    ]
    for node_id in job.graph:
        steps += _node(job, node_id)
    return [*steps, *ending(job)]


def ending(job: ScriptedJob) -> list[Step]:
    """How a job that succeeds ends: the history has it after the first word of it."""
    return [
        job.say("execution_success"),
        Store(),
        status(0),
        job.say("executing", node=None),
    ]


def failing(job: ScriptedJob, node_id: str, **error: JsonValue) -> list[Step]:
    """A job that one node ends by raising; `error` replaces parts of its report."""
    report = raised(job, node_id, **error)
    return [
        status(1),
        job.say("execution_start"),
        job.say("execution_cached", nodes=[]),
        job.say("executing", node=node_id, display_node=node_id),
        report,
        Store("error", outputs={}, messages=[report]),
        status(0),
        job.say("executing", node=None),
    ]


def raised(job: ScriptedJob, node_id: str, **error: JsonValue) -> Message:
    """The report of a node that raised; `error` replaces parts of it."""
    node = job.graph.get(node_id)
    told: Message = {
        "node_id": node_id,
        "node_type": node.get("class_type") if isinstance(node, dict) else None,
        "executed": [],
        "exception_message": "boom\n",
        "exception_type": "ValueError",
        "traceback": ["  File execution.py, line 1, in execute\n"],
        "current_inputs": {},
        "current_outputs": [],
    }
    return job.say("execution_error", **{**told, **error})


def interrupted(job: ScriptedJob) -> list[Step]:
    """What follows when somebody stops a job."""
    report = job.say(
        "execution_interrupted",
        node_id=next(iter(job.graph), ""),
        node_type="",
        executed=[],
    )
    return [
        report,
        Store("cancelled", outputs={}, messages=[report]),
        status(0),
        job.say("executing", node=None),
    ]


def status(remaining: int, **more: JsonValue) -> Message:
    """The word on the queue's length, which every client gets."""
    info: JsonValue = {"status": {"exec_info": {"queue_remaining": remaining}}, **more}
    return {"type": "status", "data": info}


def entry(job: ScriptedJob, stored: Store) -> Message:
    """The history entry of a job."""
    messages: list[JsonValue] = [["execution_start", {"prompt_id": job.prompt_id}]]
    cached = [*job.graph] if job.cached else []
    messages.append(
        ["execution_cached", {"nodes": [*cached], "prompt_id": job.prompt_id}]
    )
    messages += [[m["type"], m["data"]] for m in stored.messages]
    if stored.state == "success":
        messages.append(["execution_success", {"prompt_id": job.prompt_id}])
    outputs = job.outputs if stored.outputs is None else stored.outputs
    return {
        "prompt": item(job),
        "outputs": dict(outputs),
        "status": {
            "status_str": "success" if stored.state == "success" else "error",
            "completed": stored.state == "success",
            "messages": messages,
        },
        "meta": {},
    }


def item(job: ScriptedJob) -> JsonValue:
    """The job as the queue lists it."""
    return [
        job.number,
        job.prompt_id,
        dict(job.graph),
        dict(job.extra),
        list(job.outputs),
    ]


def _node(job: ScriptedJob, node_id: str) -> Iterator[Step]:
    ui = job.outputs.get(node_id)
    if not job.cached:
        if job.version >= _SINCE_PROGRESS_STATE:
            yield _state(job, node_id, "running", 0.0)
        yield job.say("executing", node=node_id, display_node=node_id)
    if ui is not None:
        yield job.say("executed", node=node_id, display_node=node_id, output=ui)
    if job.version >= _SINCE_PROGRESS_STATE and (ui is not None or not job.cached):
        yield _state(job, node_id, "finished", 1.0)


def _state(job: ScriptedJob, node_id: str, state: str, value: float) -> Message:
    told: JsonValue = {
        "value": value,
        "max": 1.0,
        "state": state,
        "node_id": node_id,
        "prompt_id": job.prompt_id,
        "display_node_id": node_id,
        "parent_node_id": None,
        "real_node_id": node_id,
    }
    return job.say("progress_state", nodes={node_id: told})
