"""The command that prints the version."""

from __future__ import annotations

from .. import __version__
from .console import out


def version() -> None:
    """Print the version."""
    out.print(__version__)
