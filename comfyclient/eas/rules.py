"""What must hold between the keys of a service's JSON, beyond each key itself. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from ..config.errors import Mistake
from ..config.toml_lines import Location
from .regions import oss_address
from .service import Autoscaler, Container, Mount, ServiceSpec

_RESERVED_PORTS = {8080, 9090}
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/opt", "/proc", "/root", "/run")
_SYSTEM_TOO = ("/sbin", "/sys", "/tmp", "/usr", "/var")
_TAG = re.compile(r":(?P<tag>[\w.-]+)$")
_IMAGE_REGION = re.compile(r"registry(?:-vpc)?\.(?P<region>[\w-]+)\.cr\.aliyuncs\.com/")


def mistakes_in(spec: ServiceSpec) -> list[Mistake]:
    """Whatever in a service contradicts itself, or what EAS and ComfyUI ask for."""
    return [
        *_edition(spec),
        *_machines(spec),
        *_process(spec.containers[0], spec.storage),
        *_image(spec),
        *_mounts(spec),
        *_scaling(spec),
    ]


def _wrong(words: str, hint: str, *at: str | int) -> Mistake:
    return Mistake(words, hint=hint, location=tuple(at))


def _edition(spec: ServiceSpec) -> Iterator[Mistake]:
    meta = spec.metadata
    if spec.edition == "api":
        if meta.enable_webservice:
            yield _wrong(
                "metadata.enable_webservice: the API edition has no web page",
                "leave it out",
                "metadata", "enable_webservice",
            )  # fmt: skip
        if meta.rpc is not None and meta.rpc.worker_threads not in {None, 1}:
            yield _wrong(
                f"metadata.rpc.worker_threads is {meta.rpc.worker_threads}: a ComfyUI "
                "runs one job at a time, the others wait where nobody sees them",
                "set it to 1",
                "metadata", "rpc", "worker_threads",
            )  # fmt: skip
        return
    if meta.instance > 1:
        yield _wrong(
            f"metadata.instance is {meta.instance}: the standard edition keeps its "
            "jobs in each process, and the next request may reach another one",
            'set it to 1, or take the API edition: metadata.type = "Async"',
            "metadata", "instance",
        )  # fmt: skip
    if spec.queue is not None:
        yield _wrong(
            "queue: only the API edition has one",
            'leave it out, or set metadata.type to "Async"',
            "queue",
        )


def _machines(spec: ServiceSpec) -> Iterator[Mistake]:
    meta, cloud = spec.metadata, spec.cloud
    computing = None if cloud is None else cloud.computing
    if computing is not None and meta.resource:
        yield _wrong(
            "cloud.computing and metadata.resource name two places to run in",
            "keep metadata.resource for a dedicated resource group, else the other",
            "metadata", "resource",
        )  # fmt: skip
    if computing is None and not meta.resource:
        yield _wrong(
            "cloud.computing.instances is missing: no machine is named",
            "name a type, such as ml.gu7i.c16m60.1-gu30",
            "cloud",
        )
    if meta.gpu is not None and meta.gpu != 1:
        yield _wrong(
            f"metadata.gpu is {meta.gpu}: an instance uses one GPU",
            "set it to 1, and take more instances of the API edition for more pictures",
            "metadata", "gpu",
        )  # fmt: skip


def _process(container: Container, mounts: tuple[Mount, ...]) -> Iterator[Mistake]:
    at: Location = ("containers", 0)
    if (container.command is None) == (container.script is None):
        yield _wrong(
            "containers[0] needs one of command and script",
            "keep the one that starts ComfyUI",
            *at,
        )
        return
    key = "command" if container.command is not None else "script"
    text = container.command if container.command is not None else container.script
    assert text is not None
    options = dict(_options(text))
    paths = [mount.mount_path.rstrip("/") for mount in mounts]
    if options.get("--data-dir", "").rstrip("/") not in paths:
        found = options.get("--data-dir")
        shown = "is missing" if found is None else f"is {found}"
        yield _wrong(
            f"containers[0].{key}: --data-dir {shown}, the storage is mounted at "
            f"{', '.join(paths)}",
            f"write --data-dir {paths[0]}: else models and outputs are not in it",
            *at, key,
        )  # fmt: skip
    if options.get("--port", str(container.port)) != str(container.port):
        yield _wrong(
            f"containers[0].port is {container.port}, {key} says --port "
            f"{options['--port']}",
            "give both the same",
            *at, "port",
        )  # fmt: skip
    if container.port in _RESERVED_PORTS:
        yield _wrong(
            f"containers[0].port {container.port} belongs to EAS itself",
            "take 8000",
            *at, "port",
        )  # fmt: skip


def _options(command: str) -> Iterator[tuple[str, str]]:
    """The options of a command, each with what follows it."""
    try:
        words = shlex.split(command.replace("\n", " "))
    except ValueError:
        words = command.split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            yield name, value if equals else following


def _image(spec: ServiceSpec) -> Iterator[Mistake]:
    image = spec.containers[0].image
    tag = _TAG.search(image)
    at: Location = ("containers", 0, "image")
    if tag is None or "/pai-eas/comfyui:" not in image:
        return  # an image of one's own: nothing is known of it
    if tag["tag"].endswith("-cluster"):
        yield _wrong(
            f"containers[0].image: {tag['tag']} is the cluster edition: no API",
            "take a tag without -cluster, or with -api",
            *at,
        )
    elif tag["tag"].endswith("-api") is not (spec.edition == "api"):
        kind = "API" if tag["tag"].endswith("-api") else "standard"
        yield _wrong(
            f"containers[0].image: {tag['tag']} is the {kind} edition, metadata.type "
            f"makes this the {'API' if spec.edition == 'api' else 'standard'} one",
            "the API edition has a tag with -api and metadata.type Async",
            *at,
        )


def image_region(image: str) -> str | None:
    """The region whose registry an image is in, as far as its address says."""
    found = _IMAGE_REGION.search(image)
    return None if found is None else found["region"]


def _mounts(spec: ServiceSpec) -> Iterator[Mistake]:
    for index, mount in enumerate(spec.storage):
        at: Location = ("storage", index)
        key = f"storage[{index}]"
        if (mount.oss is None) == (mount.nfs is None):
            yield _wrong(f"{key} needs one of oss and nfs", "keep one", *at)
            continue
        if _system(mount.mount_path):
            yield _wrong(
                f"{key}.mount_path {mount.mount_path} is a folder of the system",
                "take /code/data-oss or /mnt/data",
                *at, "mount_path",
            )  # fmt: skip
        yield from _one_mount(spec, mount, at, key)
    yield from _inside_each_other(spec.storage)


def _one_mount(
    spec: ServiceSpec, mount: Mount, at: Location, key: str
) -> Iterator[Mistake]:
    kind = "oss" if mount.oss is not None else "nfs"
    store = mount.oss if mount.oss is not None else mount.nfs
    assert store is not None
    if store.readOnly:
        yield _wrong(
            f"{key}.{kind}.readOnly: ComfyUI writes its outputs there",
            "set it to false",
            *at, kind, "readOnly",
        )  # fmt: skip
    if mount.oss is not None and not mount.oss.path.endswith("/"):
        yield _wrong(
            f"{key}.oss.path {mount.oss.path} must end in /",
            f"write {mount.oss.path}/",
            *at, "oss", "path",
        )  # fmt: skip
    if mount.nfs is not None and (spec.cloud is None or spec.cloud.networking is None):
        yield _wrong(
            f"{key}.nfs is reached through a VPC, and cloud.networking names none",
            "add vpc_id, vswitch_id and security_group_id of the file system's network",
            "cloud", "networking",
        )  # fmt: skip
    yield from _region_of_mount(spec, mount, at, key)


def _region_of_mount(
    spec: ServiceSpec, mount: Mount, at: Location, key: str
) -> Iterator[Mistake]:
    region = image_region(spec.containers[0].image)
    if mount.oss is None or mount.oss.endpoint is None or region is None:
        return
    found = oss_address(mount.oss.endpoint)
    if found is not None and found.region not in {None, region}:
        yield _wrong(
            f"{key}.oss.endpoint is in {found.region}, the image in {region}: the "
            "bucket must be in the service's region",
            "use a bucket there, or copy what is needed",
            *at, "oss", "endpoint",
        )  # fmt: skip


def _system(path: str) -> bool:
    wanted = PurePosixPath(path)
    folders = (*_SYSTEM, *_SYSTEM_TOO)
    return str(wanted) == "/" or any(wanted.is_relative_to(one) for one in folders)


def _inside_each_other(mounts: tuple[Mount, ...]) -> Iterator[Mistake]:
    paths = [PurePosixPath(mount.mount_path) for mount in mounts]
    for index, path in enumerate(paths):
        for other in paths[:index]:
            if path.is_relative_to(other) or other.is_relative_to(path):
                yield _wrong(
                    f"storage[{index}].mount_path {path} and {other} overlap",
                    "mount them beside each other",
                    "storage", index, "mount_path",
                )  # fmt: skip


def _scaling(spec: ServiceSpec) -> Iterator[Mistake]:
    scaler = spec.autoscaler
    if scaler is None:
        return
    if scaler.min > scaler.max:
        yield _wrong(
            f"autoscaler.min {scaler.min} is more than max {scaler.max}",
            "swap them",
            "autoscaler", "min",
        )  # fmt: skip
    yield from _started(spec.metadata.instance, scaler)
    if spec.edition == "standard" and (scaler.max > 1 or scaler.min == 0):
        yield _wrong(
            "autoscaler: the standard edition keeps its jobs in its one process: a "
            "second one mixes them up, and without one nobody wakes it",
            "leave it out, or take the API edition",
            "autoscaler",
        )


def _started(instances: int, scaler: Autoscaler) -> Iterator[Mistake]:
    """Where the service starts with a number that its autoscaler would not keep."""
    nearest = scaler.min if instances < scaler.min else scaler.max
    if scaler.min <= scaler.max and not scaler.min <= instances <= scaler.max:
        yield _wrong(
            f"metadata.instance is {instances}, the autoscaler keeps {scaler.min} to "
            f"{scaler.max}",
            f"set it to {nearest}, or widen autoscaler.min and max",
            "metadata", "instance",
        )  # fmt: skip
