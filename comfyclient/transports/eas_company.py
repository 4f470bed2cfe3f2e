"""Whether others read a service's results as our group: in another process, say.

A queue splits the frames of a group between its readers. In one process what is the
other's is handed over; another process cannot be told, so whoever has company looks
over the sink often, and finds there what was handed to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..timing import Clock
from .eas_attributes import QueueAttributes

SUSPECTED_S = 60.0
"""Seconds for which a result of somebody else's counts as a sign of other readers."""


class Company:
    """What is known of the other readers of our group. Safe for threads."""

    def __init__(
        self, group: str, *, ours: Callable[[], Collection[str]], clock: Clock
    ) -> None:
        self._group = group
        self._ours = ours
        """The names of this process's readers: they hand over at once."""
        self._clock = clock
        self._told = self._trusted = False
        self._suspected_until = clock.monotonic()
        self.doubted = False
        """Whether the sink is to be looked at again: what it told may be so no more."""

    @property
    def present(self) -> bool:
        """Whether results of ours may be handed to somebody else."""
        suspected = self._clock.monotonic() < self._suspected_until
        return self._told or (suspected and not self._trusted)

    def look(self, sink: QueueAttributes) -> None:
        """Note who reads the sink: a list that has ourselves is taken at its word."""
        self.doubted = False
        ours, readers = self._ours(), sink.readers or ()
        group = [name.rpartition(".") for name in readers]
        users = {user for name, _, user in group if name == self._group}
        self._trusted = bool(users & set(ours))
        if sink.readers is not None:
            self._told = bool(users - set(ours))

    def suspect(self) -> None:
        """Note a sign of others: one was handed what is of the other, or late."""
        self._suspected_until = self._clock.monotonic() + SUSPECTED_S
        self.doubted = not self._told
