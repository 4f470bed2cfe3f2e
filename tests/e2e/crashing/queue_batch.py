"""A batch of jobs over a queue service, taken up wherever an earlier life left it."""

from __future__ import annotations

from typing import Any

from comfyclient.client import Client
from comfyclient.config.settings import Settings
from comfyclient.workflow import Workflow

from .fuse import Fuse
from .telling import tell

TIME_S = 40


def live(*, settings: dict[str, Any], jobs: int, fuse: int | None = None) -> None:
    """One life of a process that sends each job under its own key."""
    if fuse is not None:
        Fuse(fuse).light()
    with Client(Settings.model_validate(settings)) as client:
        sent = [
            client.submit(workflow(number), idempotency_key=f"job-{number}")
            for number in range(jobs)
        ]
        for job in sent:
            job.result(timeout=TIME_S)
    tell("done")


def workflow(number: int) -> Workflow:
    """A graph that is known by its prefix wherever it runs."""
    save = {"class_type": "SaveImage", "inputs": {"filename_prefix": f"job-{number}"}}
    return Workflow.from_graph({"2": save})


def settings_of(*, url: str, folder: str, results: str) -> dict[str, Any]:
    """One environment on a queue service."""
    limits = {"total_s": TIME_S, "queue_s": TIME_S, "silence_s": TIME_S}
    environment = {
        "transport": "eas-queue",
        "instances": [{"name": "queue", "url": url, "token": "secret", "window": 8}],
        "queue": {"results": results, "group": "batch"},
        "storage": {"kind": "mount", "root": folder},
        "ledger": f"sqlite:///{folder}/ledger.db",
        "deadlines": {**limits, "grace_s": 0.3},
        "policies": {"resubmit_lost": 0},
        "preflight": "off",
    }
    return {"default_environment": "test", "environments": {"test": environment}}
