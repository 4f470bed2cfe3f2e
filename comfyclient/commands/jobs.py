"""The commands that show the ledger's jobs: jobs, jobs show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated

import typer

from ..errors import UnknownJobError, UsageError
from ..jobs.revival import stages_of
from ..ledger.journal import JobReads
from ..ledger.records import ChangeRow, JobRow, JobState, OwnerRow
from ..timing import SYSTEM_CLOCK
from .console import out, show_json, show_rows, show_table
from .job_views import (
    costs,
    job_json,
    moment,
    next_step,
    owner_words,
    seconds_of,
    short_ids,
    since,
    span,
    totals,
    whole_json,
    words_of,
)
from .options import Config, Env, Json, Url
from .place import find_place

PAGE = 500
CANDIDATES = 10
"""Jobs that an error names, of those that could be meant."""

jobs = typer.Typer(help="The jobs in the ledger, newest first.")

_HEADS = (
    "id", "state", "template", "trip", "instance", "begun", "took", "attempts", "error"
)  # fmt: skip


@jobs.callback(invoke_without_command=True)
def list_jobs(
    context: typer.Context,
    *,
    state: Annotated[
        list[JobState] | None, typer.Option(help="Only in this state; repeatable.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Only of NAME or NAME@VERSION.")
    ] = None,
    trip: Annotated[
        str | None, typer.Option(help="Only of the trip of this id.")
    ] = None,
    after: Annotated[
        str | None,
        typer.Option("--since", help="Only begun since: 30m, 2h, 3d, or an ISO time."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List jobs, newest first; `jobs show ID` tells everything of one."""
    if context.invoked_subcommand is not None:
        context.obj = (config, env, url)
        return
    place = find_place(config, env, url=url)
    now = SYSTEM_CLOCK.now()
    earliest = None if after is None else since(after, now=now)
    rows: list[JobRow] = []
    counts: Mapping[JobState, int] = dict.fromkeys(JobState, 0)
    with place.ledger() as ledger:
        if ledger is not None:
            counts = ledger.count(place.name)
            rows = ledger.jobs(
                environment=place.name,
                states=state or None,
                template=template,
                trip_id=trip,
                since=earliest,
                limit=limit,
            )
    if as_json:
        show_json(
            {
                "environment": place.name,
                "counts": {state.value: number for state, number in counts.items()},
                "jobs": [job_json(row, now=now) for row in rows],
            }
        )
        return
    show_rows(_HEADS, _lines(rows, now=now))
    if len(rows) == limit:
        out.print(f"the newest {limit} are shown: --limit shows more")
    if not rows and any(counts.values()):
        out.print("no job matches")
    out.print(totals(counts, environment=place.name), markup=False)


