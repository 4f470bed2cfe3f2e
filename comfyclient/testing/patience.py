"""Waits of a test for what a server and its client do together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_GLANCE_S = 0.02
"""Seconds after which it is looked at anew: what a client does nobody tells."""


def await_so(
    condition: threading.Condition, ready: Callable[[], object], *, timeout: float
) -> None:
    """Return once something is so; the condition tells when it may have become so.

    Raises:
        TimeoutError: it is not after `timeout` seconds.
    """
    end = time.monotonic() + timeout
    with condition:
        while not ready():
            if time.monotonic() >= end:
                raise TimeoutError("what the test waits for did not happen")
            condition.wait(_GLANCE_S)
