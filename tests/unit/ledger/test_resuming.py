"""Taking over what others left: pages of unfinished jobs, claims, and lost leases."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from comfyclient.errors import LeaseError, LedgerError, UnknownJobError
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobIntent, JobRow, JobState
from comfyclient.ledger.steps import locked_job, set_job
from comfyclient.testing.clock import FakeClock

Opener = Callable[..., Ledger]


def sent(ledger: Ledger, state: JobState | None = None, **fields: object) -> str:
    """A job that was sent, and maybe came further."""
    job_id = str(uuid.uuid4())
    whole = {"environment": "test", "digest": "d", **fields}
    ledger.intend(JobIntent(job_id, **whole))  # type: ignore[arg-type]
    ledger.attempt(job_id, attempt_id=job_id, instance="a", client_id="c")
    ledger.accepted(job_id, Acceptance(job_id, job_id, 1))
    if state is not None:
        ledger.changed(job_id, state)
    return job_id


def ids(rows: list[JobRow]) -> list[str]:
    """The ids of rows."""
    return [row.job_id for row in rows]


def abandoned(opened: Opener, count: int) -> list[str]:
    """Jobs of an owner that closed its ledger."""
    with opened() as ledger:
        return [sent(ledger) for _ in range(count)]


def test_what_is_vacant_is_claimed(opened: Opener) -> None:
    """Unfinished jobs of an owner that left come oldest first, with attempts."""
    with opened() as former:
        several = [
            sent(former, state)
            for state in (None, JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED)
        ]
        sent(former, environment="prod")
    ledger = opened()
    rows = ledger.claim_unfinished("test")

    assert ids(rows) == several[:3]
    assert rows == [ledger.job(job_id) for job_id in several[:3]]
    assert all(row.owner == ledger.owner and row.attempt for row in rows)
    assert ledger.owner in str(ledger.history(several[0])[-1].detail)


def test_a_claimed_job_is_claimed_once(opened: Opener) -> None:
    """What one ledger took, neither another nor itself takes again."""
    abandoned(opened, 3)
    one, two = opened(), opened()

    assert len(one.claim_unfinished("test")) == 3
    assert two.claim_unfinished("test") == []
    assert one.claim_unfinished("test") == []


def test_own_jobs_on_request(opened: Opener) -> None:
    """Own jobs are given again where they are asked for, without a line of history."""
    ledger = opened()
    job_id = sent(ledger)
    lines = ledger.history(job_id)

    assert ledger.claim_unfinished("test") == []
    assert ids(ledger.claim_unfinished("test", with_own=True)) == [job_id]
    assert ledger.history(job_id) == lines


def test_living_owners_keep_theirs(opened: Opener) -> None:
    """Nothing of an owner that lives is taken, released jobs are."""
    living, other = opened(), opened()
    kept, released = sent(living), sent(living)
    living.release(released)

    assert ids(other.claim_unfinished("test")) == [released]
    assert living.job(kept).owner == living.owner


def test_lapsed_owner(opened: Opener, clock: FakeClock) -> None:
    """Jobs of an owner whose lease ran out are taken, and it learns which."""
    silent, other = opened(lease_s=60), opened(lease_s=60)
    first, second = sent(silent), sent(silent)
    mine = sent(other)
    clock.advance(60)

    taken = other.claim_unfinished("test", limit=1)
    silent.heartbeat()

    assert ids(taken) == [first]
    assert other.claim_unfinished("test") == []
    assert silent.lost_jobs([first, second]) == {first}
    assert other.lost_jobs([first, second, mine, "unknown"]) == {second, "unknown"}
    with pytest.raises(LeaseError):
        silent.attempt(first, attempt_id="x", instance="i", client_id="c")


def test_owner_that_is_not_in_the_ledger(opened: Opener) -> None:
    """Jobs of an owner whose row somebody deleted are taken."""
    lost, other = opened(), opened()
    job_id = sent(lost)
    with lost._database.writing() as connection:
        connection.execute(text("DELETE FROM comfyclient_owner"))

    owner = other.owner_of(job_id)
    assert owner is not None
    assert (owner.name, owner.until) == (lost.owner, None)
    assert ids(other.claim_unfinished("test")) == [job_id]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages(opened: Opener, limit: int) -> None:
    """Pages follow one another, whether what was taken is kept or let go."""
    several = abandoned(opened, 5)
    ledger = opened()
    found: list[str] = []
    after = None
    while rows := ledger.claim_unfinished("test", limit=limit, after=after):
        assert len(rows) <= limit
        found += ids(rows)
        after = rows[-1].job_id
        for row in rows:
            ledger.release(row.job_id)

    assert found == several


def test_more_than_one_statement_takes(opened: Opener) -> None:
    """A large limit is served by several statements of one transaction."""
    former = opened()
    several = []
    for number in range(1100):
        several.append(f"j{number}")
        former.intend(JobIntent(several[-1], "test", digest="d"))
    former.close()
    ledger = opened()
    rows = ledger.claim_unfinished("test", limit=1050)

    assert ids(rows) == several[:1050]
    assert ids(ledger.claim_unfinished("test", limit=1050)) == several[1050:]
    assert ids(list(ledger.unfinished("test"))) == several
    assert ledger.lost_jobs(several) == set()


def test_states_on_request(opened: Opener) -> None:
    """Only jobs in the given states are taken."""
    with opened() as former:
        sent(former)
        done = sent(former, JobState.SUCCEEDED)
    ledger = opened()

    assert ledger.claim_unfinished("test", states=[]) == []
    assert ids(ledger.claim_unfinished("test", states=[JobState.SUCCEEDED])) == [done]


def test_a_broken_connection_is_replaced(opened: Opener) -> None:
    """A step on a connection that the server ended fails in words; the next works."""
    ledger = opened()
    with ledger._database.reading() as connection:
        if connection.dialect.name != "postgresql":
            pytest.skip("SQLite has no server")
    job_id = sent(ledger)

    def cut_off() -> None:
        with ledger._database.writing() as connection:
            end = text("SELECT pg_terminate_backend(pg_backend_pid())")
            connection.execute(end)
            locked_job(connection, job_id)

    with pytest.raises(LedgerError):
        cut_off()
    assert ledger.changed(job_id, JobState.RUNNING)


def test_a_statement_that_fails_midway(opened: Opener) -> None:
    """An error of the driver comes out in the ledger's words, and nothing is kept."""
    ledger = opened()
    job_id = sent(ledger)
    with pytest.raises(LedgerError), ledger._database.writing() as connection:
        set_job(connection, job_id, {"state": None}, now=FakeClock().now())

    assert ledger.job(job_id).state is JobState.ACCEPTED
    assert ledger.changed(job_id, JobState.RUNNING)


