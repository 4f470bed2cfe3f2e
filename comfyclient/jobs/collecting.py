"""Makes a job's result, and writes down when all of its outputs have come home."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ClosedError, LeaseError, LedgerError
from ..files.outputs import Homecoming, Opener, SavedFile
from ..ledger.journal import Journal
from ..logs import JobLog
from ..result import Provenance, Result, gather
from ..timing import SYSTEM_CLOCK, Clock
from ..transports.base import Verdict
from .course import Course

_logger = logging.getLogger("comfyclient.jobs.collecting")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job's outputs are."""

    instance: str
    prompt_id: str
    open: Opener


class Collection:
    """The outputs of one job that succeeded, until all were saved or read.

    Where the template names outputs, those are all: what else nodes saved is extra.
    """

    def __init__(
        self,
        course: Course,
        journal: Journal,
        *,
        environment: str,
        origin: Callable[[], Origin],
        collected: Callable[[], bool] = lambda: False,
        on_home: Callable[[Homecoming], None] | None = None,
        on_recorded: Callable[[], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._is_collected = collected
        self._clock = clock
        self._on_home = on_home
        self._on_recorded = on_recorded
        self._course = course
        self._journal = journal
        self._environment = environment
        self._origin = origin
        self._log = JobLog(
            _logger,
            course.job_id,
            template=course.workflow.template,
            instance=lambda: origin().instance,
        )
        self._lock = threading.Lock()
        self._missing: set[int] = set()
        self._files: dict[int, SavedFile] = {}

    def result(self, verdict: Verdict) -> Result:
        """The job's result; with no output to bring home, it is collected already.

        Raises:
            OutputMissingError: an output that the manifest requires is not there.
        """
        origin = self._origin()
        result = gather(
            verdict,
            self._course.workflow,
            self._provenance(verdict, origin),
            opener=origin.open,
            on_home=self._home,
            clock=self._clock,
        )
        named = [output for output in result.outputs if output.name is not None]
        wanted = named if named else result.outputs
        self._missing = {id(output) for output in wanted}
        if not wanted and not self._is_collected():
            self._record([])
        return result

    def _provenance(self, verdict: Verdict, origin: Origin) -> Provenance:
        workflow = self._course.workflow
        return Provenance(
            job_id=self._course.job_id,
            environment=self._environment,
            instance=origin.instance,
            template=workflow.template,
            digest=workflow.digest,
            seed=workflow.seed,
            prompt_id=origin.prompt_id,
            submitted_at=self._course.created_at,
            started_at=verdict.started_at,
            ended_at=verdict.ended_at,
            cached_nodes=verdict.cached_nodes,
            stages=workflow.stages,
        )

    def _home(self, homecoming: Homecoming) -> None:
        if self._on_home is not None:
            self._on_home(homecoming)
        if homecoming.error is not None:
            return
        output = homecoming.output
        with self._lock:
            self._missing.discard(id(output))
            if output.saved is not None:
                self._files[id(output)] = output.saved
            complete, files = not self._missing, list(self._files.values())
        if complete:
            self._record(files)

    def _record(self, files: list[SavedFile]) -> None:
        try:
            self._collected(files)
        except (LeaseError, ClosedError) as error:
            self._log.info("its files were not recorded: %s", error.message)
        except LedgerError as error:
            self._log.error("its files were not recorded: %s", error.message)
        else:
            if self._on_recorded is not None:
                self._on_recorded()

    def _collected(self, files: list[SavedFile]) -> None:
        job_id = self._course.job_id
        try:
            self._journal.collected(job_id, files)
        except LeaseError:  # a job that had ended when we met it may be nobody's
            if not self._journal.claim(job_id):
                raise
            self._journal.collected(job_id, files)
