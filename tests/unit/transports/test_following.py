"""Following without a server: order, looks, losses and deadlines on a fake clock."""

from __future__ import annotations

import threading

import pytest

from comfyclient.errors import (
    BadAnswerError,
    DeadWorkerError,
    JobLostError,
    ServerFaultError,
    UnreachableError,
)
from comfyclient.events import NodeStarted, Queued, Started
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports.answers import Outcome, QueueView, Whereabouts
from comfyclient.transports.base import Ticket
from comfyclient.transports.following import Following
from comfyclient.transports.lookup import Look, Sighting
from comfyclient.transports.messages import Ended, Heard
from comfyclient.workflow import Workflow

WORKFLOW = Workflow.from_graph(GRAPH)


class Book:
    """A lookup whose answers the test writes."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {}
        self.queue: QueueView | None = None
        self.asked = 0
        self.deleted: list[str] = []
        self.survivors: dict[str, object] = {}
        self.broken = False
        """Whether each deletion fails once it is done."""
        self.condition = threading.Condition()

    def where(self, prompt_ids, *, deadline):
        """What was written; an exception is raised."""
        with self.condition:
            self.asked += 1
            self.condition.notify_all()
        found = {
            key: self.answers.get(key, Sighting(Whereabouts.UNKNOWN))
            for key in prompt_ids
        }
        for value in found.values():
            if isinstance(value, UnreachableError | ZeroDivisionError):
                raise value
        return Look(found, self.queue)

    def doubt(self) -> None:
        """Nothing was learned."""

    def delete(self, prompt_ids, *, deadline) -> None:
        """Note it, and let them be gone."""
        for prompt_id in prompt_ids:
            self.deleted.append(prompt_id)
            self.answers.pop(prompt_id, None)
            self.answers.update(self.survivors)
            if self.broken:
                raise ServerFaultError("the heap cannot be ordered")

    def history(self, prompt_id, *, deadline):
        """How it ended, where that was written."""
        found = self.answers.get(prompt_id)
        return found.outcome if isinstance(found, Sighting) else None

    def await_asked(self, count: int) -> None:
        """Wait until so many looks were made."""
        with self.condition:
            assert self.condition.wait_for(lambda: self.asked >= count, 20)


class Ear:
    """A follower that writes down what it is told."""

    def __init__(self, clock: FakeClock, seconds: float = 100) -> None:
        self.deadline = Deadline(seconds, clock=clock)
        self.told: list[object] = []
        self.over = threading.Event()

    def heard(self, event) -> None:
        """Note it."""
        self.told.append(event)

    def ended(self, verdict) -> None:
        """Note it."""
        self.told.append(verdict)
        self.over.set()

    def overdue(self, trouble) -> None:
        """Note it."""
        self.told.append(("overdue", trouble))
        self.over.set()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def book() -> Book:
    """What the server knows."""
    return Book()


@pytest.fixture
def following(book: Book, clock: FakeClock):
    """The following under test."""
    found = Following("n", book, delete=book.delete, clock=clock)
    yield found
    found.close()


def ticket(prompt_id: str = "p") -> Ticket:
    """A receipt."""
    return Ticket("n", prompt_id, prompt_id, "me")


def pass_time(clock: FakeClock, ear: Ear, seconds: float) -> None:
    """Let time pass in small steps until the follower hears the end."""
    for _ in range(int(seconds * 10)):
        if ear.over.wait(0.003):
            return
        clock.advance(0.1)
    assert ear.over.wait(1)


def test_early_signals_come_first(following, clock) -> None:
    """Signals from before the answer are told in order, none twice."""
    ear = Ear(clock)
    following.expect()
    following.signal(Heard("p", Started()))
    following.signal(Heard("p", NodeStarted("1")))
    following.signal(Heard("other", NodeStarted("9")))
    following.add(ticket(), WORKFLOW, ear)
    following.expected()
    following.signal(Heard("p", NodeStarted("2")))
    assert ear.told == [Started(), NodeStarted("1"), NodeStarted("2")]


def test_signals_that_arrive_while_early_ones_are_told(following, clock) -> None:
    """A frame that comes while older ones are being told waits for its turn."""
    ear = Ear(clock)
    note = ear.heard

    def heard(event) -> None:
        note(event)
        if event == Started():
            following.signal(Heard("p", NodeStarted("2")))

    ear.heard = heard
    following.expect()
    following.signal(Heard("p", Started()))
    following.signal(Heard("p", NodeStarted("1")))
    following.add(ticket(), WORKFLOW, ear)
    assert ear.told == [Started(), NodeStarted("1"), NodeStarted("2")]


def test_strays_are_kept_during_a_submit_only(following, clock) -> None:
    """Signals of unknown prompts are not kept when nobody submits."""
    following.signal(Heard("p", Started()))
    following.expect()
    following.signal(Heard("q", Started()))
    following.expected()
    ear = Ear(clock)
    following.add(ticket("p"), WORKFLOW, ear)
    following.add(ticket("q"), WORKFLOW, ear)
    assert ear.told == []


def test_an_end_that_was_told_is_looked_up(following, book, clock) -> None:
    """The socket's word of the end is not believed: the history is."""
    ear = Ear(clock)
    book.answers["p"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    following.add(ticket(), WORKFLOW, ear)
    following.signal(Ended("p", settled=True))
    assert ear.over.wait(20)
    assert ear.told[-1].error is None
    assert book.asked == 0


def test_lost_after_three_looks(following, book, clock) -> None:
    """A job that the server does not know in three looks is lost."""
    ear = Ear(clock)
    following.add(ticket(), WORKFLOW, ear)
    pass_time(clock, ear, 5)
    assert isinstance(ear.told[-1].error, JobLostError)
    assert book.asked == 3


def test_not_lost_while_it_cannot_be_asked(following, book, clock) -> None:
    """A server that does not answer has not lost the job; its time ends it."""
    ear = Ear(clock, seconds=20)
    book.answers["p"] = UnreachableError("refused")
    following.add(ticket(), WORKFLOW, ear)
    pass_time(clock, ear, 30)
    kind, trouble = ear.told[-1]
    assert kind == "overdue"
    assert trouble is book.answers["p"]


def test_a_bug_does_not_stop_the_looks(following, book, clock, caplog) -> None:
    """An exception that nobody foresaw costs one look, not every job."""
    ear = Ear(clock)
    book.answers["p"] = ZeroDivisionError("a bug")
    following.add(ticket(), WORKFLOW, ear)
    book_asked = book.asked
    while book.asked < book_asked + 2:
        clock.advance(0.5)
        threading.Event().wait(0.003)
    book.answers["p"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    pass_time(clock, ear, 10)
    assert ear.told[-1].error is None
    assert "a bug" in caplog.text


def test_one_jobs_trouble_is_its_own(following, book, clock) -> None:
    """A job whose answer is bad does not hold up another one's end."""
    bad, good = Ear(clock), Ear(clock)
    book.answers["a"] = BadAnswerError("spoilt")
    book.answers["b"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    following.add(ticket("a"), WORKFLOW, bad)
    following.add(ticket("b"), WORKFLOW, good)
    pass_time(clock, good, 5)
    assert good.told[-1].error is None
    assert bad.told == []


def test_a_place_in_the_queue_is_told(following, book, clock) -> None:
    """Each look at a waiting job is a sign of life, with its position."""
    ear = Ear(clock)
    book.answers["p"] = Sighting(Whereabouts.PENDING, 4)
    following.add(ticket(), WORKFLOW, ear)
    following.look_now("p")
    book.await_asked(1)
    book.answers["p"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    pass_time(clock, ear, 10)
    assert Queued(4) in ear.told


def test_forgotten_jobs_hear_nothing(following, book, clock) -> None:
    """A job that is followed no longer gets no event and no end."""
    ear = Ear(clock)
    book.answers["p"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    following.add(ticket(), WORKFLOW, ear)
    following.remove("p")
    following.signal(Heard("p", Started()))
    following.signal(Ended("p", settled=True))
    clock.advance(60)
    following.close()
    assert ear.told == []


def test_looks_grow_rarer(following, book, clock) -> None:
    """Without a websocket a job is asked for often at first, then rarely."""
    ear = Ear(clock, seconds=1000)
    book.answers["p"] = Sighting(Whereabouts.RUNNING)
    following.add(ticket(), WORKFLOW, ear)
    asked = []
    for _ in range(2):
        for _ in range(120):
            clock.advance(0.25)
            threading.Event().wait(0.003)
        asked.append(book.asked)
    assert 10 < asked[0] < 120  # half a minute
    assert asked[1] - asked[0] < asked[0]


@pytest.mark.parametrize("broken", [False, True])
def test_jobs_of_a_dead_worker(following, book, clock, broken: bool) -> None:
    """All that wait are taken out, on a queue whose every deletion fails too."""
    ears = {key: Ear(clock) for key in "abc"}
    book.queue = QueueView((), ("x", "a", "b", "c"))
    book.broken = broken
    for key, ear in ears.items():
        book.answers[key] = Sighting(Whereabouts.PENDING, 1)
        following.add(ticket(key), WORKFLOW, ear)
    pass_time(clock, ears["c"], 60)
    for ear in ears.values():
        assert ear.over.wait(20)
        assert type(ear.told[-1].error) is DeadWorkerError
    assert "x" not in book.deleted  # another one's


def test_a_job_that_runs_after_all(following, book, clock) -> None:
    """A worker that took the job up just before it was deleted is not dead."""
    ear = Ear(clock, seconds=300)
    book.queue = QueueView((), ("a",))
    book.answers["a"] = Sighting(Whereabouts.PENDING, 0)
    book.survivors = {"a": Sighting(Whereabouts.RUNNING)}
    following.add(ticket("a"), WORKFLOW, ear)
    for _ in range(120):
        if book.deleted or ear.over.wait(0.005):
            break
        clock.await_sleepers(1)
        clock.advance(0.5)
    assert book.deleted == ["a"]
    clock.await_sleepers(1)
    assert not ear.over.is_set()
    book.answers["a"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    pass_time(clock, ear, 20)
    assert ear.told[-1].error is None


def test_nothing_follows_the_end(following, book, clock) -> None:
    """A frame that arrives while the end is told, or after it, is not told."""
    ear = Ear(clock)
    note = ear.ended

    def ended(verdict) -> None:
        following.signal(Heard("p", NodeStarted("9")))
        note(verdict)

    ear.ended = ended
    book.answers["p"] = Sighting(Whereabouts.ENDED, outcome=Outcome("success"))
    following.add(ticket(), WORKFLOW, ear)
    pass_time(clock, ear, 5)
    following.signal(Heard("p", NodeStarted("9")))
    following.signal(Ended("p", settled=True, how="success"))
    assert NodeStarted("9") not in ear.told
    assert sum(hasattr(told, "outputs") for told in ear.told) == 1
