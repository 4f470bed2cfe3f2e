"""One job over several attempts: whatever happens, it ends once, and its place is free.

The machine below plays every order of what servers, callers and other processes do.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from comfyclient.config.settings import PolicySettings
from comfyclient.errors import (
    ComfyClientError,
    ExecutionError,
    JobInterruptedError,
    JobLostError,
    LedgerError,
    OutOfMemoryError,
    RefusedError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.events import Finished, Queued, Started
from comfyclient.jobs.berths import Berth
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.jobs.desk import Desk
from comfyclient.jobs.dispatch import Dispatcher, Options
from comfyclient.jobs.errands import Errands
from comfyclient.jobs.notes import Notes
from comfyclient.jobs.pursuit import Pursuit
from comfyclient.jobs.router import Router
from comfyclient.jobs.sheltering import Shelter
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.storage.view import ViewStorage
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports.base import Follower, Ticket, Verdict
from comfyclient.workflow import Workflow

ASKED = settings()
SOAKING = settings.get_current_profile_name() == "soak"
POLICIES = PolicySettings(resubmit_lost=2, resubmit_interrupted=1)


class ByHand:
    """Errands that are done when the test says so."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()

    def do(self, errand: Callable[[], None], *, after: float = 0) -> None:
        """Later."""
        self.waiting.append(errand)

    def run_one(self) -> None:
        """The oldest."""
        self.waiting.popleft()()

    def run_all(self) -> None:
        """And what they leave behind."""
        while self.waiting:
            self.run_one()


class Server:
    """A transport and its server: it has attempts, and answers as it is told to."""

    client_id = "me"
    backlog = None
    away_s = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.has: dict[str, Follower] = {}
        self.alive: set[str] = set()
        self.executed: list[str] = []
        self.freed = self.cancels = 0
        self.refuses: TransportError | ValidationError | None = None
        self.loses_answer = False
        self.speaks = True

    def submit(self, attempt, follower, *, deadline) -> Ticket:
        """Taken, refused, or taken without a word."""
        if self.refuses is not None:
            raise self.refuses
        self.has[attempt.attempt_id] = follower
        self.alive.add(attempt.attempt_id)
        self.executed.append(attempt.attempt_id)
        if self.loses_answer:
            self.loses_answer = False
            raise UnclearAnswerError("the answer was lost")
        follower.heard(Queued())
        return self._ticket(attempt.attempt_id)

    def find(self, attempt_id, *, deadline) -> Ticket | None:
        """Whether it has the attempt."""
        if not self.speaks:
            raise UnclearAnswerError("no answer")
        return self._ticket(attempt_id) if attempt_id in self.has else None

    def follow(self, ticket, workflow, follower) -> None:
        """Followed from now on."""
        self.has[ticket.attempt_id] = follower

    def forget(self, ticket) -> None:
        """Followed no longer; it is not told."""

    def cancel(self, ticket, *, deadline) -> None:
        """Noted."""
        self.cancels += 1

    def relieve(self, *, deadline) -> None:
        """Noted."""
        self.freed += 1

    def _ticket(self, attempt_id: str) -> Ticket:
        return Ticket(self.name, attempt_id, attempt_id, "me", 1.0)


