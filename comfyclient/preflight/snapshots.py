"""A server's node classes as a file: what it offered, when, and as which version."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from pydantic import JsonValue

from ..errors import InputFileError
from ..regular_files import open_regular
from .object_info import ObjectInfo, bounded

FORMAT = 1
MAX_SNAPSHOT_BYTES = 256 << 20
"""Larger files are refused, packed or not: a server with many packs sends 10 MB."""

_MARK = "comfyclient_snapshot"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one server offered at one moment."""

    info: ObjectInfo
    instance: str | None
    """The instance's name; None where the file is a bare answer of a server."""
    taken_at: datetime

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what graphs depend on; see `ObjectInfo.fingerprint`."""
        return self.info.fingerprint

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; packed where its name ends in `.gz`.

        Raises:
            InputFileError: it cannot be written.
            BadAnswerError: it is nested too deep.
        """
        with bounded():
            text = json.dumps(self._as_json(), separators=(",", ":")).encode()
        packed = path.name.endswith(".gz")
        body = gzip.compress(text, 6, mtime=0) if packed else text
        partial = path.with_name(f".{path.name[:80]}.{uuid4().hex}.part")
        try:
            try:
                with partial.open("xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            finally:
                with suppress(FileNotFoundError):
                    partial.unlink()
        except (OSError, ValueError) as error:
            raise InputFileError(
                f"the snapshot cannot be written: {_reason(error)}", file=str(path)
            ) from error

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Read a snapshot, or an answer of `GET /object_info` that was saved.

        Raises:
            InputFileError: it cannot be read, is damaged, or is no snapshot.
        """
        said = _json(path)
        if _MARK not in said:
            return _bare(path, said)
        if said[_MARK] != FORMAT:
            raise _wrong(
                path,
                f"it has format {said[_MARK]!r}, and this comfyclient reads {FORMAT}",
                hint="take a new one, or update comfyclient",
            )
        entries, taken = said.get("object_info"), _time(said.get("taken_at"))
        if not isinstance(entries, dict) or taken is None:
            raise _wrong(path, "'object_info' or 'taken_at' is missing")
        info = ObjectInfo(
            entries,
            version=_text(said.get("comfyui_version")),
            replacements=_object(said.get("replacements")),
        )
        if said.get("fingerprint") != info.fingerprint:
            raise _wrong(path, "its node classes do not have the fingerprint it says")
        return cls(info, _text(said.get("instance")), taken)

    def _as_json(self) -> dict[str, JsonValue]:
        replacements = self.info.replacements
        return {
            _MARK: FORMAT,
            "comfyui_version": self.info.version,
            "instance": self.instance,
            "taken_at": self.taken_at.isoformat(),
            "fingerprint": self.fingerprint,
            "replacements": None if replacements is None else {**replacements},
            "object_info": {**self.info.entries},
        }


def _json(path: Path) -> dict[str, JsonValue]:
    try:
        with open_regular(path) as file:
            body = file.read(MAX_SNAPSHOT_BYTES + 1)
        if body.startswith(_GZIP):
            with gzip.open(BytesIO(body)) as packed:
                body = packed.read(MAX_SNAPSHOT_BYTES + 1)
        if len(body) > MAX_SNAPSHOT_BYTES:
            raise _wrong(path, f"it is larger than {MAX_SNAPSHOT_BYTES >> 20} MiB")
        said = json.loads(body)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise _wrong(path, _reason(error)) from error
    if not isinstance(said, dict):
        raise _wrong(path, "it is no JSON object")
    return said


def _bare(path: Path, said: Mapping[str, JsonValue]) -> Snapshot:
    """A bare object_info: what it lacks is not known."""
    classes = [one for one in said.values() if isinstance(one, dict) and "input" in one]
    if not classes or len(classes) < len(said):
        raise _wrong(path, "it is neither a snapshot nor an answer of /object_info")
    taken = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Snapshot(ObjectInfo(said), None, taken)


def _wrong(path: Path, why: str, *, hint: str | None = None) -> InputFileError:
    usual = "take a new one with `comfyclient snapshot`"
    return InputFileError(
        f"this is no snapshot that can be used: {why}",
        file=str(path),
        hint=usual if hint is None else hint,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _time(value: JsonValue) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: JsonValue) -> Mapping[str, JsonValue] | None:
    return value if isinstance(value, dict) else None
