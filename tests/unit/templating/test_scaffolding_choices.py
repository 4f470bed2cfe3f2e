"""Parameters that somebody chose for a template that is made of a graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfyclient.errors import TemplateError
from comfyclient.templating.parameters import StringParameter
from comfyclient.templating.proposals import (
    MAX_TEXT,
    chosen,
    photo,
)
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow

from .scaffolds import KSAMPLER, made


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