class Bench:
    """A job, its ledger, two servers, and errands done by hand."""

    def __init__(self, folder: Path, policies: PolicySettings = POLICIES) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(folder / "jobs.db", clock=self.clock).open()
        workflow = Workflow.from_graph(GRAPH)
        row = self.ledger.intend(
            JobIntent(job_id="j", environment="e", digest=workflow.digest)
        )
        assert row.job_id == "j"
        self.servers = [Server("a"), Server("b")]
        self.router = Router([Berth(s) for s in self.servers], clock=self.clock)
        storage = ViewStorage(self.servers)
        dispatcher = Dispatcher(
            self.router, self.ledger, environment="e", storage=storage, clock=self.clock
        )
        self.errands, self.keeper = ByHand(), ByHand()
        desk = Desk(
            environment="e",
            router=self.router,
            journal=self.ledger,
            storage=storage,
            dispatcher=dispatcher,
            policies=policies,
            errands=self.errands,
            senders=self.errands,
            keeper=self.keeper,
            notes=Notes(self.ledger, self.keeper, clock=self.clock),
            shelter=Shelter("e", Errands("rescuers"), cache=folder, clock=self.clock),
            clock=self.clock,
        )
        self.course = Course(
            "j", workflow, total_s=900, queue_s=900, silence_s=900, clock=self.clock
        )
        self.ends = self.takings = 0
        self.pursuit = Pursuit(
            self.course, desk, Options(), on_end=self._ended, on_taken=self._taken
        )

    @property
    def free(self) -> bool:
        """Whether no instance counts the job as its load."""
        return all(state.jobs == 0 for state in self.router.states())

    @property
    def executions(self) -> int:
        """On all servers."""
        return sum(len(server.executed) for server in self.servers)

    @property
    def follower(self) -> Follower:
        """Of the attempt that was taken last."""
        placed = self.pursuit.placed
        assert placed is not None
        return placed.transport.has[placed.ticket.attempt_id]

    def end(self, error: ComfyClientError | None = None) -> None:
        """The present attempt ends so."""
        placed = self.pursuit.placed
        follower = self.follower
        placed.transport.alive.discard(placed.ticket.attempt_id)
        follower.ended(Verdict(error))

    def _ended(self) -> None:
        self.ends += 1

    def _taken(self) -> None:
        self.takings += 1


@pytest.fixture
def bench(tmp_path: Path):
    """A job that was not sent yet."""
    bench = Bench(tmp_path)
    yield bench
    bench.ledger.close()


def test_an_end_before_the_answer(bench: Bench) -> None:
    """A job that ends before its submit returned ends, once, with its place free."""
    server = bench.servers[0]
    submit = server.submit

    def ends_at_once(attempt, follower, *, deadline) -> Ticket:
        ticket = submit(attempt, follower, deadline=deadline)
        follower.heard(Started())
        follower.ended(Verdict(None))
        return ticket

    server.submit = ends_at_once
    bench.pursuit.submit()
    assert (bench.course.status, bench.ends, bench.free) == ("succeeded", 1, True)
    assert bench.ledger.job("j").state is JobState.COLLECTED  # it made no file
    assert bench.ledger.job("j").attempts[0].accepted_at is not None


def test_lost_before_the_answer(bench: Bench) -> None:
    """A job that is lost before its submit returned is sent again."""
    server = bench.servers[0]
    submit = server.submit

    def loses_it(attempt, follower, *, deadline) -> Ticket:
        ticket = submit(attempt, follower, deadline=deadline)
        follower.ended(Verdict(JobLostError("x")))
        return ticket

    server.submit = loses_it
    bench.pursuit.submit()
    assert not bench.course.status.final
    bench.errands.run_all()
    assert bench.pursuit.placed.transport.name == "b"
    bench.end()
    assert (bench.course.status, bench.free) == ("succeeded", True)


def test_an_earlier_attempt_is_not_heard(bench: Bench) -> None:
    """What a server says late of an attempt that was given up changes nothing."""
    bench.pursuit.submit()
    stale = bench.follower
    bench.end(JobLostError("x"))
    bench.errands.run_all()
    before = bench.course.event_after(0, Deadline(0))
    stale.heard(Started())
    stale.ended(Verdict(ExecutionError("late")))
    stale.overdue(None)
    assert bench.course.event_after(0, Deadline(0)) == before
    assert bench.course.status is JobStatus.QUEUED
    bench.end()
    assert bench.course.verdict.error is None


def test_out_of_memory_frees_and_goes_elsewhere(bench: Bench) -> None:
    """The instance is relieved; another one gets the job."""
    bench.pursuit.submit()
    assert bench.pursuit.placed.transport.name == "a"
    bench.end(OutOfMemoryError("x"))
    bench.errands.run_all()
    assert bench.servers[0].freed == 1
    assert bench.pursuit.placed.transport.name == "b"


