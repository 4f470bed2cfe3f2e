"""The bad answers of the matrix: what is sent, and what it means. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from comfyclient.testing import Reply

Meaning: TypeAlias = Literal[
    "busy",
    "far",
    "fault",
    "unclear",
    "bad",
    "denied",
    "refused",
    "redirected",
    "invalid",
]

_PAGE = b"<html><body>nothing here</body></html>"
_HTML = {"Content-Type": "text/html"}
_INVALID = {
    "error": {"type": "prompt_outputs_failed_validation", "message": "failed"},
    "node_errors": {
        "1": {
            "errors": [{"type": "value_bigger_than_max", "message": "too big"}],
            "dependent_outputs": ["2"],
            "class_type": "EmptyImage",
        }
    },
}
"""What ComfyUI says of a graph that it will not run."""


@dataclass(frozen=True, slots=True)
class Answering:
    """One kind of answer."""

    reply: Callable[[], Reply]
    meaning: Meaning
    page: str
    """What is answered, as the documentation tells it."""
    acts: bool = False
    """The server did what was asked, for all that."""
    stalls: bool = False
    """The time allowed for an answer passes."""
    downloads: bool = False
    """It means something at a download alone."""
    submits: bool = False
    """It is told apart from others at the submit alone, and is played there once."""

    @property
    def answers(self) -> bool:
        """Whether a whole answer comes, good or bad."""
        reply = self.reply()
        return reply.status is not None and reply.drips is None


def _of(status: int, *, acts: bool = False) -> Callable[[], Reply]:
    return lambda: Reply(status, _PAGE, _HTML, acts=acts)


ANSWERS: Mapping[str, Answering] = {
    "503_later": Answering(
        lambda: Reply(503, headers={"Retry-After": "2"}),
        "busy",
        "503 with Retry-After",
    ),
    "503": Answering(_of(503), "busy", "503 without Retry-After"),
    "503_far": Answering(
        lambda: Reply(503, headers={"Retry-After": "3600"}),
        "far",
        "503 with a Retry-After past the job's time",
        submits=True,
    ),
    "429": Answering(_of(429), "busy", "429"),
    "450": Answering(_of(450), "busy", "450", submits=True),
    "500": Answering(_of(500), "fault", "500"),
    "500_acts": Answering(
        _of(500, acts=True), "fault", "500, though it acted", acts=True
    ),
    "408": Answering(_of(408), "unclear", "408", submits=True),
    "408_acts": Answering(
        _of(408, acts=True), "unclear", "408, though it acted", acts=True, submits=True
    ),
    "502": Answering(_of(502), "unclear", "502"),
    "502_acts": Answering(
        _of(502, acts=True), "unclear", "502, though it acted", acts=True
    ),
    "504": Answering(_of(504), "unclear", "504"),
    "504_acts": Answering(
        _of(504, acts=True), "unclear", "504, though it acted", acts=True
    ),
    "403": Answering(_of(403), "denied", "403"),
    "404_page": Answering(_of(404), "refused", "a 404 page"),
    "302": Answering(
        lambda: Reply(302, headers={"Location": "http://127.0.0.1:1/"}),
        "redirected",
        "a redirect",
        submits=True,
    ),
    "400": Answering(
        lambda: Reply.of_json(_INVALID, status=400),
        "invalid",
        "400: a node's input is refused",
        submits=True,
    ),
    "garbage": Answering(lambda: Reply(200, b"\x00{no json"), "bad", "garbage"),
    "garbage_acts": Answering(
        lambda: Reply(200, b"\x00{no json", acts=True),
        "bad",
        "garbage, though it acted",
        acts=True,
    ),
    "page": Answering(
        lambda: Reply(200, _PAGE, _HTML), "bad", "a page in its place", downloads=True
    ),
    "other_json": Answering(lambda: Reply.of_json(["odd"]), "bad", "other JSON"),
    "empty": Answering(lambda: Reply(200), "bad", "an empty 200"),
    "lost": Answering(
        lambda: Reply.lost(acts=False), "unclear", "the connection ends before it acts"
    ),
    "lost_acts": Answering(
        lambda: Reply.lost(acts=True),
        "unclear",
        "the connection ends after it acted",
        acts=True,
    ),
    "reset": Answering(
        lambda: Reply.lost(acts=False, resets=True),
        "unclear",
        "the connection is reset before it acts",
    ),
    "reset_acts": Answering(
        lambda: Reply.lost(acts=True, resets=True),
        "unclear",
        "the connection is reset after it acted",
        acts=True,
    ),
    "broken_off": Answering(
        lambda: Reply(sends=2), "unclear", "the answer breaks off", acts=True
    ),
    "drips": Answering(
        lambda: Reply(
            200, b" " * 12, {"Content-Length": "99"}, drips=threading.Event()
        ),
        "unclear",
        "the answer drips, and breaks off",
    ),
    "stalls": Answering(
        lambda: Reply(gate=threading.Event()),
        "unclear",
        "nothing comes, until it is given up",
        stalls=True,
    ),
    "stalls_acts": Answering(
        lambda: Reply(late=threading.Event()),
        "unclear",
        "it acts, and nothing comes until it is given up",
        acts=True,
        stalls=True,
    ),
}
"""By name."""

GREETING = "GET /system_stats"
SUBMIT = "POST /prompt"
WATCHING = ("GET /queue", "GET /history/{id}", "GET /api/jobs/{id}")
DOWNLOAD = "GET /view"
ROUTES = (GREETING, SUBMIT, *WATCHING, DOWNLOAD)
"""The routes that every job may need."""
SOCKET, FEATURES = "GET /ws", "GET /features"
OFFERS, HEIRS = "GET /object_info", "GET /node_replacements"
_USELESS = ("500", "garbage", "reset", "broken_off", "stalls")
HELPFUL: Mapping[str, Sequence[str]] = {
    SOCKET: _USELESS,
    FEATURES: _USELESS,
    OFFERS: _USELESS,
    HEIRS: ("500", "garbage"),
}
"""The routes that a job is better with and can do without, and how they are answered,
for ever."""
LOOKING, UPLOAD = "HEAD /view", "POST /upload/image"
UPLOADING: Mapping[str, Mapping[str, int | None]] = {
    LOOKING: {"reset": 1, "404_page": None, "403": None, "500": None},
    UPLOAD: {"503": 1, "reset_acts": 1, "403": None, "500": None, "garbage": None},
}
"""The routes that bring a job's input files, how they are answered, and how often."""
CANCEL = "POST /api/jobs/{id}/cancel"
CANCELLING = (CANCEL, "POST /queue", "POST /interrupt")
"""The routes of whoever cancels a job."""
IN_VAIN: Mapping[str, int | None] = {"503": 1, "reset_acts": 1, "stalls": None}
"""How they are answered, and how often."""
FREE = "POST /free"
EVERY_ROUTE = (*ROUTES, *HELPFUL, *UPLOADING, *CANCELLING)
