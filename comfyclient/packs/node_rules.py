"""What the rules say of a node class: its declarations, inputs, caching. Pure."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping

from .classes import UNKNOWN, NodeClass
from .findings import PackFinding

_SECRET = re.compile(
    r"(^|_)(api_?key|apikey|key_?id|access_?key|secret(_?key)?|token|password|passwd"
    r"|credential(s)?|auth(orization)?)$",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"(max|min|num|n|new)_?tokens?$", re.IGNORECASE)
_CHANCE = re.compile(
    r"^(np|numpy)\.random\.(?!Generator|default_rng|RandomState|SeedSequence)\w+$"
    r"|^random\.(?!Random\b|seed)\w+$|^torch\.rand\w*$|^uuid\.uuid[14]$"
    r"|^(secrets)\.\w+$"
)
_ALWAYS = re.compile(r"nan|time\.time|time\.monotonic|datetime\.now|random|uuid")
_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def node_findings(node: NodeClass) -> Iterator[PackFinding]:
    """Where a node breaks the rules of its kind."""
    if node.is_schema:
        return
    yield from _interface(node)
    yield from _returns(node)
    yield from _inputs(node)
    yield from _signature(node)
    yield from _caching(node)


def _found(
    node: NodeClass, rule: str, message: str, *, line: int | None = None
) -> PackFinding:
    at = node.line if line is None else line
    return PackFinding(rule, message, node.file, at, node.name)


def _interface(node: NodeClass) -> Iterator[PackFinding]:
    for name in ("INPUT_TYPES", "RETURN_TYPES", "FUNCTION"):
        if name not in node.body and node.is_whole:
            yield _found(node, "interface", f"there is no {name}")
    function = node.values.get("FUNCTION")
    absent = isinstance(function, str) and node.method(function) is None
    if absent and node.is_whole:
        yield _found(
            node, "interface", f"FUNCTION names {function!r}, which is no method"
        )
    types = node.method("INPUT_TYPES")
    if types is not None and not types.decorator_list:
        yield _found(
            node, "interface", "INPUT_TYPES is no classmethod", line=types.lineno
        )
    if not node.is_whole:
        return
    if "CATEGORY" not in node.body:
        yield _found(node, "category", "there is no CATEGORY")
    if "DESCRIPTION" not in node.body:
        yield _found(node, "description", "there is no DESCRIPTION")


def _returns(node: NodeClass) -> Iterator[PackFinding]:
    types, names = node.values.get("RETURN_TYPES"), node.values.get("RETURN_NAMES")
    if isinstance(types, str):
        yield _found(node, "return-types", f"RETURN_TYPES is the text {types!r}")
        return
    if not isinstance(types, tuple | list):
        return
    if not types and node.values.get("OUTPUT_NODE", False) is False:
        yield _found(node, "output-node", "it gives nothing and is no OUTPUT_NODE")
    if isinstance(names, str) or (
        isinstance(names, tuple | list) and len(names) != len(types)
    ):
        count = 1 if isinstance(names, str) else len(names)
        yield _found(
            node,
            "return-names",
            f"{len(types)} types have {count} names: {names!r:.60}",
        )


def _inputs(node: NodeClass) -> Iterator[PackFinding]:
    for section, inputs in (node.inputs or {}).items():
        if section == "hidden":
            continue
        for name, spec in inputs.items():
            line = node.input_lines.get(name)
            for rule, message in input_faults(name, spec):
                yield _found(node, rule, message, line=line)


def input_faults(name: str, spec: object) -> Iterator[tuple[str, str]]:
    """Rule and message for what is wrong with one input's declaration."""
    if _SECRET.search(name) and not _NO_SECRET.search(name):
        yield "secret-input", f"{name!r} would be saved into pictures"
    if not isinstance(spec, tuple | list) or not spec:
        return
    kind = spec[0]
    options = spec[1] if len(spec) > 1 else {}
    if not isinstance(options, Mapping):
        return
    widget = isinstance(kind, list | tuple) or kind in _WIDGETS
    if widget and options.get("forceInput") is not True and "tooltip" not in options:
        yield "tooltip", f"{name!r} has no tooltip"
    if kind in ("INT", "FLOAT"):
        yield from _range(name, options)
    choices = kind if isinstance(kind, list | tuple) else options.get("options")
    if isinstance(choices, list | tuple) and "default" in options:
        default = options["default"]
        known = UNKNOWN not in choices and default is not UNKNOWN
        if known and default not in choices:
            yield "default", f"{name!r}: the default {default!r:.40} is no choice"


