"""The queue: what is pending, what runs, what has finished, under one lock."""

from __future__ import annotations

import copy
import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .history import SECRET_KEYS, History


@dataclass(order=True, slots=True)
class QueueItem:
    """One prompt waiting or running; the lowest number runs first, then the id."""

    number: float
    prompt_id: str
    arrival: int
    prompt: dict[str, Any] = field(compare=False)
    extra_data: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)
    """The output nodes to execute."""

    @property
    def client_id(self) -> str | None:
        """The sid that hears of it; None means nobody in particular.

        Clients may send any JSON; what is no text is nobody's sid.
        """
        sent = self.extra_data.get("client_id")
        return sent if sent is None or isinstance(sent, str) else repr(sent)

    def shown(self, *, without_secrets: bool) -> list[Any]:
        """The item as GET /queue lists it."""
        extra = self.extra_data
        if without_secrets:
            extra = {key: extra[key] for key in extra if key not in SECRET_KEYS}
        return [self.number, self.prompt_id, self.prompt, extra, self.outputs]


class PromptQueue:
    """Prompts from their arrival to their place in the history.

    A prompt is always to be found: queue and history change together.
    """

    def __init__(
        self,
        *,
        on_change: Callable[[], None],
        interrupt: Callable[[], None],
    ) -> None:
        self._on_change = on_change
        self._interrupt = interrupt
        self._lock = threading.RLock()
        self._filled = threading.Condition(self._lock)
        self._pending: list[QueueItem] = []
        self._running: dict[int, QueueItem] = {}
        self._history = History()
        self._arrivals = itertools.count()
        self._closed = False
        self.flags: dict[str, bool] = {}
        """What POST /free asked for, until the worker does it."""

    def put(
        self,
        *,
        number: float,
        prompt_id: str,
        prompt: dict[str, Any],
        extra_data: dict[str, Any],
        outputs: list[str],
    ) -> None:
        """Add a prompt."""
        with self._lock:
            # Unlike the server, equal number and id never break the queue here.
            item = QueueItem(
                number, prompt_id, next(self._arrivals), prompt, extra_data, outputs
            )
            heapq.heappush(self._pending, item)
            self._filled.notify()
        self._on_change()

    def take(self, *, seconds: float) -> QueueItem | None:
        """The next prompt, which now runs; None when time is up or flags are set."""
        with self._lock:
            self._filled.wait_for(
                lambda: self._pending or self._closed or self.flags, timeout=seconds
            )
            if self._closed or not self._pending:
                return None
            item = heapq.heappop(self._pending)
            self._running[item.arrival] = copy.deepcopy(item)
        self._on_change()
        return item

    def finish(self, item: QueueItem, entry: dict[str, Any]) -> None:
        """The prompt is no longer running but in the history."""
        with self._lock:
            self._running.pop(item.arrival, None)
            self._history.put(item.prompt_id, entry)
        self._on_change()

    def close(self) -> None:
        """Wake the worker for good."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()

    @property
    def closed(self) -> bool:
        """Whether no prompt will be taken any more."""
        return self._closed

    def remaining(self) -> int:
        """How many prompts are pending or running."""
        with self._lock:
            return len(self._pending) + len(self._running)

    def snapshot(self) -> tuple[list[QueueItem], list[QueueItem]]:
        """What runs and what is pending; the latter as the heap has it."""
        with self._lock:
            return list(self._running.values()), list(self._pending)

    def full_snapshot(
        self,
    ) -> tuple[list[QueueItem], list[QueueItem], dict[str, dict[str, Any]]]:
        """What runs, what is pending and what has finished, at one moment."""
        with self._lock:
            return *self.snapshot(), self._history.all()

    def clear_pending(self) -> None:
        """Drop everything that waits."""
        with self._lock:
            self._pending.clear()
        self._on_change()

    def delete_pending(self, prompt_id: str) -> bool:
        """Drop one waiting prompt of this id; False if none waits."""
        with self._lock:
            for position, item in enumerate(self._pending):
                if item.prompt_id == prompt_id:
                    del self._pending[position]
                    heapq.heapify(self._pending)
                    break
            else:
                return False
        self._on_change()
        return True

    def interrupt_running(self, prompt_id: str) -> bool:
        """Interrupt this prompt if it runs; False if it does not."""
        with self._lock:
            if all(item.prompt_id != prompt_id for item in self._running.values()):
                return False
            self._interrupt()
            return True

    def cancel(self, prompt_id: str) -> bool:
        """Drop a waiting prompt or interrupt the running one; False if neither."""
        with self._lock:
            return self.delete_pending(prompt_id) or self.interrupt_running(prompt_id)

    def history_page(
        self, *, most: int | None, offset: int = -1
    ) -> dict[str, dict[str, Any]]:
        """A stretch of the history."""
        with self._lock:
            return self._history.page(most=most, offset=offset)

    def history_entry(self, prompt_id: str) -> dict[str, Any] | None:
        """One finished prompt; None if it is not there."""
        with self._lock:
            return self._history.get(prompt_id)

    def delete_history(self, prompt_id: str) -> None:
        """Forget one finished prompt."""
        with self._lock:
            self._history.delete(prompt_id)

    def clear_history(self) -> None:
        """Forget all finished prompts."""
        with self._lock:
            self._history.clear()

    def set_flag(self, name: str) -> None:
        """Ask the worker for something, once it is between prompts."""
        with self._lock:
            self.flags[name] = True
            self._filled.notify()

    def take_flags(self) -> dict[str, bool]:
        """What was asked for since the last call."""
        with self._lock:
            flags, self.flags = self.flags, {}
            return flags
