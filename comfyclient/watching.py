"""Follows a job that another process works on, by what that one writes down."""

from __future__ import annotations

from collections.abc import Callable

from .course import Course
from .errors import ComfyClientError, LeaseError
from .events import Queued, Started
from .ledger_records import JobRow, JobState
from .pursuit import Desk, Pursuit
from .revival import verdict_of_row
from .timing import Deadline

GLANCE_S = 1.0
"""Seconds between two looks into the ledger."""


class Watch:
    """A job of another process; it becomes ours when that process is gone."""

    def __init__(
        self,
        row: JobRow,
        course: Course,
        desk: Desk,
        *,
        pursuit: Pursuit,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.row = row
        """The job as it was seen last."""
        self._course = course
        self._desk = desk
        self._pursuit = pursuit
        self._on_end = on_end
        self._ours = False

    def begin(self) -> None:
        """Tell how the job stands, and look again from time to time."""
        if self.row.state.terminal:
            self._course.ended(verdict_of_row(self.row))
            self._on_end()
            return
        self._tell()
        self._desk.keeper.do(self._glance, after=GLANCE_S)

    def cancel(self, deadline: Deadline) -> None:
        """Cancel the job where it has become ours.

        Raises:
            LeaseError: another process works on it.
        """
        if self._ours:
            self._pursuit.cancel(deadline)
            return
        self._course.cancel_asked = False
        raise LeaseError(
            f"the job belongs to {self.row.owner or 'nobody'}, not to this client",
            hint="cancel it there, or once that process is gone",
            job_id=self.row.job_id,
            instance=self.row.instance,
        )

    def _glance(self) -> None:
        trouble: ComfyClientError | None = None
        try:
            if self._look():
                return
        except ComfyClientError as error:  # a ledger that is locked is not for long
            trouble = error
        if self._course.total.passed():
            self._course.overdue(trouble)
            self._on_end()
            return
        self._desk.keeper.do(self._glance, after=GLANCE_S)

    def _look(self) -> bool:
        """Whether it needs no more looks: it has ended, or is ours."""
        journal = self._desk.journal
        self.row = journal.job(self._course.job_id)
        if self.row.state.terminal:
            self._course.ended(verdict_of_row(self.row))
            self._on_end()
            return True
        if journal.claim(self.row.job_id):
            self._ours = True
            self._pursuit.adopt(journal.job(self.row.job_id))
            return True
        self._tell()
        return False

    def _tell(self) -> None:
        if self.row.state is JobState.RUNNING:
            self._course.heard(Started())
        elif self.row.state is JobState.ACCEPTED:
            self._course.heard(Queued())