def test_an_instance_that_is_gone(bench: Bench) -> None:
    """Its job goes to another one, once; what it says late is not heard."""
    bench.pursuit.submit()
    stale = bench.follower
    bench.pursuit.lose_contact()
    bench.errands.run_all()
    assert bench.pursuit.placed.transport.name == "b"
    stale.ended(Verdict(None))
    assert not bench.course.status.final
    bench.end()
    assert (bench.course.status, bench.ends, bench.free) == ("succeeded", 1, True)


def test_an_instance_that_is_gone_while_its_job_ends(bench: Bench) -> None:
    """The end that is being written down counts: the job is not sent again."""
    server = bench.servers[0]
    forget = server.forget

    def forgets(ticket) -> None:
        server.forget = forget  # it is given up between the end and the ledger
        bench.pursuit.lose_contact()

    server.forget = forgets
    bench.pursuit.submit()
    bench.end()
    bench.errands.run_all()
    assert (bench.course.status, bench.ends, bench.free) == ("succeeded", 1, True)
    assert bench.executions == 1
    assert bench.pursuit.placed is not None  # where its outputs are


def test_an_instance_that_is_gone_after_all_others(tmp_path) -> None:
    """With no attempt left, the job is waited for until its time is over."""
    bench = Bench(tmp_path, PolicySettings(resubmit_lost=0))
    with bench.ledger:
        bench.pursuit.submit()
        bench.pursuit.lose_contact()
        assert not bench.course.status.final
        bench.end()
        assert bench.course.status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("policy", ["cancel", "leave"])
def test_a_time_that_is_over(tmp_path, policy: str) -> None:
    """The server is told in an errand, not by whoever follows; or not at all."""
    bench = Bench(tmp_path, PolicySettings(on_timeout=policy))
    with bench.ledger:
        bench.pursuit.submit()
        bench.follower.overdue(UnreachableError("down"))
        assert bench.servers[0].cancels == 0
        bench.errands.run_all()
        assert bench.servers[0].cancels == (policy == "cancel")
        row = bench.ledger.job("j")
        assert row.state is (
            JobState.FAILED if policy == "cancel" else JobState.ACCEPTED
        )
        assert bench.free


def test_a_ledger_that_fails_between_attempts(bench: Bench, caplog) -> None:
    """A job that cannot be written down is not sent again, and says why."""
    bench.pursuit.submit()
    bench.end(JobLostError("x"))
    bench.ledger._database.close()
    bench.errands.run_all()
    assert isinstance(bench.course.verdict.error, LedgerError | ComfyClientError)
    assert bench.executions == 1
    assert (bench.ends, bench.free) == (1, True)


def test_a_bug_leaves_nobody_waiting(bench: Bench) -> None:
    """Whatever goes wrong behind the caller's back, the job ends with it."""
    bench.pursuit.submit()
    bench.end(JobLostError("x"))
    bench.servers[0].submit = bench.servers[1].submit = None
    with pytest.raises(TypeError):
        bench.errands.run_all()
    assert "could not go on" in bench.course.verdict.error.message
    assert (bench.ends, bench.free) == (1, True)


def test_taken_by_another_process(bench: Bench, tmp_path) -> None:
    """What another process took is not sent by us, and not settled."""
    bench.pursuit.submit()
    bench.keeper.run_all()
    bench.end(JobLostError("x"))
    bench.ledger.release("j")
    with Ledger(tmp_path / "jobs.db", clock=bench.clock) as other:
        assert other.claim("j")
        bench.errands.run_all()
        assert (bench.takings, bench.ends, bench.executions) == (1, 0, 1)
        assert other.job("j").state is JobState.ACCEPTED


def test_cancelled_before_it_is_sent_again(bench: Bench) -> None:
    """It ends at once, however many others wait for their turn before it."""
    bench.pursuit.submit()
    bench.end(JobLostError("x"))
    bench.pursuit.cancel(Deadline(0))
    assert bench.course.status is JobStatus.CANCELLED
    assert bench.ledger.job("j").state is JobState.CANCELLED
    bench.errands.run_all()
    assert (bench.executions, bench.ends, bench.free) == (1, 1, True)


