"""comfy-toolkit, over its websocket."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from comfy_toolkit import ComfyClient  # type: ignore[import-not-found]

from .turns import Graph, take


def main(url: str) -> None:
    """Ask it in turns."""
    client = ComfyClient(url)

    def run(graph: Graph) -> Iterator[str]:
        for image in client.submit_and_track(graph)["images"]:
            yield image["filename"]

    take(run)


if __name__ == "__main__":
    main(sys.argv[1])
