"""The report as one HTML page that needs nothing beside it but the pictures. Pure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import jinja2

from .. import __version__
from ..commands.job_views import moment, short_ids, span
from .jobs import ReportJob
from .lanes import Bar
from .report import Report, span_of

Thumbnail = Callable[[Path], str | None]
"""A small picture as a data URI; None where the file is no picture."""

COLOURS = 8
"""Templates that have a colour of their own; those after them begin anew."""
LANE = 10_000
"""Units of a lane's width."""
NODES_SHOWN = 12
"""Nodes of a template that have a line of their own, the longest."""
_LEAST = 12
"""Units that even the shortest bar takes."""
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}


@dataclass(frozen=True, slots=True)
class Card:
    """A job in the gallery."""

    job: ReportJob
    short: str
    colour: int
    thumbnail: str | None
    links: tuple[tuple[str, str], ...]
    """Name and relative URL of each file that came home; the picture first."""
    facts: tuple[tuple[str, str], ...]
    """What its provenance says."""


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """A bar with its place in the lane."""

    bar: Bar
    short: str
    colour: int
    wait_x: float
    wait_width: float
    x: float
    width: float
    title: str


def render_report(
    report: Report, *, folder: Path, thumbnails: Mapping[Path, str]
) -> str:
    """The page; links to pictures are relative to the folder that it will lie in."""
    colours = _colours(report)
    short = short_ids(job.row.job_id for job in report.jobs)
    cards = [
        Card(
            job,
            short=short[job.row.job_id],
            colour=colours[job.template],
            thumbnail=_thumbnail_of(job, thumbnails),
            links=tuple(_links(job, folder)),
            facts=tuple(_facts(job)),
        )
        for job in report.jobs
    ]
    return _page().render(
        report=report,
        period=_period(report),
        cards=cards,
        colours=colours,
        shorts=short,
        lanes=[
            (lane, [_drawn(bar, report, short, colours) for bar in lane.bars])
            for lane in report.lanes
        ],
        node_tables=[
            (template, list(nodes))
            for template, nodes in groupby(report.nodes, key=lambda node: node.template)
        ],
        most=max((one.good + one.bad for one in report.bins), default=0),
        lane_width=LANE,
        most_nodes=NODES_SHOWN,
        version=__version__,
    )


def picture_of(job: ReportJob) -> Path | None:
    """The file that stands for the job in the gallery."""
    pictures = [f.path for f in job.files if f.path.suffix.lower() in _PICTURES]
    return pictures[0] if pictures else None


def _page() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(span=span, moment=moment, clock=_clock)
    text = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)


def _colours(report: Report) -> dict[str, int]:
    names = dict.fromkeys(job.template for job in reversed(report.jobs))
    return {name: n % COLOURS for n, name in enumerate(names)}


def _thumbnail_of(job: ReportJob, thumbnails: Mapping[Path, str]) -> str | None:
    picture = picture_of(job)
    return None if picture is None else thumbnails.get(picture)


def _links(job: ReportJob, folder: Path) -> Iterable[tuple[str, str]]:
    first = picture_of(job)
    paths = sorted((file.path for file in job.files), key=lambda path: path != first)
    for path in paths:
        yield path.name, _relative(path, folder)


def _relative(path: Path, folder: Path) -> str:
    """The file's URL as seen from the page, so that both may move together."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive
        return path.absolute().as_uri()
    return quote(Path(relative).as_posix(), safe="/", errors="surrogatepass")


def _facts(job: ReportJob) -> Iterable[tuple[str, str]]:
    row = job.row
    facts = (
        ("template", row.template or ""),
        ("trip", row.trip_id or ""),
        ("environment", row.environment),
        ("instance", row.instance or ""),
        ("seed", "" if row.seed is None else str(row.seed)),
        ("parameters", ", ".join(_given(row.params))),
        ("models", ", ".join(sorted(job.models))),
        ("begun", moment(row.created_at)),
        ("waited", "" if job.queued_s is None else span(job.queued_s)),
        ("at work", "" if job.ran_s is None else span(job.ran_s)),
        ("attempts", str(len(row.attempts)) if len(row.attempts) > 1 else ""),
        ("job", row.job_id),
        ("digest", row.digest),
    )
    return ((name, value) for name, value in facts if value)


def _given(params: Mapping[str, object]) -> Iterator[str]:
    """The parameters that have a value, as a template's author writes them."""
    for name, value in params.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"{name} = {text}"


def _drawn(
    bar: Bar, report: Report, short: Mapping[str, str], colours: Mapping[str, int]
) -> DrawnBar:
    place = report.axis.place
    taken, begin, end = (
        place(at) * LANE for at in (bar.waited.begin, bar.ran.begin, bar.ran.end)
    )
    name = short[bar.job.row.job_id]
    words = [
        f"{name} · {bar.job.template}",
        f"{span(bar.ran.seconds)} at work, {span(bar.waited.seconds)} waiting there",
    ]
    if bar.swap:
        words.append("needs other models than the job before it")
    error = bar.attempt.error or (None if bar.good else bar.job.row.error)
    if error is not None:
        words.append(f"{error.kind}: {error.message}")
    return DrawnBar(
        bar,
        short=name,
        colour=colours[bar.job.template],
        wait_x=round(taken, 1),
        wait_width=round(max(0.0, begin - taken), 1),
        x=round(begin, 1),
        width=round(max(_LEAST, end - begin), 1),
        title="\n".join(words),
    )


def _period(report: Report) -> str:
    found = span_of(report)
    if found is None:
        return "no job was taken by a server"
    begin, length = found
    return f"{span(length.total_seconds())}, from {moment(begin)} on"


def _clock(at: datetime) -> str:
    """The time of day, as short as it is exact."""
    local = at.astimezone()
    if local.microsecond:
        return f"{local:%H:%M:%S}.{local.microsecond // 100_000}"
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
