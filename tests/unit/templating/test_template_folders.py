"""New template folders: whole or not at all, and never over another."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.version import Version

from comfyclient.errors import ManifestError, TemplateError
from comfyclient.templating.folders import (
    Step,
    bump_template,
    new_template,
    next_version,
)
from comfyclient.templating.proposals import propose
from comfyclient.templating.registry import Registry, shipped_templates
from comfyclient.templating.scaffolding import MINIMAL, scaffold
from comfyclient.templating.template import Template
from comfyclient.workflow import Workflow

WriteTemplate = Callable[..., Path]


def make(root: Path, name: str = "card", version: str = "1.0.0") -> Template:
    """A minimal template."""
    workflow = Workflow.from_graph(MINIMAL)
    files = scaffold(
        workflow, propose(workflow), name=name, version=version, summary="A card"
    ).files
    return new_template(root, name=name, version=version, files=files)


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder, and what is in them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("newest", "step", "expected"),
    [
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "major", "2.0.0"),
        ("1.9.9", "minor", "1.10.0"),
        ("0.0.0", "patch", "0.0.1"),
        ("1.2.3rc1", "patch", "1.2.3"),
        ("1.2.3rc1", "minor", "1.3.0"),
        ("1.2.3rc1", "major", "2.0.0"),
        ("1.3.0b2", "minor", "1.3.0"),
        ("1.3.0b2", "major", "2.0.0"),
        ("2.0.0a1", "major", "2.0.0"),
        ("2.0.0a1", "minor", "2.0.0"),
    ],
)
def test_the_next_version(newest: str, step: Step, expected: str) -> None:
    """A pre-release leads to its release, and every next version is newer."""
    assert next_version(Version(newest), step) == expected
    assert Version(expected) > Version(newest)


def test_a_new_template_is_there_whole(tmp_path: Path) -> None:
    """In a root that was not there before; nothing else is left in it."""
    template = make(tmp_path / "a" / "b")
    assert template.ref == "card@1.0.0"
    assert template.render(None).graph
    assert sorted(everything(tmp_path / "a" / "b")) == [
        "card/1.0.0/manifest.toml",
        "card/1.0.0/sample_trip.json",
        "card/1.0.0/workflow.json.j2",
    ]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["card"]


NO_NAMES = (
    *("", ".", "..", "../x", "a/b", "a\\b", "/abs", "A", "a b", "a\n", "-a", "a--b"),
    *("é", "con:", "a\0b", "x" * 101, "~", "1.0.0"),
)
NO_VERSIONS = (
    *("", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-rc.1", "1.0.0/.."),
    *("../1.0.0", "1.0.0\n", "1.0.0.dev1", "1!1.0.0", "1.0.0+x", f"1.{'0' * 50}.0"),
)


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """Nothing is written anywhere."""
    with pytest.raises(TemplateError, match="is no name like 'trip-postcard'"):
        make(tmp_path / "root", name=name)
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("version", NO_VERSIONS)
def test_a_version_is_three_numbers(tmp_path: Path, version: str) -> None:
    """With a pre-release in one spelling, so that two folders are never one version."""
    with pytest.raises(TemplateError):
        new_template(tmp_path, name="card", version=version, files={})
    assert everything(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_new_template_takes_nobodys_place(tmp_path: Path) -> None:
    """Also in another version: that is what bump is for."""
    make(tmp_path)
    before = everything(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        with pytest.raises(TemplateError, match=r"already(?s:.*)templates bump card"):
            make(tmp_path, version=version)
    assert everything(tmp_path) == before


def test_what_is_no_template_is_not_left_behind(tmp_path: Path) -> None:
    """It is read before it gets its name."""
    files = {"manifest.toml": b'name = "card"', "workflow.json.j2": b"{}"}
    with pytest.raises(ManifestError):
        new_template(tmp_path, name="card", version="1.0.0", files=files)
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file in the way is not written over."""
    (tmp_path / "file").write_text("here")
    with pytest.raises(TemplateError, match="cannot be made"):
        make(tmp_path / "file")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "card").write_text("here")
    with pytest.raises(TemplateError, match="cannot be made"):
        make(tmp_path / "root")
    assert everything(tmp_path) == {"file": b"here", "root/card": b"here"}


