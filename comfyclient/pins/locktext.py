"""The text of `comfyclient.lock`, and what it says. Pure.

Each environment's section carries a checksum, and the head lists the sections: of a
text that was cut, or in which anything was changed, nothing is believed. There is no
checksum over the whole, so that version control can merge two sections' changes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..config.tomltext import TomlValue, toml_key, toml_lines
from ..errors import LockError
from .locked import Lock, LockedTemplate, LockedVersion, Section

SCHEMA = 1
"""What this version writes, and the newest it reads."""

_HEAD = """\
# The exact template versions that each environment runs, written by
# `comfyclient pins lock` and `comfyclient pins promote`. Keep it in version control;
# what is changed by hand is refused.
"""
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)
_RESTORE = (
    "restore it from version control, or move it away and write it anew by "
    "`comfyclient pins lock --env NAME`"
)


class _SectionTable(BaseModel):
    """One environment's table."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, strict=True
    )

    checksum: str
    templates: dict[str, LockedTemplate] = Field(default_factory=dict)


class _LockTable(BaseModel):
    """The whole file."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, strict=True
    )

    format: int = Field(alias="schema")
    sections: list[str]
    environments: dict[str, _SectionTable] = Field(default_factory=dict)


def lock_text(lock: Lock) -> str:
    """The one text of a lock: sorted, a line for each value."""
    names = sorted(lock.environments)
    lines = [_HEAD, *toml_lines({"schema": SCHEMA, "sections": names})]
    for name in names:
        section = lock.environments[name]
        lines += ["", f"[{toml_key('environments', name)}]"]
        lines += toml_lines({"checksum": _checksum(name, section)})
        for template in sorted(section):
            lines += _template_lines(
                ("environments", name, "templates", template), section[template]
            )
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=8)  # every job asks, and the text seldom changes
def parse_lock(text: str, *, file: str) -> Lock:
    """What a text says; `file` stands for it in errors.

    Raises:
        LockError: it is not as it was written, or a newer comfyclient wrote it.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        if _CONFLICT.search(text):
            raise LockError(
                "has the marks of a merge in it",
                file=file,
                hint="take each environment's tables whole from one side, and list "
                "all of them in `sections`; or take one side, and lock again",
            ) from error
        raise LockError(f"is no TOML: {error}", file=file, hint=_RESTORE) from error
    _refuse_other_schemas(table.get("schema"), file)
    try:
        parsed = _LockTable.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise LockError(
            f"{first['msg']}, got {first['input']!r:.60}",
            file=file,
            field=".".join(map(str, first["loc"])),
            hint=_RESTORE,
        ) from error
    return Lock(dict(_sections(parsed, file)))


def _template_lines(path: tuple[str, ...], entry: LockedTemplate) -> list[str]:
    lines = ["", f"[{toml_key(*path)}]", *toml_lines(_table(entry))]
    for former in entry.history:
        lines += ["", f"[[{toml_key(*path, 'history')}]]", *toml_lines(_table(former))]
    return lines


def _table(entry: LockedVersion) -> Mapping[str, TomlValue | None]:
    return {
        "version": entry.version,
        "digest": entry.digest,
        "object_info": entry.object_info,
        "who": entry.who,
        "when": entry.when,
        "why": entry.why,
    }


def _checksum(environment: str, section: Section) -> str:
    """SHA-256 over all that a section says, and of which environment."""
    said = {
        name: [_plain(entry), *map(_plain, entry.history)]
        for name, entry in section.items()
    }
    content = json.dumps([environment, said], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _plain(entry: LockedVersion) -> dict[str, Any]:
    return {**_table(entry), "when": entry.when.astimezone(UTC).isoformat()}


def _refuse_other_schemas(schema: object, file: str) -> None:
    if schema == SCHEMA and not isinstance(schema, bool):
        return
    if isinstance(schema, int) and schema > SCHEMA:
        raise LockError(
            f"was written by a newer comfyclient: schema {schema}, and this one reads "
            f"{SCHEMA}",
            file=file,
            hint="upgrade comfyclient",
        )
    raise LockError(
        f"schema must be {SCHEMA}, got {schema!r:.60}", file=file, hint=_RESTORE
    )


def _sections(parsed: _LockTable, file: str) -> Iterator[tuple[str, Section]]:
    listed, found = sorted(parsed.sections), sorted(parsed.environments)
    if listed != found:
        raise LockError(
            f"lists the sections {', '.join(listed) or 'none'}, but has "
            f"{', '.join(found) or 'none'}",
            file=file,
            hint=_RESTORE,
        )
    for name, section in parsed.environments.items():
        expected = _checksum(name, section.templates)
        if not hmac.compare_digest(expected.encode(), section.checksum.encode()):
            raise LockError(
                f"was changed by hand: its checksum is {section.checksum!r:.70}, its "
                f"content's {expected!r}",
                file=file,
                field=toml_key("environments", name),
                hint=_RESTORE,
            )
        yield name, section.templates
