"""The command line, as a script and as a person would use it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfyclient.cli import COMMANDS, Deferred

from ..nursery import Nursery

ROOT = Path(__file__).parents[2]
TRIP = ROOT / "examples" / "trips" / "coast-night-drive.json"
PNG = b"\x89PNG\r\n\x1a\n"


Command = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = ("-m", "comfyclient")
SERVE = ("-u", *COMMAND, "serve", "--port", "0")


@pytest.fixture
def comfyclient(nursery: Nursery, tmp_path: Path) -> Command:
    """The command in an empty folder, without a terminal."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return nursery.run(*COMMAND, *arguments, cwd=tmp_path)

    return run


def test_run_makes_one_postcard_and_prints_its_path(
    comfyclient: Command, tmp_path: Path
) -> None:
    """Without --json, stdout holds the paths alone; progress goes to stderr."""
    done = comfyclient("run", "trip-postcard", str(TRIP), "--out", "cards")

    assert done.returncode == 0, done.stderr
    path = tmp_path / done.stdout.strip()
    assert path == tmp_path / "cards" / "coast-night-drive-postcard.png"
    assert path.read_bytes().startswith(PNG)
    told = [line.split(":")[1].split()[0] for line in done.stderr.splitlines()]
    assert (told[0], told[-1]) == ("0%", "100%")


def test_run_json_is_one_object_with_the_promised_keys(
    comfyclient: Command, tmp_path: Path
) -> None:
    """A script reads the whole job from stdout, and nothing else is there."""
    done = comfyclient("run", "trip-postcard", str(TRIP), "--seed", "7", "--json")

    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert {
        "job_id", "status", "environment", "instance", "template", "version",
        "digest", "seed", "outputs", "error",
    } <= report.keys()  # fmt: skip
    assert (report["status"], report["seed"], report["error"]) == ("succeeded", 7, None)
    assert report["template"] == "trip-postcard"
    (output,) = report["outputs"]
    assert {"path", "node_id", "type", "bytes", "sha256"} <= output.keys()
    assert (tmp_path / output["path"]).stat().st_size == output["bytes"]


def test_a_parameter_is_read_as_the_templates_type(
    comfyclient: Command, tmp_path: Path
) -> None:
    """A wrong value exits with 2 and says what is allowed."""
    done = comfyclient("run", "trip-postcard", str(TRIP), "-p", "colour_by=mood")

    assert done.returncode == 2
    assert "colour_by" in done.stderr
    assert "speed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "trip-postcrad", str(TRIP)), ["trip-postcrad", "trip-postcard"]),
        (("run", "trip-postcard", "nowhere.json"), ["nowhere.json"]),
        (("run", "trip-postcard", str(TRIP), "-p", "nonsense"), ["NAME=VALUE"]),
        (("run", "graph.json", str(TRIP)), ["takes no trip"]),
        (("run", "trip-postcard", str(TRIP), "--env", "prod"), ["prod", "local"]),
        (("templates", "show", "no-such"), ["no-such", "trip-postcard"]),
        (("run",), ["Missing argument"]),
        (("serve", "--comfyui-version", "newest"), ["0.33.0", "newest"]),
        (("demo", "nowhere.json"), ["nowhere.json"]),
        (("clean", "--older-than", "old"), ["--older-than", "old"]),
        (("run", "trip-postcard", str(TRIP), "--url", "ftp://x"), ["http"]),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_is_wrong(
    arguments: tuple[str, ...], words: list[str], comfyclient: Command
) -> None:
    """Nothing is sent; the message names what was given and what is there."""
    done = comfyclient(*arguments)

    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_told_either_way(comfyclient: Command) -> None:
    """By the command, and by the option that people try first."""
    done = comfyclient("--version")
    assert (done.returncode, done.stdout) == (0, comfyclient("version").stdout)


def test_help_lists_what_a_newcomer_needs_first(comfyclient: Command) -> None:
    """Every command, in the order of the list."""
    shown = re.findall(r"^│ ([a-z]+) ", comfyclient("--help").stdout, re.MULTILINE)

    assert shown == [one.name for one in COMMANDS]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: str(one.name))
def test_the_list_says_of_a_command_what_it_says_itself(command: Deferred) -> None:
    """The list is shown without loading any of them."""
    assert command.load().help.partition("\n\n")[0] == command.help


