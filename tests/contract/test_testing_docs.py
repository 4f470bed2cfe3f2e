"""The page on testing: its examples run, and its tables leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import comfyclient
from comfyclient.testing import Script

from ..nursery import Nursery

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
PLUGIN = Path(comfyclient.__file__).parent / "testing" / "plugin.py"
COMPOSING = {"of", "times", "forever", "next_turn"}


def blocks() -> dict[str, str]:
    """The page's programs, by the file name on their first line."""
    text = PAGE.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name is not None, f"a block without a file name: {block[:60]!r}"
        found[name[1]] = block
    return found


def test_every_example_runs(nursery: Nursery, tmp_path: Path) -> None:
    """The page's blocks are a folder of tests that pass as they stand."""
    for name, program in blocks().items():
        (tmp_path / name).write_text(program, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error")
    done = nursery.run("-m", "pytest", *options, str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_every_script_is_explained() -> None:
    """Whatever can be scripted is in the page's tables."""
    text = PAGE.read_text(encoding="utf-8")
    names = {n for n in dir(Script) if isinstance(vars(Script).get(n), classmethod)}
    missing = {
        n for n in names - COMPOSING if not n.startswith("_") and f"{n}(" not in text
    }
    assert not missing


def test_every_fixture_is_explained() -> None:
    """Whatever the plugin gives is in the page's table."""
    text = PAGE.read_text(encoding="utf-8")
    source = PLUGIN.read_text(encoding="utf-8")
    fixtures = re.findall(r"@pytest\.fixture\ndef (\w+)", source)
    assert len(fixtures) == 8
    assert [f for f in fixtures if f"| `{f}" not in text] == []
