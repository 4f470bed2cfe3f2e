"""How results are taken from a queue service. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What the configuration says of the queue of an environment."""

    group: str
    """Readers of one group share the results of a service; each other has its own."""
    parking: Path
    """The folder for results that are parked."""
    results: Literal["watch", "poll"] = "watch"
    """Over a websocket, or by asking for each request."""
    window: int = 50
    """Results handed to this reader before it commits one."""
    unknown_results: Literal["leave", "park", "pass"] = "leave"
    """What becomes of results of tasks that no job here ever had."""
