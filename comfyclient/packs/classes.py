"""Finds the node classes of a pack in its syntax trees, and what they declare. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from .source import PackSource, SourceFile


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""What only running the pack would tell."""

_DEEPEST_BASES = 8


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A class that a pack offers as a node."""

    name: str
    """Under which graphs know it."""
    class_name: str
    file: str
    line: int
    body: Mapping[str, ast.stmt] = field(repr=False)
    """Its attributes and methods by name, those of its bases included."""
    values: Mapping[str, object] = field(repr=False)
    """Its attributes, as far as they are plain values."""
    inputs: Mapping[str, Mapping[str, object]] | None = field(repr=False, default=None)
    """What INPUT_TYPES gives, section by section; None where that is unknown."""
    input_lines: Mapping[str, int] = field(repr=False, default_factory=dict)
    is_whole: bool = True
    """Whether all its bases are in the pack: else it may have more than is seen."""

    @property
    def is_schema(self) -> bool:
        """Whether it declares itself by a schema (the newer kind of nodes)."""
        return "define_schema" in self.body

    def method(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """A method by name."""
        found = self.body.get(name)
        is_method = isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
        return found if is_method else None  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class PackClasses:
    """All that a pack offers."""

    nodes: tuple[NodeClass, ...]
    display_names: frozenset[str]
    has_mappings: bool
    is_dynamic: bool
    """Whether some of its mappings only show when it runs."""


def find_classes(source: PackSource) -> PackClasses:
    """The nodes that can be seen without running anything."""
    classes = {
        one.name: (file, one)
        for file in source.files
        for one in ast.walk(file.tree)
        if isinstance(one, ast.ClassDef)
    }
    mapped: dict[str, str] = {}
    shown: set[str] = set()
    has_mappings = dynamic = False
    for file in source.files:
        for name, key, value in _entries(file):
            if name == "NODE_CLASS_MAPPINGS":
                has_mappings = True
                if key is None or not isinstance(value, ast.Name | ast.Attribute):
                    dynamic = dynamic or key is None or value is not None
                    continue
                mapped[key] = value.id if isinstance(value, ast.Name) else value.attr
            elif key is not None:
                shown.add(key)
        has_mappings = has_mappings or any(
            isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            and one.name == "comfy_entrypoint"
            for one in file.tree.body
        )
    nodes = [
        _node(name, *classes[class_name], classes)
        for name, class_name in sorted(mapped.items())
        if class_name in classes
    ]
    return PackClasses(tuple(nodes), frozenset(shown), has_mappings, dynamic)


_MAPPINGS = {"NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"}


_Entry: TypeAlias = tuple[str, str | None, ast.expr | None]
"""A mapping, and key and value of what is put into it, as far as they can be seen."""


def _entries(file: SourceFile) -> Iterator[_Entry]:
    """Wherever something is put into one of the mappings."""
    for node in ast.walk(file.tree):
        yield from (one for one in _put(node) if one[0] in _MAPPINGS)


def _put(node: ast.AST) -> Iterator[_Entry]:
    """What a statement may put into a name: in one of its ways."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield from _dict_entries(name, value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield from _dict_entries(name, value)
        case ast.Assign(
            targets=[ast.Subscript(value=ast.Name(id=name), slice=key)], value=value
        ):
            yield name, _text(key), value
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update")):
            yield name, None, None
        case ast.Assign(targets=[ast.Tuple(elts=parts)]):
            yield from ((p.id, None, None) for p in parts if isinstance(p, ast.Name))
        case ast.ImportFrom(names=names, level=level):
            known = "" if level else None  # the pack's own file has them
            yield from ((one.asname or one.name, known, None) for one in names)


def _dict_entries(name: str, value: ast.expr) -> Iterator[_Entry]:
    if not isinstance(value, ast.Dict):
        yield name, None, None
        return
    if not value.keys:
        yield name, "", None
    for key, one in zip(value.keys, value.values, strict=True):
        yield name, None if key is None else _text(key), one


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _node(
    name: str,
    file: SourceFile,
    found: ast.ClassDef,
    classes: Mapping[str, tuple[SourceFile, ast.ClassDef]],
) -> NodeClass:
    body = _body(found, classes, depth=0)
    constants = _constants(file.tree.body)
    values = {key: _value(stmt, constants) for key, stmt in body.items()}
    inputs, lines = _inputs(body.get("INPUT_TYPES"), constants | values)
    whole = _is_whole(found, classes, depth=0)
    return NodeClass(
        name, found.name, file.name, found.lineno, body, values, inputs, lines, whole
    )


