"""What may be said of an environment: its instances, storage, deadlines. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from .types import (
    Bucket,
    Credentials,
    Endpoint,
    FileName,
    FilePath,
    Group,
    Host,
    HttpUrl,
    InstanceName,
    LedgerUrl,
    Prefix,
    Region,
    Scheme,
    Seconds,
    SettingsModel,
    Text,
    Texts,
    Times,
    VariableName,
    VersionNumber,
    VersionRange,
    defaulted,
    wrong,
)


class TlsSettings(SettingsModel):
    """How the server's certificate is checked, and ours is shown."""

    verify: bool = True
    """Whether the server's certificate is checked."""
    ca_file: FileName | None = None
    """A CA bundle to trust in place of the system's."""
    cert_file: FileName | None = None
    """A client certificate (PEM)."""
    key_file: FileName | None = None
    """Its key, where that is another file."""

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise wrong("key_file is a certificate's: name that too, in cert_file")
        return self


class InstanceSettings(SettingsModel):
    """One reachable ComfyUI."""

    name: InstanceName
    """What jobs are found again by."""
    url: HttpUrl = Field(repr=False)
    """Its address; not in `repr`, for its query may hold a token."""
    token: Annotated[SecretStr, Field(min_length=1)] | None = None
    """The token itself: for code that has it from a vault; never for a file."""
    token_env: VariableName | None = None
    """The environment variable that holds the token."""
    token_file: FilePath | None = None
    """The file that holds the token."""
    token_scheme: Scheme | None = None
    """`Bearer`, for servers that want one; the bare token is sent otherwise."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Sent with every request."""
    window: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Jobs sent to it at a time."""
    weight: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 1.0
    """Its share of the jobs, beside the other instances'."""
    poll_only: bool = False
    """Never open a websocket, where none passes."""
    tls: TlsSettings = defaulted()

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        sources = {
            "token": self.token,
            "token_env": self.token_env,
            "token_file": self.token_file,
        }
        given = [key for key, value in sources.items() if value is not None]
        if len(given) > 1:
            raise wrong(f"{' and '.join(given)} both say where the token is: keep one")
        if "@" in urlsplit(self.url).netloc:
            given.append("the user of url")
        given += [f"headers.{n}" for n in self.headers if n.lower() == "authorization"]
        if len(given) > 1:
            raise wrong(
                f"{' and '.join(given)} are one header, Authorization: keep one"
            )
        return self


class EngineSettings(SettingsModel):
    """The embedded engine of an environment with `transport = "embedded"`."""

    version: VersionNumber = "0.33.0"
    """The ComfyUI version it plays."""
    base_directory: FilePath | None = None
    """Where its input/, output/ and temp/ are; by default they go with the client."""


class StorageSettings(SettingsModel):
    """Where outputs are collected from."""

    kind: Literal["view", "mount", "oss"] = "view"
    """Over HTTP from the instance, from a mounted folder, or from OSS."""
    root: FilePath | None = None
    """The folder of a mount; by default the embedded engine's own."""
    visible_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 10
    """How long a file is waited for that is not seen yet through a mount."""
    bucket: Bucket | None = None
    """The OSS bucket."""
    endpoint: Endpoint | None = None
    """The OSS endpoint."""
    prefix: Prefix | None = None
    """What the names of the environment's objects begin with: the mount's root."""
    region: Region | None = None
    """The bucket's region; by default as the endpoint says, or the environment's."""
    credentials: Credentials = "auto"
    """Where its keys are from: `env`, `ecs-role`, `sts`, `module:function`; `auto`
    tries the first two."""
    role_arn: Text | None = None
    """The RAM role whose keys are fetched from STS."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("bucket", "endpoint") if self.kind == "oss" else ()
        if (self.credentials == "sts") is not (self.role_arn is not None):
            raise wrong("credentials = 'sts' and role_arn go together")
        missing = [key for key in needed if getattr(self, key) is None]
        if missing:
            raise wrong(f"kind {self.kind!r} needs {' and '.join(missing)}")
        host = (self.endpoint or "").rpartition("://")[2]
        alone = host.removeprefix(f"{self.bucket}.oss")
        if alone != host:
            raise wrong(f"endpoint begins with the bucket: write https://oss{alone}")
        return self


class QueueSettings(SettingsModel):
    """How results are taken from services with `transport = "eas-queue"`."""

    results: Literal["watch", "poll"] = "watch"
    """Over a websocket, with a fallback; or only by asking for each request."""
    group: Group | None = None
    """The consumer group; by default one for each environment."""
    window: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Results that a watch hands over before the first of them is committed."""
    unknown_results: Literal["leave", "park", "pass"] = "leave"
    """What becomes of results of tasks that the ledger does not know."""
    parking: FilePath | None = None
    """The folder for results that are parked; by default in the user's state folder."""


class DeadlineSettings(SettingsModel):
    """How long a job may take, in seconds."""

    total_s: Seconds = 600
    """From its submit to its end."""
    queue_s: Seconds = 300
    """Until a server begins with it."""
    silence_s: Seconds = 120
    """Without a sign of life from its server."""
    grace_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 6
    """How long a server is asked for a job whose acceptance was not answered."""


