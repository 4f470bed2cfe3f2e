"""How much of a graph is done, from the events of its job. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ..events import (
    Event,
    Finished,
    NodeFinished,
    NodeProgress,
    NodesCached,
    NodeStarted,
    Progress,
    StageFinished,
    StageStarted,
)
from ..workflow import Workflow

WEIGHTS: Mapping[str, float] = {
    "KSampler": 20,
    "KSamplerAdvanced": 20,
    "SamplerCustom": 20,
    "SamplerCustomAdvanced": 20,
    "CheckpointLoaderSimple": 8,
    "UNETLoader": 8,
    "DualCLIPLoader": 5,
    "CLIPLoader": 4,
    "VAEDecode": 3,
    "VAEDecodeTiled": 5,
    "VAEEncode": 2,
    "ImageUpscaleWithModel": 8,
}
"""Rough work of common node classes, as multiples of an ordinary node's."""

SMALLEST_STEP = 0.001
STAGE_SHARE = 0.1
"""Of a whole job, each stage before its graph; at most half of it all together."""


class ProgressMeter:
    """Turns node events into a fraction of the whole graph that never falls.

    Every node counts by its weight; one that is cached counts as done at once. What the
    server does not run (it leads to no output) is made up for by the job's end.
    """

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._weights = {
            node_id: _weight(workflow.class_type(node_id)) for node_id in workflow.graph
        }
        self._total = sum(self._weights.values()) or 1.0
        self._shares: dict[str, float] = {}
        self._current: str | None = None
        self._before = min(0.5, STAGE_SHARE * len(workflow.stages))
        self._told: tuple[float, str | None] = (0.0, None)

    @property
    def fraction(self) -> float:
        """What is done, 0..1."""
        return self._told[0]

    @property
    def current(self) -> str | None:
        """The node at work."""
        return self._current

    def stages(self) -> Iterator[Event]:
        """What the stages before the graph told, and the progress that they were."""
        records = self._workflow.stages
        for record in records:
            yield StageStarted(record.name, record.kind)
        for number, record in enumerate(records, start=1):
            yield StageFinished(record)
            self._told = (self._before * number / len(records), None)
            yield Progress(self._told[0], title=record.name)

    def apply(self, event: Event) -> Progress | None:
        """Take an event in; the new progress, where it moved."""
        match event:
            case NodesCached(node_ids=node_ids):
                for node_id in node_ids:
                    self._reach(node_id, 1.0)
            case NodeStarted(node_id=node_id):
                self._start(node_id)
            case NodeProgress(node_id=node_id, value=value, maximum=maximum):
                self._reach(node_id, _share(value, maximum))
            case NodeFinished(node_id=node_id):
                self._reach(node_id, 1.0)
            case Finished(error=None):
                return self._tell(1.0)
            case _:
                return None
        done = sum(self._weights[node] * share for node, share in self._shares.items())
        # the last step belongs to the server's word that it is done
        share = self._before + (1 - self._before) * done / self._total
        return self._tell(min(share, 0.99))

    def restart(self) -> None:
        """The graph runs from its beginning again; what was told does not fall."""
        self._shares.clear()
        self._current = None

    def _start(self, node_id: str) -> None:
        """One node runs at a time: the one before it is done (old servers are mute)."""
        if self._current is not None and self._current != node_id:
            self._reach(self._current, 1.0)
        self._current = node_id
        self._reach(node_id, 0.0)

    def _reach(self, node_id: str, share: float) -> None:
        if node_id in self._weights:
            self._shares[node_id] = max(share, self._shares.get(node_id, 0.0))

    def _tell(self, fraction: float) -> Progress | None:
        before, node_before = self._told
        fraction = max(fraction, before)
        moved = fraction - before >= SMALLEST_STEP or (fraction == 1.0 and before < 1.0)
        if not moved and self._current == node_before:
            return None
        self._told = (fraction, self._current)
        title = None if self._current is None else self._workflow.title(self._current)
        return Progress(fraction, self._current, title)


def _weight(class_type: JsonValue) -> float:
    return WEIGHTS.get(class_type, 1.0) if isinstance(class_type, str) else 1.0


def _share(value: float, maximum: float) -> float:
    if not 0 < maximum < float("inf") or not value >= 0:  # NaN fails comparisons
        return 0.0
    return min(value / maximum, 1.0)
