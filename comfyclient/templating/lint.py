"""Checks a template: renders it with many trips and parameters, reads the graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import JsonValue

from ..errors import ComfyClientError, TemplateError, TemplatePlace
from ..graph import Graph, links
from ..steps.staged import Staged, rehearsed
from ..trip.published import PublishedTrip
from ..trip.trips import load_trip
from ..workflow import Workflow
from .hostile import (
    HARMLESS_TEXT,
    HOSTILE_TEXTS,
    bare,
    copy_of,
    hostile_trips,
    with_texts,
)
from .parameters import (
    ChoiceParameter,
    IntegerParameter,
    NumberParameter,
    Parameter,
    StringParameter,
)
from .template import SAMPLE, SOURCE, Template

Level: TypeAlias = Literal["error", "warning"]

_SEED = 7


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a template, or could be."""

    level: Level
    message: str
    place: TemplatePlace | None = None

    def __str__(self) -> str:
        where = "" if self.place is None else f" [{self.place}]"
        return f"{self.level}: {self.message}{where}"


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was found, and how much was tried."""

    template: str
    findings: tuple[Finding, ...]
    renderings: int

    @property
    def has_errors(self) -> bool:
        """Whether the template must not be used."""
        return any(finding.level == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        errors = sum(finding.level == "error" for finding in self.findings)
        warnings = len(self.findings) - errors
        tried = f"{self.renderings} renderings"
        if not self.findings:
            return f"ok, {tried}"
        return f"{errors} errors, {warnings} warnings, {tried}"

    def as_json(self) -> JsonValue:
        """The report for a script."""
        return {
            "template": self.template,
            "ok": not self.has_errors,
            "renderings": self.renderings,
            "findings": [
                {
                    "level": finding.level,
                    "message": finding.message,
                    "line": None if finding.place is None else finding.place.line,
                }
                for finding in self.findings
            ],
        }


def lint(template: Template) -> LintReport:
    """Render with the sample trip, hostile trips and every parameter; check the graphs.

    It raises nothing for a bad template: whatever goes wrong is a finding.
    """
    check = _Check(template)
    check.run()
    findings = sorted(check.findings, key=lambda finding: finding.level)
    return LintReport(template.ref, tuple(findings), check.renderings)


@dataclass(slots=True)
class _Check:
    """One pass over one template."""

    template: Template
    findings: dict[Finding, None] = field(default_factory=dict)
    """An ordered set."""
    renderings: int = 0
    classes: set[str] = field(default_factory=set)

    def run(self) -> None:
        trip = self._sample()
        base = self._render("the sample trip", trip, {})
        if base is None:
            return
        for finding in _graph_findings(base):
            self._add(finding)
        self._failing_stages(trip)
        if trip is not None:
            self._hostile(trip)
            self._other_trips(trip)
        for name, parameter in self.template.manifest.parameters.items():
            self._parameter(name, parameter, trip)
        for finding in _manifest_findings(self.template, self.classes):
            self._add(finding)

    def _add(self, finding: Finding) -> None:
        self.findings[finding] = None

    def _sample(self) -> PublishedTrip | None:
        if not self.template.sample_trip.exists():
            if self.template.manifest.trip is not None:
                self._add(Finding("error", f"there is no {SAMPLE}"))
            return None
        try:
            return load_trip(self.template.sample_trip).for_publishing()
        except ComfyClientError as error:
            self._add(Finding("error", f"{SAMPLE}: {error}"))
        return None

    def _render(
        self,
        what: str,
        trip: PublishedTrip | None,
        params: Mapping[str, object],
        *,
        text: str | None = None,
        staged: Staged | None = None,
    ) -> Workflow | None:
        """Render; a failure is a finding. With a `text`, the copy consists of it."""
        copy = None if text is None else copy_of(text)
        self.renderings += 1
        try:
            workflow = self.template.render(
                trip, params, seed=_SEED, copy=copy, staged=staged
            )
        except ComfyClientError as error:
            self._add(Finding("error", f"with {what}: {error}", self._place(error)))
            return None
        self.classes |= set(map(str, map(workflow.class_type, workflow.graph)))
        return workflow

    def _failing_stages(self, trip: PublishedTrip | None) -> None:
        """A stage that is not required may come to nothing: the graph goes on."""
        stages = self.template.manifest.stage
        if any(not stage.required for stage in stages):
            nothing = rehearsed(stages, trip, failing=True)
            self._render("stages that came to nothing", trip, {}, staged=nothing)

    def _place(self, error: ComfyClientError) -> TemplatePlace | None:
        if not isinstance(error, TemplateError) or error.line is None:
            return None
        return TemplatePlace(self.template.ref, error.line)

    def _hostile(self, trip: PublishedTrip) -> None:
        """No text of a trip or of a copy may change the graph."""
        plain = with_texts(trip, HARMLESS_TEXT)
        expected = self._render("harmless texts", plain, {}, text=HARMLESS_TEXT)
        for text, hostile in hostile_trips(trip):
            what = f"the text {text!r:.40} all over the trip"
            self._same(expected, self._render(what, hostile, {}, text=text), what)
            self._render(f"{what} and its own copy", hostile, {})

    def _same(
        self, expected: Workflow | None, found: Workflow | None, what: str
    ) -> None:
        if expected is None or found is None:
            return
        if structure(expected.graph) != structure(found.graph):
            self._add(Finding("error", f"{what} changes nodes or links of the graph"))

    def _other_trips(self, trip: PublishedTrip) -> None:
        part = self.template.manifest.trip
        if part is None or not part.required:
            self._render("a trip that knows nothing", bare(trip), {})
        self._render("empty texts", with_texts(trip, ""), {}, text="")
        for language in self.template.manifest.languages:
            if language in {"zh", "en"}:
                other = trip.model_copy(update={"language": language})
                self._render(f"the language {language}", other, {})

    def _parameter(
        self, name: str, parameter: Parameter, trip: PublishedTrip | None
    ) -> None:
        expected: Workflow | None = None
        for value in _values_of(parameter):
            what = f"{name} = {value!r:.40}"
            found = self._render(what, trip, {name: value})
            if isinstance(parameter, StringParameter):
                expected = found if expected is None else expected
                self._same(expected, found, what)


def structure(graph: Graph) -> Mapping[str, JsonValue]:
    """A graph without its constants: ids, classes, input names and links."""
    return {
        node_id: {
            "class": node.get("class_type"),
            "links": [[name, source] for name, source in links(node)],
            "inputs": _names(node),
        }
        for node_id, node in graph.items()
        if isinstance(node, dict)
    }


def _names(node: Mapping[str, JsonValue]) -> JsonValue:
    inputs = node.get("inputs")
    return list(inputs) if isinstance(inputs, dict) else None


def _values_of(parameter: Parameter) -> Iterator[JsonValue]:
    """What a parameter could be: every choice, both bounds, hostile texts."""
    match parameter:
        case StringParameter(max_length=most):
            yield from (text[:most] for text in (HARMLESS_TEXT, *HOSTILE_TEXTS))
        case ChoiceParameter(choices=choices):
            yield from choices
        case IntegerParameter(min=low, max=high) | NumberParameter(min=low, max=high):
            yield from (bound for bound in (low, high) if bound is not None)
        case _:
            yield from _samples(parameter.type)


def _samples(kind: str) -> tuple[JsonValue, ...]:
    samples: Mapping[str, tuple[JsonValue, ...]] = {
        "boolean": (True, False),
        "colour": ("#000000", "#ffffff"),
        "seed": (0, (1 << 64) - 1),
    }
    return samples[kind]


def _graph_findings(workflow: Workflow) -> Iterator[Finding]:
    reached = _reached(workflow.graph, [o.node_id for o in workflow.outputs])
    for node_id in workflow.graph:
        place = workflow.place(node_id)
        node = f"node {node_id!r} ({workflow.class_type(node_id)})"
        if node_id not in reached:
            yield Finding("warning", f"{node} leads to no named output", place)
        if workflow.title(node_id) == workflow.class_type(node_id):
            yield Finding("warning", f"{node} has no title in _meta", place)
        yield from _input_findings(workflow, node_id, node)


def _input_findings(workflow: Workflow, node_id: str, node: str) -> Iterator[Finding]:
    found = workflow.graph[node_id]
    inputs = found.get("inputs") if isinstance(found, dict) else None
    if not isinstance(inputs, dict):
        return
    linked = {name for name, _ in links(found)}
    for name, value in inputs.items():
        if isinstance(value, list) and name not in linked:
            yield Finding(
                "error",
                f"{node}.{name} is a list, which a server reads as a link: "
                "use json_text where the node takes JSON text, else "
                '{"__value__": […]}',
                workflow.place(node_id, name),
            )
    saves = str(workflow.class_type(node_id)).startswith("Save")
    if saves and not inputs.get("filename_prefix"):
        yield Finding(
            "warning", f"{node} has no filename_prefix", workflow.place(node_id)
        )


def _reached(graph: Graph, roots: list[str]) -> set[str]:
    """The nodes that some of the roots depend on, themselves included."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        node_id = waiting.pop()
        if node_id not in reached:
            reached.add(node_id)
            waiting.extend(source for _, source in links(graph[node_id]))
    return reached


def _manifest_findings(template: Template, classes: set[str]) -> Iterator[Finding]:
    manifest, source = template.manifest, template.source
    part = manifest.trip
    yield from _compared(
        "requirements.node_classes", set(manifest.requirements.node_classes), classes
    )
    yield from _compared(
        "trip.takes",
        set() if part is None else set(part.takes),
        set(source.reads.trip),
    )
    for name in manifest.parameters:
        if name not in source.reads.params:
            yield Finding("warning", f"{SOURCE} does not use the parameter {name!r}")


def _compared(key: str, declared: set[str], used: set[str]) -> Iterator[Finding]:
    """A manifest's list must hold what is used, and should hold no more."""
    for name in sorted(used - declared):
        yield Finding("error", f"{name!r} is used, but is not in the manifest's {key}")
    for name in sorted(declared - used):
        yield Finding("warning", f"{name!r} of the manifest's {key} is never used")
