"""What the jobs of one environment share."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config.settings import PolicySettings
from ..ledger.journal import Journal
from ..storage.base import Storage
from ..timing import SYSTEM_CLOCK, Clock
from .dispatch import Dispatcher
from .errands import Errands, Farewells
from .hooking import Hooks
from .notes import Notes
from .router import Router
from .sheltering import Shelter


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts that a job needs on its way."""

    environment: str
    router: Router
    journal: Journal
    storage: Storage
    dispatcher: Dispatcher
    policies: PolicySettings
    errands: Errands
    """For what waits for servers."""
    senders: Errands
    """For what waits for places: nothing that is short must wait behind it."""
    keeper: Errands
    """For short steps in the ledger: they must not wait behind a server."""
    notes: Notes
    shelter: Shelter
    """For what servers keep no longer than they live."""
    farewells: Farewells = field(default_factory=Farewells)
    """For what a server is to hear even if the client is closed meanwhile."""
    clock: Clock = SYSTEM_CLOCK
    hooks: Hooks = field(default_factory=lambda: Hooks(()))
