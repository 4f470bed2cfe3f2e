"""The hosted models as an environment configures them: names, limits, connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import platformdirs

from ..config.dashscope import site_of
from ..config.settings import DashScopeSettings
from ..errors import ClosedError
from ..timing import SYSTEM_CLOCK, Clock
from .answers import Answers
from .asking import Asking
from .calls import ModelService
from .hosted_steps import HostedSteps
from .model_copywriter import ModelCopywriter
from .models import PICTURES, Rate, resolved
from .observer import ModelObserver
from .painter import ModelPainter
from .relay import Relay

RESULTS = "results"
"""The folder of pictures that came home, in the cache."""


def results_folder(cache: Path | None) -> Path:
    """Where pictures of models are kept until their job has them."""
    whole = platformdirs.user_cache_path("comfyclient") if cache is None else cache
    return whole / RESULTS


class HostedModels:
    """Makes the steps of one environment; connects when the first one is needed."""

    def __init__(
        self,
        settings: DashScopeSettings,
        *,
        connect: Callable[[], ModelService],
        answers: Answers,
        environment: str,
        results: Path,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._answers = answers
        self._environment = environment
        self._results = results
        self._clock = clock
        self._lock = threading.Lock()
        self._asking: Asking | None = None
        self._closed = False

    def steps(self) -> HostedSteps:
        """What does the stages with them."""
        return HostedSteps(
            copywriter=self.copywriter, observer=self.observer, painter=self.painter
        )

    def copywriter(self, model: str = "") -> ModelCopywriter | None:
        """Whoever writes words; None where no text model is configured.

        Raises:
            ModelGoneError: the model was retired; names what to use.
            ConfigError: there is no key.
        """
        name = self._named(model or self._settings.text)
        if name is None:
            return None
        return ModelCopywriter(
            self._open(),
            name,
            on_failure=self._settings.on_failure,
            forbidden=self._settings.forbidden,
        )

    def observer(self, model: str = "") -> ModelObserver | None:
        """Whoever looks at photos; None where no vision model is configured."""
        name = self._named(model or self._settings.vision)
        if name is None:
            return None
        return ModelObserver(
            self._open(),
            name,
            on_failure=self._settings.on_failure,
            forbidden=self._settings.forbidden,
        )

    def painter(self, model: str = "") -> ModelPainter | None:
        """Whoever paints; None where no image model is configured."""
        name = self._named(model or self._settings.picture)
        if name is None:
            return None
        relay = Relay(
            self._results, hosts=self._settings.result_hosts, clock=self._clock
        )
        return ModelPainter(self._open(), name, relay, total_s=self._settings.task_s)

    def close(self) -> None:
        """Send whoever waits away, and let go of connections; ask nothing any more."""
        with self._lock:
            self._closed = True
            asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()

    def _named(self, name: str | None) -> str | None:
        if name is None:
            return None
        aliases = self._settings.aliases
        return resolved(name, aliases, region=site_of(self._settings))

    def _open(self) -> Asking:
        with self._lock:
            if self._closed:
                raise ClosedError("the client was closed while models were to be asked")
            if self._asking is None:
                self._asking = Asking(
                    self._connect(),
                    self._answers,
                    environment=self._environment,
                    limits=self._limits(),
                    request_s=self._settings.request_s,
                    clock=self._clock,
                )
            return self._asking

    def _limits(self) -> dict[str, Rate]:
        """The configured limits, each key of them over the documented one."""
        aliases = self._settings.aliases
        found: dict[str, Rate] = {}
        for name, limit in self._settings.limits.items():
            model = aliases.get(name, name)
            known = PICTURES[model].rate if model in PICTURES else Rate()
            found[model] = Rate(
                known.per_s if limit.per_s is None else limit.per_s,
                known.at_once if limit.at_once is None else limit.at_once,
            )
        return found
