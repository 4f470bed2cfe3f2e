"""When a server's worker counts as dead, and when it does not."""

from __future__ import annotations

import pytest

from comfyclient.transports.answers import QueueView
from comfyclient.transports.workers import LOOKS, STILL_FOR, WorkerWatch

STUCK = QueueView(running=(), pending=("a", "b"))


def seen(watch: WorkerWatch, *views: tuple[float, QueueView]) -> list[bool]:
    """What the watch says after each look."""
    return [watch.saw(view, at=at) for at, view in views]


def every(seconds: float, view: QueueView = STUCK, *, start: float = 0.0):
    """Looks at regular moments, for twice as long as is needed."""
    count = int(2 * STILL_FOR / seconds)
    return [(start + i * seconds, view) for i in range(count)]


def test_jobs_wait_and_none_runs() -> None:
    """A queue that stands still for long enough is a dead worker's."""
    told = seen(WorkerWatch(), *every(1.0))
    assert told.index(True) == STILL_FOR
    assert all(told[told.index(True) :])


def test_a_few_looks_are_not_enough() -> None:
    """However far apart they are, a handful of looks is needed."""
    told = seen(WorkerWatch(), *[(i * 30.0, STUCK) for i in range(LOOKS)])
    assert told == [False] * (LOOKS - 1) + [True]


def test_many_quick_looks_are_not_enough() -> None:
    """However many looks there are, time must pass: models may be unloading."""
    assert not any(seen(WorkerWatch(), *[(i * 0.01, STUCK) for i in range(900)]))


@pytest.mark.parametrize(
    "moved",
    [
        QueueView(running=("a",), pending=("b",)),
        QueueView(running=(), pending=()),
        QueueView(running=(), pending=("b",)),
        QueueView(running=("x",), pending=("a", "b")),
    ],
    ids=["started", "empty", "one is gone", "another one runs"],
)
def test_any_move_begins_anew(moved: QueueView) -> None:
    """A job that starts, ends or is gone shows a living worker."""
    watch = WorkerWatch()
    still = [(float(i), STUCK) for i in range(int(STILL_FOR))]
    assert not any(seen(watch, *still))
    assert not watch.saw(moved, at=STILL_FOR)
    told = seen(watch, *every(1.0, start=STILL_FOR + 1))
    assert told.index(True) >= STILL_FOR - 1


def test_a_frame_begins_anew() -> None:
    """A word of the worker over the websocket counts as well."""
    watch = WorkerWatch()
    seen(watch, *[(float(i), STUCK) for i in range(int(STILL_FOR))])
    watch.moved()
    assert not watch.saw(STUCK, at=STILL_FOR)


def test_new_jobs_are_no_sign_of_life() -> None:
    """A queue that only grows does not move."""
    watch = WorkerWatch()
    for i in range(int(STILL_FOR)):
        view = QueueView((), tuple(f"{n}" for n in range(i + 1)))
        assert not watch.saw(view, at=float(i))
    assert watch.saw(view, at=STILL_FOR)


def test_a_job_that_runs_for_ever_is_no_dead_worker() -> None:
    """It cannot be told from a long node."""
    assert not any(seen(WorkerWatch(), *every(1.0, QueueView(("a",), ("b", "c")))))
