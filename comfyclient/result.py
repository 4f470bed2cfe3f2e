"""What a job brought: its outputs, by name where the template names them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from .errors import OutputMissingError
from .events import NodeOutput
from .files.outputs import Homecoming, Opener, Output, OutputRef
from .steps.answers import Usage
from .steps.records import StageRecord, usage_of
from .timing import SYSTEM_CLOCK, Clock
from .transports.base import Verdict
from .workflow import NamedOutput, Workflow


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result came from: enough to make it again."""

    job_id: str
    environment: str
    instance: str
    """The instance that made it, by its name in the configuration."""
    template: str | None
    """`name@version`; None for a graph of the caller's own."""
    digest: str
    """SHA-256 of the graph's canonical JSON."""
    seed: int | None
    """The template's; None for a graph of the caller's own."""
    prompt_id: str
    """The server's id for the attempt that succeeded."""
    submitted_at: datetime
    """By this machine's clock."""
    started_at: datetime | None = None
    """By the server's clock."""
    ended_at: datetime | None = None
    cached_nodes: tuple[str, ...] = ()
    """Nodes whose results the server had already."""
    stages: tuple[StageRecord, ...] = ()
    """What was written, looked at and painted before, by whom, and what it cost."""

    @property
    def usage(self) -> Usage:
        """What the hosted models were paid for: tokens and pictures."""
        return usage_of(self.stages)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished job's outputs and where they came from."""

    outputs: tuple[Output, ...]
    """Named ones first, in the manifest's order; then saved files, then temp files."""
    values: Mapping[str, Mapping[str, JsonValue]]
    """What nodes showed besides files, such as text, by node id."""
    provenance: Provenance

    def output(self, name: str) -> Output:
        """The output of this name in the template's manifest.

        Raises:
            OutputMissingError: there is none; the message lists what there is.
        """
        for output in self.outputs:
            if output.name == name:
                return output
        names = ", ".join(sorted({o.name for o in self.outputs if o.name})) or "none"
        raise OutputMissingError(
            f"no output is named {name!r}; named ones: {names}",
            job_id=self.provenance.job_id,
        )

    def save_all(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Save every output into a folder; the paths, in the order of `outputs`.

        Raises:
            ComfyClientError: as `Output.save` does; what was saved before stays.
        """
        return [output.save(folder) for output in self.outputs]


def gather(
    verdict: Verdict,
    workflow: Workflow,
    provenance: Provenance,
    *,
    opener: Opener,
    on_home: Callable[[Homecoming], None] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Result:
    """The result of a job that succeeded; its files are fetched when saved or read.

    Raises:
        OutputMissingError: an output that the manifest requires is not there.
    """
    named = list(_named(verdict.outputs, workflow, provenance))
    taken = {ref for _, ref in named}
    rest = [
        ref
        for node in verdict.outputs.values()
        for ref in node.refs
        if ref not in taken
    ]
    rest.sort(key=lambda ref: ref.type != "output")
    found: list[tuple[str | None, OutputRef]] = [*named, *((None, ref) for ref in rest)]
    values = {node_id: out.values for node_id, out in verdict.outputs.items()}
    return Result(
        outputs=tuple(
            Output(ref, opener, name=name, on_home=on_home, clock=clock)
            for name, ref in found
        ),
        values={node_id: shown for node_id, shown in values.items() if shown},
        provenance=provenance,
    )


def wanted(verdict: Verdict, workflow: Workflow) -> list[OutputRef]:
    """The files that a job was for: those with a name; all, where none has one."""
    outputs = verdict.outputs
    named = [
        ref
        for output in workflow.outputs
        for ref in _refs_of(outputs.get(output.node_id), output)
    ]
    return named or [ref for node in outputs.values() for ref in node.refs]


def brings_nothing(verdict: Verdict, workflow: Workflow) -> bool:
    """Whether a job that succeeded has no file to bring home, and need not have one."""
    if verdict.error is not None or any(named.required for named in workflow.outputs):
        return False
    return not any(node.refs for node in verdict.outputs.values())


def _named(
    outputs: Mapping[str, NodeOutput], workflow: Workflow, provenance: Provenance
) -> Iterator[tuple[str, OutputRef]]:
    for named in workflow.outputs:
        refs = _refs_of(outputs.get(named.node_id), named)
        if not refs and named.required:
            raise OutputMissingError(
                f"the job succeeded, but its node {named.node_id} gave no "
                f"{named.name!r}",
                job_id=provenance.job_id,
                instance=provenance.instance,
            )
        for ref in refs:
            yield named.name, ref


def _refs_of(output: NodeOutput | None, named: NamedOutput) -> list[OutputRef]:
    if output is None:
        return []
    return [ref for ref in output.refs if named.key is None or ref.key == named.key]
