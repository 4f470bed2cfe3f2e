"""What of an exported graph a template could take as parameters, and gives. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeGuard

from pydantic import JsonValue

from ..errors import TemplateError
from ..graph import Graph, is_link, links, short
from ..workflow import NamedOutput, Workflow
from .filters import MAX_SEED
from .graphdiff import model_inputs
from .manifest import KEY, meant

Fill: TypeAlias = Literal["seed", "parameter", "photo"]
"""The workflow's seed, a parameter of its own, or a photo of the trip."""

MAX_TEXT = 100_000
"""A longer text cannot be a parameter's default."""

SEED = "seed"
SIZES = ("width", "height")

_SEED_INPUTS = frozenset({"seed", "noise_seed"})
_FILES = frozenset({"image", "video", "audio", "file"})
_SIDES = {"positive": "prompt", "negative": "negative_prompt"}
_MAX_NUMBER = 1e300
_SAVERS = re.compile(r"Save|VHS_VideoCombine")
_SHOWERS = re.compile(r"Preview|Show")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One input of the graph that the template could fill."""

    node_id: str
    input_name: str
    name: str
    """The parameter's."""
    value: JsonValue
    """What the exported graph has there: the default."""
    fill: Fill = "parameter"

    @property
    def place(self) -> str:
        """`node.input`, as `--param` takes it."""
        return f"{self.node_id}.{self.input_name}"

    def __str__(self) -> str:
        return f"{self.name}: {self.place} = {short(self.value)}"


def propose(workflow: Workflow) -> list[Proposal]:
    """Seeds, prompts, sizes, model files and images, each under a name of its own."""
    graph = workflow.graph
    found = [*_seeds(graph), *_prompts(graph), *_sizes(graph), *_files(graph)]
    inputs: dict[tuple[str, str], Proposal] = {}
    for one in found:
        inputs.setdefault((one.node_id, one.input_name), one)
    taken: dict[str, int] = {}
    named: list[Proposal] = []
    for one in inputs.values():
        if one.fill == "seed":
            named.append(one)
            continue
        number = taken[one.name] = taken.get(one.name, 0) + 1
        name = one.name if number == 1 else f"{one.name}_{number}"
        named.append(replace(one, name=name))
    return named


def chosen(workflow: Workflow, params: Sequence[str]) -> list[Proposal]:
    """What `node.input=name` names: inputs that the template is to fill.

    An input with a seed under the name `seed` takes the workflow's seed; one name for
    several inputs fills all of them.

    Raises:
        TemplateError: there is no such input, or it cannot be a parameter.
    """
    found: dict[tuple[str, str], Proposal] = {}
    values: dict[str, JsonValue] = {}
    for text in params:
        one = _named(workflow.graph, text)
        if (one.node_id, one.input_name) in found:
            raise TemplateError(f"--param {text}: {one.place} is named twice")
        first = values.setdefault(one.name, one.value)
        if one.fill == "parameter" and not _same(first, one.value):
            raise TemplateError(
                f"--param {text}: {one.name} has the value {short(first)} elsewhere, "
                f"and {short(one.value)} here",
                hint="give the two names of their own",
            )
        found[one.node_id, one.input_name] = one
    return list(found.values())


def photo(workflow: Workflow, place: str) -> Proposal:
    """An input such as `10.image` that takes a photo of the trip.

    Raises:
        TemplateError: there is no such input, or it holds no file's name.
    """
    node_id, input_name, value = _find(workflow.graph, place, f"--photo {place}")
    if not isinstance(value, str):
        raise TemplateError(f"--photo {place}: it holds {short(value)}, no file's name")
    return Proposal(node_id, input_name, "photo", value, fill="photo")


def outputs_of(workflow: Workflow) -> list[NamedOutput]:
    """What the graph gives: its saving nodes, else previews, else its ends."""
    graph = workflow.graph
    classes = {node_id: workflow.class_type(node_id) or "" for node_id in graph}
    used = {source for node in graph.values() for _, source in links(node)}
    ends = [node_id for node_id in graph if node_id not in used]
    saving = [n for n in graph if _SAVERS.match(classes[n])]
    showing = [n for n in ends if _SHOWERS.match(classes[n])]
    counts: dict[str, int] = {}
    found = []
    for node_id in saving or showing or ends:
        name, key = _output_kind(classes[node_id])
        number = counts[name] = counts.get(name, 0) + 1
        name = name if number == 1 else f"{name}_{number}"
        found.append(NamedOutput(name, node_id, key=key, required=bool(saving)))
    return found


def is_seed(name: str, value: JsonValue) -> bool:
    """Whether an input is a seed that the workflow's own seed may fill."""
    return name in _SEED_INPUTS and _is_whole(value) and 0 <= value <= MAX_SEED


def _seeds(graph: Graph) -> Iterator[Proposal]:
    for node_id, name, value in _constants(graph):
        if is_seed(name, value):
            yield Proposal(node_id, name, SEED, value, fill="seed")


def _prompts(graph: Graph) -> Iterator[Proposal]:
    sides = _sides(graph)
    for node_id, name, value in _constants(graph):
        encodes = "TextEncode" in _class(graph, node_id)
        if encodes and isinstance(value, str) and _is_prompt(name, value):
            side = sides.get(node_id, "prompt")
            yield Proposal(node_id, name, side, value)


