"""Postcards from the API edition of PAI-EAS: its queue, and files from its mount.

How to run: python examples/eas_queue.py [folder] [url of a service] [mounted folder]

Without a URL a stand-in on this machine plays the service; with one, the token is taken
from EAS_TOKEN, and the folder is where this machine has what the service mounts.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from comfyclient import Client, Settings, load_trip
from comfyclient.testing import EasGateway

TRIPS = Path(__file__).parent / "trips"
NAMES = ("longjing-morning", "coast-night-drive")


def main(folder: str = "out", url: str | None = None, root: str | None = None) -> None:
    """Send a job for each trip, and save the pictures."""
    with ExitStack() as stack:
        if url is None:
            gateway = stack.enter_context(EasGateway(edition="api", token="its-token"))
            os.environ["EAS_TOKEN"] = "its-token"
            url, root = gateway.url, str(gateway.mount)
        environment = {
            "transport": "eas-queue",
            "instances": [{"name": "eas", "url": url, "token_env": "EAS_TOKEN"}],
            "storage": {"kind": "mount", "root": root},
        }
        settings = Settings.model_validate(
            {"default_environment": "eas", "environments": {"eas": environment}}
        )
        client = stack.enter_context(Client(settings))
        trips = [load_trip(TRIPS / f"{name}.json") for name in NAMES]
        jobs = [client.submit("trip-postcard", trip, seed=7) for trip in trips]
        for job in jobs:
            print("saved", job.result().output("postcard").save(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
