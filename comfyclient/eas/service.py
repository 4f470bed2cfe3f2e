"""A PAI-EAS service as its JSON describes it: the schema of our own. Pure.

Keys are those of the page "Deploy services using JSON configuration files" of the EAS
documentation, as far as a ComfyUI service has use for them. What a key is for, and how
sure that is, stands in `eas_notes`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Edition: TypeAlias = Literal["standard", "api"]

Count = Annotated[int, Field(ge=1, le=10_000)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]{3,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Folder = Annotated[str, Field(pattern=r"^/[\w./-]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True
    )


class Rpc(_Part):
    """How the engine in front of the container handles requests."""

    keepalive: Annotated[int, Field(ge=1000)] | None = None
    worker_threads: Count | None = None
    io_threads: Count | None = None
    max_queue_size: Count | None = None
    rate_limit: Annotated[int, Field(ge=0)] | None = None
    enable_sigterm: bool | None = None


class RollingStrategy(_Part):
    """How a new version replaces the running one."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class Metadata(_Part):
    """What the service is."""

    name: Name
    instance: Annotated[int, Field(ge=0, le=10_000)] = 1
    type: Literal["Async"] | None = None
    enable_webservice: bool | None = None
    workspace_id: Text | None = None
    resource: Text | None = None
    cpu: Count | None = None
    memory: Count | None = None
    gpu: Annotated[int, Field(ge=0)] | None = None
    cuda: Text | None = None
    disk: Text | None = None
    shm_size: Count | None = None
    rpc: Rpc | None = None
    rolling_strategy: RollingStrategy | None = None


class InstanceType(_Part):
    """A machine that an instance may run on; the next one is taken when it is out."""

    type: Text
    spot_price_limit: Rate | None = None
    capacity: int | str | None = None


class Computing(_Part):
    """The machines of the public resource group."""

    instances: Annotated[tuple[InstanceType, ...], Field(min_length=1)]
    disable_spot_protection_period: bool | None = None


class Vpc(_Part):
    """The network that the service may reach."""

    vpc_id: Annotated[str, Field(pattern=r"^vpc-\w+$")]
    vswitch_id: Annotated[str, Field(pattern=r"^vsw-\w+$")]
    security_group_id: Annotated[str, Field(pattern=r"^sg-\w+$")]


class Cloud(_Part):
    """Machines and network."""

    computing: Computing | None = None
    networking: Vpc | None = None


class Variable(_Part):
    """An environment variable of the container."""

    name: Text
    value: str


class Prepare(_Part):
    """What is installed before the container's process starts."""

    pythonRequirements: tuple[Text, ...] | None = None  # noqa: N815  as EAS writes it
    pythonRequirementsPath: Text | None = None  # noqa: N815


class StartupCheck(_Part):
    """When an instance counts as started."""

    http_get: dict[str, JsonValue]
    initial_delay_seconds: Annotated[int, Field(ge=0)] | None = None
    period_seconds: Count | None = None
    failure_threshold: Count | None = None


class Container(_Part):
    """The image and the process in it."""

    image: Text
    command: Text | None = None
    script: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535)]
    env: tuple[Variable, ...] | None = None
    prepare: Prepare | None = None
    startup_check: StartupCheck | None = None


class OssMount(_Part):
    """A prefix of a bucket."""

    path: Annotated[
        str, Field(pattern=r"^oss://[a-z0-9][a-z0-9-]{1,61}[a-z0-9](/.*)?$")
    ]
    readOnly: bool = False  # noqa: N815
    endpoint: Text | None = None


class NfsMount(_Part):
    """A folder of a NAS file system."""

    server: Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+)+$")]
    path: Folder = "/"
    readOnly: bool = False  # noqa: N815


class Mount(_Part):
    """A storage, and where the container sees it."""

    mount_path: Folder
    oss: OssMount | None = None
    nfs: NfsMount | None = None
    properties: dict[str, JsonValue] | None = None


class Queue(_Part):
    """The queue service of the API edition."""

    cpu: Count = 1
    memory: Count = 4000
    max_delivery: Annotated[int, Field(ge=1, le=100)] = 1
    resource: str = ""
    min_replica: Annotated[int, Field(ge=1, le=2)] | None = None


class ScalePace(_Part):
    """How long the figures must hold before the number of instances changes."""

    stabilizationWindowSeconds: Annotated[int, Field(ge=0)]  # noqa: N815


class Behavior(_Part):
    """How quickly it scales."""

    scaleUp: ScalePace | None = None  # noqa: N815
    scaleDown: ScalePace | None = None  # noqa: N815


class Autoscaler(_Part):
    """How many instances there are, and by what."""

    min: Annotated[int, Field(ge=0)]
    max: Count
    strategies: Annotated[dict[str, Rate], Field(min_length=1)]
    behavior: Behavior | None = None


class Networking(_Part):
    """How the service is called."""

    gateway: Text | None = None
    gateway_policy: dict[str, JsonValue] | None = None


class ServiceSpec(_Part):
    """A ComfyUI service of PAI-EAS, as `eascmd create` takes it."""

    metadata: Metadata
    cloud: Cloud | None = None
    containers: Annotated[tuple[Container, ...], Field(min_length=1, max_length=1)]
    storage: Annotated[tuple[Mount, ...], Field(min_length=1)]
    queue: Queue | None = None
    autoscaler: Autoscaler | None = None
    networking: Networking | None = None
    labels: dict[str, str] | None = None
    features: dict[str, JsonValue] | None = None

    @property
    def edition(self) -> Edition:
        """The API edition is what has a queue in front."""
        return "standard" if self.metadata.type is None else "api"

    def as_json(self) -> dict[str, JsonValue]:
        """The keys that are given, in the schema's order."""
        found: dict[str, JsonValue] = self.model_dump(mode="json", exclude_none=True)
        return found
