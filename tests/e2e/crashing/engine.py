"""An embedded engine in a process of its own, for as long as nobody kills it."""

from __future__ import annotations

from pathlib import Path

from comfyclient import comfy_nodes
from comfyclient.local.engine import EmbeddedEngine

from . import tally
from .fuse import Fuse
from .telling import tell


def live(*, base: str, port: int = 0, fuse: int | None = None) -> None:
    """One life of a server; what is in its base directory stays for the next one."""
    if fuse is not None:
        Fuse(fuse).light()
    packs = (comfy_nodes, tally)
    with EmbeddedEngine(Path(base), port=port, node_packs=packs) as engine:
        tell("up", engine.url)
        while not engine.wait(60):
            pass