def test_a_trip_with_a_fault_is_named_by_file_line_and_field(
    comfyclient: Command, tmp_path: Path
) -> None:
    """The reader can go straight to the place."""
    raw = TRIP.read_text(encoding="utf-8").replace('"language"', '"langage"', 1)
    (tmp_path / "bad.json").write_text(raw, encoding="utf-8")
    line = 1 + raw[: raw.index('"langage"')].count("\n")

    done = comfyclient("run", "trip-postcard", "bad.json")

    assert done.returncode == 2
    assert f"bad.json:{line}" in done.stderr
    assert "langage" in done.stderr


def test_an_unreachable_server_exits_with_1(
    comfyclient: Command, tmp_path: Path
) -> None:
    """A failed job is told apart from wrong use; --json tells it too."""
    done = comfyclient(
        "run", "trip-postcard", str(TRIP), "--json",
        "--url", "http://127.0.0.1:9",
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["error"]["class"] == "UnreachableError"
    assert report["outputs"] == []
    assert "127.0.0.1:9" in done.stderr


def test_templates_list_and_show_have_json(
    comfyclient: Command, tmp_path: Path
) -> None:
    """What a script may read, it can."""
    listed = json.loads(comfyclient("templates", "list", "--json").stdout)
    shown = json.loads(
        comfyclient("templates", "show", "trip-postcard", "--json").stdout
    )

    assert {"trip-postcard"} <= {one["name"] for one in listed}
    assert shown["name"] == "trip-postcard"
    assert "postcard" in shown["outputs"]


def test_the_shipped_templates_pass_their_lint(
    comfyclient: Command, tmp_path: Path
) -> None:
    """Sample and hostile trips render to sound graphs of one structure."""
    done = comfyclient("templates", "lint")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_configuration_with_an_unknown_key_names_line_and_remedy(
    comfyclient: Command, tmp_path: Path
) -> None:
    """comfyclient.toml of the working directory is read, and read strictly."""
    (tmp_path / "comfyclient.toml").write_text(
        '[environments.test]\ntransprot = "comfyui"\n', encoding="utf-8"
    )

    done = comfyclient("run", "trip-postcard", str(TRIP))

    assert done.returncode == 2
    assert "comfyclient.toml:2" in done.stderr
    assert "did you mean 'transport'" in done.stderr


@pytest.fixture
def served(nursery: Nursery, tmp_path: Path) -> Iterator[str]:
    """`comfyclient serve` on a port of its own choice; its URL."""
    with nursery.start(*SERVE, cwd=tmp_path) as process:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        assert url is not None
        yield url[0]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)


def test_serve_is_a_server_for_other_clients(served: str, comfyclient: Command) -> None:
    """A second process sends a job to it by its URL, and ends it with Ctrl-C."""
    done = comfyclient("run", "trip-postcard", str(TRIP), "--url", served, "--json")

    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (report["status"], report["instance"]) == ("succeeded", "url")


def test_serve_leaves_nothing_when_it_is_terminated(
    nursery: Nursery, tmp_path: Path
) -> None:
    """SIGTERM, as service managers send it, removes the temporary files as well."""
    with nursery.start(*SERVE, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        folder = Path(process.stdout.readline().removeprefix("files: ").strip())
        assert folder.is_dir()
        process.terminate()
        assert process.wait(timeout=100) == 128 + signal.SIGTERM

    assert not folder.exists()


def test_the_demo_makes_clearly_different_postcards(
    comfyclient: Command, tmp_path: Path
) -> None:
    """One of each sample trip, 1080×1440; any two differ in most of their surface."""
    done = comfyclient("demo", "--out", "cards")

    samples = sorted((ROOT / "examples" / "trips").glob("*.json"))
    pictures = sorted((tmp_path / "cards").glob("*.png"))
    assert done.returncode == 0, done.stderr
    assert len(pictures) == len(samples) >= 4
    assert all(picture.name in done.stdout for picture in pictures)
    for one, other in combinations(map(pixels_of, pictures), 2):
        assert one.shape == other.shape == (1440, 1080, 3)
        assert (np.abs(one - other).max(axis=2) > 24).mean() > 0.25


def pixels_of(picture: Path) -> np.ndarray[tuple[int, int, int], np.dtype[np.int16]]:
    """Its colours, as numbers that can be subtracted."""
    with Image.open(picture) as opened:
        return np.asarray(opened.convert("RGB"), dtype=np.int16)
