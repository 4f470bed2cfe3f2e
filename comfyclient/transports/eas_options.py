"""How a queue service is reached, and results are taken from it. Pure."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from ..config.settings import EnvironmentSettings, default_ledger, default_parking
from ..config.urls import EAS_HOST, EAS_PATH
from ..errors import ConfigError
from .endpoint import Endpoint

_ADDED = ("/sink", "/api_prompt", "/prompt")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What the configuration says of the queue of an environment."""

    group: str
    """Readers of one group share the results of a service; each other has its own."""
    parking: Path
    """The folder for results that are parked."""
    results: Literal["watch", "poll"] = "watch"
    """Over a websocket, or by asking for each request."""
    window: int = 50
    """Results handed to this reader before it commits one."""
    unknown_results: Literal["leave", "park", "pass"] = "leave"
    """What becomes of results of tasks that no job here ever had."""
    named_group: bool = False
    """Whether the group was chosen: then those of other ledgers may be in it too."""


def queue_options(
    environment: str, settings: EnvironmentSettings, endpoint: Endpoint
) -> QueueOptions:
    """What the configuration says of an environment's queue at this address.

    Raises:
        ConfigError: the address cannot be that of a queue.
    """
    check_queue_url(endpoint)
    queue = settings.queue
    group, parking = queue.group, queue.parking
    if group is None:
        ledger = settings.ledger
        group = group_of(
            environment, default_ledger(environment) if ledger is None else ledger
        )
    return QueueOptions(
        group=group,
        parking=default_parking(environment) if parking is None else parking,
        results=queue.results,
        window=queue.window,
        unknown_results=queue.unknown_results,
        named_group=queue.group is not None,
    )


def group_of(environment: str, ledger: str) -> str:
    """The consumer group of those who share an environment and its ledger.

    Whoever has another ledger is another application, and gets results of its own. A
    file is another one on each machine; of a URL, the password makes no difference.
    """
    parts = urlsplit(ledger)
    place = f"{parts.scheme}//{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.scheme.startswith("sqlite"):
        place = f"{socket.gethostname()}:{place}"
    digest = hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()
    return f"comfyclient-{environment}-{digest[:8]}"


def check_queue_url(endpoint: Endpoint) -> None:
    """Refuse an address that cannot be that of an API edition.

    Raises:
        ConfigError: it has no service's name, or goes beyond it.
    """
    parts = urlsplit(endpoint.url)
    path = parts.path.rstrip("/")
    ends = "end it with the service's name: …/api/predict/<service>"
    named = EAS_PATH.fullmatch(path)
    slip, hint = None, ends
    if not path:
        slip, hint = "has no path, and a queue needs one", _with_path(parts)
    elif path in {"/api", "/api/predict", "/predict"}:
        slip = f"ends with {path}, and names no service"
    elif any(path.endswith(end) for end in _ADDED):
        slip = f"ends with /{path.rpartition('/')[2]}, which we add"
    elif named is not None and named["beyond"]:
        slip = f"goes on behind the service's name, with {named['beyond'][:40]}"
    elif parts.query:
        slip = "has a query, which the queue would take for tags of each request"
        hint = "leave it out; a token belongs into token_env or token_file"
    if slip is not None:
        raise ConfigError(f"instance {endpoint.name}: the url {slip}", hint=hint)


def _with_path(parts: SplitResult) -> str:
    """Where the queue is of a service that was named by a host of its own."""
    host = EAS_HOST.fullmatch(parts.hostname or "")
    if host is None or host["service"] is None:
        return (
            "write http://<uid>.<region>.pai-eas.aliyuncs.com/api/predict/<service>, "
            "or the same with a gateway's host"
        )
    gateway = host[0].removeprefix(f"{host['service']}.")
    return f"write {parts.scheme}://{gateway}/api/predict/{host['service']}"
