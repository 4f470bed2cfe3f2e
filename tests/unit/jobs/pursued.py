"""A job that is pursued by hand, at servers that do as they are told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from comfyclient.config.settings import PolicySettings
from comfyclient.errors import (
    BusyError,
    ComfyClientError,
    TransportError,
    UnclearAnswerError,
    ValidationError,
)
from comfyclient.events import Queued
from comfyclient.jobs.berths import Berth
from comfyclient.jobs.course import Course
from comfyclient.jobs.desk import Desk
from comfyclient.jobs.dispatch import Dispatcher, Options
from comfyclient.jobs.errands import Errands
from comfyclient.jobs.notes import Notes
from comfyclient.jobs.pursuit import Pursuit
from comfyclient.jobs.router import Router
from comfyclient.jobs.sheltering import Shelter
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent
from comfyclient.storage.view import ViewStorage
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.transports.base import Follower, Ticket, Verdict
from comfyclient.workflow import Workflow

POLICIES = PolicySettings(resubmit_lost=2, resubmit_interrupted=1)


class ByHand:
    """Errands that are done when the test says so."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()

    def do(self, errand: Callable[[], None], *, after: float = 0) -> bool:
        """Later."""
        self.waiting.append(errand)
        return True

    def run_one(self) -> None:
        """The oldest."""
        self.waiting.popleft()()

    def run_all(self) -> None:
        """And what they leave behind."""
        while self.waiting:
            self.run_one()


class Server:
    """A transport and its server: it has attempts, and answers as it is told to."""

    client_id = "me"
    backlog = None
    away_s = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.has: dict[str, Follower] = {}
        self.alive: set[str] = set()
        self.executed: list[str] = []
        self.freed = self.cancels = 0
        self.refuses: TransportError | ValidationError | None = None
        self.refuses_cancels = 0
        self.loses_answer = False
        self.speaks = True

    def submit(self, attempt, follower, *, deadline) -> Ticket:
        """Taken, refused, or taken without a word."""
        if self.refuses is not None:
            raise self.refuses
        self.has[attempt.attempt_id] = follower
        self.alive.add(attempt.attempt_id)
        self.executed.append(attempt.attempt_id)
        if self.loses_answer:
            self.loses_answer = False
            raise UnclearAnswerError("the answer was lost")
        follower.heard(Queued())
        return self._ticket(attempt.attempt_id)

    def find(self, attempt_id, *, deadline) -> Ticket | None:
        """Whether it has the attempt."""
        if not self.speaks:
            raise UnclearAnswerError("no answer")
        return self._ticket(attempt_id) if attempt_id in self.has else None

    def follow(self, ticket, workflow, follower) -> None:
        """Followed from now on."""
        self.has[ticket.attempt_id] = follower

    def forget(self, ticket) -> None:
        """Followed no longer; it is not told."""

    def cancel(self, ticket, *, deadline) -> None:
        """Noted, and refused at first, so many times."""
        self.cancels += 1
        if self.cancels <= self.refuses_cancels:
            raise BusyError("503")

    def relieve(self, *, deadline) -> None:
        """Noted."""
        self.freed += 1

    def _ticket(self, attempt_id: str) -> Ticket:
        return Ticket(self.name, attempt_id, attempt_id, "me", 1.0)


class Bench:
    """A job, its ledger, two servers, and errands done by hand."""

    def __init__(self, folder: Path, policies: PolicySettings = POLICIES) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(folder / "jobs.db", clock=self.clock).open()
        workflow = Workflow.from_graph(GRAPH)
        row = self.ledger.intend(
            JobIntent(job_id="j", environment="e", digest=workflow.digest)
        )
        assert row.job_id == "j"
        self.servers = [Server("a"), Server("b")]
        self.router = Router([Berth(s) for s in self.servers], clock=self.clock)
        storage = ViewStorage(self.servers)
        dispatcher = Dispatcher(
            self.router, self.ledger, environment="e", storage=storage, clock=self.clock
        )
        self.errands, self.keeper = ByHand(), ByHand()
        desk = Desk(
            environment="e",
            router=self.router,
            journal=self.ledger,
            storage=storage,
            dispatcher=dispatcher,
            policies=policies,
            errands=self.errands,
            senders=self.errands,
            keeper=self.keeper,
            notes=Notes(self.ledger, self.keeper, clock=self.clock),
            shelter=Shelter("e", Errands("rescuers"), cache=folder, clock=self.clock),
            clock=self.clock,
        )
        self.course = Course(
            "j", workflow, total_s=900, queue_s=900, silence_s=900, clock=self.clock
        )
        self.ends = self.takings = 0
        self.pursuit = Pursuit(
            self.course, desk, Options(), on_end=self._ended, on_taken=self._taken
        )

    @property
    def free(self) -> bool:
        """Whether no instance counts the job as its load."""
        return all(state.jobs == 0 for state in self.router.states())

    @property
    def executions(self) -> int:
        """On all servers."""
        return sum(len(server.executed) for server in self.servers)

    @property
    def follower(self) -> Follower:
        """Of the attempt that was taken last."""
        placed = self.pursuit.placed
        assert placed is not None
        return placed.transport.has[placed.ticket.attempt_id]

    def end(self, error: ComfyClientError | None = None) -> None:
        """The present attempt ends so."""
        placed = self.pursuit.placed
        follower = self.follower
        placed.transport.alive.discard(placed.ticket.attempt_id)
        follower.ended(Verdict(error))

    def _ended(self) -> None:
        self.ends += 1

    def _taken(self) -> None:
        self.takings += 1
