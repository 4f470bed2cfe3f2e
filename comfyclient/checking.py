"""Checks graphs against the server that is to run them, asking it seldom."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from .errors import TransportError
from .findings import Report
from .preflight import check
from .snapshot_cache import MAX_AGE, SnapshotCache
from .snapshots import Snapshot
from .timing import SYSTEM_CLOCK, Clock, Deadline
from .transports.base import Transport
from .workflow import Workflow

_log = logging.getLogger("comfyclient.checking")

VERSION_AGE_S = 60.0
"""Seconds for which a server's version counts as known."""
FRESH = timedelta(seconds=10)
"""No graph is refused by what is older: a missing file may be there by now."""


class Checker:
    """The check before sending, for the instances of one environment.

    What is known of a server may be old, so it can let a graph pass, but never refuse
    one: before that, the server is asked what it offers now.
    """

    def __init__(
        self, environment: str, cache: SnapshotCache, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._environment = environment
        self._cache = cache
        self._clock = clock
        self._lock = threading.Lock()
        self._versions: dict[str, tuple[float, str | None]] = {}

    def require(
        self,
        workflow: Workflow,
        instance: Transport,
        *,
        deadline: Deadline,
        allow_partial: bool = False,
    ) -> None:
        """Let a graph pass that the instance would run, as far as can be known.

        An instance that does not tell what it offers is not asked twice: what it
        makes of the graph shows when that is sent.

        Raises:
            ValidationError: it would refuse the graph, or a node fail; names both.
        """
        try:
            report = self.check(workflow, instance, deadline=deadline)
        except TransportError as error:
            _log.warning("%s: not checked before sending: %s", instance.name, error)
            return
        for issue in report.warnings:
            _log.info("%s: %s", instance.name, issue)
        refusal = report.error(allow_partial=allow_partial, instance=instance.name)
        if refusal is not None:
            raise refusal

    def check(
        self, workflow: Workflow, instance: Transport, *, deadline: Deadline
    ) -> Report:
        """What the instance would make of the graph.

        Raises:
            TransportError: it cannot be asked.
        """
        report = check(workflow, self.snapshot(instance, deadline=deadline).info)
        if report.ok:
            return report
        now = self.snapshot(instance, deadline=deadline, max_age=FRESH)
        return check(workflow, now.info)

    def snapshot(
        self,
        instance: Transport,
        *,
        deadline: Deadline,
        max_age: timedelta = MAX_AGE,
    ) -> Snapshot:
        """What the instance offers, as it said at most `max_age` ago.

        Raises:
            TransportError: it cannot be asked.
        """

        def fetch() -> Snapshot:
            return take(instance, deadline=deadline, clock=self._clock)

        place = f"{self._environment}/{instance.name}"
        version = self._version(instance, deadline)
        return self._cache.snapshot(
            place, version, fetch=fetch, max_age=max_age, deadline=deadline
        )

    def _version(self, instance: Transport, deadline: Deadline) -> str | None:
        now = self._clock.monotonic()
        with self._lock:
            at, version = self._versions.get(instance.name, (-VERSION_AGE_S, None))
        if now - at < VERSION_AGE_S:
            return version
        version = instance.probe(deadline=deadline).version
        with self._lock:
            self._versions[instance.name] = (now, version)
        return version


def take(
    instance: Transport, *, deadline: Deadline, clock: Clock = SYSTEM_CLOCK
) -> Snapshot:
    """Ask an instance what it offers now.

    Raises:
        TransportError: it cannot be asked.
    """
    info = instance.object_info(deadline=deadline)
    return Snapshot(info, instance.name, clock.now())
