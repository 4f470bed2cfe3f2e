"""Any order of any calls on two ledgers: the rules hold, and a simple model agrees."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from comfyclient.errors import (
    BusyError,
    ComfyClientError,
    ExecutionError,
    LeaseError,
    LedgerConflictError,
    LedgerError,
)
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import UNSETTLED, Acceptance, JobIntent, JobState
from comfyclient.testing.clock import FakeClock

LEASE = 60.0
ASKED = settings()
SOAKING = settings.get_current_profile_name() == "soak"
"""The profile of `tests/profiles.py`, for a long run."""
WHO = st.integers(0, 1)
TOLD = st.sampled_from(
    [None, {}, {"cached_nodes": ["1"]}, {"values": {"9": "x" * 70_000}}]
)
STATES = st.sampled_from([UNSETTLED, (JobState.SUCCEEDED,), (JobState.INTENDED,), ()])
REPORTS = st.sampled_from([s for s in JobState if s is not JobState.COLLECTED])
RANK = {JobState.INTENDED: 0, JobState.ACCEPTED: 1, JobState.RUNNING: 2}


@dataclass
class Expected:
    """What the model knows of a job."""

    owner: int | None
    state: JobState = JobState.INTENDED
    attempts: list[str] = field(default_factory=list)
    told: dict[str, object] = field(default_factory=dict)
    ended_at: datetime | None = None


class LedgerMachine(RuleBasedStateMachine):
    """Two owners on one ledger, whose leases run out as time passes."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.ids = itertools.count()
        self.model: dict[str, Expected] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.seen = [0.0, 0.0]
        self.ledgers: list[Ledger] = []

    @initialize()
    def opened(self) -> None:
        """Open two owners."""
        file = Path(self.folder.name) / "ledger.db"
        for _ in range(2):
            self.ledgers.append(Ledger(file, clock=self.clock, lease_s=LEASE).open())

    def alive(self, who: int) -> None:
        """Any call that works renews the lease, where a third of it has passed."""
        now = self.clock.monotonic()
        if now - self.seen[who] >= LEASE / 3 or not self.seen[who]:
            self.seen[who] = now

    def silent(self, who: int) -> bool:
        """Whether an owner's lease ran out."""
        return self.clock.monotonic() - self.seen[who] >= LEASE

    def free(self, who: int, job: str, *, own: bool) -> bool:
        """Whether this owner may take a job, or has it."""
        owner = self.model[job].owner
        if owner is None:
            return True
        return own if owner == who else self.silent(owner)

    def refused(self, who: int, job: str) -> bool:
        """Whether a step by this owner must be refused."""
        return self.model[job].owner != who

    @rule(
        target=jobs, who=WHO, key=st.sampled_from("abc"), digest=st.sampled_from("xy")
    )
    def intend(self, who: int, key: str, digest: str) -> str:
        """One key is one job of one content."""
        job_id = f"j{next(self.ids)}"
        wanted = JobIntent(job_id, "test", digest=digest, idempotency_key=key)
        there, content = self.keys.get(key, (job_id, digest))
        if content != digest:
            with pytest.raises(LedgerConflictError):
                self.ledgers[who].intend(wanted)
            return there
        row = self.ledgers[who].intend(wanted)
        self.keys[key] = there, digest
        self.model.setdefault(there, Expected(owner=who))
        self.alive(who)
        assert row.job_id == there
        return there

    @rule(who=WHO, job=jobs)
    def attempt(self, who: int, job: str) -> None:
        """Only its owner sends a job, and only while it has not ended."""
        attempt_id, expected = f"a{next(self.ids)}", self.model[job]
        over = expected.state.terminal and expected.state is not JobState.LOST
        send = dict(attempt_id=attempt_id, instance="i", client_id="c")
        if self.refused(who, job) or over:
            kind = LeaseError if self.refused(who, job) else LedgerError
            with pytest.raises(kind):
                self.ledgers[who].attempt(job, **send)
            return
        self.ledgers[who].attempt(job, **send)
        expected.attempts.append(attempt_id)
        expected.state = JobState.INTENDED
        expected.told, expected.ended_at = {}, None
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def accepted(self, who: int, job: str) -> None:
        """An answer moves the job forward, never back."""
        expected = self.model[job]
        if self.refused(who, job) or not expected.attempts:
            return
        self.ledgers[who].accepted(job, Acceptance(expected.attempts[-1], "p", 1))
        if expected.state is JobState.INTENDED:
            expected.state = JobState.ACCEPTED
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def attempt_ended(self, who: int, job: str) -> None:
        """A failed attempt leaves the job to be sent again, unless it has ended."""
        expected = self.model[job]
        if self.refused(who, job) or not expected.attempts:
            return
        row = self.ledgers[who].job(job)
        self.ledgers[who].attempt_ended(
            job, attempt_id=expected.attempts[-1], error=BusyError("x")
        )
        assert row.attempt is not None
        if not expected.state.terminal and row.attempt.ended_at is None:
            expected.state = JobState.INTENDED
        self.alive(who)

    @rule(
        who=WHO,
        job=jobs,
        states=st.lists(REPORTS, min_size=1, max_size=4),
        told=TOLD,
        ago=st.sampled_from([None, 3]),
    )
    def changed(
        self, who: int, job: str, states: list[JobState], told: Any, ago: int | None
    ) -> None:
        """News moves the job forward; late news is none, whoever brings it."""
        at = None if ago is None else self.clock.now() - timedelta(seconds=ago)
        for state in states:
            self.reported(who, job, state, told=told, at=at)

    def reported(
        self, who: int, job: str, state: JobState, *, told: Any, at: datetime | None
    ) -> None:
        """One report, of those that a server's answers bring."""
        expected, before = self.model[job], self.model[job].state
        if before is JobState.LOST:
            news = state.terminal and state is not JobState.LOST
        else:
            news = not before.terminal and RANK.get(state, 3) > RANK[before]
            news |= before is JobState.SUCCEEDED and state is JobState.LOST
        error: ComfyClientError | None = None
        if state is JobState.FAILED:
            error = ExecutionError("x")
        more: Any = {"error": error, "told": told, "at": at}
        if news and self.refused(who, job):
            with pytest.raises(LeaseError):
                self.ledgers[who].changed(job, state, **more)
            return
        assert self.ledgers[who].changed(job, state, **more) is news
        if news:
            expected.state = state
            self.ends(expected, told, at)
        self.alive(who)

    def ends(self, expected: Expected, told: Any, at: datetime | None) -> None:
        """What an end leaves in the row; too much of it is left out."""
        if expected.state.terminal:
            kept = {} if told is None or "values" in told else told
            expected.told = kept
            expected.ended_at = self.clock.now() if at is None else at

    @rule(who=WHO, job=jobs)
    def collected(self, who: int, job: str) -> None:
        """Only a success is collected."""
        expected = self.model[job]
        done = expected.state in (JobState.SUCCEEDED, JobState.COLLECTED)
        if self.refused(who, job) or not done:
            with pytest.raises(LedgerError):
                self.ledgers[who].collected(job, [])
            return
        self.ledgers[who].collected(job, [])
        expected.state = JobState.COLLECTED
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def claim(self, who: int, job: str) -> None:
        """A claim succeeds exactly when nobody living owns the job."""
        free = self.free(who, job, own=True)
        assert self.ledgers[who].claim(job) is free
        if free:
            self.model[job].owner = who
        self.alive(who)

    @rule(
        who=WHO,
        job=jobs,
        start=st.booleans(),
        own=st.booleans(),
        limit=st.integers(1, 4),
        states=STATES,
    )
    def claim_unfinished(
        self,
        who: int,
        job: str,
        start: bool,
        own: bool,
        limit: int,
        states: tuple[JobState, ...],
    ) -> None:
        """A page holds the oldest that are free, and they are its taker's."""
        order = list(self.model)
        later = order if start else order[order.index(job) + 1 :]
        free = [
            each
            for each in later
            if self.model[each].state in states and self.free(who, each, own=own)
        ]
        rows = self.ledgers[who].claim_unfinished(
            "test",
            limit=limit,
            after=None if start else job,
            states=states,
            with_own=own,
        )
        assert [row.job_id for row in rows] == free[:limit]
        for row in rows:
            self.model[row.job_id].owner = who
            assert row == self.ledgers[1 - who].job(row.job_id)
        self.alive(who)

    @rule(who=WHO)
    def heartbeat(self, who: int) -> None:
        """A heartbeat renews the lease, and what was taken meanwhile stays lost."""
        self.ledgers[who].heartbeat()
        self.seen[who] = self.clock.monotonic()
        lost = {job for job, expected in self.model.items() if expected.owner != who}
        assert self.ledgers[who].lost_jobs(self.model) == lost

    @rule(who=WHO)
    def reads(self, who: int) -> None:
        """What is told of unfinished jobs and of their owners is what claims meet."""
        free = [
            job
            for job, expected in self.model.items()
            if expected.state in UNSETTLED and self.free(who, job, own=True)
        ]
        rows = self.ledgers[who].unfinished("test", owned_by_others=False)
        assert [row.job_id for row in rows] == free
        for job, expected in self.model.items():
            owner = self.ledgers[who].owner_of(job)
            assert (owner is None) is (expected.owner is None)
            if owner is not None and expected.owner is not None:
                silent = self.silent(expected.owner)
                assert owner.living(self.clock.now()) is not silent
        counted = Counter(expected.state for expected in self.model.values())
        counts = self.ledgers[who].count("test")
        assert all(counts[state] == counted[state] for state in JobState)

    @rule(who=WHO, job=jobs)
    def release(self, who: int, job: str) -> None:
        """Only the owner's release counts."""
        self.ledgers[who].release(job)
        if self.model[job].owner == who:
            self.model[job].owner = None
        self.alive(who)

    @rule(seconds=st.sampled_from([1, 25, 61]))
    def time_passes(self, seconds: int) -> None:
        """Leases run out."""
        self.clock.advance(seconds)

    @invariant()
    def the_model_agrees(self) -> None:
        """State, owner and attempts are as the model has them, history included."""
        if not self.ledgers:
            return
        names = [ledger.owner for ledger in self.ledgers]
        rows = {row.job_id: row for row in self.ledgers[0].jobs()}
        assert set(rows) == set(self.model)
        for job, expected in self.model.items():
            row = rows[job]
            owner = None if expected.owner is None else names[expected.owner]
            assert (row.state, row.owner) == (expected.state, owner)
            assert [a.attempt_id for a in row.attempts] == expected.attempts
            assert sum(a.ended_at is None for a in row.attempts) <= 1
            assert (row.told, row.ended_at) == (expected.told, expected.ended_at)

    def teardown(self) -> None:
        """Close what was opened."""
        for ledger in self.ledgers:
            ledger.close()
        self.folder.cleanup()


class TestLedgerMachine(LedgerMachine.TestCase):
    """Runs the machine; see its rules."""

    settings = settings(
        max_examples=ASKED.max_examples if SOAKING else 30,
        stateful_step_count=ASKED.stateful_step_count if SOAKING else 30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
