"""Ends exchanges that outlive their deadline, by shutting their sockets down."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..timing import Deadline

GLANCE = 0.05
"""Real seconds between two looks at the exchanges under way."""
AWAKE = 20
"""Looks without any exchange until it sleeps: to wake it up for each one takes longer
than most of them."""


class Watch:
    """One exchange under watch: how long it may go on, and on which connection.

    A read or write that blocks fails at once when the exchange is cut off. Each wait
    for the other side is a `with watch:` block, and may not last too long.
    """

    def __init__(
        self,
        deadline: Deadline,
        *,
        silence: float,
        lock: threading.RLock,
        owner: object = None,
    ) -> None:
        self.owner = owner
        """Whose exchange it is, where several share a watchdog."""
        self.silence = silence
        """Seconds that one wait may last."""
        self.cut = False
        """Whether it was ended: what its connection told since then means nothing."""
        self.connecting = False
        """Whether its connection is being made: nothing of the request was sent."""
        self._deadline = deadline
        self._waiting_from: float | None = None  # what was left of the deadline then
        self._lock = lock
        self._over = False
        self._handle: socket.socket | None = None
        self._inherited = False

    @property
    def left(self) -> float:
        """Seconds until it is to be cut off."""
        left, began = self._deadline.remaining(), self._waiting_from
        return left if began is None else min(left, self.silence - (began - left))

    def __enter__(self) -> None:
        self._waiting_from = self._deadline.remaining()

    def __exit__(self, *_: object) -> None:
        self._waiting_from = None

    def hold(self, handle: socket.socket) -> None:
        """The connection that serves the exchange from now on."""
        with self._lock:
            self._handle = handle
            if self.cut:
                self.cut_off()

    def inherit(self, handle: socket.socket) -> None:
        """Close this handle once the exchange is over: its connection is done with."""
        with self._lock:
            self._inherited = self._handle is handle
            if not self._inherited:
                handle.close()

    def release(self) -> None:
        """The exchange is over: others may use its connection."""
        if self._over:
            return
        with self._lock:
            self._over = True
            if self._inherited and self._handle is not None:
                self._handle.close()
            self._handle = None

    def cut_off(self) -> None:
        """End the exchange now, unless it is over."""
        with self._lock:
            self.cut = self.cut or not self._over
            if self._handle is not None:
                with suppress(OSError):  # the other side was faster
                    self._handle.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Watches the exchanges with instances, in a thread of its own.

    It does not sleep on the deadlines' clock but looks at it often: it guards those
    who do something, and a clock that is moved by hand must not take it for one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self._watches: set[Watch] = set()
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._closed = False

    @contextmanager
    def watch(
        self, deadline: Deadline, *, silence: float, owner: object = None
    ) -> Iterator[Watch]:
        """Keep the exchange inside the `with` block to its deadline."""
        watch = Watch(deadline, silence=silence, lock=self._lock, owner=owner)
        self._begin(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.discard(watch)
            watch.release()

    def cut_off(self, owner: object) -> None:
        """End the exchanges of one owner."""
        with self._lock:
            for watch in self._watches:
                if watch.owner is owner:
                    watch.cut_off()

    def close(self) -> None:
        """Cut off every exchange, and end the thread."""
        with self._lock:
            self._closed = True
            for watch in self._watches:
                watch.cut_off()
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _begin(self, watch: Watch) -> None:
        with self._lock:
            if self._closed:
                watch.cut_off()
                return
            self._watches.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run,
                    name=f"comfyclient-watchdog-{self._name}",
                    daemon=True,
                )
                self._thread.start()
            if self._asleep:
                self._condition.notify_all()

    def _run(self) -> None:
        idle = 0
        with self._lock:
            while not self._closed:
                idle = 0 if self._watches else idle + 1
                self._asleep = idle > AWAKE
                self._condition.wait(None if self._asleep else self._look())

    def _look(self) -> float:
        """Cut off whoever's time is over; the seconds until the next look."""
        pause = GLANCE
        for watch in list(self._watches):
            left = watch.left
            if left > 0:
                pause = min(pause, left)
            else:
                watch.cut_off()
                self._watches.discard(watch)
        return pause
