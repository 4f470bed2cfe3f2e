"""The command that makes a page of the ledger's jobs: report."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ..errors import MissingExtraError, UsageError
from ..extras import thumbnailer
from ..ledger.journal import JobReads
from ..report.jobs import ReportJob, report_job
from ..report.page import picture_of, render_report
from ..report.report import as_json, build_report
from ..timing import SYSTEM_CLOCK
from .console import err, out, show_json
from .job_views import plural, since
from .options import Config, Env, Json, Url
from .place import Place, find_place

PAGE = 500


def report(
    *,
    target: Annotated[
        Path, typer.Option("--out", "-o", help="The page to write.")
    ] = Path("report.html"),
    after: Annotated[
        str | None,
        typer.Option("--since", help="Only begun since: 30m, 2h, 3d, or an ISO time."),
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Only of NAME or NAME@VERSION.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")
    ] = 1000,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    as_figures: Json = False,
) -> None:
    """Make one page of jobs: pictures, instances over time, durations, failures.

    The page holds everything but the pictures in full size, which it links to.
    """
    place = find_place(config, env, url=url)
    now = SYSTEM_CLOCK.now()
    earliest = None if after is None else since(after, now=now)
    jobs = _jobs(place, template=template, since=earliest, limit=limit)
    made = build_report(jobs, environment=place.name, made_at=now)
    text = render_report(
        made, folder=target.absolute().parent, thumbnails=_thumbnails(jobs)
    )
    _write(target, text)
    if as_figures:
        show_json({"page": str(target), **as_json(made)})
        return
    many = f"{len(jobs)} {plural('job', len(jobs))} of {place.name}"
    out.print(f"{many}: {made.good} succeeded, {made.bad} not", markup=False)
    if len(jobs) == limit:
        out.print(f"the newest {limit} are shown: --limit shows more")
    out.print(str(target), markup=False)


def _jobs(
    place: Place, *, template: str | None, since: datetime | None, limit: int
) -> list[ReportJob]:
    with place.ledger() as ledger:
        if ledger is None:
            return []
        return _read(ledger, place.name, template=template, since=since, limit=limit)


def _read(
    ledger: JobReads,
    environment: str,
    *,
    template: str | None,
    since: datetime | None,
    limit: int,
) -> list[ReportJob]:
    jobs: list[ReportJob] = []
    before: str | None = None
    while len(jobs) < limit:
        rows = ledger.jobs(
            environment=environment,
            template=template,
            since=since,
            before=before,
            limit=min(PAGE, limit - len(jobs)),
        )
        jobs += [report_job(row, ledger.graph(row.digest)) for row in rows]
        if not rows:
            break
        before = rows[-1].job_id
    return jobs


def _thumbnails(jobs: Sequence[ReportJob]) -> Mapping[Path, str]:
    """Small pictures, made side by side: decoding leaves Python to others."""
    paths = [path for job in jobs if (path := picture_of(job)) is not None]
    try:
        make = thumbnailer()
    except MissingExtraError as error:
        err.print(f"without small pictures: {error}", markup=False)
        return {}
    many = f"{len(paths)} small {plural('picture', len(paths))}"
    err.print(f"making {many}", markup=False)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made: Iterable[tuple[Path, str | None]] = zip(
            paths, pool.map(make, paths), strict=True
        )
        return {path: small for path, small in made if small is not None}


def _write(target: Path, text: str) -> None:
    """Whole or not at all; a page that is looked at is replaced at once."""
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(target)
        finally:
            with suppress(OSError):
                beside.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
