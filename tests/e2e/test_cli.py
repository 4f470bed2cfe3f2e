"""The command line, as a script and as a person would use it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIP = ROOT / "examples" / "trips" / "coast-night-drive.json"
PNG = b"\x89PNG\r\n\x1a\n"


def comfyclient(
    *arguments: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "comfyclient", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def test_run_makes_one_postcard_and_prints_its_path(tmp_path: Path) -> None:
    """Without --json, stdout holds the paths alone; progress goes to stderr."""
    done = comfyclient(
        "run", "trip-postcard", str(TRIP), "--out", "cards", folder=tmp_path
    )

    assert done.returncode == 0, done.stderr
    path = tmp_path / done.stdout.strip()
    assert path == tmp_path / "cards" / "coast-night-drive-postcard.png"
    assert path.read_bytes().startswith(PNG)
    assert "100%" in done.stderr or "done" in done.stderr


def test_run_json_is_one_object_with_the_promised_keys(tmp_path: Path) -> None:
    """A script reads the whole job from stdout, and nothing else is there."""
    done = comfyclient(
        "run", "trip-postcard", str(TRIP), "--seed", "7", "--json", folder=tmp_path
    )

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


def test_a_parameter_is_read_as_the_templates_type(tmp_path: Path) -> None:
    """A wrong value exits with 2 and says what is allowed."""
    done = comfyclient(
        "run", "trip-postcard", str(TRIP), "-p", "colour_by=mood", folder=tmp_path
    )

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
        (("run", "trip-postcard", str(TRIP), "--url", "ftp://x"), ["http"]),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_is_wrong(
    arguments: tuple[str, ...], words: list[str], tmp_path: Path
) -> None:
    """Nothing is sent; the message names what was given and what is there."""
    done = comfyclient(*arguments, folder=tmp_path)

    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_a_trip_with_a_fault_is_named_by_file_line_and_field(tmp_path: Path) -> None:
    """The reader can go straight to the place."""
    raw = TRIP.read_text(encoding="utf-8").replace('"language"', '"langage"', 1)
    (tmp_path / "bad.json").write_text(raw, encoding="utf-8")
    line = 1 + raw[: raw.index('"langage"')].count("\n")

    done = comfyclient("run", "trip-postcard", "bad.json", folder=tmp_path)

    assert done.returncode == 2
    assert f"bad.json:{line}" in done.stderr
    assert "langage" in done.stderr


def test_an_unreachable_server_exits_with_1(tmp_path: Path) -> None:
    """A failed job is told apart from wrong use; --json tells it too."""
    done = comfyclient(
        "run", "trip-postcard", str(TRIP), "--json",
        "--url", "http://127.0.0.1:9", folder=tmp_path,
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["error"]["class"] == "UnreachableError"
    assert report["outputs"] == []
    assert "127.0.0.1:9" in done.stderr


def test_templates_list_and_show_have_json(tmp_path: Path) -> None:
    """What a script may read, it can."""
    listed = json.loads(
        comfyclient("templates", "list", "--json", folder=tmp_path).stdout
    )
    shown = json.loads(
        comfyclient(
            "templates", "show", "trip-postcard", "--json", folder=tmp_path
        ).stdout
    )

    assert {"trip-postcard"} <= {one["name"] for one in listed}
    assert shown["name"] == "trip-postcard"
    assert "postcard" in shown["outputs"]


def test_the_shipped_templates_pass_their_lint(tmp_path: Path) -> None:
    """Sample and hostile trips render to sound graphs of one structure."""
    done = comfyclient("templates", "lint", folder=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_configuration_with_an_unknown_key_names_line_and_remedy(
    tmp_path: Path,
) -> None:
    """comfyclient.toml of the working directory is read, and read strictly."""
    (tmp_path / "comfyclient.toml").write_text(
        '[environments.test]\ntransprot = "comfyui"\n', encoding="utf-8"
    )

    done = comfyclient("run", "trip-postcard", str(TRIP), folder=tmp_path)

    assert done.returncode == 2
    assert "comfyclient.toml:2" in done.stderr
    assert "did you mean 'transport'" in done.stderr


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """`comfyclient serve` on a port of its own choice; its URL."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "comfyclient", "serve", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        url = re.search(r"http://\S+", process.stdout.readline())
        assert url is not None
        yield url[0]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_serve_is_a_server_for_other_clients(served: str, tmp_path: Path) -> None:
    """A second process sends a job to it by its URL, and ends it with Ctrl-C."""
    done = comfyclient(
        "run", "trip-postcard", str(TRIP), "--url", served, "--json", folder=tmp_path
    )

    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (report["status"], report["instance"]) == ("succeeded", "url")


def test_serve_leaves_nothing_when_it_is_terminated(tmp_path: Path) -> None:
    """SIGTERM, as service managers send it, removes the temporary files as well."""
    command = [sys.executable, "-u", "-m", "comfyclient", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        folder = Path(process.stdout.readline().removeprefix("files: ").strip())
        assert folder.is_dir()
        process.terminate()
        assert process.wait(timeout=20) == 128 + signal.SIGTERM

    assert not folder.exists()


def test_the_demo_makes_a_postcard_of_every_sample_trip(tmp_path: Path) -> None:
    """It ends in pictures and says where they are."""
    done = comfyclient("demo", "--out", "cards", folder=tmp_path)

    samples = sorted((ROOT / "examples" / "trips").glob("*.json"))
    pictures = sorted((tmp_path / "cards").glob("*.png"))
    assert done.returncode == 0, done.stderr
    assert len(pictures) == len(samples) >= 4
    assert all(picture.name in done.stdout for picture in pictures)
