"""The ledger's steps, answers and leases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from comfyclient.errors import (
    ClosedError,
    LedgerConflictError,
    LedgerError,
    UnknownJobError,
    UsageError,
)
from comfyclient.files.outputs import SavedFile
from comfyclient.ledger.journal import Journal
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobRow, JobState
from comfyclient.ledger.schema import SCHEMA_VERSION, version_of
from comfyclient.testing.clock import FakeClock

from .sending import REF, Opener, intent, sent

GRAPH = {"1": {"class_type": "SaveImage", "inputs": {"text": "秋 \0 \ud800"}}}


def states(ledger: Ledger, job_id: str) -> list[JobState]:
    """The states that the job went through."""
    return [line.state for line in ledger.history(job_id)]


def test_it_is_a_journal(ledger: Ledger) -> None:
    """The ledger has what the rest of the package asks of one."""
    journal: Journal = ledger

    assert journal.jobs() == []


def test_intent_comes_back_whole(ledger: Ledger) -> None:
    """Every field of an intent is read back as it was given."""
    given = intent(
        template="postcard@1.0.0",
        seed=2**64 - 1,
        params={"style": "墨", "n": [1, 2.5, None, True], "odd": "\0\ud800"},
        trip_id="trip-1",
        idempotency_key="key",
        graph=GRAPH,
        extra={"outputs": {"9": "postcard"}},
    )
    returned = ledger.intend(given)
    row = ledger.job(given.job_id)

    assert returned == row
    for name in ("environment", "digest", "template", "seed", "params", "trip_id"):
        assert getattr(row, name) == getattr(given, name)
    assert (row.idempotency_key, row.extra) == ("key", given.extra)
    assert (row.state, row.owner) == (JobState.INTENDED, ledger.owner)
    assert (row.attempts, row.attempt, row.instance) == ((), None, None)
    assert ledger.graph("d1") == GRAPH


def test_whole_way_of_a_job(ledger: Ledger, clock: FakeClock) -> None:
    """Each step is in the row and, with its time, in the history."""
    start = clock.now()
    job_id = sent(ledger).job_id
    clock.advance(1)
    assert ledger.changed(job_id, JobState.RUNNING)
    clock.advance(1)
    assert ledger.changed(job_id, JobState.SUCCEEDED, outputs=[REF])
    end = clock.now()
    clock.advance(1)
    ledger.collected(job_id, [SavedFile(Path("/out/a.png"), 3, "ab")])
    row = ledger.job(job_id)

    assert states(ledger, job_id) == [
        JobState.INTENDED,
        JobState.INTENDED,
        JobState.ACCEPTED,
        JobState.RUNNING,
        JobState.SUCCEEDED,
        JobState.COLLECTED,
    ]
    assert (row.created_at, row.ended_at, row.updated_at) == (start, end, clock.now())
    assert row.state is JobState.COLLECTED
    assert row.outputs == (REF,)
    assert row.files == (SavedFile(Path("/out/a.png"), 3, "ab"),)
    assert row.attempt is not None
    assert row.attempt.number == 3
    assert row.attempt.ended_at == end
    assert (row.instance, row.client_id) == ("a", "c")
    assert row.prompt_id == row.attempt.attempt_id


def test_same_key_and_content_is_the_same_job(ledger: Ledger) -> None:
    """A repeated intent gives the row that is there, even when it is finished."""
    first = sent(ledger, idempotency_key="k", params={"a": 1, "b": 2})
    ledger.changed(first.job_id, JobState.FAILED)
    again = ledger.intend(intent(idempotency_key="k", params={"b": 2, "a": 1}))

    assert again == ledger.job(first.job_id)
    assert len(ledger.jobs()) == 1


@pytest.mark.parametrize(
    "other", [{"digest": "d2"}, {"params": {"a": 1}}, {"template": "t@2.0.0"}]
)
def test_same_key_with_other_content(ledger: Ledger, other: dict[str, object]) -> None:
    """The refusal names both jobs and what differs, and records nothing."""
    first = ledger.intend(intent(idempotency_key="k"))
    second = intent(idempotency_key="k", **other)

    with pytest.raises(LedgerConflictError, match=next(iter(other))) as caught:
        ledger.intend(second)

    assert first.job_id in caught.value.message
    assert second.job_id in caught.value.message
    assert [row.job_id for row in ledger.jobs()] == [first.job_id]


def test_a_key_belongs_to_its_environment(ledger: Ledger) -> None:
    """Test and production may use the same key."""
    first = ledger.intend(intent(idempotency_key="k"))
    second = ledger.intend(intent(idempotency_key="k", environment="prod"))

    assert first.job_id != second.job_id
    assert ledger.find("k", environment="prod") == second
    assert ledger.find("k", environment="other") is None


def test_same_job_id(ledger: Ledger) -> None:
    """An intent told twice is one job; its id with other content is refused."""
    one = intent()

    assert ledger.intend(one) == ledger.intend(one)
    with pytest.raises(LedgerConflictError, match="the id"):
        ledger.intend(replace(one, digest="d2"))


def test_one_graph_per_digest(ledger: Ledger) -> None:
    """Jobs of equal digest share one stored graph; none is None."""
    ledger.intend(intent(graph=GRAPH))
    ledger.intend(intent(graph=GRAPH))

    assert ledger.graph("d1") == GRAPH
    assert ledger.graph("d2") is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"idempotency_key": "x" * 201}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"trip_id": "a\0b"}, "trip_id"),
        ({"job_id": "\ud800"}, "job_id"),
        ({"template": 5}, "template"),
        ({"params": {"x": float("nan")}}, "params"),
        ({"params": {"x": object()}}, "params"),
        ({"graph": {"x": {1, 2}}}, "graph"),
    ],
)
def test_what_cannot_be_recorded(
    ledger: Ledger, fields: dict[str, object], name: str
) -> None:
    """A value that no database keeps as it is refused by name, with nothing kept."""
    with pytest.raises(UsageError, match=name):
        ledger.intend(intent(**fields))

    assert ledger.jobs() == []


@pytest.mark.parametrize("state", [JobState.ACCEPTED, JobState.FAILED])
def test_only_a_success_is_collected(ledger: Ledger, state: JobState) -> None:
    """Files of a job that has not succeeded are refused."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, state)

    with pytest.raises(LedgerError, match="nothing to collect"):
        ledger.collected(job_id, [])


