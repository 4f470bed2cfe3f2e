"""From what a caller asks for to a workflow that the environment may run."""

from __future__ import annotations

from collections.abc import Mapping

from .config import Settings
from .errors import UsageError
from .lockfile import read_lock
from .pins import resolve
from .protection import require_confirmation
from .registry import Registry
from .trips import Trip
from .workflow import Workflow


class Preparation:
    """Chooses and fills templates for one environment; sends nothing."""

    def __init__(self, name: str, settings: Settings, registry: Registry) -> None:
        self._name = name
        self._settings = settings
        self._environment = settings.environment(name)[1]
        self._registry = registry

    def workflow(
        self,
        what: str | Workflow,
        trip: Trip | None,
        *,
        seed: int | None,
        params: Mapping[str, object],
        confirm: str | None,
    ) -> Workflow:
        """The workflow to be sent: the one given, or a template, chosen and filled.

        Raises:
            UsageError: the arguments do not fit, or a protected environment is to run
                what is not locked, and that was not confirmed.
            TemplateError: the environment may not run that template, or it cannot be
                filled.
        """
        if not isinstance(what, Workflow):
            return self._filled(what, trip, seed=seed, params=params, confirm=confirm)
        if trip is not None or params or seed is not None:
            raise UsageError(
                "trip, params and seed fill a template; a Workflow is filled",
                hint="pass the name of a template instead",
            )
        require_confirmation(
            self._name,
            self._environment,
            action="run a graph that no lock knows",
            confirm=confirm,
        )
        return what

    def _filled(
        self,
        ref: str,
        trip: Trip | None,
        *,
        seed: int | None,
        params: Mapping[str, object],
        confirm: str | None,
    ) -> Workflow:
        lock = self._settings.lock
        template = resolve(
            ref,
            environment=self._name,
            pins=self._environment.pins,
            lock=None if lock is None else read_lock(lock),
            registry=self._registry,
            protected=self._environment.protected,
            confirm=confirm,
        )
        return template.render(
            trip,
            params,
            seed=seed,
            home_radius_m=self._settings.privacy.home_radius_m,
        )
