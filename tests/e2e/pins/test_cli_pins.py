"""The commands about pins, as a script and a person use them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from .shop import CONFIG, SHOP, AtATerminal, Run, locked


@pytest.fixture
def two_versions(run: Run, tmp_path: Path) -> Path:
    """A template in two versions that differ in one value; 1.0.0 is locked in test."""
    assert run("templates", "new", "card").code == 0
    assert run("pins", "lock", "card", "--env", "test", *SHOP).code == 0
    assert run("templates", "bump", "card", "--minor").code == 0
    folder = tmp_path / "templates" / "card" / "1.1.0"
    source = folder / "workflow.json.j2"
    source.write_text(source.read_text().replace('"picture"', '"postcard"'))
    return folder


def test_from_a_graph_to_prod(run: Run, tmp_path: Path) -> None:
    """New, lock, bump, compare, promote, verify: each tells a script what it did."""
    made = run("templates", "new", "card", "--from", "graph.json", "--json")
    assert made.code == 0
    assert made.json["seed"] == 7
    assert [one["name"] for one in made.json["parameters"]] == [
        *("seed", "prompt", "width", "height")
    ]

    first = run("pins", "lock", "--env", "test", "--why", "begin", "--json", *SHOP)
    assert [one["after"]["version"] for one in first.json] == ["1.0.0"]
    assert first.json[0]["after"]["digest"] == made.json["digest"]
    assert first.json[0]["after"]["why"] == "begin"

    done = run(
        *("pins", "promote", "card", "--from", "test", "--to", "prod"),
        *("--yes-prod", "--why", "tried", "--no-check", "--json", *SHOP),
    )
    assert done.code == 0, done.err
    assert (done.json["promoted"], done.json["before"]) == (True, None)
    assert locked(tmp_path) == {"prod": {"card": "1.0.0"}, "test": {"card": "1.0.0"}}
    shown = run("pins", "show", "--json", *SHOP).json
    pairs = {(one["environment"], one["template"]) for one in shown}
    assert {pair for pair in pairs if pair[0] != "live"} == {
        *(("prod", "card"), ("test", "card"))
    }
    # where nothing is locked, whatever the package ships may run, too
    assert {("live", "card"), ("live", "trip-postcard")} <= pairs
    assert run("pins", "verify", "--env", "prod", "--json", *SHOP).json["ok"] is True
    again = run("pins", "promote", "card", "--from", "test", "--to", "prod", *SHOP)
    assert (again.code, again.out) == (0, "prod runs card@1.0.0 already\n")


def test_what_differs_is_shown(run: Run, two_versions: Path) -> None:
    """Between versions, or between what two environments run."""
    by_version = run("pins", "diff", "card", "1.0.0", "1.1.0", *SHOP)
    assert by_version.out.splitlines() == [
        "card@1.0.0 → card@1.1.0",
        "  ~ node 2: SaveImage “Save”",
        '      ~ inputs.filename_prefix: "picture" → "postcard"',
    ]
    run(
        "pins", "promote", "card", "--from", "test", "--to", "prod", "--yes-prod", *SHOP
    )
    run("pins", "lock", "card", "--env", "test", *SHOP)
    between = ("pins", "diff", "card", "--from", "test", "--to", "prod", *SHOP)
    assert run(*between).out == by_version.out
    found = run(*between, "--json").json
    assert [one["node_id"] for one in found["nodes"]] == ["2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("card",),
        ("card", "1.0.0"),
        ("card", "--from", "test"),
        ("card", "1.0.0", "1.1.0", "--from", "test", "--to", "prod"),
        ("card", "1.0.0", "--from", "test", "--to", "prod"),
        ("card", "1.0.0", "7.0.0"),
        ("card", "--from", "test", "--to", "nowhere"),
    ],
)
def test_a_comparison_of_nothing_is_wrong_use(
    run: Run, two_versions: Path, arguments: tuple[str, ...]
) -> None:
    """Two versions, or two environments."""
    assert run("pins", "diff", *arguments, *SHOP).code == 2


def test_promoting_into_a_protected_environment_needs_its_word(
    run: Run, two_versions: Path, tmp_path: Path
) -> None:
    """Without a terminal nobody is asked; a word for another one does not count."""
    promote = ("pins", "promote", "card", "--no-check", "--from", "test", "--to")
    before = (tmp_path / "comfyclient.lock").read_bytes()
    for refused in (
        ("prod",),
        ("prod", "--confirm", "live"),
        ("live", "--yes-prod"),
        ("live", "--confirm", "prod"),
    ):
        done = run(*promote, *refused, *SHOP)
        assert done.code == 2
        assert f"environment {refused[0]} is protected" in done.err
        assert ("--yes-prod" if refused[0] == "prod" else "--confirm live") in done.err
    assert (tmp_path / "comfyclient.lock").read_bytes() == before
    assert run(*promote, "live", "--confirm", "live", *SHOP).code == 0
    assert run(*promote, "prod", "--confirm", "prod", *SHOP).code == 0


def test_the_targets_servers_are_asked(
    run: Run, two_versions: Path, tmp_path: Path
) -> None:
    """What they would not run is not promoted; what they have is written down."""
    promote = ("pins", "promote", "card", "--from", "test", "--to", "prod")
    done = run(*promote, "--yes-prod", "--json", *SHOP)
    assert (done.code, done.json["promoted"]) == (0, True)
    table = tomllib.loads((tmp_path / "comfyclient.lock").read_text())
    entry = table["environments"]["prod"]["templates"]["card"]
    assert len(entry["object_info"]) == 64

    source = two_versions / "workflow.json.j2"
    source.write_text(source.read_text().replace("EmptyImage", "EmptyImagine"))
    assert run("pins", "lock", "card", "--env", "test", *SHOP).code == 0
    refused = run(*promote, "--yes-prod", "--json", *SHOP)
    assert (refused.code, refused.json["promoted"]) == (1, False)
    (problem,) = refused.json["problems"]
    assert "EmptyImagine" in problem
    assert locked(tmp_path)["prod"] == {"card": "1.0.0"}
    assert "EmptyImagine" in run(*promote, "--yes-prod", *SHOP).err


def test_locking_in_a_protected_environment_needs_its_word(
    run: Run, two_versions: Path, tmp_path: Path
) -> None:
    """It asks nothing, ever."""
    refused = run("pins", "lock", "--env", "prod", *SHOP)
    assert refused.code == 2
    assert "confirmed to lock templates" in refused.err
    done = run("pins", "lock", "card@1.0.0", "--env", "prod", "--yes-prod", *SHOP)
    assert done.out == "prod: card 1.0.0\n"


def test_verify_exits_with_1_where_anything_differs(
    run: Run, two_versions: Path
) -> None:
    """Changed bytes, a protected environment without a lock, a version that is gone."""
    assert run("pins", "verify", "--env", "test", *SHOP).code == 0
    everywhere = run("pins", "verify", *SHOP)
    assert everywhere.code == 1
    assert "prod: protected, and nothing is locked in it" in everywhere.out
    manifest = two_versions.parent / "1.0.0" / "manifest.toml"
    content = manifest.read_bytes()
    manifest.write_bytes(content + b"\n")
    changed = run("pins", "verify", "--env", "test", "--json", *SHOP)
    assert changed.code == 1
    (one,) = changed.json["templates"]
    assert one["digest"] != one["locked"]["digest"]
    assert one["digest"] in one["problem"]
    assert one["locked"]["digest"] in one["problem"]
    assert "problem" in run("pins", "show", "--env", "test", *SHOP).out
    manifest.write_bytes(content)
    assert run("pins", "verify", "--env", "test", *SHOP).code == 0
    two_versions.parent.rename(two_versions.parents[1] / "gone")
    assert run("pins", "verify", "--env", "test", *SHOP).code == 1


@pytest.mark.parametrize("command", ["show", "verify", "lock", "promote"])
def test_a_damaged_lock_stops_every_command(
    run: Run, two_versions: Path, tmp_path: Path, command: str
) -> None:
    """It is named, with what to do."""
    path = tmp_path / "comfyclient.lock"
    path.write_text(path.read_text().replace('version = "1.0.0"', 'version = "1.1.0"'))
    before = path.read_bytes()
    rest = {
        "lock": ("card", "--env", "test"),
        "promote": ("card", "--from", "test", "--to", "prod", "--yes-prod"),
    }.get(command, ())
    done = run("pins", command, *rest, *SHOP)
    assert done.code == 2
    assert "comfyclient.lock" in done.err
    assert "changed by hand" in done.err
    assert "restore it from version control" in done.err
    assert path.read_bytes() == before


def test_the_lock_may_be_elsewhere(
    run: Run, two_versions: Path, tmp_path: Path
) -> None:
    """Beside the configuration that is named, or where --lock says."""
    there = tmp_path / "elsewhere"
    there.mkdir()
    (there / "other.toml").write_text(CONFIG)
    config = ("--config", str(there / "other.toml"))
    assert run("pins", "lock", "card", "--env", "test", *config, *SHOP).code == 0
    assert (there / "comfyclient.lock").exists()
    named = ("--lock", str(there / "my.lock"))
    assert run("pins", "lock", "card", "--env", "test", *named, *SHOP).code == 0
    assert (there / "my.lock").exists()


def test_no_secret_and_no_second_line_gets_into_the_lock(
    run: Run, two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reasons are typed by people, and names come from the system."""
    monkeypatch.setenv("GITHUB_ACTOR", "wei\n[x]\u202e" + "y" * 500)
    why = 'see https://host/x?token=s3cr3t-value-000 \n"]\n[environments.prod]'
    args = ("pins", "lock", "card", "--env", "test", "--why", why, "--json")
    done = run(*args, *SHOP)
    text = (tmp_path / "comfyclient.lock").read_text("utf-8")
    assert "s3cr3t" not in text
    assert done.json[0]["after"]["who"].startswith("wei [x]")
    assert len(done.json[0]["after"]["who"]) == 100
    assert list(locked(tmp_path)) == ["test"]


def test_a_person_is_asked_and_may_say_no(
    run: Run, two_versions: Path, tmp_path: Path, at_a_terminal: AtATerminal
) -> None:
    """The difference is shown first."""
    promote = ("pins", "promote", "card", "--from", "test", "--to", "prod")
    promote = (*promote, "--no-check", *SHOP)
    code, said = at_a_terminal("n\n", *promote)
    assert code == 1
    assert "Lock prod to card@1.0.0?" in said
    assert list(locked(tmp_path)) == ["test"]
    code, said = at_a_terminal("y\n", *promote)
    assert code == 0, said
    assert locked(tmp_path)["prod"] == {"card": "1.0.0"}
