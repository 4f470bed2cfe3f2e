"""What can become of one job on a server, as data, and what each does to it. Pure.

A turn is used up by one `POST /prompt`: it says what happens before that is answered,
how it is answered, and which steps the job in it then takes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import JsonValue

from .http_wire import Reply
from .play import (
    Broadcast,
    Deafen,
    DropSockets,
    ForgetHistory,
    Hang,
    Interrupt,
    KillWorker,
    Message,
    Restart,
    ScriptedJob,
    ServerStep,
    Silence,
    Sleep,
    Step,
    Stop,
    Store,
    raised,
    status,
)

Cut: TypeAlias = Literal["reset", "close", "end"]

_STRANGER = str(UUID(int=7))
"""The prompt id of somebody else."""


@dataclass(frozen=True, slots=True)
class Turn:
    """All goes well; the others say what goes wrong."""

    def before(self) -> Sequence[ServerStep]:
        """What happens when the job's POST arrives."""
        return ()

    def reply(self) -> Reply:
        """How the POST is answered."""
        return Reply()

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """What the job does, given what it would do."""
        return steps


@dataclass(frozen=True, slots=True)
class Busy(Turn):
    """The server asks to come back later."""

    retry_after: float | None = None
    status: int = 503

    def reply(self) -> Reply:
        """A refusal for now."""
        if self.retry_after is None:
            return Reply(self.status)
        return Reply(self.status, headers={"Retry-After": f"{self.retry_after:g}"})


@dataclass(frozen=True, slots=True)
class LosesAnswer(Turn):
    """The connection ends without an answer."""

    acts: bool
    resets: bool = True

    def reply(self) -> Reply:
        """No byte of one."""
        return Reply.lost(acts=self.acts, resets=self.resets)


@dataclass(frozen=True, slots=True)
class DeadWorker(Turn):
    """The job is taken and waits for ever: nothing runs until a restart."""

    def before(self) -> Sequence[ServerStep]:
        """The worker dies before it could take the job up."""
        return (KillWorker(),)


@dataclass(frozen=True, slots=True)
class Silent(Turn):
    """Nothing is answered, from the POST on or from a later message on."""

    after: int | None = None
    route: str | None = None
    seconds: float | None = None

    def before(self) -> Sequence[ServerStep]:
        """Silence, where it begins with the POST."""
        return (Silence(self.route, self.seconds),) if self.after is None else ()

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """Silence, where it begins later."""
        if self.after is None:
            return steps
        return inserted(steps, self.after, Silence(self.route, self.seconds))


