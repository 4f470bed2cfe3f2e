"""What the websocket told of one job: the last resort where history is gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..events import NodeOutput, NodesCached
from .answers import Outcome
from .failures import Failure
from .messages import Ended, Heard, State
from .results import merged


@dataclass(slots=True)
class Hearsay:
    """The outputs and the end of a job, as far as they were heard."""

    whole: bool = True
    """False once frames may have been missed."""
    how: State | None = None
    _outputs: dict[str, NodeOutput] = field(default_factory=dict)
    _cached: tuple[str, ...] = ()
    _failure: Failure | None = None

    def take(self, signal: Heard | Ended) -> None:
        """Learn from a signal of this job."""
        match signal:
            case Heard(event=NodeOutput() as shown):
                self._show(shown)
            case Heard(event=NodesCached(node_ids=nodes)):
                self._cached = nodes
            case Ended(how=how, failure=failure) if how is not None:
                self.how, self._failure = how, failure
            case _:
                pass

    def _show(self, shown: NodeOutput) -> None:
        """Add a node's result; a frame that came twice adds nothing."""
        known = self._outputs.get(shown.node_id)
        if known is None:
            self._outputs[shown.node_id] = shown
        elif known != shown:
            self._outputs[shown.node_id] = merged(known, shown)

    def outcome(self) -> Outcome | None:
        """How the job ended; None where the websocket did not tell all of it.

        A failure needs no outputs; a success that may lack some is none.
        """
        if self.how is None or (self.how == "success" and not self.whole):
            return None
        return Outcome(
            state=self.how,
            outputs=dict(self._outputs),
            failure=self._failure if self.how == "error" else None,
            cached_nodes=self._cached,
        )
