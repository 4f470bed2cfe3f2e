"""Stages side by side: as fast as the longest way, each once, the first error tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from comfyclient import errors, load_trip
from comfyclient.events import Event, StageFinished, StageStarted
from comfyclient.steps.staged import Pictures
from comfyclient.steps.staging import Staging
from comfyclient.steps.steps import Done, Steps, Task
from comfyclient.templating.stages import StagePart
from comfyclient.testing import FakeClock
from comfyclient.timing import Deadline
from comfyclient.trip.published import PublishedTrip

TRIP = Path(__file__).parents[3] / "examples" / "trips" / "black-forest-weekend.json"


@pytest.fixture(scope="module")
def trip() -> PublishedTrip:
    """A trip."""
    return load_trip(TRIP).for_publishing()


@dataclass
class Timed(Steps):
    """Steps that take the seconds in their prompt, by a clock."""

    clock: FakeClock
    log: list[str] = field(default_factory=list)
    fail: dict[str, errors.ComfyClientError] = field(default_factory=dict)

    def do(self, task: Task, *, deadline: Deadline) -> Done:
        """Take the time."""
        condition, end = threading.Condition(), self.clock.monotonic()
        end += float(task.stage.prompt or 0)
        with condition:
            while (left := end - self.clock.monotonic()) > 0:
                self.clock.wait(condition, left)
        if task.stage.name in self.fail:
            raise self.fail[task.stage.name]
        self.log.append(task.stage.name)
        return Done(Pictures(count=len(task.inputs)))


def stage(name: str, seconds: float, *inputs: str, **more: object) -> StagePart:
    """A stage that takes its time."""
    values = {"name": name, "kind": "paint", "prompt": str(seconds), **more}
    return StagePart.model_construct(inputs=list(inputs), **values)


Run = Callable[..., object]


def test_the_whole_takes_as_long_as_the_longest_way(trip: PublishedTrip) -> None:
    """Within a tenth; what depends waits, what does not runs beside it."""
    clock = FakeClock()
    steps = Timed(clock)
    stages = [
        stage("last", 40, "b", "c"),
        stage("a", 120),
        stage("b", 80, "a"),
        stage("c", 180),
        stage("d", 232),
    ]
    with clock.flowing(step=0.5):
        staged = Staging(steps, clock).run(
            stages, trip, seed=1, ref="t", deadline=Deadline(600, clock=clock)
        )

    took = clock.monotonic()
    assert 240 <= took <= 264
    assert steps.log.index("a") < steps.log.index("b") < steps.log.index("last")
    assert list(staged.values) == ["last", "a", "b", "c", "d"]
    assert staged.values["last"] == Pictures(count=2)
    for record in staged.records:
        planned = float(next(s.prompt for s in stages if s.name == record.name))
        assert planned <= record.seconds <= planned + 12


def test_beginnings_and_ends_are_told(trip: PublishedTrip) -> None:
    """Each once, the end behind the beginning."""
    clock, heard = FakeClock(), list[Event]()
    Staging(Timed(clock), clock).run(
        [stage("a", 0), stage("b", 0, "a")],
        trip,
        seed=1,
        ref="t",
        deadline=Deadline(9, clock=clock),
        told=heard.append,
    )

    kinds = [type(event) for event in heard]
    assert kinds == [StageStarted, StageFinished, StageStarted, StageFinished]


def test_the_first_error_is_raised_with_its_stage(trip: PublishedTrip) -> None:
    """What depends on it is not begun."""
    clock = FakeClock()
    steps = Timed(clock, fail={"a": errors.ModelArrearsError("not paid")})
    with pytest.raises(errors.ModelArrearsError, match="stage 'a': not paid"):
        Staging(steps, clock).run(
            [stage("a", 0), stage("b", 0, "a")],
            trip,
            seed=1,
            ref="t",
            deadline=Deadline(9, clock=clock),
        )
    assert "b" not in steps.log


def test_one_that_is_not_required_is_empty(trip: PublishedTrip) -> None:
    """With the reason as a warning; the others go on."""
    clock = FakeClock()
    steps = Timed(clock, fail={"a": errors.ModelArrearsError("not paid")})
    staged = Staging(steps, clock).run(
        [stage("a", 0, required=False), stage("b", 0, "a")],
        trip,
        seed=1,
        ref="t",
        deadline=Deadline(9, clock=clock),
    )

    assert staged.values["a"] == Pictures()
    assert staged.records[0].source == "none"
    assert staged.records[0].warning == "not paid"


def test_one_that_never_ends_is_left_behind(trip: PublishedTrip) -> None:
    """Some seconds behind the deadline."""
    clock = FakeClock()
    with clock.flowing(step=2), pytest.raises(errors.JobTimeoutError, match="stages a"):
        Staging(Timed(clock), clock).run(
            [stage("a", 100)],
            trip,
            seed=1,
            ref="t",
            deadline=Deadline(20, clock=clock),
        )
    clock.advance(1000)


def test_without_models_the_client_does_what_it_can(trip: PublishedTrip) -> None:
    """Words and photos offline; painting says what to configure."""
    part = StagePart(name="a", kind="copy")
    look = StagePart(name="b", kind="observe")
    paint = StagePart(name="c", kind="paint", inputs=["a"])
    staging = Staging(Steps())

    staged = staging.run([part, look], trip, seed=1, ref="t", deadline=Deadline(9))

    assert staged.copy is not None
    assert {record.source for record in staged.records} == {"offline"}
    with pytest.raises(errors.ConfigError, match=r"dashscope\.picture"):
        staging.run([part, paint], trip, seed=1, ref="t", deadline=Deadline(9))
    with pytest.raises(errors.TripError):
        staging.run([part], None, seed=1, ref="t", deadline=Deadline(9))
