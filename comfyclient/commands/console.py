"""What the command line shows, and how: text, tables, JSON, errors."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from pydantic import JsonValue
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ComfyClientError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def speak_any_encoding() -> None:
    """What a terminal's encoding lacks is escaped from now on, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor or turn its writing."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"} else _escape(c)
        for c in text
    )


def _escape(character: str) -> str:
    # these join emoji and letters into one
    if character in "\u200c\u200d":
        return character
    return character.encode("unicode_escape").decode()


def show_error(error: ComfyClientError) -> None:
    """An error, on stderr."""
    err.print(printable(f"error: {error}"), style="red", markup=False)


def show_table(title: str, rows: list[tuple[str, str]]) -> None:
    """Names and what they are, in two columns under a title; nothing if empty.

    A terminal's lines are folded to its width; elsewhere each row is one line.
    """
    filled = [(_cell(name), _cell(text)) for name, text in rows if text]
    if not filled:
        return
    out.print(f"\n{_cell(title)}", markup=False)
    if not out.is_terminal:
        _show_aligned([[name, text] for name, text in filled], indent="  ")
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in filled:
        table.add_row(Text(name), Text(text))
    out.print(table, soft_wrap=False)


def show_rows(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None
) -> None:
    """Rows under heads, without columns that are empty; nothing if there is no row.

    Each row is one line, but on a terminal too narrow for that it is one under another.
    """
    if not rows:
        return
    filled = [n for n in range(len(heads)) if any(row[n] for row in rows)]
    lines = [[_cell(line[n]) for n in filled] for line in (heads, *rows)]
    if out.is_terminal and _width(lines) > out.width:
        for line in lines[1:]:
            first = line[0] if title is None else f"{title}: {line[0]}"
            show_table(first, list(zip(lines[0][1:], line[1:], strict=True)))
        return
    if title is not None:
        out.print(f"\n{title}", markup=False)
    _show_aligned(lines, indent="" if title is None else "  ")


def _cell(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def _width(lines: Sequence[Sequence[str]]) -> int:
    widths = _widths(lines)
    return sum(widths) + 2 * len(widths)


def _show_aligned(lines: Sequence[Sequence[str]], *, indent: str) -> None:
    widths = _widths(lines)
    for line in lines:
        cells = [
            cell + " " * (width - cell_len(cell))
            for cell, width in zip(line, widths, strict=True)
        ]
        out.print(indent + "  ".join(cells).rstrip(), markup=False)


def show_json(value: Mapping[str, JsonValue] | list[JsonValue]) -> None:
    """One JSON value on stdout, and nothing else."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # an old terminal, or a file name that is no text
        text = json.dumps(value, indent=2)
    sys.stdout.write(text + "\n")
