"""Asks a promotion's target whether its servers would run the template."""

from __future__ import annotations

from contextlib import ExitStack

from .checking import take
from .comparing import from_sample
from .compatibility import judge
from .config import EnvironmentSettings
from .template import Template
from .timing import Deadline
from .wiring import open_instances

_ASKING_S = 60.0
"""Seconds that an instance may take to tell what it offers."""


class Target:
    """The servers of an environment, asked about one template after another."""

    def __init__(self, name: str, environment: EnvironmentSettings) -> None:
        self._name = name
        self._environment = environment
        self._fingerprints: set[str] = set()

    @property
    def object_info(self) -> str | None:
        """The fingerprint of what its servers offered, where all offered the same."""
        return next(iter(self._fingerprints)) if len(self._fingerprints) == 1 else None

    def preflight(self, template: Template) -> list[str]:
        """What keeps its servers from running a template, filled from its sample.

        Raises:
            TemplateError, TripError: it cannot be filled.
            TransportError: a server cannot be asked.
        """
        workflow = from_sample(template)
        problems: list[str] = []
        with ExitStack() as stack:
            for instance in open_instances(self._name, self._environment, stack):
                offered = take(instance, deadline=Deadline(_ASKING_S))
                self._fingerprints.add(offered.fingerprint)
                problems += [
                    f"{instance.name}: {finding.issue}"
                    for finding in judge(template, workflow, offered).findings
                    if finding.is_error
                ]
        return problems
