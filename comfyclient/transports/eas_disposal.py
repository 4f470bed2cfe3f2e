"""Takes frames that are done with out of the sink, many at a time."""

from __future__ import annotations

import logging
import threading

from ..errors import ClosedError, ComfyClientError
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .eas_http import SINK, QueueHttp
from .late_thread import LateThread

_logger = logging.getLogger("comfyclient.transports.eas_disposal")

AT_ONCE = 100
"""Frames in one request."""
PATIENCE_S = 10.0
AGAIN_S, AGAIN_AT_MOST_S = 0.5, 30.0
"""Seconds until what could not be deleted is tried again: at first, and later."""
PARTING_S = 3.0
"""Seconds for what is left when the client is closed; it comes again otherwise."""


class Disposal:
    """A thread that deletes and commits what others are done with.

    A deletion is for every group, and right for frames that are ours; the commit gives
    our window its place back, should a deletion not do that.
    """

    def __init__(
        self, http: QueueHttp, *, commits: bool, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._http = http
        self._log = InstanceLog(_logger, http.endpoint.name)
        self._commits = commits
        self._clock = clock
        self._condition = threading.Condition()
        self._delete: dict[int, None] = {}
        self._commit: dict[int, None] = {}
        self._thread = LateThread(f"disposal-{http.endpoint.name}", self._run)
        self._closed = False

    def delete(self, index: int) -> None:
        """Nobody needs this frame any more."""
        self._put(self._delete, index)

    def commit(self, index: int) -> None:
        """Our group is done with this frame; others may not be."""
        if self._commits:
            self._put(self._commit, index)

    def close(self) -> None:
        """Do what is left, if it is quickly done, and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._thread.end(PARTING_S + PATIENCE_S)

    def _put(self, where: dict[int, None], index: int) -> None:
        with self._condition:
            where[index] = None
            self._thread.begin()
            self._condition.notify_all()

    def _run(self) -> None:
        pause = AGAIN_S
        while self._await_work():
            try:
                self._work(Deadline(PATIENCE_S, clock=self._clock))
                pause = AGAIN_S
            except ComfyClientError as error:
                if self._closed or isinstance(error, ClosedError):
                    self._log.info("results stay in the sink: %s", error.message)
                    return
                level = logging.INFO if pause == AGAIN_S else logging.DEBUG
                self._log.log(level, "results are deleted later: %s", error.message)
                self._pause(pause)
                pause = min(pause * 2, AGAIN_AT_MOST_S)

    def _await_work(self) -> bool:
        with self._condition:
            while not (self._delete or self._commit or self._closed):
                self._clock.wait(self._condition, 60)
            return bool(self._delete or self._commit)

    def _work(self, deadline: Deadline) -> None:
        if self._closed:
            deadline = deadline.within(PARTING_S)
        deleted = self._first(self._delete)
        if deleted:
            self._http.delete(SINK, deleted, deadline=deadline)
        committed = [*deleted, *self._first(self._commit)]
        if self._commits and committed:
            self._http.commit(committed, deadline=deadline)
        with self._condition:
            for index in committed:
                self._delete.pop(index, None)
                self._commit.pop(index, None)

    def _first(self, waiting: dict[int, None]) -> list[int]:
        with self._condition:
            return list(waiting)[:AT_ONCE]

    def _pause(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        with self._condition:
            while not self._closed and (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left)
