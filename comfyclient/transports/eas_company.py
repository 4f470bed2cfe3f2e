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
        self._told = False
        self._suspected_until = clock.monotonic()

    @property
    def present(self) -> bool:
        """Whether results of ours may be handed to somebody else."""
        return self._told or self._clock.monotonic() < self._suspected_until

    def look(self, sink: QueueAttributes) -> None:
        """Note who reads the sink, as far as it tells."""
        if sink.readers is None:
            return
        ours = self._ours()
        names = (reader.rpartition(".") for reader in sink.readers)
        self._told = any(
            group == self._group and user not in ours for group, _, user in names
        )

    def suspect(self) -> None:
        """We were handed what another process waits for: so it may have ours."""
        self._suspected_until = self._clock.monotonic() + SUSPECTED_S