def test_it_waits_with_its_priority_in_a_lane_of_its_own(bench: Bench) -> None:
    """New jobs, however many, take turns with one that is sent again."""
    bench.pursuit._options = Options(priority=3)
    bench.pursuit.submit()
    for server in bench.servers:
        for _ in range(2):
            bench.router.took(server, bench.pursuit._demand)
    bench.end(JobLostError("x"))
    seen: list[tuple[object, int]] = []
    check = bench.pursuit._desk.dispatcher._check

    def look(course: Course) -> None:
        seen.extend((one.lane, one.priority) for one in bench.router._line)
        course.cancel_asked = True
        check(course)

    bench.pursuit._desk.dispatcher._check = look
    bench.errands.run_all()
    assert seen == [("again", 3)]
    assert (bench.ends, bench.router.states()[0].jobs) == (1, 2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, TypeError])
def test_a_submit_that_is_interrupted(bench: Bench, error: type[BaseException]) -> None:
    """Nobody waits for it here; a server may have it, so it can be resumed."""

    def interrupted(attempt, follower, *, deadline) -> Ticket:
        raise error

    bench.servers[0].submit = interrupted
    with pytest.raises(error):
        bench.pursuit.submit()
    assert (bench.course.status.final, bench.ends, bench.free) == (True, 1, True)
    row = bench.ledger.job("j")
    assert (row.owner, row.state) == (None, JobState.INTENDED)
    assert row.unclear is not None


def test_taken_by_another_process_while_it_is_sent(bench: Bench) -> None:
    """What the server says then is nobody's here, and the place is free."""
    server = bench.servers[0]
    submit = server.submit

    def slowly(attempt, follower, *, deadline) -> Ticket:
        bench.pursuit.let_go()
        return submit(attempt, follower, deadline=deadline)

    server.submit = slowly
    bench.pursuit.submit()
    assert bench.free
    assert bench.pursuit.placed is None


