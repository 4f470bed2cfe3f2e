"""Puts an environment together, of the concrete classes that its settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from .config.dashscope import dashscope_of
from .config.settings import (
    EnvironmentSettings,
    InstanceSettings,
    Settings,
    StorageSettings,
)
from .config.tokens import read_token, require_tls_files, secrets_of
from .engine_start import mount_root, with_engine
from .errors import ConfigError
from .extras import clean_photo, open_oss
from .hooks import Hook
from .jobs.berths import Berth
from .jobs.crew import Crew
from .jobs.desk import Desk
from .jobs.dispatch import Dispatcher
from .jobs.errands import Errands, Share
from .jobs.hooking import Hooks
from .jobs.notes import Notes
from .jobs.preparing import Preparation
from .jobs.roster import Roster
from .jobs.router import Router
from .jobs.sheltering import Shelter
from .ledger.journal import Journal
from .ledger.opening import open_ledger
from .photos.fetching import PhotoFetcher
from .photos.photos import Photos
from .preflight.checking import checker_of
from .steps.staging import Staging
from .steps.steps import Steps
from .storage.base import Storage
from .storage.guarding import ReadOnlyStorage
from .storage.mount import MountStorage
from .storage.view import ViewStorage
from .templating.registry import registry_of
from .timing import SYSTEM_CLOCK, Clock
from .transports.base import Transport
from .transports.endpoint import Endpoint, Tls
from .transports.watchdog import Watchdog

if TYPE_CHECKING:
    from .steps.hosted_models import HostedModels


@dataclass(frozen=True, slots=True)
class Wired:
    """The parts of one environment, and how to take them down again."""

    preparation: Preparation
    roster: Roster
    router: Router
    journal: Journal
    storage: Storage
    renders: Callable[[], Share]
    """What renders the orders of one batch, a few at a time."""
    awaited: Share
    """What renders the orders that are awaited in asyncio code."""
    hands: Errands
    """Send what no caller waits for, and bring outputs home."""
    porters: Share
    """The part of the hands that outputs may keep busy."""
    add: Callable[[InstanceSettings], None]
    """Opens one more instance, and lets it have jobs."""
    stack: ExitStack
    models: HostedModels | None = None
    """None where no DashScope is configured."""


def wire(
    name: str,
    settings: Settings,
    *,
    hooks: Sequence[Hook] = (),
    clock: Clock = SYSTEM_CLOCK,
) -> Wired:
    """Build an environment; what was begun is taken down again when it fails.

    Raises:
        ConfigError: a part of the configuration cannot be used.
        MissingExtraError: it needs a package that is not installed.
        LedgerError: the ledger cannot be opened.
        EngineError: the embedded engine could not start.
    """
    environment = settings.environment(name)[1]
    _refuse_unsupported(name, environment)
    with ExitStack() as stack:
        staff = _hired(name, settings, environment, stack, hooks=hooks, clock=clock)
        journal, crew = staff.journal, staff.crew
        environment = with_engine(name, environment, stack)
        opening = partial(
            _opened, name, environment, journal.awaits, clock, _watchdog(stack)
        )
        instances = [opening(stack, one) for one in environment.instances]
        storage = _storage(name, settings, environment, instances)
        stack.callback(storage.close)
        router = Router(
            instances,
            read_only=_read_only(name, settings),
            clock=clock,
            known=journal.durations(name),
            later=lambda step, seconds: crew.keeper.do(step, after=seconds),
        )
        desk = _desk(name, settings, staff, router, storage, clock=clock)
        stack.callback(desk.dispatcher.close)
        models = _hosted_models(name, settings, journal, stack, clock=clock)
        kept = stack.pop_all()
        return Wired(
            preparation=_preparation(name, settings, models, clock),
            roster=Roster(desk),
            router=router,
            journal=journal,
            storage=storage,
            renders=crew.share_of_renders,
            awaited=crew.share_of_renders(),
            hands=crew.hands,
            porters=crew.porters(),
            add=partial(_add, router, storage, partial(opening, kept)),
            stack=kept,
            models=models,
        )
    raise AssertionError("an ExitStack swallows nothing")


@dataclass(frozen=True, slots=True)
class _Staff:
    """Who works for an environment, before there is any instance."""

    journal: Journal
    hooks: Hooks
    crew: Crew
    shelter: Shelter


def _hired(
    name: str,
    settings: Settings,
    environment: EnvironmentSettings,
    stack: ExitStack,
    *,
    hooks: Sequence[Hook],
    clock: Clock,
) -> _Staff:
    journal = open_ledger(name, environment, clock=clock)
    stack.callback(journal.close)
    told = Hooks(hooks, clock=clock)
    stack.callback(told.close)
    # taken down from the last one up: what waits in errands ends with the
    # connections, and can still write that down
    crew = Crew.hired(clock)
    shelter = Shelter(name, crew.rescuers, cache=settings.cache, clock=clock)
    stack.callback(shelter.close)
    crew.leave_with(stack)
    return _Staff(journal, told, crew, shelter)


def _desk(
    name: str,
    settings: Settings,
    staff: _Staff,
    router: Router,
    storage: Storage,
    *,
    clock: Clock,
) -> Desk:
    dispatcher = Dispatcher(
        router,
        staff.journal,
        environment=name,
        storage=storage,
        checker=checker_of(name, settings, clock=clock),
        clock=clock,
    )
    return Desk(
        environment=name,
        router=router,
        journal=staff.journal,
        storage=storage,
        dispatcher=dispatcher,
        policies=settings.environment(name)[1].policies,
        errands=staff.crew.errands,
        senders=staff.crew.senders,
        keeper=staff.crew.keeper,
        notes=Notes(staff.journal, staff.crew.keeper, clock=clock),
        shelter=staff.shelter,
        clock=clock,
        hooks=staff.hooks,
    )


def _preparation(
    name: str, settings: Settings, models: HostedModels | None, clock: Clock
) -> Preparation:
    steps = Steps() if models is None else models.steps()
    staging = Staging(steps, clock=clock)
    registry = registry_of(settings.templates)
    return Preparation(name, settings, registry, staging, _photos(settings))


def _photos(settings: Settings) -> Photos:
    clean = partial(clean_photo, max_megapixels=settings.photos.max_megapixels)
    fetch = PhotoFetcher(settings.photos.hosts)
    return Photos(fetch=fetch, clean=clean, cache=settings.cache)


def _hosted_models(
    name: str, settings: Settings, journal: Journal, stack: ExitStack, *, clock: Clock
) -> HostedModels | None:
    """The models of an environment, if any; the stack closes them."""
    models = dashscope_of(settings, name)
    if models is None:
        return None
    from .steps.opening import open_models  # few environments have any

    hosted = open_models(
        models, journal.answers, environment=name, cache=settings.cache, clock=clock
    )
    stack.callback(hosted.close)
    return hosted


def _refuse_unsupported(name: str, settings: EnvironmentSettings) -> None:
    if settings.transport == "eas-queue" and settings.storage.kind == "view":
        raise ConfigError(
            f"environment {name}: the API edition of PAI-EAS hands out no files, so "
            "storage of kind 'view' cannot work",
            hint="use kind 'oss' with the bucket that the service mounts, or 'mount'",
        )


def _read_only(name: str, settings: Settings) -> frozenset[str]:
    """The instances that belong to another environment: this one only looks there."""
    instances = settings.environment(name)[1].instances
    writable = settings.writable_instances(name)
    return frozenset(one.name for one in instances if one not in writable)


def open_instances(
    name: str,
    settings: EnvironmentSettings,
    stack: ExitStack,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> list[Transport]:
    """The instances of an environment, without anything else of it.

    The stack closes them, and the embedded engine with them.

    Raises:
        ConfigError: a part of the configuration cannot be used.
        EngineError: the embedded engine could not start.
    """
    _refuse_unsupported(name, settings)
    settings = with_engine(name, settings, stack)
    watchdog = _watchdog(stack)
    opening = partial(_opened, name, settings, _nobody_waits, clock, watchdog, stack)
    return [opening(one).transport for one in settings.instances]


def open_storage(name: str, settings: Settings, stack: ExitStack) -> Storage:
    """The storage of an environment, without anything else of it.

    The stack closes it. One of kind `view` can do nothing here: its files are with
    instances.

    Raises:
        ConfigError: a part of the configuration cannot be used.
        MissingExtraError: it needs a package that is not installed.
    """
    environment = settings.environment(name)[1]
    storage = _storage(name, settings, environment, ())
    stack.callback(storage.close)
    return storage


def _storage(
    name: str,
    settings: Settings,
    environment: EnvironmentSettings,
    instances: Sequence[Berth],
) -> Storage:
    storage: Storage
    match environment.storage:
        case StorageSettings(kind="view"):
            return ViewStorage([berth.transport for berth in instances])
        case StorageSettings(kind="mount") as mount:
            storage = MountStorage(
                mount_root(name, environment), visible_s=mount.visible_s
            )
        case StorageSettings(kind="oss") as oss:
            storage = open_oss(name, oss, environment.region)
    return storage if settings.writes_storage(name) else ReadOnlyStorage(storage)


def _nobody_waits(attempt_id: str) -> bool | None:
    """Without a ledger nothing is known of any attempt."""
    return None


def _watchdog(stack: ExitStack) -> Watchdog:
    """One for all instances; the stack closes it after them."""
    watchdog = Watchdog("instances")
    stack.callback(watchdog.close)
    return watchdog


def _opened(
    name: str,
    settings: EnvironmentSettings,
    awaited: Callable[[str], bool | None],
    clock: Clock,
    watchdog: Watchdog,
    stack: ExitStack,
    instance: InstanceSettings,
) -> Berth:
    """One instance, which the stack closes."""
    endpoint, grace_s = endpoint_of(instance), settings.deadlines.grace_s
    transport: Transport
    if settings.transport == "eas-queue":
        from .transports.eas_options import queue_options
        from .transports.eas_queue import EasQueueTransport

        options = queue_options(name, settings, endpoint)
        transport = EasQueueTransport(
            endpoint, options, awaited=awaited, clock=clock, grace_s=grace_s
        )
    else:
        from .transports.comfyui import ComfyUITransport

        transport = ComfyUITransport(
            endpoint,
            clock=clock,
            grace_s=grace_s,
            version_range=settings.comfyui_version,
            watchdog=watchdog,
        )
    stack.callback(transport.close)
    return Berth(transport, instance.weight, instance.window)


def _add(
    router: Router,
    storage: Storage,
    opening: Callable[[InstanceSettings], Berth],
    instance: InstanceSettings,
) -> None:
    """Open one more instance, and let router and storage know it."""
    berth = opening(instance)
    if isinstance(storage, ViewStorage):
        storage.know(berth.transport)
    router.add(berth)


def endpoint_of(instance: InstanceSettings) -> Endpoint:
    """Where an instance is, with its token.

    Raises:
        ConfigError: the token, or a certificate, cannot be read.
    """
    token = read_token(instance)
    require_tls_files(instance)
    return Endpoint(
        name=instance.name,
        url=instance.url,
        headers=instance.headers,
        token=None if token is None else SecretStr(token),
        token_scheme=instance.token_scheme,
        secrets=secrets_of(instance),
        tls=Tls(**instance.tls.model_dump()),
        websocket=not instance.poll_only,
    )
