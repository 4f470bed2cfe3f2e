"""A template at one version: a manifest and a workflow with slots, to be rendered."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

from packaging.version import Version
from pydantic import JsonValue

from ..errors import (
    ManifestError,
    ParameterError,
    RenderError,
    TemplateError,
    TemplatePlace,
    TripError,
)
from ..graph import Graph, GraphProblem, graph_problems, with_meta
from ..graph_files import refuse_constant, refuse_other_formats
from ..jsontext import Member, duplicate, members
from ..steps.staged import Staged, rehearsed
from ..trip.published import PublishedTrip
from ..trip.trips import Trip
from ..words.copywriter import OfflineCopywriter, TripCopy
from ..workflow import Workflow, unknown_outputs
from .filters import MAX_SEED
from .manifest import FILE, TRIP_FIELDS, Manifest, meant, parse_manifest
from .slots import Filled, Slot, SlotTemplate
from .uploads import TripFiles

SOURCE = "workflow.json.j2"
SAMPLE = "sample_trip.json"
SEED_BITS = 53
"""Of a seed that is drawn: what every JSON reader keeps exactly."""

_MAX_SHAPES = 64
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Template:
    """One workflow at one version, such as `trip-postcard@1.0.0`."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of a template folder `<name>/<version>`.

        Raises:
            ManifestError: it is wrong, or does not fit the folder's names.
        """
        self.folder = folder
        path = folder / FILE
        self._manifest_bytes = _read(path, ManifestError)
        self.manifest: Manifest = parse_manifest(self._manifest_bytes, path)
        self._shapes: dict[tuple[str | None, ...], bool] = {}
        found = (folder.parent.name, folder.name)
        if found != (self.name, self.manifest.version):
            raise ManifestError(
                f"says {self.ref}, but stands in the folder {'/'.join(found)}",
                file=str(path),
            )

    @property
    def name(self) -> str:
        """Its name, such as `trip-postcard`."""
        return self.manifest.name

    @cached_property
    def version(self) -> Version:
        """Its version, comparable."""
        return Version(self.manifest.version)

    @property
    def ref(self) -> str:
        """`name@version`."""
        return self.manifest.ref

    @property
    def sample_trip(self) -> Path:
        """The trip that shows what it does."""
        return self.folder / SAMPLE

    @cached_property
    def source(self) -> SlotTemplate:
        """The compiled `workflow.json.j2`.

        Raises:
            TemplateError: it cannot be read.
            RenderError: it cannot be compiled, or reads what there is not.
        """
        try:
            text = self._source_bytes.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._error(f"is not UTF-8, from byte {error.start} on", None) from (
                error
            )
        source = SlotTemplate(text, self.ref)
        for name, line in source.reads.params.items():
            if name not in self.manifest.parameters:
                raise self._error(f"the manifest has no parameter {name!r}", line)
        stages = [stage.name for stage in self.manifest.stage]
        for name, line in source.reads.stages.items():
            if name not in stages:
                raise self._error(
                    f"the manifest has no stage {name!r}{meant(name, stages)}", line
                )
        for name, line in source.reads.trip.items():
            if name not in TRIP_FIELDS:
                raise self._error(
                    f"a trip has no {name!r}{meant(name, TRIP_FIELDS)}", line
                )
        return source

    @cached_property
    def digest(self) -> str:
        """SHA-256 over manifest and workflow source, in hex, of the bytes in use.

        All that changes what it renders is in these two files.
        """
        whole = hashlib.sha256()
        for content in (self._manifest_bytes, self._source_bytes):
            whole.update(hashlib.sha256(content).digest())
        return whole.hexdigest()

    def render(
        self,
        trip: Trip | PublishedTrip | None,
        params: Mapping[str, object] = _NOTHING,
        *,
        seed: int | None = None,
        copy: TripCopy | None = None,
        staged: Staged | None = None,
        home_radius_m: float = 500,
        read_photo: Callable[[str], bytes] | None = None,
    ) -> Workflow:
        """Fill the template.

        The template sees what may be published of the trip, never the trip itself.
        Without a `seed` one is drawn; without a `copy` the trip's own facts are put
        into words. Without `staged`, what its stages give is rehearsed: offline words,
        photos that nobody looked at, and grey pictures. Photos that are
        addresses are read by `read_photo`.

        Raises:
            ParameterError: a parameter or the seed is not allowed.
            TripError: the trip lacks what the template needs.
            RenderError: the template did not give a graph; names its line.
        """
        values = self.manifest.values(params)
        seed = secrets.randbits(SEED_BITS) if seed is None else self._seed(seed)
        if isinstance(trip, Trip):
            trip = trip.for_publishing(home_radius_m=home_radius_m)
        self._require(trip)
        uploads = TripFiles(trip, read=read_photo)
        context: dict[str, object] = {
            "params": SimpleNamespace(**values),
            "seed": seed,
            "template": {"name": self.name, "version": self.manifest.version},
        }
        if staged is None:
            staged = rehearsed(self.manifest.stage, trip, copy=copy)
        context["stages"] = SimpleNamespace(**staged.values)
        if copy is None:
            copy = staged.copy
        if trip is not None:
            context["trip"] = trip
            if copy is None and "copy" in self.source.reads.names:
                copy = OfflineCopywriter().write(trip)
        if copy is not None:
            context["copy"] = copy
        filled = self.source.fill(context, uploads)
        return Workflow(
            self._graph(filled),
            template=self.ref,
            seed=seed,
            params=values,
            files=(*uploads.files, *staged.used_in(filled.text)),
            outputs=self.manifest.named_outputs(),
            trip_id=None if trip is None else trip.id,
            own_prefix=self.manifest.filename_prefix == "own",
            places=_SlotPlaces(self.ref, filled),
            stages=staged.records,
        )

    def _graph(self, filled: Filled) -> Graph:
        """The graph of a filled text, checked once for each shape it can have.

        A shape is kept with whether its nodes bring their own `_meta`.
        """
        text, shape = filled.text, filled.shape()
        complete = self._shapes.get(shape)
        if complete is not None:
            graph: dict[str, JsonValue] = json.loads(text)
            return graph if complete else with_meta(graph)
        checked = self._checked(filled, text)
        if len(self._shapes) < _MAX_SHAPES and _only_inputs(filled, text):
            self._shapes[shape] = checked == json.loads(text)
        return checked

    def _checked(self, filled: Filled, text: str) -> Graph:
        quoted = filled.quoted()
        if quoted is not None:
            raise self._error(
                f"{{{{ {quoted.expression} }}}} stands inside quotes",
                quoted.line,
                hint="a slot is a whole JSON value: remove the quotes around it; "
                'join texts inside the slot: {{ "a " ~ b }}',
            )
        graph = self._parsed(filled, text)
        refuse_other_formats(graph, f"{self.ref} {SOURCE}")
        twice = duplicate(text)
        if twice is not None:
            raise self._twice(filled, twice)
        for problem in graph_problems(graph):
            raise self._error(str(problem), _problem_line(problem, filled))
        for problem in unknown_outputs(graph, self.manifest.named_outputs()):
            raise ManifestError(
                str(problem), template=self.ref, file=str(self.folder / FILE)
            )
        return with_meta(graph)

    def _parsed(self, filled: Filled, text: str) -> dict[str, JsonValue]:
        try:
            graph: dict[str, JsonValue] = json.loads(
                text, parse_constant=refuse_constant
            )
        except json.JSONDecodeError as error:
            near = text[max(error.pos - 30, 0) : error.pos + 10].replace("\n", "⏎")
            raise self._error(
                f"the rendered text is no JSON: {error.msg}, near {near!r}",
                filled.place(error.pos)[0],
                hint="often a comma too many or too few around a for or an if",
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._error(f"the rendered text is no JSON: {error}", None) from error
        return graph

    def _twice(self, filled: Filled, pair: tuple[Member, Member]) -> RenderError:
        first, second = (filled.place(member.key or 0)[0] for member in pair)
        path = ".".join(map(str, pair[0].path))
        what = "node id" if len(pair[0].path) == 1 else "key"
        return self._error(
            f"the {what} {path!r} is there twice, from lines {first} and {second}",
            second,
        )

    def _require(self, trip: PublishedTrip | None) -> None:
        part = self.manifest.trip
        if trip is None:
            if "trip" in self.source.reads.names or (
                part is not None and part.required
            ):
                raise TripError(f"{self.ref} needs a trip, none was given")
            return
        for name in part.required if part is not None else ():
            if getattr(trip, name) in (None, (), ""):
                raise TripError(
                    f"{self.ref} needs it, and the trip {trip.id} has none that "
                    "may be published",
                    field=name,
                )

    def _seed(self, seed: int) -> int:
        if isinstance(seed, bool) or not isinstance(seed, int):
            problem = f"the seed is a whole number, got {seed!r:.60}"
        elif not 0 <= seed <= MAX_SEED:
            problem = f"the seed is from 0 to {MAX_SEED}, got {seed}"
        else:
            return seed
        raise ParameterError(problem, template=self.ref)

    @cached_property
    def _source_bytes(self) -> bytes:
        return _read(self.folder / SOURCE, TemplateError, template=self.ref)

    def _error(
        self, message: str, line: int | None, *, hint: str | None = None
    ) -> RenderError:
        return RenderError(
            message, template=self.ref, file=SOURCE, line=line, hint=hint
        )

    def __repr__(self) -> str:
        return f"Template({self.ref})"


def _read(
    path: Path, kind: type[TemplateError], *, template: str | None = None
) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind(
            f"cannot be read: {error.strerror}", template=template, file=str(path)
        ) from error


class _SlotPlaces:
    """Template lines and slots of a rendered graph's nodes and inputs."""

    def __init__(self, ref: str, filled: Filled) -> None:
        self._ref = ref
        self._filled = filled
        self._members: dict[tuple[str | int, ...], Member] | None = None

    def __call__(self, node_id: str, input_name: str | None) -> TemplatePlace | None:
        if self._members is None:
            text = self._filled.text
            self._members = {m.path: m for m in members(text) if len(m.path) <= 3}
        member = self._members.get((node_id,))
        if input_name is not None:
            member = self._members.get((node_id, "inputs", input_name), member)
        if member is None or member.key is None:
            return None
        slot = self._slot_in(member) if len(member.path) == 3 else None
        if slot is not None:
            return TemplatePlace(self._ref, slot.line, slot.expression)
        line, slot = self._filled.place(member.key)
        return TemplatePlace(self._ref, line, None if slot is None else slot.expression)

    def _slot_in(self, member: Member) -> Slot | None:
        inside = (
            slot
            for start, end, slot in self._filled.spans()
            if member.start <= start and end <= member.end
        )
        return next(inside, None)


def _problem_line(problem: GraphProblem, filled: Filled) -> int | None:
    if problem.node_id is None:
        return None
    place = _SlotPlaces("", filled)(problem.node_id, problem.input_name)
    return None if place is None else place.line


def _only_inputs(filled: Filled, text: str) -> bool:
    """Whether each slot is a whole input: then its value cannot change the graph."""
    inputs = {
        (member.start, member.end)
        for member in members(text)
        if len(member.path) == 3 and member.path[1] == "inputs"
    }
    return all((start, end) in inputs for start, end, _ in filled.spans())
