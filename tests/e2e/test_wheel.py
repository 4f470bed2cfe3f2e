"""The wheel, in an environment of its own, as somebody gets it from an index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has nothing but the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", f"{wheel}[local,cli]"]
    subprocess.run(install, check=True)
    return python


def test_all_is_inside(wheel: Path) -> None:
    """Templates, sample trips, node pack, page and type information; no tests."""
    names = set(zipfile.ZipFile(wheel).namelist())

    assert "comfyclient/py.typed" in names
    assert "comfyclient/report/report.html.j2" in names
    assert "comfyclient/comfy_nodes/__init__.py" in names
    assert "comfyclient/sample_trips/qinghai-lake-loop.json" in names
    for template in (ROOT / "templates").glob("*/*/workflow.json.j2"):
        inside = template.relative_to(ROOT / "templates").as_posix()
        assert f"comfyclient/templates/{inside}" in names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_it_makes_pictures_outside_a_checkout(python: Path, tmp_path: Path) -> None:
    """The command runs a template of the wheel on the wheel's own engine and fonts."""
    command = python.with_name("comfyclient")
    done = subprocess.run(
        [str(command), "demo", "--out", "pictures"],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    pictures = sorted((tmp_path / "pictures").glob("*.png"))
    assert len(pictures) == 5
    assert all(picture.read_bytes().startswith(PNG) for picture in pictures)


def test_a_type_checker_finds_its_types(python: Path, tmp_path: Path) -> None:
    """A program that uses it wrongly is told so, without a stub or a setting."""
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "mypy"], check=True)
    program = tmp_path / "program.py"
    program.write_text(
        "from comfyclient import Client\n"
        "reveal_type(Client.from_config().submit('x').result().outputs[0].save('.'))\n"
        "Client.from_config().submit(7)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [str(python), "-m", "mypy", "--strict", "--output", "json", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["line"], one["severity"]) for one in told] == [
        (2, "note"), (3, "error"),
    ]  # fmt: skip
    assert "Path" in told[0]["message"]
