"""What a server's messages show of its abilities. Pure.

What its answers show is noted where they are read: by the transport (`POST /prompt`),
`lookup` (the jobs API) and `cancelling` (the route for it).
"""

from __future__ import annotations

from ..events import NodeFinished, NodeText, Preview
from .messages import Ended, Heard, ServerFlags, Signal
from .profile import (
    NAMES_PREVIEWS,
    TELLS_FINISHED,
    TELLS_SUCCESS,
    TELLS_TEXT,
    Ability,
)


def shown_by(signal: Signal) -> tuple[Ability, bool] | None:
    """The ability that a message shows or denies; None where it says nothing of any.

    A server without feature flags never denies one: it keeps silent.
    """
    match signal:
        case ServerFlags(flags=flags):
            return NAMES_PREVIEWS, flags.get("supports_preview_metadata") is True
        case Heard(event=Preview(node_id=str())):
            return NAMES_PREVIEWS, True
        case Heard(event=NodeFinished()):
            return TELLS_FINISHED, True
        case Heard(event=NodeText()):
            return TELLS_TEXT, True
        case Ended(how="success"):
            return TELLS_SUCCESS, True
        case _:
            return None
