"""Clients of scripted servers, and what they sent."""

from __future__ import annotations

from comfyclient.client import Client
from comfyclient.config.settings import DeadlineSettings, EnvironmentSettings, Settings
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing.bench import GRAPH
from comfyclient.timing import SYSTEM_CLOCK, Clock
from comfyclient.workflow import Workflow

WORKFLOW = Workflow.from_graph(GRAPH)


def client_of(urls: list[str], ledger: str, *, clock: Clock = SYSTEM_CLOCK) -> Client:
    """A client of these addresses."""
    instances = [{"name": f"n{i}", "url": url} for i, url in enumerate(urls)]
    environment = EnvironmentSettings(
        instances=instances,
        ledger=ledger,
        deadlines=DeadlineSettings(total_s=30, queue_s=30, silence_s=30),
    )
    settings = Settings(default_environment="test", environments={"test": environment})
    return Client(settings, clock=clock)


def state_of(ledger: str, job_id: str) -> JobState:
    """What the ledger says of a job, read by another process."""
    with Ledger(ledger).open() as other:
        return other.job(job_id).state
