"""What a manifest may say of stages, and what is wrong with the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.errors import ManifestError
from comfyclient.templating.manifest import Manifest, parse_manifest

HEAD = """
name = "trip-test"
version = "1.0.0"
summary = "A test"
[outputs.card]
node = "1"
"""


def parsed(stages: str) -> Manifest:
    """A manifest with these stages, written `name:kind:inputs`, or as TOML."""
    text = HEAD
    for line in stages.split():
        name, kind, inputs = (f"{line}::").split(":")[:3]
        listed = ", ".join(f'"{one}"' for one in inputs.split(",") if one)
        text += f'[[stage]]\nname = "{name}"\nkind = "{kind}"\ninputs = [{listed}]\n'
    return parse_manifest(text.encode(), Path("manifest.toml"))


def test_stages_as_they_should_be() -> None:
    """Each names what it works from; their order in the file is free."""
    manifest = parsed(
        "card:render:words,file file:upload:scene scene:paint:words words:copy"
    )

    assert [stage.name for stage in manifest.stage] == [
        "card", "file", "scene", "words",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ("a:copy a:observe", "'a' is there twice"),
        ("a:copy:b", "'a' works from 'b', which is no stage"),
        ("words:copy scene:paint:wrods", "did you mean 'words'"),
        ("a:render b:render", "one render stage, not a and b"),
        ("a:observe:b b:copy", "works from nothing, and 'b' is of kind 'copy'"),
        ("a:upload", "nothing to upload"),
        ("a:paint", "nothing to paint"),
        ("w:copy a:paint:w,w", "names an input twice"),
        ("a:paint:a", "a → a wait for each other"),
        ("o:observe:c c:copy:o", "wait for each other"),
        ("A:copy", "name"),
        ("a:dance", "kind"),
    ],
)
def test_what_is_wrong_is_named(stages: str, said: str) -> None:
    """Duplicates, unknown inputs, kinds that do not fit, circles."""
    with pytest.raises(ManifestError, match=said):
        parsed(stages)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('prompt = "a road"', "paints nothing"),
        ("count = 9", "count"),
        ('size = "wide"', "size"),
        ("colour = 1", "unknown"),
    ],
)
def test_keys_of_a_stage(line: str, said: str) -> None:
    """Those of painting are for painting; unknown ones are errors."""
    text = f'{HEAD}[[stage]]\nname = "w"\nkind = "copy"\n{line}\n'
    with pytest.raises(ManifestError, match=said):
        parse_manifest(text.encode(), Path("manifest.toml"))
