"""One job over several attempts: whatever happens, it ends once, and its place is free.

The machine below plays every order of what servers, callers and other processes do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.config.settings import PolicySettings
from comfyclient.errors import (
    ComfyClientError,
    ExecutionError,
    JobLostError,
    LedgerError,
    OutOfMemoryError,
    UnreachableError,
)
from comfyclient.events import Started
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.jobs.dispatch import Options
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.timing import Deadline
from comfyclient.transports.base import Ticket, Verdict

from .pursued import Bench


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
    """The server is told in an errand, not by whoever follows; or not at all.

    It waits before the end is told: whoever hears of that may close the client.
    """
    bench, waiting = Bench(tmp_path, PolicySettings(on_timeout=policy)), []
    with bench.ledger:
        bench.pursuit.submit()
        bench.course.subscribe(lambda: waiting.append(len(bench.errands.waiting)))
        bench.follower.overdue(UnreachableError("down"))
        assert waiting[-1] == (policy == "cancel")
        assert bench.servers[0].cancels == 0
        bench.errands.run_all()
        assert bench.servers[0].cancels == (policy == "cancel")
        row = bench.ledger.job("j")
        assert row.state is (
            JobState.FAILED if policy == "cancel" else JobState.ACCEPTED
        )
        assert bench.free


def test_a_last_word_that_is_not_taken(bench: Bench, caplog) -> None:
    """It is said once more: a pooled connection may have ended meanwhile."""
    bench.pursuit.submit()
    bench.servers[0].refuses_cancels = 1
    bench.follower.overdue(None)
    bench.errands.run_all()
    assert bench.servers[0].cancels == 2
    assert "may run on" not in caplog.text


def test_a_last_word_in_vain(bench: Bench, caplog) -> None:
    """A server that does not take it then is left alone: the job may run on."""
    bench.pursuit.submit()
    bench.servers[0].refuses_cancels = 99
    bench.follower.overdue(None)
    bench.errands.run_all()
    assert bench.servers[0].cancels == 2
    assert "may run on: 503" in caplog.text


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
