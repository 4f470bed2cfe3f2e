"""What a node may ask of the engine that runs it: folders, progress, interruption.

Nodes are made without arguments, so the engine's parts reach them through a context
variable, which is set around every call into a node class.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from .folders import Folders

Preview = tuple[str, Image.Image, int | None]
"""Format, picture, and the size to fit it to (None: as it is)."""


class ProcessingInterruptedError(Exception):
    """Somebody interrupted the prompt that is running."""


class Execution(Protocol):
    """The run of one prompt, as a node sees it."""

    def report_progress(
        self,
        value: float,
        total: float,
        *,
        preview: Preview | None = None,
        node_id: str | None = None,
    ) -> None:
        """Tell how far the node is; raises when the prompt was interrupted."""

    def report_text(self, text: str, *, node_id: str | None = None) -> None:
        """Show a line of text at the node."""

    def report_message(self, kind: str, data: Any) -> None:
        """Send the prompt's client a message of the node's own kind."""

    def check_interrupted(self) -> None:
        """Raise when the prompt was interrupted."""

    def is_interrupted(self) -> bool:
        """Whether the prompt was interrupted."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node class finds around itself."""

    folders: Folders
    execution: Execution | None = None
    """None while a class is only described or a graph only validated."""


_SURROUNDINGS: ContextVar[Surroundings] = ContextVar("comfyclient_surroundings")


@contextmanager
def entered(surroundings: Surroundings) -> Iterator[None]:
    """Let code in the `with` block find these surroundings."""
    token = _SURROUNDINGS.set(surroundings)
    try:
        yield
    finally:
        _SURROUNDINGS.reset(token)


def current() -> Surroundings:
    """The surroundings of the calling node.

    Raises:
        RuntimeError: called from outside a node, or from a thread that it started.
    """
    try:
        return _SURROUNDINGS.get()
    except LookupError:
        raise RuntimeError(
            "no embedded engine is running this code; call it from a node's own thread"
        ) from None


def current_execution() -> Execution | None:
    """The run that the calling node belongs to; None outside one."""
    surroundings = _SURROUNDINGS.get(None)
    return None if surroundings is None else surroundings.execution
