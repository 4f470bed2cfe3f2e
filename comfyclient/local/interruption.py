"""The flag that stops the running prompt at its next check."""

from __future__ import annotations

import threading

from .context import ProcessingInterruptedError


class Interruption:
    """Set by anybody, read and reset by the prompt that runs."""

    def __init__(self) -> None:
        self._flag = threading.Event()
        self._for_good = False

    def set(self) -> None:
        """Stop the running prompt."""
        self._flag.set()

    def set_for_good(self) -> None:
        """Stop this prompt and every later one: the engine closes."""
        self._for_good = True
        self._flag.set()

    def reset(self) -> None:
        """Forget an interruption that came while nothing ran."""
        if not self._for_good:
            self._flag.clear()

    def is_set(self) -> bool:
        """Whether the running prompt is to stop."""
        return self._flag.is_set()

    def check(self) -> None:
        """Stop here if the prompt is to stop.

        Raises:
            ProcessingInterruptedError: it is.
        """
        if self._flag.is_set():
            self.reset()
            raise ProcessingInterruptedError
