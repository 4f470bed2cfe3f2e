"""The commands about node packs: install ours, check any."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..packs.check import PackReport, check_pack
from ..packs.findings import RULES
from ..packs.install import Installed, install_pack
from ..packs.trial import try_import
from .console import out, printable, show_json
from .options import FAILED, Json

nodes = typer.Typer(
    help="Node packs: ours, and the rules for any.", no_args_is_help=True
)

_SHOWN = 5
"""Findings of one rule that are shown, unless all are asked for."""


@nodes.command("install")
def install(
    comfyui: Annotated[
        Path,
        typer.Argument(
            help="A ComfyUI: the folder with main.py, or its base directory.",
            metavar="COMFYUI",
        ),
    ],
    *,
    force: Annotated[
        bool,
        typer.Option(help="Also over what was changed there; that is kept aside."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy our node pack into a ComfyUI, or bring it up to date."""
    done = install_pack(comfyui, force=force)
    if as_json:
        show_json(
            {
                "target": str(done.target),
                "version": done.version,
                "action": done.action,
                "before": done.before,
                "kept_aside": None if done.kept_aside is None else str(done.kept_aside),
            }
        )
        return
    for line in _told(done):
        out.print(printable(line), markup=False)


def _told(done: Installed) -> list[str]:
    before = "" if done.before in {None, done.version} else f" (was {done.before})"
    if done.action == "kept":
        return [f"{done.target} is version {done.version} already"]
    lines = [f"{done.action}: {done.target}, version {done.version}{before}"]
    if done.kept_aside is not None:
        lines.append(f"what was there: {done.kept_aside}")
    return [*lines, "Restart the ComfyUI: it reads packs when it starts."]


@nodes.command("check")
def check(
    folder: Annotated[
        Path, typer.Argument(help="A pack: its folder, or its one Python file.")
    ],
    *,
    imports: Annotated[
        bool,
        typer.Option(
            "--import",
            help="Import it too, in a process of its own: this runs the pack's code.",
        ),
    ] = False,
    python: Annotated[
        Path | None, typer.Option(help="The Python for --import, such as a ComfyUI's.")
    ] = None,
    comfyui: Annotated[
        Path | None,
        typer.Option(help="The ComfyUI whose modules the pack may import."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show every finding.")
    ] = False,
    why: Annotated[bool, typer.Option("--why", help="Say why each rule is.")] = False,
    as_json: Json = False,
) -> None:
    """Check a node pack against the rules; without --import none of its code runs."""
    trial = None
    if imports or python is not None or comfyui is not None:
        trial = try_import(folder, python=python, comfyui=comfyui)
    report = check_pack(folder, trial=trial)
    if as_json:
        show_json(report.as_json())
    else:
        for line in _lines(report, show_all=show_all, why=why):
            out.print(printable(line), markup=False)
    if report.has_errors:
        raise typer.Exit(FAILED)


def _lines(report: PackReport, *, show_all: bool, why: bool) -> list[str]:
    lines: list[str] = []
    shown: Counter[str] = Counter()
    for one in report.findings:
        shown[one.rule] += 1
        if show_all or shown[one.rule] <= _SHOWN:
            lines.append(str(one))
    more = {rule: count - _SHOWN for rule, count in shown.items() if count > _SHOWN}
    if more and not show_all:
        rest = ", ".join(f"{count} × {rule}" for rule, count in more.items())
        lines.append(f"and {rest}; --all shows them")
    if why:
        lines += [f"{rule}: {RULES[rule].why}" for rule in shown]
    if report.unseen:
        lines.append(
            f"the inputs of {len(report.unseen)} nodes only show at an import: --import"
        )
    elif report.is_dynamic:
        lines.append("some nodes may only show at an import: --import")
    return [*lines, f"{report.folder}: {report.verdict}"]
