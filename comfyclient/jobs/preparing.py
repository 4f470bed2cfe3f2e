"""From what a caller asks for to a workflow that the environment may run."""

from __future__ import annotations

from collections.abc import Mapping

from ..config.protection import require_confirmation
from ..config.settings import Settings
from ..errors import UsageError
from ..graph import short
from ..ledger.records import JobRow
from ..photos.photos import Photos
from ..pins.lockfile import read_lock
from ..pins.pins import resolve
from ..steps.staging import Staging, Teller, require_trip
from ..templating.registry import Registry
from ..templating.template import Template
from ..timing import Deadline
from ..trip.trips import Trip
from ..workflow import Workflow


class Preparation:
    """Chooses and fills templates for one environment; sends no job."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        registry: Registry,
        staging: Staging,
        photos: Photos,
    ) -> None:
        self._photos = photos
        self._name = name
        self._settings = settings
        self._environment = settings.environment(name)[1]
        self._registry = registry
        self._staging = staging

    def workflow(
        self,
        what: str | Workflow,
        trip: Trip | None,
        *,
        seed: int | None,
        params: Mapping[str, object],
        confirm: str | None,
        deadline: Deadline,
        told: Teller | None = None,
    ) -> Workflow:
        """The workflow to be sent: the one given, or a template, chosen and filled.

        Raises:
            UsageError: the arguments do not fit, or a protected environment is to run
                what is not locked, and that was not confirmed.
            TemplateError: the environment may not run that template, or it cannot be
                filled.
            ModelError: a hosted model failed that a stage of it needs.
        """
        _refuse_others(what, trip)
        if not isinstance(what, Workflow):
            return self._filled(
                self._template(what, confirm),
                trip,
                seed=seed,
                params=params,
                deadline=deadline,
                told=told,
            )
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

    def repeats(
        self,
        row: JobRow,
        what: str | Workflow,
        trip: Trip | None,
        *,
        params: Mapping[str, object],
        confirm: str | None,
    ) -> bool:
        """Whether a call means a job of the ledger whose stages were done before.

        Models need not be asked again for that; and would they answer otherwise by
        now, the call would mean another graph.
        """
        _refuse_others(what, trip)
        if isinstance(what, Workflow):
            return False
        template = self._template(what, confirm)
        return (
            bool(template.manifest.stage)
            and row.template == template.ref
            and row.params == template.manifest.values(params)
            and row.trip_id == (None if trip is None else trip.id)
        )

    def _filled(
        self,
        template: Template,
        trip: Trip | None,
        *,
        seed: int | None,
        params: Mapping[str, object],
        deadline: Deadline,
        told: Teller | None,
    ) -> Workflow:
        radius = self._settings.privacy.home_radius_m
        stages = template.manifest.stage
        read = self._photos.reader()
        if not stages:
            return self._photos.fit(
                template.render(
                    trip, params, seed=seed, home_radius_m=radius, read_photo=read
                )
            )
        require_trip(stages, template.ref, given=trip is not None)
        # what can be wrong with it is found before a model is asked and paid
        tried = template.render(
            trip, params, seed=seed, home_radius_m=radius, read_photo=read
        )
        assert tried.seed is not None, "a template's workflow has a seed"
        shown = None if trip is None else trip.for_publishing(home_radius_m=radius)
        staged = self._staging.run(
            stages,
            shown,
            seed=tried.seed,
            ref=template.ref,
            deadline=deadline,
            told=told,
        )
        return self._photos.fit(
            template.render(
                shown, params, seed=tried.seed, staged=staged, read_photo=read
            )
        )

    def _template(self, ref: str, confirm: str | None) -> Template:
        lock = self._settings.lock
        return resolve(
            ref,
            environment=self._name,
            pins=self._environment.pins,
            lock=None if lock is None else read_lock(lock),
            registry=self._registry,
            protected=self._environment.protected,
            confirm=confirm,
        )


def _refuse_others(what: object, trip: object) -> None:
    """Most callers check no types; they are told what is meant.

    Raises:
        UsageError: a graph or a file's path was given where its object is needed.
    """
    if not isinstance(what, str | Workflow):
        raise UsageError(
            f"the name of a template or a Workflow is needed, got {short(what)}",
            hint="Workflow.from_graph(…) takes a dict, Workflow.from_file(…) a path",
        )
    if trip is not None and not isinstance(trip, Trip):
        raise UsageError(
            f"a Trip is needed, got {short(trip)}",
            hint="load_trip(…) reads one from a file",
        )
