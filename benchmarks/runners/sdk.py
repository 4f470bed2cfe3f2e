"""comfy-sdk, through comfy-api-proxy, which it needs before a server of one's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comfy_sdk import Comfy  # type: ignore[import-not-found]

from .turns import Graph, take


@contextmanager
def proxy(url: str) -> Iterator[str]:
    """The proxy before this server; its address, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("comfy-api-proxy")
    command = [str(program), "run", "--comfyui", url, "--port", str(port)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _await(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("comfy-api-proxy did not start in 30 s")


def main(url: str) -> None:
    """Ask it in turns."""
    with proxy(url) as address:
        os.environ["COMFY_BASE_URL"] = address
        with Comfy() as client:

            def run(graph: Graph) -> Iterator[str]:
                job = client.run(client.workflows.from_json(graph))
                yield from (output.name for output in job.outputs)

            take(run)


if __name__ == "__main__":
    main(sys.argv[1])
