"""POST /prompt's judgement of graphs that no recording holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.local.context import Surroundings, entered
from comfyclient.local.folders import Folders
from comfyclient.local.node_table import NodeTable
from comfyclient.local.nodes import core_classes
from comfyclient.local.validation import Validator, Verdict
from comfyclient.local.versions import behaviour_of


class Node:
    """A class whose parts the tests choose."""

    RETURN_TYPES: tuple[Any, ...] = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    inputs: dict[str, Any] = {}  # noqa: RUF012

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": cls.inputs}


def judge(
    graph: dict[str, Any], *classes: type, version: str = "0.33.0", **options: Any
) -> Verdict:
    """The verdict on a graph of core nodes and these classes."""
    behaviour = behaviour_of(version)
    nodes = NodeTable()
    core_classes(nodes, behaviour=behaviour)
    nodes.add({each.__name__: each for each in classes}, module="custom_nodes.x")
    with entered(Surroundings(Folders(Path("/nowhere")))):
        return Validator(graph, nodes=nodes, behaviour=behaviour).judge(**options)


def one(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A graph of one node."""
    return {"1": {"class_type": class_type, "inputs": inputs}}


def problems(verdict: Verdict, node_id: str = "1") -> list[tuple[str, str]]:
    """Type and details of what is wrong with a node."""
    errors = verdict.node_errors.get(node_id, {}).get("errors", [])
    return [(each["type"], each["details"]) for each in errors]


@pytest.mark.parametrize(
    ("kind", "given_value", "kept"),
    [
        ("INT", "7", 7),
        ("INT", 7.9, 7),
        ("INT", True, 1),
        ("FLOAT", "1e3", 1000.0),
        ("STRING", 5, "5"),
        ("STRING", None, "None"),
        ("BOOLEAN", "", False),
        ("BOOLEAN", "false", True),
        ("IMAGE", "hello", "hello"),
        ("INT", {"__value__": "3"}, 3),
        ("LIST", {"__value__": ["a", 0]}, ["a", 0]),
    ],
)
def test_values_are_coerced_and_written_back(
    kind: str, given_value: Any, kept: Any
) -> None:
    """The graph that runs holds what the server made of the value."""

    class Takes(Node):
        inputs = {"x": (kind, {})}  # noqa: RUF012

    graph = one("Takes", x=given_value)

    assert judge(graph, Takes).outputs == ["1"]
    assert graph["1"]["inputs"]["x"] == kept
    assert type(graph["1"]["inputs"]["x"]) is type(kept)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("INT", "x"), ("INT", float("nan")), ("INT", float("inf")), ("FLOAT", {})],
)
def test_values_that_cannot_be_coerced_are_named(kind: str, value: Any) -> None:
    """A number that cannot be one is an error of that input."""

    class Takes(Node):
        inputs = {"x": (kind, {})}  # noqa: RUF012

    verdict = judge(one("Takes", x=value), Takes)

    assert [kind for kind, _ in problems(verdict)] == ["invalid_input_type"]


@pytest.mark.parametrize(
    ("gives", "takes", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("IMAGE", "*", True),
        ("*", "MASK", True),
        ("IMAGE", "MASK,IMAGE", True),
        ("IMAGE,LATENT", "MASK, LATENT", True),
        ("IMAGE,LATENT", "MASK", False),
        ("IMAGES", "IMAGE", False),
        (["a"], ["a"], True),
        (["a"], "COMBO", False),
    ],
)
def test_links_fit_by_type(gives: Any, takes: Any, fits: bool) -> None:
    """Types fit when equal, when either is any, or when unions share a part."""

    class Gives(Node):
        RETURN_TYPES = (gives,)
        OUTPUT_NODE = False

    class Takes(Node):
        inputs = {"x": (takes,)}  # noqa: RUF012

    graph = {
        "0": {"class_type": "Gives", "inputs": {}},
        "1": {"class_type": "Takes", "inputs": {"x": ["0", 0]}},
    }

    verdict = judge(graph, Gives, Takes)

    assert (verdict.error is None) is fits
    if not fits:
        assert problems(verdict)[0][0] == "return_type_mismatch"


def test_long_lists_are_not_quoted() -> None:
    """Of more than twenty options only the number is told."""

    class Takes(Node):
        inputs = {"x": (list(range(21)),)}  # noqa: RUF012

    verdict = judge(one("Takes", x=99), Takes)

    assert problems(verdict) == [
        ("value_not_in_list", "x: '99' not in (list of length 21)")
    ]
    extra = verdict.node_errors["1"]["errors"][0]["extra_info"]
    assert extra["input_config"] is None