def test_of_many_at_once_one_makes_it(tmp_path: Path) -> None:
    """The others are told, and what it made is whole."""

    def attempt(_: int) -> bool:
        try:
            make(tmp_path)
        except TemplateError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(attempt, range(16)))
    assert made.count(True) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["card"]
    assert Registry([tmp_path]).find("card").render(None).graph


def test_a_bump_is_a_copy_with_another_version(
    write_template: WriteTemplate, tmp_path: Path
) -> None:
    """Comments, line endings, and all other files stay as they are."""
    folder = write_template()
    manifest = folder / "manifest.toml"
    text = manifest.read_text("utf-8").replace(
        'version = "1.0.0"', "  version='1.0.0'   # the first\r"
    )
    manifest.write_bytes(text.encode())
    (folder / "notes").mkdir()
    (folder / "notes" / "why.md").write_text("because")
    before = everything(folder)

    template = bump_template(
        Template(folder), root=folder.parents[1], version="1.1.0rc1"
    )

    assert template.ref == "card@1.1.0rc1"
    assert everything(folder) == before
    changed = text.replace("'1.0.0'", "'1.1.0rc1'").encode()
    assert everything(template.folder) == before | {"manifest.toml": changed}
    assert template.digest != Template(folder).digest


def test_the_right_line_is_changed(write_template: WriteTemplate) -> None:
    """Not one inside a text, nor one of another table."""
    folder = write_template()
    manifest = folder / "manifest.toml"
    text = (
        'description = """\nversion = "1.0.0"\n"""\n'
        + manifest.read_text("utf-8")
        + '\n[[requirements.node_packs]]\nname = "p"\nversion = "1.0.0"\n'
    )
    manifest.write_text(text, "utf-8")

    bumped = bump_template(Template(folder), root=folder.parents[1], version="2.0.0")

    assert bumped.manifest.description == 'version = "1.0.0"\n'
    assert bumped.manifest.requirements.node_packs[0].version == "1.0.0"
    assert bumped.manifest.version == "2.0.0"


def test_a_version_that_cannot_be_found_is_told(write_template: WriteTemplate) -> None:
    """TOML has more ways to write it; nothing is left behind."""
    folder = write_template()
    manifest = folder / "manifest.toml"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('"1.0.0"', '"""1.0.0"""'), "utf-8")
    with pytest.raises(ManifestError, match="in no line of its own"):
        bump_template(Template(folder), root=folder.parents[1], version="2.0.0")
    assert [path.name for path in folder.parent.iterdir()] == ["1.0.0"]
    assert [path.name for path in folder.parents[1].iterdir()] == ["card"]


def test_a_bump_overwrites_nothing(tmp_path: Path) -> None:
    """Neither a template nor whatever else stands there."""
    template = make(tmp_path)
    (tmp_path / "card" / "1.1.0").mkdir()
    (tmp_path / "card" / "1.2.0").write_text("a note")
    before = everything(tmp_path)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        with pytest.raises(TemplateError, match="is there already"):
            bump_template(template, root=tmp_path, version=version)
    assert everything(tmp_path) == before


def test_a_shipped_template_can_be_bumped_into_ones_own(tmp_path: Path) -> None:
    """The copy can be written, whatever the package's files are."""
    folder = shipped_templates() / "trip-postcard" / "1.0.0"
    template = bump_template(Template(folder), root=tmp_path, version="1.1.0")
    assert template.folder == tmp_path / "trip-postcard" / "1.1.0"
    assert os.access(template.folder / "manifest.toml", os.W_OK)
    assert stat.S_IMODE((template.folder / "manifest.toml").stat().st_mode) & 0o200
    assert sorted(everything(template.folder)) == sorted(everything(folder))
