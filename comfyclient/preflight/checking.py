"""Checks graphs against the server that is to run them, asking it seldom."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from ..config.settings import Settings
from ..errors import TransportError, ValidationError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.base import Transport
from ..workflow import Workflow
from .findings import Report
from .preflight import check
from .snapshot_cache import MAX_AGE, SnapshotCache
from .snapshots import Snapshot

_log = logging.getLogger("comfyclient.preflight.checking")

FRESH = timedelta(seconds=10)
"""No graph is refused by what is older: a missing file may be there by now."""
PATIENCE_S = 30.0
"""Seconds that a job waits for an instance to tell what it offers."""
NOT_ASKED_FOR_S = 600.0
"""Seconds that an instance is left alone which did not tell."""


class Checker:
    """The check before sending, for the instances of one environment.

    What is known of a server may be old, so it can let a graph pass, but never refuse
    one: before that, the server is asked what it offers now. Where it does not tell,
    the graph is sent, and the server's own check decides.
    """

    def __init__(
        self,
        environment: str,
        cache: SnapshotCache,
        *,
        saved: Snapshot | None = None,
        warns: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a check.

        Args:
            environment: whose instances they are.
            cache: what is known of them.
            saved: what they offer, as somebody vouches for: none of them is asked.
            warns: log what would be refused, and let it pass.
            clock: tells how old an answer is.
        """
        self._environment = environment
        self._cache = cache
        self._saved = saved
        self._warns = warns
        self._clock = clock
        self._lock = threading.Lock()
        self._left_alone: dict[str, float] = {}

    def refusal(
        self,
        workflow: Workflow,
        instance: Transport,
        *,
        deadline: Deadline,
        allow_partial: bool = False,
    ) -> ValidationError | None:
        """Why the instance would not run the graph; None where nothing is known.

        Raises:
            TransportError: the instance is not there, or is sent nothing.
        """
        version = instance.greet(deadline=deadline)
        report = self._report(workflow, instance, version, deadline)
        if report is None:
            return None
        for issue in report.warnings:
            _log.info("%s: %s", instance.name, issue)
        refusal = report.error(allow_partial=allow_partial, instance=instance.name)
        if refusal is None:
            return None
        if self._saved is not None:
            refusal.hint = _by_snapshot(self._saved, refusal.hint)
        if self._warns:
            _log.warning("sent all the same: %s", refusal)
            return None
        return refusal

    def _report(
        self,
        workflow: Workflow,
        instance: Transport,
        version: str | None,
        deadline: Deadline,
    ) -> Report | None:
        try:
            known = self._snapshot(instance, version, deadline, MAX_AGE)
            report = check(workflow, known.info)
            if report.ok or known is self._saved:
                return report
            now = self._snapshot(instance, version, deadline, FRESH)
            return check(workflow, now.info)
        except TransportError as error:
            self._leave_alone(instance.name, error)
            return None

    def _snapshot(
        self,
        instance: Transport,
        version: str | None,
        deadline: Deadline,
        max_age: timedelta,
    ) -> Snapshot:
        """What the instance offers, as it said at most `max_age` ago.

        Raises:
            TransportError: it does not tell, or tells what nobody can follow.
        """
        if self._saved is not None:
            return self._saved
        patience = deadline.within(PATIENCE_S)

        def fetch() -> Snapshot:
            if self._is_left_alone(instance.name):
                raise TransportError("it did not tell what it offers")
            return take(instance, deadline=patience, clock=self._clock)

        place = f"{self._environment}/{instance.name}"
        return self._cache.snapshot(
            place, version, fetch=fetch, max_age=max_age, deadline=patience
        )

    def _is_left_alone(self, name: str) -> bool:
        with self._lock:
            until = self._left_alone.get(name)
        return until is not None and self._clock.monotonic() < until

    def _leave_alone(self, name: str, error: TransportError) -> None:
        if self._is_left_alone(name):
            return
        with self._lock:
            self._left_alone[name] = self._clock.monotonic() + NOT_ASKED_FOR_S
        _log.warning("%s: graphs are not checked before sending: %s", name, error)


def checker_of(
    name: str, settings: Settings, *, clock: Clock = SYSTEM_CLOCK
) -> Checker | None:
    """The check that an environment is configured to have; None: it does without.

    Raises:
        InputFileError: the snapshot that is configured cannot be used.
    """
    environment = settings.environment(name)[1]
    if environment.preflight == "off":
        return None
    saved = environment.snapshot
    return Checker(
        name,
        SnapshotCache(settings.cache, clock=clock),
        saved=None if saved is None else Snapshot.read(saved),
        warns=environment.preflight == "warn",
        clock=clock,
    )


def take(
    instance: Transport, *, deadline: Deadline, clock: Clock = SYSTEM_CLOCK
) -> Snapshot:
    """Ask an instance what it offers now.

    Raises:
        TransportError: it cannot be asked.
    """
    info = instance.object_info(deadline=deadline)
    return Snapshot(info, instance.name, clock.now())


def _by_snapshot(saved: Snapshot, hint: str | None) -> str:
    of = f"by the snapshot of {saved.taken_at:%Y-%m-%d %H:%M}"
    anew = "`comfyclient snapshot` takes a new one"
    return f"{of}; {anew}" if hint is None else f"{hint} ({of}; {anew})"
