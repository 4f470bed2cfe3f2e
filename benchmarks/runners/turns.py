"""What every runner does: a graph in, the files that the peer names out."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

Graph = dict[str, Any]


def take(run: Callable[[Graph], Iterable[str]]) -> None:
    """Run each graph that stands in a line of the standard input.

    The answers go into a pipe of their own, the second argument: peers print too.
    """
    with os.fdopen(int(sys.argv[2]), "w") as answers:
        for line in sys.stdin:
            print(json.dumps(_turn(run, json.loads(line))), file=answers, flush=True)


def _turn(run: Callable[[Graph], Iterable[str]], graph: Graph) -> dict[str, Any]:
    files: list[str] = []
    error = None
    begun = time.perf_counter()
    try:
        files = list(run(graph))
    except Exception as caught:  # noqa: BLE001  # whatever it is, the peer failed
        error = f"{type(caught).__name__}: {caught}"
    return {"seconds": time.perf_counter() - begun, "files": files, "error": error}
