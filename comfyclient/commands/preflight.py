"""The commands about what servers offer: snapshot, check."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from ..errors import ParameterError, UsageError
from ..preflight.checking import take
from ..preflight.compatibility import judge
from ..preflight.findings import Finding, Report
from ..preflight.snapshots import Snapshot
from ..templating.template import Template
from ..timing import Deadline
from ..transports.base import Transport
from ..trip.trips import load_trip
from ..wiring import open_instances
from ..workflow import Workflow
from .console import out, printable, show_json
from .options import FAILED, Config, Env, Json, Param, TokenEnv, Url, What
from .place import Place, find_place

ASKING_S = 60.0
"""Seconds that an instance may take to tell what it offers."""

Instance = Annotated[
    str | None, typer.Option(help="One instance of the environment, by its name.")
]


def snapshot(
    *,
    to: Annotated[
        Path, typer.Option("--out", "-o", help="The file; packed if it ends in .gz.")
    ] = Path("snapshot.json.gz"),
    instance: Instance = None,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    as_json: Json = False,
) -> None:
    """Save which node classes, models and files an environment offers."""
    place = find_place(config, env, url=url, token_env=token_env)
    with ExitStack() as stack:
        taken = _take(_chosen(place, instance, stack)[0])
    taken.write(to)
    if as_json:
        show_json({"path": str(to), **_described(taken)})
        return
    out.print(
        printable(
            f"{to}: {len(taken.info)} node classes of {taken.instance}, "
            f"ComfyUI {taken.info.version or 'of an unknown version'}, "
            f"fingerprint {taken.fingerprint[:12]}"
        ),
        markup=False,
    )


def check(
    what: What,
    trip: Annotated[
        Path | None,
        typer.Argument(help="The trip file; the template's sample if none."),
    ] = None,
    *,
    saved: Annotated[
        Path | None, typer.Option("--snapshot", help="A saved snapshot, for no server.")
    ] = None,
    param: Param = None,
    instance: Instance = None,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    as_json: Json = False,
) -> None:
    """Check whether a server would run a graph; sends nothing."""
    place = find_place(config, env, url=url, token_env=token_env)
    template, workflow = _filled(place, what, trip, param or [])
    declared = place.environment.comfyui_version
    file = place.environment.snapshot if instance is None else None
    if saved is not None:
        _refuse_two(env, url, instance)
        file, declared = saved, None
    if file is not None:
        snapshots = [Snapshot.read(file)]
    else:
        with ExitStack() as stack:
            snapshots = [_take(one) for one in _chosen(place, instance, stack)]
    reports = [
        (one, judge(template, workflow, one, declared=declared)) for one in snapshots
    ]
    if as_json:
        show_json(_all_described(what, reports))
    for taken, report in () if as_json else reports:
        _show(what, taken, report, asked=file is None)
    if not all(report.ok for _, report in reports):
        raise typer.Exit(FAILED)


def _take(instance: Transport) -> Snapshot:
    return take(instance, deadline=Deadline(ASKING_S))


def _chosen(place: Place, instance: str | None, stack: ExitStack) -> list[Transport]:
    """The environment's instances, or the one that is named."""
    found = open_instances(place.name, place.environment, stack)
    if instance is None:
        return found
    names = [one.name for one in found]
    if instance not in names:
        raise UsageError(
            f"the environment {place.name} has no instance {instance!r}",
            hint=f"it has {', '.join(names)}",
        )
    return [found[names.index(instance)]]


def _refuse_two(env: str | None, url: str | None, instance: str | None) -> None:
    given = {"--env": env, "--url": url, "--instance": instance}
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise UsageError(
            f"--snapshot and {named[0]} name two servers", hint="give one of them"
        )


def _filled(
    place: Place, what: str, trip: Path | None, given: list[str]
) -> tuple[Template | None, Workflow]:
    """The graph of a file, or of a template filled as `run` fills it."""
    if what.endswith(".json"):
        if trip is not None or given:
            raise UsageError("a graph file takes no trip and no parameters")
        return None, Workflow.from_file(what)
    template = place.template(what)
    texts = dict(_pair(what, one) for one in given)
    source = template.sample_trip if trip is None else trip
    published = None
    if trip is not None or template.manifest.trip is not None:
        published = load_trip(source).for_publishing()
    filled = template.render(published, template.manifest.read(texts), seed=1)
    return template, filled


def _pair(what: str, given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise ParameterError(f"--param takes NAME=VALUE, got {given!r}", template=what)
    return name, value


def _show(what: str, taken: Snapshot, report: Report, *, asked: bool) -> None:
    """The verdict on stdout, what was found beside it; all at once."""
    known = [] if taken.info.version is None else [f"ComfyUI {taken.info.version}"]
    known += [] if asked else [f"as saved {taken.taken_at:%Y-%m-%d %H:%M}"]
    against = taken.instance or "a server"
    if known:
        against += f" ({', '.join(known)})"
    out.print(printable(f"{what} on {against}: {report.verdict}"), markup=False)
    for finding in report.findings:
        out.print(printable(_line(finding)), markup=False)


def _line(finding: Finding) -> str:
    level = "error" if finding.is_error else "warning"
    return f"  {level}: {finding.issue}"


def _all_described(
    what: str, reports: list[tuple[Snapshot, Report]]
) -> dict[str, JsonValue]:
    return {
        "graph": what,
        "ok": all(report.ok for _, report in reports),
        "checks": [_described(taken) | report.as_json() for taken, report in reports],
    }


def _described(taken: Snapshot) -> dict[str, JsonValue]:
    return {
        "instance": taken.instance,
        "comfyui_version": taken.info.version,
        "taken_at": taken.taken_at.isoformat(),
        "classes": len(taken.info),
        "fingerprint": taken.fingerprint,
    }
