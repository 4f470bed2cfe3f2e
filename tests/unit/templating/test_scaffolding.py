"""Templates made of exported graphs: filled with their defaults, the very graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from comfyclient.templating.lint import lint
from comfyclient.templating.proposals import (
    chosen,
    outputs_of,
    photo,
    propose,
)
from comfyclient.templating.scaffolding import MINIMAL
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow

from .exported import HOSTILE, graphs, recorded
from .scaffolds import KSAMPLER, check, made, places


def test_every_recorded_graph_comes_back() -> None:
    """Of five server versions, with whatever is proposed."""
    found = recorded()
    assert len(found) > 100
    for workflow in found:
        check(workflow, propose(workflow))


@given(graph=graphs())
def test_every_made_up_graph_comes_back(graph: dict[str, Any]) -> None:
    """With hostile texts as ids, classes, titles, names and values."""
    workflow = Workflow.from_graph(graph)
    check(workflow, propose(workflow))


@given(graph=graphs(), data=st.data())
def test_every_input_can_be_a_parameter(
    graph: dict[str, Any], data: st.DataObject
) -> None:
    """Texts, numbers and booleans, whatever they are, keep their value and type."""
    workflow = Workflow.from_graph(graph)
    params = [f"{place}=p{n}" for n, place in enumerate(places(workflow))]
    assume(params)
    picked = data.draw(st.lists(st.sampled_from(params), unique=True, min_size=1))
    check(workflow, chosen(workflow, picked))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(tmp_path: Path, text: str) -> None:
    """In a place that is filled, in one that is not, and beside a photo."""
    graph: dict[str, Any] = {
        text or "1": {"class_type": text or "A", "inputs": {text: text, "image": text}},
        "S": {
            "class_type": "SaveImage",
            "inputs": {"text": text, "fixed": {text: [text]}},
        },
    }
    workflow = Workflow.from_graph(graph)
    taken = [
        *chosen(workflow, ["S.text=words"]),
        photo(workflow, f"{text or '1'}.image"),
    ]
    check(workflow, taken)
    template = made(workflow, taken, tmp_path)
    trip = load_trip(template.sample_trip)
    assert template.render(trip, {"words": "other"}).graph["S"] != workflow.graph["S"]


def test_what_is_proposed_and_how_it_is_called() -> None:
    """Seeds, prompts by the side they come from, sizes, models, images."""
    found = propose(Workflow.from_graph(KSAMPLER))
    assert [(one.name, one.place, one.fill) for one in found] == [
        ("seed", "3.seed", "seed"),
        ("seed", "11.noise_seed", "seed"),
        ("prompt", "6.text", "parameter"),
        ("negative_prompt", "7.text", "parameter"),
        ("width", "5.width", "parameter"),
        ("height", "5.height", "parameter"),
        ("ckpt", "4.ckpt_name", "parameter"),
        ("image", "10.image", "parameter"),
    ]


def test_names_are_each_once() -> None:
    """The second prompt is `prompt_2`."""
    graph = {
        str(n): {"class_type": "CLIPTextEncode", "inputs": {"text": "a"}}
        for n in range(3)
    }
    names = [one.name for one in propose(Workflow.from_graph(graph))]
    assert names == ["prompt", "prompt_2", "prompt_3"]


@pytest.mark.parametrize("name", ["noise_seed", "seed"])
@pytest.mark.parametrize("value", [-1, 1 << 64, "7", 7.0, True, None])
def test_what_no_seed_can_be_stays_as_it_is(name: str, value: object) -> None:
    """Some packs take -1 for a random one."""
    graph: dict[str, Any] = {"1": {"class_type": "A", "inputs": {name: value}}}
    workflow = Workflow.from_graph(graph)
    assert propose(workflow) == []
    check(workflow, [])


def test_one_seed_moves_all(tmp_path: Path) -> None:
    """Two nodes with seeds of their own keep their distance."""
    workflow = Workflow.from_graph(KSAMPLER)
    template = made(workflow, propose(workflow), tmp_path)
    graph: Any = template.render(None, seed=10).graph
    assert graph["3"]["inputs"]["seed"] == 10
    assert graph["11"]["inputs"]["noise_seed"] == 6
    graph = template.render(None, seed=2).graph
    assert graph["11"]["inputs"]["noise_seed"] == (1 << 64) - 2


def test_the_result_passes_lint(tmp_path: Path) -> None:
    """Without an error, and without a warning but for what the graph itself lacks."""
    workflow = Workflow.from_graph(KSAMPLER)
    report = lint(made(workflow, propose(workflow), tmp_path))
    assert not report.has_errors
    assert {f.message.partition(") ")[2] for f in report.findings} == {
        "has no title in _meta",
        "leads to no named output",
        "has no filename_prefix",
    }


def test_the_minimal_template_has_no_finding(tmp_path: Path) -> None:
    """It is what others start from."""
    workflow = Workflow.from_graph(MINIMAL)
    template = made(workflow, propose(workflow), tmp_path)
    assert lint(template).findings == ()
    assert list(template.manifest.parameters) == ["width", "height"]


def test_all_recorded_graphs_pass_lint(tmp_path: Path) -> None:
    """Those whose own lists a server would read as links are told so, and no other."""
    for number, workflow in enumerate(recorded(most=1)):
        template = made(workflow, propose(workflow), tmp_path / str(number))
        errors = [f for f in lint(template).findings if f.level == "error"]
        assert all("reads as a link" in f.message for f in errors), errors


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["SaveImage"], [("image", "0", "images", True)]),
        (
            ["PreviewImage", "SaveImage", "SaveImage"],
            [("image", "1", "images", True), ("image_2", "2", "images", True)],
        ),
        (["PreviewImage"], [("image", "0", "images", False)]),
        (["SaveVideo"], [("video", "0", None, True)]),
        (["SaveAudio"], [("audio", "0", "audio", True)]),
        (["VHS_VideoCombine"], [("video", "0", None, True)]),
        (["Mystery"], [("output", "0", None, False)]),
    ],
)  # fmt: skip
def test_outputs_are_what_saves_else_what_shows_else_the_ends(
    classes: list[str], expected: list[tuple[str, str, str | None, bool]]
) -> None:
    """What is not sure to give a file is not required."""
    graph: dict[str, Any] = {
        str(n): {"class_type": name, "inputs": {}} for n, name in enumerate(classes)
    }
    found = outputs_of(Workflow.from_graph(graph))
    assert [(o.name, o.node_id, o.key, o.required) for o in found] == expected


def test_models_are_named_with_their_folders(tmp_path: Path) -> None:
    """As far as the input's name tells."""
    workflow = Workflow.from_graph(KSAMPLER)
    models = made(workflow, [], tmp_path).manifest.requirements.models
    assert [(one.folder, one.file) for one in models] == [("checkpoints", "a.ckpt")]


def test_errors_name_the_line_of_the_template(tmp_path: Path) -> None:
    """A node of the made template is found in its source again."""
    workflow = Workflow.from_graph(KSAMPLER)
    template = made(workflow, propose(workflow), tmp_path)
    place = template.render(None, seed=1).place("3", "seed")
    assert place is not None
    lines = (template.folder / "workflow.json.j2").read_text("utf-8").splitlines()
    assert "{{ seed }}" in lines[place.line - 1]
