"""Templates made of exported graphs: filled with their defaults, the very graph."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from comfyclient.errors import TemplateError
from comfyclient.templating.folders import new_template
from comfyclient.templating.lint import lint
from comfyclient.templating.parameters import StringParameter
from comfyclient.templating.proposals import (
    MAX_TEXT,
    Proposal,
    chosen,
    outputs_of,
    photo,
    propose,
)
from comfyclient.templating.scaffolding import MINIMAL, Scaffold, scaffold
from comfyclient.templating.template import Template
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow

from .exported import HOSTILE, graphs, recorded

KSAMPLER: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.ckpt"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 32}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog", "clip": ["4", 1]}},
    "8": {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": ["7", 0], "conditioning_2": ["7", 0]},
    },
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 9,
            "steps": 4,
            "cfg": 8,
            "denoise": 0.5,
            "sampler_name": "euler",
            "add_noise": True,
            "latent_image": ["5", 0],
            "model": ["4", 0],
            "negative": ["8", 0],
            "positive": ["6", 0],
        },
    },
    "10": {"class_type": "LoadImage", "inputs": {"image": "photo {{ 1 }}.png"}},
    "11": {"class_type": "SdkTestSeedNoise", "inputs": {"noise_seed": 5}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}


def scaffolded(workflow: Workflow, proposals: list[Proposal]) -> Scaffold:
    """The files of a template of these proposals."""
    return scaffold(
        workflow, proposals, name="made", version="1.0.0", summary="Made of a graph"
    )


def made(workflow: Workflow, proposals: list[Proposal], root: Path) -> Template:
    """The same, written down."""
    files = scaffolded(workflow, proposals).files
    return new_template(root, name="made", version="1.0.0", files=files)


def check(workflow: Workflow, proposals: list[Proposal]) -> None:
    """Its template gives the graph again, in its order."""
    files = scaffolded(workflow, proposals)
    with tempfile.TemporaryDirectory() as folder:
        template = new_template(
            Path(folder), name="made", version="1.0.0", files=files.files
        )
        trip = None
        if "trip" in template.source.reads.names:
            trip = load_trip(template.sample_trip)
        found = template.render(trip, seed=files.seed)
    assert found.digest == workflow.digest
    assert list(found.graph) == list(workflow.graph)


def places(workflow: Workflow) -> list[str]:
    """The inputs that can be parameters; of those that read alike, none."""
    found: list[str] = []
    for node_id, node in workflow.graph.items():
        assert isinstance(node, dict)
        assert isinstance(node["inputs"], dict)
        for name, value in node["inputs"].items():
            large = isinstance(value, float) and abs(value) >= 1e300
            if isinstance(value, str | int | float) and not large:
                found.append(f"{node_id}.{name}")
    return [place for place in found if found.count(place) == 1]


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


def test_chosen_parameters_have_the_inputs_type(tmp_path: Path) -> None:
    """A whole number stays one; of those that take fractions, the template does too."""
    workflow = Workflow.from_graph(KSAMPLER)
    places = ["steps", "cfg", "denoise", "sampler_name", "add_noise"]
    params = [f"3.{name}={name}" for name in places]
    template = made(workflow, chosen(workflow, params), tmp_path)
    kinds = {name: one.type for name, one in template.manifest.parameters.items()}
    assert kinds == {
        "steps": "integer",
        "cfg": "number",
        "denoise": "number",
        "sampler_name": "string",
        "add_noise": "boolean",
    }
    found: Any = template.render(None, {"cfg": 7.5, "steps": 5}).graph["3"]
    assert (found["inputs"]["cfg"], found["inputs"]["steps"]) == (7.5, 5)
    assert found["inputs"]["seed"] == 9


def test_one_name_fills_several_inputs(tmp_path: Path) -> None:
    """Where they have one value."""
    graph: dict[str, Any] = {
        n: {"class_type": "A", "inputs": {"size": 5, "other": n}} for n in "12"
    }
    workflow = Workflow.from_graph(graph)
    template = made(workflow, chosen(workflow, ["1.size=s", "2.size=s"]), tmp_path)
    found: Any = template.render(None, {"s": 6}).graph
    assert [found[n]["inputs"]["size"] for n in "12"] == [6, 6]
    with pytest.raises(TemplateError, match="has the value '1' elsewhere, and '2'"):
        chosen(workflow, ["1.other=o", "2.other=o"])


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ("3.steps", "NODE.INPUT=NAME"),
        ("=", "is no name"),
        ("3.steps=", "is no name"),
        ("3.steps=Steps", "is no name like 'show_scale'"),
        ("3.steps=a b", "is no name"),
        ("3.stesp=steps", "did you mean '3.steps'"),
        ("3.stesp=steps", "node 3 has 3.seed, 3.steps"),
        ("33.steps=steps", "no input '33.steps'"),
        ("3.model=m", "a link to node 4, not a value"),
        ("20.list=m", "only texts, numbers and booleans"),
        ("20.none=m", "only texts, numbers and booleans"),
        ("20.long=m", f"has {MAX_TEXT + 1} characters; at most {MAX_TEXT}"),
        ("20.large=m", "1e+308 is too large"),
    ],
)
def test_what_cannot_be_a_parameter_is_told(param: str, said: str) -> None:
    """With what could be meant."""
    odd = {"list": [1], "none": None, "long": "x" * (MAX_TEXT + 1), "large": 1e308}
    graph = {**KSAMPLER, "20": {"class_type": "A", "inputs": odd}}
    with pytest.raises(TemplateError) as caught:
        chosen(Workflow.from_graph(graph), [param])
    assert said in str(caught.value)


def test_an_input_is_named_once() -> None:
    """Two names for one place would be one too many."""
    with pytest.raises(TemplateError, match=r"3\.steps is named twice"):
        chosen(Workflow.from_graph(KSAMPLER), ["3.steps=a", "3.steps=b"])


def test_ids_and_names_with_dots_are_found() -> None:
    """Nodes of subgraphs and dynamic inputs have such."""
    graph: dict[str, Any] = {
        "57:8.1": {"class_type": "A", "inputs": {"model.size": 4, "a=b": "x"}}
    }
    workflow = Workflow.from_graph(graph)
    found = chosen(workflow, ["57:8.1.model.size=size", "57:8.1.a=b=word"])
    assert [(one.input_name, one.name) for one in found] == [
        ("model.size", "size"),
        ("a=b", "word"),
    ]


def test_a_place_that_could_be_two_is_told() -> None:
    """Neither is taken by chance."""
    graph: dict[str, Any] = {
        "1": {"class_type": "A", "inputs": {"b.c": 1}},
        "1.b": {"class_type": "A", "inputs": {"c": 2}},
    }
    with pytest.raises(TemplateError, match=r"each of the nodes '1', '1\.b'"):
        chosen(Workflow.from_graph(graph), ["1.b.c=x"])


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (1, True), (1, 1.0)])
def test_what_python_takes_for_equal_shares_no_name(one: object, other: object) -> None:
    """One default would change the other's value."""
    graph: dict[str, Any] = {"1": {"class_type": "A", "inputs": {"a": one, "b": other}}}
    with pytest.raises(TemplateError, match="elsewhere"):
        chosen(Workflow.from_graph(graph), ["1.a=x", "1.b=x"])


