"""A thread that is there only where there is work for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class LateThread:
    """Begins when it is first needed, once; its owner ends what it runs."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = name
        self._run = run
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = False

    def begin(self) -> None:
        """Have it run, unless it was begun or is over."""
        with self._lock:
            if self._thread is None and not self._over:
                self._thread = threading.Thread(
                    target=self._run, name=f"comfyclient-{self._name}", daemon=True
                )
                self._thread.start()

    def end(self, seconds: float) -> None:
        """Begin no more; wait so long until it has ended, but not for oneself."""
        with self._lock:
            self._over = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=seconds)
