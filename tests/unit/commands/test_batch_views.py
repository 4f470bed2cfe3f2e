"""What a terminal shows of a batch stays in its place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from comfyclient import Client
from comfyclient.commands.batch_views import Board, Display

FILE = Path("pictures/a-[b].png")


def test_files_are_told_above_the_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where stdout is the same terminal: a line of its own would tear the picture."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60)

    with Live(console=console) as live:
        Board(Client(), 3, live).saved(FILE)

    assert str(FILE) in screen.getvalue()
    assert str(FILE) not in capsys.readouterr().out


@pytest.mark.parametrize("on_board", [True, False])
def test_a_script_reads_them_on_stdout(
    capsys: pytest.CaptureFixture[str], on_board: bool
) -> None:
    """Also where only stderr is a terminal."""
    console = Console(file=io.StringIO(), force_terminal=True)

    with Live(console=console, redirect_stdout=False) as live:
        shown = Board(Client(), 3, live) if on_board else Display(Client(), 3)
        shown.saved(FILE)

    assert capsys.readouterr().out == f"{FILE}\n"
