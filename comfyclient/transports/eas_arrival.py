"""Finds out whether a request arrived in a queue whose answer was lost.

That it is in neither queue is certain only where the input queue shows requests that an
instance works on, too. No document says that it does. So this is observed: by one that
was handed out and is shown all the same. Where it cannot be, a request may be sent
again only while no instance works on anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ..errors import ComfyClientError, UnclearAnswerError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .eas_frames import Frame
from .eas_http import INPUT, SINK, QueueHttp, Receipt
from .eas_parking import Parking

BETWEEN_LOOKS = 0.5
FEW = 4
"""Requests that are looked at for whether those handed out are shown: the oldest."""


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
        self._shows_taken = False
        """It was seen that the input queue shows requests that are worked on."""

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
            UnclearAnswerError: a queue could not be asked, or does not keep to tags;
                or an instance may be at work on it, unseen.
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
                return self._unless_taken(task_id, deadline)
            with self._pause:
                self._clock.wait(self._pause, min(BETWEEN_LOOKS, grace.remaining()))

    def _unless_taken(self, task_id: str, deadline: Deadline) -> Receipt | None:
        """Be sure that no instance works on a request that no queue shows."""
        try:
            if self._sees_taken(deadline):
                return None
            queue = self._http.attributes(INPUT, deadline=deadline, fresh=True)
        except ComfyClientError as error:
            raise self._unclear(error.message) from error
        if queue.pending != 0:
            raise self._untold(
                "instances may be at work on it, and the queue does not show on what"
                if queue.pending is None
                else "instances are at work, and the queue does not show on what"
            )
        found = self._tagged(SINK, task_id, deadline)  # it was done in between
        return None if found is None else Receipt(None, found.request_id)

    def _sees_taken(self, deadline: Deadline) -> bool:
        """Whether requests that were handed out are shown by the input queue."""
        if not self._shows_taken:
            oldest = self._http.read(INPUT, {}, length=FEW, deadline=deadline)
            self._shows_taken = any(
                self._is_taken(one, deadline) and self._is_shown(one, deadline)
                for one in oldest
            )
        return self._shows_taken

    def _is_taken(self, request: Frame, deadline: Deadline) -> bool:
        place = self._http.place(request.index, deadline=deadline)
        return place is not None and place.handed_out

    def _is_shown(self, request: Frame, deadline: Deadline) -> bool:
        """Asked after it was taken: it may have been so only since it was read."""
        there = self._http.read(INPUT, {}, index=request.index, deadline=deadline)
        return any(one.index == request.index for one in there)

    def _tagged(self, queue: str, task_id: str, deadline: Deadline) -> Frame | None:
        try:
            found = self._http.read(queue, tag_of(task_id), deadline=deadline)
        except ComfyClientError as error:
            raise self._unclear(error.message) from error
        if found and found[0].task_id != task_id:
            raise self._untold("it does not look for tags")
        return found[0] if found else None

    def _untold(self, why: str) -> UnclearAnswerError:
        error = self._unclear(why)
        error.reached = True
        return error

    def _unclear(self, why: str) -> UnclearAnswerError:
        return UnclearAnswerError(
            f"whether the queue has the job could not be asked: {why}",
            instance=self._http.endpoint.name,
            hint="it is not sent twice; if it runs, its result shows in the sink, and "
            "is taken by whoever asks again, or resumes the job",
        )
