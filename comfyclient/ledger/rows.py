"""From the ledger's tables to its records, and what a record becomes in a column."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, bindparam, select

from ..errors import ComfyClientError, LedgerError, UsageError
from ..files.outputs import OutputRef, SavedFile
from .records import (
    Acceptance,
    AttemptRow,
    ChangeRow,
    JobIntent,
    JobRow,
    JobState,
    StoredError,
    storable,
)
from .schema import LONG, SHORT, as_json, attempt, change
from .statements import rows as prepared_rows

Redact = Callable[[str], str]

_IN_ONE_QUERY = 500
"""Databases limit the values of one statement."""
_MOST_TOLD = 64 * 1024
"""Characters kept, as JSON, of what else a server told of a job's end."""

_ATTEMPTS = (
    select(attempt)
    .where(attempt.c.job_id.in_(bindparam("job_ids", expanding=True)))
    .order_by(attempt.c.job_id, attempt.c.ordinal)
)
_ATTEMPTS_OF_ONE = (
    select(attempt)
    .where(attempt.c.job_id == bindparam("job"))
    .order_by(attempt.c.ordinal)
)
_HISTORY = (
    select(change).where(change.c.job_id == bindparam("job")).order_by(change.c.seq)
)


def load_jobs(
    connection: Connection,
    query: Select[Any],
    values: Mapping[str, object] | None = None,
) -> list[JobRow]:
    """The jobs that a query on the job table finds, with their attempts."""
    rows = connection.execute(query, dict(values or {})).mappings().all()
    return with_attempts(connection, rows)


def with_attempts(
    connection: Connection, rows: Sequence[Mapping[str, Any] | RowMapping]
) -> list[JobRow]:
    """The jobs of these rows."""
    if len(rows) == 1:
        (row,) = rows
        found = prepared_rows(connection, _ATTEMPTS_OF_ONE, {"job": row["job_id"]})
        return [_job(row, tuple(map(_attempt, found)))]
    ids = [row["job_id"] for row in rows]
    attempts: dict[str, list[AttemptRow]] = {job_id: [] for job_id in ids}
    for start in range(0, len(ids), _IN_ONE_QUERY):
        some = {"job_ids": ids[start : start + _IN_ONE_QUERY]}
        for each in connection.execute(_ATTEMPTS, some).mappings():
            attempts[each["job_id"]].append(_attempt(each))
    return [_job(row, tuple(attempts[row["job_id"]])) for row in rows]


def new_job(columns: Mapping[str, Any], *, owner: str, now: datetime) -> JobRow:
    """The job as it stands right after its intent was recorded."""
    unset = dict.fromkeys(("ended_at", "error", "outputs", "files", "told"))
    times = {"created_at": now, "updated_at": now}
    return _job({**unset, **times, **columns, "owner": owner}, ())


def load_history(connection: Connection, job_id: str) -> list[ChangeRow]:
    """A job's changes, oldest first."""
    return [
        _change(row) for row in prepared_rows(connection, _HISTORY, {"job": job_id})
    ]


