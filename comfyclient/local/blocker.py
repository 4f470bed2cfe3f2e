"""The value that a node returns to keep what depends on it from running. Pure."""

from __future__ import annotations


class ExecutionBlocker:
    """Nodes that receive this do not run; a message is reported as an error."""

    def __init__(self, message: str | None) -> None:
        self.message = message
