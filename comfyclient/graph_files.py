"""A graph in a file, as ComfyUI exports it: read whole, refused where it is none.

What is wrong is told with the line, and with the way to what is right.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue

from .errors import TemplatePlace, UiFormatError, WorkflowError
from .graph import GraphProblem, graph_problems, short
from .jsontext import Member, duplicate, line_of, members

MAX_GRAPH_BYTES = 64 << 20
"""Larger graph files are refused: the largest seen in practice is about 2 MB."""

_EXPORT = (
    "in ComfyUI use Workflow → Export (API); in older versions switch on the dev "
    "mode options in the settings, then use Save (API Format)"
)


def read_graph(path: Path) -> tuple[dict[str, JsonValue], FileLines]:
    """The graph of a file, and where in it each node and input stands.

    Raises:
        UiFormatError: it is a UI export; the message says how to export.
        WorkflowError: it cannot be read or is no graph; names line and node.
    """
    name, text = str(path), _read(path)
    graph = _parsed(text, name)
    refuse_other_formats(graph, name)
    twice = duplicate(text)
    if twice is not None:
        raise WorkflowError(f"{name}: {_twice(text, twice)}")
    refuse_problems(graph_problems(graph), name)
    return graph, FileLines(name, text)


class FileLines:
    """The lines of a graph file's nodes and inputs."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._offsets: dict[tuple[str | int, ...], int] | None = None

    def __call__(self, node_id: str, input_name: str | None) -> TemplatePlace | None:
        """Where the node stands, or its input where that is found."""
        if self._offsets is None:
            found = members(self._text)
            self._offsets = {m.path: m.start for m in found if len(m.path) <= 3}
        offset = self._offsets.get((node_id,))
        if input_name is not None:
            offset = self._offsets.get((node_id, "inputs", input_name), offset)
        if offset is None:
            return None
        return TemplatePlace(self._name, line_of(self._text, offset))


def refuse_other_formats(graph: object, name: str) -> None:
    """Tell what else a JSON value is, where it is no graph in API format.

    Raises:
        UiFormatError: it is a UI export.
        WorkflowError: it is no object, or a whole request.
    """
    if not isinstance(graph, Mapping):
        raise WorkflowError(
            f"{name} is no ComfyUI graph: an object of nodes is needed, "
            f"not {short(graph)}",
            hint=_EXPORT,
        )
    saved = graph.get("workflow")
    if isinstance(saved, Mapping) and isinstance(saved.get("nodes"), list):
        graph = saved
    if isinstance(graph.get("nodes"), list):
        raise UiFormatError(
            f"{name} is a UI export (it has 'nodes' and 'links'); "
            "ComfyUI executes only the API format",
            hint=_EXPORT,
        )
    inner = graph.get("prompt")
    if isinstance(inner, Mapping) and "class_type" not in inner:
        raise WorkflowError(
            f"{name} is a whole request, not a graph",
            hint="pass the object under its key 'prompt'",
        )


def refuse_problems(problems: Iterable[GraphProblem], name: str) -> None:
    """Tell the first few of what is wrong.

    Raises:
        WorkflowError: there is any.
    """
    found = [str(problem) for problem in islice(problems, 8)]
    if found:
        raise WorkflowError(f"{name} is no ComfyUI graph: " + "; ".join(found))


def refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity from JSON; no JSON has them.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"it holds {name}, which JSON does not have")


def _read(path: Path) -> str:
    try:
        status = path.stat()
        # Reading a pipe would wait for its writer, and a device may never end.
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise WorkflowError(f"{path} is no regular file")
        if status.st_size > MAX_GRAPH_BYTES:
            raise WorkflowError(f"{path} is larger than {MAX_GRAPH_BYTES >> 20} MiB")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise WorkflowError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WorkflowError(
            f"{path} is no JSON text (byte {error.start} is not UTF-8)", hint=_EXPORT
        ) from error
    except ValueError as error:  # NUL or half a surrogate pair in the path
        raise WorkflowError(f"{str(path)!r} cannot be read: {error}") from error


def _parsed(text: str, name: str) -> dict[str, JsonValue]:
    try:
        graph: dict[str, JsonValue] = json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise WorkflowError(
            f"{name} is no JSON: {error.msg} in line {error.lineno}, "
            f"column {error.colno}",
            hint=_EXPORT,
        ) from error
    except (ValueError, RecursionError) as error:
        raise WorkflowError(f"{name} is no JSON: {error}") from error
    return graph


def _twice(text: str, pair: tuple[Member, Member]) -> str:
    first, second = (line_of(text, member.start) for member in pair)
    path = ".".join(map(str, pair[0].path))
    what = f"node id {path!r}" if len(pair[0].path) == 1 else f"key {path!r}"
    return f"the {what} is there twice, in lines {first} and {second}"
