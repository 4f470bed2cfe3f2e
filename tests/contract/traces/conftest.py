"""Reads recorded traffic with the code under test, as a transport would."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from comfyclient.errors import ValidationError
from comfyclient.events import (
    Event,
    NodeBlocked,
    NodeFinished,
    NodeOutput,
    NodeProgress,
    NodesCached,
    NodeStarted,
    NodeText,
    Preview,
    Started,
)
from comfyclient.files.outputs import OutputRef
from comfyclient.transports.answers import (
    Accepted,
    Outcome,
    QueueView,
    Whereabouts,
    read_accepted,
    read_history,
    read_job,
    read_queue,
)
from comfyclient.transports.messages import Ended, Heard, Novelty, Unknown, read_frame
from comfyclient.transports.refusals import read_refusal
from comfyclient.workflow import Workflow

TRACES = Path(__file__).parents[2] / "data" / "traces"


@dataclass
class Seen:
    """One job of a trace."""

    prompt_id: str
    accepted: Accepted
    graph: Workflow
    told: list[str] = field(default_factory=list)
    refs: list[OutputRef] = field(default_factory=list)
    novelty: Novelty = field(default_factory=Novelty)
    outcome: Outcome | None = None
    """By history."""
    looked: Outcome | None = None
    """By the jobs API."""


@dataclass
class Replay:
    """All that one trace said, read by the code under test."""

    jobs: dict[str, Seen] = field(default_factory=dict)
    refusals: list[ValidationError] = field(default_factory=list)
    queues: list[QueueView] = field(default_factory=list)
    looks: list[tuple[Whereabouts, Outcome | None]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    """Prompt ids in the order in which the server began them."""
    running: str | None = None

    @property
    def sent(self) -> list[Seen]:
        """The jobs in the order in which they were sent."""
        return list(self.jobs.values())

    def frame(self, frame: str | bytes) -> None:
        """Read a frame as a listener would; what names no job is the running one's."""
        for signal in read_frame(frame):
            match signal:
                case Heard(prompt_id=prompt_id, event=event):
                    self.hear(prompt_id or self.running, event)
                case Ended(prompt_id=prompt_id, settled=settled):
                    if prompt_id in self.jobs:
                        self.jobs[prompt_id].told.append(
                            "ended" if settled else "ending"
                        )
                    self.running = None if settled else self.running
                case Unknown(type=kind):
                    assert kind == "progress", f"{kind} should be known"

    def hear(self, prompt_id: str | None, event: Event) -> None:
        """Give an event to its job."""
        if isinstance(event, Started) and prompt_id is not None:
            self.running = prompt_id
            self.order.append(prompt_id)
        job = self.jobs.get(prompt_id or "")
        if job is not None and job.novelty.admits(event):
            job.told.append(told(event))
            job.refs += event.refs if isinstance(event, NodeOutput) else ()

    def answer(self, request: dict[str, Any], status: int, body: Any) -> None:
        """Read an HTTP answer as the transport would."""
        if not isinstance(body, dict):  # an empty 404, or the text of a 500
            return
        text = json.dumps(body).encode()
        match request["method"], request["path"].removeprefix("/api").split("/")[1:]:
            case "POST", ["prompt"]:
                self.submitted(sent_graph(request), status, text)
            case "GET", ["queue"]:
                self.queues.append(read_queue(text))
            case "GET", ["history"]:
                assert None not in [read_history(text, key) for key in body]
            case "GET", ["history", prompt_id] if prompt_id in self.jobs:
                self.jobs[prompt_id].outcome = read_history(text, prompt_id)
            case "GET", ["jobs", prompt_id]:
                self.looks.append(read_job(text))
                if prompt_id in self.jobs:
                    self.jobs[prompt_id].looked = self.looks[-1][1]

    def submitted(self, graph: Workflow, status: int, text: bytes) -> None:
        """Read the answer to a POST of a graph."""
        if status == 400:
            self.refusals.append(read_refusal(text, graph))
            return
        assert status == 200
        accepted = read_accepted(text, graph)
        self.jobs[accepted.prompt_id] = Seen(accepted.prompt_id, accepted, graph)


def sent_graph(request: dict[str, Any]) -> Workflow:
    """The graph of a POST, empty where the body held none."""
    body = request.get("body", json.loads(request.get("raw_body", "{}")))
    return Workflow(body.get("prompt", {}) if isinstance(body, dict) else {})


def told(event: Event) -> str:
    """An event in the notation of this file."""
    match event:
        case Started():
            return "started"
        case NodesCached(node_ids=ids):
            return f"cached {','.join(sorted(ids)) or '-'}"
        case NodeStarted(node_id=node):
            return f"node {node}"
        case NodeFinished(node_id=node):
            return f"done {node}"
        case NodeProgress(node_id=node, value=value, maximum=maximum):
            return f"step {node} {value:g}/{maximum:g}"
        case NodeText(node_id=node, text=text):
            return f"text {node} {text}"
        case NodeBlocked(node_id=node, message=message):
            return f"blocked {node} {message}"
        case Preview(media_type=media_type, node_id=node):
            return f"preview {node} {media_type}"
        case NodeOutput(node_id=node, refs=refs, values=values):
            files = [f"{r.key}:{r.type}/{r.subfolder}/{r.filename}" for r in refs]
            return " ".join([f"output {node}", *files, *values])
    raise AssertionError(f"{event} comes from no server")


def exchanges(version: str, scenario: str) -> Iterator[dict[str, Any]]:
    """The events of a trace, each answer with its request."""
    path = TRACES / version / f"{scenario}.json"
    trace = json.loads(path.read_text(encoding="utf-8"))
    requests: dict[int, dict[str, Any]] = {}
    for event in trace["events"]:
        if event["kind"] == "http_request":
            requests[event["id"]] = event
        yield {**event, "request": requests.get(event.get("id", -1))}


def left_out(event: dict[str, Any]) -> bool:
    """Whether the recorder kept only the length of this message or body."""
    data = event.get("data", event.get("body"))
    inner = data.get("data") if isinstance(data, dict) else data
    return isinstance(inner, str) and inner.startswith("<")


@cache
def replay(version: str, scenario: str, *, conn: str = "") -> Replay:
    """Read a whole trace; `conn` limits it to the connections of that name."""
    seen = Replay()
    early: list[str | bytes] = []
    for event in exchanges(version, scenario):
        if left_out(event) or not event.get("conn", conn).startswith(conn):
            continue
        match event["kind"]:
            case "ws_text":
                early.append(json.dumps(event["data"]))
            case "ws_binary":
                early.append(base64.b64decode(event["b64"]))
            case "http_response":
                seen.answer(event["request"], event["status"], event["body"])
        # a job's first frames can overtake the answer to its POST
        if event["kind"] != "http_request":
            early = [frame for frame in early if not _given(seen, frame)]
    for frame in early:
        seen.frame(frame)
    return seen


def _given(seen: Replay, frame: str | bytes) -> bool:
    for signal in read_frame(frame):
        known = {None, *seen.jobs}
        if isinstance(signal, Heard | Ended) and signal.prompt_id not in known:
            return False
    seen.frame(frame)
    return True


@pytest.fixture(scope="session", name="replay")
def _replay() -> Callable[..., Replay]:
    """`replay("v0.33.0", "progress")` reads a whole trace."""
    return replay