def test_unknown_start(ledger: Ledger) -> None:
    """A page after a job that is not there is refused."""
    with pytest.raises(UnknownJobError, match="nope"):
        ledger.claim_unfinished("test", after="nope")
    with pytest.raises(UnknownJobError, match="nope"):
        ledger.jobs(before="nope")


def test_unfinished_of_whom(opened: Opener) -> None:
    """Jobs of others that live are left out on request, own and vacant ones not."""
    vacant = abandoned(opened, 1)
    mine, other = opened(), opened()
    own, others = sent(mine), sent(other)

    assert ids(list(mine.unfinished("test"))) == [*vacant, own, others]
    unowned = mine.unfinished("test", owned_by_others=False)
    assert ids(list(unowned)) == [*vacant, own]


def test_unfinished_while_others_write(ledger: Ledger) -> None:
    """A reader that stops in between holds no lock."""
    first, second = sent(ledger), sent(ledger)
    rows = ledger.unfinished("test")

    assert next(rows).job_id == first
    assert ledger.changed(second, JobState.FAILED)


def test_owner_of(opened: Opener, clock: FakeClock) -> None:
    """An owner's name, and until when its lease holds; nobody is None."""
    ledger = opened(lease_s=60, owner="worker")
    job_id = sent(ledger)
    owner = opened().owner_of(job_id)

    assert owner is not None
    assert owner.name == ledger.owner
    assert owner.until == clock.now() + timedelta(seconds=60)
    assert owner.living(clock.now())
    assert not owner.living(owner.until)
    ledger.release(job_id)
    assert ledger.owner_of(job_id) is None
    with pytest.raises(UnknownJobError):
        ledger.owner_of("nope")


def test_filters(ledger: Ledger, clock: FakeClock) -> None:
    """Jobs are found by template with or without version, trip and time, in pages."""
    names = ["card@1.0.0", "card@2.0.0", "card-big@1.0.0", "Card@1.0.0", "c%d@1", None]
    several = [sent(ledger, template=name, trip_id="t1") for name in names]
    clock.advance(1)
    late = sent(ledger, template="card@1.0.0", trip_id="t2")

    def found(**filters: object) -> list[str]:
        return ids(ledger.jobs(**filters))  # type: ignore[arg-type]

    assert found(template="card") == [late, several[1], several[0]]
    assert found(template="card@1.0.0") == [late, several[0]]
    assert found(template="c%d") == [several[4]]
    assert found(template="none") == []
    assert found(trip_id="t2") == [late]
    assert found(since=clock.now()) == [late]
    assert found(since=clock.now(), trip_id="t1") == []
    assert found(before=late, limit=2) == [several[5], several[4]]
    assert found(before=several[0]) == []


def test_count(ledger: Ledger) -> None:
    """Every state is counted, per environment."""
    sent(ledger)
    sent(ledger, JobState.FAILED)
    sent(ledger, JobState.FAILED, environment="prod")
    counted = ledger.count("test")

    assert set(counted) == set(JobState)
    assert (counted[JobState.ACCEPTED], counted[JobState.FAILED]) == (1, 1)
    assert sum(counted.values()) == 2
    assert sum(ledger.count("nowhere").values()) == 0
