"""The embedded engine and a mount: its outputs come from its own folder."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from comfyclient import Client, Settings, Workflow
from comfyclient.errors import ConfigError
from comfyclient.wiring import open_storage

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255},
    },
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "湖/a"},
    },
}


def settings_of(folder: Path, **environment: object) -> Settings:
    """One environment on the embedded engine."""
    local = {
        "transport": "embedded",
        "ledger": f"sqlite:///{folder}/jobs.db",
        **environment,
    }
    return Settings.model_validate({"environments": {"local": local}})


@pytest.mark.parametrize("named", ["root", "base_directory", "neither"])
def test_outputs_come_from_the_folder(tmp_path: Path, named: str) -> None:
    """Whichever of the two folders is named, it is the other one too."""
    folder = tmp_path / "files"
    folder.mkdir()
    storage: dict[str, object] = {"kind": "mount", "visible_s": 0}
    engine: dict[str, object] = {}
    if named == "root":
        storage["root"] = folder
    elif named == "base_directory":
        engine["base_directory"] = folder
    settings = settings_of(tmp_path, storage=storage, engine=engine)
    with Client(settings) as client:
        result = client.run(Workflow.from_graph(GRAPH))
        (output,) = result.outputs
        assert output.ref.subfolder == "湖"
        assert output.save(tmp_path / "home").read_bytes().startswith(b"\x89PNG")
        if named != "neither":
            assert list(folder.glob("output/湖/a_*.png"))


def test_the_folder_is_known_while_no_engine_runs(tmp_path: Path) -> None:
    """What cleans and looks needs no engine; a folder that went with one is none."""
    mount = {"kind": "mount"}
    settings = settings_of(
        tmp_path, storage=mount, engine={"base_directory": tmp_path / "files"}
    )
    with ExitStack() as stack:
        storage = open_storage("local", settings, stack)
        assert str(tmp_path / "files") in storage.shown
        with pytest.raises(ConfigError, match="names no folder"):
            open_storage("local", settings_of(tmp_path, storage=mount), stack)


def test_two_folders_that_differ(tmp_path: Path) -> None:
    """An engine that writes elsewhere than its outputs are sought is refused."""
    settings = settings_of(
        tmp_path,
        storage={"kind": "mount", "root": tmp_path / "a"},
        engine={"base_directory": tmp_path / "b"},
    )
    with Client(settings) as client, pytest.raises(ConfigError, match="keep one"):
        client.run(Workflow.from_graph(GRAPH))
