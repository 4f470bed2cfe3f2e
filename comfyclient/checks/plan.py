"""Which checks an environment asks for, in the order of the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..config.settings import EnvironmentSettings, InstanceSettings, Settings
from ..engine_start import with_engine
from ..errors import ComfyClientError
from ..ledger.opening import LedgerSight, see_ledger
from ..pins.pinned import PinnedTemplates, pinned_templates
from ..templating.registry import Registry
from ..transports.base import Transport
from ..wiring import (
    endpoint_of,
    open_instances,
)
from . import machine, places
from .base import Check, fail, skipped
from .calling_out import calling_out
from .errand import PATIENCE_S, Errand
from .gateway import Visit
from .network import Way, host_at
from .plan_models import of_models
from .plan_storage import of_storage
from .senses import Senses
from .servers import Kitchen


@dataclass(frozen=True, slots=True)
class Patient:
    """The environment that is examined."""

    name: str
    settings: Settings
    environment: EnvironmentSettings
    """With the address of the embedded engine, where that is what it runs on."""
    pinned: PinnedTemplates | ComfyClientError

    @property
    def as_it_runs(self) -> Settings:
        """The configuration with the engine's address, as that of any other server."""
        if self.environment.transport != "embedded":
            return self.settings
        there = self.environment.model_copy(update={"transport": "comfyui"})
        environments = {**self.settings.environments, self.name: there}
        return self.settings.model_copy(update={"environments": environments})

    @property
    def templates(self) -> PinnedTemplates:
        """Its templates; none where they cannot be told."""
        if isinstance(self.pinned, PinnedTemplates):
            return self.pinned
        return PinnedTemplates("unknown", (), is_locked=False)


def patient_of(
    name: str, settings: Settings, stack: ExitStack, *, registry: Registry
) -> Patient:
    """An environment, ready to be examined; its engine runs until the stack ends.

    Raises:
        ConfigError: there is no such environment.
        EngineError: the embedded engine could not start.
    """
    environment = with_engine(name, settings.environment(name)[1], stack)
    pinned: PinnedTemplates | ComfyClientError
    try:
        pinned = pinned_templates(name, settings, registry)
    except ComfyClientError as error:
        pinned = error
    return Patient(name, settings, environment, pinned)


def plan(patient: Patient, stack: ExitStack, senses: Senses) -> Iterator[Check]:
    """Its checks; what they open is closed by the stack."""
    yield from _of_machine(patient, senses)
    for instance in patient.environment.instances:
        yield from _of_instance(patient, instance, stack, senses)
    yield from of_storage(patient.name, patient.as_it_runs, stack, senses)
    yield from of_models(patient.name, patient.settings, stack, senses)


def _of_machine(patient: Patient, senses: Senses) -> Iterator[Check]:
    name, environment = patient.name, patient.environment
    configured = patient.settings.environment(name)[1].instances
    sight = see_ledger(name, environment)
    yield Check("tokens", name, lambda _: machine.tokens(configured))
    yield Check(
        "templates", name, lambda _: machine.templates(patient.pinned, name=name)
    )
    yield Check("ledger", name, lambda _: machine.ledger(sight))
    folders = partial(_folders, sight)
    yield Check("disk", name, lambda _: machine.disk(folders(), senses.usage))


def _folders(sight: LedgerSight) -> list[Path]:
    try:
        return machine.working_folders(sight.file())
    except ComfyClientError:  # its own check tells
        return machine.working_folders(None)


def _of_instance(
    patient: Patient, instance: InstanceSettings, stack: ExitStack, senses: Senses
) -> Iterator[Check]:
    name, environment = instance.name, patient.environment
    yield Check(
        "region",
        name,
        lambda _: places.of_instance(instance, patient.name, environment),
    )
    try:
        endpoint = endpoint_of(instance)
    except ComfyClientError as error:
        unusable = fail(error.message, error.hint)
        yield Check("token", name, lambda _: unusable)
        return
    host = host_at(endpoint.url)
    way = Way(host, tls=endpoint.tls, network=senses.network, clock=senses.clock)
    steps = way.checks(name)
    yield from steps
    visit = Visit(endpoint, transport=environment.transport, clock=senses.clock)
    stack.callback(visit.close)
    yield from _of_service(patient, instance, visit, steps[-1].key, senses)


def _of_service(
    patient: Patient,
    instance: InstanceSettings,
    visit: Visit,
    needed: str,
    senses: Senses,
) -> Iterator[Check]:
    name, templates = instance.name, patient.templates
    kitchen = Kitchen(
        _opener(patient, instance, senses), templates.workflows, clock=senses.clock
    )
    wanted = _wanted_versions(patient.environment.comfyui_version, templates)
    token, edition = f"token:{name}", f"edition:{name}"
    yield Check("token", name, visit.token, needs=(needed,))
    yield Check("clock", name, visit.clock, needs=(token,))
    yield Check("edition", name, visit.edition, needs=(token,))
    after = (edition,)
    yield Check("version", name, partial(visit.version, wanted=wanted), needs=after)
    yield Check("websocket", name, visit.websocket, needs=after)
    yield Check("queue", name, visit.queue, needs=after)
    yield Check(
        "payload",
        name,
        partial(visit.payload, workflows=templates.workflows),
        needs=after,
    )
    yield Check(
        "nodes",
        name,
        lambda deadline: kitchen.nodes(deadline, is_queue=visit.is_queue),
        needs=after,
    )
    here = skipped("the embedded engine runs on this machine")
    is_here = patient.environment.transport == "embedded"
    yield Check("egress", name, (lambda _: here) if is_here else kitchen.egress)
    if instance in patient.as_it_runs.writable_instances(patient.name):
        one = patient.as_it_runs.environment(patient.name)[1]
        errand = Errand(patient.name, one, instance)
        yield Check(
            "calling out",
            name,
            partial(calling_out, errand=errand, workflows=templates.workflows),
            needs=after,
            patience_s=PATIENCE_S,
        )


def _opener(
    patient: Patient, instance: InstanceSettings, senses: Senses
) -> Callable[[], AbstractContextManager[Transport]]:
    environment = patient.environment.model_copy(
        update={"transport": "comfyui", "instances": (instance,)}
    )

    @contextmanager
    def opened() -> Iterator[Transport]:
        with ExitStack() as stack:
            (found,) = open_instances(
                patient.name, environment, stack, clock=senses.clock
            )
            yield found

    return opened


def _wanted_versions(
    configured: str | None, templates: PinnedTemplates
) -> Mapping[str, str]:
    """Who wants which range of ComfyUI versions."""
    wanted = {} if configured is None else {"comfyui_version": configured}
    for one in templates.pinned:
        if one.template is not None:
            wanted[one.template.ref] = one.template.manifest.requirements.comfyui
    return wanted
