"""What a server says of its classes is read as far as it can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.errors import BadAnswerError
from comfyclient.preflight.object_info import ObjectInfo, read_input, read_node
from comfyclient.preflight.preflight import check
from comfyclient.workflow import Workflow

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def info(**inputs: Any) -> ObjectInfo:
    """A server with one class of these required inputs."""
    return ObjectInfo({"Node": {"input": {"required": inputs}, "output": ["IMAGE"]}})


@pytest.mark.parametrize(
    ("spec", "kind", "choices"),
    [
        (["IMAGE"], "IMAGE", None),
        (["INT", {"min": 1}], "INT", None),
        ([["a", "b"]], "COMBO", ["a", "b"]),
        (["COMBO", {"options": ["a"]}], "COMBO", ["a"]),
        (["COMBO", {"remote": {"route": "/x"}}], "COMBO", None),
        (["IMAGE", "odd"], "IMAGE", None),
        ([], None, None),
        ("IMAGE", None, None),
        (None, None, None),
        ([7, {}], None, None),
    ],
)
def test_an_input_comes_in_many_shapes(
    spec: Any, kind: str | None, choices: list[str] | None
) -> None:
    """Old and new ways to write a type are read alike, odd ones as unknown."""
    one = read_input("x", spec, required=True)

    assert (one.kind, one.choices) == (kind, choices)


def test_hidden_inputs_are_no_inputs() -> None:
    """What the server fills in itself is neither required nor unknown."""
    node = read_node("N", {"input": {"hidden": {"prompt": "PROMPT", "id": ["X"]}}})

    assert not node.inputs
    assert node.hidden == {"prompt", "id"}


def test_a_name_in_both_sections_is_required() -> None:
    """As the server looks among the required ones first."""
    sections = {"optional": {"a": ["INT"]}, "required": {"a": ["FLOAT"]}}
    node = read_node("N", {"input": sections})

    assert node.inputs["a"].required
    assert node.inputs["a"].kind == "FLOAT"


@given(JSON)
def test_no_entry_is_too_odd(entry: Any) -> None:
    """Whatever a pack lets the server say of a class, a graph can be checked."""
    offered = ObjectInfo({"Node": entry})
    graph = {"1": {"class_type": "Node", "inputs": {"x": 1}, "_meta": {}}}

    report = check(Workflow(graph), offered)

    assert len(offered.fingerprint) == 64
    assert report.as_json()["findings"] is not None


@given(JSON, JSON)
def test_no_input_is_too_odd(spec: Any, value: Any) -> None:
    """Whatever stands for an input, and whatever is given to it."""
    entry = {"input": {"required": {"x": spec}}, "output_node": True}
    graph = {"1": {"class_type": "N", "inputs": {"x": value}, "_meta": {}}}

    for module in ("nodes", "custom_nodes.x"):
        offered = ObjectInfo(
            {"N": {**entry, "python_module": module}}, version="0.33.0"
        )
        check(Workflow(graph), offered)


@given(JSON, JSON)
def test_no_dynamic_input_is_too_odd(options: Any, value: Any) -> None:
    """A choice or a growing input may be described in any way."""
    for kind in ("COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICSLOT_V3"):
        for said in (options, {"options": options}, {"template": options}):
            offered = info(x=[kind, said])
            graph = {"1": {"class_type": "Node", "inputs": {"x": value}, "_meta": {}}}
            check(Workflow(graph), offered)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"[" * 100_000])
def test_what_is_no_object_is_no_object_info(body: bytes) -> None:
    """A proxy's page is told from a server's answer."""
    with pytest.raises(BadAnswerError, match="node classes"):
        ObjectInfo.parse(body)


def changed(**changes: Any) -> str:
    """The fingerprint of a server whose class has one thing changed."""
    entry: dict[str, Any] = {
        "input": {
            "required": {
                "width": ["INT", {"min": 1, "tooltip": "px"}],
                "mode": [["a", "b"]],
                "ckpt_name": [["x.safetensors"]],
                "image": [["1.png"], {"image_upload": True}],
            }
        },
        "output": ["IMAGE"],
        "output_node": False,
        "description": "text",
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        part = entry
        for key in way:
            part = part[key]
        part[last] = value
    return ObjectInfo(json.loads(json.dumps({"Node": entry}))).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"description": "other"},
        {"category": "x"},
        {"input__required__width": ["INT", {"min": 1, "tooltip": "pixels"}]},
        {"input__required__mode": [["b", "a"]]},
        {"input__required__ckpt_name": [["y.safetensors", "z.safetensors"]]},
        {"input__required__ckpt_name": [[]]},
        {"input__required__image": [["2.png"], {"image_upload": True}]},
    ],
)
def test_texts_and_files_do_not_count(change: dict[str, Any]) -> None:
    """The fingerprint stays as models and pictures come and go."""
    assert changed(**change) == changed()


@pytest.mark.parametrize(
    "change",
    [
        {"input__required__width": ["INT", {"min": 2}]},
        {"input__required__width": ["FLOAT", {"min": 1}]},
        {"input__required__mode": [["a", "b", "c"]]},
        {"input__required__more": ["INT"]},
        {"output": ["IMAGE", "MASK"]},
        {"output_node": True},
    ],
)
def test_what_graphs_depend_on_counts(change: dict[str, Any]) -> None:
    """The fingerprint tells another interface."""
    assert changed(**change) != changed()
