"""Who owns a job, how long, and who may take it over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from comfyclient.errors import (
    LeaseError,
    UnknownJobError,
)
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing.clock import FakeClock

from .sending import Opener, sent


def test_living_owner_keeps_its_job(opened: Opener) -> None:
    """Another ledger can neither claim nor write, only read; not even by its name."""
    mine, other = opened(owner="w"), opened(owner="w")
    row = sent(mine)
    assert row.attempt is not None

    assert not other.claim(row.job_id)
    with pytest.raises(LeaseError, match="belongs to"):
        other.changed(row.job_id, JobState.RUNNING)
    with pytest.raises(LeaseError, match="belongs to"):
        other.attempt(row.job_id, attempt_id="x", instance="i", client_id="c")
    with pytest.raises(LeaseError, match="belongs to"):
        other.collected(row.job_id, [])
    assert other.job(row.job_id) == row


def test_lease_runs_out(opened: Opener, clock: FakeClock) -> None:
    """A silent owner's job is taken over, and the old owner's next step is refused."""
    mine, other = opened(lease_s=60), opened(lease_s=60)
    job_id = sent(mine).job_id
    clock.advance(59)
    assert not other.claim(job_id)
    clock.advance(2)

    assert other.claim(job_id)
    assert ledger_owner(other, job_id) == other.owner
    with pytest.raises(LeaseError, match=other.owner):
        mine.attempt(job_id, attempt_id="x", instance="i", client_id="c")
    assert not mine.claim(job_id)


def ledger_owner(ledger: Ledger, job_id: str) -> str | None:
    """Whose the job is."""
    return ledger.job(job_id).owner


def test_heartbeat_keeps_the_lease(opened: Opener, clock: FakeClock) -> None:
    """An owner that shows its life keeps every job for as long as it likes."""
    mine, other = opened(), opened()
    job_id = sent(mine).job_id
    for _ in range(5):
        clock.advance(50)
        mine.heartbeat()

    assert not other.claim(job_id)


def test_every_step_is_a_sign_of_life(opened: Opener, clock: FakeClock) -> None:
    """A step renews the lease, even when it is no news."""
    mine, other = opened(), opened()
    job_id = sent(mine).job_id
    for _ in range(3):
        clock.advance(50)
        mine.changed(job_id, JobState.RUNNING)

    assert not other.claim(job_id)


def test_frequent_steps_renew_the_lease(opened: Opener, clock: FakeClock) -> None:
    """Steps closer together than the lease's third renew it nevertheless."""
    mine, other = opened(lease_s=60), opened()
    job_id = sent(mine).job_id
    for _ in range(8):
        clock.advance(15)
        mine.changed(job_id, JobState.RUNNING)

    assert not other.claim(job_id)


def test_lease_of_exactly_its_seconds(opened: Opener, clock: FakeClock) -> None:
    """A lease of 60 seconds is over after 60 seconds."""
    job_id = sent(opened(lease_s=60)).job_id
    clock.advance(60)

    assert opened().claim(job_id)


def test_owner_that_is_not_in_the_ledger(tmp_path: Path) -> None:
    """A job whose owner's row somebody deleted can be claimed."""
    file = tmp_path / "ledger.db"
    with Ledger(file) as mine, Ledger(file) as other:
        job_id = sent(mine).job_id
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DELETE FROM comfyclient_owner")

        assert other.claim(job_id)


def test_expired_owner_goes_on_when_nobody_took_over(
    opened: Opener, clock: FakeClock
) -> None:
    """A process that slept keeps the jobs that nobody claimed meanwhile."""
    mine = opened()
    job_id = sent(mine).job_id
    clock.advance(3600)

    assert mine.changed(job_id, JobState.RUNNING)
    assert not opened().claim(job_id)


def test_owner_of_a_rolled_back_step_is_registered_later(opened: Opener) -> None:
    """A first step that fails leaves no half-registered owner."""
    mine = opened()
    with pytest.raises(UnknownJobError):
        mine.changed("nope", JobState.RUNNING)
    job_id = sent(mine).job_id

    assert not opened().claim(job_id)


def test_release_and_close_let_go(opened: Opener) -> None:
    """A released job, and every job of a closed ledger, can be claimed at once."""
    mine, other = opened(), opened()
    first, second = sent(mine).job_id, sent(mine).job_id
    mine.release(first)
    assert other.claim(first)
    assert not other.claim(second)

    mine.close()

    assert other.claim(second)


def test_release_of_another_owners_job(opened: Opener) -> None:
    """Nobody can release what is not theirs."""
    mine, other = opened(), opened()
    job_id = sent(mine).job_id
    other.release(job_id)

    assert ledger_owner(mine, job_id) == mine.owner


def test_take_over_is_in_the_history(opened: Opener) -> None:
    """The history says who took a job over; claiming one's own says nothing."""
    mine, other = opened(), opened()
    job_id = sent(mine).job_id
    lines = len(mine.history(job_id))
    assert mine.claim(job_id)
    assert len(mine.history(job_id)) == lines
    mine.release(job_id)
    other.claim(job_id)

    assert other.owner in str(mine.history(job_id)[-1].detail)
