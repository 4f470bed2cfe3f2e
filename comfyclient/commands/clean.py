"""The command clean: deletes what old jobs left in the environment's storage."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from ..config.protection import require_confirmation
from ..errors import ConfigError
from ..files.cleaning import Cleaning, carry_out, plan
from ..files.lifecycle import lifecycle_of
from ..timing import SYSTEM_CLOCK, Deadline
from ..wiring import open_storage
from .console import err, out, printable, show_json
from .job_views import plural, since
from .options import Config, Confirm, Env, Json, YesProd, confirmed
from .place import Place, find_place

TIME_S = 3600.0
"""Seconds that listing and deleting may take."""
SHOWN = 10
"""Files that are named."""

_NOTHING = Cleaning(0, (), 0)


def clean(
    *,
    older_than: Annotated[
        str, typer.Option(help="Jobs that ended longer ago: 12h, 7d, or an ISO time.")
    ] = "7d",
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; without it, only tell what would be.")
    ] = False,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    config: Config = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Delete the files of jobs that are done with; says first what that would be."""
    place = find_place(config, env)
    now = SYSTEM_CLOCK.now()
    before = since(older_than, now=now, option="--older-than")
    if yes:
        _require_leave(place, confirmed(confirm, yes_prod=yes_prod))
    with ExitStack() as stack:
        storage = open_storage(place.name, place.settings, stack)
        deadline = Deadline(TIME_S)
        ledger = stack.enter_context(place.ledger())
        found = _NOTHING
        if ledger is not None:
            found = plan(
                ledger,
                storage,
                environment=place.name,
                before=before,
                deadline=deadline,
            )
        if yes:
            carry_out(found, storage, deadline)
        shown = storage.shown
    days = max(1, round((now - before).total_seconds() / 86_400))
    rule = lifecycle_of(place.environment.storage, name=place.name, days=days)
    if as_json:
        show_json(
            {
                "environment": place.name,
                "storage": shown,
                "deleted": yes,
                "jobs": found.jobs,
                "files": [entry.path for entry in found.files],
                "bytes": found.bytes,
                "shared": found.shared,
                "lifecycle": rule,
            }
        )
    else:
        _tell(found, shown, done=yes)
        if not yes and found.files:
            command = place.command("clean", "--older-than", older_than, "--yes")
            err.print(printable(f"to delete them: {command}"), markup=False)
        _tell_rule(rule)


def _require_leave(place: Place, confirm: str | None) -> None:
    require_confirmation(
        place.name,
        place.environment,
        action="delete files in its storage",
        confirm=confirm,
    )
    if not place.settings.writes_storage(place.name):
        raise ConfigError(
            f"environment {place.name} may only read in its storage: it is another's",
            hint="clean it in the environment that it belongs to",
        )


def _tell(found: Cleaning, shown: str, *, done: bool) -> None:
    words = "deleted" if done else "would be deleted"
    files = f"{len(found.files)} {plural('file', len(found.files))}"
    jobs = f"{found.jobs} {plural('job', found.jobs)}"
    size = f"{found.bytes / 1e6:.1f} MB"
    out.print(printable(f"{files} ({size}) of {jobs} {words} in {shown}"), markup=False)
    for entry in found.files[:SHOWN]:
        out.print(printable(f"  {entry.path}"), markup=False)
    if len(found.files) > SHOWN:
        out.print(f"  … and {len(found.files) - SHOWN} more")
    if found.shared:
        out.print(f"{found.shared} files stay: a younger job has them too")


def _tell_rule(rule: str | None) -> None:
    if rule is not None:
        err.print("to have that done without a command, set this rule:")
        err.print(printable(rule), markup=False)
