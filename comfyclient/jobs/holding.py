"""One job in hand: ours to pursue, or another process's to watch; that may change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from ..errors import ComfyClientError, LeaseError, OutputMissingError
from ..events import Queued, Started
from ..hooks import JobFacts
from ..job import Job
from ..ledger.records import JobRow, JobState
from ..logs import about
from ..result import wanted
from ..timing import Deadline, Span
from ..workflow import Workflow
from .collecting import Collection, Origin
from .course import Course
from .desk import Desk
from .dispatch import Options
from .hooking import Witness
from .pursuit import Pursuit
from .revival import Terms, verdict_of_row
from .router import Place
from .sheltering import Lodging

_log = logging.getLogger("comfyclient.jobs.holding")

GLANCE_S = 1.0
"""Seconds between two looks into the ledger for another process's job."""
CHECK_S = 30.0
"""Seconds to see whether an output is still there."""


class Hold:
    """A job and its handle, whoever works on it."""

    def __init__(
        self,
        row: JobRow,
        workflow: Workflow,
        terms: Terms,
        desk: Desk,
        *,
        on_end: Callable[[], None],
    ) -> None:
        self._row = row  # as it was seen last
        self._desk = desk
        self._on_end = on_end
        self._ours = True
        self._shelter = desk.shelter.job(row.job_id)
        self._witness = Witness(
            _facts(row, workflow, desk),
            workflow,
            desk.hooks,
            instance=self._instance,
            clock=desk.clock,
        )
        self.course = Course(
            row.job_id,
            workflow,
            total_s=terms.total_s,
            queue_s=terms.queue_s,
            silence_s=terms.silence_s,
            clock=desk.clock,
            created_at=row.created_at,
            on_event=self._witness.saw,
        )
        self._pursuit = Pursuit(
            self.course,
            desk,
            _options(terms),
            keyed=row.idempotency_key is not None,
            on_end=self._ended,
            on_taken=self.let_go,
        )
        collection = Collection(
            self.course,
            desk.journal,
            environment=desk.environment,
            origin=self._origin,
            collected=lambda: self._pursuit.collected,
            on_home=self._witness.collected,
            on_recorded=self._shelter.collected,
            clock=desk.clock,
        )
        self.job = Job(
            self.course,
            environment=desk.environment,
            instance=self._instance,
            result=collection.result,
            cancel=self._cancel,
            saved=lambda: self._row.files,
            clock=desk.clock,
        )

    @property
    def ours(self) -> bool:
        """Whether this process works on it."""
        return self._ours

    def submit(
        self,
        rendered: Span | None = None,
        *,
        place: Place | None = None,
        patient: bool = False,
    ) -> None:
        """Send a job that no server has; `rendered` is when its graph was made.

        Raises:
            ComfyClientError: nobody took it.
        """
        self._witness.began()
        if rendered is not None:
            self._witness.step("render", rendered.begin, until=rendered.end)
        for stage in self.course.workflow.stages:
            self._witness.step(
                "stage", stage.begun_at, until=stage.ended_at, subject=stage.name
            )
        with self._witness.submitting():
            self._pursuit.submit(place, patient=patient)

    def adopt(self, row: JobRow) -> None:
        """Go on with it: it belongs to us by now."""
        self._row, self._ours = row, True
        self._witness.began()
        if row.state is JobState.SUCCEEDED and row.outputs:
            self._desk.errands.do(self._check_outputs)
        elif row.state.terminal:
            self._show_end()
        else:
            self._pursuit.adopt(row)

    def watch(self, row: JobRow) -> None:
        """Tell how it stands, and look again from time to time, until it has ended."""
        self._row, self._ours = row, False
        self._witness.began()
        if row.state.terminal:
            self._show_end()
        else:
            self._tell()
            self._desk.keeper.do(self._glance, after=GLANCE_S)

    def leave_if_away(self) -> None:
        """Have the job sent elsewhere, where its instance is gone for too long."""
        placed = self._pursuit.placed if self._ours else None
        if placed is None:
            return
        away = placed.transport.away_s >= self._desk.policies.gone_after_s
        if away and self._desk.router.has_other(placed.transport):
            self._pursuit.lose_contact()

    def let_go(self) -> None:
        """Another process has taken it: watch what becomes of it there."""
        _log.warning(
            "job %s: another process has taken it",
            self.job.id,
            extra=about(job_id=self.job.id, template=self.job.workflow.template),
        )
        self._pursuit.let_go()
        self._ours = False
        self._desk.keeper.do(self._glance)

    # -- what the handle asks for

    def _cancel(self, deadline: Deadline) -> None:
        if self._ours:
            self._pursuit.cancel(deadline)
            return
        self.course.cancel_asked = False
        raise LeaseError(
            f"the job belongs to {self._row.owner or 'nobody'}, not to this client",
            hint="cancel it there, or once that process is gone",
            job_id=self._row.job_id,
            instance=self._row.instance,
        )

    def _instance(self) -> str | None:
        placed = self._pursuit.placed
        return self._row.instance if placed is None else placed.transport.name

    def _origin(self) -> Origin:
        lodging = self._lodging()
        opener = self._shelter.opener(lodging)
        return Origin(lodging.instance, lodging.prompt_id, opener)

    def _lodging(self) -> Lodging:
        placed, row = self._pursuit.placed, self._row
        if placed is not None:
            instance, prompt_id = placed.transport.name, placed.ticket.prompt_id
        else:
            assert row.instance is not None, "only a job that was taken can succeed"
            assert row.prompt_id is not None, "only a job that was taken can succeed"
            instance, prompt_id = row.instance, row.prompt_id
        source = partial(self._desk.storage.open, instance=instance)
        return Lodging(source, instance, prompt_id)

    # -- a job that succeeded, but whose outputs were not brought home

    def _check_outputs(self) -> None:
        """Hand it out, unless its server lost what it made: then it is made again."""
        try:
            gone = self._missing_output()
        except Exception:
            self._show_end()  # saving them will tell
            raise
        if gone is None or not self._pursuit.make_again(self._row, gone):
            self._show_end()

    def _missing_output(self) -> OutputMissingError | None:
        origin = self._origin()
        nodes = {named.node_id for named in self.course.workflow.outputs}
        for ref in self._row.outputs:
            if nodes and ref.node_id not in nodes:
                continue
            try:
                with origin.open(ref, self.course.deadline.within(CHECK_S)):
                    pass
            except OutputMissingError as error:
                return error
            except ComfyClientError as error:
                _log.info("job %s: %s", self.job.id, error.message)
                return None
        return None

    # -- another process's job

    def _glance(self) -> None:
        trouble: ComfyClientError | None = None
        try:
            if self._look():
                return
        except ComfyClientError as error:  # a ledger that is locked is not for long
            trouble = error
        if self.course.total.passed():
            self.course.overdue(trouble)
            self._on_end()
            return
        self._desk.keeper.do(self._glance, after=GLANCE_S)

    def _look(self) -> bool:
        """Whether it needs no more looks: it has ended, or is ours."""
        journal, job_id = self._desk.journal, self.job.id
        self._row = journal.job(job_id)
        if self._row.state.terminal:
            self._show_end()
            return True
        owner = journal.owner_of(job_id)
        vacant = owner is None or not owner.living(self._desk.clock.now())
        if vacant and journal.claim(job_id):
            self.adopt(journal.job(job_id))
            return True
        self._tell()
        return False

    def _tell(self) -> None:
        if self._row.state is JobState.RUNNING:
            self.course.heard(Started())
        elif self._row.state is JobState.ACCEPTED:
            self.course.heard(Queued())

    def _show_end(self) -> None:
        self.course.ended(verdict_of_row(self._row))
        if self._row.state is JobState.SUCCEEDED:
            self._ended()
        else:
            self._on_end()

    def _ended(self) -> None:
        """It has: what its server keeps no longer than it lives is brought home."""
        self._on_end()
        verdict = self.course.verdict
        if self._ours and verdict is not None and verdict.error is None:
            refs = wanted(verdict, self.course.workflow)
            self._shelter.begin(refs, self._lodging)


def _facts(row: JobRow, workflow: Workflow, desk: Desk) -> JobFacts:
    return JobFacts(
        job_id=row.job_id,
        environment=desk.environment,
        template=workflow.template,
        trip_id=workflow.trip_id,
        created_at=row.created_at,
    )


def _options(terms: Terms) -> Options:
    return Options(
        allow_partial=terms.allow_partial,
        previews=terms.previews,
        priority=terms.priority,
    )
