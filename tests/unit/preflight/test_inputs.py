"""Inputs that come and go with others, and links that fit or do not."""

from __future__ import annotations

from typing import Any

import pytest

from .classes import EMPTY, entry, found, judge, node, saved


@pytest.mark.parametrize("width", [16, 64, "16", 16.9, " 32 ", True * 20, "3_2"])
def test_what_python_converts_is_taken(width: Any) -> None:
    """Bounds belong to the range, and servers convert before they compare."""
    assert not found(saved(a=node("Empty", width=width, tint="red")))


@pytest.mark.parametrize(
    ("width", "kind"),
    [
        (15, "value_smaller_than_min"),
        (True, "value_smaller_than_min"),
        (65, "value_bigger_than_max"),
        ("16.5", "invalid_input_type"),
        (None, "invalid_input_type"),
        ({}, "invalid_input_type"),
        ({"__value__": [1, 2]}, "invalid_input_type"),
        (float("inf"), "invalid_input_type"),
        ([], "bad_linked_input"),
        (["a", 0, 0], "bad_linked_input"),
        (["nobody", 0], "bad_linked_input"),
        (["e", "0"], "bad_linked_input"),
        (["e", 1], "bad_linked_input"),
        (["e", 0], "return_type_mismatch"),
    ],
)
def test_what_is_wrong_with_a_number_is_told(width: Any, kind: str) -> None:
    """Each in the server's own word, with the range and the value."""
    graph = saved(a=node("Empty", width=width, tint="red"), e=EMPTY)

    error, *rest = [one for one in judge(graph).findings if one.is_error]

    assert not rest
    assert (error.issue.kind, error.issue.input_name) == (kind, "width")
    assert error.issue.value is not None
    assert error.issue.allowed is not None
    assert "INT" in error.issue.allowed


def test_a_wrapped_value_is_its_value() -> None:
    """But not before 0.3.27, where it is an object like any other."""
    graph = saved(a=node("Empty", width={"__value__": 20}, tint="red"))

    assert not found(graph)
    assert found(graph, version="0.3.26") == [
        ("refused", "a", "invalid_input_type", "width")
    ]


@pytest.mark.parametrize(
    "inputs",
    [
        {"format": "auto"},
        {"format": "mp4", "format.codec": "h264", "format.codec.crf": 3},
    ],
)
def test_what_a_choice_opens_is_known(inputs: dict[str, Any]) -> None:
    """Dotted names are inputs like any others."""
    assert not found({"v": node("Video", **inputs)})


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, [("fails", "v", "invalid_dynamic_input", "format")]),
        ({"format": "bogus"}, [("fails", "v", "invalid_dynamic_input", "format")]),
        (
            {"format": "mp4", "format.codec": "no"},
            [("doubtful", "v", "invalid_dynamic_input", "format.codec")],
        ),
        (
            {"format": "mp4", "format.codec": "h264"},
            [("refused", "v", "required_input_missing", "format.codec.crf")],
        ),
        (
            {"format": "mp4", "format.codec": "h264", "format.codec.crf": 99},
            [("refused", "v", "value_bigger_than_max", "format.codec.crf")],
        ),
        (
            {"format": "mp4", "codec": "h264"},
            [
                ("doubtful", "v", "invalid_dynamic_input", "format.codec"),
                ("ignored", "v", "unknown_input", "codec"),
            ],
        ),
    ],
)
def test_choices_are_checked_though_the_server_does_not(
    inputs: dict[str, Any], expected: list[Any]
) -> None:
    """A choice that is none makes the node fail; what it opens, the server checks."""
    assert found({"v": node("Video", **inputs)}) == expected


def test_a_flat_name_is_told_its_dotted_one() -> None:
    """Graphs of older releases name a choice's input without its choice."""
    graph = {"v": node("Video", format="mp4", codec="h264")}

    assert "did you mean format.codec?" in judge(graph).warnings[1].message


def test_an_input_that_grows_needs_its_first_entries() -> None:
    """And takes no more than it can hold."""
    images = {f"images.image{number}": ["e", 0] for number in (0, 4)}

    assert found(saved(a=node("Batch", **images), e=EMPTY)) == [
        ("refused", "a", "required_input_missing", "images.image1"),
        ("ignored", "a", "unknown_input", "images.image4"),
    ]


def test_a_value_for_a_link_makes_the_node_fail() -> None:
    """Servers take it without a word."""
    assert found(saved(a=node("Invert", image="hello"))) == [
        ("fails", "a", "value_in_place_of_link", "image")
    ]


def test_nothing_for_a_link_may_do() -> None:
    """A real ImageStitch runs without its required first picture: none is refused."""
    assert found(saved(a=node("Invert", image=None))) == [
        ("doubtful", "a", "value_in_place_of_link", "image")
    ]


@pytest.mark.parametrize(
    ("source", "wanted", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("MASK", "IMAGE", False),
        ("MASK", "IMAGE, MASK", True),
        ("*", "IMAGE", True),
        ("IMAGE", "*", True),
        ("IMAGE", "COMFY_MATCHTYPE_V3", True),
        ("COMFY_MATCHTYPE_V3", "IMAGE", True),
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        ("STRING", ["a", "b"], False),
        ("COMBO", "COMBO", True),
        ("STRING", "COMBO", False),
        (["a"], "COMBO", True),
    ],
)
def test_links_fit_by_the_servers_rules(source: Any, wanted: Any, fits: bool) -> None:
    """Unions, any type, matching types and lists of choices."""
    more = {"Source": entry([source]), "Taker": entry([], saves=True, x=[wanted])}
    graph = {"1": node("Source"), "2": node("Taker", x=["1", 0])}

    assert judge(graph, **more).ok is fits


@pytest.mark.parametrize(
    ("source", "outlooks"),
    [("IMAGE", []), ("MASK", []), ("*", []), ("LATENT", ["fails"])],
)
def test_an_input_that_matches_others_takes_some_types(
    source: str, outlooks: list[str]
) -> None:
    """Servers do not look at these, so the node would fail."""
    match = {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}
    taker = entry([], saves=True, x=["COMFY_MATCHTYPE_V3", match])
    graph = {"1": node("Source"), "2": node("Taker", x=["1", 0])}

    said = found(graph, Source=entry([source]), Taker=taker)

    assert [outlook for outlook, *_ in said] == outlooks