@jobs.command("show")
def show_job(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="The id, or its beginning.")],
    *,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show everything of one job, and what to do about it."""
    own = (config, env, url)
    if all(one is None for one in own):
        config, env, url = context.obj
    place = find_place(config, env, url=url)
    with place.ledger() as ledger:
        if ledger is None:
            raise UnknownJobError(f"there are no jobs yet in {place.name}")
        row = _find(ledger, job_id, environment=place.name)
        history, owner = ledger.history(row.job_id), ledger.owner_of(row.job_id)
    now, again = SYSTEM_CLOCK.now(), place.command("resume")
    if as_json:
        show_json(whole_json(row, history, owner, now=now, again=again))
        return
    _show_whole(row, history, owner, now=now)
    step = next_step(row, owner, now=now, again=again)
    out.print(f"\nto do: {step}", markup=False)


def _find(ledger: JobReads, wanted: str, *, environment: str) -> JobRow:
    """The job of an id, or of the only id that begins so."""
    try:
        row = ledger.job(wanted)
    except UnknownJobError:
        return _find_by_beginning(ledger, wanted, environment=environment)
    if row.environment != environment:
        raise UnknownJobError(
            f"the job belongs to environment {row.environment!r}, not {environment!r}",
            hint=f"name it: --env {row.environment}",
            job_id=wanted,
        )
    return row


def _find_by_beginning(ledger: JobReads, wanted: str, *, environment: str) -> JobRow:
    found: list[JobRow] = []
    newest: list[JobRow] = []
    for row in _every(ledger, environment):
        if len(newest) < CANDIDATES:
            newest.append(row)
        if row.job_id.startswith(wanted.lower()):
            found.append(row)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} jobs begin with {wanted!r}: {_candidates(found)}",
            hint="give more of the id",
        )
    raise UnknownJobError(
        f"no job in {environment} begins with {wanted[:60]!r}",
        hint=f"the newest are {_candidates(newest)}" if newest else None,
    )


def _every(ledger: JobReads, environment: str) -> Iterator[JobRow]:
    """Every job, newest first."""
    before: str | None = None
    while True:
        rows = ledger.jobs(environment=environment, before=before, limit=PAGE)
        yield from rows
        if len(rows) < PAGE:
            return
        before = rows[-1].job_id


def _candidates(rows: Sequence[JobRow]) -> str:
    short = short_ids(row.job_id for row in rows)
    named = [f"{short[row.job_id]} ({row.state.value})" for row in rows[:CANDIDATES]]
    return ", ".join([*named, "…"] if len(rows) > CANDIDATES else named)


def _lines(rows: Sequence[JobRow], *, now: datetime) -> list[tuple[str, ...]]:
    short = short_ids(row.job_id for row in rows)
    return [
        (
            short[row.job_id],
            row.state.value,
            row.template or "",
            row.trip_id or "",
            row.instance or "",
            moment(row.created_at),
            span(seconds_of(row, now=now)),
            str(len(row.attempts)),
            "" if row.error is None else row.error.kind,
        )
        for row in rows
    ]


def _show_whole(
    row: JobRow,
    history: Sequence[ChangeRow],
    owner: OwnerRow | None,
    *,
    now: datetime,
) -> None:
    show_table(f"job {row.job_id}: {row.state.value}", _facts(row, owner, now=now))
    show_rows(
        ("attempt", "instance", "begun", "accepted", "ended", "prompt", "error"),
        [
            (
                str(one.ordinal),
                one.instance,
                moment(one.begun_at),
                moment(one.accepted_at),
                moment(one.ended_at),
                one.prompt_id or "",
                words_of(one.error),
            )
            for one in row.attempts
        ],
        title="attempts",
    )
    _show_stages(row)
    _show_history(row, history)
    show_rows(
        ("node", "folder", "file"),
        [
            (ref.node_id, ref.type, f"{ref.subfolder}/{ref.filename}".lstrip("/"))
            for ref in row.outputs
        ],
        title="outputs on the server",
    )
    show_rows(
        ("file", "bytes"),
        [(str(file.path), str(file.bytes)) for file in row.files],
        title="saved",
    )


def _show_stages(row: JobRow) -> None:
    show_rows(
        ("stage", "by", "took", "paid for", "request", "warning"),
        [
            (
                one.name,
                one.model or one.source,
                span(one.seconds),
                costs(one.usage),
                one.request_id or "",
                one.warning or "",
            )
            for one in stages_of(row)
        ],
        title="stages",
    )


def _show_history(row: JobRow, history: Sequence[ChangeRow]) -> None:
    ordinals = {one.attempt_id: str(one.ordinal) for one in row.attempts}
    show_rows(
        ("at", "state", "attempt", "detail", "error"),
        [
            (
                moment(one.at),
                one.state.value,
                ordinals.get(one.attempt_id or "", ""),
                one.detail or "",
                words_of(one.error),
            )
            for one in history
        ],
        title="history",
    )


def _facts(
    row: JobRow, owner: OwnerRow | None, *, now: datetime
) -> list[tuple[str, str]]:
    error = row.error
    return [
        ("environment", row.environment),
        ("template", row.template or ""),
        ("trip", row.trip_id or ""),
        ("idempotency key", row.idempotency_key or ""),
        ("seed", "" if row.seed is None else str(row.seed)),
        ("parameters", ", ".join(f"{n}={v}" for n, v in row.params.items())),
        ("digest", row.digest),
        ("begun", moment(row.created_at)),
        ("ended", moment(row.ended_at)),
        ("took", span(seconds_of(row, now=now))),
        ("owner", owner_words(owner, now=now)),
        ("error", words_of(error)),
        ("hint", "" if error is None or error.hint is None else error.hint),
    ]
