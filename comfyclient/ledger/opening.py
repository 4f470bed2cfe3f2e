"""Opens the ledger that an environment is configured with, or only looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from ..config.settings import EnvironmentSettings, default_ledger
from ..config.tokens import secrets_of
from ..timing import SYSTEM_CLOCK, Clock
from .journal import Journal
from .records import redacted


def open_ledger(
    name: str, settings: EnvironmentSettings, *, clock: Clock = SYSTEM_CLOCK
) -> Journal:
    """The ledger of an environment, without anything else of it.

    Raises:
        LedgerError: it cannot be opened.
        ConfigError: a token that must never be written down cannot be read.
    """
    from .ledger import Ledger  # SQLAlchemy takes longer to import than all the rest

    url = settings.ledger if settings.ledger is not None else default_ledger(name)
    secrets = [secret for one in settings.instances for secret in secrets_of(one)]
    ledger = Ledger(url, clock=clock, redact=partial(_without, secrets))
    ledger.open()
    return ledger


class LedgerSight(Protocol):
    """What can be seen of a ledger without changing it."""

    def version(self) -> int | None:
        """The version of its tables; None where there is no file yet."""

    def file(self) -> Path | None:
        """The file that it is in; None for a database server."""


def see_ledger(name: str, settings: EnvironmentSettings) -> LedgerSight:
    """The ledger of an environment, to be looked at: nothing is made or migrated."""
    from .look import Sight  # SQLAlchemy again

    url = settings.ledger if settings.ledger is not None else default_ledger(name)
    return Sight(url)


def _without(secrets: Sequence[str], text: str) -> str:
    """The text without these secrets, and without what looks like one."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return redacted(text)
