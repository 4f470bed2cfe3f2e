"""What the command line writes."""

from __future__ import annotations

import io
import json
import sys

import pytest

from comfyclient.commands.console import printable, show_json, show_rows


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_any_path_is_written_to_any_terminal(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoding lacks is escaped, and the JSON means the same."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    show_json({"path": "/路/\udcff.json"})
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == {
        "path": "/路/\udcff.json"
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("旅行 👨‍👩‍👧 é\n", "旅行 👨‍👩‍👧 é\n"),
        ("\x1b[2J\x07\x9b1m", "\\x1b[2J\\x07\\x9b1m"),
        ("a\u202egpj", "a\\u202egpj"),
    ],
)
def test_nothing_shown_moves_the_cursor(text: str, shown: str) -> None:
    """Letters stay as they are; what steers a terminal is escaped."""
    assert printable(text) == shown


def test_rows_are_aligned_by_what_a_terminal_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wide letters count twice; a column that is empty everywhere is left out."""
    show_rows(
        ("id", "trip", "none", "n"), [("a", "旅行", "", "1"), ("b", "x", "", "2")]
    )
    assert capsys.readouterr().out.splitlines() == [
        "id  trip  n",
        "a   旅行  1",
        "b   x     2",
    ]


def test_no_rows_show_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither heads nor a title stand alone."""
    show_rows(("id",), [], title="attempts")
    assert capsys.readouterr().out == ""
