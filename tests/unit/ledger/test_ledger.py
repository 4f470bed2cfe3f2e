"""The ledger's steps, answers and leases."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from sqlalchemy import text

from comfyclient.errors import (
    BusyError,
    ClosedError,
    ExecutionError,
    JobLostError,
    LeaseError,
    LedgerConflictError,
    LedgerError,
    OutOfMemoryError,
    UnclearAnswerError,
    UnknownJobError,
    UsageError,
)
from comfyclient.files.outputs import OutputRef, SavedFile
from comfyclient.ledger.journal import Journal
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobIntent, JobRow, JobState
from comfyclient.ledger.schema import SCHEMA_VERSION, metadata, version_of
from comfyclient.testing.clock import FakeClock

GRAPH = {"1": {"class_type": "SaveImage", "inputs": {"text": "秋 \0 \ud800"}}}
REF = OutputRef("9", "images", "a.png", "sub", "temp", extra={"said": "x"})

Opener = Callable[..., Ledger]


def intent(**fields: object) -> JobIntent:
    """An intent with a job id of its own."""
    base = JobIntent(job_id=str(uuid.uuid4()), environment="test", digest="d1")
    return replace(base, **fields)  # type: ignore[arg-type]


def sent(
    ledger: Ledger, *, receipt: dict[str, str] | None = None, **fields: object
) -> JobRow:
    """A job that a server accepted."""
    row = ledger.intend(intent(**fields))
    attempt_id = str(uuid.uuid4())
    ledger.attempt(row.job_id, attempt_id=attempt_id, instance="a", client_id="c")
    ledger.accepted(row.job_id, Acceptance(attempt_id, attempt_id, 3, receipt))
    return ledger.job(row.job_id)


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


def test_what_the_server_told_of_the_end(ledger: Ledger, clock: FakeClock) -> None:
    """What came with an end is kept with the moment when it happened."""
    job_id = sent(ledger).job_id
    moment = clock.now() - timedelta(seconds=7)
    told = {"values": {"9": {"text": ["秋 \0 \ud800"]}}, "cached_nodes": ["1"]}
    assert ledger.job(job_id).told == {}
    ledger.changed(job_id, JobState.SUCCEEDED, told=told, at=moment)
    row = ledger.job(job_id)

    assert row.told == told
    assert row.attempt is not None
    assert (row.ended_at, row.attempt.ended_at) == (moment, moment)
    assert ledger.history(job_id)[-1].at == moment
    assert row.updated_at == clock.now()


def _nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "values",
    [{"9": "x" * 65536}, {"9": object()}, {"9": float("nan")}, {"9": _nested(100_000)}],
)
def test_told_values_that_do_not_fit(ledger: Ledger, values: object) -> None:
    """Values too large, too deep or no JSON are left out, and the end is recorded."""
    job_id = sent(ledger).job_id
    told: Any = {"values": values, "cached_nodes": ["1"]}

    assert ledger.changed(job_id, JobState.SUCCEEDED, told=told)
    assert ledger.job(job_id).told == {"cached_nodes": ["1"]}


@pytest.mark.parametrize("name", ["started_at", "values"])
def test_told_that_fits_nowhere(ledger: Ledger, name: str) -> None:
    """Where even the rest cannot be kept, the end is recorded without it."""
    job_id = sent(ledger).job_id
    told: Any = {name: {1, 2}, "cached_nodes": "x" * 65537}

    assert ledger.changed(job_id, JobState.FAILED, told=told)
    assert ledger.job(job_id).told == {}


def test_told_without_secrets(ledger: Ledger) -> None:
    """What looks like a secret is cut out of the values, by its name too."""
    job_id = sent(ledger).job_id
    link = "https://h/x?Signature=S3CRET"
    told: Any = {"values": {"9": {"token": "S3CRET", "links": [link, "fine"], "n": 1}}}
    ledger.changed(job_id, JobState.SUCCEEDED, told=told)

    kept = {"token": "…", "links": ["https://h/x?…", "fine"], "n": 1}
    assert ledger.job(job_id).told == {"values": {"9": kept}}


def test_told_of_a_lost_job_is_forgotten(ledger: Ledger) -> None:
    """A job that is sent again has no word of its former end."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.LOST, told={"cached_nodes": ["1"]})
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")

    assert ledger.job(job_id).told == {}


