"""The command `eas layout`: what must lie in the mount, what lacks, and pushing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import JsonValue

from ..config.protection import require_confirmation
from ..eas.layout import FOLDERS, Found, Need, State, needs_of
from ..eas.mount import (
    Pushed,
    Upload,
    Volume,
    held_against,
    push,
    uploads_of,
    volumes_of,
    what_restart,
)
from ..errors import UsageError
from ..packs.own import PACK_FOLDER, pack_files
from ..pins.pinned import PinnedTemplates, pinned_templates
from ..storage.base import Storage
from ..templating.registry import Registry
from ..timing import Deadline
from ..wiring import open_storage
from .console import err, out, printable, show_json, show_rows, show_table
from .options import FAILED, Config, Confirm, Env, Json, YesProd, confirmed
from .place import Place, find_place

_LARGE = 16 << 20


def layout(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Look what of it is in the storage.")
    ] = False,
    pushes: Annotated[
        bool,
        typer.Option("--push", help="Put our own node pack there, and each --file."),
    ] = False,
    file: Annotated[
        list[str] | None,
        typer.Option(help="PATH=FILE: what to push, and where to; repeatable."),
    ] = None,
    pack: Annotated[bool, typer.Option(help="Whether --push puts our pack.")] = True,
    timeout: Annotated[
        float, typer.Option(min=1, max=86_400, help="Seconds for all of it.")
    ] = 3600,
    config: Config = None,
    env: Env = None,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    as_json: Json = False,
) -> None:
    """Tell what an environment's templates need in the folder its service mounts."""
    if file and not pushes:
        raise UsageError("--file is what --push puts there", hint="add --push")
    place = find_place(config, env)
    templates = pinned_templates(place.name, place.settings, Registry())
    needs = _needs(templates)
    found: list[Found] = []
    pushed: list[Pushed] = []
    volumes: list[Volume] = []
    with ExitStack() as stack:
        if check or pushes:
            storage, deadline = _storage(place, stack), Deadline(timeout)
            if pushes:
                _require(place, confirmed(confirm, yes_prod=yes_prod))
                uploads = uploads_of(file or (), own_pack=pack)
                for upload in uploads:
                    _announce(upload)
                    pushed += push([upload], storage, deadline)
                    _tell_pushed(pushed[-1])
            if check:
                found = held_against(needs, storage, deadline)
                volumes = volumes_of(storage, deadline)
    restart = what_restart(pushed, place.environment.transport)
    if as_json:
        show_json(_report(place, templates, _Seen(needs, found, volumes), pushed))
    else:
        _show(place, templates, _Seen(needs, found, volumes))
    _tell_all_pushed(pushed, restart)
    if any(one.state is not State.THERE for one in found) or _broken(templates):
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is needed, and what of it was seen."""

    needs: Sequence[Need]
    found: Sequence[Found]
    volumes: Sequence[Volume]


def _needs(templates: PinnedTemplates) -> list[Need]:
    own = {name: file.stat().st_size for name, file in pack_files().items()}
    known = [
        (one.template.manifest, one.workflow)
        for one in templates.pinned
        if one.template is not None
    ]
    return needs_of(known, own)


def _storage(place: Place, stack: ExitStack) -> Storage:
    if place.environment.storage.kind == "view":
        raise UsageError(
            f"environment {place.name} has storage of kind 'view': over HTTP nobody "
            "sees or fills a mount",
            hint=f"kind = 'oss' or 'mount' in [environments.{place.name}.storage]",
        )
    return open_storage(place.name, place.settings, stack)


def _require(place: Place, confirm: str | None) -> None:
    require_confirmation(
        place.name,
        place.environment,
        action="put files into its mount",
        confirm=confirm,
    )


def _announce(upload: Upload) -> None:
    """Say what takes long before it does."""
    path, file = upload
    size = file.stat().st_size
    if size >= _LARGE:
        err.print(printable(f"{path}: {size} bytes are on their way"), markup=False)


def _tell_pushed(one: Pushed) -> None:
    if one.sent:
        words = f"{one.path}: {one.size} bytes in {one.seconds:.1f} s"
        err.print(printable(words), markup=False)


def _tell_all_pushed(pushed: Sequence[Pushed], restart: str | None) -> None:
    if pushed:
        sent = sum(one.sent for one in pushed)
        err.print(f"{sent} files were sent, {len(pushed) - sent} were there already")
    if restart is not None:
        err.print(printable(f"to be done now: {restart}"), markup=False)


def _broken(templates: PinnedTemplates) -> list[str]:
    return [
        f"{one.name}: {one.problem.message}"
        for one in templates.pinned
        if one.problem is not None
    ]


def _show(
    place: Place,
    templates: PinnedTemplates,
    seen: _Seen,
) -> None:
    refs = [one.template.ref for one in templates.pinned if one.template is not None]
    head = f"environment {place.name}: {', '.join(refs) or 'no template'}"
    out.print(printable(f"{head} ({templates.basis})"), markup=False)
    show_table("folders", [_folder_row(name, seen) for name in FOLDERS])
    found = seen.found
    rows = [_found_row(one) for one in found] or [_need_row(one) for one in seen.needs]
    show_rows(("", "file", "bytes", "wanted by", "from"), _folded(rows), title="needed")
    for words in _broken(templates):
        err.print(printable(f"error: {words}"), style="red", markup=False)
    if found:
        missing = sum(one.state is State.MISSING for one in found)
        other = sum(one.state is State.OTHER for one in found)
        there = len(found) - missing - other
        out.print(f"\n{there} there, {missing} missing, {other} of another size")
    if seen.volumes and not any(one.files for one in seen.volumes):
        err.print("nothing at all is there: has a service ever started on it?")


def _folder_row(name: str, seen: _Seen) -> tuple[str, str]:
    volume = next((str(one) for one in seen.volumes if one.folder == name), None)
    what = FOLDERS[name]
    return f"{name}/", what if volume is None else f"{volume} ({what})"


def _need_row(need: Need) -> tuple[str, ...]:
    size = "" if need.size is None else str(need.size)
    return ("", need.path, size, ", ".join(need.wanted_by), need.source)


def _found_row(one: Found) -> tuple[str, ...]:
    known = one.need.size if one.size is None else one.size
    size = "" if known is None else str(known)
    if one.state is State.OTHER:
        size = f"{one.size}, not {one.need.size}"
    wanted = ", ".join(one.need.wanted_by)
    return (one.state.value, one.path, size, wanted, one.need.source)


_FOLDED_FROM = 4
"""So many files of our own pack in one state are one row."""


def _folded(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The files of our own pack as one row for each state, where they are many."""
    own: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        if row[1].startswith(f"custom_nodes/{PACK_FOLDER}/") and row[2].isdecimal():
            own.setdefault(row[0], []).append(row)
    many = {state: some for state, some in own.items() if len(some) >= _FOLDED_FROM}
    made = [
        (
            state,
            f"custom_nodes/{PACK_FOLDER}/ ({len(some)} files)",
            str(sum(int(row[2]) for row in some)),
            *some[0][3:],
        )
        for state, some in many.items()
    ]
    folded = {row for some in many.values() for row in some}
    return [*made, *(row for row in rows if row not in folded)]


def _report(
    place: Place,
    templates: PinnedTemplates,
    seen: _Seen,
    pushed: Sequence[Pushed],
) -> dict[str, JsonValue]:
    unseen = [Found(need, State.UNKNOWN, need.path) for need in seen.needs]
    volumes = {one.folder: one.as_json() for one in seen.volumes}
    return {
        "environment": place.name,
        "templates": [
            one.template.ref for one in templates.pinned if one.template is not None
        ],
        "problems": [*_broken(templates)],
        "folders": {name: volumes.get(name) for name in FOLDERS},
        "needs": [one.as_json() for one in seen.found or unseen],
        "pushed": [one.as_json() for one in pushed],
        "restart": what_restart(pushed, place.environment.transport),
    }
