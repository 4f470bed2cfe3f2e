"""The stages of a template, as its manifest names them, and the order they allow. Pure.

    [[stage]]
    name = "words"
    kind = "copy"

    [[stage]]
    name = "scene"
    kind = "paint"
    inputs = ["words"]

    [[stage]]
    name = "backdrop"
    kind = "upload"
    inputs = ["scene"]

Each is begun as soon as those that it names are done; what names none begins at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..steps.records import StageKind

_TAKES: Mapping[StageKind, frozenset[StageKind]] = {
    "copy": frozenset({"observe"}),
    "observe": frozenset(),
    "paint": frozenset({"copy", "observe"}),
    "upload": frozenset({"paint", "observe"}),
    "render": frozenset({"copy", "observe", "paint", "upload"}),
}
"""The kinds that each kind works from."""


class StagePart(BaseModel):
    """One `[[stage]]` of a manifest."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, strict=True
    )

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    """What other stages and the template know it by: `stages.<name>`."""
    kind: StageKind
    inputs: list[str] = Field(default_factory=list)
    """The stages that it works from."""
    model: str = ""
    """A model or alias, in place of the environment's."""
    required: bool = True
    """Whether the job fails where it comes to nothing; else it is empty then."""
    prompt: Annotated[str, Field(max_length=2000)] = ""
    """What to paint; behind the words of a copy stage that it works from."""
    negative: Annotated[str, Field(max_length=500)] = ""
    """What not to paint."""
    size: Annotated[str, Field(pattern=r"^(\d{2,5}\*\d{2,5})?$")] = ""
    """`width*height`; the model's own where it is not given."""
    count: Annotated[int, Field(ge=1, le=6)] = 1
    """How many pictures; each is billed."""


def mistakes_in(stages: Sequence[StagePart]) -> Iterator[str]:
    """What is wrong with a manifest's stages, in words."""
    kinds: dict[str, StageKind] = {}
    for stage in stages:
        if stage.name in kinds:
            yield f"the stage {stage.name!r} is there twice"
        kinds[stage.name] = stage.kind
    renders = [stage.name for stage in stages if stage.kind == "render"]
    if len(renders) > 1:
        yield f"there is one graph, so one render stage, not {' and '.join(renders)}"
    for stage in stages:
        yield from _wrong_inputs(stage, kinds)
    cycle = _cycle(stages)
    if cycle:
        yield f"the stages {' → '.join(cycle)} wait for each other"


def _wrong_inputs(stage: StagePart, kinds: Mapping[str, StageKind]) -> Iterator[str]:
    own = f"the stage {stage.name!r}"
    for name in stage.inputs:
        if name not in kinds:
            close = get_close_matches(name, list(kinds), n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            yield f"{own} works from {name!r}, which is no stage{meant}"
        elif kinds[name] not in _TAKES[stage.kind]:
            takes = ", ".join(sorted(_TAKES[stage.kind])) or "nothing"
            yield (
                f"{own} is of kind {stage.kind!r}, which works from {takes}, and "
                f"{name!r} is of kind {kinds[name]!r}"
            )
    if len(set(stage.inputs)) != len(stage.inputs):
        yield f"{own} names an input twice"
    given = [kinds.get(name) for name in stage.inputs]
    if stage.kind == "upload" and not given:
        yield f"{own} has nothing to upload: name a paint or observe stage in inputs"
    if stage.kind == "paint" and "copy" not in given and not stage.prompt:
        yield f"{own} has nothing to paint: give a prompt, or a copy stage in inputs"
    if stage.kind != "paint" and (stage.prompt or stage.negative or stage.size):
        yield f"{own} paints nothing: prompt, negative and size are for kind 'paint'"
    if stage.model and stage.kind in {"upload", "render"}:
        yield f"{own} asks no model"


def _cycle(stages: Sequence[StagePart]) -> list[str]:
    """Stages that wait for each other, the first one again at the end."""
    inputs = {stage.name: stage.inputs for stage in stages}
    settled: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in settled or name not in inputs:
            return []
        for other in inputs[name]:
            found = visit(other, [*path, name])
            if found:
                return found
        settled.add(name)
        return []

    for name in inputs:
        found = visit(name, [])
        if found:
            return found
    return []
