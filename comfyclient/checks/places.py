"""Regions: those of service, bucket, hosted models and results against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.settings import EnvironmentSettings, InstanceSettings
from ..eas.regions import dashscope_region, eas_address, oss_address
from ..timing import Deadline
from .base import Diagnosis, fail, ok, skipped, warn
from .network import Network, Way, host_at

_CITIES = {
    "bj": "cn-beijing",
    "hz": "cn-hangzhou",
    "sh": "cn-shanghai",
    "wlcb": "cn-wulanchabu",
    "zjk": "cn-zhangjiakou",
    "sz": "cn-shenzhen",
    "hy": "cn-heyuan",
    "cd": "cn-chengdu",
    "gz": "cn-guangzhou",
}
RESULT_HOSTS = tuple(
    f"dashscope-result-{city}.oss-{region}.aliyuncs.com"
    for city, region in _CITIES.items()
)
"""The documented names, with the region that each city's letters stand for."""


def of_instance(
    instance: InstanceSettings, name: str, environment: EnvironmentSettings
) -> Diagnosis:
    """Whether a service is where its environment and its bucket are."""
    address = eas_address(instance.url)
    if address is None:
        return skipped("its address tells no region: it is none of PAI-EAS")
    where = address.region
    if environment.region not in {None, where}:
        return fail(
            f"the service is in {where}, the environment says {environment.region}",
            f'set environments.{name}.region = "{where}", or name the other service',
        )
    bucket = _bucket_region(environment)
    if bucket is not None and bucket != where:
        return fail(
            f"the service is in {where}, the bucket in {bucket}: PAI-EAS mounts no "
            "bucket of another region",
            f"use a bucket in {where}; OSS replication copies what is needed",
        )
    network = "VPC" if address.vpc else "public"
    gateway = "a dedicated gateway" if address.dedicated else "the shared gateway"
    text = f"{where}, {network} address, {gateway}"
    if environment.protected and not address.dedicated:
        return warn(
            f"{text}, which is meant for tests: its bandwidth is shared",
            "a dedicated gateway for production: `eas spec --gateway`",
        )
    return ok(text)


def of_storage(name: str, environment: EnvironmentSettings) -> Diagnosis:
    """Whether the bucket is where the environment is."""
    storage = environment.storage
    address = None if storage.endpoint is None else oss_address(storage.endpoint)
    told = None if address is None else address.region
    if storage.region is not None and told not in {None, storage.region}:
        return fail(
            f"storage.endpoint is in {told}, storage.region says {storage.region}",
            "name the bucket's own region in both",
        )
    region = told if storage.region is None else storage.region
    if region is None and address is None:
        return skipped("its address tells no region")
    if environment.region is not None and region not in {None, environment.region}:
        return fail(
            f"the bucket is in {region}, the environment in {environment.region}: its "
            "services cannot mount it",
            f"a bucket in {environment.region}, or "
            f'environments.{name}.region = "{region}"',
        )
    if address is not None and address.region is None:
        return warn(
            "it is an accelerated endpoint, which serves every region",
            "the endpoint of the bucket's own region is cheaper from near by",
        )
    if address is None:
        return ok(f"{region}, at an endpoint of your own")
    inside = "internal: reached from inside the region only"
    return ok(f"{region}, {inside if address.internal else 'public endpoint'}")


def of_models(
    base: str, *, configured: str | None, environment: EnvironmentSettings
) -> Diagnosis:
    """Whether hosted models are where their key is, and how far from the service."""
    region = dashscope_region(base)
    if region is None:
        return skipped("its address is none of DashScope's: it tells no region")
    if configured not in {None, region}:
        return fail(
            f"the host is that of {region}, dashscope.region says {configured}",
            "keys and hosts are of one region: keep region or base_address",
        )
    home = environment.region
    if home is None or home == region:
        return ok(f"the models are in {region}")
    text = f"the models are in {region}, the environment in {home}"
    if home.startswith("cn-") is not region.startswith("cn-"):
        return warn(
            f"{text}: what is sent crosses a border, and is slow",
            "a site on the environment's own side: dashscope.region, with its own key",
        )
    return ok(f"{text}: results are brought here, and from here to the bucket")


def result_buckets(
    deadline: Deadline, *, hosts: Sequence[str] = RESULT_HOSTS, network: Network
) -> Diagnosis:
    """Whether the buckets can be reached that pictures of models are left in."""
    troubles: Mapping[str, str] = {
        host: said
        for number, host in enumerate(hosts)
        if (said := _unreached(host, deadline, len(hosts) - number, network))
    }
    reached = len(hosts) - len(troubles)
    text = f"{reached} of {len(hosts)} buckets are reached"
    if not troubles:
        return ok(f"{text}; which one is used is never known before")
    first = next(iter(troubles.items()))
    remedy = "allow outbound https to dashscope-result-*.oss-*.aliyuncs.com"
    told = f"{text}; {first[0]}: {first[1]}"
    return warn(told, remedy) if reached else fail(told, remedy)


def _unreached(
    host: str, deadline: Deadline, left: int, network: Network
) -> str | None:
    """Why a host is not reached; None where it is."""
    share = deadline.within(deadline.remaining() / left)
    way = Way(host_at(f"https://{host}"), network=network)
    for step in (way.dns, way.tcp):
        found = step(share)
        if found.remedy is not None:
            return found.evidence
    return None


def _bucket_region(environment: EnvironmentSettings) -> str | None:
    storage = environment.storage
    if storage.kind != "oss" or storage.endpoint is None:
        return None
    address = oss_address(storage.endpoint)
    told = None if address is None else address.region
    return told if storage.region is None else storage.region
