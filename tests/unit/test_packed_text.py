"""What is packed on our side is unpacked by the node pack, exactly."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyclient import load_trip
from comfyclient.comfy_nodes.packed import unpacked
from comfyclient.comfy_nodes.reading import json_list, read_track
from comfyclient.packed_text import PREFIX, packed
from comfyclient.templating.registry import Registry
from comfyclient.transports.eas_bodies import LISTS, fitting_body

TRIPS = sorted((Path(__file__).parents[2] / "examples" / "trips").glob("*.json"))
NUMBERS = st.none() | st.integers(-(10**6), 10**6) | st.floats(
    allow_nan=False, allow_infinity=False, width=64
).map(lambda x: round(x, 6))  # fmt: skip
ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(NUMBERS, min_size=width, max_size=width), min_size=8, max_size=30
    )
)
ALONE = st.lists(NUMBERS, min_size=8, max_size=40)
LISTED = st.lists(ROWS | ALONE | st.text(max_size=5) | NUMBERS | st.dictionaries(
    st.text(max_size=3), NUMBERS, max_size=2), max_size=4)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(ROWS | ALONE | LISTED)
def test_nothing_is_lost(value: list) -> None:
    """Any list comes back equal, with each number to its last digit."""
    text = json.dumps(value)
    short = packed(text)
    assert len(short) <= len(text)
    assert json_list("x", short) == value
    if short != text:
        assert short.startswith(PREFIX)
        assert json.dumps(short) == f'"{short}"'  # nothing in it needs an escape


@pytest.mark.parametrize(
    "text", ["", "x", "{}", '"[]"', "[" * 10_000, "[1,2]", "[-0.0]"]
)
def test_what_is_left_as_it_is(text: str) -> None:
    """No list, or one that would not get shorter."""
    assert packed(text) == text


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=40) | st.binary(max_size=30).map(lambda b: b.decode("latin-1")))
def test_damaged_text(text: str) -> None:
    """It is refused as any wrong input is, and never runs away."""
    with pytest.raises(ValueError, match=r"^track: "):
        read_track("track", PREFIX + text)


def test_a_text_that_grows_without_end() -> None:
    """What would fill the memory is damaged, too."""
    bomb = base64.b85encode(zlib.compress(b" " * 2000, 9)).decode()
    with pytest.raises(ValueError, match="too long"):
        unpacked(PREFIX + bomb, most=1000)


@pytest.mark.parametrize("trip", TRIPS, ids=lambda file: file.stem)
def test_a_postcard_goes_through_a_queue(trip: Path) -> None:
    """Each sample's postcard fits into the 8 KB that a queue is said to take."""
    template = Registry().find("trip-postcard@1.0.0")
    workflow = template.render(load_trip(trip), {}, seed=1)
    body = json.loads(fitting_body(workflow.graph, 8192))
    for node_id, node in body.items():
        for name in LISTS.get(node["class_type"], ()):
            before = workflow.graph[node_id]["inputs"].get(name)
            if isinstance(before, str):
                assert json_list(name, node["inputs"][name]) == json_list(name, before)
