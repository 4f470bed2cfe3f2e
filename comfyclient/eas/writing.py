"""Writes the JSON of a PAI-EAS service for an environment. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ..config.models import EnvironmentSettings
from ..errors import UsageError
from .certainty import Sure
from .gpus import GPUS, gpu_named
from .notes import Line, leaves, lines_of, note_of
from .regions import eas_address, oss_address
from .service import (
    Autoscaler,
    Cloud,
    Computing,
    Container,
    Edition,
    InstanceType,
    Metadata,
    Mount,
    Networking,
    NfsMount,
    OssMount,
    Queue,
    Rpc,
    ServiceSpec,
    Vpc,
)

IMAGES: dict[Edition, str] = {"standard": "2.2", "api": "2.2-api"}
"""The newest tags that were seen anywhere."""
OSS_PATH, NAS_PATH = "/code/data-oss", "/mnt/data"
USUAL_BACKLOG = 5.0
_PORT = 8000
_LONGEST_S = 7 * 86_400
_WIDTH = 88


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a service shall be; None is left to the environment, or to what is usual."""

    edition: Edition | None = None
    name: str | None = None
    image: str | None = None
    """A tag of PAI's ComfyUI image, or a whole address."""
    gpu: str = GPUS[0].name
    instance_types: tuple[str, ...] = ()
    """In place of the GPU's own, in the order in which they are tried."""
    instances: int | None = None
    """How many it starts with; one, or the least that the autoscaler keeps."""
    region: str | None = None
    oss: str | None = None
    nas: str | None = None
    """`server:/path`."""
    mount_path: str | None = None
    vpc: tuple[str, str, str] | None = None
    """VPC, vSwitch, security group."""
    autoscale: tuple[int, int] | None = None
    """The least and the most instances."""
    backlog: float = USUAL_BACKLOG
    """Waiting jobs for each instance, above which one more is started."""
    workspace: str | None = None
    resource: str | None = None
    gateway: str | None = None
    keepalive_s: float | None = None


def service_of(
    name: str, environment: EnvironmentSettings, wishes: Wishes
) -> ServiceSpec:
    """The service that an environment's configuration and some wishes amount to.

    Raises:
        UsageError: something is missing that neither says.
        pydantic.ValidationError: a wish does not fit the schema.
    """
    edition = _edition(name, environment, wishes)
    region = _region(name, environment, wishes)
    mount = _mount(name, environment, wishes)
    api = edition == "api"
    keepalive = wishes.keepalive_s
    if keepalive is None and api:
        keepalive = environment.deadlines.total_s
    if keepalive is not None and not 1 <= keepalive <= _LONGEST_S:
        raise UsageError(f"a request may take 1 to {_LONGEST_S} s, got {keepalive:g}")
    rpc = Rpc(
        keepalive=None if keepalive is None else int(keepalive * 1000),
        worker_threads=1 if api else None,
    )
    return ServiceSpec(
        metadata=Metadata(
            name=_name(name, environment, wishes),
            instance=_instances(wishes),
            type="Async" if api else None,
            enable_webservice=None if api else True,
            workspace_id=wishes.workspace,
            resource=wishes.resource,
            rpc=None if rpc == Rpc() else rpc,
        ),
        cloud=_cloud(wishes),
        containers=(_container(region, edition, mount.mount_path, wishes),),
        storage=(mount,),
        queue=Queue() if api else None,
        autoscaler=_autoscaler(wishes),
        networking=None
        if wishes.gateway is None
        else Networking(gateway=wishes.gateway),
    )


def _edition(name: str, environment: EnvironmentSettings, wishes: Wishes) -> Edition:
    if wishes.edition is not None:
        return wishes.edition
    match environment.transport:
        case "eas-queue":
            return "api"
        case "comfyui":
            return "standard"
    raise UsageError(
        f"environment {name} is on the embedded engine: no service is needed for it",
        hint="name an environment with --env, or an edition with --edition",
    )


def _region(name: str, environment: EnvironmentSettings, wishes: Wishes) -> str:
    """The region that is wished for, configured, or in an address."""
    if wishes.region is not None:
        return wishes.region
    if environment.region is not None:
        return environment.region
    urls = (eas_address(one.url) for one in environment.instances)
    found = {one.region for one in urls if one is not None}
    endpoint = environment.storage.endpoint
    bucket = None if endpoint is None else oss_address(endpoint)
    if not found and bucket is not None and bucket.region is not None:
        found = {bucket.region}
    if len(found) == 1:
        return found.pop()
    raise UsageError(
        f"environment {name}: which region the service is in is said nowhere",
        hint=f'set environments.{name}.region = "cn-shanghai", or pass --region',
    )


def _name(name: str, environment: EnvironmentSettings, wishes: Wishes) -> str:
    if wishes.name is not None:
        return wishes.name
    for instance in environment.instances:
        address = eas_address(instance.url)
        if address is not None and address.service is not None:
            return address.service
    return f"comfy_{name.lower().replace('-', '_')}"


def _instances(wishes: Wishes) -> int:
    if wishes.instances is not None:
        return wishes.instances
    return 1 if wishes.autoscale is None else max(1, wishes.autoscale[0])


