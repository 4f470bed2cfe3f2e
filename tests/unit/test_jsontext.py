"""Places of keys and values in JSON texts."""

from __future__ import annotations

import json
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from comfyclient.jsontext import duplicate, line_of, members

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON_VALUES), st.sampled_from([None, 2]))
def test_every_member_is_found_with_its_exact_text(
    value: dict[str, object], indent: int | None
) -> None:
    """Each member's span parses to the value that its path leads to."""
    text = json.dumps(value, indent=indent, allow_nan=False)
    found = list(members(text))
    for member in found:
        inner: object = value
        for step in member.path:
            if isinstance(inner, dict):
                inner = inner[json.loads(f'"{step}"')]
            else:
                assert isinstance(inner, list)
                assert isinstance(step, int)
                inner = inner[step]
        assert json.loads(text[member.start : member.end]) == inner
    assert len(found) == _count(value)


def _count(value: object) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list):
        return 0
    return len(inner) + sum(map(_count, inner))


def test_keys_are_told_apart_from_the_same_text_in_values() -> None:
    """A key's offset is the key's, even where its text occurs before as a value."""
    text = '{"a": "b", "b": "a"}'
    keys = {member.path: member.key for member in members(text)}
    assert keys == {("a",): 1, ("b",): 11}


def test_the_outermost_duplicate_is_told_with_both_places() -> None:
    """Of nested duplicates, the one nearest the root is reported."""
    text = '{"1": {"x": 1, "x": 2},\n "2": {},\n "1": {"x": 3}}'
    pair = duplicate(text)
    assert pair is not None
    assert [line_of(text, m.start) for m in pair] == [1, 3]
    assert pair[0].path == ("1",)


def test_equal_keys_of_different_objects_are_no_duplicates() -> None:
    """The same key in sibling objects is fine."""
    assert (
        duplicate('{"1": {"x": 1}, "2": {"x": 1}, "3": [{"x": 1}, {"x": 1}]}') is None
    )


def test_a_long_string_costs_no_way_back_for_each_character() -> None:
    """Two million characters take megabytes, not hundreds of them."""
    text = f'{{"{"x" * 2_000_000}": "{"y" * 2_000_000}"}}'
    tracemalloc.start()
    try:
        (member,) = members(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert member.path == ("x" * 2_000_000,)
    assert peak < 50_000_000


def test_a_key_twice_deep_inside_is_found_behind_closed_ones() -> None:
    """Objects that are closed are forgotten, their siblings' keys are not."""
    text = '{"a": [{"k": 1}, {"k": 1}, {"k": 1, "j": {"k": 2}, "k": 3}], "b": 1}'
    pair = duplicate(text)
    assert pair is not None
    assert [text[m.start : m.end] for m in pair] == ["1", "3"]
    assert pair[0].path == ("a", 2, "k")
