"""Jinja source → JSON text in which each `{{ … }}` is one JSON value. Pure.

What a template may use stands in `language`. What a slot gives is serialised whole, so
that no text can leave its string; which chunk of the result came from which slot is
kept, so that errors can name the line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, groupby
from types import TracebackType
from typing import Any

import jinja2
from jinja2 import nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from ..errors import RenderError
from .filters import FILTERS, RUN, TESTS, Uploads, to_json
from .language import CALLS, problem_of, reads_of

MAX_TEXT = 64 << 20
"""A rendered text larger than this is refused."""

_PLAIN = {str, int, float, bool, tuple, type(None)}

_STRING = re.compile(r'\\.|"', re.DOTALL)
_FAULTS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One `{{ … }}` of a template."""

    line: int
    expression: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A rendered text, and which of its chunks came from which slot."""

    chunks: tuple[str, ...]
    slots: Mapping[int, Slot]
    """By the index of the chunk."""
    source: SlotTemplate

    @property
    def text(self) -> str:
        """All chunks together."""
        return "".join(self.chunks)

    def shape(self) -> tuple[str | None, ...]:
        """All chunks, with None for each text, number, boolean or null of a slot."""
        shape: list[str | None] = list(self.chunks)
        for index in self.slots:
            if self.chunks[index][0] not in "[{":
                shape[index] = None
        return tuple(shape)

    def spans(self) -> Iterator[tuple[int, int, Slot]]:
        """Start and end offset of each slot's value in the text."""
        ends = list(accumulate(map(len, self.chunks)))
        for index, slot in self.slots.items():
            yield ends[index] - len(self.chunks[index]), ends[index], slot

    def quoted(self) -> Slot | None:
        """The first slot that stands inside a JSON string."""
        inside = False
        for index, chunk in enumerate(self.chunks):
            if index not in self.slots:
                quotes = sum(mark == '"' for mark in _STRING.findall(chunk))
                inside ^= bool(quotes % 2)
            elif inside:
                return self.slots[index]
        return None

    def place(self, offset: int) -> tuple[int, Slot | None]:
        """Line and slot that gave an offset of the text; no slot for fixed text."""
        starts = [0, *accumulate(map(len, self.chunks))][: len(self.chunks)]
        index = max(bisect_right(starts, offset) - 1, 0)
        slot = self.slots.get(index)
        if slot is not None:
            return slot.line, slot
        before = [self.slots[i].line for i in range(index) if i in self.slots]
        after = before[-1] if before else 1
        within = offset - starts[index]
        return self.source.fixed_line(self.chunks[index], within, after=after), None


class _Run:
    """One rendering: remembers the slots in the order they were filled."""

    __slots__ = ("order", "upload")

    def __init__(self, uploads: Uploads | None) -> None:
        self.order: list[int] = []
        self.upload = _no_uploads if uploads is None else uploads.upload


