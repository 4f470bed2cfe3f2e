"""What instances show to be let in: tokens, fit to be sent, and certificates."""

from __future__ import annotations

import os
import re

from ..errors import ConfigError
from .models import InstanceSettings
from .secret_sources import secret_in_file, secret_in_variable
from .secrets import secret_headers, secrets_in_url

_SHORTEST_SECRET = 6
_QUOTED = re.compile(r"(['\"“”‘’]).*['\"“”‘’]", re.DOTALL)
_PLACEHOLDER = re.compile(r"<.*>|\$\{?\w+\}?|\{\{.*\}\}|…|\.{3}", re.DOTALL)


def read_token(instance: InstanceSettings) -> str | None:
    """The instance's token, or that of the variable or file that is named for it.

    Raises:
        ConfigError: one is named that is not there, is empty, or cannot be one.
    """
    owner, file = f"instance {instance.name}", instance.token_file
    if instance.token is not None:
        token, source = instance.token.get_secret_value(), "token"
    elif (variable := instance.token_env) is not None:
        token = secret_in_variable(variable, key=f"{owner}: token_env")
        source = f"token_env {variable}"
    elif file is not None:
        token = secret_in_file(file, key=f"{owner}: token_file")
        source = f"token_file {file}"
    else:
        return None
    slip = _slip_in(token)
    if slip is not None:
        raise ConfigError(f"{owner}: the token of {source} {slip[0]}", hint=slip[1])
    return token


def require_tls_files(instance: InstanceSettings) -> None:
    """Let an instance pass whose certificates and key are there to be read.

    Raises:
        ConfigError: one is not; names its key and file.
    """
    for key, file in instance.tls:
        if isinstance(file, str) and not os.access(file, os.R_OK):
            raise ConfigError(
                f"instance {instance.name}: tls.{key} {file} cannot be read",
                hint="name a file in PEM format that this user can read",
            )


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
