"""Asks an environment's servers what they offer, and whether they run a template."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property

from ..config.settings import EnvironmentSettings
from ..preflight.checking import take
from ..preflight.compatibility import judge
from ..preflight.snapshots import Snapshot
from ..templating.comparing import from_sample
from ..templating.template import Template
from ..timing import Deadline

_ASKING_S = 60.0
"""Seconds that an instance may take to tell what it offers."""


class Target:
    """The servers of an environment, asked once about one template after another.

    Where a snapshot is configured, it stands for them and none is asked.
    """

    def __init__(self, name: str, environment: EnvironmentSettings) -> None:
        self._name = name
        self._environment = environment

    @cached_property
    def offers(self) -> tuple[Snapshot, ...]:
        """What they offer now.

        Raises:
            TransportError: a server cannot be asked.
            InputFileError: the snapshot cannot be used.
        """
        if (saved := self.saved) is not None:
            return (saved,)
        from ..wiring import open_instances

        with ExitStack() as stack:
            instances = open_instances(self._name, self._environment, stack)
            return tuple(take(one, deadline=Deadline(_ASKING_S)) for one in instances)

    @property
    def declared(self) -> str | None:
        """The range of ComfyUI versions that it may have."""
        return self._environment.comfyui_version

    @property
    def saved(self) -> Snapshot | None:
        """The snapshot that is configured."""
        file = self._environment.snapshot
        return None if file is None else Snapshot.read(file)

    @property
    def object_info(self) -> str | None:
        """The fingerprint of what its servers offer, where all offer the same."""
        fingerprints = {one.fingerprint for one in self.offers}
        return next(iter(fingerprints)) if len(fingerprints) == 1 else None

    def preflight(self, template: Template) -> list[str]:
        """What keeps its servers from running a template, filled from its sample.

        Raises:
            TemplateError, TripError: it cannot be filled.
            TransportError: a server cannot be asked.
        """
        workflow = from_sample(template)
        return [
            f"{offered.instance or 'snapshot'}: {finding.issue}"
            for offered in self.offers
            for finding in judge(
                template, workflow, offered, declared=self.declared
            ).findings
            if finding.is_error
        ]
