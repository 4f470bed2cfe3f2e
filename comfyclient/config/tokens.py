"""Tokens of instances: from a variable, a file or the caller, and fit to be sent."""

from __future__ import annotations

import os
import re

from ..errors import ConfigError
from .models import InstanceSettings
from .secrets import looks_secret, secret_headers, secrets_in_url

_SHORTEST_SECRET = 6
_QUOTED = re.compile(r"(['\"“”‘’]).*['\"“”‘’]", re.DOTALL)
_PLACEHOLDER = re.compile(r"<.*>|\$\{?\w+\}?|\{\{.*\}\}|…|\.{3}", re.DOTALL)


def read_token(instance: InstanceSettings) -> str | None:
    """The instance's token, or that of the variable or file that is named for it.

    Raises:
        ConfigError: one is named that is not there, is empty, or cannot be one.
    """
    if instance.token is not None:
        token, source = instance.token.get_secret_value(), "token"
    elif instance.token_env is not None:
        token = _token_of_variable(instance.name, instance.token_env)
        source = f"token_env {instance.token_env}"
    elif instance.token_file is not None:
        token, source = _token_of_file(instance), f"token_file {instance.token_file}"
    else:
        return None
    slip = _slip_in(token)
    if slip is not None:
        raise ConfigError(
            f"instance {instance.name}: the token of {source} {slip[0]}", hint=slip[1]
        )
    return token


def secrets_of(instance: InstanceSettings) -> list[str]:
    """What of an instance must never be written down, the longest first.

    Its token, headers that look like credentials, and what its URL has of the kind; a
    text too short to be one would blot out harmless words.

    Raises:
        ConfigError: the token cannot be read.
    """
    token = read_token(instance)
    found = {
        *([] if token is None else [token]),
        *(instance.headers[name] for name in secret_headers(instance.headers)),
        *secrets_in_url(instance.url),
    }
    return sorted((one for one in found if len(one) >= _SHORTEST_SECRET), key=len)[::-1]


def _token_of_variable(instance: str, variable: str) -> str:
    token = os.environ.get(variable, "").strip()
    if token:
        return token
    shown = "…" if looks_secret(variable) else variable  # the token itself, by mistake
    raise ConfigError(
        f"instance {instance}: token_env names {shown}, which is not set",
        hint=f"export {shown}=… before starting",
    )


def _token_of_file(instance: InstanceSettings) -> str:
    assert instance.token_file is not None
    told = f"instance {instance.name}: cannot read token_file {instance.token_file}"
    try:
        token = instance.token_file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{told}: it is no UTF-8 text") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None)
        raise ConfigError(f"{told}{f': {why}' if why else ''}") from error
    if not token:
        raise ConfigError(
            f"instance {instance.name}: token_file {instance.token_file} is empty"
        )
    return token


def _slip_in(token: str) -> tuple[str, str] | None:
    """What keeps a text from being a token, and the remedy; it is not quoted."""
    if _QUOTED.fullmatch(token):
        return "has quotes around it", "take them away: files of variables keep them"
    if _PLACEHOLDER.fullmatch(token):
        return "is a placeholder", "put in the token that the service's console shows"
    if token.lower().startswith("authorization:"):
        return "begins with the header's name", "leave the token alone there"
    if not all(" " <= character <= "~" for character in token):
        return (
            "has line breaks or other characters that no header carries",
            "copy it anew, as one line",
        )
    return None
