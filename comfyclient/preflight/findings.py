"""What a check of a graph found, and the error that it amounts to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import JsonValue

from ..errors import MissingModelError, MissingNodeError, NodeIssue, ValidationError

Lack: TypeAlias = Literal["node", "model", "file"]
"""What is not on the server, where that is all that is wrong."""


class Outlook(StrEnum):
    """What the server will make of something that was found."""

    REFUSED = "refused"
    """It does not take the graph, or drops the outputs that depend on the node."""
    FAILS = "fails"
    """It takes the graph, and the node fails when it runs."""
    DOUBTFUL = "doubtful"
    """It refuses the graph unless the class, or its release, sees that differently."""
    IGNORED = "ignored"
    """It takes the graph and does something else than what was written."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, and what comes of it."""

    outlook: Outlook
    issue: NodeIssue
    lacks: Lack | None = None

    @property
    def is_error(self) -> bool:
        """Whether the graph cannot give its pictures."""
        return self.outlook in (Outlook.REFUSED, Outlook.FAILS)

    def as_json(self) -> dict[str, JsonValue]:
        """The finding for a script."""
        issue = self.issue
        place = issue.place
        return {
            "level": "error" if self.is_error else "warning",
            "outlook": self.outlook.value,
            "kind": issue.kind,
            "message": issue.message,
            "node_id": issue.node_id,
            "class_type": issue.class_type,
            "title": issue.title,
            "input": issue.input_name,
            "value": issue.value,
            "allowed": issue.allowed,
            "template": None if place is None else place.template,
            "line": None if place is None else place.line,
            "slot": None if place is None else place.expression,
            "text": str(issue),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a server would make of a graph."""

    findings: tuple[Finding, ...]
    """Errors first; of each kind, in the graph's order."""
    outputs: tuple[str, ...]
    """The nodes that give results."""
    lost: tuple[str, ...]
    """Those of them that depend on a node with an error."""

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of the whole graph."""
        return not self.errors

    @property
    def errors(self) -> tuple[NodeIssue, ...]:
        """What makes the server refuse the graph, or a node fail."""
        return tuple(one.issue for one in self.findings if one.is_error)

    @property
    def warnings(self) -> tuple[NodeIssue, ...]:
        """What may not be as it was meant, but does not stand in the way."""
        return tuple(one.issue for one in self.findings if not one.is_error)

    @property
    def refused(self) -> bool:
        """Whether the server refuses the graph, or a part of it."""
        return any(one.outlook is Outlook.REFUSED for one in self.findings)

    @property
    def partial(self) -> bool:
        """Whether some outputs are lost while others would run."""
        return bool(self.lost) and len(self.lost) < len(self.outputs)

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        errors, warnings = len(self.errors), len(self.warnings)
        if not errors and not warnings:
            return "ok"
        said = [_counted(errors, "error"), _counted(warnings, "warning")]
        return ", ".join(text for text in said if text)

    def error(
        self, *, allow_partial: bool = False, instance: str | None = None
    ) -> ValidationError | None:
        """What `submit` raises in place of sending; None where the graph may be sent.

        With `allow_partial`, it may where the server drops outputs and runs others.
        """
        found = [one for one in self.findings if one.is_error]
        drops = all(one.outlook is Outlook.REFUSED for one in found)
        if not found or (allow_partial and self.partial and drops):
            return None
        kind, hint = _narrowest(found)
        nodes = len({one.issue.node_id for one in found})
        what = "the server would refuse the graph"
        if not self.refused:
            what = "the server would take the graph, and the job fail"
        return kind(
            f"{what}: {_counted(len(found), 'problem')} in "
            f"{_counted(nodes, 'node')}; nothing was sent",
            issues=self.errors,
            hint=hint,
            instance=instance,
        )

    def as_json(self) -> dict[str, JsonValue]:
        """The report for a script."""
        return {
            "ok": self.ok,
            "outputs": list(self.outputs),
            "lost": list(self.lost),
            "findings": [one.as_json() for one in self.findings],
        }


def _narrowest(found: list[Finding]) -> tuple[type[ValidationError], str | None]:
    """The class that fits every error: a narrower one must be the whole story."""
    lacks = {one.lacks for one in found}
    if lacks == {"node"}:
        return MissingNodeError, "install the node pack there, or choose another server"
    if lacks == {"model"}:
        return MissingModelError, "put the model file there, or choose another server"
    if lacks == {"file"}:
        return ValidationError, "upload the file first, or give it with the workflow"
    return ValidationError, None


def _counted(number: int, what: str) -> str:
    return "" if not number else f"{number} {what}{'' if number == 1 else 's'}"
