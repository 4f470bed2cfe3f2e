"""The check before sending agrees with the embedded engine, templates pass it."""

from __future__ import annotations

import json
import random
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from comfyclient import comfy_nodes
from comfyclient.findings import Report
from comfyclient.local.context import Surroundings, entered
from comfyclient.local.folders import Folders
from comfyclient.local.node_table import NodeTable
from comfyclient.local.nodes import core_classes
from comfyclient.local.object_info import describe_all
from comfyclient.local.validation import Validator
from comfyclient.local.versions import Behaviour, behaviour_of
from comfyclient.object_info import ObjectInfo
from comfyclient.preflight import check
from comfyclient.registry import Registry
from comfyclient.template import Template
from comfyclient.trips import load_trip
from comfyclient.workflow import Workflow

from .graphs import Maker
from .judging import Judgement, disagreement
from .recorded import Recording

VERSIONS = ["0.3.12", "0.3.40", "0.3.64", "0.9.0", "0.26.0", "0.33.0"]
OURS = comfy_nodes.NODE_CLASS_MAPPINGS
NOWHERE = Surroundings(Folders(Path("/nowhere")))
EXAMPLES = Path(comfy_nodes.__file__).parents[2] / "examples" / "trips"


@cache
def engine(version: str) -> tuple[NodeTable, Behaviour, ObjectInfo]:
    """The embedded engine's classes as a version, and what it says of them."""
    behaviour = behaviour_of(version)
    nodes = NodeTable()
    core_classes(nodes, behaviour=behaviour)
    nodes.add_packs((comfy_nodes,))
    with entered(NOWHERE):
        said = describe_all(nodes, behaviour=behaviour)
    info = ObjectInfo.parse(json.dumps(said).encode(), version=version)
    return nodes, behaviour, info


def judged(graph: dict[str, Any], version: str) -> Judgement:
    """What the engine would answer."""
    nodes, behaviour, _ = engine(version)
    with entered(NOWHERE):
        verdict = Validator(graph, nodes=nodes, behaviour=behaviour).judge()
    body = {"error": verdict.error, "node_errors": verdict.node_errors}
    return Judgement.of(200 if verdict.error is None else 400, body)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_check_says_what_the_engine_says(version: str) -> None:
    """Of a thousand graphs, none that the engine takes is refused, and the reverse.

    What the pack's own code reads in a text is not compared.
    """
    info = engine(version)[2]
    maker = Maker(info, random.Random(version))
    found: Counter[str | None] = Counter()
    for _ in range(1000):
        graph = maker.spoilt()
        report = check(Workflow(json.loads(json.dumps(graph))), info)
        ours = [key for key in graph if graph[key]["class_type"] in OURS]
        try:
            said = judged(graph, version)
        except (KeyError, TypeError):  # the engine answers 500, as the server does
            said = Judgement("crash", {})
        if any("custom_validation_failed" in said.errors.get(one, ()) for one in ours):
            continue
        found[disagreement(report, said)] += 1

    assert found.keys() <= {None, "doubted"}
    assert found["doubted"] <= 20


def rendered(template: Template, trip: Path | None) -> Workflow:
    """A template filled from a trip."""
    published = None if trip is None else load_trip(trip).for_publishing()
    return template.render(published, {}, seed=7)


def with_our_pack(version: str) -> ObjectInfo:
    """A recorded server, with the package's own nodes installed."""
    recorded = Recording.read(version).info
    ours = engine(version)[2].entries
    entries = {**recorded.entries, **{name: ours[name] for name in OURS}}
    return ObjectInfo(entries, version=version, replacements=recorded.replacements)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", Registry().templates(), ids=lambda one: one.ref)
def test_every_template_passes_on_every_release(
    template: Template, version: str
) -> None:
    """Whatever sample trip fills it, on real servers and on the engine."""
    trips: list[Path | None] = [None]
    if template.manifest.trip is not None:
        trips = [template.sample_trip, *sorted(EXAMPLES.glob("*.json"))]

    for trip in trips:
        workflow = rendered(template, trip)
        for info in (engine(version)[2], with_our_pack(version)):
            report: Report = check(workflow, info)
            assert report.findings == ()
