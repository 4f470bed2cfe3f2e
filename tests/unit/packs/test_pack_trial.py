"""Importing a pack in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyclient.errors import UsageError
from comfyclient.packs.check import check_pack
from comfyclient.packs.trial import try_import

from .conftest import WritePack

PLAIN = [
    ("from comfy.utils import ProgressBar\n", ""), ("ProgressBar(10)", "None"),
    ("import requests\n", ""),
]  # fmt: skip


def test_an_import_shows_what_reading_does_not(write_pack: WritePack) -> None:
    """Inputs that a function makes are held against the rules, too."""
    folder = write_pack(
        *PLAIN,
        ("        return {\n", "        return made() or {\n"),
        ("class Blur:", "def made():\n    return {'required': {'x': ('INT', {})}}\n\n\n"
         "class Blur:"),
    )  # fmt: skip
    assert check_pack(folder).unseen == ("Blur",)

    report = check_pack(folder, trial=try_import(folder))

    assert report.unseen == ()
    assert {one.rule for one in report.findings if "'x'" in one.message} == {
        *("range", "tooltip")
    }


def test_a_pack_that_fails_says_why(write_pack: WritePack) -> None:
    """At import, in INPUT_TYPES, by leaving, or by saying nothing."""
    for change, said in (
        ("raise RuntimeError('no card')", "RuntimeError: no card"),
        ("import os; os._exit(3)", "its process ended with 3"),
        ("import sys; sys.exit(4)", "SystemExit: 4"),
    ):
        folder = write_pack(*PLAIN, ("class Blur:", f"{change}\n\n\nclass Blur:"))
        report = check_pack(folder, trial=try_import(folder))
        assert [
            one.message for one in report.findings if one.rule == "import-fails"
        ] == [said]
        assert report.has_errors


def test_an_import_without_an_end_is_ended(write_pack: WritePack) -> None:
    """And told."""
    folder = write_pack(*PLAIN, ("class Blur:", "while True: pass\n\n\nclass Blur:"))
    trial = try_import(folder, timeout_s=0.5)
    assert trial.error == "its import was not done after 0.5 s"


def test_the_process_has_none_of_our_secrets(
    write_pack: WritePack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is emptied, and what it prints is no answer."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    folder = write_pack(
        *PLAIN,
        ("class Blur:", "import os\nprint('comfyclient-trial:{}')\n"
         "raise RuntimeError(sorted(os.environ))\n\n\nclass Blur:"),
    )  # fmt: skip
    error = str(try_import(folder).error)
    assert "PATH" in error
    assert "DASHSCOPE_API_KEY" not in error


def test_modules_of_a_comfyui_can_be_lent(
    write_pack: WritePack, tmp_path: Path
) -> None:
    """The pack imports what it would find on a server."""
    comfyui = tmp_path / "ComfyUI"
    comfyui.mkdir()
    (comfyui / "folder_paths.py").write_text("NAME = 'lent'\n", "utf-8")
    folder = write_pack(
        *PLAIN, ("import random\n", "import random\nimport folder_paths\n")
    )
    assert "folder_paths" in str(try_import(folder).error)
    trial = try_import(folder, comfyui=comfyui)
    assert trial.error is None
    assert list(trial.nodes or {}) == ["Blur"]


def test_a_python_that_is_none_is_refused(
    write_pack: WritePack, tmp_path: Path
) -> None:
    """Before anything is judged."""
    with pytest.raises(UsageError, match="cannot be started"):
        try_import(write_pack(), python=tmp_path / "python")


def test_nothing_is_left_in_the_packs_folder(write_pack: WritePack) -> None:
    """No compiled files."""
    folder = write_pack(*PLAIN)
    assert try_import(folder).error is None
    assert [path.name for path in folder.iterdir()] == ["__init__.py"]
    assert json.dumps(check_pack(folder).as_json())
