"""A declared range of versions, and jobs that are sent to servers beside it."""

from __future__ import annotations

from comfyclient.errors import UnreachableError
from comfyclient.testing.bench import Bench
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.profile import Held

RANGE = ">=0.3.45"
OBSERVED, DENIED = Held(True, "observed"), Held(False, "observed")


def posted(server: ScriptedServer) -> int:
    """How many requests could have changed something there."""
    return sum(request.method == "POST" for request in server.requests)


def submit_behind_a_restart(bench: Bench, transport: ComfyUITransport) -> None:
    """Send a job; a kept connection that the restart ended is met once at most."""
    try:
        bench.submit(transport)
    except UnreachableError:
        bench.submit(transport)
