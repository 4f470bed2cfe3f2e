"""What each key of a service's JSON is for, and how sure that is. Pure.

Where a note says "the reference", that is the page "Deploy services using JSON
configuration files" of the EAS documentation; "the page on ComfyUI" is the one on
deploying ComfyUI on EAS; "the page on SD WebUI" describes a sister product with the
same queue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from .certainty import Sure
from .gpus import gpu_of
from .service import Edition


@dataclass(frozen=True, slots=True)
class Note:
    """What a key is for."""

    text: str
    sure: Sure

    def __str__(self) -> str:
        return f"[{self.sure}] {self.text}"


@dataclass(frozen=True, slots=True)
class Line:
    """One value of a service's JSON with its note."""

    key: str
    """Dotted, with indexes: `containers[0].image`."""
    value: JsonValue
    note: Note


_D, _R, _I = Sure.DOCUMENTED, Sure.READ, Sure.INFERRED

NOTES: dict[str, Note] = {
    "metadata.name": Note(
        "The service's name: unique in its region, and the last part of its URL. Other "
        "than the reference, the vendor's tools allow only a-z, 0-9 and _, 3 to 63.",
        _R,
    ),
    "metadata.instance": Note(
        "Instances. One is one ComfyUI process and uses one GPU, however many its "
        "machine has. The standard edition keeps its jobs in each process: one only.",
        _D,
    ),
    "metadata.type": Note(
        "`Async` puts a queue in front: that makes it the API edition. The key is from "
        "the page on SD WebUI and the vendor's SDK; the reference does not list it.",
        _I,
    ),
    "metadata.enable_webservice": Note(
        "Serve the page of ComfyUI itself beside the API. Documented for web "
        "applications; that the console sets it for ComfyUI is concluded.",
        _I,
    ),
    "metadata.workspace_id": Note("The PAI workspace that may use it.", _D),
    "metadata.resource": Note(
        "The dedicated resource group; leave `cloud.computing` out then.", _D
    ),
    "metadata.cpu": Note("Cores of each instance, in a dedicated group.", _D),
    "metadata.memory": Note("MB of each instance, in a dedicated group.", _D),
    "metadata.gpu": Note("GPUs of each instance; ComfyUI uses one.", _D),
    "metadata.cuda": Note("The CUDA to mount; the image brings its own.", _D),
    "metadata.disk": Note("Size of the instance's own disk, such as 30Gi.", _R),
    "metadata.shm_size": Note("GB of shared memory.", _D),
    "metadata.rpc.keepalive": Note(
        "Milliseconds that one request may take before the answer is 408. The "
        "reference says 600000 is the default of a dedicated gateway, the page on "
        "status codes 5000 of processors; the ALB gateway ignores it. The API edition "
        "needs it as long as its longest job, for the queue waits for ComfyUI's "
        "answer: concluded.",
        _I,
    ),
    "metadata.rpc.worker_threads": Note(
        "Jobs that an instance takes from the queue at a time: 1, as ComfyUI runs one. "
        "From the page on SD WebUI; the reference has 5 as the default.",
        _I,
    ),
    "metadata.rpc.io_threads": Note("Threads for network traffic; 4 by default.", _D),
    "metadata.rpc.max_queue_size": Note(
        "Requests that wait at an instance before the answer is 450; 64 by default.", _D
    ),
    "metadata.rpc.rate_limit": Note(
        "Requests a second before the answer is 429; 0 is no limit.", _D
    ),
    "metadata.rpc.enable_sigterm": Note(
        "Tell the process that its instance will end.", _D
    ),
    "metadata.rolling_strategy.max_surge": Note(
        "Instances over the number while a new version comes.", _D
    ),
    "metadata.rolling_strategy.max_unavailable": Note(
        "Instances under the number while a new version comes.", _D
    ),
    "cloud.computing.instances[].type": Note(
        "The machine. The next of the list is tried when it is out of stock.", _D
    ),
    "cloud.computing.instances[].spot_price_limit": Note(
        "The most that a spot instance may cost. It can be taken away: its jobs are "
        "lost with it.",
        _D,
    ),
    "cloud.computing.instances[].capacity": Note(
        "The most instances of this type, as a number or a share.", _D
    ),
    "cloud.computing.disable_spot_protection_period": Note(
        "Do without the hour for which a spot instance is safe.", _D
    ),
    "cloud.networking.vpc_id": Note(
        "The network that the service reaches: needed for NAS, and for nodes that call "
        "DashScope or load URLs. A service has no internet of its own: that takes an "
        "internet NAT gateway with an EIP and an SNAT entry in this network.",
        _D,
    ),
    "cloud.networking.vswitch_id": Note(
        "Its vSwitch; every instance takes one address of it.", _D
    ),
    "cloud.networking.security_group_id": Note(
        "Its security group; the outbound rules count.", _D
    ),
    "containers[].image": Note(
        "The image: `x.x` is the standard edition, `x.x-api` the API edition. Which "
        "ComfyUI version is in which tag is written nowhere: `comfyclient doctor` "
        "reads it from a standard service. Seen: 1.9 on the page, 2.1, 2.2 and "
        "2.2-api in the vendor's tools.",
        _R,
    ),
    "containers[].command": Note(
        "Starts ComfyUI. `--data-dir` is PAI's own option and must equal the mount's "
        "path: models, nodes, inputs and outputs are there.",
        _D,
    ),
    "containers[].script": Note(
        "Starts ComfyUI, in more than one command; `--data-dir` as in `command`.", _D
    ),
    "containers[].port": Note(
        "Where ComfyUI listens: as in the command; 8080 and 9090 are taken by EAS.", _D
    ),
    "containers[].env[].name": Note("A variable of the container.", _D),
    "containers[].env[].value": Note(
        "Its value. Whoever may read the service's configuration sees it: no key here.",
        _D,
    ),
    "containers[].prepare.pythonRequirements": Note(
        "Packages that are installed before the start, such as those of node packs. "
        "Without internet they come from nowhere: put wheels into the mount.",
        _D,
    ),
    "containers[].prepare.pythonRequirementsPath": Note(
        "The same from a file, which may lie in the mount.", _D
    ),
    "containers[].startup_check": Note("When an instance counts as started.", _R),
    "storage[].mount_path": Note(
        "Where the container sees the storage. /code/data-oss and /mnt/data are the "
        "documented ones; no system folder, and none inside another.",
        _D,
    ),
    "storage[].oss.path": Note(
        "Bucket and prefix, ending in /. The bucket must be in the service's region. "
        "ComfyUI makes custom_nodes, models, input, output and temp in it: never let "
        "two environments share one.",
        _D,
    ),
    "storage[].oss.readOnly": Note("ComfyUI writes its outputs there: false.", _D),
    "storage[].oss.endpoint": Note(
        "The bucket's endpoint, where it is not the region's own.", _D
    ),
    "storage[].nfs.server": Note(
        "The file system's mount target, in the VPC of `cloud.networking`.", _D
    ),
    "storage[].nfs.path": Note(
        "The environment's own folder of it; it must exist. Never share one.", _D
    ),
    "storage[].nfs.readOnly": Note("ComfyUI writes its outputs there: false.", _D),
    "storage[].properties": Note("What the console notes of the mount.", _R),
    "queue.cpu": Note("Cores of the queue; it is billed too.", _I),
    "queue.memory": Note("MB of the queue; 4 GB for each of its replicas.", _I),
    "queue.max_delivery": Note(
        "How often a job is given out: 1 as on the page on SD WebUI, so that no job "
        "runs twice after a failure. An instance that dies may still have its jobs "
        "given to another. What the console sets for ComfyUI is unknown.",
        _I,
    ),
    "queue.resource": Note("The queue's resource group; empty is the public one.", _I),
    "queue.min_replica": Note("Replicas of the queue; it has 1, at most 2.", _I),
    "autoscaler.min": Note(
        "Instances there always are. 0 is allowed for the API edition: the first job "
        "then waits for about 5 minutes, which deadlines.queue_s must allow.",
        _D,
    ),
    "autoscaler.max": Note("The most instances there are.", _D),
    "autoscaler.strategies": Note(
        "By what it scales. `queue[avgbacklog]` is how many jobs wait for each "
        "instance; documented as an option of eascmd, here in the reference's form.",
        _I,
    ),
    "autoscaler.behavior.scaleUp.stabilizationWindowSeconds": Note(
        "Seconds until it grows; 0 by default.", _D
    ),
    "autoscaler.behavior.scaleDown.stabilizationWindowSeconds": Note(
        "Seconds until it shrinks; 300 by default.", _D
    ),
    "networking.gateway": Note(
        "The dedicated gateway. The shared one is meant for tests: 1000 requests a "
        "second for each service, and shared bandwidth.",
        _D,
    ),
    "networking.gateway_policy": Note("Limits at the gateway.", _D),
    "labels": Note("Labels of the service.", _D),
    "features": Note("Switches of EAS, such as a larger disk.", _D),
}
"""By key; `[]` stands for any index, and a key for all that is under it."""

