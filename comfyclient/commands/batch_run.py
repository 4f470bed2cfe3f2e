"""A batch under way: each outcome is written down and shown, Ctrl-C is heeded."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..batch.batch import Batch
from ..batch.folder import Records
from ..batch.orders import Outcome, Tally
from .batch_views import Display

GLANCE_S = 0.25
"""Seconds between two looks at how it goes."""
HELD = 16
"""Outcomes that may wait to be written down."""


class Run:
    """Follows a batch to its end, or until nobody wants it any more.

    Outcomes are asked for in a thread of its own, and Ctrl-C is heeded between two of
    them: it comes in the midst of nothing, and no outcome goes untold.
    """

    def __init__(self, lines: dict[int, str], records: Records, *, quiet: bool) -> None:
        self._lines = lines
        self.records = records
        self._quiet = quiet
        self._outcomes: queue.Queue[Outcome | None] = queue.Queue(HELD)
        self._broken: BaseException | None = None
        self.tally = Tally()
        self.stops = 0
        """How often it was asked to stop."""
        self._heeded = 0
        self.seconds = 0.0

    def follow(self, many: Batch, shown: Display) -> None:
        """Write down and show each outcome; Ctrl-C drains, a second one cancels.

        Raises:
            KeyboardInterrupt: a third one: what runs is left to its servers.
        """
        begun = time.monotonic()
        reader = threading.Thread(target=self._read, args=(many,), daemon=True)
        reader.start()
        try:
            with self._counting_stops():
                while self._step(many, shown):
                    self._heed(many, shown)
        finally:
            self.seconds = time.monotonic() - begun
            self.tally = many.tally
        if self._broken is not None:
            raise self._broken

    @contextmanager
    def _counting_stops(self) -> Iterator[None]:
        former = signal.getsignal(signal.SIGINT)
        if former is signal.SIG_IGN:  # begun in the background of a shell
            yield
            return
        signal.signal(signal.SIGINT, self._stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former)

    def _step(self, many: Batch, shown: Display) -> bool:
        """Take in what came; whether more may come."""
        try:
            outcome = self._outcomes.get(timeout=GLANCE_S)
        except queue.Empty:
            shown.refresh(many)
            return True
        if outcome is None:
            return False
        line = self._lines.pop(outcome.index, "")
        if not outcome.dropped:
            self.records.add(outcome, line)
            if not self._quiet:
                for path in outcome.files:
                    shown.saved(path)
            shown.add(outcome, many)
        return True

    def _stop(self, *_: object) -> None:
        self.stops += 1
        if self.stops > 2:
            raise KeyboardInterrupt

    def _heed(self, many: Batch, shown: Display) -> None:
        """Do what it was asked for since the last look."""
        asked = self.stops  # a signal may come while it is heeded
        if asked > 0 and self._heeded == 0:
            shown.say("no more is sent; waiting for what was. Ctrl-C again cancels it")
            many.drain()
        if asked > 1 and self._heeded < 2:
            shown.say("cancelling what was sent. Ctrl-C again leaves it to its servers")
            many.cancel()
        self._heeded = asked

    def _read(self, many: Batch) -> None:
        try:
            for outcome in many:
                self._outcomes.put(outcome)
        except BaseException as error:  # noqa: BLE001  raised again where it is followed
            self._broken = error
        with suppress(queue.Full):
            self._outcomes.put(None, timeout=60)
