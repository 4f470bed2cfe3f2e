"""comfy-headless, over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from comfy_headless import ComfyClient  # type: ignore[import-not-found]

from .turns import Graph, take


def main(url: str) -> None:
    """Ask it in turns."""
    client = ComfyClient(url)

    def run(graph: Graph) -> Iterator[str]:
        entry = client.wait_for_completion(client.queue_prompt(graph))
        for output in entry["outputs"].values():
            yield from (image["filename"] for image in output["images"])

    take(run)


if __name__ == "__main__":
    main(sys.argv[1])
