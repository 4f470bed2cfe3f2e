"""comfy-api-simplified, its way to wait for pictures; it fetches them too."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from comfy_api_simplified import (  # type: ignore[import-not-found]
    ComfyApiWrapper,
    ComfyWorkflowWrapper,
)

from .turns import Graph, take


def main(url: str) -> None:
    """Ask it in turns."""
    client = ComfyApiWrapper(url)

    def run(graph: Graph) -> Iterable[str]:
        pictures: dict[str, bytes] = client.queue_and_wait_images(
            ComfyWorkflowWrapper(graph), "Save Image"
        )
        return pictures

    take(run)


if __name__ == "__main__":
    main(sys.argv[1])
