"""The router: places, windows, who waits, what is drained, added or down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from comfyclient.errors import (
    BusyError,
    ConfigError,
    JobCancelledError,
    MissingModelError,
    MissingNodeError,
    NodeIssue,
    UnreachableError,
    UsageError,
    ValidationError,
)
from comfyclient.jobs.berths import Berth
from comfyclient.jobs.breaker import FIRST_PAUSE_S
from comfyclient.jobs.demands import Demand
from comfyclient.jobs.router import GATHER_S, Place, Router
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline

JOB = Demand("card@1.0.0")
FLUX = Demand("flux", frozenset({"flux.safetensors"}), frozenset({"UNETLoader"}))


class Named:
    """A transport with a name and a queue, and nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.backlog: int | None = None


class Scene:
    """A router over instances, by name, on a clock that stands still."""

    def __init__(self, *names: str, window: int = 1, **options: object) -> None:
        self.clock = FakeClock()
        self.named = {name: Named(name) for name in names}
        berths = [Berth(one, window=window) for one in self.named.values()]
        self.router = Router(berths, clock=self.clock, **options)
        self.cancelled = False

    def find(self, seconds: float = 100, **options: object) -> Place | None:
        """A place, waited for."""
        deadline = Deadline(seconds, clock=self.clock)
        demand = options.pop("demand", JOB)
        return self.router.find(demand, deadline=deadline, check=self.check, **options)

    def check(self) -> None:
        """Raise where the job is not wanted any more."""
        if self.cancelled:
            raise JobCancelledError("x")

    @property
    def jobs(self) -> dict[str, int]:
        """How many each instance has."""
        return {state.name: state.jobs for state in self.router.states()}

    @contextmanager
    def waiting(self, seconds: float = 100, **options: object) -> Iterator[Future]:
        """Another thread that waits for a place."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self.find, seconds, **options)
            self.clock.await_sleepers(1)
            yield future


def test_jobs_spread_and_then_wait() -> None:
    """A window is a limit: what is over it waits on our side, until a place is free."""
    scene = Scene("a", "b")
    first, second = scene.find(), scene.find()
    assert {first.transport.name, second.transport.name} == {"a", "b"}
    with scene.waiting() as third:
        assert not third.done()
        second.free()
        assert third.result(20).transport is second.transport


def test_waiting_ends_with_the_deadline() -> None:
    """The error says who had how much."""
    scene = Scene("a")
    scene.find()
    with scene.waiting(10) as late:
        scene.clock.advance(11)
        with pytest.raises(BusyError, match=r"no instance had room.*a has 1"):
            late.result(20)
    assert scene.jobs == {"a": 1}


def test_waiting_ends_with_the_wish() -> None:
    """A job that is cancelled while it waits leaves the line."""
    scene = Scene("a")
    place = scene.find()
    with scene.waiting() as future:
        scene.cancelled = True
        scene.router.wake()
        with pytest.raises(JobCancelledError):
            future.result(20)
    place.free()
    assert scene.jobs == {"a": 0}


def test_a_place_is_given_back_once() -> None:
    """Whoever says so twice frees nobody else's."""
    scene = Scene("a", window=2)
    place, _ = scene.find(), scene.find()
    place.free()
    place.free()
    place.refused(UnreachableError("late"))
    assert scene.jobs == {"a": 1}


def test_one_that_did_not_answer_is_left_alone() -> None:
    """Others are asked meanwhile; then it is tried with one job."""
    scene = Scene("a", "b", window=2)
    place = scene.find()
    assert place.transport.name == "a"
    place.refused(UnreachableError("x"))
    assert scene.find().transport.name == "b"
    assert scene.find().transport.name == "b"
    scene.clock.advance(FIRST_PAUSE_S)
    trial = scene.find()
    assert trial.transport.name == "a"
    with scene.waiting() as future:
        trial.taken()
        trial.free()
        assert future.result(20).transport.name == "a"


