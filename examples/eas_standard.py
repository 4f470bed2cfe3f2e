"""A trip's postcard from the standard edition of PAI-EAS: its URL and its token.

How to run: python examples/eas_standard.py [folder] [url of a service]

Without a URL a stand-in on this machine plays the service; with one, the service's
token is taken from EAS_TOKEN.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from comfyclient import Client, Settings, load_trip
from comfyclient.testing import EasGateway

TRIP = Path(__file__).parent / "trips" / "longjing-morning.json"


def main(folder: str = "out", url: str | None = None) -> None:
    """Configure one environment in Python, and run one job there."""
    with ExitStack() as stack:
        if url is None:
            gateway = stack.enter_context(EasGateway(token="its-token"))
            os.environ["EAS_TOKEN"] = "its-token"
            url = gateway.url
        environment = {
            "transport": "comfyui",
            "instances": [{"name": "eas", "url": url, "token_env": "EAS_TOKEN"}],
        }
        settings = Settings.model_validate(
            {"default_environment": "eas", "environments": {"eas": environment}}
        )
        client = stack.enter_context(Client(settings))
        result = client.run("trip-postcard", load_trip(TRIP), seed=7)
        print("saved", result.output("postcard").save(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
