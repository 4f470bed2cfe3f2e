"""What ComfyUI servers can do, and since which release: the one table. Pure.

Old servers do not refuse what they do not know: they answer 200 and do something else.
So an ability counts as there when it was observed, else by the version that the server
says, and a server that says none is taken for one that lacks it.

Listed is what this client acts on or tells a person; the rules that graphs are checked
by are not: those show in the server's object_info.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, slots=True)
class Ability:
    """One difference between releases of ComfyUI."""

    name: str
    since: Version
    """The first release that has it."""
    words: str
    """What is so with it, as the rest of a sentence."""
    shows: str | None = None
    """How it is observed at no cost; None: only the version tells."""


TELLS_SUCCESS = Ability(
    "tells_success",
    Version("0.1.0"),  # since 2024-07-21; no release said its version then
    "the websocket tells that a job succeeded",
    shows="the message execution_success",
)
TELLS_TEXT = Ability(
    "tells_text",
    Version("0.3.34"),
    "the texts that nodes show while they run are told",
    shows="a binary frame of type 3",
)
TAKES_IDS = Ability(
    "takes_ids",
    Version("0.3.45"),
    "a job keeps the id that was sent with it: by that it is found again",
    shows="the id in the answer to POST /prompt",
)
TELLS_FINISHED = Ability(
    "tells_finished",
    Version("0.3.45"),
    "it is told which nodes are done while a job runs",
    shows="the message progress_state",
)
TELLS_FEATURES = Ability(
    "tells_features",
    Version("0.3.45"),
    "its limits and features are told without a websocket, too",
    shows="the answer to GET /features",
)
NAMES_PREVIEWS = Ability(
    "names_previews",
    Version("0.3.45"),
    "a preview names its job and its node",
    shows="supports_preview_metadata in feature_flags, or at GET /features",
)
INTERRUPTS_BY_ID = Ability(
    "interrupts_by_id",
    Version("0.3.57"),
    "a running job is stopped by its id; an older server stops whichever job runs",
)
LISTS_OWN_OUTPUTS = Ability(
    "lists_own_outputs",
    Version("0.3.68"),
    "a job's outputs are its own; an older server may list what its nodes made before",
)
PREVIEWS_PER_PROMPT = Ability(
    "previews_per_prompt",
    Version("0.5.0"),
    "a job chooses for itself whether it shows previews",
)
JOBS_API = Ability(
    "jobs_api",
    Version("0.6.0"),
    "a job is asked for by its id alone, without the whole queue",
    shows="the answer to GET /api/jobs/{id}",
)
CANCEL_ROUTE = Ability(
    "cancel_route",
    Version("0.26.0"),
    "a job is cancelled in one request, whether it waits or runs",
    shows="the answer to POST /api/jobs/{id}/cancel",
)

ABILITIES: tuple[Ability, ...] = (
    TELLS_SUCCESS,
    TELLS_TEXT,
    TAKES_IDS,
    TELLS_FINISHED,
    TELLS_FEATURES,
    NAMES_PREVIEWS,
    INTERRUPTS_BY_ID,
    LISTS_OWN_OUTPUTS,
    PREVIEWS_PER_PROMPT,
    JOBS_API,
    CANCEL_ROUTE,
)
"""Every one of them, the oldest first."""

Basis: TypeAlias = Literal["observed", "version", "assumed"]
"""Why something is held of a server; `assumed`: it says no version."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of one ability of a server."""

    able: bool
    basis: Basis


def parse_version(text: str | None) -> Version | None:
    """A server's version, comparable; None where it says none or an odd one.

    Builds outside releases say things like `0.3.12-5-gabc` or `unknown`.
    """
    if text is None:
        return None
    try:
        return Version(text.strip().removeprefix("v").partition("-")[0])
    except InvalidVersion:
        return None
