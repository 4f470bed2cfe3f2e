"""The table of templates and environments that `templates lint --env` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from ..errors import ComfyClientError, InputFileError, TemplateError, UsageError
from ..pins.pins import resolve
from ..preflight.compatibility import Cell, Column, judged
from ..preflight.snapshots import Snapshot
from ..templating.lint import LintReport
from ..templating.template import Template
from .console import out, printable, show_rows
from .pinboard import Pinboard
from .target import Target


@dataclass(frozen=True, slots=True)
class Line:
    """One template in every environment."""

    template: Template
    lint: LintReport
    cells: tuple[Cell, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it, anywhere."""
        return not self.lint.has_errors and all(cell.ok for cell in self.cells)

    def as_json(self) -> dict[str, JsonValue]:
        """The line for a script."""
        return {
            "template": self.template.ref,
            "ok": self.ok,
            "lint": self.lint.as_json(),
            "environments": {cell.column: cell.as_json() for cell in self.cells},
        }


def lines_of(
    board: Pinboard,
    reports: Sequence[tuple[Template, LintReport]],
    environments: Sequence[str],
    files: Sequence[str],
) -> list[Line]:
    """The table: each template against these environments and saved snapshots.

    Raises:
        ConfigError: there is no such environment.
        InputFileError: a snapshot cannot be used.
        UsageError: two columns have one name.
    """
    columns = [*map(_saved, files), *(_asked(board, name) for name in environments)]
    names = [column.name for column in columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(
            f"{twice[0]} is named twice",
            hint="--snapshot NAME=FILE gives a file a name",
        )
    run_there = {name: _run_there(board, name, reports) for name in environments}
    return [
        Line(
            template,
            report,
            tuple(
                replace(cell, runs=template.ref in run_there.get(cell.column, ()))
                for cell in judged(template, columns)
            ),
        )
        for template, report in reports
    ]


def show_lines(lines: Sequence[Line]) -> None:
    """The table, and below it what is wrong where."""
    names = [cell.column for cell in lines[0].cells] if lines else []
    show_rows(
        ["template", "lint", *names],
        [
            (line.template.ref, _short(line.lint), *map(_text, line.cells))
            for line in lines
        ],
    )
    for line in lines:
        for finding in line.lint.findings:
            _say(f"{line.template.ref}: {finding}")
        for cell in line.cells:
            _show_trouble(line.template.ref, cell)


def _saved(given: str) -> Column:
    name, equals, file = given.partition("=")
    path = Path(file if equals else given)
    return Column(name if equals else path.name, (Snapshot.read(path),))


def _asked(board: Pinboard, name: str) -> Column:
    """What an environment's servers offer: as saved where it names a snapshot."""
    target = Target(name, board.require(name))
    try:
        return Column(name, target.offers, declared=target.declared)
    except InputFileError:
        raise
    except ComfyClientError as error:
        return Column(name, (), error)


def _run_there(
    board: Pinboard, name: str, reports: Sequence[tuple[Template, LintReport]]
) -> set[str]:
    """The templates that pins and lock make an environment run."""
    found: set[str] = set()
    lock, environment = board.lock(), board.require(name)
    for template_name in {template.name for template, _ in reports}:
        try:
            template = resolve(
                template_name,
                environment=name,
                pins=environment.pins,
                lock=lock,
                registry=board.registry,
                protected=environment.protected,
            )
        except TemplateError:
            continue
        found.add(template.ref)
    return found


def _short(report: LintReport) -> str:
    return report.verdict.rpartition(", ")[0].removeprefix("0 errors, ")


def _text(cell: Cell) -> str:
    return f"{cell.verdict}{' (runs)' if cell.runs else ''}"


def _show_trouble(ref: str, cell: Cell) -> None:
    if cell.trouble is not None:
        _say(f"{ref} in {cell.column}: {cell.trouble}")
    for taken, report in cell.checks:
        where = cell.column if taken.instance is None else taken.instance
        for finding in report.findings:
            level = "error" if finding.is_error else "warning"
            _say(f"{ref} in {cell.column}, {where}: {level}: {finding.issue}")


def _say(text: str) -> None:
    out.print(printable(text), markup=False)
