"""What the checks look at the world with. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..timing import SYSTEM_CLOCK, Clock
from .machine import DiskUsage, system_usage
from .network import Network, SystemNetwork
from .places import RESULT_HOSTS


@dataclass(frozen=True, slots=True)
class Senses:
    """Resolver and sockets, disks, the clock; tests put in their own."""

    network: Network = field(default_factory=SystemNetwork)
    usage: DiskUsage = system_usage
    result_hosts: Sequence[str] = RESULT_HOSTS
    """Where hosted models leave their pictures."""
    clock: Clock = SYSTEM_CLOCK