@contextmanager
def damage_named(place: str) -> Iterator[None]:
    """What cannot be read back was changed by somebody else, or by the disk."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
        raise LedgerError(
            f"the ledger {place} holds a row that cannot be read: {error}",
            hint="bring back a copy of the ledger, or delete that row",
        ) from error


def _job(
    row: Mapping[str, Any] | RowMapping, attempts: tuple[AttemptRow, ...]
) -> JobRow:
    return JobRow(
        job_id=row["job_id"],
        environment=row["environment"],
        template=row["template"],
        digest=row["digest"],
        seed=row["seed"],
        params=row["params"],
        trip_id=row["trip_id"],
        idempotency_key=row["idempotency_key"],
        extra=row["extra"],
        state=JobState(row["state"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
        error=_error(row["error"]),
        outputs=tuple(OutputRef(**ref) for ref in row["outputs"] or ()),
        files=tuple(_file(file) for file in row["files"] or ()),
        owner=row["owner"],
        attempts=attempts,
        told={} if row["told"] is None else dict(row["told"]),
    )


def _attempt(row: Mapping[str, Any] | RowMapping) -> AttemptRow:
    receipt = row["receipt"]
    return AttemptRow(
        **{
            **row,
            "error": _error(row["error"]),
            "receipt": {} if receipt is None else receipt,
        }
    )


def _change(row: Mapping[str, Any]) -> ChangeRow:
    return ChangeRow(
        at=row["at"],
        state=JobState(row["state"]),
        attempt_id=row["attempt_id"],
        detail=row["detail"],
        error=_error(row["error"]),
    )


def _error(value: Mapping[str, Any] | None) -> StoredError | None:
    return None if value is None else StoredError(**value)


def _file(value: Mapping[str, Any]) -> SavedFile:
    return SavedFile(Path(value["path"]), value["bytes"], value["sha256"])


def error_column(error: ComfyClientError | None, redact: Redact) -> JsonValue:
    """An error as its column holds it: redacted, with no more than its words."""
    if error is None:
        return None
    stored = StoredError.of(error)
    return {
        "kind": stored.kind,
        "message": words(stored.message, redact),
        "hint": words(stored.hint, redact),
        "node_id": stored.node_id,
        "class_type": stored.class_type,
    }


def words(text: str | None, redact: Redact) -> str | None:
    """Free text as a column holds it."""
    return None if text is None else storable(redact(text))


def outputs_column(refs: Sequence[OutputRef] | None) -> JsonValue:
    """References without what else the node said: that may be anything."""
    if refs is None:
        return None
    names = ("node_id", "key", "filename", "subfolder", "type")
    return [{name: getattr(ref, name) for name in names} for ref in refs]


def told_column(told: Mapping[str, JsonValue] | None, redact: Redact) -> JsonValue:
    """What else the server told, redacted; without its values where they do not fit.

    A job's end is recorded whatever came with it, so nothing here is refused.
    """
    if told is None:
        return None
    rest = {name: value for name, value in told.items() if name != "values"}
    return _fitting(told, redact) or _fitting(rest, redact) or None


def _fitting(told: Mapping[str, JsonValue], redact: Redact) -> JsonValue:
    try:
        text = as_json(dict(told))
        if len(text) <= _MOST_TOLD:
            return _without_secrets(json.loads(text), redact)
    except (TypeError, ValueError, RecursionError):
        pass
    return None


def _without_secrets(value: JsonValue, redact: Redact, *, name: str = "") -> JsonValue:
    if isinstance(value, dict):
        return {k: _without_secrets(v, redact, name=k) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_secrets(each, redact, name=name) for each in value]
    if isinstance(value, str):
        # A name may be all that shows that a text is a secret.
        return redact(f"{name}: {value}").removeprefix(f"{name}: ")
    return value


def files_column(files: Sequence[SavedFile]) -> JsonValue:
    """Files by absolute path: another process has another working folder."""
    return [{**asdict(file), "path": str(file.path.absolute())} for file in files]


def intent_columns(intent: JobIntent) -> dict[str, object]:
    """The job row that an intent makes.

    Raises:
        UsageError: a value cannot be stored; the message names the field.
    """
    return {
        "job_id": checked("job_id", intent.job_id, most=SHORT),
        "environment": checked("environment", intent.environment, most=LONG),
        "digest": checked("digest", intent.digest, most=SHORT),
        "template": _optional("template", intent.template),
        "trip_id": _optional("trip_id", intent.trip_id),
        "idempotency_key": _optional("idempotency_key", intent.idempotency_key),
        "seed": intent.seed,
        "params": _plain("params", intent.params),
        "extra": _plain("extra", intent.extra),
        "state": JobState.INTENDED.value,
    }


def acceptance_columns(acceptance: Acceptance, *, now: datetime) -> dict[str, object]:
    """What an attempt's row takes of its acceptance: `which` one, `at` what time.

    Raises:
        UsageError: the server's id for it cannot be recorded.
    """
    return {
        "which": acceptance.attempt_id,
        "at": now if acceptance.at is None else acceptance.at,
        "prompt_id": checked("prompt_id", acceptance.prompt_id, most=SHORT),
        "number": acceptance.number,
        "receipt": dict(acceptance.receipt) if acceptance.receipt else None,
    }


def packed(graph: JsonValue) -> bytes:
    """A graph, compressed.

    Raises:
        UsageError: it is not JSON.
    """
    return zlib.compress(_as_json("graph", graph).encode("ascii"), 6)


def unpacked(blob: bytes) -> JsonValue:
    """The graph again."""
    graph: JsonValue = json.loads(zlib.decompress(blob))
    return graph


def checked(name: str, value: str, *, most: int) -> str:
    """A name that every database stores as it is.

    Raises:
        UsageError: it is empty, too long, or holds NUL or half a character.
    """
    try:
        broken = not value or len(value) > most or "\0" in value
        value.encode("utf-8")
    except (UnicodeError, TypeError, AttributeError):
        broken = True
    if broken:
        raise UsageError(
            f"{name} {str(value)[:60]!r} cannot be recorded: it takes 1 to {most} "
            "characters of text, none of them NUL"
        )
    return value


def _optional(name: str, value: str | None) -> str | None:
    return None if value is None else checked(name, value, most=LONG)


def _plain(name: str, value: Mapping[str, JsonValue]) -> JsonValue:
    plain: JsonValue = json.loads(_as_json(name, dict(value)))
    return plain


def _as_json(name: str, value: object) -> str:
    try:
        return as_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} cannot be recorded: it is not JSON ({error})",
            hint="pass text, finite numbers, true, false, null, lists and mappings",
        ) from error
