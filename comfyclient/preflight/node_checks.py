"""What a server would say of one node of a graph. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from .dynamic_inputs import Inputs, inputs_of, option_keys
from .findings import Outlook
from .input_values import (
    Problem,
    ValueCheck,
    allowed,
    doubted,
    nearest,
    server_side_value,
    shown,
)
from .link_types import fits, matches, matching_types
from .object_info import DYNAMIC, InputInfo, NodeInfo
from .own_checks import (
    ASPECT_RATIOS,
    EVERYTHING,
    FILE_CHECKS,
    LATELY,
    LINK_CHECKS,
    OWN_CHECKS,
    is_checked,
    is_known,
    looks_itself,
)
from .server_rules import ServerRules

_HARMLESS = frozenset(
    {"upload", "audioUI", "choose file to upload", "control_after_generate"}
)
"""What front ends write into exported graphs without any meaning for the server."""

_RATIO = re.compile(r"\d+:\d+$")


@dataclass(frozen=True, slots=True)
class Placed:
    """A node of the graph with the class that the server runs it by."""

    node: NodeInfo
    inputs: Mapping[str, JsonValue]
    outputs: Mapping[int, int] = field(default_factory=dict)
    """New numbers of outputs, where another class stands in."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else decides on a node."""

    graph: Set[str]
    """The ids of all nodes."""
    placed: Mapping[str, Placed]
    """Those whose class the server has."""
    rules: ServerRules
    files: Set[str]
    """What is put into the server's input folder before the graph is sent."""