class Pursuing(RuleBasedStateMachine):
    """Servers take, lose, fail, fall silent; callers cancel; processes take over."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name))
        self.most: int | None = None

    @initialize(unclear=st.booleans(), down=st.booleans())
    def submit(self, unclear: bool, down: bool) -> None:
        """The job is sent, with or without an answer."""
        first, _ = self.bench.servers
        first.loses_answer = unclear
        first.refuses = UnreachableError("down") if down else None
        try:
            self.bench.pursuit.submit()
        except UnclearAnswerError:
            assert unclear
            assert self.bench.ledger.job("j").unclear is not None
            # what the roster does when it is resumed
            assert self.bench.ledger.claim("j")
            self._resume()

    def _resume(self) -> None:
        self.bench.pursuit._ended = False
        self.bench.course = Course(
            "j",
            self.bench.course.workflow,
            total_s=900,
            queue_s=900,
            silence_s=900,
            clock=self.bench.clock,
        )
        desk = self.bench.pursuit._desk
        self.bench.ends = 0
        self.bench.pursuit = Pursuit(
            self.bench.course,
            desk,
            Options(),
            on_end=self.bench._ended,
            on_taken=self.bench._taken,
        )
        self.bench.pursuit.adopt(self.bench.ledger.job("j"))

    def _followed(self) -> bool:
        return self.bench.pursuit.placed is not None and self.bench.ends == 0

    @rule()
    def work(self) -> None:
        """An errand is done."""
        if self.bench.errands.waiting:
            self.bench.errands.run_one()

    @rule()
    def keep(self) -> None:
        """A note in the ledger is made."""
        if self.bench.keeper.waiting:
            self.bench.keeper.run_one()

    @precondition(lambda self: self._followed())
    @rule()
    def start(self) -> None:
        """It runs."""
        self.bench.follower.heard(Started())

    @precondition(lambda self: self._followed())
    @rule(
        error=st.sampled_from(
            [
                None,
                ExecutionError("x"),
                JobLostError("x"),
                JobLostError("x"),
                JobInterruptedError("x"),
                OutOfMemoryError("x"),
            ]
        )
    )
    def end(self, error: ComfyClientError | None) -> None:
        """The attempt ends, so or so."""
        self.bench.end(error)

    @rule(error=st.sampled_from([None, ExecutionError("x"), JobLostError("x")]))
    def speak_late(self, error: ComfyClientError | None) -> None:
        """Servers say once more how attempts ended that ended before."""
        for server in self.bench.servers:
            for attempt_id, follower in list(server.has.items()):
                if attempt_id not in server.alive:
                    follower.heard(Started())
                    follower.ended(Verdict(error))
                    follower.overdue(None)

    @precondition(lambda self: self._followed())
    @rule()
    def time_over(self) -> None:
        """The job's time is over."""
        self.bench.follower.overdue(None)

    @rule(
        error=st.sampled_from(
            [None, None, RefusedError("x", status=400), ValidationError("x")]
        ),
        lost=st.booleans(),
    )
    def change_a_server(self, error, lost: bool) -> None:
        """It refuses, takes again, or loses its next answer."""
        for server in self.bench.servers:
            server.refuses, server.loses_answer = error, lost

    @rule()
    def cancel(self) -> None:
        """Somebody cancels."""
        self.bench.course.cancel_asked = True
        self.most = self.bench.executions
        self.bench.pursuit.cancel(Deadline(0, clock=self.bench.clock))

    @rule()
    def lose_and_take_up(self) -> None:
        """Another process took the job, is gone, and we take it up again."""
        if self.bench.ends:
            return
        self.bench.pursuit.let_go()
        self.bench.errands.waiting.clear()
        self.bench.ledger.release("j")
        assert self.bench.ledger.claim("j")
        row = self.bench.ledger.job("j")
        if not row.state.terminal:
            self.bench.pursuit.adopt(row)

    @invariant()
    def it_ends_once(self) -> None:
        """And what the handle says is what the ledger says."""
        assert self.bench.ends <= 1
        if not self.bench.ends:
            return
        assert self.bench.free
        error = self.bench.course.verdict.error
        state = self.bench.ledger.job("j").state
        if error is None:
            assert state is JobState.COLLECTED  # it made no file
        elif isinstance(error, UnclearAnswerError):
            assert not state.terminal
        else:
            assert state.terminal
            assert state not in {JobState.SUCCEEDED, JobState.COLLECTED}
        index, last = 0, None
        while (one := self.bench.course.event_after(index, Deadline(0))) is not None:
            index, last = one
        assert isinstance(last, Finished)

    @invariant()
    def it_is_not_sent_too_often(self) -> None:
        """One attempt, and one more for each that came to nothing by policy."""
        most = 1 + POLICIES.resubmit_lost + POLICIES.resubmit_interrupted + 1
        rows = self.bench.ledger.job("j").attempts
        assert self.bench.executions <= most
        assert self.bench.executions <= len(rows)
        assert all(row.ended_at and row.error for row in rows[:-1])
        assert sum(len(server.alive) for server in self.bench.servers) <= 1

    @invariant()
    def cancelled_it_is_not_sent(self) -> None:
        """From the moment that somebody asked."""
        assert self.most is None or self.bench.executions == self.most

    def teardown(self) -> None:
        """Whatever was left: done, it ends, and nobody waits."""
        for server in self.bench.servers:
            server.refuses, server.loses_answer = None, False
        for _ in range(20):
            self.bench.errands.run_all()
            if self.bench.ends:
                break
            if self._followed():
                self.bench.end()
        assert self.bench.ends == 1
        assert self.bench.free
        self.bench.ledger.close()
        self.folder.cleanup()


TestPursuing = Pursuing.TestCase
TestPursuing.settings = settings(
    max_examples=ASKED.max_examples if SOAKING else 25,
    stateful_step_count=25,
    deadline=None,
)