def _is_whole(
    found: ast.ClassDef,
    classes: Mapping[str, tuple[SourceFile, ast.ClassDef]],
    *,
    depth: int,
) -> bool:
    bases = [base.id if isinstance(base, ast.Name) else "" for base in found.bases]
    return depth < _DEEPEST_BASES and all(
        name in {"object", "ABC"}
        or (name in classes and _is_whole(classes[name][1], classes, depth=depth + 1))
        for name in bases
    )


def _body(
    found: ast.ClassDef,
    classes: Mapping[str, tuple[SourceFile, ast.ClassDef]],
    *,
    depth: int,
) -> dict[str, ast.stmt]:
    body: dict[str, ast.stmt] = {}
    for base in reversed(found.bases) if depth < _DEEPEST_BASES else ():
        if isinstance(base, ast.Name) and base.id in classes:
            above = classes[base.id][1]
            if above is not found:
                body |= _body(above, classes, depth=depth + 1)
    for stmt in found.body:
        match stmt:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                body[name] = stmt
            case ast.Assign(targets=targets):
                body |= {t.id: stmt for t in targets if isinstance(t, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                body[name] = stmt
    return body


def _constants(statements: list[ast.stmt]) -> dict[str, object]:
    """The plain values that a file's own names have."""
    found: dict[str, object] = {}
    for stmt in statements:
        if isinstance(stmt, ast.Assign):
            value = literal(stmt.value, found)
            for target in stmt.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = value
        match stmt:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as one):
                found[name] = literal(one, found)
    return found


def _value(stmt: ast.stmt, names: Mapping[str, object]) -> object:
    match stmt:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return literal(value, names)
    return UNKNOWN


def _inputs(
    stmt: ast.stmt | None, names: Mapping[str, object]
) -> tuple[Mapping[str, Mapping[str, object]] | None, dict[str, int]]:
    """Sections and inputs of what INPUT_TYPES returns, where that is written out."""
    if not isinstance(stmt, ast.FunctionDef | ast.AsyncFunctionDef):
        return None, {}
    returned = [one.value for one in ast.walk(stmt) if isinstance(one, ast.Return)]
    if len(returned) != 1 or returned[0] is None:
        return None, {}
    local = dict(names) | _constants(stmt.body)
    whole = literal(returned[0], local)
    if not isinstance(whole, dict):
        return None, {}
    sections = {
        section: one if isinstance(one, dict) else {}
        for section, one in whole.items()
        if isinstance(section, str)
    }
    lines = {
        key.value: key.lineno
        for key in ast.walk(stmt)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    return sections, lines


def literal(node: ast.expr, names: Mapping[str, object]) -> object:
    """The value of an expression as far as it is written out; else UNKNOWN."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name(id=name):
            return names.get(name, UNKNOWN)
        case ast.Tuple(elts=parts):
            return tuple(literal(part, names) for part in parts)
        case ast.List(elts=parts):
            return [literal(part, names) for part in parts]
        case ast.Dict(keys=keys, values=values):
            return _literal_dict(keys, values, names)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = literal(operand, names)
            return -value if isinstance(value, int | float) else UNKNOWN
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(literal(left, names), op, literal(right, names))
    return UNKNOWN


def _literal_dict(
    keys: list[ast.expr | None], values: list[ast.expr], names: Mapping[str, object]
) -> object:
    found: dict[object, object] = {}
    for key, value in zip(keys, values, strict=True):
        one = literal(value, names)
        if key is None:
            if not isinstance(one, dict):
                return UNKNOWN
            found |= one
            continue
        name = literal(key, names)
        if not isinstance(name, str | int | float):
            return UNKNOWN
        found[name] = one
    return found


def _computed(left: object, op: ast.operator, right: object) -> object:
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return UNKNOWN
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult() if abs(left) < 1e30 and abs(right) < 1e30:
            return left * right
        case ast.Pow() if abs(left) <= 1024 and 0 <= right <= 128:
            return left**right
    return UNKNOWN
