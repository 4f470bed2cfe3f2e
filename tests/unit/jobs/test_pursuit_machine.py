"""A pursuit under any order of events: one end, and no job sent twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from comfyclient.errors import (
    ComfyClientError,
    ExecutionError,
    JobInterruptedError,
    JobLostError,
    OutOfMemoryError,
    RefusedError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.events import Finished, Started
from comfyclient.jobs.course import Course
from comfyclient.jobs.dispatch import Options
from comfyclient.jobs.pursuit import Pursuit
from comfyclient.ledger.records import JobState
from comfyclient.timing import Deadline
from comfyclient.transports.base import Verdict

from .pursued import POLICIES, Bench

ASKED = settings()
SOAKING = settings.get_current_profile_name() == "soak"


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
    stateful_step_count=ASKED.stateful_step_count if SOAKING else 25,
    deadline=None,
)
