"""Who must be let in where, for the jobs of an environment: to be asked early. Pure.

Networks, grants and regions take longest to get, and are what is planned last. So this
is told by the configuration and the templates alone, before any service is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import JsonValue

from ..config.addresses import bucket_at
from ..config.settings import EnvironmentSettings, StorageSettings
from .regions import eas_address, host_of, oss_address

Purpose: TypeAlias = Literal["run", "push", "look"]
"""Whose grants: a backend's that runs jobs, somebody's who fills the mount, or a
reader's."""
PURPOSES: tuple[Purpose, ...] = ("run", "push", "look")


@dataclass(frozen=True, slots=True)
class Way:
    """One way that must be open."""

    source: str
    """`client`, or `service`."""
    target: str
    """A host and port, or what stands for several."""
    why: str
    takes: str = "outbound TCP"
    """What somebody must grant or build."""

    def as_json(self) -> dict[str, JsonValue]:
        """It for a script."""
        return {
            "from": self.source,
            "to": self.target,
            "takes": self.takes,
            "why": self.why,
        }


def ways_of(
    environment: EnvironmentSettings,
    *,
    models_at: str | None = None,
    paints: bool = False,
    result_hosts: tuple[str, ...] = (),
    calling: Mapping[str, str] | None = None,
) -> Iterator[Way]:
    """The ways that an environment's jobs go.

    Args:
        environment: its addresses and storage.
        models_at: the address of DashScope, where it is used from here.
        paints: whether pictures of hosted models are fetched.
        result_hosts: where these are left.
        calling: node classes that call out of the service, and their templates.
    """
    for instance in environment.instances:
        address = eas_address(instance.url)
        inside = address is not None and address.vpc
        region = "" if address is None else address.region
        yield Way(
            "client",
            _host_and_port(instance.url),
            f"instance {instance.name}",
            f"a place in a VPC of {region}: the address is internal"
            if inside
            else "outbound TCP, and the service's token",
        )
    yield from _to_storage(environment)
    if models_at is not None:
        yield Way("client", _host_and_port(models_at), "words and pictures of models")
    if models_at is not None and paints:
        for host in result_hosts:
            yield Way("client", f"{host}:443", "pictures that models left there")
    for class_type, ref in sorted((calling or {}).items()):
        yield Way(
            "service",
            "the internet, DashScope for one",
            f"{class_type} of {ref}",
            "cloud.networking of the service; in its VPC an internet NAT gateway, an "
            "EIP, an SNAT entry for the vSwitch",
        )


def _to_storage(environment: EnvironmentSettings) -> Iterator[Way]:
    storage = environment.storage
    if storage.kind == "mount":
        yield Way(
            "client",
            str(storage.root),
            "outputs, and inputs",
            "the NAS or bucket that the service mounts, mounted on this machine too",
        )
    if storage.kind != "oss" or storage.endpoint is None:
        return
    address = oss_address(storage.endpoint)
    inside = address is not None and address.internal
    url = _with_scheme(storage.endpoint)
    if address is not None:
        url = f"{urlsplit(url).scheme}://{storage.bucket}.{host_of(url)}"
    yield Way(
        "client",
        _host_and_port(url),
        "outputs, and inputs",
        f"a place in a network of {address.region}: the endpoint is internal"
        if inside and address is not None
        else "outbound TCP, and the grants below",
    )
    region = storage.region if address is None else address.region
    yield Way(
        "service",
        f"oss://{storage.bucket}/{_prefix(storage)}",
        "the mount of models, nodes, inputs and outputs",
        f"the bucket in the service's own region{f', {region}' if region else ''}",
    )


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"https://{address}"


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    usual = 443 if parts.scheme == "https" else 80
    return f"{parts.hostname}:{usual if parts.port is None else parts.port}"


def _prefix(storage: StorageSettings) -> str:
    """The prefix as keys begin with it: empty, or ending in `/`."""
    folder = bucket_at("b", endpoint=None, prefix=storage.prefix)
    return "".join(f"{step}/" for step in folder.steps[3:])


# -- grants


def policy_of(
    storage: StorageSettings, purpose: Purpose
) -> dict[str, JsonValue] | None:
    """The RAM policy that a purpose takes, and no more; None where there is no bucket.

    It allows below the environment's own prefix alone: with it, a key of test can do
    nothing to prod.
    """
    if storage.kind != "oss" or storage.bucket is None:
        return None
    prefix, bucket = _prefix(storage), f"acs:oss:*:*:{storage.bucket}"
    statements: list[JsonValue] = [
        _allow(
            ["oss:ListObjects"],
            [bucket],
            {"StringLike": {"oss:Prefix": [f"{prefix}*"]}},
        )
    ]
    for actions, folders in _GRANTS[purpose]:
        below = [f"{bucket}/{prefix}{folder}/*" for folder in folders]
        statements.append(_allow([*actions], [*below]))
    return {"Version": "1", "Statement": statements}


_READ = ("oss:GetObject",)
_WRITE = ("oss:PutObject", "oss:AbortMultipartUpload")
_DELETE = ("oss:DeleteObject",)
_GRANTS: Mapping[Purpose, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "run": (
        (_READ, ("output", "temp", "input")),
        (_WRITE, ("input",)),
        (_DELETE, ("output", "temp", "input")),
    ),
    "push": (
        (_READ, ("models", "custom_nodes", "input")),
        (_WRITE, ("models", "custom_nodes", "input")),
    ),
    "look": ((_READ, ("output", "temp")),),
}
"""By purpose: actions, and the folders of the mount that they are for."""


def _allow(
    actions: list[JsonValue],
    resources: list[JsonValue],
    condition: dict[str, JsonValue] | None = None,
) -> dict[str, JsonValue]:
    statement: dict[str, JsonValue] = {
        "Effect": "Allow",
        "Action": actions,
        "Resource": resources,
    }
    return statement if condition is None else {**statement, "Condition": condition}
