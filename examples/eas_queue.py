"""Pictures from the API edition of PAI-EAS: jobs into its queue, files from its mount.

How to run: python examples/eas_queue.py [folder] [url of a service] [mounted folder]

Without a URL a stand-in on this machine plays the service; with one, the token is taken
from EAS_TOKEN, and the folder is where this machine has what the service mounts.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from comfyclient import Client, Settings, Workflow
from comfyclient.testing import EasGateway


def graph(colour: int) -> dict[str, object]:
    """A small picture: the queue takes a few KB, so photos go by the storage."""
    size = {"width": 256, "height": 256, "batch_size": 1}
    saved = {"images": ["1", 0], "filename_prefix": f"example/{colour:06x}"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {**size, "color": colour}},
        "2": {"class_type": "SaveImage", "inputs": saved},
    }


def main(folder: str = "out", url: str | None = None, root: str | None = None) -> None:
    """Send three jobs, and save each picture as it comes."""
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
        colours = (0xC0392B, 0x27AE60, 0x2980B9)
        jobs = [client.submit(Workflow.from_graph(graph(c))) for c in colours]
        for job in jobs:
            for output in job.result().outputs:
                print("saved", output.save(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
