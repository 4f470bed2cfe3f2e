"""`pins verify`: whether what is locked is still there, and would still run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import JsonValue

from ..errors import ComfyClientError
from ..pins.locked import Lock
from ..pins.pins import Standing, locked_template
from .console import show_json
from .options import FAILED, AnyEnv, Config, Json, Templates
from .pin_views import say, standing_report, version_of
from .pinboard import LockFile, Pinboard, pinboard
from .target import Target


@dataclass(frozen=True, slots=True)
class Verified:
    """A locked template, and what its environment's servers have against it."""

    standing: Standing
    refusals: tuple[str, ...] = ()
    changed: bool | None = None
    """Whether they offer other node classes than when it was locked; None: unknown."""

    @property
    def ok(self) -> bool:
        """Whether the environment runs it."""
        return self.standing.problem is None and not self.refusals

    @property
    def words(self) -> str:
        """The outcome."""
        problem = self.standing.problem
        said = [problem.message] if problem is not None else [*self.refusals]
        changed = ["the node classes have changed since"] if self.changed else []
        return "; ".join([*(said or ["ok"]), *changed])

    def as_json(self) -> dict[str, JsonValue]:
        """The same for a script."""
        return {
            **standing_report(self.standing),
            "refusals": [*self.refusals],
            "node_classes_changed": self.changed,
        }


def verify_pins(
    *,
    env: AnyEnv = None,
    servers: Annotated[
        bool, typer.Option("--servers", help="Also ask servers if they would run it.")
    ] = False,
    config: Config = None,
    lock_file: LockFile = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Check that the files of all locked templates are the bytes that were locked."""
    board = pinboard(config, lock_file, templates)
    lock = board.lock()
    chosen = board.environments(lock, env)
    locked = [
        one
        for environment in chosen
        for one in _verified(board, lock, environment, servers=servers)
    ]
    bare = [name for name in chosen if _must_be_locked(board, lock, name)]
    sound = not bare and all(one.ok for one in locked)
    if as_json:
        reports: list[JsonValue] = [one.as_json() for one in locked]
        show_json({"ok": sound, "not_locked": [*bare], "templates": reports})
    else:
        _show(locked, bare)
    if not sound:
        raise typer.Exit(FAILED)


def _verified(
    board: Pinboard, lock: Lock | None, environment: str, *, servers: bool
) -> Iterator[Verified]:
    settings = board.settings.environments.get(environment)
    target = None if settings is None else Target(environment, settings)
    for one in board.standings(environment, lock):
        if one.locked is None:
            continue
        if not servers or one.problem is not None:
            yield Verified(one)
        else:
            yield _asked(board, one, target)


def _asked(board: Pinboard, one: Standing, target: Target | None) -> Verified:
    if target is None:
        return Verified(one, ("not asked: the environment is not configured",))
    assert one.locked is not None, "only what is locked is verified"
    template = locked_template(
        one.name, one.locked, environment=one.environment, registry=board.registry
    )
    try:
        refusals = tuple(target.preflight(template))
    except ComfyClientError as error:
        return Verified(one, (f"not asked: {error.message}",))
    before, now = one.locked.object_info, target.object_info
    return Verified(one, refusals, None if before is None else before != now)


def _must_be_locked(board: Pinboard, lock: Lock | None, environment: str) -> bool:
    found = board.settings.environments.get(environment)
    protected = found is not None and found.protected
    return protected and (lock is None or lock.section(environment) is None)


def _show(locked: list[Verified], bare: list[str]) -> None:
    for one in locked:
        standing = one.standing
        say(
            f"{standing.environment}: {standing.name} {version_of(standing)}: "
            f"{one.words}"
        )
    for name in bare:
        say(f"{name}: protected, and nothing is locked in it")
    if not locked and not bare:
        say("nothing is locked")
