"""Values as TOML text, on one line each. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

TomlValue: TypeAlias = (
    str
    | bool
    | int
    | float
    | datetime
    | Sequence["TomlValue"]
    | Mapping[str, "TomlValue"]
)

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(*parts: str) -> str:
    """A dotted key, each part quoted where it must be."""
    return ".".join(p if _BARE.fullmatch(p) else _quoted(p) for p in parts)


def toml_value(value: TomlValue) -> str:
    """The value as TOML writes it; moments in UTC."""
    match value:
        case str():
            return _quoted(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            members = [f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items()]
            return f"{{ {', '.join(members)} }}" if members else "{}"
    return f"[{', '.join(map(toml_value, value))}]"


def toml_lines(table: Mapping[str, TomlValue | None]) -> list[str]:
    """One line for each key that is set."""
    return [
        f"{toml_key(key)} = {toml_value(value)}"
        for key, value in table.items()
        if value is not None
    ]


def _quoted(text: str) -> str:
    # JSON escapes as TOML does, but for DEL, which TOML alone forbids.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