def test_collected_again(ledger: Ledger) -> None:
    """The files of the last time count, by absolute path."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.SUCCEEDED)
    ledger.collected(job_id, [])
    ledger.collected(job_id, [SavedFile(Path("a.png"), 1, "x")])

    assert ledger.job(job_id).files == (SavedFile(Path("a.png").absolute(), 1, "x"),)


def test_lists(ledger: Ledger) -> None:
    """Newest first and limited; unfinished oldest first, collecting included."""
    ids = [sent(ledger).job_id for _ in range(5)]
    other = sent(ledger, environment="prod").job_id
    ledger.changed(ids[0], JobState.FAILED)
    ledger.changed(ids[1], JobState.SUCCEEDED)

    def listed(rows: list[JobRow]) -> list[str]:
        return [row.job_id for row in rows]

    assert listed(ledger.jobs()) == [other, *reversed(ids)]
    assert listed(ledger.jobs(environment="test", limit=2)) == [ids[4], ids[3]]
    assert listed(ledger.jobs(states=[JobState.FAILED])) == [ids[0]]
    assert listed(ledger.jobs(states=[])) == []
    assert listed(list(ledger.unfinished("test"))) == ids[1:]
    assert all(row.attempts for row in ledger.jobs())


def test_many_jobs_have_their_attempts(ledger: Ledger) -> None:
    """Attempts are read for more jobs than one statement takes values."""
    for _ in range(510):
        job_id = ledger.intend(intent()).job_id
        ledger.attempt(job_id, attempt_id=job_id, instance="a", client_id="c")
    rows = list(ledger.unfinished("test"))

    assert len(rows) == 510
    assert all(row.attempts[0].attempt_id == row.job_id for row in rows)


@pytest.mark.parametrize(
    "call",
    [
        lambda book: book.job("nope"),
        lambda book: book.history("nope"),
        lambda book: book.changed("nope", JobState.RUNNING),
        lambda book: book.claim("nope"),
        lambda book: book.attempt("nope", attempt_id="a", instance="i", client_id="c"),
    ],
)
def test_unknown_job(ledger: Ledger, call: Callable[[Ledger], object]) -> None:
    """Every step names the job that is not there."""
    with pytest.raises(UnknownJobError, match="nope"):
        call(ledger)


def test_closed_ledger(opened: Opener) -> None:
    """A closed ledger says so, and can be opened again."""
    ledger = opened()
    job_id = sent(ledger).job_id
    ledger.close()
    ledger.close()

    with pytest.raises(ClosedError):
        ledger.job(job_id)
    with pytest.raises(ClosedError):
        ledger.heartbeat()
    with ledger:
        assert ledger.job(job_id).owner is None


def test_threads_share_it(ledger: Ledger) -> None:
    """Eight threads record their jobs through one ledger, and none is lost."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                ledger.changed(sent(ledger).job_id, JobState.SUCCEEDED)
        except BaseException as error:  # noqa: BLE001 - shown by the assert below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(ledger.jobs(states=[JobState.SUCCEEDED], limit=1000)) == 80


def test_one_key_raced_by_threads(opened: Opener) -> None:
    """However many ask for one key at once, on ledgers of their own: one job."""
    ledgers = [opened() for _ in range(6)]
    barrier = threading.Barrier(len(ledgers))
    found: list[str] = []

    def work(ledger: Ledger) -> None:
        barrier.wait()
        found.append(ledger.intend(intent(idempotency_key="k", graph=GRAPH)).job_id)

    threads = [threading.Thread(target=work, args=(each,)) for each in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == len(ledgers)
    assert len(set(found)) == 1


def test_older_tables_gain_what_is_new(opened: Opener) -> None:
    """Tables of version 1 are brought up to date on either database."""
    first = opened()
    job_id = sent(first).job_id
    with first._database.writing() as connection:
        connection.execute(text("ALTER TABLE comfyclient_job DROP COLUMN told"))
        connection.execute(text("ALTER TABLE comfyclient_attempt DROP COLUMN receipt"))
        for table in ("answer", "duration"):
            connection.execute(text(f"DROP TABLE comfyclient_{table}"))
        connection.execute(text("UPDATE comfyclient_schema SET version = 1"))
    ledger = opened()

    with ledger._database.reading() as connection:
        assert version_of(connection) == SCHEMA_VERSION
    assert ledger.job(job_id).told == {}
    assert first.changed(job_id, JobState.FAILED, told={"cached_nodes": []})
    assert ledger.job(job_id).told == {"cached_nodes": []}
