"""How long each node of a job took, from the events of its attempt. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..events import Event, NodeFinished, NodeOutput, NodeStarted


class NodeTimes:
    """Seconds at work by node id, as they were heard.

    A server runs one node after another, and says only when one begins: it lasts until
    the next begins, or its own end or result is told. Without a websocket nothing is
    known.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._current: tuple[str, float] | None = None

    def until(self, at: float) -> Mapping[str, float]:
        """What is known at a time, to the millisecond; a node at work counts."""
        seconds = dict(self._seconds)
        if self._current is not None:
            node_id, begun = self._current
            seconds[node_id] = seconds.get(node_id, 0.0) + max(0.0, at - begun)
        return {node_id: round(s, 3) for node_id, s in seconds.items()}

    def apply(self, event: Event, at: float) -> None:
        """Take in an event that was heard at a (monotonic) time."""
        match event:
            case NodeStarted(node_id=node_id):
                self._close(at)
                self._current = node_id, at
            case NodeFinished(node_id=node_id) | NodeOutput(node_id=node_id):
                if self._current is not None and self._current[0] == node_id:
                    self._close(at)

    def restart(self) -> None:
        """Forget everything: the job is sent again."""
        self._seconds.clear()
        self._current = None

    def _close(self, at: float) -> None:
        self._seconds = dict(self.until(at))
        self._current = None
