"""The commands about pins: show, lock, verify, diff, promote."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..errors import UsageError
from ..pins.locking import Promotion, lock_templates, prepare
from ..pins.pins import resolve
from ..templating.comparing import compare
from ..templating.template import Template
from .console import printable, show_json, show_rows
from .options import FAILED, AnyEnv, Config, Confirm, Json, Templates, YesProd
from .pin_views import (
    promotion_report,
    say,
    show_difference,
    show_promotion,
    standing_report,
    state,
    version_report,
)
from .pinboard import (
    LockFile,
    Pinboard,
    Why,
    is_confirmed,
    pinboard,
    signature,
    unconfirmed,
)
from .target import Target
from .verifying import verify_pins

pins = typer.Typer(help="Which template versions run where.", no_args_is_help=True)


@pins.command("show")
def show_pins(
    *,
    env: AnyEnv = None,
    config: Config = None,
    lock_file: LockFile = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Show what each environment is pinned and locked to, and what is newer."""
    board = pinboard(config, lock_file, templates)
    lock = board.lock()
    found = [
        one
        for environment in board.environments(lock, env)
        for one in board.standings(environment, lock)
    ]
    if as_json:
        show_json([standing_report(one) for one in found])
        return
    show_rows(
        ["environment", "template", "pin", "locked", "newest", ""],
        [
            (
                one.environment,
                one.name,
                one.pin or "any",
                "" if one.locked is None else one.locked.version,
                "" if one.newest is None else str(one.newest),
                state(one),
            )
            for one in found
        ],
    )


@pins.command("lock")
def lock_pins(
    refs: Annotated[
        list[str] | None,
        typer.Argument(help="NAME or NAME@VERSION; what is pinned if none."),
    ] = None,
    *,
    env: Annotated[str, typer.Option(help="The environment.")],
    why: Why = "",
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    config: Config = None,
    lock_file: LockFile = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Lock templates to the newest versions that their pins allow; asks nothing."""
    board = pinboard(config, lock_file, templates)
    settings = board.require(env)
    saved = Target(env, settings).saved
    if settings.protected and not is_confirmed(env, confirm, yes_prod=yes_prod):
        raise unconfirmed(env, "lock templates")
    done = lock_templates(
        board.path,
        refs or [],
        environment=env,
        pins=board.pins(env),
        registry=board.registry,
        by=signature(why),
        object_info=None if saved is None else saved.fingerprint,
    )
    if as_json:
        show_json(
            [
                {
                    "environment": env,
                    "template": one.name,
                    "before": version_report(one.before),
                    "after": version_report(one.after),
                    "changed": one.changed,
                }
                for one in done
            ]
        )
        return
    for one in done:
        was = "" if one.before is None else f", was {one.before.version}"
        end = was if one.changed else ", as before"
        say(f"{env}: {one.name} {one.after.version}{end}")


@pins.command("diff")
def diff_pins(
    name: Annotated[str, typer.Argument(help="The template's name.")],
    before: Annotated[str | None, typer.Argument(help="The older version.")] = None,
    after: Annotated[str | None, typer.Argument(help="The newer version.")] = None,
    *,
    source: Annotated[
        str | None, typer.Option("--from", help="The environment to compare.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", help="The environment to compare it with.")
    ] = None,
    config: Config = None,
    lock_file: LockFile = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions, or from what --to runs to --from's."""
    board = pinboard(config, lock_file, templates)
    versions, environments = (before, after), (target, source)
    if None in environments and None not in versions:
        old, new = (board.registry.find(f"{name}@{version}") for version in versions)
    elif None not in environments and versions == (None, None):
        old, new = (_running(board, name, str(one)) for one in environments)
    else:
        raise UsageError(
            "give two versions, or two environments",
            hint="pins diff trip-postcard 1.0.0 1.1.0, or "
            "pins diff trip-postcard --from test --to prod",
        )
    difference = compare(old, new)
    if as_json:
        show_json(difference.as_json())
    else:
        show_difference(difference)


@pins.command("promote")
def promote_pin(
    name: Annotated[str, typer.Argument(help="The template's name.")],
    *,
    source: Annotated[str, typer.Option("--from", help="Where it is locked.")],
    target: Annotated[str, typer.Option("--to", help="Where it is to run.")],
    why: Why = "",
    check: Annotated[
        bool, typer.Option(help="Ask the target's servers whether they would run it.")
    ] = True,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    config: Config = None,
    lock_file: LockFile = None,
    templates: Templates = None,
    as_json: Json = False,
) -> None:
    """Lock one environment to the version that another one runs; shows what changes."""
    board = pinboard(config, lock_file, templates)
    settings = board.require(target)
    board.require(source)
    servers = Target(target, settings)
    promotion = prepare(
        name,
        source=source,
        target=target,
        lock=board.lock(),
        pins={one: board.pins(one) for one in (source, target)},
        registry=board.registry,
        preflight=servers.preflight if check else None,
    )
    if not as_json:
        show_promotion(promotion)
    promoted = False
    if promotion.needed and not promotion.problems:
        confirmed = is_confirmed(target, confirm, yes_prod=yes_prod)
        _require_yes(
            promotion,
            protected=settings.protected,
            confirmed=confirmed,
            asks=sys.stdin.isatty() and not as_json,
        )
        promotion.promote(
            board.path,
            by=signature(why),
            object_info=servers.object_info if check else None,
        )
        promoted = True
    if as_json:
        show_json(promotion_report(promotion, promoted=promoted))
    elif promoted:
        say(f"{target} runs {promotion.template.ref} from now on")
    if promotion.problems:
        raise typer.Exit(FAILED)


def _running(board: Pinboard, name: str, environment: str) -> Template:
    """What an environment runs, as far as its lock and pins say."""
    board.environments(lock := board.lock(), environment)
    return resolve(
        name,
        environment=environment,
        pins=board.pins(environment),
        lock=lock,
        registry=board.registry,
    )


def _require_yes(
    promotion: Promotion, *, protected: bool, confirmed: bool, asks: bool
) -> None:
    """Have it confirmed: by a person at a terminal, or, where protected, by option.

    Raises:
        PinError: it is protected and nobody confirmed it.
        typer.Abort: the person said no.
    """
    if confirmed:
        return
    if asks:
        question = f"Lock {promotion.target} to {promotion.template.ref}?"
        typer.confirm(printable(question), abort=True, err=True)
    elif protected:
        raise unconfirmed(promotion.target, f"promote {promotion.template.name}")


pins.command("verify")(verify_pins)