def _range(name: str, options: Mapping[object, object]) -> Iterator[tuple[str, str]]:
    missing = [bound for bound in ("min", "max") if bound not in options]
    if missing and options.get("forceInput") is not True:
        yield "range", f"{name!r} has no {' and no '.join(missing)}"
    low, high = options.get("min"), options.get("max")
    default = options.get("default")
    numbers = (int, float)
    if not isinstance(default, numbers):
        return
    if isinstance(default, float) and not math.isfinite(default):
        yield "default", f"{name!r}: the default is {default}"
    if (isinstance(low, numbers) and default < low) or (
        isinstance(high, numbers) and default > high
    ):
        yield "default", f"{name!r}: the default {default} is out of {low} to {high}"


def _signature(node: NodeClass) -> Iterator[PackFinding]:
    function = node.values.get("FUNCTION")
    method = node.method(function) if isinstance(function, str) else None
    if method is None or node.inputs is None:
        return
    arguments = method.args
    if arguments.kwarg is None:
        takes = {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
        for section, inputs in node.inputs.items():
            for name in inputs:
                if name not in takes:
                    words = (
                        f"{method.name}() does not take the {section} input {name!r}"
                    )
                    yield _found(node, "signature", words, line=method.lineno)
    needed = _needed(arguments)
    for name in node.inputs.get("optional", {}):
        if name in needed:
            words = f"{method.name}() has no default for the optional input {name!r}"
            yield _found(node, "signature", words, line=method.lineno)


def _needed(arguments: ast.arguments) -> set[str]:
    """Arguments without a default."""
    plain = arguments.args[: len(arguments.args) - len(arguments.defaults)]
    named = [
        one
        for one, default in zip(
            arguments.kwonlyargs, arguments.kw_defaults, strict=True
        )
        if default is None
    ]
    return {one.arg for one in (*plain, *named)}


def _caching(node: NodeClass) -> Iterator[PackFinding]:
    changed = node.method("IS_CHANGED")
    if changed is not None:
        yield from _changed(node, changed)
    validate = node.method("VALIDATE_INPUTS")
    if validate is not None and validate.args.kwarg is not None:
        returns = [r.value for r in ast.walk(validate) if isinstance(r, ast.Return)]
        if all(isinstance(one, ast.Constant) and one.value is True for one in returns):
            words = "VALIDATE_INPUTS takes **kwargs and lets everything pass"
            yield _found(node, "own-validation", words, line=validate.lineno)
    function = node.values.get("FUNCTION")
    method = node.method(function) if isinstance(function, str) else None
    seeded = node.inputs is None or any(
        "seed" in str(name).lower() for part in node.inputs.values() for name in part
    )
    if method is not None and not seeded:
        for call, name in calls(method):
            if _CHANCE.search(name):
                words = f"{name}() draws, and there is no seed input"
                yield _found(node, "unseeded", words, line=call.lineno)


def _changed(
    node: NodeClass, changed: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[PackFinding]:
    for one in ast.walk(changed):
        if not isinstance(one, ast.Return) or one.value is None:
            continue
        text = ast.unparse(one.value)
        if isinstance(one.value, ast.Constant) and isinstance(one.value.value, bool):
            words = f"IS_CHANGED gives {text}, which always equals itself"
            yield _found(node, "never-changed", words, line=one.lineno)
        elif _ALWAYS.search(text):
            words = f"IS_CHANGED gives {text[:60]}, which is another each time"
            yield _found(node, "always-changed", words, line=one.lineno)


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Each call, and the dotted name of what is called."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Call):
            yield one, dotted(one.func)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of names and attributes; `.c` of anything else's; empty for no name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
    return ""
