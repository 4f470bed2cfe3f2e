"""A folder with a configuration and a graph, and commands that are run there."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CONFIG = """
default_environment = "test"

[environments.test]
transport = "embedded"

[environments.test.pins]
card = "~=1.0"

[environments.prod]
transport = "embedded"
protected = true

[environments.live]
transport = "embedded"
protected = true
"""
SHOP = ("--templates", "templates")
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a {{ cat }}"}},
    "3": {"class_type": "A", "inputs": {"seed": 7, "image": ["1", 0], "c": ["2", 0]}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it said to a script."""
        return json.loads(self.out)


Run = Callable[..., Done]


def locked(tmp_path: Path) -> dict[str, dict[str, str]]:
    """The versions in the lock."""
    table = tomllib.loads((tmp_path / "comfyclient.lock").read_text())
    return {
        environment: {name: one["version"] for name, one in of["templates"].items()}
        for environment, of in table["environments"].items()
    }


class AtATerminal(Protocol):
    """Runs a command that has a terminal as its input; its exit code and words."""

    def __call__(self, answers: str, *arguments: str) -> tuple[int, str]:
        """Answer its questions."""
