"""The threads of one environment, by what they do; none begins before it is needed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from ..timing import Clock
from .errands import Errands, Share

HANDS, PORTERS = 5, 3
"""Threads that send and save for batches; of these, those that save."""
RENDERS, RENDERS_AT_ONCE = 12, 6
"""Threads that render orders and wait for their stages; of these, those of one batch.
Others send and save: no place must stand empty while models are asked."""
ERRANDS_AT_ONCE = 8
"""Jobs that are sent, or asked for, at a time behind the callers' backs."""
RESCUERS = 3
"""Threads that bring temp outputs home; none of them where there are none."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does what behind the callers' backs."""

    rescuers: Errands
    """Bring temp outputs home."""
    errands: Errands
    """Wait for servers."""
    senders: Errands
    """Send jobs again."""
    keeper: Errands
    """Writes short steps into the ledger."""
    hands: Errands
    """Send what no caller waits for, and bring outputs home."""
    renders: Errands
    """Render orders, and wait for their stages."""

    @classmethod
    def hired(cls, clock: Clock) -> Self:
        """A crew that has nothing to do yet."""
        return cls(
            rescuers=Errands("rescuers", workers=RESCUERS, clock=clock),
            errands=Errands("errands", workers=ERRANDS_AT_ONCE, clock=clock),
            senders=Errands("senders", workers=ERRANDS_AT_ONCE, clock=clock),
            keeper=Errands("keeper", clock=clock),
            hands=Errands("hands", workers=HANDS, clock=clock),
            renders=Errands("renders", workers=RENDERS, clock=clock),
        )

    def leave_with(self, stack: ExitStack) -> None:
        """Have the stack send them home: who sends first, who writes down last."""
        for errands in (
            self.rescuers,
            self.keeper,
            self.errands,
            self.senders,
            self.hands,
            self.renders,
        ):
            stack.callback(errands.close)

    def share_of_renders(self) -> Share:
        """What renders the orders of one batch, a few at a time."""
        return Share(self.renders, at_once=RENDERS_AT_ONCE)

    def porters(self) -> Share:
        """The part of the hands that outputs may keep busy."""
        return Share(self.hands, at_once=PORTERS)
