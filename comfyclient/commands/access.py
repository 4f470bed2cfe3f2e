"""The command `eas access`: which ways and grants an environment takes."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import JsonValue

from ..config.dashscope import base_address, dashscope_of
from ..eas.access import Way, policy_of, ways_of
from ..eas.egress import calling_classes
from ..errors import UsageError
from ..pins.pinned import pinned_templates
from ..templating.registry import Registry
from .console import err, out, printable, show_json, show_rows
from .options import Config, Env, Json
from .place import Place, find_place


class PurposeName(StrEnum):
    """Whose grants."""

    RUN = "run"
    PUSH = "push"
    LOOK = "look"


def access(
    *,
    purpose: Annotated[
        PurposeName,
        typer.Option(
            help="run: a backend that runs jobs; push: who fills the mount; look: who "
            "only reads."
        ),
    ] = PurposeName.RUN,
    policy: Annotated[
        bool, typer.Option("--policy", help="Only the RAM policy, as RAM takes it.")
    ] = False,
    config: Config = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List the ways and grants that an environment's jobs take; asks nobody."""
    place = find_place(config, env)
    granted = policy_of(place.environment.storage, purpose.value)
    if policy and granted is None:
        raise UsageError(
            f"environment {place.name} has no bucket, so it takes no policy of RAM",
            hint=f"kind = 'oss' in [environments.{place.name}.storage]",
        )
    if policy and granted is not None:
        show_json(granted)
        return
    ways = _ways(place)
    if as_json:
        told: list[JsonValue] = [way.as_json() for way in ways]
        show_json({"environment": place.name, "ways": told, "policy": granted})
        return
    _show(place, ways, granted, purpose)


def _ways(place: Place) -> list[Way]:
    hosted = dashscope_of(place.settings, place.name)
    templates = pinned_templates(place.name, place.settings, Registry())
    return list(
        ways_of(
            place.environment,
            models_at=None if hosted is None else base_address(hosted),
            paints=hosted is not None and hosted.picture is not None,
            result_hosts=() if hosted is None else hosted.result_hosts,
            calling=calling_classes(templates.workflows),
        )
    )


def _show(
    place: Place,
    ways: list[Way],
    granted: dict[str, JsonValue] | None,
    purpose: PurposeName,
) -> None:
    out.print(printable(f"environment {place.name}"), markup=False)
    rows = [(way.source, way.target, way.why, way.takes) for way in ways]
    show_rows(("from", "to", "for", "takes"), rows, title="ways")
    if not ways:
        out.print("\nno way leads out of this machine")
    if granted is not None:
        out.print(f"\nRAM policy to {purpose}, and nothing else", markup=False)
        out.print(json.dumps(granted, indent=2), markup=False)
    if ways:
        err.print("whether all this is so: comfyclient doctor")
