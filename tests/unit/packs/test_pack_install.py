"""Putting our pack into a ComfyUI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from comfyclient.errors import UsageError
from comfyclient.packs import install as pack_install
from comfyclient.packs.install import MARKER, install_pack
from comfyclient.packs.own import PACK_FOLDER, pack_files, pack_version


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """A folder that looks like a ComfyUI."""
    root = tmp_path / "ComfyUI"
    (root / "comfy").mkdir(parents=True)
    for name in ("main.py", "nodes.py"):
        (root / name).write_text("", "utf-8")
    return root


def _set_version(target: Path, version: str) -> None:
    told = json.loads((target / MARKER).read_text("utf-8"))
    (target / MARKER).write_text(json.dumps({**told, "version": version}), "utf-8")


def _there(comfyui: Path) -> set[str]:
    return {path.name for path in (comfyui / "custom_nodes").iterdir()}


def test_every_file_is_there_and_nothing_else(comfyui: Path) -> None:
    """Byte for byte, with a note of what was installed."""
    done = install_pack(comfyui)

    assert done.action == "installed"
    assert done.target == comfyui / "custom_nodes" / PACK_FOLDER
    found = {
        path.relative_to(done.target).as_posix(): path.read_bytes()
        for path in done.target.rglob("*")
        if path.is_file() and path.name != MARKER
    }
    assert found == {name: file.read_bytes() for name, file in pack_files().items()}
    assert _there(comfyui) == {PACK_FOLDER}


def test_installing_again_changes_nothing(comfyui: Path) -> None:
    """Not even a time stamp; what Python compiled there does not count."""
    target = install_pack(comfyui).target
    (target / "__pycache__").mkdir()
    (target / "__pycache__" / "x.pyc").write_bytes(b"x")
    before = (target / MARKER).stat().st_mtime_ns

    assert install_pack(comfyui).action == "kept"
    assert (target / MARKER).stat().st_mtime_ns == before


def test_an_older_version_is_upgraded_whole(comfyui: Path) -> None:
    """Files that the new version has no more are gone."""
    target = install_pack(comfyui).target
    told = json.loads((target / MARKER).read_text("utf-8"))
    (target / "gone.py").write_text("x = 1\n", "utf-8")
    told["files"]["gone.py"] = pack_install._digest(b"x = 1\n")
    told["version"] = "0.0.1"
    (target / MARKER).write_text(json.dumps(told), "utf-8")

    done = install_pack(comfyui)

    assert (done.action, done.before, done.version) == (
        *("upgraded", "0.0.1"),
        pack_version(),
    )
    assert not (target / "gone.py").exists()
    assert _there(comfyui) == {PACK_FOLDER}


@pytest.mark.parametrize("change", ["edit", "add", "remove", "unmarked"])
def test_what_was_changed_by_hand_is_never_lost(comfyui: Path, change: str) -> None:
    """Refused; by force it is kept aside, under a name that ComfyUI leaves alone."""
    target = install_pack(comfyui).target
    if change == "edit":
        (target / "photo.py").write_text("# mine\n", "utf-8")
    elif change == "add":
        (target / "mine.py").write_text("# mine\n", "utf-8")
    elif change == "remove":
        (target / "photo.py").unlink()
    else:
        (target / MARKER).unlink()
        (target / "photo.py").write_text("# mine\n", "utf-8")
    with pytest.raises(
        UsageError, match=r"is not as it was installed|was not installed"
    ):
        install_pack(comfyui)

    done = install_pack(comfyui, force=True)

    assert done.kept_aside is not None
    assert done.kept_aside.name.endswith(".disabled")
    assert (target / "photo.py").read_bytes() == pack_files()["photo.py"].read_bytes()
    if change in {"edit", "unmarked"}:
        assert (done.kept_aside / "photo.py").read_text("utf-8") == "# mine\n"


def test_a_newer_version_is_not_replaced_unasked(comfyui: Path) -> None:
    """Somebody else's newer client put it there."""
    target = install_pack(comfyui).target
    _set_version(target, "99.0.0")
    (target / "__init__.py").write_text("# newer\n", "utf-8")
    told = json.loads((target / MARKER).read_text("utf-8"))
    told["files"]["__init__.py"] = pack_install._digest(b"# newer\n")
    (target / MARKER).write_text(json.dumps(told), "utf-8")

    with pytest.raises(UsageError, match=r"is version 99\.0\.0, this is"):
        install_pack(comfyui)
    assert install_pack(comfyui, force=True).action == "downgraded"


def test_a_copy_that_was_made_by_hand_is_taken_over(comfyui: Path) -> None:
    """The very files without a note are ours; nothing is lost by noting them."""
    (comfyui / "custom_nodes").mkdir()
    source = next(iter(pack_files().values())).parent
    shutil.copytree(source, comfyui / "custom_nodes" / PACK_FOLDER)
    assert install_pack(comfyui).action == "kept"


def test_what_is_no_comfyui_is_refused(tmp_path: Path, comfyui: Path) -> None:
    """With the folder that was perhaps meant."""
    with pytest.raises(UsageError, match="is no ComfyUI") as caught:
        install_pack(tmp_path)
    assert caught.value.hint == f"perhaps {comfyui}"
    with pytest.raises(UsageError, match="is no ComfyUI"):
        install_pack(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == [comfyui]


def test_a_base_directory_is_a_place_too(tmp_path: Path) -> None:
    """A mount of PAI-EAS has no main.py, but custom_nodes and models."""
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "models").mkdir()
    assert install_pack(tmp_path).action == "installed"


def test_a_link_is_left_to_whoever_made_it(comfyui: Path, tmp_path: Path) -> None:
    """A developer's checkout is not overwritten through it."""
    (comfyui / "custom_nodes").mkdir()
    (comfyui / "custom_nodes" / PACK_FOLDER).symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is a link to"):
        install_pack(comfyui, force=True)


def test_an_interrupted_installation_is_put_right(comfyui: Path) -> None:
    """Killed between two names: the old one is back, half a copy is gone."""
    target = install_pack(comfyui).target
    nodes = comfyui / "custom_nodes"
    target.rename(nodes / f".{PACK_FOLDER}-old-12345678.disabled")
    (nodes / f".{PACK_FOLDER}-new-12345678.disabled").mkdir()

    assert install_pack(comfyui).action == "kept"
    assert _there(comfyui) == {PACK_FOLDER}