def _is_prompt(name: str, value: str) -> bool:
    return (name.startswith("text") or "prompt" in name) and len(value) <= MAX_TEXT


def _sides(graph: Graph) -> dict[str, str]:
    """The nodes that samplers' `positive` and `negative` come from."""
    found: dict[str, str] = {}
    for side, name in _SIDES.items():
        waiting = [
            source
            for node in graph.values()
            for input_name, source in links(node)
            if input_name == side
        ]
        seen: set[str] = set()
        while waiting:
            node_id = waiting.pop()
            if node_id in seen:
                continue
            seen.add(node_id)
            found.setdefault(node_id, name)
            waiting += [
                source
                for name_in, source in links(graph[node_id])
                if name_in.startswith("conditioning")
            ]
    return found


def _sizes(graph: Graph) -> Iterator[Proposal]:
    for node_id, name, value in _constants(graph):
        if name in SIZES and _is_whole(value) and _class(graph, node_id)[:5] == "Empty":
            yield Proposal(node_id, name, name, value)


def _files(graph: Graph) -> Iterator[Proposal]:
    for node_id, name, file in model_inputs(graph):
        if len(file) <= MAX_TEXT:
            yield Proposal(node_id, name, _word(name.removesuffix("_name")), file)
    for node_id, name, value in _constants(graph):
        loads = _class(graph, node_id).startswith("Load") and name in _FILES
        if loads and isinstance(value, str) and len(value) <= MAX_TEXT:
            yield Proposal(node_id, name, name, value)


def _named(graph: Graph, text: str) -> Proposal:
    place, equals, name = text.rpartition("=")
    if not equals:
        raise TemplateError(f"--param takes NODE.INPUT=NAME, got {text!r:.60}")
    if not KEY.fullmatch(name):
        raise TemplateError(
            f"--param {text}: {name!r:.60} is no name like 'show_scale'",
            hint="lower-case letters, digits and _, a letter first",
        )
    node_id, input_name, value = _find(graph, place, f"--param {text}")
    if name == SEED and is_seed(input_name, value):
        return Proposal(node_id, input_name, name, value, fill="seed")
    problem = _unfit(value)
    if problem is not None:
        raise TemplateError(f"--param {text}: {problem}")
    return Proposal(node_id, input_name, name, value)


def _find(graph: Graph, place: str, option: str) -> tuple[str, str, JsonValue]:
    """Node id, name and value; both ids and names may hold dots."""
    found = [one for one in _inputs(graph) if f"{one[0]}.{one[1]}" == place]
    if len(found) == 1:
        return found[0]
    if found:
        raise TemplateError(
            f"{option}: {place!r:.80} could be an input of each of the nodes "
            + ", ".join(repr(node_id) for node_id, _, _ in found),
            hint="rename one of the nodes in the exported file",
        )
    known = [f"{node_id}.{name}" for node_id, name, _ in _inputs(graph)]
    node_id = place.partition(".")[0]
    there = [one for one in known if one.startswith(f"{node_id}.")]
    raise TemplateError(
        f"{option}: the graph has no input {place!r:.80}{meant(place, known)}",
        hint=f"node {node_id} has {', '.join(there)}" if there else None,
    )


def _unfit(value: JsonValue) -> str | None:
    """Why a value cannot be a parameter's default."""
    match value:
        case _ if is_link(value):
            return f"it is a link to node {value[0]}, not a value"
        case None | list() | dict():
            return f"its value is {short(value)}: only texts, numbers and booleans can"
        case str() if len(value) > MAX_TEXT:
            return f"its text has {len(value)} characters; at most {MAX_TEXT} can"
        case float() if not abs(value) < _MAX_NUMBER:
            return f"its number {value!r} is too large"
    return None


def _inputs(graph: Graph) -> Iterator[tuple[str, str, JsonValue]]:
    for node_id, node in graph.items():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        for name, value in inputs.items() if isinstance(inputs, dict) else ():
            yield node_id, name, value


def _constants(graph: Graph) -> Iterator[tuple[str, str, JsonValue]]:
    return (one for one in _inputs(graph) if not is_link(one[2]))


def _class(graph: Graph, node_id: str) -> str:
    node = graph[node_id]
    found = node.get("class_type") if isinstance(node, dict) else None
    return found if isinstance(found, str) else ""


def _is_whole(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Apart what Python takes for equal: 1, 1.0 and true, 0.0 and -0.0."""
    return repr(one) == repr(other)


def _word(text: str) -> str:
    """A parameter's name made of an input's."""
    word = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return word if KEY.fullmatch(word) else f"model_{word}".rstrip("_")


_OUTPUTS: Mapping[str, tuple[str, str | None]] = {
    "SaveImage": ("image", "images"),
    "PreviewImage": ("image", "images"),
    "SaveAudio": ("audio", "audio"),
    "PreviewAudio": ("audio", "audio"),
    "SaveLatent": ("latent", "latents"),
}


def _output_kind(class_type: str) -> tuple[str, str | None]:
    """An output's name, and the list of the result that it is in, where known."""
    if class_type in _OUTPUTS:
        return _OUTPUTS[class_type]
    lowered = class_type.lower()
    words = ("video", "audio", "image", "latent", "text")
    return next((word for word in words if word in lowered), "output"), None
