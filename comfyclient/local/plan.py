"""Which node of a graph runs next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class DependencyCycleError(ValueError):
    """What remains of a graph waits for itself."""


class ExecutionPlan:
    """The nodes still to run, and what each waits for."""

    def __init__(
        self,
        *,
        upstream: Callable[[str], Iterable[str]],
        is_cached: Callable[[str], bool],
        is_output: Callable[[str], bool],
    ) -> None:
        self._upstream = upstream
        self._is_cached = is_cached
        self._is_output = is_output
        self._waits_for: dict[str, set[str]] = {}
        self._wanted_by: dict[str, set[str]] = {}

    def add(self, node_id: str) -> None:
        """Plan a node and everything it needs that is not cached."""
        pending = [node_id]
        while pending:
            each = pending.pop()
            if each in self._waits_for:
                continue
            self._waits_for[each] = set()
            self._wanted_by.setdefault(each, set())
            pending += [
                other
                for other in self._upstream(each)
                if self.wait(each, other) and other not in self._waits_for
            ]

    def wait(self, node_id: str, upstream_id: str) -> bool:
        """Let a planned node wait for another; False if that one is cached."""
        if self._is_cached(upstream_id):
            return False
        self._waits_for[node_id].add(upstream_id)
        self._wanted_by.setdefault(upstream_id, set()).add(node_id)
        return True

    def next(self) -> str | None:
        """The node to run now; None when all have run.

        Raises:
            DependencyCycleError: nodes remain, and none can run.
        """
        ready = [each for each, needs in self._waits_for.items() if not needs]
        if ready:
            return self._pleasing(ready)
        if self._waits_for:
            raise DependencyCycleError(
                f"nodes wait for each other: {', '.join(sorted(self._waits_for))}"
            )
        return None

    def done(self, node_id: str) -> None:
        """The node has run: what waited for it may go on."""
        del self._waits_for[node_id]
        for other in self._wanted_by.pop(node_id, ()):
            if other in self._waits_for:
                self._waits_for[other].discard(node_id)

    def _pleasing(self, ready: list[str]) -> str:
        """Of several, the one that shows something soonest: an output or its feeder."""
        for node_id in ready:
            if self._is_output(node_id):
                return node_id
        for node_id in ready:
            if any(self._is_output(other) for other in self._wanted_by[node_id]):
                return node_id
        return ready[0]