class SlotTemplate:
    """A compiled `workflow.json.j2`."""

    def __init__(self, source: str, name: str) -> None:
        """Compile the source; `name` stands for it in errors.

        Raises:
            RenderError: it cannot be compiled or uses what no template may.
        """
        self.name = name
        self._fixed: dict[str, list[tuple[tuple[int, int], ...]]] = {}
        environment = _environment()
        try:
            tree = environment.parse(source)
            self._check(tree)
            self.reads = reads_of(tree)
            self.slots = tuple(_slots(source, environment))
            self._wrap(tree)
            code = environment.compile(tree, name, self._filename)
        except jinja2.TemplateSyntaxError as error:
            raise self._error(str(error.message), error.lineno) from error
        except RecursionError as error:
            raise self._error("it is nested too deeply", None) from error
        self._jinja = jinja2.Template.from_code(environment, code, {})

    def fill(self, context: Mapping[str, object], uploads: Uploads | None) -> Filled:
        """Render.

        Raises:
            RenderError: a slot failed or gave no JSON value; names its line.
        """
        run = _Run(uploads)
        chunks: list[str] = []
        slots: dict[int, Slot] = {}
        values = {"range": safe_range, **context, RUN: run}
        size = filled = 0
        try:
            for chunk in self._jinja.root_render_func(
                self._jinja.new_context(values, shared=True)
            ):
                if len(run.order) > filled:
                    slots[len(chunks)] = self.slots[run.order[filled]]
                    filled += 1
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_TEXT:
                    raise RenderError(f"it gives more than {MAX_TEXT >> 20} MiB")
        except (RenderError, *_FAULTS) as error:
            raise self._failure(error) from error
        return Filled(tuple(chunks), slots, self)

    def fixed_line(self, text: str, offset: int, *, after: int) -> int:
        """The line of an offset in a fixed chunk, by choice at or behind another."""
        begins = self._fixed.get(text) or [((0, after),)]
        pieces = next((p for p in begins if p[0][1] >= after), begins[0])
        start, line = [piece for piece in pieces if piece[0] <= offset][-1]
        return line + text.count("\n", start, offset)

    @property
    def _filename(self) -> str:
        return f"<template {self.name}>"

    def _check(self, tree: nodes.Template) -> None:
        problem = problem_of(tree)
        if problem is not None:
            raise self._error(*problem)

    def _wrap(self, tree: nodes.Template) -> None:
        """Put each slot's expression into the filter that serialises and counts it."""
        number = 0
        for output in tree.find_all(nodes.Output):
            for index, part in enumerate(output.nodes):
                if not isinstance(part, nodes.TemplateData):
                    line = part.lineno
                    count = nodes.Const(number, lineno=line)
                    output.nodes[index] = nodes.Filter(
                        part, "_slot", [count], [], None, None, lineno=line
                    )
                    number += 1
            self._keep_lines(output.nodes)

    def _keep_lines(self, parts: list[nodes.Expr]) -> None:
        """Note the lines of fixed texts; Jinja joins those around a comment."""
        for fixed, run in groupby(parts, lambda p: isinstance(p, nodes.TemplateData)):
            if fixed:
                text, pieces = "", list[tuple[int, int]]()
                for part in run:
                    assert isinstance(part, nodes.TemplateData)
                    pieces.append((len(text), part.lineno))
                    text += part.data
                self._fixed.setdefault(text, []).append(tuple(pieces))

    def _error(self, message: str, line: int | None) -> RenderError:
        return RenderError(
            message, template=self.name, file="workflow.json.j2", line=line
        )

    def _failure(self, error: Exception) -> RenderError:
        """The error of a rendering, with the line where it happened."""
        line = self._line_of(error.__traceback__)
        slot = next((s for s in self.slots if s.line == line), None)
        where = "" if slot is None else f"{{{{ {slot.expression} }}}}: "
        if isinstance(error, RenderError):
            message = error.message
        elif isinstance(error, jinja2.TemplateError):
            message = str(error.message)
        else:
            message = f"{type(error).__name__}: {error}"
        return self._error(where + message, line)

    def _line_of(self, traceback: TracebackType | None) -> int | None:
        line = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self._filename:
                line = self._jinja.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with our filters, and nothing that Jinja brings."""

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False)
        tests = {name: self.tests[name] for name in TESTS}
        self.globals.clear()
        self.filters = {**FILTERS, "_slot": _slot}
        self.tests = tests

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Plain values under public names; of methods, those in `CALLS`."""
        if type(value) in _PLAIN:
            return not attr.startswith("_")
        safe = super().is_safe_attribute(obj, attr, value)
        return safe and (not callable(value) or attr in CALLS)


@cache
def _environment() -> _Sandbox:
    return _Sandbox()


@pass_context
def _slot(context: Context, value: object, number: int) -> str:
    run: _Run = context[RUN]
    text = to_json(value)
    run.order.append(number)
    return text


def _no_uploads(value: object) -> str:
    raise RenderError(f"this rendering takes no files, got {value!r:.60}")


def _slots(source: str, environment: jinja2.Environment) -> Iterator[Slot]:
    """Line and source text of each slot, in their order."""
    begin, parts = 0, list[str]()
    for line, kind, value in environment.lex(source):
        if kind == "variable_begin":
            begin, parts = line, []
        elif kind == "variable_end":
            yield Slot(begin, " ".join("".join(parts).split()))
        else:
            parts.append(value)
