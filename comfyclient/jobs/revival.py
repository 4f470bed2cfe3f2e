"""What the ledger keeps of a job to take it up again, and the job made of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ..errors import LedgerError
from ..events import NodeOutput
from ..files.outputs import OutputRef
from ..graph import graph_problems
from ..ledger.records import JobRow
from ..steps.answers import Usage
from ..steps.records import Source, StageKind, StageRecord
from ..transports.base import Verdict
from ..workflow import InputFile, NamedOutput, Workflow


class _Kept(BaseModel):
    """Rows of newer versions may hold more."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")


class _KeptOutput(_Kept):
    name: str
    node_id: str
    key: str | None = None
    required: bool = True


class _KeptFile(_Kept):
    name: str
    sha256: str
    size: int
    path: Path | None = None
    """None where the caller gave bytes: they are not kept."""


class _KeptStage(_Kept):
    name: str
    kind: StageKind
    begun_at: datetime
    seconds: float
    source: Source = "offline"
    model: str | None = None
    request_id: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    warning: str | None = None

    def record(self) -> StageRecord:
        """The stage as it was."""
        usage = Usage(self.input_tokens, self.output_tokens, self.images)
        costs = {"input_tokens", "output_tokens", "images"}
        return StageRecord(**self.model_dump(exclude=costs), usage=usage)


class Terms(_Kept):
    """How a job is to be sent and how long it may take, beside its graph."""

    allow_partial: bool = False
    previews: bool = False
    total_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600
    queue_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300
    silence_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    priority: int = 0

    def after(self, left_s: float) -> Terms:
        """What is left of them once the stages took their time."""
        total = max(1.0, left_s)
        queue = min(self.queue_s, total)
        return self.model_copy(update={"total_s": total, "queue_s": queue})


class _Extra(_Kept):
    terms: Terms = Field(default_factory=Terms)
    outputs: tuple[_KeptOutput, ...] = ()
    files: tuple[_KeptFile, ...] = ()
    own_prefix: bool = True
    stages: tuple[_KeptStage, ...] = ()


def extra_of(workflow: Workflow, terms: Terms) -> dict[str, JsonValue]:
    """What the ledger is to keep beside the graph."""
    extra = _Extra(
        terms=terms,
        outputs=tuple(
            _KeptOutput(name=o.name, node_id=o.node_id, key=o.key, required=o.required)
            for o in workflow.outputs
        ),
        files=tuple(map(_kept_file, workflow.files)),
        own_prefix=workflow.own_prefix,
        stages=tuple(map(_kept_stage, workflow.stages)),
    )
    kept: dict[str, JsonValue] = extra.model_dump(mode="json", exclude_defaults=True)
    return kept


def terms_of(row: JobRow) -> Terms:
    """How the job was to be sent.

    Raises:
        LedgerError: the row does not hold what this package writes.
    """
    return _extra(row).terms


def stages_of(row: JobRow) -> tuple[StageRecord, ...]:
    """What was done before the graph was filled, by whom and for how much.

    Raises:
        LedgerError: the row does not hold what this package writes.
    """
    return tuple(stage.record() for stage in _extra(row).stages)


def workflow_of(row: JobRow, graph: JsonValue) -> Workflow:
    """The job's graph, as it was meant to be sent.

    Raises:
        LedgerError: the graph was not kept, or is another one.
    """
    if not isinstance(graph, dict) or any(graph_problems(graph)):
        raise LedgerError("the ledger does not hold the job's graph", job_id=row.job_id)
    extra = _extra(row)
    workflow = Workflow(
        graph,
        template=row.template,
        seed=row.seed,
        params=row.params,
        files=[InputFile(f.name, f.sha256, f.size, f.path) for f in extra.files],
        outputs=[
            NamedOutput(o.name, o.node_id, o.key, o.required) for o in extra.outputs
        ],
        trip_id=row.trip_id,
        own_prefix=extra.own_prefix,
        stages=stages_of(row),
    )
    if workflow.digest != row.digest:
        raise LedgerError(
            f"the ledger's graph has digest {workflow.digest[:12]}, the job's had "
            f"{row.digest[:12]}: one of them was changed",
            job_id=row.job_id,
        )
    return workflow


def told_of(
    verdict: Verdict, *, node_seconds: Mapping[str, float] | None = None
) -> dict[str, JsonValue]:
    """What a server told of a job's end, beside files and failure."""
    values: dict[str, JsonValue] = {
        node_id: dict(output.values)
        for node_id, output in verdict.outputs.items()
        if output.values
    }
    told: dict[str, JsonValue] = {
        "values": values,
        "cached_nodes": [*verdict.cached_nodes],
        "started_at": _text(verdict.started_at),
        "ended_at": _text(verdict.ended_at),
        "node_seconds": dict(node_seconds or {}),
    }
    return {name: value for name, value in told.items() if value}


def verdict_of_row(row: JobRow) -> Verdict:
    """How a job of the ledger ended."""
    error = row.error
    told = row.told
    cached = told.get("cached_nodes")
    return Verdict(
        error=(
            None
            if error is None
            else error.revived(job_id=row.job_id, instance=row.instance)
        ),
        outputs=_outputs(row.outputs, told.get("values")),
        cached_nodes=tuple(map(str, cached)) if isinstance(cached, list) else (),
        started_at=_moment(told.get("started_at")),
        ended_at=_moment(told.get("ended_at")),
    )


def _kept_file(file: InputFile) -> _KeptFile:
    path = file.source.absolute() if isinstance(file.source, Path) else None
    return _KeptFile(name=file.name, sha256=file.sha256, size=file.size, path=path)


def _kept_stage(record: StageRecord) -> _KeptStage:
    costs = asdict(record.usage)
    fields = set(_KeptStage.model_fields) - costs.keys()
    return _KeptStage(**{name: getattr(record, name) for name in fields}, **costs)


def _extra(row: JobRow) -> _Extra:
    try:
        return _Extra.model_validate(dict(row.extra))
    except ValidationError as error:
        raise LedgerError(
            f"the ledger's row holds something else than a job's terms: {error}",
            hint="bring back a copy of the ledger, or delete that row",
            job_id=row.job_id,
        ) from None


def _outputs(refs: Sequence[OutputRef], values: JsonValue) -> Mapping[str, NodeOutput]:
    shown = values if isinstance(values, dict) else {}
    outputs: dict[str, NodeOutput] = {}
    for node_id in dict.fromkeys([*(ref.node_id for ref in refs), *shown]):
        mine = shown.get(node_id)
        outputs[node_id] = NodeOutput(
            node_id,
            refs=tuple(ref for ref in refs if ref.node_id == node_id),
            values=mine if isinstance(mine, dict) else {},
        )
    return outputs


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(value: JsonValue) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
