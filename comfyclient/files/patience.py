"""Tries a read again: how often, after which pauses, and what is worth it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_random_exponential

from ..errors import (
    BusyError,
    ComfyClientError,
    OutputDamagedError,
    StorageError,
    StorageUnreachableError,
    TransportError,
)
from ..timing import Deadline

TRIES = 5
"""Times that a step is tried which gets no further."""
ENDLESS = 1_000_000
"""For those who count otherwise."""
PAUSES = wait_random_exponential(multiplier=0.1, max=10)

T = TypeVar("T")


def patiently(
    step: Callable[[], T],
    deadline: Deadline,
    *,
    worth: Callable[[BaseException], bool] | None = None,
    tries: int = TRIES,
    pauses: wait_base = PAUSES,
) -> T:
    """Do a step that changes nothing by being repeated, until it succeeds.

    Raises:
        ComfyClientError: it failed in a way that time does not heal, or again and
            again, or the deadline came near.
    """

    def enough(state: RetryCallState) -> bool:
        return state.upcoming_sleep >= deadline.remaining() or last(state)

    last = stop_after_attempt(tries)
    retrying = Retrying(
        retry=retry_if_exception(passing if worth is None else worth),
        wait=lambda state: _pause_before(state, pauses),
        stop=enough,
        sleep=deadline.pause,
        reraise=True,
    )
    return retrying(step)


def passing(error: BaseException) -> bool:
    """Whether the same read may succeed in a moment."""
    kinds = OutputDamagedError | StorageError | TransportError
    return isinstance(error, kinds) and error.retryable


def _pause_before(state: RetryCallState, pauses: wait_base) -> float:
    """As long as was asked for, or a growing while."""
    error = None if state.outcome is None else state.outcome.exception()
    asked = (
        error.retry_after
        if isinstance(error, BusyError | StorageUnreachableError)
        else None
    )
    return pauses(state) if asked is None else asked


def is_a(*kinds: type[ComfyClientError]) -> Callable[[BaseException], bool]:
    """A test for `worth`: these errors, and no others."""
    return lambda error: isinstance(error, kinds)
