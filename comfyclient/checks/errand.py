"""A tiny job on one instance of an environment, with a ledger of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..client import Client
from ..config.settings import EnvironmentSettings, InstanceSettings, Settings
from ..result import Result
from ..timing import Deadline
from ..workflow import Workflow

PATIENCE_S = 120.0
"""A job may wait behind others, and a service wake up first."""
_GRACE_S = 1.0


class Errand:
    """Runs jobs on one instance; nothing of them stays in the environment's ledger."""

    def __init__(
        self, name: str, environment: EnvironmentSettings, instance: InstanceSettings
    ) -> None:
        own = {
            "instances": (instance,),
            "ledger": "sqlite://",
            "preflight": "off",
            "pins": {},
            "shared_with": {},
        }
        one = environment.model_copy(update=own)
        self._settings = Settings(environments={name: one}, default_environment=name)
        self._name = name

    @contextmanager
    def run(self, workflow: Workflow, deadline: Deadline) -> Iterator[Result]:
        """The job's result; its files can be read inside the block.

        Raises:
            ComfyClientError: it could not be sent, or failed.
        """
        seconds = max(deadline.remaining() - _GRACE_S, _GRACE_S)
        with Client(self._settings, environment=self._name) as client:
            yield client.run(workflow, timeout=seconds, confirm=self._name)
