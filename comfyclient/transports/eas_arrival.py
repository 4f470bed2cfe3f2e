"""Finds out whether a request arrived in a queue whose answer was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ..errors import ComfyClientError, UnclearAnswerError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .eas_frames import Frame
from .eas_http import INPUT, SINK, QueueHttp, Receipt
from .eas_parking import Parking

BETWEEN_LOOKS = 0.5


def tag_of(task_id: str) -> Mapping[str, str]:
    """By what both queues know a task."""
    return {"task_id": task_id}


class EasArrivals:
    """Looks for tasks by their tag, in the order in which they pass the queues."""

    def __init__(
        self, http: QueueHttp, parking: Parking, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._http = http
        self._parking = parking
        self._clock = clock
        self._pause = threading.Condition()

    def find(
        self,
        task_id: str,
        deadline: Deadline,
        *,
        grace_s: float,
        ended: Callable[[], bool] = lambda: False,
    ) -> Receipt | None:
        """The request of a task, for as long as it may arrive; None: it did not.

        `ended` says that its result came meanwhile, by another way.

        Raises:
            UnclearAnswerError: a queue could not be asked, or does not keep to tags.
        """
        grace = deadline.within(grace_s)
        while True:
            if ended():
                return Receipt(None, None)
            parked = self._parking.find(task_id)
            if parked is not None:
                return Receipt(None, parked.request_id)
            # in this order: an instance fills the sink before it empties the input
            for queue in (INPUT, SINK):
                found = self._tagged(queue, task_id, deadline)
                if found is not None:
                    index = found.index if queue == INPUT else None
                    return Receipt(index, found.request_id)
            if grace.passed():
                return None
            with self._pause:
                self._clock.wait(self._pause, min(BETWEEN_LOOKS, grace.remaining()))

    def _tagged(self, queue: str, task_id: str, deadline: Deadline) -> Frame | None:
        try:
            found = self._http.read(queue, tag_of(task_id), deadline=deadline)
        except ComfyClientError as error:
            raise self._unclear(error.message) from error
        if found and found[0].task_id != task_id:
            raise self._unclear("it does not look for tags")
        return found[0] if found else None

    def _unclear(self, why: str) -> UnclearAnswerError:
        return UnclearAnswerError(
            f"whether the queue has the job could not be asked: {why}",
            instance=self._http.endpoint.name,
        )
