"""The commands that make templates: `templates new` and `templates bump`."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import Version
from pydantic import JsonValue

from ..config.settings import load_settings
from ..errors import TemplateError, UsageError
from ..templating.folders import (
    Step,
    bump_template,
    new_template,
    next_version,
    require_name,
)
from ..templating.lint import LintReport, lint
from ..templating.proposals import Proposal, chosen, photo, propose
from ..templating.registry import parse_ref, registry_of
from ..templating.scaffolding import MINIMAL, Scaffold, scaffold
from ..templating.template import Template
from ..workflow import Workflow
from .console import err, out, printable, show_json
from .options import FAILED, Config, Json

Root = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="The folder of templates to put it into; the first that is configured, "
        "or templates/.",
    ),
]
Numbered = Annotated[str, typer.Option("--version", help="Its version.")]


def new(
    name: Annotated[str, typer.Argument(help="The new template's name.")],
    *,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A graph exported from ComfyUI (API format)."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            help="An input to fill, as NODE.INPUT=NAME; repeatable. "
            "NAME seed is the workflow's seed. Nothing is asked then.",
        ),
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            "--photo", help="An input, as NODE.INPUT, that takes a photo of the trip."
        ),
    ] = None,
    root: Root = None,
    version: Numbered = "1.0.0",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a template, of an exported graph or a minimal one.

    Parameters are proposed, and asked for on a terminal: prompts, seeds, sizes, model
    files, images.
    """
    require_name(name)
    workflow = _workflow(source)
    asks = sys.stdin.isatty() and source is not None and not as_json
    picked = _picked(workflow, param or [], photos or [], asks=asks)
    summary = "A plain picture" if source is None else f"Made of {source.name}"[:120]
    made = scaffold(workflow, picked, name=name, version=version, summary=summary)
    folder = _folders(root, config)[0]
    template = new_template(folder, name=name, version=version, files=made.files)
    _tell(template, lint(template), made, picked, as_json=as_json)
    _tell_how_found(folder, config)


def bump(
    what: Annotated[
        str, typer.Argument(help="NAME, or NAME@VERSION to go on from an older one.")
    ],
    *,
    major: Annotated[bool, typer.Option("--major", help="1.2.3 → 2.0.0")] = False,
    minor: Annotated[bool, typer.Option("--minor", help="1.2.3 → 1.3.0")] = False,
    patch: Annotated[bool, typer.Option("--patch", help="1.2.3 → 1.2.4")] = False,
    to: Annotated[
        str | None, typer.Option(help="The very version, such as 2.0.0rc1.")
    ] = None,
    root: Root = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Copy a template's newest version, or another, to the next one to be changed."""
    given: dict[Step, bool] = {"major": major, "minor": minor, "patch": patch}
    steps = [step for step, wanted in given.items() if wanted]
    if len(steps) + (to is not None) > 1:
        raise UsageError("give one of --major, --minor, --patch and --to")
    folders = _folders(root, config)
    registry = registry_of(folder for folder in folders if folder.exists())
    found = registry.versions(parse_ref(what)[0])
    former = registry.find(what) if "@" in what else registry.load(found[max(found)])
    step = steps[0] if steps else "patch"
    version = next_version(former.version, step) if to is None else to
    _require_new(version, former.version, found)
    template = bump_template(former, root=folders[0], version=version)
    _tell_how_found(folders[0], config)
    if as_json:
        show_json(_report(template))
        return
    out.print(printable(f"{template.ref}: a copy of {former.version}"), markup=False)
    out.print(f"folder: {template.folder}", markup=False)


def _folders(root: Path | None, config: Path | None) -> list[Path]:
    """Where templates are looked for; the first is where a new one goes."""
    configured = load_settings(config).templates
    if root is not None:
        return [root, *configured]
    return [*configured] or [Path("templates")]


def _tell_how_found(folder: Path, config: Path | None) -> None:
    """What is missing until commands find a template of this folder by its name."""
    configured = {one.resolve() for one in load_settings(config).templates}
    if folder.resolve() not in configured:
        err.print(
            printable(
                "it is found by its name once comfyclient.toml names its folder: "
                f'templates = ["{folder}"]'
            ),
            markup=False,
        )


def _workflow(source: Path | None) -> Workflow:
    if source is None:
        return Workflow.from_graph(MINIMAL)
    return Workflow.from_file(source)


def _picked(
    workflow: Workflow, params: list[str], photos: list[str], *, asks: bool
) -> list[Proposal]:
    """What the options name; else what is proposed, each as a person at it likes."""
    taken = [photo(workflow, place) for place in photos]
    places = {one.place for one in taken}
    named = chosen(workflow, params) if params else propose(workflow)
    rest = [one for one in named if one.place not in places]
    if asks and not params:
        rest = [one for one in rest if _wanted(one)]
    return [*taken, *rest]


def _wanted(one: Proposal) -> bool:
    return typer.confirm(printable(f"{one}; a parameter?"), default=True, err=True)


def _require_new(version: str, former: Version, found: Collection[Version]) -> None:
    try:
        wanted = Version(version)
    except ValueError:
        return  # whoever makes the folder says what is wrong with it
    if wanted in found:
        raise TemplateError(
            f"there is a version {wanted} already, and a published version never "
            "changes",
            hint=f"there are {', '.join(map(str, sorted(found)))}",
        )
    if wanted < former:
        raise TemplateError(
            f"{version} is not newer than {former}, which it is a copy of",
            hint="give a higher version",
        )


def _tell(
    template: Template,
    report: LintReport,
    made: Scaffold,
    picked: list[Proposal],
    *,
    as_json: bool,
) -> None:
    if as_json:
        parameters: list[JsonValue] = [
            {"name": one.name, "node_id": one.node_id, "input": one.input_name}
            for one in picked
        ]
        show_json(
            {
                **_report(template),
                "seed": made.seed,
                "parameters": parameters,
                "lint": report.as_json(),
            }
        )
    else:
        out.print(f"{template.ref}: {report.verdict}", markup=False)
        out.print(f"folder: {template.folder}", markup=False)
        for one in picked:
            out.print(printable(f"  {one}"), markup=False)
        for finding in report.findings:
            out.print(printable(f"  {finding}"), markup=False)
        if made.seed is not None:
            out.print(f"with --seed {made.seed} it gives the exported graph")
    if report.has_errors:
        raise typer.Exit(FAILED)


def _report(template: Template) -> dict[str, JsonValue]:
    return {
        "name": template.name,
        "version": template.manifest.version,
        "folder": str(template.folder),
        "digest": template.digest,
    }
