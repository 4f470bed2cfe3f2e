"""The commands about what servers offer, as a person or a script runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from comfyclient import comfy_nodes
from comfyclient.cli import app
from comfyclient.errors import ComfyClientError
from comfyclient.local.engine import EmbeddedEngine

GRAPH: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}},
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "x"},
    },
}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    error: BaseException | None

    @property
    def json(self) -> Any:
        """What it said to a script."""
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Two servers with the package's own nodes."""
    packs = (comfy_nodes,)
    with (
        EmbeddedEngine(None, node_packs=packs) as one,
        EmbeddedEngine(None, node_packs=packs) as other,
    ):
        yield one.url, other.url


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, urls: tuple[str, str]) -> Run:
    """Run commands in a folder whose configuration has two instances in `test`."""
    instances = "".join(
        f'[[environments.test.instances]]\nname = "{name}"\nurl = "{address}"\n'
        for name, address in zip("ab", urls, strict=True)
    )
    config = f'default_environment = "test"\n[environments.test]\n{instances}'
    (tmp_path / "comfyclient.toml").write_text(config)
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> Done:
        done = CliRunner().invoke(app, arguments)
        known = isinstance(done.exception, SystemExit | ComfyClientError)
        if done.exception is not None and not known:
            raise done.exception
        return Done(done.exit_code, done.stdout, done.exception)

    return command


def test_a_snapshot_stands_for_its_server(run: Run, tmp_path: Path) -> None:
    """Saved once, graphs are checked by it without any server."""
    taken = run("snapshot", "--instance", "a", "--out", "s.json.gz", "--json")
    live = run("check", "graph.json", "--instance", "a", "--json")
    saved = run("check", "graph.json", "--snapshot", "s.json.gz", "--json")

    assert taken.code == 0
    assert taken.json["comfyui_version"] == "0.33.0"
    assert len(taken.json["fingerprint"]) == 64
    (one,), (other,) = live.json["checks"], saved.json["checks"]
    assert one.pop("taken_at") != other.pop("taken_at")
    assert one == other
    assert (live.code, one["ok"]) == (1, False)
    assert {finding["input"] for finding in one["findings"]} == {"batch_size", "color"}


def test_a_template_is_checked_on_every_instance(run: Run) -> None:
    """Filled from its sample trip, or another."""
    done = run("check", "trip-postcard", "--env", "test")

    assert done.code == 0
    assert [line.rpartition(": ")[2] for line in done.out.splitlines()] == ["ok"] * 2
    assert "on a (ComfyUI 0.33.0)" in done.out


