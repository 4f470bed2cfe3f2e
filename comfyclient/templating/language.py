"""What of Jinja a template may use, and what it reads of what it is given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import nodes

from .filters import FILTERS

NAMES = ("copy", "params", "seed", "stages", "template", "trip")
"""What a template may refer to, besides its own variables."""

CALLS = {"range": None, "profile": "trip", "simplified": "trip"}
"""Callable names, and the variable they must be called on."""

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Assign,
    nodes.Name,
    nodes.Literal,
    nodes.Pair,
    nodes.Keyword,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.CondExpr,
    nodes.Concat,
    nodes.UnaryExpr,
    nodes.BinExpr,
    nodes.Call,
)

_TAGS = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter block",
    nodes.AssignBlock: "set block",
    nodes.With: "with",
    nodes.Pow: "**",
}


@dataclass(frozen=True, slots=True)
class Reads:
    """What a template reads; each name with the first line that does."""

    trip: Mapping[str, int]
    """Attributes of the trip."""
    params: Mapping[str, int]
    stages: Mapping[str, int]
    names: frozenset[str]
    """Which of `NAMES`."""


def reads_of(tree: nodes.Template) -> Reads:
    """What a template reads of what it is given."""
    trip: dict[str, int] = {}
    params: dict[str, int] = {}
    stages: dict[str, int] = {}
    of = {"trip": trip, "params": params, "stages": stages}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        match _member(node):
            case (variable, name) if variable in of:
                of[variable].setdefault(name, node.lineno)
    own = {node.name for node in tree.find_all(nodes.Name)}
    return Reads(trip, params, stages, frozenset(own.intersection(NAMES)))


def problem_of(tree: nodes.Template) -> tuple[str, int] | None:
    """The first piece of Jinja that no template may use, and its line."""
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
    for node in tree.find_all(nodes.Node):
        problem = _forbidden(node, own)
        if problem is not None:
            return problem, node.lineno
    return None


def _forbidden(node: nodes.Node, own: set[str]) -> str | None:
    """Why a template may not use this piece of Jinja."""
    tag = _TAGS.get(type(node))
    if tag is not None or not isinstance(node, _ALLOWED):
        tag = type(node).__name__.lower() if tag is None else tag
        return f"a workflow template cannot use {tag!r}: it has slots, for, if and set"
    match node:
        case nodes.For(recursive=True):
            return "a loop cannot be recursive"
        case nodes.Call():
            return _call_problem(node)
        case nodes.Getattr(attr=name) | nodes.Name(name=name) if name.startswith("_"):
            return f"the name {name!r} is private"
        case nodes.Name(name=name, ctx="store") if name in NAMES:
            return f"{name!r} cannot be set: it is given"
        case nodes.Name(name=name, ctx="load"):
            known = {*NAMES, *own, "range", "loop"}
            if name not in known:
                return f"{name!r} is not known here; there are {', '.join(NAMES)}"
        case nodes.Filter(name=name) if name not in FILTERS:
            return f"there is no filter {name!r}; there are {', '.join(FILTERS)}"
    return None


def _call_problem(node: nodes.Call) -> str | None:
    match node.node:
        case nodes.Name(name="range"):
            return None
        case nodes.Getattr(attr=attr, node=nodes.Name(name="trip")):
            if CALLS.get(attr) == "trip":
                return None
    return "only range(), trip.simplified() and trip.profile() can be called"


def _member(node: nodes.Node) -> tuple[str, str] | None:
    """Variable and attribute of `a.b` or `a["b"]`."""
    match node:
        case nodes.Getattr(node=nodes.Name(name=name), attr=attr):
            return name, attr
        case nodes.Getitem(
            node=nodes.Name(name=name), arg=nodes.Const(value=str() as attr)
        ):
            return name, attr
    return None
