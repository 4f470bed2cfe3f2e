"""Waits for a file that was written through a mount and is not seen elsewhere yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity.wait import wait_random_exponential

from ..errors import OutputMissingError
from ..files.patience import ENDLESS, is_a, patiently
from ..timing import Deadline

T = TypeVar("T")

_PAUSES = wait_random_exponential(multiplier=0.1, max=1)


def once_visible(look: Callable[[], T], deadline: Deadline, *, within_s: float) -> T:
    """What a look brings, as soon as it finds the file.

    Raises:
        OutputMissingError: it is not there after so many seconds.
    """
    return patiently(
        look,
        deadline.within(within_s),
        worth=is_a(OutputMissingError),
        tries=ENDLESS,
        pauses=_PAUSES,
    )
