"""The page on the configuration: every key is there, and what it shows is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from comfyclient.config.settings import Settings, load, load_settings
from comfyclient.config.shapes import Listed, Named, Table, Value, shape_of
from comfyclient.errors import ConfigError

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")


REPEATED = (
    "environments.<name>.dashscope",
    "environments.<name>.dashscope.limits.<name>",
)


def documented() -> dict[tuple[str, str], str]:
    """The default of each key of the page, by its table."""
    found: dict[tuple[str, str], str] = {}
    table = ""
    for line in PAGE.partition("## Every key")[2].splitlines():
        if line.startswith("#"):
            table = re.sub(r"[#`\[\] ]", "", line)
        elif row := re.match(r"\| `(\w+)` \| (.+?) \| (.*?) ?\| (.+) \|$", line):
            found[table, row[1]] = row[3].strip("` ")
    return found


def existing() -> dict[tuple[str, str], str]:
    """The default of each key that there is, by its table."""
    keys = dict(keys_of(Settings, "Thewhole"))
    # an environment's own table has the keys of the whole's
    return {at: v for at, v in keys.items() if at[0] not in REPEATED}


def keys_of(
    model: type[BaseModel], table: str
) -> Iterator[tuple[tuple[str, str], str]]:
    """The keys of a table and of those in it."""
    under = "" if table == "Thewhole" else f"{table}."
    for name, field in model.model_fields.items():
        match shape_of(field.annotation):
            case Table(inner):
                yield from keys_of(inner, f"{under}{name}")
            case Named(Table(inner)):
                yield from keys_of(inner, f"{under}{name}.<name>")
            case Listed(Table(inner)):
                yield from keys_of(inner, f"{under}{name}")
            case Named() | Listed() | Value():
                default = (
                    "required"
                    if field.is_required()
                    else field.get_default(call_default_factory=True)
                )
                yield (table, name), written(default)


def written(default: Any) -> str:
    """A default as the page writes it."""
    if default in (None, {}, ()):
        return ""
    if isinstance(default, tuple):
        return ", ".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_key_with_its_default() -> None:
    """The page has the keys that there are, no others, and the right defaults."""
    assert documented() == existing()


def blocks(kind: str) -> list[str]:
    """The page's code blocks of a kind."""
    return re.findall(rf"^ *```{kind}\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)


def written_to(folder: Path, text: str) -> Path:
    """A configuration file."""
    file = folder / "comfyclient.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("text", blocks("toml"))
def test_its_examples_are_valid(tmp_path: Path, text: str) -> None:
    """What it shows can be used."""
    assert load_settings(written_to(tmp_path, text)).environments


def test_what_it_says_is_refused_is_refused(tmp_path: Path) -> None:
    """The example of two environments in one bucket is an error."""
    (text,) = blocks("toml refused")
    with pytest.raises(ConfigError, match="would mix"):
        load_settings(written_to(tmp_path, text))


def test_what_it_says_of_reading(tmp_path: Path) -> None:
    """The environment that only looks may write to its own instance alone."""
    settings = load_settings(written_to(tmp_path, blocks("toml")[1]))
    assert [one.name for one in settings.writable_instances("test")] == ["own"]


def test_its_variables_are_understood(tmp_path: Path) -> None:
    """Each variable that it shows sets a key of its first example."""
    file = written_to(tmp_path, blocks("toml")[0])
    lines = "".join(blocks("sh")).split()
    variables = dict(line.replace("'", "").split("=", 1) for line in lines)
    loaded = load(file, variables=variables)
    named = {o.name for o in loaded.sources.origins.values() if o.kind == "variable"}
    assert named == set(variables)
    test = loaded.settings.environments["test"]
    assert (len(test.instances), test.deadlines.total_s) == (1, 900)
    prod = loaded.settings.environments["prod"]
    assert prod.instances[0].headers == {"x-api-key": "…"}
