"""DashScope as one environment uses it: whose settings count, its key and address."""

from __future__ import annotations

from pydantic import SecretStr

from ..errors import ConfigError
from .secret_sources import secret_in_file, secret_in_variable
from .settings import DashScopeSettings, Settings

HOSTS = {
    "cn-beijing": "https://dashscope.aliyuncs.com/api/v1",
    "ap-southeast-1": "https://dashscope-intl.aliyuncs.com/api/v1",
    "us-east-1": "https://dashscope-us.aliyuncs.com/api/v1",
}
"""The sites with an address of their own; the others have one for each workspace."""
_BY_WORKSPACE = ("cn-hongkong", "eu-central-1", "ap-northeast-1")
_KEYS = {"key", "key_env", "key_file"}


def dashscope_of(settings: Settings, environment: str) -> DashScopeSettings | None:
    """An environment's DashScope: its own keys win, one by one, over the whole's."""
    whole = settings.dashscope
    own = settings.environment(environment)[1].dashscope
    if own is None or whole is None:
        return own if own is not None else whole
    given = own.model_fields_set
    kept = whole.model_fields_set - (_KEYS if given & _KEYS else set())
    return DashScopeSettings(
        **{name: getattr(whole, name) for name in kept - given},
        **{name: getattr(own, name) for name in given},
    )


def read_key(settings: DashScopeSettings) -> SecretStr:
    """The key, or what the variable or file holds that is named for it.

    Raises:
        ConfigError: none is named, or it is not there or empty.
    """
    if settings.key is not None:
        return settings.key
    if (variable := settings.key_env) is not None:
        return SecretStr(secret_in_variable(variable, key="dashscope: key_env"))
    if (file := settings.key_file) is not None:
        return SecretStr(secret_in_file(file, key="dashscope: key_file"))
    raise ConfigError(
        "dashscope: nothing says where the key is",
        hint='name a variable, key_env = "DASHSCOPE_API_KEY", or a file, key_file',
    )


def base_address(settings: DashScopeSettings) -> str:
    """Where the API is.

    Raises:
        ConfigError: the region has no address that we know, or needs a workspace.
    """
    if settings.base_address is not None:
        return settings.base_address.rstrip("/")
    region = "cn-beijing" if settings.region is None else settings.region
    if region in HOSTS:
        return HOSTS[region]
    if region not in _BY_WORKSPACE:
        known = ", ".join([*HOSTS, *_BY_WORKSPACE])
        raise ConfigError(
            f"dashscope: no address is known for region {region!r}",
            hint=f"there are {known}; or give base_address",
        )
    if settings.workspace is None:
        raise ConfigError(
            f"dashscope: in region {region!r} each workspace has its own address",
            hint="give the workspace's id in dashscope.workspace",
        )
    return f"https://{settings.workspace}.{region}.maas.aliyuncs.com/api/v1"


def site_of(settings: DashScopeSettings) -> str | None:
    """The region whose models are asked; None where only an address is given."""
    if settings.region is not None or settings.base_address is not None:
        return settings.region
    return "cn-beijing"
