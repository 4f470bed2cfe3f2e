"""The pack as ComfyUI loads it: a folder by itself, with or without torch."""

from __future__ import annotations

import importlib.util
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import comfyclient.comfy_nodes as pack

FOLDER = Path(pack.__file__).parent
KINDS = {"INT", "FLOAT", "STRING", "BOOLEAN", "IMAGE", "MASK", "TRIP_LAYERS"}
LINKED: dict[str, Any] = {
    "IMAGE": np.zeros((1, 100, 120, 3), np.float32),
    "MASK": np.ones((1, 100, 120), np.float32),
    "TRIP_LAYERS": (),
}
"""What a link brings, for inputs that have no default."""
SMALL = {"width": 120, "height": 100}
ASKING = {"QwenText", "QwenVision", "WanImage"}
"""Those that ask a service, and have tests of their own."""

ALONE = """
import importlib.util, json, os, sys
name = sys.argv[1].replace(".", "_x_")
path = os.path.join(sys.argv[1], "__init__.py")
spec = importlib.util.spec_from_file_location(name, path)
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
image, mask, palette = module.NODE_CLASS_MAPPINGS["TripBackdrop"]().paint(
    width=96, height=80, season="autumn", daylight="dusk", terrain="city",
    weather="clear", altitude_profile="[]", seed=1)
names = sorted(module.NODE_CLASS_MAPPINGS)
loaded = sorted(name for name in ("torch", "comfyclient") if name in sys.modules)
print(json.dumps([names, list(image.shape), list(mask.shape), loaded]))
"""


def _copied(tmp_path: Path) -> Path:
    target = tmp_path / "trip_nodes"
    shutil.copytree(FOLDER, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def test_copied_folder_runs_by_itself(tmp_path: Path) -> None:
    """A copy of the folder loads by its path and paints without torch or us."""
    folder = _copied(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.dumps(sorted(pack.NODE_CLASS_MAPPINGS)) in done.stdout
    assert done.stdout.strip().endswith("[1, 80, 96, 3], [1, 80, 96], []]")


@pytest.mark.parametrize("name", sorted(pack.NODE_CLASS_MAPPINGS))
def test_nodes_keep_the_interface(name: str) -> None:
    """Each node has what ComfyUI reads, and defaults inside their own ranges."""
    node: Any = pack.NODE_CLASS_MAPPINGS[name]
    assert node.CATEGORY in {"comfyclient/trip", "comfyclient/dashscope"}
    assert node.DESCRIPTION
    assert pack.NODE_DISPLAY_NAME_MAPPINGS[name]
    assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    assert callable(getattr(node(), node.FUNCTION))
    inputs = node.INPUT_TYPES()
    inputs.setdefault("optional", {})
    for kind, options in (inputs["required"] | inputs["optional"]).values():
        if isinstance(kind, list):
            assert options["default"] in kind
        else:
            assert kind in KINDS
            assert ("default" in options) is not (kind in LINKED)
        if "min" in options:
            assert options["min"] <= options["default"] <= options["max"]


@pytest.mark.parametrize("name", sorted(set(pack.NODE_CLASS_MAPPINGS) - ASKING))
def test_nodes_run_on_their_defaults(name: str) -> None:
    """A node dropped on the canvas runs as it is."""
    node: Any = pack.NODE_CLASS_MAPPINGS[name]
    inputs = {"optional": {}, **node.INPUT_TYPES()}
    values = {
        key: options["default"] if "default" in options else LINKED[kind]
        for key, (kind, options) in (inputs["required"] | inputs["optional"]).items()
    }
    small = {key: value for key, value in SMALL.items() if key in values}
    results = getattr(node(), node.FUNCTION)(**values | small)
    for kind, result in zip(node.RETURN_TYPES, results, strict=True):
        if kind == "IMAGE":
            assert result.shape == (1, 100, 120, 3)
        elif kind == "MASK":
            assert result.shape == (1, 100, 120)
        if kind in {"IMAGE", "MASK"}:
            assert result.dtype == np.float32
            assert 0 <= result.min() <= result.max() <= 1


@pytest.mark.parametrize("name", sorted(pack.NODE_CLASS_MAPPINGS))
def test_checks_take_only_texts_that_comfyui_hands_them(name: str) -> None:
    """ComfyUI passes checks by plain argument name, and skips its own for those."""
    node: Any = pack.NODE_CLASS_MAPPINGS[name]
    if not hasattr(node, "VALIDATE_INPUTS"):
        return
    inputs = node.INPUT_TYPES()
    kinds = {key: one[0] for part in inputs.values() for key, one in part.items()}
    names = inspect.getfullargspec(node.VALIDATE_INPUTS).args[1:]
    assert names
    assert {kinds[each] for each in names} == {"STRING"}


def test_torch_of_the_host_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host has torch loaded, tensors come back instead of arrays."""
    torch = ModuleType("torch")
    torch.from_numpy = lambda array: ("tensor", array.shape)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    paper = pack.NODE_CLASS_MAPPINGS["TripPaper"]()
    (image,) = paper.make(width=64, height=64, style="light", seed=0)
    assert image == ("tensor", (1, 64, 64, 3))


def _host(monkeypatch: pytest.MonkeyPatch, *, interrupted: bool) -> list[int]:
    updates: list[int] = []

    class Bar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update(self, value: int) -> None:
            updates.append(value)

    def check() -> None:
        if interrupted:
            raise InterruptedError("interrupted")

    utils, management = ModuleType("comfy.utils"), ModuleType("comfy.model_management")
    utils.ProgressBar = Bar  # type: ignore[attr-defined]
    management.throw_exception_if_processing_interrupted = check  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy.utils", utils)
    monkeypatch.setitem(sys.modules, "comfy.model_management", management)
    return updates


def _paint() -> None:
    pack.NODE_CLASS_MAPPINGS["TripBackdrop"]().paint(
        width=80,
        height=80,
        season="summer",
        daylight="day",
        terrain="plain",
        weather="clear",
        altitude_profile="[]",
        seed=0,
    )


def test_progress_goes_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backdrop reports each of its steps to the host's progress bar."""
    updates = _host(monkeypatch, interrupted=False)
    _paint()
    assert updates == [1, 1, 1, 1]


def test_interrupt_stops_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's interrupt ends a node before its next step is reported."""
    updates = _host(monkeypatch, interrupted=True)
    with pytest.raises(InterruptedError):
        _paint()
    assert updates == []


def test_nothing_of_ours_is_imported() -> None:
    """No module of the pack names comfyclient in an import, or imports torch."""
    for path in FOLDER.glob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            if line.lstrip().startswith(("import ", "from ")):
                assert "torch" not in line, path
                assert not line.split()[1].startswith("comfyclient"), path


def test_import_does_no_work() -> None:
    """Importing the pack opens no font."""
    assert importlib.util.find_spec("comfyclient.comfy_nodes") is not None
    code = (
        "import sys; import comfyclient.comfy_nodes.fonts as f; "
        "print(f.face.cache_info().currsize, 'manimgx_fonts_cjk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "False"]
