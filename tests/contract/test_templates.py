"""The shipped templates: clean, safe from any text, and fit for the nodes they use."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.comfy_nodes import NODE_CLASS_MAPPINGS
from comfyclient.errors import TripError
from comfyclient.graph import canonical, links
from comfyclient.templating.lint import lint, structure
from comfyclient.templating.registry import Registry
from comfyclient.templating.template import Template
from comfyclient.trip.published import (
    PublishedTrip,
    photo_source,
    with_source,
    with_sources,
)
from comfyclient.trip.trips import load_trip
from comfyclient.words.copywriter import TripCopy
from comfyclient.workflow import Workflow

TEMPLATES = Registry().templates()
TRIPS = sorted((Path(__file__).parents[2] / "examples" / "trips").glob("*.json"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.ref)
each_trip = pytest.mark.parametrize("path", TRIPS, ids=lambda p: p.stem)


def _sample(template: Template) -> PublishedTrip:
    return load_trip(template.sample_trip).for_publishing()


@each_template
def test_lint_finds_nothing(template: Template) -> None:
    """A shipped template has neither errors nor warnings."""
    assert [str(finding) for finding in lint(template).findings] == []


@st.composite
def _texts(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "id": draw(TEXTS),
        "title": draw(TEXTS),
        "vehicle": {name: draw(TEXTS) for name in ("brand", "model", "colour")},
        "stop": draw(TEXTS),
        "place": draw(TEXTS),
        "near": draw(TEXTS),
        "highlight": draw(TEXTS),
        "copy": [draw(TEXTS) for _ in range(5)],
        "param": draw(TEXTS),
    }


def _filled(trip: PublishedTrip, texts: dict[str, Any]) -> PublishedTrip:
    """The trip with these texts; a trip's own validation runs on them."""
    fields = trip.model_dump()
    fields |= {"id": texts["id"], "title": texts["title"]}
    fields["vehicle"] |= texts["vehicle"]
    fields["highlights"] = (texts["highlight"],) * 2
    for stop in fields["stops"]:
        stop |= {"name": texts["stop"], "place": texts["place"]}
    fields["highest"] |= {"near": texts["near"]}
    return with_sources(PublishedTrip.model_validate(fields), of=trip)


def _copy(texts: list[str]) -> TripCopy:
    title, subtitle, prompt, *lines = texts
    return TripCopy(
        title=title, subtitle=subtitle, lines=tuple(lines), poster_prompt=prompt
    )


HARMLESS: dict[str, Any] = {
    "id": "a",
    "title": "a",
    "vehicle": {},
    "stop": "a",
    "place": "a",
    "near": "a",
    "highlight": "a",
    "copy": ["a"] * 5,
    "param": "a",
}


@each_template
@given(texts=_texts(), own_copy=st.booleans())
def test_no_text_changes_the_graph(
    template: Template, texts: dict[str, Any], own_copy: bool
) -> None:
    """Any text in any field gives valid JSON with the harmless trip's structure."""
    expected, found = (
        _rendered(template, chosen, own_copy=own_copy) for chosen in (HARMLESS, texts)
    )
    assert structure(found.graph) == structure(expected.graph)
    assert json.loads(canonical(found.graph)) == found.graph
    titles = {i: n["_meta"] for i, n in found.graph.items()}  # type: ignore[index, call-overload]
    assert titles == {i: n["_meta"] for i, n in expected.graph.items()}  # type: ignore[index, call-overload]


def _rendered(template: Template, texts: dict[str, Any], *, own_copy: bool) -> Workflow:
    strings = {
        name: texts["param"][: parameter.max_length]
        for name, parameter in template.manifest.parameters.items()
        if parameter.type == "string"
    }
    trip = _filled(_cached_sample(template), texts)
    copy = None if own_copy else _copy(texts["copy"])
    params = {} if own_copy else strings
    return template.render(trip, params, seed=1, copy=copy)


_SAMPLES: dict[str, PublishedTrip] = {}


def _cached_sample(template: Template) -> PublishedTrip:
    if template.ref not in _SAMPLES:
        _SAMPLES[template.ref] = _sample(template)
    return _SAMPLES[template.ref]


