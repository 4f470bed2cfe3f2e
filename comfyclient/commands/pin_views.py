"""What the commands about pins show: standings, differences, promotions."""

from __future__ import annotations

from packaging.version import Version
from pydantic import JsonValue

from ..pins.locked import LockedVersion
from ..pins.locking import Promotion
from ..pins.pins import Standing
from ..templating.graphdiff import TemplateDiff
from .console import err, out, printable


def state(one: Standing) -> str:
    """How a template stands, in a few words."""
    if one.problem is not None:
        return f"problem: {one.problem.message}"
    if one.locked is None:
        return "not locked"
    return "a newer one is there" if one.outdated else "ok"


def version_of(one: Standing) -> str:
    """The version that is locked, empty where there is none."""
    return "" if one.locked is None else one.locked.version


def standing_report(one: Standing) -> dict[str, JsonValue]:
    """How a template stands, for a script."""
    return {
        "environment": one.environment,
        "template": one.name,
        "pin": one.pin,
        "locked": version_report(one.locked),
        "newest": None if one.newest is None else str(one.newest),
        "outdated": one.outdated,
        "digest": one.digest,
        "problem": None if one.problem is None else str(one.problem),
    }


def version_report(one: LockedVersion | None) -> JsonValue:
    """A locked version without its history, for a script."""
    return None if one is None else one.model_dump(mode="json", exclude={"history"})


def promotion_report(one: Promotion, *, promoted: bool) -> dict[str, JsonValue]:
    """A promotion and whether it was done, for a script."""
    return {
        "template": one.template.name,
        "from": one.source,
        "to": one.target,
        "before": version_report(one.before),
        "after": version_report(one.found),
        "difference": None if one.difference is None else one.difference.as_json(),
        "remark": one.remark,
        "problems": [*one.problems],
        "promoted": promoted,
    }


def show_promotion(one: Promotion) -> None:
    """What a promotion would change."""
    if not one.needed:
        say(f"{one.target} runs {one.template.ref} already")
        return
    if one.difference is not None:
        show_difference(one.difference)
    if one.remark is not None:
        say(one.remark)
    if one.before is not None and Version(one.before.version) > one.template.version:
        say(f"this goes back: {one.target} runs {one.before.version} now")
    for problem in one.problems:
        err.print(printable(f"{one.target} would not run it: {problem}"), markup=False)


def show_difference(difference: TemplateDiff) -> None:
    """What differs between two versions, line by line."""
    for line in difference.lines():
        say(line)


def say(text: str) -> None:
    """One line on stdout."""
    out.print(printable(text), markup=False)
