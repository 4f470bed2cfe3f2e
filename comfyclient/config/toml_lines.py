"""Where in a TOML text each key stands, which `tomllib` does not tell. Pure."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect
from collections.abc import Mapping
from contextlib import suppress

Location = tuple[str | int, ...]
"""A key and the tables that it is in; a number is an entry of an array."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?''''{0,2}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]+")


def line_of_each_key(text: str) -> Mapping[Location, int]:
    """The line of every key, table and array entry of a text that is valid TOML."""
    reader = _Reader(text.replace("\r\n", "\n"))
    with suppress(_LostError, RecursionError):  # a newer TOML: what was found holds
        reader.document()
    return reader.lines


def key_parts(text: str) -> tuple[str, ...] | None:
    """The parts of a dotted key, quoted or not; None where it is none."""
    reader = _Reader(text.strip())
    try:
        parts = reader.key()
    except _LostError:
        return None
    return parts if reader.at_end else None


class _LostError(Exception):
    """The text goes on in a way that is not known here."""


class _Reader:
    """Walks over a text once, and notes where keys begin."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Location, int] = {}
        self._text = text
        self._at = 0
        self._starts = [found.end() for found in re.finditer("\n", text)]
        self._table: Location = ()
        self._entries: dict[Location, int] = {}

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def document(self) -> None:
        self._take(_BLANK)
        while not self.at_end:
            if self._follows("["):
                self._header()
            else:
                self._pair(self._table)
            self._take(_BLANK)

    def key(self) -> tuple[str, ...]:
        parts = [_unquoted(self._take(_KEY))]
        while dot := _DOT.match(self._text, self._at):
            self._at = dot.end()
            parts.append(_unquoted(self._take(_KEY)))
        return tuple(parts)

    def _header(self) -> None:
        line, double = self._line(), self._follows("[[")
        self._at += 2 if double else 1
        self._take(_SPACE)
        *above, last = self.key()
        self._take(_SPACE)
        self._at += 2 if double else 1
        table: Location = ()
        for part in above:
            table = (*table, part)
            self.lines.setdefault(table, line)
            if table in self._entries:
                table = (*table, self._entries[table] - 1)
        table = (*table, last)
        if double:
            self.lines.setdefault(table, line)
            self._entries[table] = self._entries.get(table, 0) + 1
            table = (*table, self._entries[table] - 1)
        self.lines[table] = line
        self._table = table

    def _pair(self, table: Location) -> None:
        line = self._line()
        for part in self.key():
            table = (*table, part)
            self.lines.setdefault(table, line)
        self._take(_SPACE)
        self._expect("=")
        self._take(_SPACE)
        self._value(table)

    def _value(self, location: Location) -> None:
        if self._follows("["):
            self._array(location)
        elif self._follows("{"):
            self._inline_table(location)
        elif self._follows('"') or self._follows("'"):
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, location: Location) -> None:
        self._at += 1
        index = 0
        while not self._closes("]"):
            self.lines[(*location, index)] = self._line()
            self._value((*location, index))
            self._separator()
            index += 1

    def _inline_table(self, location: Location) -> None:
        self._at += 1
        while not self._closes("}"):
            self._pair(location)
            self._separator()

    def _closes(self, bracket: str) -> bool:
        self._take(_BLANK)
        closed = self._follows(bracket)
        self._at += closed
        return closed

    def _separator(self) -> None:
        self._take(_BLANK)
        self._at += self._follows(",")

    def _follows(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _expect(self, text: str) -> None:
        if not self._follows(text):
            raise _LostError
        self._at += len(text)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _LostError
        self._at = found.end()
        return found[0]

    def _line(self) -> int:
        return bisect(self._starts, self._at) + 1


def _unquoted(key: str) -> str:
    if not key.startswith(('"', "'")):
        return key
    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except ValueError:
        raise _LostError from None
