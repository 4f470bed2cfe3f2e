"""A rendered ComfyUI graph in API format: its digest, the files it needs, its places.

Only `Workflow.from_file` and `InputFile.open` touch the disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pydantic import JsonValue

from .errors import TemplatePlace, WorkflowError
from .graph import Graph, GraphProblem, canonical, graph_problems, short, with_meta
from .graph_files import read_graph, refuse_other_formats, refuse_problems
from .steps.records import StageRecord

Places: TypeAlias = Callable[[str, str | None], TemplatePlace | None]
"""Finds where a node, or one input of it, was written."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file the graph refers to, put to the server's input folder before the job."""

    name: str
    """As it stands in the graph, relative to the input folder."""
    sha256: str
    size: int
    source: Path | bytes | None = field(repr=False)
    """None where it is not at hand any more, as in a job of an earlier process."""

    @property
    def subfolder(self) -> str:
        """The part of the name before its last slash."""
        return self.name.rpartition("/")[0]

    @property
    def filename(self) -> str:
        """The part of the name after its last slash."""
        return self.name.rpartition("/")[2]

    def open(self) -> BinaryIO:
        """The content, as a binary stream.

        Raises:
            WorkflowError: the file cannot be read (any more).
        """
        if self.source is None:
            raise WorkflowError(
                f"the content of the input file {self.name} was not kept",
                hint="submit the job again as a new one, or give files by their path",
            )
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        try:
            return self.source.open("rb")
        except OSError as error:
            raise WorkflowError(
                f"the input file {self.source} cannot be read: {error.strerror}"
            ) from error


@dataclass(frozen=True, slots=True)
class NamedOutput:
    """A result that has a name: which node gives it."""

    name: str
    node_id: str
    key: str | None = None
    """The list of the node's result, such as `images`; None takes every list."""
    required: bool = True