def test_a_seed_of_its_own_has_another_name(tmp_path: Path) -> None:
    """Under the name `seed` it is the workflow's."""
    workflow = Workflow.from_graph(KSAMPLER)
    own = chosen(workflow, ["3.seed=seed", "11.noise_seed=noise"])
    assert [one.fill for one in own] == ["seed", "parameter"]
    template = made(workflow, own, tmp_path)
    assert template.manifest.parameters["noise"].type == "seed"


def test_a_text_may_grow(tmp_path: Path) -> None:
    """A parameter takes twice the length of what was exported, and 200 at least."""
    for text, expected in (("short", 200), ("x" * 150, 300), ("x" * 90_000, MAX_TEXT)):
        graph: dict[str, Any] = {"1": {"class_type": "A", "inputs": {"text": text}}}
        workflow = Workflow.from_graph(graph)
        root = tmp_path / str(len(text))
        template = made(workflow, chosen(workflow, ["1.text=text"]), root)
        parameter = template.manifest.parameters["text"]
        assert isinstance(parameter, StringParameter)
        assert parameter.max_length == expected


def test_a_photo_takes_the_place_of_an_image(tmp_path: Path) -> None:
    """A trip without one leaves the exported name."""
    workflow = Workflow.from_graph(KSAMPLER)
    template = made(workflow, [photo(workflow, "10.image")], tmp_path)
    assert template.manifest.trip is not None
    assert template.manifest.trip.takes == ["photos"]
    source = json.loads(template.sample_trip.read_text("utf-8"))
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    source["photos"] = [{"source": "p.png"}]
    (tmp_path / "trip.json").write_text(json.dumps(source))

    with_photo = template.render(load_trip(tmp_path / "trip.json"), seed=1)
    without = template.render(load_trip(template.sample_trip), seed=1)

    assert without.digest == workflow.digest
    (file,) = with_photo.files
    assert with_photo.value("10", "image") == repr(file.name)


@pytest.mark.parametrize(
    ("place", "said"), [("3.steps", "no file"), ("x.y", "no input")]
)
def test_what_is_no_image_takes_no_photo(place: str, said: str) -> None:
    """Only texts name files."""
    with pytest.raises(TemplateError, match=said):
        photo(Workflow.from_graph(KSAMPLER), place)


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
