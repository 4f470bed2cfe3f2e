"""The commands about templates: list, show, lint, new, bump."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import JsonValue

from ..templating.lint import LintReport, lint
from ..templating.parameters import Parameter
from ..templating.template import Template
from .compatibility import lines_of, show_lines
from .console import out, show_json, show_table
from .options import FAILED, Config, Json, Templates
from .pinboard import LockFile, pinboard
from .scaffolding import bump, new

templates = typer.Typer(help="Workflow templates.", no_args_is_help=True)


@templates.command("list")
def list_templates(
    *, config: Config = None, templates: Templates = None, as_json: Json = False
) -> None:
    """List the templates and their versions."""
    found = pinboard(config, templates=templates).registry.templates()
    if as_json:
        show_json([_summary(template) for template in found])
        return
    width = max((len(template.ref) for template in found), default=0)
    for template in found:
        out.print(f"{template.ref:{width}}  {template.manifest.summary}", markup=False)


@templates.command("show")
def show_template(
    name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION")],
    *,
    config: Config = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Show a template: parameters, outputs, what it needs."""
    template = pinboard(config, templates=templates).registry.find(name)
    manifest = template.manifest
    if as_json:
        show_json(manifest.model_dump(mode="json", exclude_none=True))
        return
    out.print(f"{template.ref}: {manifest.summary}", markup=False)
    out.print(f"folder: {template.folder}", markup=False)
    show_table(
        "parameters",
        [
            (name, f"{one.description} ({_takes(one)})")
            for name, one in manifest.parameters.items()
        ],
    )
    show_table(
        "outputs", [(n, o.description or "") for n, o in manifest.outputs.items()]
    )
    needs = manifest.requirements
    show_table(
        "needs",
        [
            ("ComfyUI", needs.comfyui),
            ("node classes", ", ".join(needs.node_classes)),
            ("models", ", ".join(f"{m.folder}/{m.file}" for m in needs.models)),
        ],
    )


@templates.command("lint")
def lint_templates(
    names: Annotated[
        list[str] | None, typer.Argument(help="NAME or NAME@VERSION; all if none.")
    ] = None,
    *,
    env: Annotated[
        list[str] | None,
        typer.Option(help="Also ask whether it would run there; repeatable."),
    ] = None,
    snapshot: Annotated[
        list[str] | None,
        typer.Option(
            help="The same by a saved snapshot, as FILE or NAME=FILE; repeatable."
        ),
    ] = None,
    config: Config = None,
    lock_file: LockFile = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Render templates with their sample and hostile trips, and check the graphs."""
    board = pinboard(config, lock_file, templates)
    registry = board.registry
    found = [registry.find(n) for n in names] if names else registry.templates()
    reports = [(template, lint(template)) for template in found]
    if env or snapshot:
        lines = lines_of(board, reports, env or [], snapshot or [])
        if as_json:
            show_json([line.as_json() for line in lines])
        else:
            show_lines(lines)
        sound = all(line.ok for line in lines)
    else:
        sound = _lint_alone(reports, as_json=as_json)
    if not sound:
        raise typer.Exit(FAILED)


def _lint_alone(
    reports: Sequence[tuple[Template, LintReport]], *, as_json: bool
) -> bool:
    """Show what was found; whether the templates may be used."""
    if as_json:
        show_json([report.as_json() for _, report in reports])
    for template, report in () if as_json else reports:
        out.print(f"{template.ref}: {report.verdict}", markup=False)
        for finding in report.findings:
            out.print(f"  {finding}", markup=False)
    return not any(report.has_errors for _, report in reports)


def _summary(template: Template) -> JsonValue:
    return {
        "name": template.name,
        "version": str(template.version),
        "summary": template.manifest.summary,
        "folder": str(template.folder),
    }


def _takes(parameter: Parameter) -> str:
    if parameter.required:
        return f"{parameter.allowed}; required"
    if parameter.default is None:
        return parameter.allowed
    return f"{parameter.allowed}; default {parameter.default}"


templates.command("new")(new)
templates.command("bump")(bump)
