"""Which templates would run where: filled from samples, judged by what is offered.

Pure, but for the sample trips that are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from ..errors import ComfyClientError, NodeIssue, TemplateError, TripError
from ..templating.comparing import from_sample
from ..templating.template import Template
from ..transports.profile import parse_version
from ..workflow import Workflow
from .findings import Finding, Outlook, Report
from .preflight import check
from .snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Column:
    """What the servers of an environment offer, or a file in their place."""

    name: str
    offers: tuple[Snapshot, ...]
    trouble: ComfyClientError | None = None
    """Why that is not known."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One template in one environment."""

    column: str
    checks: tuple[tuple[Snapshot, Report], ...]
    """By instance."""
    trouble: ComfyClientError | None = None
    """Why nothing was checked."""
    runs: bool = False
    """Whether pins and lock make it the version that runs there."""

    @property
    def ok(self) -> bool:
        """Whether every instance would run it."""
        return self.trouble is None and all(report.ok for _, report in self.checks)

    @property
    def verdict(self) -> str:
        """The outcome in a few words."""
        if self.trouble is not None:
            filled = not isinstance(self.trouble, TemplateError | TripError)
            return "not asked" if filled else "not filled"
        said = [report.verdict for _, report in self.checks]
        worst = max(self.checks, key=lambda one: len(one[1].errors), default=None)
        if worst is None:
            return "nobody to ask"
        taken, report = worst
        where = f" on {taken.instance}" if len(set(said)) > 1 else ""
        return f"{report.verdict}{where}"

    def as_json(self) -> dict[str, JsonValue]:
        """The cell for a script."""
        return {
            "ok": self.ok,
            "runs": self.runs,
            "error": None if self.trouble is None else str(self.trouble),
            "checks": [
                {"instance": taken.instance, **report.as_json()}
                for taken, report in self.checks
            ],
        }


def judged(template: Template, columns: Sequence[Column]) -> list[Cell]:
    """How a template does in each column."""
    try:
        workflow = from_sample(template)
    except (TemplateError, TripError) as error:
        return [Cell(column.name, (), error) for column in columns]
    return [
        Cell(
            column.name,
            tuple((one, judge(template, workflow, one)) for one in column.offers),
            column.trouble,
        )
        for column in columns
    ]


def judge(template: Template | None, workflow: Workflow, offered: Snapshot) -> Report:
    """What a server would make of a graph, and of what its template declares."""
    report = check(workflow, offered.info)
    needs = None if template is None else template.manifest.requirements
    version = parse_version(offered.info.version)
    if needs is None or version is None or needs.accepts(version):
        return report
    issue = NodeIssue(
        "comfyui_version",
        f"the template needs ComfyUI {needs.comfyui}, "
        f"and the server runs {offered.info.version}",
    )
    return replace(report, findings=(Finding(Outlook.FAILS, issue), *report.findings))
