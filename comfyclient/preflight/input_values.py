"""What a server makes of a value given to an input. Pure."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace

from pydantic import JsonValue

from ..graph import short
from .findings import Lack, Outlook
from .link_types import is_server_side
from .model_folders import is_model_file, model_folder, names_files
from .object_info import COMBO, InputInfo
from .server_rules import ServerRules

QUOTED = 20
"""Longer lists of choices are counted, and only the nearest are named."""

_HIDDEN = "***"
_SECRET = re.compile(r"(?i)(^|[_.])(api_?key|key|token|secret|password|passwd)$")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input, or with its node."""

    kind: str
    """The server's own word where it has one."""
    message: str
    outlook: Outlook = Outlook.REFUSED
    input_name: str | None = None
    value: str | None = None
    allowed: str | None = None
    lacks: Lack | None = None


def doubted(problem: Problem) -> Problem:
    """The same, where it is not known whether the server looks at it."""
    return replace(problem, outlook=Outlook.DOUBTFUL)


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """Judges the values of one class's inputs."""

    class_type: str
    rules: ServerRules
    outlook: Outlook
    """What comes of a value out of range, or of one that is no choice."""

    def judge(self, one: InputInfo, value: JsonValue) -> Problem | None:
        """What is wrong with a value, where the server checks it itself."""
        value = self.unwrapped(value)
        taken = converted(one, value)
        if isinstance(taken, Problem):
            return taken
        return _out_of_range(self, one, taken.value) or self._no_choice(one, value)

    def judge_kind(self, one: InputInfo, value: JsonValue) -> Problem | None:
        """What is wrong with a value that the class looks at itself."""
        taken = converted(one, self.unwrapped(value))
        return taken if isinstance(taken, Problem) else None

    def problem(
        self, kind: str, message: str, one: InputInfo, value: JsonValue
    ) -> Problem:
        """A problem of this class's."""
        return Problem(
            kind,
            message,
            outlook=self.outlook,
            input_name=one.name,
            value=shown(one.name, value),
            allowed=allowed(one),
        )

    def unwrapped(self, value: JsonValue) -> JsonValue:
        """The value as it stands in the wrapper that tells lists from links."""
        wrapped = self.rules.wraps_values and isinstance(value, dict)
        if wrapped and isinstance(value, dict) and "__value__" in value:
            return value["__value__"]
        return value

    def _no_choice(self, one: InputInfo, value: JsonValue) -> Problem | None:
        if one.kind != COMBO:
            return None
        choices = one.choices or []
        several = bool(one.options.get("multiselect")) and isinstance(value, list)
        items = value if several and isinstance(value, list) else [value]
        wrong = [item for item in items if item not in choices]
        if not wrong:
            return None
        sure = one.listed or self.rules.checks_combos
        if several and not self.rules.checks_lists:
            sure = False
        outlook = self.outlook if sure else Outlook.DOUBTFUL
        message, lacks = _missing(self.class_type, one, wrong[0])
        return Problem(
            "value_not_in_list",
            message,
            outlook=outlook,
            input_name=one.name,
            value=shown(one.name, wrong[0]),
            allowed=_choices(one, wrong[0]),
            lacks=lacks,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A value as the server takes it."""

    value: JsonValue


def converted(one: InputInfo, value: JsonValue) -> Taken | Problem:
    """The value as the input's type; servers convert what Python converts."""
    try:
        match one.kind:
            case "INT":
                return Taken(int(value))  # type: ignore[arg-type]  # may raise
            case "FLOAT":
                return Taken(float(value))  # type: ignore[arg-type]  # may raise
            case "STRING":
                return Taken(str(value))
            case "BOOLEAN":
                return Taken(bool(value))
    except (TypeError, ValueError, OverflowError):
        return Problem(
            "invalid_input_type",
            f"the value is no {one.kind}",
            input_name=one.name,
            value=shown(one.name, value),
            allowed=allowed(one),
        )
    return Taken(value)


def server_side_value(
    one: InputInfo, value: JsonValue, *, known: bool
) -> Problem | None:
    """A value in the place of a link: servers take it, and the node cannot use it.

    `null` is a doubt: 0.3.64 ran an ImageStitch with none for its required `image1`,
    which then hands on the other picture.
    """
    nothing = value is None
    if not is_server_side(one.kind) or (nothing and not one.required):
        return None
    then = "most nodes then fail" if nothing else "the node then fails"
    return Problem(
        "value_in_place_of_link",
        f"the input takes a link to an output of type {one.kind}; the server accepts "
        f"a value and {then}",
        outlook=Outlook.FAILS if known and not nothing else Outlook.DOUBTFUL,
        input_name=one.name,
        value=shown(one.name, value),
        allowed=f"a link to {one.kind}",
    )


def shown(input_name: str, value: JsonValue) -> str:
    """A value as short text; what may be a secret is not shown."""
    if isinstance(value, str) and _SECRET.search(input_name):
        return _HIDDEN
    return short(value)


def allowed(one: InputInfo) -> str | None:
    """What an input takes, as short text."""
    if one.kind == COMBO:
        return _choices(one, None)
    low, high = one.options.get("min"), one.options.get("max")
    if low is not None and high is not None:
        return f"{one.kind} from {low} to {high}"
    if low is not None:
        return f"{one.kind} from {low}"
    return one.kind if high is None else f"{one.kind} up to {high}"


def nearest(wrong: object, among: list[str]) -> list[str]:
    """The names that come closest to one that is not there."""
    if not isinstance(wrong, str):
        return []
    lowered: dict[str, str] = {}
    for name in among:
        lowered.setdefault(name.lower(), name)
    close = difflib.get_close_matches(wrong.lower(), list(lowered), n=3, cutoff=0.6)
    return [lowered[name] for name in close]


def _out_of_range(
    check: ValueCheck, one: InputInfo, value: JsonValue
) -> Problem | None:
    options = one.options
    try:
        # the options come from a server: what they hold need not be numbers
        if "min" in options and value < options["min"]:  # type: ignore[operator]
            message = f"the value is below the least, {options['min']}"
            return check.problem("value_smaller_than_min", message, one, value)
        if "max" in options and value > options["max"]:  # type: ignore[operator]
            message = f"the value is above the most, {options['max']}"
            return check.problem("value_bigger_than_max", message, one, value)
    except TypeError:
        message = "the value is no number, and the input has a range"
        return check.problem("exception_during_validation", message, one, value)
    return None


def _missing(
    class_type: str, one: InputInfo, value: JsonValue
) -> tuple[str, Lack | None]:
    """What a value that is no choice means: often, a file that is not there."""
    folder = model_folder(class_type, one.name)
    if (
        isinstance(value, str)
        and value
        and (folder is not None or is_model_file(value))
    ):
        where = "its model folders" if folder is None else f"models/{folder}"
        return f"the server has no such file in {where}", "model"
    if one.names_a_file or names_files(class_type, one.name):
        return "the server has no such file to choose", "file"
    return "the value is not one of the choices", None


def _choices(one: InputInfo, wrong: JsonValue) -> str:
    choices = [str(choice) for choice in one.choices or []]
    if not choices:
        return "nothing: the server's list is empty"
    if len(choices) <= QUOTED:
        return ", ".join(choices)
    close = nearest(wrong, choices)
    named = f"; the nearest: {', '.join(close)}" if close else ""
    return f"one of {len(choices)} values{named}"
