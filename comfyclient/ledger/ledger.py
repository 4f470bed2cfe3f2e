"""The durable journal of jobs: what was meant, sent, taken, finished and collected.

Every step is committed before its call returns, so a process that dies leaves a ledger
from which another one goes on. Each job belongs to one open ledger at a time, its
owner, which shows by its heartbeat that it lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import JsonValue
from sqlalchemy import Connection

from ..errors import ClosedError, ComfyClientError, LedgerError
from ..files.outputs import OutputRef, SavedFile
from ..jobs.estimates import Learned
from ..timing import SYSTEM_CLOCK, Clock
from .answers import LedgerAnswers
from .database import Database
from .durations import store_durations
from .faults import is_clash
from .owner import Owner
from .reader import LedgerReader
from .records import (
    UNSETTLED,
    Acceptance,
    JobIntent,
    JobRow,
    JobState,
    redacted,
)
from .rows import (
    acceptance_columns,
    checked,
    damage_named,
    error_column,
    files_column,
    intent_columns,
    new_job,
    outputs_column,
    told_column,
    words,
)
from .schema import LONG, SHORT
from .steps import (
    accept_attempt,
    begin_attempt,
    change_job,
    collect_job,
    end_attempt,
    insert_job,
    locked_job,
    same_job,
    set_job,
    set_state,
)
from .unfinished import Wanted, owned, page, take

_CLASHES = 3
"""How often another transaction may take a key between our look and our insert."""


class Ledger(LedgerReader):
    """The journal in one database, shared by threads and with other processes.

    A `Path` is a SQLite file; a string is a SQLAlchemy URL. Whatever cannot be read or
    written is a `LedgerError`, and then nothing of that step was recorded.
    """

    def __init__(
        self,
        url: str | Path,
        *,
        clock: Clock = SYSTEM_CLOCK,
        owner: str | None = None,
        lease_s: float = 60,
        busy_s: float = 5,
        redact: Callable[[str], str] = redacted,
        survive_power_loss: bool = False,
    ) -> None:
        super().__init__(
            Database(
                url, clock=clock, busy_s=busy_s, survive_power_loss=survive_power_loss
            )
        )
        self._clock = clock
        self._label = owner
        self._lease_s = lease_s
        self._redact = redact
        self._owner: Owner | None = None
        self.answers = LedgerAnswers(self._database)
        """What hosted models answered."""

    def open(self) -> Self:
        """Connect, and bring an older ledger to this version.

        Raises:
            LedgerVersionError: a newer comfyclient wrote it.
            LedgerError: it cannot be used.
        """
        if self._owner is None:
            mine = Owner(self._label, lease_s=self._lease_s)
            self._database.open()
            self._owner = mine
        return self

    def close(self) -> None:
        """Release every job and close the database."""
        mine, self._owner = self._owner, None
        # Where this fails, the lease runs out by itself.
        with suppress(LedgerError, ClosedError):
            if mine is not None and mine.registered:
                with self._database.writing() as connection:
                    mine.leave(connection)
        self._database.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def owner(self) -> str:
        """The name under which this open ledger owns jobs; no other has it."""
        return self._me.name

    # What happens to a job

    def intend(self, intent: JobIntent) -> JobRow:
        """Record a job before anything is sent; the same intent again is the same job.

        The row's `job_id` and `owner` tell whether it is a new job, or one that was
        intended before under the same idempotency key.

        Raises:
            LedgerConflictError: the key, or the id, stands for other content.
            UsageError: a value cannot be recorded.
        """
        columns = intent_columns(intent)
        for _ in range(_CLASHES):
            try:
                return self._intended(columns, intent.graph)
            except LedgerError as error:
                if not is_clash(error):
                    raise
        return self._intended(columns, intent.graph)

    def attempt(
        self, job_id: str, *, attempt_id: str, instance: str, client_id: str
    ) -> None:
        """Record an attempt before it is sent; one that is still open is given up.

        Raises:
            LeaseError: another process owns the job by now: do not send.
            LedgerError: the job has ended.
        """
        columns = {
            "attempt_id": checked("attempt_id", attempt_id, most=SHORT),
            "instance": checked("instance", instance, most=LONG),
            "client_id": checked("client_id", client_id, most=SHORT),
        }
        with self._owning() as connection:
            row = locked_job(connection, job_id, owner=self.owner)
            begin_attempt(connection, row, columns, now=self._clock.now())

    def accepted(self, job_id: str, acceptance: Acceptance) -> None:
        """Record that a server took an attempt.

        Raises:
            LeaseError: another process owns the job.
        """
        with self._owning() as connection:
            row = locked_job(connection, job_id, owner=self.owner)
            now = self._clock.now()
            columns = acceptance_columns(acceptance, now=now)
            accept_attempt(connection, row, columns, now=now)

    def attempt_ended(
        self, job_id: str, *, attempt_id: str, error: ComfyClientError
    ) -> None:
        """Record that an attempt came to nothing, and the job is to be sent again.

        Raises:
            LeaseError: another process owns the job.
        """
        stored = error_column(error, self._redact)
        with self._owning() as connection:
            row = locked_job(connection, job_id, owner=self.owner)
            now = self._clock.now()
            end_attempt(connection, row, attempt_id, error=stored, now=now)

    def changed(
        self,
        job_id: str,
        state: JobState,
        *,
        error: ComfyClientError | None = None,
        outputs: Sequence[OutputRef] | None = None,
        told: Mapping[str, JsonValue] | None = None,
        detail: str | None = None,
        at: datetime | None = None,
        accepted: Acceptance | None = None,
        all_home: bool = False,
    ) -> bool:
        """Record a state; False when it was no news, and nothing was recorded.

        States only move forward and the first ending stands, so late and repeated
        reports are no news, unless they bring a detail on the state that is. `at` is
        when it happened; None is now. `told` is what else the server told of the end,
        kept without its `values` where they are no JSON or take more than 64 KiB.
        `accepted` is what was not recorded yet of the attempt that led to it;
        `all_home` says that a job which succeeded has no file to bring home: it is
        collected at once.

        Raises:
            LeaseError: another process owns the job.
        """
        with self._owning() as connection:
            row = locked_job(connection, job_id)
            now = self._clock.now()
            if accepted is not None and row["owner"] == self.owner:
                columns = acceptance_columns(accepted, now=now)
                row = accept_attempt(connection, row, columns, now=now)
            news = change_job(
                connection,
                row,
                state,
                owner=self.owner,
                error=error_column(error, self._redact),
                outputs=outputs_column(outputs),
                told=told_column(told, self._redact),
                detail=words(detail, self._redact),
                at=now if at is None else at,
                now=now,
            )
            if news and all_home and state is JobState.SUCCEEDED:
                row = {**row, "state": state.value}
                collect_job(connection, row, files_column([]), now=now)
            return news

    def collected(self, job_id: str, files: Sequence[SavedFile]) -> None:
        """Record the files that came home; told again, the last telling counts.

        Raises:
            LeaseError: another process owns the job.
            LedgerError: the job has not succeeded.
        """
        with self._owning() as connection:
            row = locked_job(connection, job_id, owner=self.owner)
            now = self._clock.now()
            collect_job(connection, row, files_column(files), now=now)

    def learned(self, environment: str, durations: Sequence[Learned]) -> None:
        """Record how long jobs take, so that the next process knows."""
        with self._owning() as connection:
            store_durations(connection, environment, durations, now=self._clock.now())

    # Who works on a job

    def claim(self, job_id: str) -> bool:
        """Take a job that nobody works on; False when somebody does.

        Nobody works on it when it was released, when its owner's lease ran out, or
        when its owner's process on this machine is gone.
        """
        with self._owning() as connection:
            row = locked_job(connection, job_id)
            former, now = row["owner"], self._clock.now()
            if former == self.owner:
                return True
            if former is not None and not self._me.vacant(connection, former, now=now):
                return False
            set_state(
                connection,
                job_id,
                state=JobState(row["state"]),
                now=now,
                detail=f"owner: {self.owner}",
                columns={"owner": self.owner},
            )
        return True

    def claim_unfinished(
        self,
        environment: str,
        *,
        limit: int = 100,
        after: str | None = None,
        states: Sequence[JobState] = UNSETTLED,
        with_own: bool = False,
    ) -> list[JobRow]:
        """Take the oldest unfinished jobs that nobody works on, in one transaction.

        Fewer than `limit` means that there are no more. Go on `after` the last one.
        What this ledger owns already is left out, unless `with_own`.

        Raises:
            UnknownJobError: there is no job of the id `after`.
        """
        with self._owning() as connection:
            me, now = self._me, self._clock.now()
            owners = self._free(connection)
            if not with_own:
                owners.remove(me.name)
            return take(
                connection,
                Wanted(environment, states, owners),
                owner=me.name,
                after=0 if after is None else self._seq(connection, after),
                limit=limit,
                now=now,
            )

    def unfinished(
        self, environment: str, *, owned_by_others: bool = True
    ) -> Iterator[JobRow]:
        """Every job with something left to do, oldest first, read as they are used.

        Jobs of other owners that live are left out on request.
        """
        before, after = -1, 0
        while before < after:
            before = after
            with self._reading() as connection:
                owners = None if owned_by_others else self._free(connection)
                wanted = Wanted(environment, owners=owners)
                rows, after = page(connection, wanted, after=before)
            yield from rows

    def lost_jobs(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs that are not this owner's, or no longer.

        Ask after a heartbeat that may have come late: do not go on with these.
        """
        ids = list(job_ids)
        with self._reading() as connection:
            return set(ids) - owned(connection, ids, owner=self.owner)

    def release(self, job_id: str) -> None:
        """Let another process have the job; nothing where it is not ours."""
        with self._owning() as connection:
            if locked_job(connection, job_id)["owner"] == self.owner:
                set_job(connection, job_id, {"owner": None}, now=self._clock.now())

    def heartbeat(self) -> None:
        """Say that this owner is alive; call it a few times per lease.

        Every step of a job says so too.
        """
        with self._owning(force=True):
            pass

    @property
    def _me(self) -> Owner:
        if self._owner is None:
            raise ClosedError(f"{self.place} is not open", hint="call open() first")
        return self._owner

    def _free(self, connection: Connection) -> list[str]:
        """The owners whose jobs this one may work on."""
        vacant = self._me.all_vacant(connection, now=self._clock.now())
        return [*vacant, self.owner]

    @contextmanager
    def _owning(self, *, force: bool = False) -> Iterator[Connection]:
        """A transaction of a living owner."""
        mine, now = self._me, self._clock.now()
        with damage_named(self.place), self._database.writing() as connection:
            due = mine.renew(connection, now=now, force=force)
            yield connection
        if due:
            mine.renewed(now)

    def _intended(self, columns: Mapping[str, object], graph: JsonValue) -> JobRow:
        with self._owning() as connection:
            found = same_job(connection, columns)
            if found is not None:
                return self._row(connection, found)
            mine, now = self.owner, self._clock.now()
            insert_job(connection, columns, graph=graph, owner=mine, now=now)
        return new_job(columns, owner=mine, now=now)
