"""The page `docs/from-test-to-prod.md`: its commands, one after the other, as typed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comfyclient.cli import app
from comfyclient.commands.ends import exit_code
from comfyclient.config.settings import EngineSettings
from comfyclient.engine_start import start_engine
from comfyclient.errors import ComfyClientError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-test-to-prod.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh fails|sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(.*<<'END'\n(?:.*\n)*?END|.+)\n")


class Shell:
    """Types the page's commands into a checkout; ours run in this process."""

    def __init__(self, servers: ExitStack, chdir: Callable[[str], None]) -> None:
        self._servers = servers
        self._chdir = chdir
        self._ports: dict[str, str] = {}

    def type(self, command: str) -> tuple[int, str]:
        """How a command ended, and what it printed."""
        for port, actual in self._ports.items():
            command = command.replace(f":{port}", f":{actual}")
        match command.split()[0]:
            case "make" | "export":  # whoever runs the tests has done that
                return 0, ""
            case "kill":
                self._servers.close()
                return 0, ""
            case "comfyclient" if command.endswith(" &"):
                self._serve(shlex.split(command.removesuffix(" &")))
                return 0, ""
            case "comfyclient":
                return self._ours(shlex.split(command)[1:])
        return self._bash(command)

    def _serve(self, words: list[str]) -> None:
        options = dict(zip(words[2::2], words[3::2], strict=True))
        assert words[1] == "serve"
        assert options.keys() == {"--port", "--comfyui-version", "--base"}
        settings = EngineSettings(
            version=options["--comfyui-version"],
            base_directory=Path.cwd() / options["--base"],
        )
        url = start_engine(settings, self._servers).url
        self._ports[options["--port"]] = url.rpartition(":")[2]

    def _ours(self, words: list[str]) -> tuple[int, str]:
        done = CliRunner().invoke(app, words)
        if isinstance(done.exception, ComfyClientError):
            return exit_code(done.exception), f"error: {done.exception}"
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    def _bash(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", f"{command}\nset -- $?; pwd; exit $1"],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        self._chdir(done.stdout.splitlines()[-1])
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell in a folder with what the page takes from a checkout."""
    shutil.copytree(ROOT / "examples" / "trips", tmp_path / "examples" / "trips")
    monkeypatch.chdir(tmp_path)
    with ExitStack() as servers:
        yield Shell(servers, monkeypatch.chdir)


def test_the_page_works_as_printed(shell: Shell, tmp_path: Path) -> None:
    """Each command ends as told, and prints what the page shows of it."""
    printed: list[str] = []
    for kind, block in BLOCK.findall(PAGE):
        if kind == "text":
            missing = [one for one in lines_of(block) if one not in printed]
            assert not missing, printed
            continue
        *before, last = COMMAND.findall(block)
        done = [shell.type(command) for command in [*before, last]]
        codes = [code for code, _ in done]
        assert codes[:-1] == [0] * len(before), done
        assert (codes[-1] != 0) is (kind == "sh fails"), done
        printed = [line for _, text in done for line in lines_of(text)]

    assert not (tmp_path / "out" / "try").exists()


def lines_of(text: str) -> list[str]:
    """Its lines, without blanks at their ends."""
    return [line.rstrip() for line in text.splitlines()]