class Workflow:
    """A rendered ComfyUI graph, ready to be submitted; never changed once made."""

    __slots__ = (
        "_digest",
        "_places",
        "files",
        "graph",
        "outputs",
        "own_prefix",
        "params",
        "seed",
        "stages",
        "template",
        "trip_id",
    )

    def __init__(
        self,
        graph: Graph,
        *,
        template: str | None = None,
        seed: int | None = None,
        params: Mapping[str, JsonValue] | None = None,
        files: Sequence[InputFile] = (),
        outputs: Sequence[NamedOutput] = (),
        trip_id: str | None = None,
        own_prefix: bool = True,
        places: Places | None = None,
        stages: Sequence[StageRecord] = (),
    ) -> None:
        self.graph = graph
        """Checked, each node with a `_meta` object; read it, never change it."""
        self.template = template
        """`name@version` of the template, None for any other graph."""
        self.seed = seed
        self.params: Mapping[str, JsonValue] = {} if params is None else params
        self.files = tuple(files)
        self.outputs = tuple(outputs)
        self.trip_id = trip_id
        self.own_prefix = own_prefix
        """Whether its nodes save under the very `filename_prefix` that they name."""
        self.stages = tuple(stages)
        """What was written, looked at and painted before it was filled."""
        self._places = places
        self._digest: str | None = None

    @classmethod
    def from_graph(
        cls,
        graph: Graph,
        *,
        outputs: Sequence[NamedOutput] = (),
        files: Sequence[InputFile] = (),
    ) -> Workflow:
        """Any graph in ComfyUI's API format; the dict is copied.

        `files` are put to the server's input folder; the graph names them by `name`.

        Raises:
            UiFormatError: it is a UI export (`nodes` and `links`).
            WorkflowError: it is no graph; the message names node and input.
        """
        refuse_other_formats(graph, "the graph")
        refuse_problems(graph_problems(graph), "the graph")
        copied: dict[str, JsonValue] = json.loads(json.dumps(graph))
        workflow = cls(with_meta(copied), outputs=outputs, files=files)
        refuse_problems(unknown_outputs(workflow.graph, workflow.outputs), "the graph")
        return workflow

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], *, outputs: Sequence[NamedOutput] = ()
    ) -> Workflow:
        """A graph that was exported from ComfyUI in API format.

        Raises:
            UiFormatError: it is a UI export; the message says how to export.
            WorkflowError: it cannot be read or is no graph; names line and node.
        """
        graph, lines = read_graph(Path(path))
        refuse_problems(unknown_outputs(graph, outputs), str(path))
        return cls(with_meta(graph), outputs=outputs, places=lines)

    @property
    def digest(self) -> str:
        """SHA-256 of the graph's canonical JSON, in hex."""
        if self._digest is None:
            self._digest = hashlib.sha256(canonical(self.graph)).hexdigest()
        return self._digest

    def place(
        self, node_id: str, input_name: str | None = None
    ) -> TemplatePlace | None:
        """The line and slot that a node, or one of its inputs, came from."""
        if self._places is None or node_id not in self.graph:
            return None
        return self._places(node_id, input_name)

    def class_type(self, node_id: str) -> str | None:
        """The class of a node, None where the graph has no such node."""
        node = self.graph.get(node_id)
        found = node.get("class_type") if isinstance(node, dict) else None
        return found if isinstance(found, str) else None

    def title(self, node_id: str) -> str | None:
        """The title a person gave a node, None where there is none."""
        node = self.graph.get(node_id)
        meta = node.get("_meta") if isinstance(node, dict) else None
        found = meta.get("title") if isinstance(meta, dict) else None
        return found if isinstance(found, str) and found else None

    def value(self, node_id: str, input_name: str) -> str | None:
        """What an input was given, as short text; None where there is none."""
        node = self.graph.get(node_id)
        inputs = node.get("inputs") if isinstance(node, dict) else None
        if not isinstance(inputs, dict) or input_name not in inputs:
            return None
        return short(inputs[input_name])

    def renamed(self, names: Mapping[str, str]) -> Workflow:
        """The same workflow for a server that stored input files under other names."""
        return self.replaced({file.name: _moved(file, names) for file in self.files})

    def replaced(self, files: Mapping[str, InputFile]) -> Workflow:
        """The same workflow with other input files in the place of these names."""
        if all(files.get(file.name, file) == file for file in self.files):
            return self
        names = {old: new.name for old, new in files.items() if new.name != old}
        return self._changed(
            {key: _with_names(node, names) for key, node in self.graph.items()},
            files=[files.get(file.name, file) for file in self.files],
        )

    def filed_under(self, folder: str) -> Workflow:
        """The same workflow with its nodes saving into a folder of their own.

        The last part of each `filename_prefix` stays; one that keeps its own prefix,
        as any graph of a caller's does, is left as it is.
        """
        if self.own_prefix:
            return self
        graph = {key: _filed(node, folder) for key, node in self.graph.items()}
        return self._changed(graph, files=self.files)

    def _changed(self, graph: Graph, *, files: Sequence[InputFile]) -> Workflow:
        return Workflow(
            graph,
            template=self.template,
            seed=self.seed,
            params=self.params,
            files=files,
            outputs=self.outputs,
            trip_id=self.trip_id,
            own_prefix=self.own_prefix,
            places=self._places,
            stages=self.stages,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workflow) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        name = "graph" if self.template is None else self.template
        return f"Workflow({name}, {len(self.graph)} nodes, {self.digest[:12]})"


def unknown_outputs(
    graph: Graph, outputs: Sequence[NamedOutput]
) -> Iterator[GraphProblem]:
    """Named outputs whose node the graph does not have."""
    for output in outputs:
        if output.node_id not in graph:
            yield GraphProblem(
                f"the output {output.name!r} is to come from node "
                f"{output.node_id!r}, which the graph does not have"
            )


def _with_names(node: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if not isinstance(node, dict) or not isinstance(node["inputs"], dict):
        return node
    inputs = {
        key: names.get(value, value) if isinstance(value, str) else value
        for key, value in node["inputs"].items()
    }
    return {**node, "inputs": inputs}


def _filed(node: JsonValue, folder: str) -> JsonValue:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(inputs, dict):
        return node
    prefix = inputs.get("filename_prefix")
    if not isinstance(prefix, str):  # a link, or a node that saves nothing
        return node
    name = prefix.replace("\\", "/").rpartition("/")[2] or "output"
    return {**node, "inputs": {**inputs, "filename_prefix": f"{folder}/{name}"}}


def _moved(file: InputFile, names: Mapping[str, str]) -> InputFile:
    name = names.get(file.name, file.name)
    return InputFile(name, file.sha256, file.size, file.source)
