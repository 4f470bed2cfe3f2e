"""Two environments on one bucket: each has its own files, and cleans only those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from comfyclient import Client, Settings, Workflow
from comfyclient.cli import run_app
from comfyclient.errors import ConfigError, UsageError
from comfyclient.files.delivery import Delivery
from comfyclient.storage.mount import MountStorage
from comfyclient.testing import HastyClock, OssServer, Reply, ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.endpoint import Endpoint
from comfyclient.wiring import open_storage
from comfyclient.workflow import InputFile

PREFIXES = {"test": "comfyui/test/", "test-2": "comfyui/test-2/"}


def graph(colour: int) -> Workflow:
    """A picture of one colour, saved under the same name each time."""
    return Workflow.from_graph(
        {
            "1": {
                "class_type": "EmptyImage",
                "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": colour},
            },
            "2": {
                "class_type": "SaveImage",
                "inputs": {"images": ["1", 0], "filename_prefix": "same/name"},
            },
        }
    )


def table(oss: OssServer, prefix: str, folder: Path, name: str) -> dict[str, object]:
    """An environment whose engine has its prefix of the bucket mounted."""
    return {
        "transport": "embedded",
        "ledger": f"sqlite:///{folder}/{name}.db",
        "region": oss.region,
        "engine": {"base_directory": str(oss.path("nev-aigc", prefix.rstrip("/")))},
        "storage": {
            "kind": "oss",
            "bucket": "nev-aigc",
            "endpoint": oss.endpoint,
            "prefix": prefix,
            "credentials": "env",
            "visible_s": 0,
        },
    }


@pytest.fixture
def oss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OssServer]:
    """An OSS, and its key in the environment."""
    with OssServer(tmp_path / "buckets") as server:
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", server.key.id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", server.key.secret)
        yield server


@pytest.fixture
def settings(oss: OssServer, tmp_path: Path) -> Settings:
    """Two environments with sibling prefixes, one of which begins like the other."""
    environments = {
        name: table(oss, prefix, tmp_path, name) for name, prefix in PREFIXES.items()
    }
    return Settings.model_validate({"environments": environments})


def test_each_has_its_own(oss: OssServer, settings: Settings, tmp_path: Path) -> None:
    """The same name in both is two files, each from its own prefix."""
    saved = {}
    for colour, name in enumerate(PREFIXES, 1):
        with Client(settings, environment=name) as client:
            (output,) = client.run(graph(colour)).outputs
            saved[name] = output.save(tmp_path / name).read_bytes()
            assert output.ref.filename == "name_00001_.png"
    assert saved["test"] != saved["test-2"]
    for request in oss.requests:
        assert request.key.startswith(tuple(PREFIXES.values()))
        assert request.version == 4


@pytest.mark.parametrize(
    "other", ["comfyui/test", "/comfyui/test/", "comfyui/test/a", "comfyui", "/"]
)
def test_prefixes_that_meet(oss: OssServer, tmp_path: Path, other: str) -> None:
    """Equal ones, and one in the other, are refused before anything is connected."""
    one = table(oss, "comfyui/test/", tmp_path, "a")
    two = table(oss, other, tmp_path, "b")
    for environment in (one, two):
        del environment["engine"]
    with pytest.raises(ConfigError, match="would mix"):
        Settings.model_validate({"environments": {"test": one, "prod": two}})


class TestClean:
    """`comfyclient clean`: what the ledger knows, told first, and nothing else."""

    @pytest.fixture
    def config(self, oss: OssServer, settings: Settings, tmp_path: Path) -> Path:
        """A configuration, and one job of each environment."""
        lines = ['default_environment = "test"']
        for name, prefix in PREFIXES.items():
            made = table(oss, prefix, tmp_path, name)
            lines.append(f"[environments.{name}]")
            lines.append("protected = true" if name == "test-2" else "")
            for key, value in made.items():
                inner = value if isinstance(value, dict) else None
                if inner is None:
                    lines.append(f"{key} = {json.dumps(value)}")
            for key in ("engine", "storage"):
                lines.append(f"[environments.{name}.{key}]")
                lines += [f"{k} = {json.dumps(v)}" for k, v in made[key].items()]
        file = tmp_path / "comfyclient.toml"
        file.write_text("\n".join(lines))
        for name in PREFIXES:
            with Client(settings, environment=name) as client:
                client.run(graph(1)).outputs[0].save(tmp_path / name)
        return file

    def clean(self, capsys, monkeypatch, config: Path, *words: str) -> dict:
        """What the command says."""
        command = ["comfyclient", "clean", "--config", str(config), "--json", *words]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as ended:
            run_app()
        told = capsys.readouterr()
        assert ended.value.code in {0, None}, told.err
        return json.loads(told.out)

    def test_first_it_only_tells(self, capsys, monkeypatch, config, oss) -> None:
        """Then it deletes exactly that; the rule to set goes with it."""
        stray = oss.path("nev-aigc", "comfyui/test/output/somebody.png")
        stray.write_bytes(b"theirs")
        old = ("--env", "test", "--older-than", "0s")
        told = self.clean(capsys, monkeypatch, config, *old)
        assert told["files"] == ["output/same/name_00001_.png"]
        assert (told["deleted"], told["jobs"]) == (False, 1)
        assert "<Prefix>comfyui/test/temp/</Prefix>" in told["lifecycle"]
        file = oss.path("nev-aigc", "comfyui/test/output/same/name_00001_.png")
        assert file.exists()
        assert self.clean(capsys, monkeypatch, config, *old, "--yes")["deleted"]
        assert not file.exists()
        assert stray.exists()
        other = oss.path("nev-aigc", "comfyui/test-2/output/same/name_00001_.png")
        assert other.exists()

    def test_young_ones_stay(self, capsys, monkeypatch, config, oss) -> None:
        """What is not old enough is not touched."""
        told = self.clean(capsys, monkeypatch, config, "--older-than", "7d", "--yes")
        assert (told["files"], told["jobs"]) == ([], 0)

    def test_a_file_of_two_jobs(
        self, capsys, monkeypatch, config, settings, oss
    ) -> None:
        """A younger job that has the file too keeps it."""
        with Client(settings, environment="test") as client:
            client.run(graph(1))  # not collected: it is not done with
        old = ("--env", "test", "--older-than", "0s", "--yes")
        told = self.clean(capsys, monkeypatch, config, *old)
        names = [entry.rpartition("/")[2] for entry in told["files"]]
        assert "name_00002_.png" not in names

    def test_a_protected_one(self, monkeypatch, capsys, config, oss) -> None:
        """It wants the environment's own name."""
        words = ["comfyclient", "clean", "--config", str(config), "--env", "test-2"]
        monkeypatch.setattr("sys.argv", [*words, "--older-than", "0s", "--yes"])
        with pytest.raises(SystemExit) as ended:
            run_app()
        assert ended.value.code == 2
        assert "protected" in capsys.readouterr().err
        told = self.clean(
            capsys,
            monkeypatch,
            config,
            *("--env", "test-2", "--older-than", "0s", "--yes", "--confirm", "test-2"),
        )
        assert told["deleted"]