def test_one_that_is_down_is_asked_when_no_other_is_left() -> None:
    """Somebody waits for an answer: the last one that is left gives it."""
    scene = Scene("a", "b")
    scene.find().refused(UnreachableError("x"))
    second = scene.find(avoid={"a"})
    second.refused(UnreachableError("x"))
    assert scene.find(avoid={"a"}).transport.name == "b"
    assert scene.find(avoid={"a", "b"}) is None


def test_a_busy_one_is_asked_again_when_it_said() -> None:
    """All callers heard it."""
    scene = Scene("a", "b")
    scene.find().refused(BusyError("x", retry_after=30))
    assert scene.find().transport.name == "b"
    with scene.waiting() as future:
        scene.clock.advance(31)
        assert future.result(20).transport.name == "a"


@pytest.mark.parametrize(
    ("error", "issue"),
    [
        (MissingNodeError, NodeIssue("k", "m", class_type="UNETLoader")),
        (MissingModelError, NodeIssue("k", "m", value="'flux.safetensors'")),
        (
            ValidationError,
            NodeIssue("missing_node_type", "m", class_type="UNETLoader"),
        ),
        (
            ValidationError,
            NodeIssue("value_not_in_list", "m", value="'flux.safetensors'"),
        ),
    ],
)
def test_what_an_instance_lacks_is_remembered(error, issue) -> None:
    """A refusal for a missing node or model holds for other jobs, and for a while."""
    scene = Scene("a", "b", window=3)
    scene.find(demand=FLUX).refused(error("x", issues=(issue,)))
    assert {scene.find(demand=FLUX).transport.name for _ in range(2)} == {"b"}
    assert scene.find().transport.name == "a"


def test_other_clients_jobs_are_counted() -> None:
    """They take places of the window, but never the last one."""
    scene = Scene("a", "b", window=2)
    scene.named["a"].backlog = 1
    assert [scene.find().transport.name for _ in range(2)] == ["b", "a"]
    scene.named["a"].backlog = 2  # ours, and the other one's
    assert scene.find().transport.name == "b"
    assert [state.foreign for state in scene.router.states()] == [1, 0]
    with scene.waiting() as future:
        scene.named["a"].backlog = 1
        scene.clock.advance(1)
        assert future.result(20).transport.name == "a"


def test_a_drained_instance_takes_nothing_new() -> None:
    """What it has goes on; undrained, it takes what waits."""
    scene = Scene("a")
    scene.router.drain("a")
    with scene.waiting() as future:
        assert not future.done()
        scene.router.undrain("a")
        assert future.result(20).transport.name == "a"


def test_instances_come_and_go() -> None:
    """One that is added takes what waits; one that is removed is still found."""
    scene = Scene("a")
    held = scene.find()
    with scene.waiting() as future:
        scene.router.add(Berth(Named("b")))
        assert future.result(20).transport.name == "b"
    scene.router.remove("a")
    held.free()
    assert scene.router.named("a") is held.transport
    with pytest.raises(UsageError, match="no instance 'a'; there are: b"):
        scene.router.drain("a")
    with pytest.raises(UsageError, match="already"):
        scene.router.add(Berth(Named("b")))


def test_an_environment_that_only_reads_sends_nothing() -> None:
    """Its instances are found, for their outputs, and take no job."""
    scene = Scene("a", read_only={"a"})
    with pytest.raises(ConfigError, match="only read"):
        scene.find()
    with pytest.raises(ConfigError, match="only read"):
        scene.router.require_writable(scene.named["a"])
    assert scene.router.named("a") is scene.named["a"]


def test_waiting_without_a_thread() -> None:
    """The place is handed over by whoever frees it."""
    scene = Scene("a")
    held, handed = scene.find(), []
    scene.router.line_up(JOB, handed.append)
    other = scene.router.line_up(JOB, handed.append)
    assert scene.router.step_out(other)
    held.free()
    assert [place.transport.name for place in handed] == ["a"]
    handed[0].free()
    assert scene.jobs == {"a": 0}
    assert len(handed) == 1


