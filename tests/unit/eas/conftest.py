"""A configuration with a test environment and a prod one on PAI-EAS."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import pytest

from comfyclient.config.settings import EnvironmentSettings, Settings

CONFIG = """\
[environments.test]
region = "cn-shanghai"
[[environments.test.instances]]
name = "a"
url = "http://1234.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy_test"
[environments.test.storage]
kind = "oss"
bucket = "nev-aigc"
endpoint = "https://oss-cn-shanghai.aliyuncs.com"
prefix = "comfyui/test/"

[environments.prod]
transport = "eas-queue"
[[environments.prod.instances]]
name = "p"
url = "http://gw-1.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy_prod"
[environments.prod.storage]
kind = "oss"
bucket = "nev-aigc"
endpoint = "https://oss-cn-shanghai-internal.aliyuncs.com"
prefix = "comfyui/prod/"
[environments.prod.deadlines]
total_s = 900

[environments.lab]
[[environments.lab.instances]]
name = "l"
url = "http://lab.example.com"
"""


@pytest.fixture(scope="session")
def environments() -> Mapping[str, EnvironmentSettings]:
    """The environments of the configuration."""
    return Settings.model_validate(tomllib.loads(CONFIG)).environments
