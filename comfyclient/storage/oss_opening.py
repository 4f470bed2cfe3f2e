"""From the configuration to a bucket: its region, and whose keys open it."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module

from ..config.settings import StorageSettings
from ..errors import ConfigError, StorageAccessError
from .oss import OssStorage
from .oss_client import OssClient
from .oss_credentials import (
    Keyring,
    OssCredentials,
    Source,
    of_any,
    of_ecs_role,
    of_environment,
)
from .sts import assume_role

_REGION = re.compile(r"oss-([a-z]{2}-[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")


def open_bucket(name: str, settings: StorageSettings, region: str | None) -> OssStorage:
    """The storage of an environment; nothing is connected to yet.

    Raises:
        ConfigError: the region or the source of credentials is not to be found.
    """
    assert settings.bucket is not None, "the configuration was checked"
    assert settings.endpoint is not None, "the configuration was checked"
    client = OssClient(
        settings.bucket,
        endpoint=settings.endpoint,
        region=_region_of(name, settings, region),
        keyring=Keyring(_source(name, settings)),
    )
    prefix = "" if settings.prefix is None else settings.prefix
    return OssStorage(client, prefix=prefix, visible_s=settings.visible_s)


def _region_of(name: str, settings: StorageSettings, region: str | None) -> str:
    """The bucket's region: a signature of version 4 holds it."""
    if settings.region is not None:
        return settings.region
    said = _REGION.search(settings.endpoint or "")
    found = region if said is None else said[1]
    if found is None:
        raise ConfigError(
            f"environment {name}: the region of bucket {settings.bucket} is not known",
            hint="set storage.region, such as 'cn-shanghai'",
        )
    return found


def _source(name: str, settings: StorageSettings) -> Source:
    words = settings.credentials
    if settings.role_arn is not None:
        return partial(assume_role, settings.role_arn)
    known = {"auto": of_any, "env": of_environment, "ecs-role": of_ecs_role}
    if words in known:
        return known[words]
    module, _, function = words.partition(":")
    try:
        source = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"environment {name}: storage.credentials names {words!r}, which is not "
            f"there: {error}",
            hint="name a function that returns OssCredentials, as 'module:function'",
        ) from error

    def checked() -> OssCredentials:
        """What the function gives.

        Raises:
            StorageAccessError: that is none.
        """
        found = source()
        if not isinstance(found, OssCredentials):
            raise StorageAccessError(
                f"{words} gave {type(found).__name__}, not OssCredentials",
                hint="from comfyclient.storage.oss_credentials import OssCredentials",
            )
        return found

    return checked
