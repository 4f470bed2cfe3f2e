"""A server of a benchmark: the embedded engine with a node that works, in a process.

    python -m benchmarks.server SLOWNESS

It prints its URL, and ends when its standard input does.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from comfyclient.local.engine import EmbeddedEngine


class BenchWork:
    """Works for a while, loads a model before where another one was loaded last."""

    RETURN_TYPES = ()
    FUNCTION = "run"
    CATEGORY = "benchmarks"
    OUTPUT_NODE = True
    slowness = 1.0
    loaded: str | None = None

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """What it takes."""
        seconds = ("FLOAT", {"default": 0.0, "min": 0.0, "max": 600.0})
        return {
            "required": {
                "model": ("STRING", {"default": ""}),
                "work_s": seconds,
                "load_s": seconds,
                "nonce": ("STRING", {"default": ""}),
            }
        }

    def run(self, model: str, work_s: float, load_s: float, nonce: str) -> Any:
        """Sleep as a GPU would work, and say what it was asked."""
        cold = bool(model) and model != BenchWork.loaded
        BenchWork.loaded = model or BenchWork.loaded
        time.sleep((work_s + (load_s if cold else 0)) * self.slowness)
        return {"ui": {"text": [nonce]}}


def main() -> None:
    """Serve until nobody listens."""
    BenchWork.slowness = float(sys.argv[1])
    with EmbeddedEngine(node_classes={"BenchWork": BenchWork}) as engine:
        print(engine.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
