"""Asks for a word before something is done to a protected environment. Pure."""

from __future__ import annotations

from ..errors import UsageError
from .models import EnvironmentSettings


def require_confirmation(
    name: str,
    environment: EnvironmentSettings,
    *,
    action: str,
    confirm: str | bool | None,
) -> None:
    """Let an action pass where the environment is not protected, or it was confirmed.

    Only the environment's own name confirms: a word that was meant for another one,
    or a `True` that a script passes everywhere, does not. On the command line,
    `--yes-prod` is short for `--confirm prod`.

    Raises:
        UsageError: it is protected, and was not confirmed.
    """
    if not environment.protected or confirm == name:
        return
    got = "" if confirm is None or confirm is False else f", got {confirm!r:.60}"
    raise UsageError(
        f"environment {name} is protected, so it must be confirmed to {action}{got}",
        hint=f"pass confirm={name!r}, or --confirm {name} on the command line",
    )
