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
from ..transports.version_range import VersionRange
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
    declared: str | None = None
    """The range of ComfyUI versions that the environment declares."""


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
            tuple(
                (one, judge(template, workflow, one, declared=column.declared))
                for one in column.offers
            ),
            column.trouble,
        )
        for column in columns
    ]


def judge(
    template: Template | None,
    workflow: Workflow,
    offered: Snapshot,
    *,
    declared: str | None = None,
) -> Report:
    """What would become of a graph on a server.

    By the server's own rules, by what the template needs, and by the range of versions
    that the environment declares, outside of which nothing is sent.
    """
    report = check(workflow, offered.info)
    version = parse_version(offered.info.version)
    wrong: list[str] = []
    if version is not None:
        if declared is not None and not VersionRange(declared).allows(version):
            wrong.append(f"the environment's comfyui_version declares {declared}")
        needs = None if template is None else template.manifest.requirements
        if needs is not None and not needs.accepts(version):
            wrong.append(f"the template needs ComfyUI {needs.comfyui}")
    runs = f", and the server runs {offered.info.version}"
    found = [
        Finding(Outlook.FAILS, NodeIssue("comfyui_version", words + runs))
        for words in wrong
    ]
    return replace(report, findings=(*found, *report.findings))