@each_template
@each_trip
def test_every_example_trip_fits_the_nodes(template: Template, path: Path) -> None:
    """Each input of our own nodes exists there, is in its list or range, none lacks."""
    workflow = template.render(_fit(template, path), seed=1)
    ours = 0
    for node_id, node in workflow.graph.items():
        name = workflow.class_type(node_id)
        if name in NODE_CLASS_MAPPINGS:
            ours += 1
            _check_inputs(NODE_CLASS_MAPPINGS[name], node)
    assert ours


def _fit(template: Template, path: Path) -> PublishedTrip:
    """The trip; where the template needs photos, with those of its sample."""
    trip = load_trip(path).for_publishing()
    part = template.manifest.trip
    if part is None or "photos" not in part.required:
        return trip
    with pytest.raises(TripError, match=r"photos: .* may be published"):
        template.render(trip, seed=1)
    return trip.model_copy(update={"photos": _sample(template).photos})


def _check_inputs(node_class: Any, node: Any) -> None:
    declared = node_class.INPUT_TYPES()
    required, optional = declared["required"], declared.get("optional", {})
    linked = {name for name, _ in links(node)}
    assert set(required) <= set(node["inputs"])
    for name, value in node["inputs"].items():
        spec = {**required, **optional}[name]
        kind, options = spec[0], spec[1] if len(spec) > 1 else {}
        if name in linked:
            continue
        if isinstance(kind, list):
            assert value in kind
        elif kind in {"INT", "FLOAT"}:
            assert isinstance(value, int | float)
            assert options.get("min", value) <= value <= options.get("max", value)
        else:
            assert isinstance(value, {"STRING": str, "BOOLEAN": bool}[kind])


@each_template
@each_trip
def test_no_secret_of_a_trip_is_rendered(template: Template, path: Path) -> None:
    """VIN, plate, owner and addresses are nowhere in the graph."""
    raw = json.loads(path.read_text("utf-8"))
    secrets = {raw.get("vehicle", {}).get(key) for key in ("vin", "plate", "owner")}
    secrets |= {stop.get("address") for stop in raw.get("stops", [])}
    graph = json.dumps(template.render(_fit(template, path), seed=1).graph)
    escaped = {json.dumps(secret)[1:-1] for secret in secrets if secret}
    assert escaped
    assert [secret for secret in escaped if secret in graph] == []


@pytest.mark.parametrize("days", [0, 1, 6, 30])
@pytest.mark.parametrize("photos", [0, 1, 2, 3, 9])
def test_a_story_has_room_for_any_number_of_days_and_photos(
    days: int, photos: int
) -> None:
    """Ids are chained without a gap, nothing overlaps, and no limit is passed."""
    template = Registry().find("trip-story@1.0.0")
    sample = _sample(template)
    legs = [sample.legs[0].model_copy(update={"day": n + 1}) for n in range(days)]
    shots = [
        with_source(
            sample.photos[0].model_copy(update={"number": number, "day": day}),
            photo_source(sample.photos[0]),
        )
        for number, day in enumerate(
            [n + 1 for n in range(days) for _ in range(photos)] + [None] * photos, 1
        )
    ]
    trip = sample.model_copy(update={"legs": tuple(legs), "photos": tuple(shots)})
    graph: Any = template.render(trip, seed=1).graph

    for node in graph.values():
        if node["class_type"] in NODE_CLASS_MAPPINGS:
            _check_inputs(NODE_CLASS_MAPPINGS[node["class_type"]], node)
    chain, at = [], "place-small-print"
    while at is not None:
        chain.append(at)
        at = graph[at]["inputs"].get("layers", [None])[0]
    assert set(chain) == {n for n in graph if graph[n]["class_type"] == "TripPlace"}
    paper = graph["paper"]["inputs"]["height"]
    days_at = [
        (
            graph[n]["inputs"]["y"],
            graph[n]["inputs"]["y"] + graph[n[6:]]["inputs"]["height"],
        )
        for n in reversed(chain)
        if "photo" not in n and n.startswith(("place-day", "place-more", "place-small"))
    ]
    assert all(a[1] <= b[0] for a, b in pairwise(days_at))
    assert days_at[-1][1] <= paper