def test_a_line_without_threads_is_looked_at_from_time_to_time() -> None:
    """A pause that is over is noticed by nobody else."""
    later: list = []
    scene = Scene("a", later=lambda step, seconds: later.append(step))
    scene.find().refused(UnreachableError("x"))
    handed: list[Place] = []
    scene.router.line_up(JOB, handed.append)
    scene.clock.advance(FIRST_PAUSE_S)
    assert (len(later), handed) == (1, [])
    later.pop()()
    assert len(handed) == 1


def test_the_first_of_many_lets_others_join_before_models_are_loaded() -> None:
    """For a moment, and only where there is something to load: then it is sent."""
    later: list = []
    scene = Scene("a", window=9, later=lambda step, seconds: later.append(step))
    handed: list[Place] = []

    def join(demand: Demand, **options: bool) -> int:
        scene.router.line_up(demand, handed.append, **options)
        return len(handed)

    assert join(JOB, first_of_many=True) == 1
    handed.pop().free()
    assert join(FLUX, first_of_many=True) == 0
    scene.clock.advance(GATHER_S)
    for step in later:
        step()
    assert len(handed) == 1
    assert join(FLUX, first_of_many=True) == 2
    assert join(replace(FLUX, kind="other")) == 3


def test_one_alone_waits_for_nobody() -> None:
    """A job that a caller waits for is sent at once, whatever has to be loaded."""
    scene = Scene("a", later=lambda step, seconds: None)
    assert scene.find(demand=FLUX).transport.name == "a"
    scene = Scene("a", later=lambda step, seconds: None)
    handed: list[Place] = []
    scene.router.line_up(FLUX, handed.append)
    assert len(handed) == 1


def test_durations_are_learned_from_ends() -> None:
    """What a job took is told to the next router."""
    scene = Scene("a", "b")
    place = scene.find()
    place.started()
    place.free(4.0)
    [fresh] = scene.router.fresh()
    assert (fresh.kind, fresh.instance, fresh.seconds) == ("card@1.0.0", "a", 4.0)
    assert scene.router.expected(JOB) == 4.0
    assert Scene("a", known=[fresh]).router.expected(JOB) == 4.0
    assert scene.router.expected(FLUX) is None


def test_the_first_to_end_has_loaded_the_models() -> None:
    """Two sent at once may come there the other way round: servers keep their order."""
    scene = Scene("a", window=2)
    first, second = scene.find(demand=FLUX), scene.find(demand=FLUX)
    first.taken()
    second.taken()
    second.free(33.0)
    first.free(3.0)
    learned = {one.loading: one.seconds for one in scene.router.fresh()}
    assert learned == {True: 33.0, False: 3.0}


@pytest.mark.parametrize("leave", ["refused", "free"])
def test_whoever_comes_after_a_refused_one_loads(leave: str) -> None:
    """Nothing was loaded by a job that never ran there."""
    scene = Scene("a", window=2)
    first, second = scene.find(demand=FLUX), scene.find(demand=FLUX)
    first.refused(BusyError("x")) if leave == "refused" else first.free()
    second.free(33.0)
    [learned] = scene.router.fresh()
    assert (learned.loading, learned.seconds) == (True, 33.0)


def test_one_that_was_taken_has_loaded_its_models() -> None:
    """Even where nobody can say how long it took, or that it began."""
    scene = Scene("a")
    first = scene.find(demand=FLUX)
    first.taken()
    first.free()
    scene.find(demand=FLUX).free(3.0)
    [learned] = scene.router.fresh()
    assert (learned.loading, learned.seconds) == (False, 3.0)


def test_threads_share_the_places() -> None:
    """However many wait, no window is overrun and nobody is forgotten."""
    scene = Scene("a", "b", window=2)
    most, lock = [0], threading.Lock()

    def work() -> None:
        for _ in range(20):
            place = scene.find(1000)
            with lock:
                most[0] = max(most[0], sum(scene.jobs.values()))
            place.free()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result(20)
    assert 0 < most[0] <= 4
    assert scene.jobs == {"a": 0, "b": 0}
