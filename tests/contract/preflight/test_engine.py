"""The check before sending agrees with the embedded engine, templates pass it."""

from __future__ import annotations

import json
import random
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from packaging.version import Version

from comfyclient import comfy_nodes
from comfyclient.errors import TripError
from comfyclient.local.context import Surroundings, entered
from comfyclient.local.folders import Folders
from comfyclient.local.node_table import NodeTable
from comfyclient.local.nodes import core_classes
from comfyclient.local.object_info import describe_all
from comfyclient.local.validation import Validator
from comfyclient.local.versions import Behaviour, behaviour_of
from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.preflight import check
from comfyclient.templating.parameters import ChoiceParameter
from comfyclient.templating.registry import Registry
from comfyclient.templating.template import Template
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow

from .graphs import Maker
from .judging import Judgement, disagreement
from .recorded import Recording

VERSIONS = ["0.3.12", "0.3.40", "0.3.64", "0.9.0", "0.26.0", "0.33.0"]
OURS = comfy_nodes.NODE_CLASS_MAPPINGS
NOWHERE = Surroundings(Folders(Path("/nowhere")))
NODE_PACKS = Path(__file__).parents[2] / "data" / "node_packs"
TEMPLATES = {template.ref: template for template in Registry().templates()}
QUICK, WHOLE = 300, 5000
EXAMPLES = Path(comfy_nodes.__file__).parents[2] / "examples" / "trips"


@cache
def engine(version: str) -> tuple[NodeTable, Behaviour, ObjectInfo]:
    """The embedded engine's classes as a version, and what it says of them."""
    behaviour = behaviour_of(version)
    nodes = NodeTable()
    core_classes(nodes, behaviour=behaviour)
    nodes.add_packs((comfy_nodes,))
    return nodes, behaviour, _described(nodes, behaviour, NOWHERE)


def _described(
    nodes: NodeTable, behaviour: Behaviour, where: Surroundings
) -> ObjectInfo:
    with entered(where):
        said = describe_all(nodes, behaviour=behaviour)
    return ObjectInfo.parse(json.dumps(said).encode(), version=behaviour.version)


@cache
def engine_with_folders(version: str) -> ObjectInfo:
    """What the engine says of itself where it has an input folder, an empty one."""
    nodes, behaviour, _ = engine(version)
    with TemporaryDirectory() as base:
        (Path(base) / "input").mkdir()
        return _described(nodes, behaviour, Surroundings(Folders(Path(base))))


def judged(graph: dict[str, Any], version: str) -> Judgement:
    """What the engine would answer."""
    nodes, behaviour, _ = engine(version)
    with entered(NOWHERE):
        verdict = Validator(graph, nodes=nodes, behaviour=behaviour).judge()
    body = {"error": verdict.error, "node_errors": verdict.node_errors}
    return Judgement.of(200 if verdict.error is None else 400, body)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_check_says_what_the_engine_says(version: str) -> None:
    """Of some hundred graphs, none that the engine takes is refused, and the reverse.

    What the pack's own code reads in a text is not compared.
    """
    compare(version, QUICK)


@pytest.mark.soak
@pytest.mark.parametrize("version", VERSIONS)
def test_so_it_does_at_length(version: str) -> None:
    """Nor of thousands."""
    compare(version, WHOLE)


def compare(version: str, graphs: int) -> None:
    """The check's findings and the engine's, on so many graphs drawn for a version."""
    info = engine(version)[2]
    maker = Maker(info, random.Random(version))
    found: Counter[str | None] = Counter()
    for _ in range(graphs):
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
    assert found["doubted"] <= graphs / 50


@cache
def rendered(ref: str, trip: Path | None) -> Workflow | None:
    """A template filled from a trip; None where the trip lacks what it needs."""
    template = TEMPLATES[ref]
    published = None if trip is None else load_trip(trip).for_publishing()
    try:
        return template.render(published, {}, seed=7)
    except TripError:
        assert trip != template.sample_trip
        return None


