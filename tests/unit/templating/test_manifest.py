"""Manifests: what a template declares, and how wrong ones are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from comfyclient.errors import ManifestError, ParameterError
from comfyclient.templating.manifest import Manifest, parse_manifest
from comfyclient.workflow import NamedOutput

WHOLE = """
name = "card"
version = "1.2.0"
summary = "A card"
languages = ["zh"]

[parameters.title]
type = "string"
required = true

[parameters.size]
type = "integer"
default = 3
min = 1
max = 9

[parameters.tint]
type = "colour"

[trip]
takes = ["title", "route"]
required = ["route"]

[outputs.card]
node = "9"
key = "images"

[requirements]
comfyui = ">=0.3.12"
node_classes = ["SaveImage"]

[[requirements.models]]
folder = "checkpoints"
file = "a.safetensors"
"""


def manifest(tmp_path: Path, text: str = WHOLE) -> Manifest:
    """A manifest of a file in this folder."""
    return parse_manifest(text.encode(), tmp_path / "manifest.toml")


def test_a_manifest_is_read(tmp_path: Path) -> None:
    """Name, outputs and requirements come out typed."""
    found = manifest(tmp_path)
    assert found.ref == "card@1.2.0"
    assert found.named_outputs() == (NamedOutput("card", "9", key="images"),)
    assert found.requirements.models[0].file == "a.safetensors"
    assert found.requirements.accepts(Version("0.33.0"))
    assert not found.requirements.accepts(Version("0.3.11"))


def test_parameters_are_given_default_or_unset(tmp_path: Path) -> None:
    """Every declared parameter has a value; None is the unset one."""
    found = manifest(tmp_path)
    expected = {"title": "a", "size": 3, "tint": None}
    assert found.values({"title": "a"}) == expected
    assert found.values({"title": "a", "size": None}) == expected
    assert found.values({"title": "a", "size": 9})["size"] == 9
    assert found.read({"size": "4", "tint": "#ABCDEF"}) == {
        "size": 4,
        "tint": "#abcdef",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "parameter 'title': must be given: text"),
        ({"title": None}, "parameter 'title': must be given"),
        ({"title": "a", "titel": "b"}, "did you mean 'title'"),
        ({"title": "a", "zzz": 1}, "its parameters: title, size, tint"),
        ({"title": "a", "size": 10}, "got 10; allowed: a whole number from 1 to 9"),
        ({"title": "a", "size": True}, "got True"),
    ],
)
def test_a_wrong_parameter_is_told(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    """The error names template, parameter, value and what is allowed."""
    with pytest.raises(ParameterError) as caught:
        manifest(tmp_path).values(given)
    assert said in str(caught.value)
    assert str(caught.value).startswith("card@1.2.0: ")


def test_a_wrong_text_is_told(tmp_path: Path) -> None:
    """Texts from a command line give the same errors."""
    with pytest.raises(ParameterError, match="'size': got 'big'; allowed"):
        manifest(tmp_path).read({"size": "big"})
    with pytest.raises(ParameterError, match="did you mean 'size'"):
        manifest(tmp_path).read({"sise": "1"})


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ('summary = "A card"', "", "summary is missing", None),
        ('name = "card"', 'name = "Card"', "no name like 'trip-postcard'", 2),
        ('name = "card"', 'name = "../card"', "no name like", 2),
        ('"1.2.0"', '"1.2"', "no version like '1.0.0'", 3),
        ('"1.2.0"', '"01.2.0"', "no version like", 3),
        ('"1.2.0"', "1", "version: ", 3),
        ("summary", "sumary", "sumary is unknown; did you mean 'summary'", 4),
        ("max = 9", "maxi = 9", "size.maxi is unknown; did you mean 'max'", 15),
        ("default = 3", "default = 30", "size: the default 30: got 30", 11),
        ('type = "integer"', "", "parameters.size needs a type: string, integer", 11),
        ('type = "integer"', 'type = "int"', "size.type: there are string, int", 11),
        ("[parameters.size]", '[parameters."a b"]', "'a b' is no name", None),
        ('takes = ["title"', 'takes = ["titel"', "has no 'titel'; did you mean", 21),
        ('["route"]', '["vin"]', "a trip has no 'vin'", 22),
        ('node = "9"', "node = 9", "outputs.card.node: ", 25),
        ('key = "images"', 'kind = "images"', "outputs.card.kind is unknown", 26),
        (">=0.3.12", "0.3.12", "is no version range", 29),
        ('file = "a.', 'fil = "a.', "models.0.file is missing", 32),
        ("[trip]", "[trip", "is no TOML", None),
    ],
)
def test_a_wrong_manifest_is_told(
    tmp_path: Path, old: str, new: str, said: str, line: int | None
) -> None:
    """The error names file, key and, where it can be found, the line."""
    assert old in WHOLE
    with pytest.raises(ManifestError) as caught:
        manifest(tmp_path, WHOLE.replace(old, new, 1))
    assert said in str(caught.value)
    assert "manifest.toml" in str(caught.value)
    assert line is None or caught.value.line == line


def test_a_manifest_without_outputs_is_refused(tmp_path: Path) -> None:
    """A template that gives nothing is a mistake."""
    with pytest.raises(ManifestError, match="outputs is missing"):
        manifest(tmp_path, 'name = "a"\nversion = "1.0.0"\nsummary = "A"')


def test_foreign_bytes_are_told(tmp_path: Path) -> None:
    """Bytes that are no text raise nothing else."""
    with pytest.raises(ManifestError, match="not UTF-8"):
        parse_manifest(b"\xff\xfe", tmp_path / "manifest.toml")


def test_the_manifest_in_the_docs_is_right(tmp_path: Path) -> None:
    """The page on templates shows a manifest that can be read."""
    page = (Path(__file__).parents[3] / "docs" / "templates.md").read_text("utf-8")
    blocks = [block.split("```")[0] for block in page.split("```toml\n")[1:]]
    (shown,) = (block for block in blocks if block.startswith("name = "))
    assert manifest(tmp_path, shown).ref == "trip-postcard@1.0.0"
