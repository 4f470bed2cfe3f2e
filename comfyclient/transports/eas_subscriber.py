"""One client that reads the results of a queue: what it knows, whether it listens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import ClosedError, LedgerError

Awaited: TypeAlias = Callable[[str], bool | None]
"""Whether a job waits for the task of this id; None where no job ever had it."""


@dataclass(slots=True, eq=False)
class Subscriber:
    """Several may read one queue in a process, each for the jobs of its own ledger."""

    awaited: Awaited
    telling: threading.RLock = field(default_factory=threading.RLock)
    """Held while it is told something of any of its tasks."""
    gone: bool = False

    def knows(self, task_id: str) -> bool | None:
        """What its ledger says of a task; one that cannot be asked may wait for it."""
        try:
            return self.awaited(task_id)
        except (LedgerError, ClosedError):
            return True

    def leave(self) -> None:
        """Hear nothing more: on return, nothing is being told either."""
        with self.telling:
            self.gone = True
