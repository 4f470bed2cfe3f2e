"""Which region and network an address of Alibaba Cloud belongs to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..config.urls import EAS_HOST, EAS_PATH

_REGION = r"[a-z]{2}-[a-z]+(?:-[a-z0-9]+)*"
_OSS = (
    re.compile(
        rf"(?:.+\.)?oss-(?P<region>{_REGION}?)(?P<internal>-internal)?\.aliyuncs\.com"
    ),
    re.compile(rf"(?:.+\.)?(?P<region>{_REGION})\.oss\.aliyuncs\.com"),
)
_ACCELERATED = re.compile(r"(?:.+\.)?oss-accelerate(-overseas)?\.aliyuncs\.com")
_MAAS = re.compile(rf"[\w-]+\.(?P<region>{_REGION})\.maas\.aliyuncs\.com")
_DASHSCOPE = {
    "dashscope.aliyuncs.com": "cn-beijing",
    "dashscope-intl.aliyuncs.com": "ap-southeast-1",
    "dashscope-us.aliyuncs.com": "us-east-1",
}


@dataclass(frozen=True, slots=True)
class EasAddress:
    """What the URL of a PAI-EAS service says of it."""

    service: str | None
    """Its name, where the URL has it."""
    region: str
    vpc: bool
    """Whether only the region's own network reaches it."""
    dedicated: bool
    """Whether a dedicated gateway stands before it, not the shared one."""


@dataclass(frozen=True, slots=True)
class OssAddress:
    """What an OSS endpoint says of itself."""

    region: str | None
    """None where it serves every region: an accelerated one."""
    internal: bool
    """Whether only the region's own network reaches it."""


def eas_address(url: str) -> EasAddress | None:
    """What a URL says of its PAI-EAS service; None where it is of no such service."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    found = EAS_HOST.fullmatch(host)
    if found is None:
        return None
    named = EAS_PATH.match(parts.path)
    return EasAddress(
        service=found["service"] if named is None else named["service"],
        region=found["region"],
        vpc=found["vpc"] is not None,
        dedicated=found["owner"].startswith("gw-"),
    )


def oss_address(endpoint: str) -> OssAddress | None:
    """What an endpoint says of itself; None where it is none of Alibaba Cloud's OSS."""
    host = host_of(endpoint)
    if _ACCELERATED.fullmatch(host):
        return OssAddress(None, internal=False)
    for shape in _OSS:
        found = shape.fullmatch(host)
        if found is not None:
            internal = found.groupdict().get("internal") is not None
            return OssAddress(found["region"], internal=internal)
    return None


def dashscope_region(url: str) -> str | None:
    """The region that a host of DashScope serves; None where it is another's."""
    host = host_of(url)
    found = _MAAS.fullmatch(host)
    return _DASHSCOPE.get(host) if found is None else found["region"]


def host_of(address: str) -> str:
    """The host of an address, with or without a scheme; empty where it has none."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        return (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""
