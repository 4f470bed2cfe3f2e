"""The instances of a client, as its user sees them and changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..config.settings import InstanceSettings
from ..workflow import Workflow
from .berths import InstanceState
from .demands import demand_of
from .router import Router


class Instances:
    """How the instances stand, one after the other; they may come and go."""

    def __init__(self, router: Router, add: Callable[[InstanceSettings], None]) -> None:
        self._router = router
        self._add = add

    def __iter__(self) -> Iterator[InstanceState]:
        return iter(self._router.states())

    def expected_s(self, workflow: Workflow) -> float | None:
        """Seconds that such a job takes, as learned; None where none has ended yet."""
        return self._router.expected(demand_of(workflow))

    def add(self, instance: InstanceSettings) -> None:
        """Send jobs to one more instance from now on.

        Raises:
            UsageError: there is one of this name; or the environment is embedded.
            ConfigError: it cannot be used, or is another environment's.
        """
        self._add(instance)

    def drain(self, name: str) -> None:
        """Send an instance no more jobs; those that it has go on.

        Raises:
            UsageError: there is none of this name.
        """
        self._router.drain(name)

    def undrain(self, name: str) -> None:
        """Send a drained instance jobs again."""
        self._router.undrain(name)

    def remove(self, name: str) -> None:
        """Send an instance no more jobs, ever; those that it has go on to their end."""
        self._router.remove(name)
