"""The parts of one running engine, as its routes see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .context import Surroundings
from .folders import Folders
from .interruption import Interruption
from .node_table import NodeTable
from .prompt_queue import PromptQueue
from .socket_hub import SocketHub
from .versions import Behaviour


@dataclass(frozen=True, slots=True)
class Options:
    """What a ComfyUI server takes as command line flags."""

    max_body_bytes: int = 100 * 1024 * 1024
    """`--max-upload-size`: the limit of every request body."""
    cors_origin: str | None = None
    """`--enable-cors-header`: replaces the origin check."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that routes use."""

    behaviour: Behaviour
    options: Options
    folders: Folders
    nodes: NodeTable
    queue: PromptQueue
    hub: SocketHub
    interruption: Interruption
    features: dict[str, Any]
    numbers: count[int] = field(default_factory=count)
    """The next prompt's number."""

    def surroundings(self) -> Surroundings:
        """What node classes see while they are described or validated."""
        return Surroundings(self.folders)

    def queue_status(self) -> dict[str, Any]:
        """The body of GET /prompt and of every status message."""
        return {"exec_info": {"queue_remaining": self.queue.remaining()}}


def features_of(behaviour: Behaviour, options: Options) -> dict[str, Any]:
    """The body of GET /features and of the server's feature_flags."""
    if not behaviour.extended_features:
        return {
            "supports_preview_metadata": True,
            "max_upload_size": options.max_body_bytes,
        }
    return {
        "supports_preview_metadata": True,
        "supports_model_type_tags": True,
        "max_upload_size": options.max_body_bytes,
        "extension": {"manager": {"supports_v4": True}},
        "node_replacements": True,
        "assets": False,
    }
