"""The registry: names, versions and ranges."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyclient.errors import ConfigError, ManifestError, TemplateNotFoundError
from comfyclient.templating.registry import Registry, shipped_templates

WriteTemplate = Callable[..., Path]


@pytest.fixture
def registry(write_template: WriteTemplate) -> Registry:
    """Two templates, one of them in five versions."""
    for version in ("1.0.0", "1.2.0", "1.10.0", "2.0.0rc1", "0.9.0"):
        folder = write_template(version=version)
    write_template(name="photo-poster", version="0.1.0b1")
    return Registry([folder.parents[1]])


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("card", "card@1.10.0"),
        ("card@1.2.0", "card@1.2.0"),
        ("card@2.0.0rc1", "card@2.0.0rc1"),
        ("card@~=1.0", "card@1.10.0"),
        ("card@>=1,<1.10", "card@1.2.0"),
        ("card@==1.2.*", "card@1.2.0"),
        (" card ", "card@1.10.0"),
        ("photo-poster", "photo-poster@0.1.0b1"),
    ],
)
def test_the_newest_that_fits_is_found(
    registry: Registry, ref: str, found: str
) -> None:
    """1.10 is newer than 1.2; a pre-release only counts when asked for, or alone."""
    assert registry.find(ref).ref == found


def test_a_bare_name_is_a_version_that_needs_no_models(
    write_template: WriteTemplate,
) -> None:
    """Who has the models asks for them; where all versions need some, the newest."""
    model = '[[requirements.models]]\nfolder = "vae"\nfile = "a.safetensors"\n'
    for name, version, needs in (
        ("card", "1.0.0", False), ("card", "1.1.0", False), ("card", "2.0.0", True),
        ("print", "1.0.0", True), ("print", "1.1.0", True),
    ):  # fmt: skip
        folder = write_template(name=name, version=version)
        with (folder / "manifest.toml").open("a", encoding="utf-8") as file:
            file.write(model if needs else "")
    registry = Registry([folder.parents[1]])

    found = ("card", "card@>=1", "card@~=2.0", "card@2.0.0", "print")
    assert [registry.find(ref).ref for ref in found] == [
        *("card@1.1.0", "card@2.0.0", "card@2.0.0", "card@2.0.0", "print@1.1.0")
    ]


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("cart", "did you mean 'card'"),
        ("poster", "photo-poster@0.1.0b1"),
        ("card@3.0.0", "there are 0.9.0, 1.0.0, 1.2.0, 1.10.0, 2.0.0rc1"),
        ("card@~=3.0", "no version of 'card' fits '~=3.0'"),
        ("card@latest", "neither a version like 1.0.0 nor a range"),
        ("card@1.0.0@2", "is no template"),
        ("../card", "is no template"),
        ("card@../../x", "neither a version"),
        ("", "is no template"),
        ("Card", "is no template"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    registry: Registry, ref: str, said: str
) -> None:
    """Names, versions and nonsense each get an answer that helps."""
    with pytest.raises(TemplateNotFoundError) as caught:
        registry.find(ref)
    assert said in str(caught.value)


def test_templates_come_in_order(registry: Registry) -> None:
    """By name, then by version, not by text."""
    refs = [template.ref for template in registry.templates()]
    assert refs == [
        *("card@0.9.0", "card@1.0.0", "card@1.2.0", "card@1.10.0", "card@2.0.0rc1"),
        "photo-poster@0.1.0b1",
    ]


def test_a_template_is_kept_until_its_files_change(
    registry: Registry, write_template: WriteTemplate
) -> None:
    """The compiled template is the same object, and never a stale one."""
    first = registry.find("card@1.0.0")
    assert registry.find("card@1.0.0") is first
    path = write_template() / "workflow.json.j2"
    os.utime(path, ns=(1, 1))
    assert registry.find("card@1.0.0") is not first


def test_the_first_roots_version_counts(
    write_template: WriteTemplate, tmp_path: Path
) -> None:
    """A project's own template can stand before a shipped one of the same version."""
    write_template(root=tmp_path / "mine")
    write_template(root=tmp_path / "theirs")
    write_template(root=tmp_path / "theirs", version="1.0.1")
    registry = Registry([tmp_path / "mine", tmp_path / "theirs"])
    assert registry.find("card@1.0.0").folder.is_relative_to(tmp_path / "mine")
    assert registry.find("card").folder.is_relative_to(tmp_path / "theirs")


def test_a_broken_template_does_not_hide_another(
    registry: Registry, write_template: WriteTemplate
) -> None:
    """Only what is asked for is read."""
    folder = write_template(version="1.2.0")
    (folder / "manifest.toml").write_text("name =", "utf-8")
    assert registry.find("card@1.0.0").ref == "card@1.0.0"
    with pytest.raises(ManifestError):
        registry.find("card@1.2.0")
    with pytest.raises(ManifestError):
        registry.templates()


def test_other_folders_and_files_are_passed_over(tmp_path: Path) -> None:
    """Notes, drafts and hidden folders are no templates."""
    for name in ("card/notes", "card/v1", ".git/1.0.0", "card/1.0"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "readme").write_text("x")
    (tmp_path / "card" / "1.0.0").write_text("x")
    assert Registry([tmp_path]).entries() == []
    with pytest.raises(TemplateNotFoundError, match="there is nothing"):
        Registry([tmp_path]).find("card")


def test_a_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A wrong path in a configuration is an error, not an empty list."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Registry([tmp_path / "none"]).templates()


def test_the_shipped_templates_are_found_by_default() -> None:
    """A registry without roots has the postcard."""
    assert Registry().find("trip-postcard").folder.is_relative_to(shipped_templates())