_INDEX = re.compile(r"\[\d+\]")


def note_of(key: str, value: JsonValue, *, edition: Edition = "standard") -> Note:
    """What is known of a key, given its value.

    Raises:
        KeyError: the schema has it, and nobody wrote a note: a mistake of ours.
    """
    general = _INDEX.sub("[]", key)
    if general == "cloud.computing.instances[].type":
        return _machine(value)
    if general == "metadata.instance" and edition == "api":
        return Note(
            "Instances. One is one ComfyUI process and uses one GPU, however many its "
            "machine has; the queue shares the jobs out between them.",
            _D,
        )
    while general not in NOTES and general:
        general = general.rpartition(".")[0]
    return NOTES[general]


def _machine(value: JsonValue) -> Note:
    gpu = gpu_of(str(value))
    if gpu is None:
        return NOTES["cloud.computing.instances[].type"]
    return Note(f"{gpu.said}. The next of the list is tried when it is out.", gpu.sure)


def lines_of(spec: Mapping[str, JsonValue], *, edition: Edition) -> Iterator[Line]:
    """Every value of a service's JSON, in its order, each with its note."""
    for key, value in leaves(spec):
        yield Line(key, value, note_of(key, value, edition=edition))


def leaves(
    value: JsonValue | Mapping[str, JsonValue], key: str = ""
) -> Iterator[tuple[str, JsonValue]]:
    """Every single value under its dotted key; what has one note is one value."""
    if isinstance(value, Mapping) and key not in NOTES:
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and _has_parts(value):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{key}[{index}]")
    else:
        yield key, value  # type: ignore[misc]  # a mapping of JSON is JSON


def _has_parts(value: list[JsonValue]) -> bool:
    return any(isinstance(one, dict) for one in value)
