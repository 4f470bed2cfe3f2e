"""Notices that a server's worker died while its HTTP lives on. Pure."""

from __future__ import annotations

from .answers import QueueView

LOOKS = 5
STILL_FOR = 20.0
"""Seconds, and looks, in which jobs wait and none runs until the worker counts as dead.

Between two jobs a living worker collects garbage for up to half a second, and unloads
models where somebody asked for memory: tens of gigabytes take it up to ten. Loading
models is part of a job, which stands in the queue as running meanwhile.
"""


class WorkerWatch:
    """Judges one server's worker by what its queue shows, look after look.

    A worker that died within a job leaves that job running for ever. This cannot be
    told from a node that takes long, and is left to the jobs' deadlines.
    """

    def __init__(self) -> None:
        self._still: frozenset[str] = frozenset()
        self._since = 0.0
        self._looks = 0

    def moved(self) -> None:
        """The worker gave a sign of life."""
        self._looks = 0

    def saw(self, view: QueueView, *, at: float) -> bool:
        """Take in a look at the queue; whether the worker is dead by now.

        A waiting job that is gone is taken for one that ran, though it may have been
        deleted: the watch begins anew.
        """
        waiting = frozenset(view.pending)
        if view.running or not waiting:
            self.moved()
            return False
        if self._looks == 0 or not self._still <= waiting:
            self._since, self._looks = at, 0
        self._still = waiting
        self._looks += 1
        return self._looks >= LOOKS and at - self._since >= STILL_FOR
