"""Runs a template's stages: each as soon as what it works from is there, side by side.

Stages run while `submit` waits, before the job is written down: its graph is made of
what they give. What models answer is in the ledger by the digest of what was asked, and
so is each order of a picture while it is under way. A process that dies in between has
lost nothing: the same submit again asks only for what is missing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import (
    ClosedError,
    ComfyClientError,
    JobTimeoutError,
    LedgerError,
    TripError,
    UsageError,
)
from ..events import Event, StageFinished, StageStarted
from ..templating.stages import StagePart
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..trip.published import PublishedTrip
from .records import StageRecord
from .staged import Staged, nothing_of
from .steps import Done, Steps, Task

GRACE_S = 10.0
"""Seconds that a stage may take to notice that its time is over."""

Teller = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Staging:
    """Runs the stages of one environment's templates."""

    steps: Steps
    clock: Clock = SYSTEM_CLOCK

    def run(
        self,
        stages: Sequence[StagePart],
        trip: PublishedTrip | None,
        *,
        seed: int,
        ref: str,
        deadline: Deadline,
        told: Teller | None = None,
    ) -> Staged:
        """Do every stage; `told` is called with its beginning and end, in its thread.

        Raises:
            ComfyClientError: a stage that is required came to nothing; the first one.
        """
        require_trip(stages, ref, given=trip is not None)
        run = _Run(
            steps=self.steps,
            stages=stages,
            trip=trip,
            seed=seed,
            ref=ref,
            deadline=deadline,
            clock=self.clock,
            told=told if told is not None else _unheard,
        )
        return run.whole()


def require_trip(stages: Sequence[StagePart], ref: str, *, given: bool) -> None:
    """Refuse stages that have nothing to write of or to look at.

    Raises:
        TripError: they need a trip, and none was given.
    """
    if not given and any(stage.kind in {"copy", "observe"} for stage in stages):
        raise TripError(f"{ref} writes of a trip or looks at one, none was given")


@dataclass(slots=True)
class _Run:
    """The stages of one job."""

    steps: Steps
    stages: Sequence[StagePart]
    trip: PublishedTrip | None
    seed: int
    ref: str
    deadline: Deadline
    clock: Clock
    told: Teller
    condition: threading.Condition = field(default_factory=threading.Condition)
    begun: set[str] = field(default_factory=set)
    done: dict[str, Done] = field(default_factory=dict)
    records: dict[str, StageRecord] = field(default_factory=dict)
    failure: BaseException | None = None

    def whole(self) -> Staged:
        with self.condition:
            while self.failure is None and self._under_way():
                self._wait()
            if self.failure is not None:
                raise self.failure  # others that run write down what they bring
        return Staged(
            values={name: done.value for name, done in self._ordered()},
            files=tuple(file for _, done in self._ordered() for file in done.files),
            records=tuple(self.records[name] for name, _ in self._ordered()),
        )

    def _under_way(self) -> bool:
        self._begin_what_can()
        return bool(self.begun - self.done.keys())

    def _ordered(self) -> Iterator[tuple[str, Done]]:
        for stage in self.stages:
            if stage.kind != "render":
                yield stage.name, self.done[stage.name]

    def _begin_what_can(self) -> None:
        """Begin each stage whose inputs are there."""
        ready = [
            stage
            for stage in self.stages
            if stage.name not in self.begun
            and stage.kind != "render"
            and all(name in self.done for name in stage.inputs)
        ]
        for stage in ready:
            self.begun.add(stage.name)
            inputs = {name: self.done[name] for name in stage.inputs}
            task = Task(stage, self.trip, inputs, self.seed, self.ref)
            context = copy_context()
            threading.Thread(
                target=context.run,
                args=(self._work, task),
                name=f"comfyclient-stage-{stage.name}",
                daemon=True,
            ).start()

    def _wait(self) -> None:
        """Until a stage ends; one that does not notice its deadline is left behind."""
        left = self.deadline.remaining() + GRACE_S
        before = len(self.done)
        end = self.clock.monotonic() + left
        while len(self.done) == before and self.failure is None:
            left = end - self.clock.monotonic()
            if left <= 0:
                late = ", ".join(sorted(self.begun - self.done.keys()))
                raise JobTimeoutError(
                    f"{self.ref}: the stages {late} were not done after "
                    f"{self.deadline.seconds:g} s"
                )
            self.clock.wait(self.condition, left)

    def _work(self, task: Task) -> None:
        stage, begun = task.stage, self.clock.now()
        try:
            self.told(StageStarted(stage.name, stage.kind))
            done = self._did(task)
            record = self._record(stage, done, begun)
            self.told(StageFinished(record))
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            with self.condition:
                self.failure = error if self.failure is None else self.failure
                self.condition.notify_all()
            return
        with self.condition:
            self.done[stage.name], self.records[stage.name] = done, record
            self.condition.notify_all()

    def _did(self, task: Task) -> Done:
        try:
            return self.steps.do(task, deadline=self.deadline)
        except ComfyClientError as error:
            lasting = isinstance(error, ClosedError | LedgerError)
            wrong = isinstance(error, UsageError) and task.stage.required
            if task.stage.required or lasting or wrong:
                error.message = f"stage {task.stage.name!r}: {error.message}"
                raise
            return Done(nothing_of(task.stage), source="none", warning=error.message)

    def _record(self, stage: StagePart, done: Done, begun: datetime) -> StageRecord:
        return StageRecord(
            name=stage.name,
            kind=stage.kind,
            begun_at=begun,
            seconds=max(0.0, (self.clock.now() - begun).total_seconds()),
            source=done.source,
            model=done.model,
            request_id=done.request_id,
            usage=done.usage,
            warning=done.warning,
        )


def _unheard(_event: Event) -> None:
    """Nobody listens."""
