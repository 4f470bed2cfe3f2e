"""The commands that make templates of graphs, and new versions of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from .shop import CONFIG, AtATerminal, Run


def test_a_new_template_says_how_commands_will_find_it(
    run: Run, tmp_path: Path
) -> None:
    """Where no folder of templates is configured, the line for it is told; else not."""
    assert 'templates = ["templates"]' in run("templates", "new", "card").err
    file = tmp_path / "comfyclient.toml"
    file.write_text('templates = ["templates"]\n' + CONFIG)
    assert run("templates", "bump", "card").err == ""


def test_bumps_and_their_limits(run: Run, tmp_path: Path) -> None:
    """Patch if nothing is said; a version must be newer, and new; a step at a time."""
    run("templates", "new", "card")
    for options, expected in (
        ((), "1.0.1"),
        (("--minor",), "1.1.0"),
        (("--to", "2.0.0rc1"), "2.0.0rc1"),
        (("--major",), "2.0.0"),
    ):
        done = run("templates", "bump", "card", *options, "--json")
        assert done.json["version"] == expected
    for options in (("--major", "--minor"), ("--to", "1.5.0"), ("--to", "2.0.0-rc.2")):
        assert run("templates", "bump", "card", *options).code == 2
    assert run("templates", "bump", "cord").code == 2
    older = run("templates", "bump", "card@1.1.0", "--json")
    assert older.json["version"] == "1.1.1"
    twice = run("templates", "bump", "card@1.0.0", "--minor")
    assert (twice.code, "a version 1.1.0 already" in twice.err) == (2, True)
    assert sorted(
        path.name for path in (tmp_path / "templates" / "card").iterdir()
    ) == [*("1.0.0", "1.0.1", "1.1.0", "1.1.1", "2.0.0", "2.0.0rc1")]


def test_a_shipped_template_is_bumped_into_ones_own(run: Run, tmp_path: Path) -> None:
    """Where there is no folder of one's own as yet."""
    done = run("templates", "bump", "trip-postcard", "--minor", "--json")
    assert (done.code, done.json["version"]) == (0, "2.1.0")
    assert (tmp_path / "templates" / "trip-postcard" / "2.1.0").is_dir()


def test_new_ones_go_where_templates_are_configured(run: Run, tmp_path: Path) -> None:
    """There they are found; --out names another folder."""
    config = tmp_path / "comfyclient.toml"
    config.write_text(f'templates = ["ours", "more"]\n{CONFIG}')
    (tmp_path / "more").mkdir()
    assert run("templates", "new", "card").code == 0
    assert run("templates", "bump", "card").code == 0
    assert run("templates", "bump", "card", "--out", "more").code == 0
    found = run("templates", "list", "--json").json
    folders = [Path(one["folder"]) for one in found if one["name"] == "card"]
    assert folders == [
        tmp_path / "ours" / "card" / "1.0.0",
        tmp_path / "ours" / "card" / "1.0.1",
        tmp_path / "more" / "card" / "1.0.2",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("../card",), "is no name"),
        (("card", "--version", "1.0"), "is no version"),
        (("card", "--from", "missing.json"), "cannot be read"),
        (("card", "--from", "comfyclient.toml"), "is no JSON"),
        (("card", "--from", "graph.json", "-p", "3.sed=seed"), "did you mean '3.seed'"),
        (("card", "--from", "graph.json", "--photo", "1.width"), "no file's name"),
    ],
)
def test_what_no_template_can_be_made_of(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Nothing is left behind."""
    done = run("templates", "new", *arguments)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "templates").exists()


def test_named_parameters_are_all_there_are(run: Run) -> None:
    """Nothing else is proposed."""
    named = ("-p", "3.seed=seed", "-p", "2.text=words")
    done = run("templates", "new", "card", "--from", "graph.json", *named, "--json")
    assert [one["name"] for one in done.json["parameters"]] == ["seed", "words"]


def test_a_person_chooses_among_the_proposals(
    run: Run, tmp_path: Path, at_a_terminal: AtATerminal
) -> None:
    """Each is asked for, with what the graph has there."""
    code, said = at_a_terminal(
        "y\nn\nn\ny\n",
        *("templates", "new", "card", "--from", "graph.json"),
    )
    assert code == 0, said
    assert "prompt: 2.text = 'a {{ cat }}'; a parameter?" in said
    shown = run("templates", "list").out  # those of the package alone
    assert "card@" not in shown.replace("postcard@", "")
    manifest = tmp_path / "templates" / "card" / "1.0.0" / "manifest.toml"
    assert list(tomllib.loads(manifest.read_text())["parameters"]) == ["height"]