def test_what_else_a_node_said_is_not_kept(ledger: Ledger) -> None:
    """A reference's extra values may be anything, so they are not recorded."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.SUCCEEDED, outputs=[REF])

    assert ledger.job(job_id).outputs[0].extra == {}


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


def test_unclear_attempt(ledger: Ledger) -> None:
    """An attempt without an answer is what resuming must ask the server for."""
    job_id = ledger.intend(intent()).job_id
    assert ledger.job(job_id).unclear is None

    ledger.attempt(job_id, attempt_id="a1", instance="a", client_id="c")
    unclear = ledger.job(job_id).unclear
    assert unclear is not None
    assert unclear.attempt_id == "a1"

    ledger.attempt_ended(job_id, attempt_id="a1", error=BusyError("busy"))
    assert ledger.job(job_id).unclear is None


def test_attempt_told_twice(ledger: Ledger) -> None:
    """The same attempt again changes nothing."""
    job_id = ledger.intend(intent()).job_id
    for _ in range(2):
        ledger.attempt(job_id, attempt_id="a1", instance="a", client_id="c")

    assert len(ledger.job(job_id).attempts) == 1


def test_an_attempt_id_is_used_once(ledger: Ledger) -> None:
    """Another job's attempt id is refused, and the job stays as it was."""
    first, second = ledger.intend(intent()), ledger.intend(intent())
    ledger.attempt(first.job_id, attempt_id="a1", instance="a", client_id="c")

    with pytest.raises(LedgerError):
        ledger.attempt(second.job_id, attempt_id="a1", instance="a", client_id="c")

    assert ledger.job(second.job_id) == second


def test_sent_again_elsewhere(ledger: Ledger) -> None:
    """A lost attempt is kept with its error; the job goes on under the next."""
    first = sent(ledger)
    ledger.changed(first.job_id, JobState.RUNNING)
    assert first.attempt is not None
    lost = JobLostError("restarted", instance="a")
    ledger.attempt_ended(first.job_id, attempt_id=first.attempt.attempt_id, error=lost)
    assert ledger.job(first.job_id).state is JobState.INTENDED
    ledger.attempt(first.job_id, attempt_id="a2", instance="b", client_id="c2")
    row = ledger.job(first.job_id)

    assert [a.ordinal for a in row.attempts] == [1, 2]
    assert row.attempts[0].error is not None
    assert row.attempts[0].error.kind == "JobLostError"
    assert (row.instance, row.client_id, row.prompt_id) == ("b", "c2", None)


def test_new_attempt_gives_up_the_open_one(ledger: Ledger) -> None:
    """Never two attempts of a job are open."""
    job_id = sent(ledger).job_id
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")
    first, second = ledger.job(job_id).attempts

    assert first.ended_at is not None
    assert second.ended_at is None


def test_given_up_attempt_turns_up(ledger: Ledger) -> None:
    """An attempt that ended as unclear and is found after all is open again."""
    job_id = ledger.intend(intent()).job_id
    ledger.attempt(job_id, attempt_id="a1", instance="a", client_id="c")
    ledger.attempt_ended(job_id, attempt_id="a1", error=UnclearAnswerError("?"))
    ledger.accepted(job_id, Acceptance("a1", "p"))
    row = ledger.job(job_id)

    assert row.state is JobState.ACCEPTED
    assert row.attempt is not None
    assert (row.attempt.ended_at, row.attempt.error) == (None, None)


def test_lost_job_is_sent_again(ledger: Ledger) -> None:
    """A job called lost may be sent again, and its loss is forgotten."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.LOST, error=JobLostError("gone"))
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")
    row = ledger.job(job_id)

    assert (row.state, row.error, row.ended_at) == (JobState.INTENDED, None, None)


def test_success_that_lost_its_outputs(ledger: Ledger) -> None:
    """A success whose outputs are gone is lost without them, and is sent again."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.SUCCEEDED, outputs=[REF], told={"values": {}})

    assert ledger.changed(job_id, JobState.LOST, error=JobLostError("gone"))
    row = ledger.job(job_id)
    assert (row.state, row.outputs, row.told) == (JobState.LOST, (), {})
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")
    assert ledger.job(job_id).state is JobState.INTENDED


