"""Where keys and values stand in a JSON text, for errors that name a line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Possessive: a way back for each of ten million characters would take a gigabyte.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object or list, and where it stands in the text."""

    path: tuple[str | int, ...]
    """Raw keys (escapes not resolved) and indexes from the root."""
    key: int | None
    """Offset of its key; None in a list."""
    start: int
    """Offset of its value."""
    end: int
    """Offset behind its value."""


@dataclass(slots=True)
class _Open:
    """A container whose closing bracket has not come yet."""

    is_object: bool
    path: tuple[str | int, ...]
    """Its own path."""
    start: int
    name: str | int | None
    """The member being read; None where a key comes next."""
    key: int | None = None
    own_key: int | None = None

    def child(self) -> tuple[str | int, ...]:
        return self.path if self.name is None else (*self.path, self.name)


def members(text: str) -> Iterator[Member]:
    """Every member of a well-formed JSON text, each told when its value ends."""
    stack: list[_Open] = []
    for token in _TOKEN.finditer(text):
        mark, at = token[0], token.start()
        top = stack[-1] if stack else None
        if mark in {"{", "["}:
            stack.append(_opened(mark, at, top))
        elif mark in {"}", "]"}:
            closed = stack.pop()
            if stack:
                yield Member(closed.path, closed.own_key, closed.start, token.end())
        elif top is None or mark == ":":
            continue
        elif mark == ",":
            top.name = None if top.is_object else _next(top.name)
        elif top.name is None:
            top.name, top.key = mark[1:-1], at
        else:
            yield Member(top.child(), top.key, at, token.end())


def _opened(mark: str, at: int, parent: _Open | None) -> _Open:
    path = parent.child() if parent is not None else ()
    first = None if mark == "{" else 0
    own = parent.key if parent is not None else None
    return _Open(mark == "{", path, at, first, own_key=own)


def _next(name: str | int | None) -> int:
    return name + 1 if isinstance(name, int) else 0


def duplicate(text: str) -> tuple[Member, Member] | None:
    """The outermost key that one object has twice: its first and second place."""
    seen: dict[tuple[str | int, ...], dict[str | int, Member]] = {}
    found: tuple[Member, Member] | None = None
    for member in members(text):
        seen.pop(member.path, None)  # it is closed: nothing more comes into it
        if member.key is None:
            continue
        first = seen.setdefault(member.path[:-1], {}).setdefault(
            member.path[-1], member
        )
        shallower = found is None or len(member.path) < len(found[0].path)
        if first is not member and shallower:
            found = (first, member)
    return found


def line_of(text: str, offset: int) -> int:
    """The line of an offset, from 1."""
    return text.count("\n", 0, offset) + 1