@dataclass(frozen=True, slots=True)
class Slow(Turn):
    """The job's first node takes its time, in steps that it tells of."""

    seconds: float
    steps: int = 10

    def arranged(self, job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """Waits on the server's clock, with progress between."""
        node = next(iter(job.graph), "")
        work: list[Step] = []
        for value in range(1, self.steps + 1):
            told = job.say("progress", node=node, value=value, max=self.steps)
            work += [Sleep(self.seconds / self.steps), told]
        at = next((n for n, s in enumerate(steps) if _says(s, "executing")), 0)
        return [*steps[: at + 1], *work, *steps[at + 1 :]]


@dataclass(frozen=True, slots=True)
class Fails(Turn):
    """A node raises; `error` replaces parts of the server's report."""

    node: str
    error: dict[str, JsonValue] = field(default_factory=dict)

    def arranged(self, job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """As before up to that node, then the report in place of the rest."""
        until = [n for n, s in enumerate(steps) if _starts(s, self.node)]
        begun = list(steps[: until[-1] + 1 if until else 3])
        done: list[JsonValue] = [*_nodes(begun, "executed")]
        report = raised(job, self.node, **{"executed": done, **self.error})
        shown = {str(node): job.outputs[str(node)] for node in done}
        end = job.say("executing", node=None)
        stored = Store("error", outputs=shown, messages=[report])
        return [*begun, report, stored, status(0), end]


@dataclass(frozen=True, slots=True)
class Eventful(Turn):
    """Something happens after so many of the job's messages."""

    after: int

    def event(self) -> Step:
        """What happens."""
        raise NotImplementedError

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """It happens; then the job goes on, if it can."""
        return inserted(steps, self.after, self.event())


@dataclass(frozen=True, slots=True)
class DropsSocket(Eventful):
    """Every websocket ends; HTTP goes on."""

    how: Cut = "reset"

    def event(self) -> Step:
        """A TCP reset, a close frame, or just the end of the connection."""
        return DropSockets(resets=self.how == "reset", closes=self.how == "close")


@dataclass(frozen=True, slots=True)
class Restarts(Eventful):
    """A new process with an empty memory is there at once."""

    version: str | None = None

    def event(self) -> Step:
        """A restart."""
        return Restart(self.version)


@dataclass(frozen=True, slots=True)
class Stops(Eventful):
    """The port refuses for a while."""

    seconds: float | None = None
    remembers: bool = False

    def event(self) -> Step:
        """An end, and perhaps a new beginning."""
        return Stop(self.seconds, self.remembers)


@dataclass(frozen=True, slots=True)
class GoesDeaf(Eventful):
    """The websocket stays open, but nothing is sent to it until it is dialled anew."""

    def event(self) -> Step:
        """The server forgets whose it is."""
        return Deafen()


@dataclass(frozen=True, slots=True)
class Interrupted(Eventful):
    """Somebody else stops the job."""

    def event(self) -> Step:
        """An interruption."""
        return Interrupt()


@dataclass(frozen=True, slots=True)
class NeverFinishes(Turn):
    """The job runs for ever, from one of its messages on or until just before its end.

    A worker that hangs does not heed an interruption; a node that works does.
    """

    after: int | None = None
    interruptible: bool = True

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """No further than that."""
        stored = next(n for n, step in enumerate(steps) if isinstance(step, Store))
        last = len(_frames(steps[:stored])) - 1
        after = last if self.after is None else self.after
        return inserted(steps, after, Hang(interruptible=self.interruptible))


@dataclass(frozen=True, slots=True)
class ClearsHistory(Turn):
    """Somebody clears the history as soon as the job is in it."""

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """What is stored is forgotten."""
        told: list[Step] = []
        for step in steps:
            told += [step, ForgetHistory()] if isinstance(step, Store) else [step]
        return told


@dataclass(frozen=True, slots=True)
class Duplicates(Turn):
    """Every message comes twice."""

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """Each frame is doubled."""
        return [s for step in steps for s in ([step] * (1 + _is_frame(step)))]


@dataclass(frozen=True, slots=True)
class Reorders(Turn):
    """The messages come in another order; the same one for the same seed."""

    seed: int = 0

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """Frames change places; what the server does keeps its own."""
        frames = _frames(steps)
        random.Random(self.seed).shuffle(frames)
        return [frames.pop() if _is_frame(step) else step for step in steps]


@dataclass(frozen=True, slots=True)
class SaysUnknown(Turn):
    """Between the messages are some that no client knows, or that are malformed."""

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """One after each frame."""
        said: list[Step] = []
        for step in steps:
            said.append(step)
            if _is_frame(step):
                said.append(_ODDITIES[len(said) // 2 % len(_ODDITIES)])
        return said


@dataclass(frozen=True, slots=True)
class SaysForeign(Turn):
    """Everybody also hears of somebody else's prompt, and that it failed."""

    def arranged(self, job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """Before each frame its like about another prompt, and an end of that."""
        other: list[Step] = [Broadcast(_ended_elsewhere("execution_interrupted"))]
        for step in steps:
            if isinstance(step, dict):
                other += [Broadcast(_elsewhere(step, job.prompt_id))]
            other.append(step)
            if _says(step, "executing"):
                other += [Broadcast(_ended_elsewhere("execution_error"))]
        return other


def inserted(steps: Sequence[Step], after: int, what: Step) -> list[Step]:
    """The steps, with something that happens after so many messages."""
    places = [n + 1 for n, step in enumerate(steps) if _is_frame(step)]
    at = [0, *places, len(steps)][min(after, len(places) + 1)]
    return [*steps[:at], what, *steps[at:]]


def _is_frame(step: Step) -> bool:
    return isinstance(step, dict | str | bytes)


def _frames(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if _is_frame(step)]


def _says(step: Step, kind: str) -> bool:
    return isinstance(step, dict) and step.get("type") == kind


def _data(step: Step) -> dict[str, JsonValue]:
    data = step.get("data") if isinstance(step, dict) else None
    return data if isinstance(data, dict) else {}


def _starts(step: Step, node: str) -> bool:
    return _says(step, "executing") and _data(step).get("node") == node


def _nodes(steps: Sequence[Step], kind: str) -> list[str]:
    return [str(_data(step)["node"]) for step in steps if _says(step, kind)]


def _elsewhere(value: JsonValue, prompt_id: str) -> JsonValue:
    """The same about another prompt; `progress_state` names it in each node."""
    match value:
        case dict():
            return {key: _elsewhere(each, prompt_id) for key, each in value.items()}
        case list():
            return [_elsewhere(each, prompt_id) for each in value]
        case _:
            return _STRANGER if value == prompt_id else value


def _ended_elsewhere(kind: str) -> Message:
    told: JsonValue = {
        "prompt_id": _STRANGER,
        "node_id": "1",
        "node_type": "EmptyImage",
        "executed": [],
        "exception_message": "not yours\n",
        "exception_type": "ValueError",
        "traceback": [],
    }
    return {"type": kind, "data": told}


_ODDITIES: tuple[str | bytes, ...] = (
    json.dumps({"type": "assets.seed.started", "data": {"phase": "enrich"}}),
    json.dumps({"type": "from.a.custom.node", "data": {"value": float("nan")}}),
    json.dumps({"type": "no.data"}),
    json.dumps({"data": {"prompt_id": _STRANGER}}),
    json.dumps(["a", "list"]),
    "not JSON at all {",
    "null",
    "",
    b"\x00\x00\x00\x63 an event of the future",
    b"\x00\x00\x00\x01",
    b"",
)
"""Frames that a client must survive: unknown kinds, other shapes, noise."""
