"""TOML text: what is written is what is read."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.config.tomltext import TomlValue, toml_key, toml_lines, toml_value
from comfyclient.templating.hostile import HOSTILE_TEXTS

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    HOSTILE_TEXTS
)
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers(-(1 << 64), 1 << 64)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
)


@given(key=TEXTS, value=VALUES)
def test_any_value_comes_back_under_any_key(key: str, value: TomlValue) -> None:
    """No text can end its string, whatever is in it; 1, 1.0 and true stay apart."""
    (line,) = toml_lines({key: value})
    assert "\n" not in line
    assert repr(tomllib.loads(line)) == repr({key: value})


@given(parts=st.lists(TEXTS, min_size=1, max_size=4))
def test_any_dotted_key_comes_back(parts: list[str]) -> None:
    """Each part is a table of its own, dots and quotes in it or not."""
    table = tomllib.loads(f"{toml_key(*parts)} = 1")
    for part in parts:
        assert list(table) == [part]
        table = table[part]


def test_what_is_unset_has_no_line() -> None:
    """TOML has no null."""
    assert toml_lines({"a": 1, "b": None, "c": "x"}) == ["a = 1", 'c = "x"']


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=8))])
def test_a_moment_is_written_in_utc(zone: timezone) -> None:
    """So that two people's locks read alike."""
    moment = datetime(2026, 5, 2, 17, 30, tzinfo=zone)
    text = toml_value(moment)
    assert text.endswith("Z")
    assert tomllib.loads(f"a = {text}")["a"] == moment
