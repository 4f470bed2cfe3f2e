"""The ledger's jobs as they are shown: as JSON, and in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from ..errors import UsageError
from ..files.outputs import OutputRef, SavedFile
from ..jobs.revival import stages_of
from ..ledger.records import (
    AttemptRow,
    ChangeRow,
    JobRow,
    JobState,
    OwnerRow,
    StoredError,
)
from ..steps.answers import Usage
from ..steps.records import StageRecord

SHORTEST_ID = 8
"""Characters of an id that are shown, unless more tell two jobs apart."""

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def since(text: str, *, now: datetime, option: str = "--since") -> datetime:
    """The moment that `2h` (ago) or an ISO date and time means; local without a zone.

    Raises:
        UsageError: it means none.
    """
    try:
        ago = _AGO.fullmatch(text.strip())
        if ago is not None:
            return now - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} takes a time such as 30m, 2h, 3d or 2026-05-01T08:00, "
            f"got {text[:60]!r}"
        ) from None


def short_ids(job_ids: Iterable[str]) -> dict[str, str]:
    """The beginning of each id, long enough to tell these apart."""
    ids = list(job_ids)
    longest = max(map(len, ids), default=0)
    for length in range(SHORTEST_ID, longest):
        short = {job_id: job_id[:length] for job_id in ids}
        if len(set(short.values())) == len(short):
            return short
    return {job_id: job_id for job_id in ids}


def seconds_of(row: JobRow, *, now: datetime) -> float:
    """How long a job took, or has taken so far."""
    until = now if row.ended_at is None else row.ended_at
    return max(0.0, (until - row.created_at).total_seconds())


def span(seconds: float) -> str:
    """Seconds in a unit that fits."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def moment(at: datetime | None) -> str:
    """A time on this machine's clock; nothing where there is none."""
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def totals(counts: Mapping[JobState, int], *, environment: str) -> str:
    """How many jobs an environment has, and in which states."""
    whole = sum(counts.values())
    if whole == 0:
        return f"no jobs yet in {environment}"
    parts = [f"{number} {state.value}" for state, number in counts.items() if number]
    return f"{whole} {plural('job', whole)} in {environment}: {', '.join(parts)}"


def plural(word: str, number: int) -> str:
    """The word for one, or for several."""
    return word if number == 1 else f"{word}s"


def words_of(error: StoredError | None) -> str:
    """An error on one line."""
    return "" if error is None else f"{error.kind}: {' '.join(error.message.split())}"


def owner_words(owner: OwnerRow | None, *, now: datetime) -> str:
    """Who works on a job, and whether that one lives."""
    if owner is None:
        return "nobody"
    if owner.gone:
        return f"{owner.name}, whose process is gone"
    if owner.living(now):
        return f"{owner.name}, which lives"
    return f"{owner.name}, whose lease ran out {moment(owner.until)}".rstrip()


def waits_for_resume(row: JobRow, owner: OwnerRow | None, *, now: datetime) -> bool:
    """Whether something is left to do that nobody does."""
    return not row.state.settled and (owner is None or not owner.living(now))


def next_step(row: JobRow, owner: OwnerRow | None, *, now: datetime, again: str) -> str:
    """What to do about a job; `again` is the command that resumes."""
    if waits_for_resume(row, owner, now=now):
        if row.state is JobState.SUCCEEDED:
            return f"`{again}` brings its outputs home"
        return f"`{again}` goes on with it"
    if not row.state.settled:
        return "nothing: its owner works on it"
    if row.state is JobState.COLLECTED:
        return "nothing: its outputs were brought home"
    return "nothing: it has ended; to try again, send a new job"


def job_json(row: JobRow, *, now: datetime) -> dict[str, JsonValue]:
    """A job of the list."""
    template, _, version = (row.template or "").partition("@")
    return {
        "job_id": row.job_id,
        "state": row.state.value,
        "environment": row.environment,
        "instance": row.instance,
        "template": template or None,
        "version": version or None,
        "digest": row.digest,
        "seed": row.seed,
        "trip_id": row.trip_id,
        "idempotency_key": row.idempotency_key,
        "created_at": _iso(row.created_at),
        "updated_at": _iso(row.updated_at),
        "ended_at": _iso(row.ended_at),
        "seconds": round(seconds_of(row, now=now), 3),
        "attempts": len(row.attempts),
        "error": _error_json(row.error),
    }


def whole_json(
    row: JobRow,
    history: Sequence[ChangeRow],
    owner: OwnerRow | None,
    *,
    now: datetime,
    again: str,
) -> dict[str, JsonValue]:
    """Everything of one job."""
    waits = waits_for_resume(row, owner, now=now)
    return {
        **job_json(row, now=now),
        "params": dict(row.params),
        "stages": [_stage_json(one) for one in stages_of(row)],
        "attempts": [_attempt_json(one) for one in row.attempts],
        "history": [_change_json(one) for one in history],
        "outputs": [_output_json(one) for one in row.outputs],
        "files": [_file_json(one) for one in row.files],
        "owner": None if owner is None else _owner_json(owner, now=now),
        "resume": again if waits else None,
    }


def costs(usage: Usage) -> str:
    """What was paid for, in words; nothing where it was nothing."""
    tokens = usage.input_tokens + usage.output_tokens
    parts = [f"{tokens} tokens"] if tokens else []
    if usage.images:
        parts.append(f"{usage.images} {plural('picture', usage.images)}")
    return ", ".join(parts)


def _stage_json(record: StageRecord) -> dict[str, JsonValue]:
    return {
        "name": record.name,
        "kind": record.kind,
        "source": record.source,
        "model": record.model,
        "request_id": record.request_id,
        "begun_at": _iso(record.begun_at),
        "seconds": record.seconds,
        **asdict(record.usage),
        "warning": record.warning,
    }


def _attempt_json(row: AttemptRow) -> dict[str, JsonValue]:
    return {
        "attempt_id": row.attempt_id,
        "instance": row.instance,
        "prompt_id": row.prompt_id,
        "number": row.number,
        "begun_at": _iso(row.begun_at),
        "accepted_at": _iso(row.accepted_at),
        "ended_at": _iso(row.ended_at),
        "error": _error_json(row.error),
    }


def _change_json(row: ChangeRow) -> dict[str, JsonValue]:
    return {
        "at": _iso(row.at),
        "state": row.state.value,
        "attempt_id": row.attempt_id,
        "detail": row.detail,
        "error": _error_json(row.error),
    }


def _output_json(ref: OutputRef) -> dict[str, JsonValue]:
    return {
        "node_id": ref.node_id,
        "type": ref.type,
        "subfolder": ref.subfolder,
        "filename": ref.filename,
    }


def _file_json(file: SavedFile) -> dict[str, JsonValue]:
    return {"path": str(file.path), "bytes": file.bytes, "sha256": file.sha256}


def _owner_json(owner: OwnerRow, *, now: datetime) -> dict[str, JsonValue]:
    return {
        "name": owner.name,
        "until": _iso(owner.until),
        "living": owner.living(now),
    }


def _error_json(error: StoredError | None) -> dict[str, JsonValue] | None:
    if error is None:
        return None
    return {
        "class": error.kind,
        "message": error.message,
        "hint": error.hint,
        "node_id": error.node_id,
        "class_type": error.class_type,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
