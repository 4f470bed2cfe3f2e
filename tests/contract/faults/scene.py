"""The servers, the ledger and the clock of one case, and its fault in them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, Settings
from comfyclient.testing import FakeClock, Hold, Reply, ScriptedServer, Step, usual
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.play import ScriptedJob, ServerStep

from .answers import ANSWERS
from .cases import (
    GRACE_S,
    QUEUE_S,
    SILENCE_S,
    TOTAL_S,
    BadAnswer,
    Case,
    FullLedger,
    Mishap,
)
from .full_disk import fill_disk, free_disk
from .mishaps import MISHAPS
from .playing import Doorbell, script_of

LIMIT_S = 10.0
"""Real seconds that a part of a case may take."""
FOREIGN = str(uuid4())
"""The prompt of somebody else, which keeps a server busy."""


class Scene:
    """The servers, the ledger and the clock of one case."""

    def __init__(self, case: Case, ledger: Path, stack: ExitStack) -> None:
        self.case = case
        self.ledger = ledger
        self.clock = FakeClock()
        self.bell = Doorbell()
        self.next_to_us = Doorbell()
        self._stack = stack
        stack.callback(self.bell.set)
        stack.callback(self.next_to_us.set)
        scripts = [script_of(case.fault, self.bell), None]
        self.servers = [
            stack.enter_context(
                ScriptedServer(version=case.version, script=script, clock=self.clock)
            )
            for script in scripts[: case.instances]
        ]
        self.first = self.servers[0]

    def client(self) -> Client:
        """A client of all the servers, closed with the scene."""
        environment = EnvironmentSettings.model_validate(
            {
                "instances": [
                    {
                        "name": f"n{number}",
                        "url": server.url,
                        "poll_only": self.case.mode == "poll_only",
                    }
                    for number, server in enumerate(self.servers)
                ],
                "ledger": f"sqlite:///{self.ledger}",
                "deadlines": {
                    "total_s": TOTAL_S,
                    "queue_s": QUEUE_S,
                    "silence_s": SILENCE_S,
                    "grace_s": GRACE_S,
                },
            }
        )
        settings = Settings(
            default_environment="test", environments={"test": environment}
        )
        return self._stack.enter_context(Client(settings, clock=self.clock))

    # -- the fault

    def prepare(self) -> None:
        """Let the fault strike, or lie in wait for its moment."""
        match self.case.fault:
            case Mishap(name=name, moment="before"):
                self.strike(MISHAPS[name].steps)
            case Mishap(moment="queued"):
                self._busy()
            case BadAnswer() as bad:
                self._answer_badly(bad)
            case FullLedger(step=step):
                fill_disk(self.ledger, step)
        if self.case.also is not None:
            self._answer_badly(self.case.also)

    def strike(self, steps: Sequence[Step]) -> None:
        """What happens to the first server as a whole."""
        for step in steps:
            assert isinstance(step, ServerStep), "nothing else strikes a whole server"
            self.first.stage.act(step)

    def _busy(self) -> None:
        """Somebody else's job runs on the first server."""
        gate = self.next_to_us

        def play(job: ScriptedJob) -> Sequence[Step]:
            foreign = job.prompt_id == FOREIGN
            return [Hold(gate), *usual(job)] if foreign else usual(job)

        self.first.play(play)
        stage = self.first.stage
        stage.take(FOREIGN, GRAPH, number=stage.number(), extra={}, client_id=None)
        gate.rung.wait(LIMIT_S)

    def _answer_badly(self, bad: BadAnswer) -> None:
        kind = ANSWERS[bad.kind]
        if bad.times is None:
            self.first.always(bad.route, kind.reply())
            return
        well = [Reply()] * (bad.first - 1)
        self.first.answer(bad.route, *well, *(kind.reply() for _ in range(bad.times)))

    def pass_by(self, seconds: float) -> None:
        """Let so many seconds pass on the clock."""
        end = self.clock.monotonic() + seconds
        condition = threading.Condition()
        with condition:
            while (left := end - self.clock.monotonic()) > 0:
                self.clock.wait(condition, left)

    def before_download(self) -> None:
        """The fault strikes now, or what it did to the server is over by now."""
        match self.case.fault:
            case Mishap(name=name, moment="download"):
                self.strike(MISHAPS[name].steps)
            case Mishap():
                self.first.start_again()

    def after_download(self) -> None:
        """A mishap at the download is over."""
        if isinstance(self.case.fault, Mishap):
            self.heal()

    def heal(self) -> None:
        """Everything is well again, except for what was lost."""
        if self.case.also is not None:
            self.first.always(self.case.also.route, None)
        match self.case.fault:
            case BadAnswer(route=route):
                self.first.always(route, None)
            case FullLedger():
                free_disk(self.ledger)
        self.first.start_again()
        self.first.speak()
        self.next_to_us.set()
        self.bell.set()
