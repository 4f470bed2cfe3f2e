"""What a server said of a graph, held against what the check says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfyclient.preflight.findings import Outlook, Report

EXCEPTIONS = ("exception_during_validation", "exception_during_inner_validation")
"""The server's own code failed; it names the node that was to take, not the cause."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A server's answer to `POST /prompt`, without its words."""

    verdict: str
    """`ok`, `partial`, `refused`, `crash`."""
    errors: Mapping[str, list[str]]
    """Kinds by node id; under an empty id, the one of the whole graph."""

    @classmethod
    def of(cls, status: int, body: Mapping[str, Any]) -> Judgement:
        """Read an answer."""
        if status not in (200, 400):
            return cls("crash", {})
        named = body.get("node_errors") or {}
        errors = {
            node_id: sorted({one["type"] for one in node["errors"]})
            for node_id, node in dict(named).items()
        }
        if status == 200:
            return cls("partial" if errors else "ok", errors)
        error = body["error"]
        kind = error["type"] if isinstance(error, dict) else "invalid_prompt"
        return cls("refused", errors or {"": [kind]})


def disagreement(report: Report, said: Judgement) -> str | None:
    """How the check and the server differ; None where they agree."""
    sure = any(one.outlook is Outlook.REFUSED for one in report.findings)
    doubt = any(one.outlook is Outlook.DOUBTFUL for one in report.findings)
    if said.verdict == "ok":
        return "false alarm" if sure else None
    if report.ok:
        return "doubted" if doubt else "missed"
    return _other_errors(report, said)


def _other_errors(report: Report, said: Judgement) -> str | None:
    """Whether the server names an error that the check does not."""
    ours = {(one.issue.node_id, one.issue.kind) for one in report.findings}
    kinds = {kind for _, kind in ours}
    wrong = {one.node_id for one in report.errors}
    for node_id, errors in said.errors.items():
        for kind in errors:
            if kind in EXCEPTIONS or kind == "prompt_outputs_failed_validation":
                continue
            if kind == "custom_validation_failed" and node_id in wrong:
                continue  # a class's own check fails too where an input is wrong
            if node_id == "":
                known = kinds & {kind, "missing_node_type", "invalid_prompt"}
            else:
                known = {kind} & {k for n, k in ours if n == node_id}
            if not known:
                return f"not found: {kind}"
    return None
