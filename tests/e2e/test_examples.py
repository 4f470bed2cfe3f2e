"""Every example, and the README's first program, run as a reader would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..nursery import Nursery

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
STRICT = "error,ignore:The 'alias' attribute with value"
"""Warnings are errors, but for the one that FastAPI meets in pydantic 2.14."""
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run_python(nursery: Nursery, tmp_path: Path) -> Callable[..., str]:
    """Runs a program in an empty folder; what it printed."""

    def run(*arguments: str) -> str:
        env = {**os.environ, "PYTHONWARNINGS": STRICT}
        done = nursery.run(*arguments, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_runs_and_leaves_pictures(
    example: Path, run_python: Callable[..., str], tmp_path: Path
) -> None:
    """Each example ends well and saves what it says."""
    output = run_python(str(example), *_folder_argument(example))

    saved = [Path(line.split()[-1]) for line in output.splitlines() if "saved" in line]

    assert saved
    assert all((tmp_path / path).read_bytes().startswith(PNG) for path in saved)


def _folder_argument(example: Path) -> list[str]:
    if example.stem == "first_postcard":
        return []
    return ["pictures"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_short_and_says_how_to_run_it(example: Path) -> None:
    """Examples stay within 60 lines and open with what they show."""
    text = example.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 60
    assert "How to run:" in text.split('"""')[1]


def test_the_readmes_first_program_works_as_printed(tmp_path: Path) -> None:
    """It stands within 25 lines, has at most 10, and ends in a picture."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    program = block[1]
    shutil.copytree(ROOT / "examples" / "trips", tmp_path / "examples" / "trips")
    (tmp_path / "program.py").write_text(program, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": STRICT},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output = done.stdout

    assert readme[: block.end()].count("\n") <= 25
    assert len(program.splitlines()) <= 10
    picture = tmp_path / output.splitlines()[-1]
    assert picture.read_bytes().startswith(PNG)
