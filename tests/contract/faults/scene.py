"""The servers, the ledger and the clock of one case, and its fault in them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import requests

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, Settings
from comfyclient.testing import (
    Broadcast,
    Deafen,
    FakeClock,
    Hold,
    Raw,
    Reply,
    ScriptedServer,
    Step,
    offered,
    usual,
)
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.play import ScriptedJob, ServerStep

from .answers import ANSWERS, DOWNLOAD, GREETING, HEIRS, OFFERS, SUBMIT
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
from .mishaps import ACTS, MISHAPS, Bearing
from .playing import Doorbell, script_of

LIMIT_S = 10.0
"""Real seconds that a part of a case may take."""
HALF = 60
"""Bytes of a picture after which a fault strikes."""
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
        self.half_way = Doorbell()
        self.folder = ledger.parent / "home"
        """Where pictures are saved."""
        self._stack = stack
        for gate in (self.bell, self.next_to_us, self.half_way):
            stack.callback(gate.set)
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
            case Mishap(name=name, moment="before" | "post" as moment) if name in ACTS:
                route = GREETING if moment == "before" else SUBMIT
                acts = self.case.fault.tempo == "seen"
                kept = Reply(late=self.bell) if acts else Reply(gate=self.bell)
                self.first.answer(route, kept)
            case Mishap(name=name, moment="before"):
                self.strike(MISHAPS[name])
            case Mishap(moment="queued"):
                self._busy()
            case Mishap(moment="half_way"):
                half = Reply(sends=HALF, halts=self.half_way)
                self.first.answer(DOWNLOAD, half)
            case BadAnswer(route=route) as bad:
                if route in {OFFERS, HEIRS}:
                    self.first.offer(offered("EmptyImage", "SaveImage"))
                self._answer_badly(bad)
            case FullLedger(step=step):
                fill_disk(self.ledger, step)
        if self.case.also is not None:
            self._answer_badly(self.case.also)

    def strike(self, bearing: Bearing) -> None:
        """What happens to the first server as a whole, or to whoever listens to it."""
        for step in bearing.steps:
            if isinstance(step, ServerStep):
                self.first.stage.act(step)
            else:
                self._disturb(step)
        if bearing.deletes is not None:
            self._empty_queue(ours=bearing.deletes == "ours")

    def _disturb(self, step: Step) -> None:
        sockets = self.first.stage.sockets
        with self.first.stage.condition:
            match step:
                case Broadcast(frame=frame):
                    sockets.tell_all(frame)
                case Raw(content=content):
                    for connected in sockets.values():
                        connected.send_raw(content)
                case Deafen():
                    sockets.clear()
                case _:
                    raise AssertionError(f"{step} does not strike a whole server")

    def _empty_queue(self, *, ours: bool) -> None:
        """Somebody else takes what waits out of the queue, as the web page does."""
        waiting = [job.prompt_id for job in self.first.stage.pending]
        assert waiting, "the job waits"
        body = {"delete": waiting} if ours else {"clear": True}
        requests.post(f"{self.first.url}/queue", json=body, timeout=LIMIT_S)

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
            case Mishap(name=name, moment="download") if name not in ACTS:
                self.strike(MISHAPS[name])
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
        for gate in (self.next_to_us, self.bell, self.half_way):
            gate.set()
