"""The check before sending agrees with the recorded traffic of real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.preflight import check
from comfyclient.workflow import InputFile, Workflow

from .judging import Judgement, disagreement
from .recorded import Recording

TRACES = Path(__file__).parents[2] / "data" / "traces"
UPLOADED = [InputFile("tone.wav", "", 0, None)]
"""What the servers had in their input folder."""
VERSIONS = ["0.3.12", "0.3.40", "0.3.64", "0.33.0"]


def posts(version: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every graph that was posted to a version, and the answer."""
    for path in sorted((TRACES / f"v{version}").glob("*.json")):
        asked: dict[Any, dict[str, Any]] = {}
        for event in json.loads(path.read_text("utf-8"))["events"]:
            if event["kind"] == "http_request" and event["path"] == "/prompt":
                body = event.get("body")
                asked[event["id"]] = body if isinstance(body, dict) else {}
            elif event["kind"] == "http_response" and asked.get(event["id"]):
                sent = asked[event["id"]]
                if _is_about_the_graph(sent, event["body"]):
                    yield path.stem, sent["prompt"], event


def _is_about_the_graph(sent: dict[str, Any], said: object) -> bool:
    """Whether the answer judges a whole graph of core nodes."""
    graph = sent.get("prompt")
    if not isinstance(graph, dict) or "partial_execution_targets" in sent:
        return False
    number, extra = sent.get("number", 0), sent.get("extra_data", {})
    if not isinstance(number, int | float) or not isinstance(extra, dict):
        return False
    error = said.get("error") if isinstance(said, dict) else None
    if isinstance(error, dict) and error["type"] == "invalid_prompt_id":
        return False
    nodes = [node for node in graph.values() if isinstance(node, dict)]
    names = [str(node.get("class_type")) for node in nodes]
    return not any(name.startswith(("SdkTest", "SaveImageWebs")) for name in names)


def offered(version: str) -> ObjectInfo:
    """The server's classes, with the model that it had when it was recorded."""
    info = Recording.read(version).info
    entries: Any = dict(info.entries)
    inputs = entries["CheckpointLoaderSimple"]["input"]["required"]
    first = inputs["ckpt_name"]
    (first[0] if isinstance(first[0], list) else first[1]["options"]).append(
        "tiny.safetensors"
    )
    return ObjectInfo(entries, version=version, replacements=info.replacements)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_check_says_what_was_recorded(version: str) -> None:
    """Every graph of the recorded traffic is judged as its server judged it."""
    info = offered(version)
    verdicts = set()
    for scenario, graph, event in posts(version):
        body = event["body"] if isinstance(event["body"], dict) else {}
        said = Judgement.of(event["status"], body)

        verdicts.add(said.verdict)
        workflow = Workflow(graph, files=UPLOADED)
        found = disagreement(check(workflow, info), said)
        assert found is None, (scenario, graph)

    assert verdicts >= {"ok", "partial", "refused", "crash"}