def test_combos_of_the_second_schema_are_checked_by_newer_releases() -> None:
    """A wrong value passes 0.3.64 and fails 0.33.0; several may be chosen at once."""

    class Takes(Node):
        inputs = {"x": ("COMBO", {"options": ["a", "b"]})}  # noqa: RUF012

    class Many(Node):
        inputs = {"x": ("COMBO", {"options": ["a"], "multiselect": True})}  # noqa: RUF012

    class Remote(Node):
        inputs = {"x": ("COMBO", {"remote": {"route": "/r"}})}  # noqa: RUF012

    assert judge(one("Takes", x="z"), Takes, version="0.3.64").error is None
    assert judge(one("Takes", x="z"), Takes).error is not None
    assert judge(one("Takes", x="b"), Takes).error is None
    several = {"__value__": ["a", "z"]}
    assert judge(one("Many", x=several), Many).error is not None
    assert judge(one("Many", x={"__value__": ["a"]}), Many).error is None
    assert judge(one("Remote", x="anything"), Remote).error is None


def test_own_validator_replaces_the_servers_checks() -> None:
    """VALIDATE_INPUTS decides about the inputs that it names, and only those."""

    class Takes(Node):
        inputs = {"x": ("INT", {"max": 3}), "y": ("INT", {"max": 3})}  # noqa: RUF012

        @classmethod
        def VALIDATE_INPUTS(cls, x: int) -> bool | str:  # noqa: N802
            """Whether x may be."""
            return True if x < 100 else "far too much"

    assert judge(one("Takes", x=50, y=1), Takes).error is None
    assert problems(judge(one("Takes", x=500, y=1), Takes)) == [
        ("custom_validation_failed", "x - far too much")
    ]
    assert problems(judge(one("Takes", x=50, y=9), Takes)) == [
        ("value_bigger_than_max", "y")
    ]


def test_validator_with_keywords_and_types() -> None:
    """A validator may take every input, or the types of the links."""

    class Gives(Node):
        RETURN_TYPES = ("ODD",)
        OUTPUT_NODE = False

    class Any_(Node):  # noqa: N801
        inputs = {"x": ("IMAGE",), "n": ("INT", {"max": 1})}  # noqa: RUF012

        @classmethod
        def VALIDATE_INPUTS(cls, input_types: Any, **kwargs: Any) -> bool:  # noqa: N802
            """Whether the types please."""
            return bool(input_types == {"x": "ODD"} and kwargs["n"] == 7)

    graph = {
        "0": {"class_type": "Gives", "inputs": {}},
        "1": {"class_type": "Any_", "inputs": {"x": ["0", 0], "n": 7}},
    }

    assert judge(graph, Gives, Any_).error is None


@pytest.mark.parametrize("where", ["INPUT_TYPES", "VALIDATE_INPUTS"])
def test_class_that_raises_is_an_error_of_its_node(where: str) -> None:
    """What a pack raises while it is asked is told, and stops nothing else."""

    def raises(*_: Any, **__: Any) -> Any:
        raise OSError("disk on fire")

    broken = type("Broken", (Node,), {where: classmethod(raises)})
    graph = one("Broken") | {
        "2": {"class_type": "PreviewAny", "inputs": {"source": "x"}}
    }

    verdict = judge(graph, broken)

    assert verdict.outputs == ["2"]
    assert problems(verdict) == [("exception_during_validation", "disk on fire")]


def test_inner_node_that_raises_is_quoted_with_its_link() -> None:
    """A broken link deeper in the graph names the input that led there."""
    graph = {
        "1": {"class_type": "ImageInvert", "inputs": {"image": ["missing", 0]}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }

    verdict = judge(graph)

    error = verdict.node_errors["1"]["errors"][0]
    assert error["type"] == "exception_during_inner_validation"
    assert error["details"] == "'missing'"
    assert error["extra_info"]["input_name"] == "images"
    assert error["extra_info"]["linked_node"] == ["1", 0]
    assert verdict.node_errors["1"]["dependent_outputs"] == ["2"]


def test_node_that_leads_to_itself_is_a_cycle_of_one() -> None:
    """A node linked to itself is named; an older release says nothing."""
    graph = {
        "1": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }

    assert problems(judge(graph)) == [
        ("dependency_cycle", "1 (ImageInvert) -> 1 (ImageInvert)")
    ]
    assert judge(graph, version="0.3.64").node_errors == {}


def test_targets_limit_the_outputs() -> None:
    """Only output nodes among the targets run; none left is an error."""
    graph = {
        name: {"class_type": "PreviewAny", "inputs": {"source": "x"}} for name in "ab"
    }

    assert judge(graph, targets=["b", "zzz"]).outputs == ["b"]
    assert judge(graph, targets=None).outputs == ["a", "b"]
    refused = judge(graph, targets=[]).error
    assert refused is not None
    assert refused["type"] == "prompt_no_outputs"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["images", "filename_prefix", "x"]), JSON))
def test_any_inputs_are_judged(inputs: dict[str, Any]) -> None:
    """Whatever JSON the inputs hold, there is a verdict."""
    graph = {
        "0": {"class_type": "EmptyImage", "inputs": {"width": 1, "height": 1}},
        "1": {"class_type": "SaveImage", "inputs": inputs},
    }

    verdict = judge(graph)

    assert (verdict.error is None) is (verdict.outputs == ["1"])