@cache
def recorded_info(version: str) -> ObjectInfo:
    """What a real server offered."""
    return Recording.read(version).info


def with_packs(version: str, template: Template) -> ObjectInfo:
    """A recorded server, with our nodes, other packs and the models of a template."""
    recorded = recorded_info(version)
    ours = engine(version)[2].entries
    entries = {**recorded.entries, **{name: ours[name] for name in OURS}}
    for pack in NODE_PACKS.glob("*.json"):
        entries |= json.loads(pack.read_text("utf-8"))["object_info"]
    models = [model.file for model in template.manifest.requirements.models]
    entries = {name: _listing(entry, models) for name, entry in entries.items()}
    return ObjectInfo(entries, version=version, replacements=recorded.replacements)


def _listing(entry: Any, models: list[str]) -> Any:
    """A class whose lists of model files also hold these."""
    if "oader" not in str(entry.get("name", "")) + str(entry["output"]) and not any(
        one in entry["output"] for one in ("MODEL", "VAE", "CLIP", "CHATGLM3MODEL")
    ):
        return entry
    inputs = {
        section: {name: _with_files(name, spec, models) for name, spec in found.items()}
        for section, found in entry["input"].items()
        if isinstance(found, dict)
    }
    return {**entry, "input": {**entry["input"], **inputs}}


def _with_files(name: str, spec: Any, models: list[str]) -> Any:
    if not name.endswith(("_name", "_name1", "_name2", "_checkpoint")):
        return spec
    if isinstance(spec[0], list):
        return [[*spec[0], *models], *spec[1:]]
    options = [*spec[1].get("options", ()), *models]
    return [spec[0], {**spec[1], "options": options}, *spec[2:]]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_every_template_passes_on_every_release(
    template: Template, version: str
) -> None:
    """Whatever sample trip fills it, on real servers and, without models, the engine.

    What other packs have stands as their own source publishes it.
    """
    needs = template.manifest.requirements
    if not needs.accepts(Version(version)):
        return
    servers = [with_packs(version, template)]
    if not needs.models:
        servers.append(engine_with_folders(version))
    trips: list[Path | None] = [None]
    if template.manifest.trip is not None:
        trips = [template.sample_trip, *sorted(EXAMPLES.glob("*.json"))]
    for trip in trips:
        workflow = rendered(template.ref, trip)
        for info in servers if workflow is not None else ():
            assert check(workflow, info).findings == ()


@pytest.mark.parametrize("name", ["trip-poster@1.0.0", "trip-postcard@2.0.0"])
def test_a_variant_needs_its_own_model_file_and_nothing_else(name: str) -> None:
    """The graph for FLUX.1-schnell is sound; what lacks is named before it is sent."""
    template = Registry().find(name)
    trip = load_trip(template.sample_trip)
    for params in ({"weights": "default"}, {"guidance": 1.0, "steps": 60}):
        workflow = template.render(trip, params, seed=7)
        assert check(workflow, with_packs("0.33.0", template)).findings == ()

    schnell = template.render(trip, {"model": "schnell"}, seed=7)
    (finding,) = check(schnell, with_packs("0.33.0", template)).findings

    assert finding.issue.input_name == "unet_name"
    assert finding.issue.value == repr("flux1-schnell.safetensors")


@pytest.mark.parametrize("shape", ["landscape", "portrait", "square"])
def test_a_restyled_photo_has_a_size_that_kolors_paints(shape: str) -> None:
    """Sides in eights, about a million pixels; every style is known."""
    template = Registry().find("trip-photo-restyle")
    parameter = template.manifest.parameters["style"]
    assert isinstance(parameter, ChoiceParameter)
    for style in parameter.choices:
        params = {"shape": shape, "style": style}
        workflow = template.render(load_trip(template.sample_trip), params, seed=1)
        assert check(workflow, with_packs("0.33.0", template)).findings == ()
    cut: Any = workflow.graph["cut"]
    width, height = cut["inputs"]["width"], cut["inputs"]["height"]
    assert width % 64 == height % 64 == 0
    assert 900_000 < width * height < 1_100_000
