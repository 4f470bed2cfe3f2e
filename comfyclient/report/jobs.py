"""One job of the ledger, as a report shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from ..files.outputs import SavedFile
from ..graph import Graph
from ..ledger.records import JobRow, JobState
from ..templating.graphdiff import model_inputs
from ..timing import Span

NO_TEMPLATE = "graphs without a template"


@dataclass(frozen=True, slots=True)
class NodeTime:
    """How long one node of a job was at work."""

    name: str
    """Its title in the graph, or its class."""
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportJob:
    """One job, as the report shows it."""

    row: JobRow
    template: str
    models: frozenset[str]
    """Model files that its graph names."""
    nodes: tuple[NodeTime, ...]
    queued_s: float | None
    """From the intent to the start; None where it never ran."""
    ran_s: float | None
    """On the server, by the server's clock where it told."""

    @property
    def files(self) -> tuple[SavedFile, ...]:
        """What came home."""
        return self.row.files

    @property
    def good(self) -> bool:
        """Whether it succeeded."""
        return self.row.state in {JobState.SUCCEEDED, JobState.COLLECTED}

    @property
    def ended_badly(self) -> bool:
        """Whether it ended without a result."""
        return self.row.state.terminal and not self.good


def report_job(row: JobRow, graph: JsonValue) -> ReportJob:
    """A job of the ledger with what its graph adds; the graph is not kept."""
    known = graph if isinstance(graph, dict) else {}
    at_work = ran(row)
    begun = None if at_work is None else at_work.begin
    return ReportJob(
        row=row,
        template=row.template or NO_TEMPLATE,
        models=frozenset(file for _, _, file in model_inputs(known)),
        nodes=tuple(_node_times(row, known)),
        queued_s=None if begun is None else Span(row.created_at, begun).seconds,
        ran_s=None if at_work is None else at_work.seconds,
    )


def _node_times(row: JobRow, graph: Graph) -> Iterable[NodeTime]:
    told = row.told.get("node_seconds")
    for node_id, seconds in told.items() if isinstance(told, dict) else ():
        if isinstance(seconds, int | float):
            yield NodeTime(_node_name(graph, node_id), float(seconds))


def _node_name(graph: Graph, node_id: str) -> str:
    node = graph.get(node_id)
    if not isinstance(node, dict):
        return f"node {node_id}"
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return str(title or node.get("class_type") or f"node {node_id}")


def ran(row: JobRow) -> Span | None:
    """When the last attempt was at work, on our clock.

    The server's clock may differ: only the length is taken from it.
    """
    if row.ended_at is None or row.attempt is None:
        return None
    accepted = row.attempt.accepted_at
    if accepted is None:
        return None
    begun, ended = (_moment(row.told.get(key)) for key in ("started_at", "ended_at"))
    if begun is None or ended is None or ended < begun:
        return Span(accepted, row.ended_at)
    return Span(max(accepted, row.ended_at - (ended - begun)), row.ended_at)


def _moment(value: JsonValue) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else moment