@pytest.mark.parametrize(
    "ended", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]
)
def test_ended_job_is_not_sent_again(ledger: Ledger, ended: JobState) -> None:
    """No attempt can follow an ending, so none is sent."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, ended)

    with pytest.raises(LedgerError, match=ended):
        ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")


def test_late_reports_are_no_news(ledger: Ledger) -> None:
    """What comes after the ending changes neither row nor history."""
    row = sent(ledger)
    assert row.attempt is not None
    attempt_id = row.attempt.attempt_id
    ledger.changed(row.job_id, JobState.SUCCEEDED, outputs=[REF])
    before = ledger.job(row.job_id), ledger.history(row.job_id)

    assert not ledger.changed(row.job_id, JobState.RUNNING)
    assert not ledger.changed(row.job_id, JobState.FAILED, error=ExecutionError("x"))
    assert not ledger.changed(row.job_id, JobState.SUCCEEDED, outputs=[])
    ledger.attempt_ended(row.job_id, attempt_id=attempt_id, error=BusyError("x"))
    ledger.accepted(row.job_id, Acceptance(attempt_id, attempt_id, 3))
    assert (ledger.job(row.job_id), ledger.history(row.job_id)) == before


def test_a_detail_is_a_line_of_history(ledger: Ledger) -> None:
    """A detail on the present state is recorded, redacted."""
    job_id = sent(ledger).job_id

    assert ledger.changed(job_id, JobState.ACCEPTED, detail="slow; token=S3CRET")
    assert ledger.history(job_id)[-1].detail == "slow; token=…"


def test_error_is_kept_in_words(ledger: Ledger) -> None:
    """Class, message, hint and node are kept, without secrets or server values."""
    job_id = sent(ledger).job_id
    error = OutOfMemoryError(
        "out of memory at https://h/x?sig=S3CRET",
        node_id="5",
        class_type="KSampler",
        exception_message="the owner's words",
        traceback=("the owner's words",),
        hint="Bearer S3CRETS3CRET",
    )
    ledger.changed(job_id, JobState.FAILED, error=error)
    stored = ledger.job(job_id).error

    assert stored is not None
    assert type(stored.revived()) is OutOfMemoryError
    assert (stored.node_id, stored.class_type) == ("5", "KSampler")
    assert "S3CRET" not in repr(stored)
    assert "owner" not in repr(stored)
    assert ledger.history(job_id)[-1].error == stored


def test_redaction_of_the_caller(opened: Opener) -> None:
    """A caller that knows its secrets takes them out itself."""
    ledger = opened(redact=lambda text: text.replace("pw", "…"))
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.FAILED, error=ExecutionError("pw was wrong"))
    stored = ledger.job(job_id).error

    assert stored is not None
    assert stored.message == "… was wrong"


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


def test_unknown_attempt(ledger: Ledger) -> None:
    """An answer to an attempt that was never recorded is refused."""
    job_id = ledger.intend(intent()).job_id

    with pytest.raises(LedgerError, match="no attempt"):
        ledger.accepted(job_id, Acceptance("a9", "p", 1))
    with pytest.raises(LedgerError, match="no attempt"):
        ledger.attempt_ended(job_id, attempt_id="a9", error=BusyError("x"))


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


def test_acceptance_told_twice(ledger: Ledger, clock: FakeClock) -> None:
    """The time of the first acceptance stands."""
    first = sent(ledger).attempt
    assert first is not None
    clock.advance(5)
    ledger.accepted(first.job_id, Acceptance(first.attempt_id, "p"))
    again = ledger.job(first.job_id).attempt

    assert again is not None
    assert again.accepted_at == first.accepted_at


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


def test_only_what_was_passed_is_stored(tmp_path: Path) -> None:
    """No column holds a word that the caller did not hand over for it."""
    file = tmp_path / "ledger.db"
    allowed = {"the-trip", "the-key", "test", "d1", "t@1.0.0", "inst", "cli", "prompt"}
    with Ledger(file, owner="worker") as ledger:
        job_id = ledger.intend(
            intent(trip_id="the-trip", idempotency_key="the-key", template="t@1.0.0")
        ).job_id
        ledger.attempt(job_id, attempt_id="att", instance="inst", client_id="cli")
        ledger.accepted(job_id, Acceptance("att", "prompt", 1))
        ledger.changed(job_id, JobState.FAILED, error=ExecutionError("msg"))
        owner = ledger.owner
        words = {str(value) for value in _every_value(file)}
    known = allowed | {job_id, "att", owner, *JobState, "{}", "None"}
    error = '{"class_type":null,"hint":null,"kind":"ExecutionError","message":"msg",'
    error += '"node_id":null}'

    left = {w for w in words - known if not w.replace(".", "").isdigit()}
    assert error in left
    left = {w for w in left - {error} if not w.startswith("20")}  # times
    assert all("/" in w for w in left)  # the owner's machine


def _every_value(file: Path) -> list[object]:
    connection = sqlite3.connect(file)
    try:
        return [
            value
            for table in metadata.tables
            for row in connection.execute(f"SELECT * FROM {table}")
            for value in row
        ]
    finally:
        connection.close()


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


def test_what_else_finds_an_attempt_is_kept(ledger: Ledger) -> None:
    """A transport's receipt comes back as it was given; most attempts have none."""
    job_id = sent(ledger, receipt={"index": str(2**63), "request_id": "ü"}).job_id

    assert ledger.job(job_id).attempts[0].receipt == {
        "index": "9223372036854775808",
        "request_id": "ü",
    }
    assert sent(ledger).attempts[0].receipt == {}


def test_whether_a_job_waits_for_an_attempt(ledger: Ledger) -> None:
    """Only for its last one, and until it has ended; of others nothing is known."""
    row = sent(ledger)
    first = row.attempts[0].attempt_id
    assert ledger.awaits("nobody's") is None
    assert ledger.awaits(first) is True

    ledger.attempt_ended(row.job_id, attempt_id=first, error=JobLostError("gone"))
    ledger.attempt(row.job_id, attempt_id="second", instance="i", client_id="c")
    assert (ledger.awaits(first), ledger.awaits("second")) == (False, True)

    ledger.changed(row.job_id, JobState.SUCCEEDED)
    assert ledger.awaits("second") is False
