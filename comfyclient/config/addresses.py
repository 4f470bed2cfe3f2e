"""Whether two addresses or folders are the same place, however they are written."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import unicodedata
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .urls import EAS_HOST, EAS_PATH

_DEFAULT_PORTS = {"http": 80, "https": 443}
_OSS_HOST = re.compile(r"(?:^|\.)oss[-.][\w.-]*aliyuncs\.com$|\.oss\.aliyuncs\.com$")


def service_at(url: str) -> Hashable:
    """What answers at an instance's URL; equal for two URLs of the same service.

    Scheme, default port, case of the host, trailing slashes, user and query make no
    difference, nor does the network (public or VPC) that a PAI-EAS service is reached
    through, or how its gateway is asked for it.
    """
    parts = urlsplit(url)
    host, path = _host(parts.hostname), _path(parts.path)
    eas, named = EAS_HOST.fullmatch(host), EAS_PATH.match(path)
    if eas is not None:
        service = named["service"] if named is not None else eas["service"]
        if service is not None:
            return ("eas", eas["owner"], eas["region"], service.lower())
    port = parts.port if parts.port != _DEFAULT_PORTS.get(parts.scheme) else None
    place = f"/predict/{named['service']}" if named is not None else path
    return (host, port, place)


def _host(name: str | None) -> str:
    host = ("" if name is None else name).lower().rstrip(".")
    with suppress(UnicodeError):
        host = host.encode("idna").decode()
    address = _numbers(host)
    if address is None:
        return "localhost" if host.endswith(".localhost") else host
    if address.is_loopback or address.is_unspecified:
        return "localhost"
    return address.compressed


def _numbers(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is in numbers, also as resolvers read `127.1`."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        mapped = getattr(address, "ipv4_mapped", None)
        return address if mapped is None else mapped
    with suppress(OSError, ValueError):
        return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


def _path(path: str) -> str:
    """The path without empty and dotted steps."""
    steps: list[str] = []
    for step in unquote(path).split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in {"", "."}:
            steps.append(step)
    return "/" + "/".join(steps)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine, or a prefix of a bucket's names."""

    shown: str
    steps: tuple[str, ...]
    """The names on the way to it, written so that equal places are equal."""
    identity: tuple[int, int] | None = None
    """Device and inode, where it exists."""
    identities: frozenset[tuple[int, int]] = frozenset()
    """Those of all folders on the way to it that exist, its own among them."""

    def holds(self, other: Folder) -> bool:
        """Whether the other one is this one, or lies in it."""
        same = self.identity is not None and self.identity in other.identities
        return same or other.steps[: len(self.steps)] == self.steps


def folder_at(path: Path) -> Folder:
    """A folder of this machine: links are followed, and case makes no difference.

    A file system may tell `Test` from `test`; people, and the systems that the same
    share is mounted on elsewhere, may not.
    """
    real = Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111
    found = [i for one in (real, *real.parents) if (i := _identity(one)) is not None]
    return Folder(
        shown=str(path),
        steps=("file", *(_folded(part) for part in real.parts)),
        identity=_identity(real),
        identities=frozenset(found),
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def bucket_at(bucket: str, *, endpoint: str | None, prefix: str | None) -> Folder:
    """A prefix of a bucket's names; a prefix ends where a `/` stands."""
    steps = [step for step in ("" if prefix is None else prefix).split("/") if step]
    shown = "/".join([f"oss://{bucket}", *steps])
    where = _oss_host(endpoint, bucket.lower())
    return Folder(shown=shown, steps=("bucket", where, bucket.lower(), *steps))


def _oss_host(endpoint: str | None, bucket: str) -> str:
    """OSS itself has each bucket's name only once, whatever the region or network."""
    if endpoint is None:
        return "oss"
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urlsplit(url)
        host = _host(parts.hostname).removeprefix(f"{bucket}.")
        port = parts.port
    except ValueError:
        return endpoint.lower()
    if _OSS_HOST.search(host):
        return "oss"
    default = {None, *_DEFAULT_PORTS.values()}
    return host if port in default else f"{host}:{port}"
