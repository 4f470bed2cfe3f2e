"""Where the keys of a TOML text stand, in every way that TOML lets them be written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.config.toml_lines import Location, key_parts, line_of_each_key

TEXT = '''# a comment with a = 1
top = "x"  # [not.a.table]

[a.b]
"quoted key" = 1
'single.dot' = 2
c.d = 3
text = """
fake = 1
[fake]
\\"""" # end
raw = \'\'\'
fake = 2\'\'\'\'\'

[[a.list]]
x = 1
[a.list.sub]
y = 1
[[a.list]]
x = 2
[a.list.sub]
y = 2
[inline]
t = { p = 1, q = { r = [1, 2] } }
many = [
  1, # one ]
  { z = 1 },

  "]",
]
"\\u0061" = 1
'''

LINES: dict[Location, int] = {
    ("top",): 2,
    ("a",): 4,
    ("a", "b"): 4,
    ("a", "b", "quoted key"): 5,
    ("a", "b", "single.dot"): 6,
    ("a", "b", "c"): 7,
    ("a", "b", "c", "d"): 7,
    ("a", "b", "text"): 8,
    ("a", "b", "raw"): 12,
    ("a", "list"): 15,
    ("a", "list", 0): 15,
    ("a", "list", 0, "x"): 16,
    ("a", "list", 0, "sub"): 17,
    ("a", "list", 0, "sub", "y"): 18,
    ("a", "list", 1): 19,
    ("a", "list", 1, "x"): 20,
    ("a", "list", 1, "sub"): 21,
    ("a", "list", 1, "sub", "y"): 22,
    ("inline",): 23,
    ("inline", "t"): 24,
    ("inline", "t", "p"): 24,
    ("inline", "t", "q"): 24,
    ("inline", "t", "q", "r"): 24,
    ("inline", "t", "q", "r", 0): 24,
    ("inline", "t", "q", "r", 1): 24,
    ("inline", "many"): 25,
    ("inline", "many", 0): 26,
    ("inline", "many", 1): 27,
    ("inline", "many", 1, "z"): 27,
    ("inline", "many", 2): 29,
    ("inline", "a"): 31,
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_way_to_write_a_key(end: str) -> None:
    """Each key has its line, whatever is quoted, nested or only looks like a key."""
    text = TEXT.replace("\n", end)
    assert line_of_each_key(text) == LINES
    assert set(places(tomllib.loads(text))) == set(LINES)


def places(value: Any, at: Location = ()) -> list[Location]:
    """The places that a parsed text has."""
    found: list[Location] = []
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        found += [(*at, key), *places(inner, (*at, key))]
    return found


KEYS = ("a", "b.c", '"a b"', "'x'.y", "[t]\nd", "[[l]]\ne", "[l.s]\nf", "# =\ng")
VALUES = (
    "1", "-1e3", "1979-05-27 07:32:00", '"[x]"', "'\"'", '"""\nh = 1\n"""', "'''#'''",
    "[]", "[1,\n[2], # ]\n]", "{}", "{ i = 1, j.k = [{ l = 2 }] }", '""', '"\\""', "",
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=8),
    st.sampled_from(["\n", "  # = [x]\n", "\n\n \t"]),
)
def test_what_tomllib_reads_is_found_whole(
    pairs: list[tuple[str, str]], end: str
) -> None:
    """Whatever tomllib takes, its keys are found; the rest does no harm."""
    text = "".join(f"{key} = {value}{end}" for key, value in pairs)
    lines = line_of_each_key(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(places(data)) == set(lines)


def test_no_depth_is_too_much() -> None:
    """What is nested beyond reason gives what was found so far."""
    assert line_of_each_key("a = 1\nb = " + "[" * 5000)[("a",)] == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)),
        (" a . b ", ("a", "b")),
        ("instances.'a.b'.url", ("instances", "a.b", "url")),
        ('"\\u0061 b".c', ("a b", "c")),
        ("", None),
        ("a.", None),
        ("a b", None),
        ('"a', None),
        ('"\\q"', None),
    ],
)
def test_a_dotted_key(text: str, parts: tuple[str, ...] | None) -> None:
    """A key is taken apart as TOML does it, or is none."""
    assert key_parts(text) == parts
