"""What keeps a text from being the address of an instance, in words. Pure.

Addresses are copied from consoles, documents and calls that worked, so what is told is
the slip that was made: nothing is corrected in silence, for a signature may be in it.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

EAS_HOST = re.compile(
    r"(?:(?P<service>[\w-]+)\.)?(?P<owner>(?!vpc\.)[\w-]+?)(?P<vpc>[.-]vpc)?"
    r"\.(?P<region>[a-z]{2}-[a-z]+(?:-[a-z0-9]+)*)\.pai-eas\.aliyuncs\.com"
)
"""The hosts of PAI-EAS, shared gateways and dedicated ones, in lower case."""
EAS_PATH = re.compile(r"/(?:api/)?predict/(?P<service>[^/]+)(?P<beyond>.*)", re.DOTALL)
"""The path by which a gateway knows a service."""
_PLACEHOLDER = re.compile(r"[<>{}]")
_HOST_FIRST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?(?:[/?].*)?", re.S)
_ADDED = ("api_prompt", "history", "object_info", "prompt", "queue", "sink")
_ADDED_TOO = ("system_stats", "upload", "view", "ws")
_EITHER, _NO_HOST = "http:// or https://", "no host: it must be http(s)://host…"
SHAPE = "…/api/predict/<service>"
"""How an address of PAI-EAS ends."""


def slip_in(url: str) -> str | None:
    """What is wrong with an address, and the remedy; None where it is one."""
    if url != url.strip():
        return "blanks or line breaks at its ends: take them away"
    if not url.isprintable() or " " in url:
        return "a blank or a control character in it: take it out"
    if _PLACEHOLDER.search(url):
        return "a placeholder in it, < > or { }: put in what the console shows"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:  # its text quotes the url, and perhaps a password in it
        return "a host or port that is malformed"
    return _wrong_scheme(url, parts) or _wrong_service(parts)


def _wrong_scheme(url: str, parts: SplitResult) -> str | None:
    if parts.scheme in {"ws", "wss"}:
        return f"the scheme of a websocket: write {_EITHER}, that follows from it"
    if "://" not in url:
        bare = _HOST_FIRST.fullmatch(url)
        return f"no scheme: write {_EITHER} before it" if bare else _NO_HOST
    if parts.scheme not in {"http", "https"}:
        return f"another scheme: write {_EITHER}"
    if not parts.hostname:
        return _NO_HOST
    if parts.hostname in {"http", "https"} and parts.path.startswith("//"):
        return "its scheme twice: take one away"
    return None


def _wrong_service(parts: SplitResult) -> str | None:
    """What is wrong with the path of an address that is one of PAI-EAS."""
    eas = EAS_HOST.fullmatch((parts.hostname or "").rstrip("."))
    path = parts.path.rstrip("/")
    named = EAS_PATH.fullmatch(path)
    if eas is None and named is None:
        return None
    if "//" in path:
        return "an empty step in its path, //: write / there"
    in_host = eas is not None and eas["service"] is not None
    if named is None and (not in_host or path in {"/api/predict", "/predict"}):
        return f"no service in its path: end it with the service's name, {SHAPE}"
    steps = (path if named is None else named["beyond"]).split("/")
    added = {*_ADDED, *_ADDED_TOO} & set(steps)
    if added:
        where = "the host" if named is None else SHAPE
        return f"/{min(added)} in its path, which we add: end it with {where}"
    return None