class TestDelivery:
    """An input that went by a mount is looked for at the instance."""

    FILE = InputFile("comfyclient/a.png", "a", 4, b"\x89PNG")

    @pytest.fixture
    def server(self) -> Iterator[ScriptedServer]:
        """An instance."""
        with ScriptedServer() as server:
            yield server

    @pytest.fixture
    def transport(self, server: ScriptedServer) -> Iterator[ComfyUITransport]:
        """The way to it."""
        transport = ComfyUITransport(Endpoint(name="a", url=server.url))
        yield transport
        transport.close()

    def test_it_is_waited_for(self, server, transport, tmp_path) -> None:
        """As long as the instance does not show it, the job is not sent."""
        server.files["input", "comfyclient", "a.png"] = b"\x89PNG"
        server.answer("GET /view", Reply(404), Reply(404))
        delivery = Delivery(MountStorage(tmp_path))
        deadline = Deadline(60, clock=HastyClock())
        assert delivery.deliver(self.FILE, transport, deadline) == self.FILE.name
        assert server.asked["GET /view"] == 3
        assert (tmp_path / "input/comfyclient/a.png").exists()

    def test_an_instance_that_never_shows_it(
        self, server, transport, tmp_path, caplog
    ) -> None:
        """It is sent all the same, once, with a warning; then nobody waits again."""
        delivery = Delivery(MountStorage(tmp_path))
        deadline = Deadline(60, clock=HastyClock())
        delivery.deliver(self.FILE, transport, deadline)
        asked = server.asked["GET /view"]
        delivery.deliver(self.FILE, transport, deadline)
        assert server.asked["GET /view"] == asked
        assert f"put into {tmp_path}: does it mount that?" in caplog.text


def test_one_that_only_reads(oss: OssServer, tmp_path: Path) -> None:
    """An environment that looks at another's storage cannot clean it."""
    one = table(oss, "comfyui/test/", tmp_path, "a")
    two = table(oss, "comfyui/test/", tmp_path, "b")
    two["shared_with"] = {"test": "compares"}
    settings = Settings.model_validate({"environments": {"test": one, "prod": two}})
    with ExitStack() as stack:
        storage = open_storage("prod", settings, stack)
        for act in (
            lambda: storage.delete(["output/a"], Deadline(5)),
            lambda: storage.put("models/a", b"", Deadline(5)),
        ):
            with pytest.raises((ConfigError, UsageError), match="another's"):
                act()
        assert [*storage.entries("", Deadline(5))] == []