def test_what_is_wrong_is_told_with_its_line(run: Run) -> None:
    """All of it, on the lines where it was written."""
    done = run("check", "graph.json", "--instance", "b")

    assert done.code == 1
    assert "graph.json on b (ComfyUI 0.33.0): 2 errors" in done.out
    assert done.out.count("graph.json line 1]") == 2
    assert "the input is required and missing" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "graph.json", "--snapshot", "none.json"), "none.json"),
        (("check", "graph.json", "--snapshot", "graph.json"), "no snapshot"),
        (("check", "graph.json", "--snapshot", "s", "--env", "test"), "two servers"),
        (("check", "graph.json", "--instance", "c"), "it has a, b"),
        (("check", "graph.json", "trip.json"), "takes no trip"),
        (("check", "trip-postcard", "-p", "x"), "NAME=VALUE"),
        (("check", "none.json"), "none.json"),
        (("snapshot", "--out", "none/s.json"), "cannot be written"),
        (("snapshot", "--env", "nowhere"), "nowhere"),
    ],
)
def test_wrong_use_is_told(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """With what is wrong, and nothing on stdout."""
    done = run(*arguments)

    assert done.code != 0
    assert isinstance(done.error, ComfyClientError)
    assert words in str(done.error)
    assert done.out == ""


CARD = """\
[environments.old]
[[environments.old.instances]]
name = "c"
url = "{old}"
[environments.gone]
[[environments.gone.instances]]
name = "d"
url = "http://127.0.0.1:9"
"""


class TestTheTable:
    """Templates against environments, and against saved snapshots."""

    @pytest.fixture
    def shop(self, run: Run, tmp_path: Path) -> Iterator[Path]:
        """A card beside the shipped templates, and an old server without our nodes."""
        config = tmp_path / "comfyclient.toml"
        assert run("templates", "new", "card", "--out", "ours").code == 0
        with EmbeddedEngine(None, version="0.3.12") as old:
            text = config.read_text() + CARD.format(old=old.url)
            config.write_text(f'templates = ["ours"]\n{text}')
            yield tmp_path

    def test_each_template_in_each_environment(self, run: Run, shop: Path) -> None:
        """What runs where, and below it what is in the way."""
        names = ("card", "trip-postcard")
        done = run("templates", "lint", *names, "--env", "test", "--env", "old")

        heads, card, postcard = [line.split("  ") for line in done.out.split("\n")[:3]]
        assert [one.strip() for one in heads if one] == [
            "template", "lint", "test", "old"
        ]  # fmt: skip
        assert [one.strip() for one in card if one] == [
            "card@1.0.0", "ok", "ok (runs)", "ok (runs)"
        ]  # fmt: skip
        assert "errors (runs)" in postcard[-1]
        assert "in old, c: error: node " in done.out
        assert "the server has no node class TripRouteMap" in done.out
        assert done.code == 1

    def test_a_script_reads_the_same(self, run: Run, shop: Path) -> None:
        """By template and environment, with every finding."""
        run("snapshot", "--instance", "a", "--out", "a.json.gz")
        files = ("--snapshot", "saved=a.json.gz", "--env", "old")
        done = run("templates", "lint", "card", "trip-postcard", *files, "--json")

        card, postcard = done.json
        assert card["ok"]
        assert (postcard["ok"], postcard["lint"]["ok"]) == (False, True)
        saved, old = (postcard["environments"][name] for name in ("saved", "old"))
        assert (saved["ok"], saved["runs"]) == (True, False)
        assert (old["ok"], old["runs"]) == (False, True)
        (there,) = old["checks"]
        assert {one["kind"] for one in there["findings"]} == {"missing_node_type"}

    def test_what_cannot_be_asked(self, run: Run, shop: Path) -> None:
        """Is not ok, and the others are told all the same."""
        done = run("templates", "lint", "card", "--env", "gone", "--env", "test")

        assert done.code == 1
        assert done.out.splitlines()[1].split()[2:] == [
            "not", "asked", "(runs)", "ok", "(runs)"
        ]  # fmt: skip
        assert "card@1.0.0 in gone: GET /system_stats" in done.out

    def test_a_configured_snapshot_stands_for_its_environment(
        self, run: Run, shop: Path
    ) -> None:
        """Then no server is asked."""
        run("snapshot", "--instance", "a", "--out", "a.json.gz")
        config = shop / "comfyclient.toml"
        told = '[environments.gone]\nsnapshot = "a.json.gz"'
        config.write_text(config.read_text().replace("[environments.gone]", told))

        assert run("templates", "lint", "card", "--env", "gone").code == 0
        checked = run("check", "card", "--env", "gone")
        assert checked.code == 0
        assert "card on a (ComfyUI 0.33.0, as saved " in checked.out

    def test_what_the_environment_declares_counts(self, run: Run, shop: Path) -> None:
        """To a server of another version nothing is sent: all who look say so."""
        config = shop / "comfyclient.toml"
        told = '[environments.old]\ncomfyui_version = ">=0.3.45"'
        config.write_text(config.read_text().replace("[environments.old]", told))

        checked = run("check", "card", "--env", "old")
        done = run("templates", "lint", "card", "--env", "old")

        words = "comfyui_version declares >=0.3.45, and the server runs 0.3.12"
        assert (done.code, checked.code) == (1, 1)
        assert words in done.out
        assert words in checked.out
        assert run("check", "card", "--env", "test").code == 0

    def test_what_a_template_declares_counts(self, run: Run, shop: Path) -> None:
        """A server that its range of versions leaves out is told, also by `check`."""
        manifest = shop / "ours" / "card" / "1.0.0" / "manifest.toml"
        declared = '[requirements]\ncomfyui = ">=0.3.45"\n'
        text = manifest.read_text()
        assert "[requirements]\n" in text
        lines = [one for one in text.splitlines() if not one.startswith("comfyui =")]
        said = "\n".join(lines).replace("[requirements]\n", declared)
        manifest.write_text(said + "\n")

        done = run("templates", "lint", "card", "--env", "old")
        checked = run("check", "card", "--env", "old")

        words = "the template needs ComfyUI >=0.3.45, and the server runs 0.3.12"
        assert (done.code, checked.code) == (1, 1)
        assert words in done.out
        assert words in checked.out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--env", "nowhere"), "there is no environment 'nowhere'"),
            (("--env", "test", "--env", "test"), "test is named twice"),
            (("--snapshot", "x=none.json"), "none.json"),
        ],
    )
    def test_wrong_use(
        self, run: Run, shop: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        """Is told, with nothing on stdout."""
        done = run("templates", "lint", "card", *arguments)

        assert words in str(done.error)
        assert done.out == ""


class TestVerifyingWithServers:
    """Whether what is locked would still run where it is locked."""

    @pytest.fixture
    def shop(self, run: Run, tmp_path: Path) -> Iterator[Path]:
        """A server that is older than test's, and lacks our nodes."""
        config = tmp_path / "comfyclient.toml"
        with EmbeddedEngine(None, version="0.3.12") as old:
            config.write_text(config.read_text() + CARD.format(old=old.url))
            assert run("pins", "lock", "trip-postcard", "--env", "test").code == 0
            yield tmp_path

    def test_what_runs_and_what_does_not(self, run: Run, shop: Path) -> None:
        """The files are sound in both; the servers of one would not run them."""
        way = ("trip-postcard", "--from", "test", "--to", "old")
        assert run("pins", "promote", *way).code == 1
        assert run("pins", "promote", *way, "--no-check").code == 0

        assert run("pins", "verify").code == 0
        asked = run("pins", "verify", "--servers")
        assert asked.code == 1
        told = dict(line.split(": trip-postcard ") for line in asked.out.splitlines())
        assert told["test"] == "1.0.0: ok"
        assert "c: node 1 (TripBackdrop" in told["old"]
        assert "no node class TripBackdrop" in told["old"]

    def test_servers_outside_the_declared_versions(self, run: Run, shop: Path) -> None:
        """Nothing is sent to them, so nothing that is locked runs there."""
        config = shop / "comfyclient.toml"
        told = '[environments.test]\ncomfyui_version = "<0.4"\n'
        config.write_text(config.read_text().replace("[environments.test]\n", told, 1))

        asked = run("pins", "verify", "--servers", "--env", "test")

        assert asked.code == 1
        assert "declares <0.4, and the server runs 0.33.0" in asked.out

    def test_node_classes_that_changed_since(self, run: Run, shop: Path) -> None:
        """The lock has the fingerprint of a snapshot that is configured."""
        for name, env in (("s.json.gz", "test"), ("old.json.gz", "old")):
            given = ("--instance", "a") if env == "test" else ()
            assert run("snapshot", "--env", env, *given, "--out", name).code == 0
        config = shop / "comfyclient.toml"
        told = '[environments.gone]\nsnapshot = "s.json.gz"'
        config.write_text(config.read_text().replace("[environments.gone]", told))
        locked = run("pins", "lock", "trip-postcard", "--env", "gone", "--json")
        same = run("pins", "verify", "--env", "gone", "--servers", "--json")
        (shop / "old.json.gz").replace(shop / "s.json.gz")
        other = run("pins", "verify", "--env", "gone", "--servers")

        assert len(locked.json[0]["after"]["object_info"]) == 64
        assert (same.code, same.json["templates"][0]["node_classes_changed"]) == (
            0,
            False,
        )
        assert other.code == 1
        assert "the node classes have changed since" in other.out

    def test_servers_that_cannot_be_asked(self, run: Run, shop: Path) -> None:
        """That is told for each of their templates."""
        assert run("pins", "lock", "trip-postcard", "--env", "gone").code == 0
        asked = run("pins", "verify", "--env", "gone", "--servers")

        assert asked.code == 1
        assert "gone: trip-postcard 1.0.0: not asked: GET /system_stats" in asked.out