class NodeCheck:
    """Checks one node; where its links lead stands in `followed` after that."""

    def __init__(self, placed: Placed, around: Surroundings) -> None:
        self._node = placed.node
        self._given = placed.inputs
        self._around = around
        self._known = is_known(placed.node)
        self._inputs = inputs_of(placed.node, placed.inputs)
        self._values = ValueCheck(
            placed.node.name, around.rules, self._if_known(Outlook.REFUSED)
        )
        self.followed: list[str] = []
        """The nodes that it takes from."""

    def problems(self) -> Iterator[Problem]:
        """All that is wrong with it, inputs in the class's own order."""
        for one in self._inputs.known.values():
            if one.name not in self._given:
                yield from self._absent(one)
            elif isinstance(value := self._given[one.name], list):
                yield from self._link(one, value)
            else:
                yield from self._value(one, value)
        for combo in self._inputs.choosing:
            yield from self._choice(combo)
        yield from self._unlisted()

    def _if_known(self, outlook: Outlook) -> Outlook:
        """What comes of it, if the class does not see to it itself."""
        return outlook if self._known else Outlook.DOUBTFUL

    def _nested(self, one: InputInfo, problem: Problem | None) -> Iterator[Problem]:
        """The problem, as sure as the server is to look at such an input."""
        if problem is not None:
            yield doubted(problem) if self._is_doubtful(one) else problem

    def _is_doubtful(self, one: InputInfo) -> bool:
        return one.name not in self._node.inputs and (
            not self._around.rules.expands_inputs
        )

    def _absent(self, one: InputInfo) -> Iterator[Problem]:
        if not one.required:
            return
        problem = Problem(
            "required_input_missing",
            "the input is required and missing",
            input_name=one.name,
            allowed=allowed(one),
        )
        if one.name in self._inputs.grown and not self._around.rules.requires_grown:
            problem = doubted(problem)
        yield from self._nested(one, problem)

    def _value(self, one: InputInfo, value: JsonValue) -> Iterator[Problem]:
        if one.kind is None or one.kind in DYNAMIC:
            return
        if looks_itself(self._node.name, one.name):
            yield from self._nested(one, self._own_value(one, value))
            return
        if LINK_CHECKS.get(self._node.name) == one.name and self._node.core:
            message = "the class asks for the type of a link"
            yield self._values.problem(
                "exception_during_validation", message, one, value
            )
            return
        found = server_side_value(one, value, known=self._known)
        if found is None:
            found = self._values.judge(one, value)
        if found is not None and not is_checked(self._node.name, one):
            found = doubted(found)
        yield from self._nested(one, found)

    def _own_value(self, one: InputInfo, value: JsonValue) -> Problem | None:
        """A value that the class looks at in place of the server."""
        if self._node.name in LATELY:
            found = self._values.judge(one, value)
            return None if found is None else doubted(found)
        wrong = self._values.judge_kind(one, value)
        if wrong is not None:
            return wrong
        value = self._values.unwrapped(value)
        if self._node.name in ASPECT_RATIOS and not _RATIO.match(str(value)):
            message = "the value is no ratio of two numbers, such as 16:9"
            kind = "custom_validation_failed"
            return doubted(self._values.problem(kind, message, one, value))
        return self._file(one, value)

    def _file(self, one: InputInfo, value: JsonValue) -> Problem | None:
        """A file that a core class looks for in the input folder."""
        check = FILE_CHECKS.get(self._node.name)
        if check is None or check.input_name != one.name or not self._node.core:
            return None
        if not isinstance(value, str):
            message = "the value is no file name"
            return self._values.problem(
                "exception_during_validation", message, one, value
            )
        name = value.removesuffix(" [input]")
        there = name in self._around.files or name in (one.choices or ())
        if there or not name or name.endswith(("[output]", "[temp]")):
            return None
        found = Problem(
            "custom_validation_failed",
            "the server has no such file in its input folder",
            input_name=one.name,
            value=shown(one.name, value),
            lacks="file",
        )
        # only files of the folder itself, and of the kind that the class reads, are
        # listed
        listed = name.lower().endswith(check.suffixes)
        plain = "/" not in name and "\\" not in name
        return found if listed and plain else doubted(found)

    # -- links

    def _link(self, one: InputInfo, value: list[JsonValue]) -> Iterator[Problem]:
        source = value[0] if len(value) == 2 else None
        if isinstance(source, str) and source in self._around.graph:
            # the server stops at a wrong link, and would tell the rest another time
            self.followed.append(source)
        yield from self._nested(one, self._link_problem(one, value))

    def _link_problem(self, one: InputInfo, value: list[JsonValue]) -> Problem | None:
        if len(value) != 2:
            return self._bad_link(
                one, value, "a list is a link: a node id, and an output's number"
            )
        source, slot = value
        if not isinstance(source, str) or source not in self._around.graph:
            text = f"the graph has no node {shown(one.name, source)}"
            return self._bad_link(one, value, f"{text}; node ids are strings")
        placed = self._around.placed.get(source)
        if placed is None:
            return None  # its class is missing: that is said where it stands
        return self._slot_problem(one, value, placed, slot)

    def _slot_problem(
        self, one: InputInfo, value: list[JsonValue], placed: Placed, slot: JsonValue
    ) -> Problem | None:
        outputs = placed.node.outputs
        if not isinstance(slot, int):
            return self._bad_link(one, value, "the number of an output is an integer")
        slot = placed.outputs.get(slot, slot)
        if not -len(outputs) <= slot < len(outputs):
            text = f"{placed.node.name} has outputs 0 to {len(outputs) - 1}"
            if not outputs:
                text = f"{placed.node.name} has no output"
            problem = self._bad_link(one, value, text)
            # a few packs have classes with any number of outputs
            return problem if is_known(placed.node) else doubted(problem)
        return self._type_problem(one, value, placed, outputs[slot])

    def _type_problem(
        self,
        one: InputInfo,
        value: list[JsonValue],
        placed: Placed,
        received: JsonValue,
    ) -> Problem | None:
        if not matches(received, one):
            return self._unmatched_link(one, value)
        if fits(received, one):
            return self._unusable_link(one, value)
        if self._node.name in LINK_CHECKS and self._node.core:
            return self._own_link(one, value)
        known = self._known and is_known(placed.node)
        kind = received if isinstance(received, str) else "a list of choices"
        return Problem(
            "return_type_mismatch",
            f"the output of {placed.node.name} is {kind}, the input takes {one.kind}",
            outlook=Outlook.REFUSED if known else Outlook.DOUBTFUL,
            input_name=one.name,
            value=shown(one.name, value),
            allowed=f"a link to {one.kind}",
        )

    def _unmatched_link(self, one: InputInfo, value: list[JsonValue]) -> Problem:
        """A link that servers take, to an input that cannot use it."""
        message = "the node does not take what is linked; the server accepts that"
        found = self._values.problem("unmatched_link", message, one, value)
        types = f"a link to {matching_types(one)}"
        return replace(found, outlook=self._if_known(Outlook.FAILS), allowed=types)

    def _own_link(self, one: InputInfo, value: list[JsonValue]) -> Problem | None:
        """A link of a type that the class, not the server, has to refuse."""
        message = f"the class takes links to {one.kind} alone"
        found = self._values.problem("custom_validation_failed", message, one, value)
        return found if LINK_CHECKS[self._node.name] == one.name else doubted(found)

    def _unusable_link(self, one: InputInfo, value: list[JsonValue]) -> Problem | None:
        """Classes that look into a text before anything runs have none then."""
        name = self._node.name
        check = FILE_CHECKS.get(name)
        named = check is not None and check.input_name == one.name
        aspect = name in ASPECT_RATIOS and looks_itself(name, one.name)
        if not self._node.core or not (named or aspect):
            return None
        message = "this must be a value, not a link: it is read before any node runs"
        kind = "exception_during_validation" if named else "custom_validation_failed"
        return self._values.problem(kind, message, one, value)

    def _bad_link(
        self, one: InputInfo, value: list[JsonValue], message: str
    ) -> Problem:
        return Problem(
            "bad_linked_input",
            message,
            input_name=one.name,
            value=shown(one.name, value),
            allowed=allowed(one) if one.choices else f"a link to {one.kind}",
        )

    # -- what the server does not look at

    def _choice(self, combo: InputInfo) -> Iterator[Problem]:
        """A dynamic combo's own value, which no server checks."""
        keys = option_keys(combo)
        if combo.name not in self._given:
            if not combo.required:
                return
            message, value = "the choice is required and missing", None
        elif self._given[combo.name] in keys:
            return
        else:
            message = "the value is not one of the choices"
            value = shown(combo.name, self._given[combo.name])
        top = combo.name in self._node.inputs
        yield Problem(
            "invalid_dynamic_input",
            f"{message}; the server accepts that"
            + (" and the node then fails" if top else ""),
            outlook=self._if_known(Outlook.FAILS if top else Outlook.DOUBTFUL),
            input_name=combo.name,
            value=value,
            allowed=", ".join(map(str, keys)),
        )

    def _unlisted(self) -> Iterator[Problem]:
        """Inputs that the class does not have: the server says nothing of them."""
        if EVERYTHING in OWN_CHECKS.get(self._node.name, ()):
            return
        names = _names(self._inputs)
        known = names | self._node.hidden | _HARMLESS
        for name in self._given:
            if name not in known and not name.startswith("_"):
                yield Problem(
                    "unknown_input",
                    "the class does not list this input; the server ignores it"
                    + _meant(name, [one for one in names if one not in self._given]),
                    outlook=Outlook.IGNORED,
                    input_name=name,
                    value=shown(name, self._given[name]),
                )


def _names(inputs: Inputs) -> set[str]:
    return set(inputs.known) | {combo.name for combo in inputs.choosing}


def _meant(name: str, free: list[str]) -> str:
    """Which input may have been meant: a dotted one of that name, or a like one."""
    dotted = [one for one in free if one.endswith(f".{name}")]
    meant = dotted or nearest(name, free)
    return f"; did you mean {' or '.join(sorted(meant))}?" if meant else ""
