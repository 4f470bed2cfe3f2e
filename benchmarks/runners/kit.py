"""comfykit, over its websocket; it takes graphs from files, and tells of URLs."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from comfykit import ComfyKit  # type: ignore[import-not-found]

from .turns import Graph, take


def main(url: str) -> None:
    """Ask it in turns."""
    client = ComfyKit(comfyui_url=url, executor_type="websocket")
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        file = Path(folder) / "graph.json"

        def run(graph: Graph) -> Iterator[str]:
            file.write_text(json.dumps(graph), encoding="utf-8")
            result = loop.run(client.execute(str(file)))
            if result.status != "completed":
                raise RuntimeError(result.msg)  # it never raises itself
            for address in result.images:
                yield parse_qs(urlsplit(address).query)["filename"][0]

        take(run)


if __name__ == "__main__":
    main(sys.argv[1])