def _mount(name: str, environment: EnvironmentSettings, wishes: Wishes) -> Mount:
    if wishes.oss is not None and wishes.nas is not None:
        raise UsageError("--oss and --nas name two storages", hint="give one of them")
    if wishes.nas is not None:
        server, _, path = wishes.nas.partition(":")
        store = NfsMount(server=server, path=path if path else "/")
        where = NAS_PATH if wishes.mount_path is None else wishes.mount_path
        return Mount(mount_path=where, nfs=store)
    oss = wishes.oss
    storage = environment.storage
    if oss is None and storage.kind == "oss":
        prefix = "" if storage.prefix is None else storage.prefix.strip("/")
        oss = "/".join(filter(None, [f"oss://{storage.bucket}", prefix])) + "/"
    if oss is None:
        raise UsageError(
            f"environment {name}: its storage is {storage.kind!r}, which does not say "
            "what the service mounts",
            hint="pass --oss oss://bucket/prefix/ or --nas server:/path, or set kind "
            f"= 'oss' in [environments.{name}.storage]",
        )
    where = OSS_PATH if wishes.mount_path is None else wishes.mount_path
    path = oss if oss.endswith("/") else f"{oss}/"
    return Mount(mount_path=where, oss=OssMount(path=path))


def _cloud(wishes: Wishes) -> Cloud | None:
    computing = None
    if wishes.resource is None:
        types = wishes.instance_types or (_type_of(wishes.gpu),)
        computing = Computing(instances=tuple(InstanceType(type=one) for one in types))
    vpc = None
    if wishes.vpc is not None:
        network, switch, group = wishes.vpc
        vpc = Vpc(vpc_id=network, vswitch_id=switch, security_group_id=group)
    if computing is None and vpc is None:
        return None
    return Cloud(computing=computing, networking=vpc)


def _type_of(name: str) -> str:
    gpu = gpu_named(name)
    if gpu is None:
        raise UsageError(
            f"there is no GPU {name!r} here; known: {', '.join(g.name for g in GPUS)}",
            hint="name the machine itself with --instance-type",
        )
    return gpu.instance_type


def _container(
    region: str, edition: Edition, mount_path: str, wishes: Wishes
) -> Container:
    image = IMAGES[edition] if wishes.image is None else wishes.image
    if "/" not in image:
        registry = f"eas-registry-vpc.{region}.cr.aliyuncs.com"
        image = f"{registry}/pai-eas/comfyui:{image}"
    return Container(
        image=image,
        command=f"python main.py --listen --port {_PORT} --data-dir {mount_path}",
        port=_PORT,
    )


def _autoscaler(wishes: Wishes) -> Autoscaler | None:
    if wishes.autoscale is None:
        return None
    least, most = wishes.autoscale
    by = {"queue[avgbacklog]": wishes.backlog}
    return Autoscaler(min=least, max=most, strategies=by)


# -- as a text


def as_json(spec: ServiceSpec) -> str:
    """The text that `eascmd create` takes: JSON knows no comments."""
    return json.dumps(spec.as_json(), indent=2) + "\n"


def as_jsonc(spec: ServiceSpec) -> str:
    """The same with every key's note above it, for people and version control."""
    body = "\n".join(_commented(spec.as_json(), spec.edition, "", ""))
    head = "".join(f"// {line}\n" for line in _HEAD.splitlines())
    return f"{head}{body}\n"


_HEAD = """\
Each note begins with how sure it is: documented; read in published code (samples, SDKs
and tools of the vendor); inferred; stated by third parties; unknown.
For eascmd, which takes JSON without comments: comfyclient eas spec --format json"""


def _commented(
    value: JsonValue, edition: Edition, key: str, indent: str
) -> Iterator[str]:
    """A value's lines; the first one is not indented, for a key stands before it."""
    inner = f"{indent}  "
    leaf = [one for one, _ in leaves(value, key)] == [key]
    if leaf or not isinstance(value, dict | list) or not value:
        yield json.dumps(value)
        return
    named = isinstance(value, dict)
    yield "{" if named else "["
    parts = list(value.items() if isinstance(value, dict) else enumerate(value))
    for number, (name, part) in enumerate(parts):
        under = f"{key}[{name}]" if not named else f"{key}.{name}" if key else str(name)
        if [one for one, _ in leaves(part, under)] == [under]:
            yield from _comment(str(note_of(under, part, edition=edition)), inner)
        first, *rest = _commented(part, edition, under, inner)
        label = f"{json.dumps(name)}: " if named else ""
        lines = [f"{inner}{label}{first}", *rest]
        lines[-1] += "," if number < len(parts) - 1 else ""
        yield from lines
    yield f"{indent}}}" if named else f"{indent}]"


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=f"{indent}// ",
        subsequent_indent=f"{indent}// ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_markdown(spec: ServiceSpec) -> str:
    """A table of every key, its value, what it is for, and how sure that is."""
    rows = ["| key | value | what for | how sure |", "|---|---|---|---|"]
    for line in lines_of(spec.as_json(), edition=spec.edition):
        value = json.dumps(line.value, ensure_ascii=False).replace("|", "\\|")
        rows.append(
            f"| `{line.key}` | `{value}` | {line.note.text} | {line.note.sure} |"
        )
    return "\n".join(rows) + "\n"


def doubtful(spec: ServiceSpec) -> list[Line]:
    """The values that no official page vouches for; worth a look before deploying."""
    lines = lines_of(spec.as_json(), edition=spec.edition)
    return [one for one in lines if one.note.sure is not Sure.DOCUMENTED]
