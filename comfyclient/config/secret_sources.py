"""Reads a secret from where the configuration says it is: a variable, or a file."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ConfigError
from ..regular_files import open_regular
from .secrets import looks_secret

MAX_BYTES = 64 << 10
"""Larger files hold no token."""


def secret_in_variable(variable: str, *, key: str) -> str:
    """What an environment variable holds; `key` is what named it, and whose that is.

    Raises:
        ConfigError: it is not set, or empty.
    """
    secret = os.environ.get(variable, "").strip()
    if secret:
        return secret
    shown = "…" if looks_secret(variable) else variable  # the secret, by mistake
    raise ConfigError(
        f"{key} names {shown}, which is not set",
        hint=f"export {shown}=… before starting",
    )


def secret_in_file(file: Path, *, key: str) -> str:
    """What a file holds; `key` is what named it, and whose that is.

    Raises:
        ConfigError: it is not there, holds nothing, or is no text.
    """
    hint = "put the secret into it, alone on one line, for this user to read"
    try:
        with open_regular(file) as opened:
            content = opened.read(MAX_BYTES + 1)
        secret = content.decode("utf-8-sig").strip()  # Windows' editors write a BOM
    except UnicodeDecodeError:
        raise ConfigError(f"{key} {file} is no UTF-8 text", hint=hint) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{key} {file} cannot be read: {why}", hint=hint) from error
    if len(content) > MAX_BYTES:
        words = f"is larger than {MAX_BYTES >> 10} KiB"
        raise ConfigError(f"{key} {file} {words}", hint=hint)
    if not secret:
        raise ConfigError(f"{key} {file} is empty", hint=hint)
    return secret
