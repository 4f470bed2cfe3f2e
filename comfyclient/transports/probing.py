"""Asks a server how it is, and learns what it can do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pydantic import JsonValue

from ..errors import (
    BadAnswerError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .base import Probe
from .bodies import Answer
from .dialect import Dialect
from .eas_codes import not_found_hint
from .http import ComfyHttp
from .messages import ServerFlags
from .observing import shown_by
from .profile import TELLS_FEATURES

FEATURES_WITHIN_S = 5.0
"""Seconds for what is no more than a help: a gateway may swallow the question."""


class Prober:
    """The greeting of one instance."""

    def __init__(
        self, http: ComfyHttp, dialect: Dialect, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._http = http
        self.dialect = dialect
        self._clock = clock
        self._greeted_at: float | None = None

    def probe(self, *, deadline: Deadline) -> Probe:
        """Ask for the version, the devices and the queue's length.

        What the server is able to do is as far as it showed so far.

        Raises:
            BadAnswerError: this is no ComfyUI.
        """
        stats = self._stats(deadline)
        self._learn_features(deadline)
        queue = object_of(self._http.get("/prompt", deadline=deadline))
        info = queue.get("exec_info")
        waiting = info.get("queue_remaining") if isinstance(info, dict) else None
        devices = stats.get("devices")
        names = devices if isinstance(devices, list) else []
        return Probe(
            version=self.dialect.version,
            queue_remaining=waiting if isinstance(waiting, int) else 0,
            devices=tuple(str(d.get("name")) for d in names if isinstance(d, dict)),
            abilities=self.dialect.profile,
        )

    def get_acquainted(self, *, deadline: Deadline, within: float = math.inf) -> None:
        """Learn the server's version, once as long as nothing hints at a restart.

        Where nothing would hint at one, what was learned counts `within` so many
        seconds. A server that will not tell its version is taken as an old one.

        Raises:
            UnreachableError: there is nobody.
        """
        if self.dialect.doubted or self._age >= within:
            self._stats(deadline)
            if not self._http.endpoint.websocket:  # one would tell them by itself
                self._learn_features(deadline)

    def learn_version(self, *, deadline: Deadline) -> None:
        """Learn it anew, before something that only this very version may be sent."""
        self._stats(deadline)

    @property
    def _age(self) -> float:
        """Seconds since the version was learned; for ever, where it never was."""
        greeted = self._greeted_at
        return math.inf if greeted is None else self._clock.monotonic() - greeted

    def _stats(self, deadline: Deadline) -> dict[str, JsonValue]:
        asked_at = self._clock.monotonic()
        answer = self._http.get("/system_stats", deadline=deadline)
        if answer.status == 404:
            raise self._nobody_here(answer)
        stats = object_of(answer)
        system = stats.get("system")
        version = system.get("comfyui_version") if isinstance(system, dict) else None
        self.dialect.learn(version if isinstance(version, str) else None)
        self._greeted_at = asked_at
        return stats

    def _learn_features(self, deadline: Deadline) -> None:
        """Ask for its feature flags, once for each server; old ones have none.

        A gateway may not let the question pass: then the version has to say it all.
        """
        if TELLS_FEATURES in self.dialect.observed:
            return
        with suppress(TransportError):
            soon = deadline.within(FEATURES_WITHIN_S)
            answer = self._http.get("/features", deadline=soon)
            self.dialect.saw(TELLS_FEATURES, able=answer.status < 300)
            flags = ServerFlags(object_of(answer))
            shown = shown_by(flags)
            if shown is not None:
                self.dialect.saw(shown[0], able=shown[1])
            self.dialect.limit(flags.flags)

    def _nobody_here(self, answer: Answer) -> BadAnswerError:
        endpoint = self._http.endpoint
        return BadAnswerError(
            f"the answer of {endpoint.shown} to GET /system_stats is 404",
            status=404,
            instance=endpoint.name,
            hint=not_found_hint(endpoint.url, answer.body),
        )


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Requests that may be repeated freely: a lost answer leaves nothing unclear."""
    try:
        yield
    except UnclearAnswerError as error:
        raise UnreachableError(
            error.message, status=error.status, hint=error.hint
        ).attach(job_id=error.job_id, instance=error.instance) from error


def object_of(answer: Answer) -> dict[str, JsonValue]:
    """The JSON object that an answer of ComfyUI is.

    Raises:
        BadAnswerError: it is something else.
    """
    try:
        parsed = json.loads(answer.body) if answer.status < 300 else None
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BadAnswerError(
            f"the answer ({answer.status}) is not the JSON object that ComfyUI sends",
            status=answer.status,
            hint="check the instance's url and its path prefix",
        )
    return parsed
