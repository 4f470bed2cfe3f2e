"""An environment whose clients come and go, with one ledger."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, Settings
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobRow
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.play import Play, usual
from comfyclient.timing import SYSTEM_CLOCK, Clock
from comfyclient.workflow import NamedOutput, Workflow

WORKFLOW = Workflow.from_graph(GRAPH, outputs=[NamedOutput("card", "2")])


class House:
    """Clients of one environment, one after the other or at once, on one ledger."""

    def __init__(self, folder: Path) -> None:
        self.ledger = f"sqlite:///{folder / 'jobs.db'}"
        self._clients: list[Client] = []

    def client(
        self,
        *urls: str,
        clock: Clock = SYSTEM_CLOCK,
        name: str = "test",
        **settings: Any,
    ) -> Client:
        """A client of these addresses, closed with the house."""
        environment = EnvironmentSettings.model_validate(
            {
                "instances": [
                    {"name": f"n{i}", "url": url} for i, url in enumerate(urls)
                ],
                "ledger": self.ledger,
                "deadlines": {
                    "total_s": 30,
                    "queue_s": 30,
                    "silence_s": 30,
                    "grace_s": 0.2,
                    **settings.pop("deadlines", {}),
                },
                **settings,
            }
        )
        made = Client(
            Settings(default_environment=name, environments={name: environment}),
            clock=clock,
        )
        self._clients.append(made)
        return made

    def row(self, job_id: str) -> JobRow:
        """What the ledger says of a job."""
        with Ledger(self.ledger).open() as ledger:
            return ledger.job(job_id)

    def close(self) -> None:
        """Close every client."""
        for client in self._clients:
            client.close()


def once(first: Play) -> Play:
    """One play for the first job, the usual one for the others."""
    plays = [first]
    return lambda job: (plays.pop() if plays else usual)(job)


def sent_in_time(future: Any, clock: FakeClock) -> Any:
    """The future's result, with time passing quickly."""
    while not future.done():
        clock.advance(0.25)
        threading.Event().wait(0.005)
    return future.result()
