"""`report`, as somebody uses it the morning after."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from comfyclient.cli import app
from comfyclient.files.outputs import SavedFile
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobIntent, JobState


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, and a ledger with two jobs that came home."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "comfyclient.toml").write_text(
        f"""
default_environment = "test"
[environments.test]
ledger = "sqlite:///{tmp_path / "jobs.db"}"
[[environments.test.instances]]
name = "one"
url = "http://127.0.0.1:1"
token_env = "NOT_SET_FOR_READERS"
""",
        encoding="utf-8",
    )
    Image.new("RGB", (1600, 900), "teal").save(tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    with closing(Ledger(tmp_path / "jobs.db").open()) as ledger:
        for name in ("good", "broken"):
            ledger.intend(JobIntent(name, "test", digest=name, template="card@1.0.0"))
            ledger.attempt(name, attempt_id=name, instance="one", client_id="c")
            ledger.accepted(name, Acceptance(name, name, 1))
            ledger.changed(name, JobState.SUCCEEDED)
            ledger.collected(name, [SavedFile(tmp_path / f"{name}.png", 1, "0")])
    return tmp_path


def test_a_page_is_made(folder: Path) -> None:
    """With a small picture of each that is one; it says where it is."""
    done = CliRunner().invoke(app, ["report", "--out", "sub/page.html"])

    assert done.exit_code == 0, done.output
    page = (folder / "sub" / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp;base64,") == 1
    assert "../good.png" in page
    assert "../broken.png" in page
    assert "sub/page.html" in done.stdout
    assert [path.name for path in (folder / "sub").iterdir()] == ["page.html"]


def test_figures_for_a_script(folder: Path) -> None:
    """One JSON value on stdout, and the page beside."""
    done = CliRunner().invoke(app, ["report", "--json", "--template", "card"])

    figures = json.loads(done.stdout)
    assert (figures["page"], figures["succeeded"]) == ("report.html", 2)
    assert (folder / "report.html").is_file()


def test_other_jobs_are_left_out(folder: Path) -> None:
    """By template and by time."""
    for option in ("--template=other", "--since=2099-01-01"):
        done = CliRunner().invoke(app, ["report", "--json", option])

        assert json.loads(done.stdout)["jobs"] == 0


def test_a_place_that_cannot_be_written(folder: Path) -> None:
    """It is named."""
    done = CliRunner().invoke(app, ["report", "--out", "good.png/page.html"])

    assert "good.png/page.html" in str(done.exception)