class PolicySettings(SettingsModel):
    """What becomes of a job that did not go well through no fault of its own."""

    resubmit_lost: Times = 1
    """How often a job is sent again that its server lost, or whose worker died."""
    resubmit_out_of_memory: Times = 1
    """How often one is sent again, elsewhere first, after memory ran out."""
    resubmit_interrupted: Times = 0
    """How often one is sent again that somebody else stopped on the server."""
    gone_after_s: Seconds = 60
    """How long an instance cannot be reached until its jobs are lost to others."""
    on_timeout: Literal["cancel", "leave"] = "cancel"
    """Whether a job whose time is over is stopped on its server, or may be resumed."""


class ModelLimitSettings(SettingsModel):
    """How often one model may be asked, in place of the documented figures."""

    per_s: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None
    """Requests a second."""
    at_once: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Requests, or tasks, at a time."""


class DashScopeSettings(SettingsModel):
    """The hosted models that words and pictures come from, and how they are reached."""

    key: Annotated[SecretStr, Field(min_length=1)] | None = None
    """The API key itself: for code that has it from a vault; never for a file."""
    key_env: VariableName | None = None
    """The environment variable that holds the key."""
    key_file: FilePath | None = None
    """The file that holds the key."""
    region: Region | None = None
    """The site of key and models, such as `cn-beijing`."""
    workspace: Annotated[Text, Field(max_length=64)] | None = None
    """The workspace of the key, where it is not the account's own."""
    base_address: HttpUrl | None = None
    """The API's address, in place of the region's."""
    text: Text | None = None
    """The model that writes words; without one the offline copywriter does."""
    vision: Text | None = None
    """The model that looks at photos."""
    picture: Text | None = None
    """The model that paints."""
    aliases: dict[str, Text] = Field(default_factory=dict)
    """Names of your own for models."""
    limits: dict[str, ModelLimitSettings] = Field(default_factory=dict)
    """Per model, how often it may be asked."""
    on_failure: Literal["offline", "error"] = "offline"
    """Whether the offline copywriter steps in where the text model fails."""
    request_s: Seconds = 60
    """Seconds for one answer of a text or vision model, or one look at a task."""
    task_s: Seconds = 300
    """Seconds for a picture, from the request to the file."""
    forbidden: Texts = ()
    """Words that no text of a model may have in it."""
    result_hosts: Texts = ("dashscope-result-*.oss-*.aliyuncs.com",)
    """The hosts that results are fetched from; `*` stands for a part of a name."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        sources = {"key": self.key, "key_env": self.key_env, "key_file": self.key_file}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise wrong(f"{' and '.join(given)} both say where the key is: keep one")
        return self


class EnvironmentSettings(SettingsModel):
    """One environment: instances, storage, pins."""

    transport: Literal["comfyui", "eas-queue", "embedded"] = "comfyui"
    """How its instances are reached."""
    instances: tuple[InstanceSettings, ...] = ()
    engine: EngineSettings = defaulted()
    queue: QueueSettings = defaulted()
    storage: StorageSettings = defaulted()
    comfyui_version: VersionRange | None = None
    """The ComfyUI versions that its servers may have."""
    ledger: LedgerUrl | None = Field(default=None, repr=False)  # it may hold a password
    """Any SQLAlchemy URL; by default a file of the user's, one for each environment."""
    region: Region | None = None
    """The cloud region that it is in."""
    protected: bool = False
    """Whether what destroys, or runs what no pin fixes, must be confirmed."""
    shared_with: dict[str, Text] = Field(default_factory=dict)
    """Environments whose instances or storage it also reads, and why; it only reads."""
    pins: dict[str, VersionRange] = Field(default_factory=dict)
    """The versions of templates that it runs."""
    preflight: Literal["refuse", "warn", "off"] = "refuse"
    """What becomes of a graph that its servers would not run."""
    snapshot: FilePath | None = None
    """What its servers offer, saved: graphs are checked by it, and none is asked."""
    deadlines: DeadlineSettings = defaulted()
    policies: PolicySettings = defaulted()
    dashscope: DashScopeSettings | None = None
    """What differs here from the whole's `dashscope`."""

    @model_validator(mode="after")
    def _rooted(self) -> Self:
        rootless = self.storage.kind == "mount" and self.storage.root is None
        if rootless and self.transport != "embedded":
            raise wrong("storage of kind 'mount' needs root, the mounted folder")
        return self


class PhotoSettings(SettingsModel):
    """Which photos of a trip are taken."""

    hosts: tuple[Host, ...] = ()
    """Where photos that are addresses may be fetched; `*.example.com` are all below."""
    max_megapixels: Annotated[float, Field(gt=0, le=500, allow_inf_nan=False)] = 50
    """Larger ones are refused before they are decoded."""


class PrivacySettings(SettingsModel):
    """What of a trip may be published."""

    home_radius_m: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] = 500
    """Metres around its ends within which the track is cut."""
