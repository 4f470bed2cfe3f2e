"""What the gateway of PAI-EAS means by an answer that is its own. Pure.

The codes are those of the official page on status codes and common errors, but for 403,
which is on none; what may be done about each is our reading. A request that was surely
not worked on may be sent again; where that is not certain, the server is asked first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..eas.regions import eas_address
from ..errors import AccessDeniedError, BusyError, TransportError, UnclearAnswerError

_PATH = re.compile(r"/(?:api/)?predict/[^/]+")
_RESET = re.compile(rb"disconnect/reset before headers.*?reset reason: ([\w ]+)", re.S)
_NO_PATH = re.compile(rb'\{\s*"detail"\s*:\s*"Not Found"\s*\}')
_PAGE = re.compile(rb"\s*<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE)
_NOT_SENT = frozenset({"connection failure", "connection timeout", "overflow"})
"""Envoy's reasons for which the request did not reach the instance."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A status of the gateway as an error of ours, and what to do about it."""

    kind: type[TransportError]
    hint: str


_MEANINGS = {
    401: Meaning(
        AccessDeniedError,
        "the service's token is missing or wrong: it is in the service's call "
        "information, and is sent as it stands there, without a word before it",
    ),
    403: Meaning(
        AccessDeniedError,
        "no page of PAI-EAS has this code: see whether the gateway has an access list "
        "that this caller is not on",
    ),
    408: Meaning(
        UnclearAnswerError,
        "the service gave up after metadata.rpc.keepalive (5 s unless set), the time "
        "in its queue included: raise it",
    ),
    429: Meaning(
        BusyError,
        "a limit of requests per second: the shared gateway's (1,000 for a service), "
        "or the service's own, metadata.rpc.rate_limit",
    ),
    450: Meaning(
        BusyError,
        "the instance's own queue was full, and dropped the request: send fewer at a "
        "time (window), or raise metadata.rpc.max_queue_size (64 unless set)",
    ),
    502: Meaning(UnclearAnswerError, "the instance's answer was cut off or was none"),
    503: Meaning(
        BusyError,
        "no instance of the service is ready: it starts (about 5 minutes), has "
        "crashed, or was scaled to none",
    ),
    504: Meaning(
        UnclearAnswerError,
        "the gateway's time was over before the service answered: the API edition has "
        "a queue for what takes long",
    ),
}


_NO_SERVICE = (
    "the gateway knows no such service: check the url to its last letter (it ends with "
    "the service's name); a serverless edition has no API"
)


def is_gateway(url: str) -> bool:
    """Whether a gateway of PAI-EAS stands before this address."""
    return eas_address(url) is not None or _PATH.match(urlsplit(url).path) is not None


def meaning_of(status: int, body: bytes, *, gateway: bool) -> Meaning | None:
    """What a status means where a gateway gave it; None where it means the usual."""
    reset = _RESET.search(body) if status in {502, 503} else None
    if reset is not None:  # Envoy, whoever runs it: a 503, but the request was sent
        reason = reset[1].decode().strip().lower()
        if reason not in _NOT_SENT:
            return Meaning(
                UnclearAnswerError,
                f"the gateway lost its connection to the instance ({reason}): a stale "
                "one, or an instance that died or takes too long",
            )
    return _MEANINGS.get(status) if gateway else None


def not_found_hint(url: str, body: bytes) -> str:
    """What to look at where an address answers 404."""
    if not is_gateway(url):
        return "check the instance's url and its path prefix"
    if _of_the_gateway(body):
        return _NO_SERVICE
    return (
        "the service has no such path: the API edition takes only api_prompt "
        "(transport = 'eas-queue'), and a url must not end with /prompt"
    )


def _of_the_gateway(body: bytes) -> bool:
    words = body[:200].strip().lower()
    return words.startswith((b"url not found", b"404 page not found"))


def no_queue_hint(body: bytes) -> str | None:
    """What to look at where a queue is asked for and the answer is a 404.

    None: it may be the queue's own, which has no such item.
    """
    if _of_the_gateway(body):
        return _NO_SERVICE
    if _NO_PATH.search(body):
        return (
            "a service answers there that has no queue: one of the standard edition "
            "has transport = 'comfyui'; of an API edition the url ends with its name"
        )
    return PAGE_HINT if is_page(body) else None


PAGE_HINT = (
    "a page for people was answered: a proxy, or a log-in, stands before the queue"
)


def is_page(body: bytes) -> bool:
    """Whether a browser was meant: no queue answers so."""
    return _PAGE.match(body) is not None
