"""How commands end: by themselves, or stopped; and what their caller is told."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from ..errors import UsageError
from .options import FAILED, WRONG_USE

STOPS = (KeyboardInterrupt, SystemExit)
"""What ends a `stoppable` block from outside."""

_STOPPED_BY_CTRL_C = 130


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: all that was begun is let go of."""
    former = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def exit_code(end: BaseException) -> int:
    """How the command tells its caller of an error, or of what stopped it."""
    if isinstance(end, KeyboardInterrupt):
        return _STOPPED_BY_CTRL_C
    if isinstance(end, SystemExit):
        return end.code if isinstance(end.code, int) else FAILED
    return WRONG_USE if isinstance(end, UsageError) else FAILED


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
