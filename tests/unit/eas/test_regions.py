"""Regions and networks, read from addresses."""

from __future__ import annotations

import pytest

from comfyclient.eas.regions import (
    EasAddress,
    OssAddress,
    dashscope_region,
    eas_address,
    host_of,
    oss_address,
)

EAS = "cn-shanghai.pai-eas.aliyuncs.com"


@pytest.mark.parametrize(
    ("url", "service", "vpc", "dedicated"),
    [
        (f"http://1234.{EAS}/api/predict/comfy", "comfy", False, False),
        (f"http://1234.vpc.{EAS}/api/predict/comfy/", "comfy", True, False),
        (f"http://1234.{EAS}/predict/comfy", "comfy", False, False),
        (f"http://comfy.1234.{EAS}/", "comfy", False, False),
        (f"https://gw-abc.{EAS}/api/predict/comfy", "comfy", False, True),
        (f"https://gw-abc-vpc.{EAS}/api/predict/comfy", "comfy", True, True),
        (f"http://comfy.gw-abc-vpc.{EAS}/", "comfy", True, True),
        (f"http://1234.{EAS}", None, False, False),
    ],
)
def test_an_eas_url_tells_service_region_and_network(
    url: str, service: str | None, vpc: bool, dedicated: bool
) -> None:
    """Every documented shape does."""
    assert eas_address(url) == EasAddress(service, "cn-shanghai", vpc, dedicated)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("https://oss-cn-shanghai.aliyuncs.com", OssAddress("cn-shanghai", False)),
        ("oss-cn-shanghai-internal.aliyuncs.com", OssAddress("cn-shanghai", True)),
        ("b.oss-ap-southeast-1.aliyuncs.com", OssAddress("ap-southeast-1", False)),
        ("https://cn-beijing.oss.aliyuncs.com/", OssAddress("cn-beijing", False)),
        ("oss-cn-wulanchabu-internal.aliyuncs.com", OssAddress("cn-wulanchabu", True)),
        ("https://oss-accelerate.aliyuncs.com", OssAddress(None, False)),
    ],
)
def test_an_oss_endpoint_tells_region_and_network(
    endpoint: str, address: OssAddress
) -> None:
    """With or without scheme and bucket."""
    assert oss_address(endpoint) == address


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("https://dashscope.aliyuncs.com/api/v1", "cn-beijing"),
        ("https://dashscope-intl.aliyuncs.com/api/v1", "ap-southeast-1"),
        ("https://dashscope-us.aliyuncs.com", "us-east-1"),
        ("https://ws1.eu-central-1.maas.aliyuncs.com/api/v1", "eu-central-1"),
        ("http://127.0.0.1:8000/api/v1", None),
    ],
)
def test_a_dashscope_host_tells_its_region(host: str, region: str | None) -> None:
    """The shared hosts and those of a workspace."""
    assert dashscope_region(host) == region


@pytest.mark.parametrize("address", ["http://127.0.0.1:8188", "http://[", "", "a b"])
def test_other_addresses_tell_nothing(address: str) -> None:
    """They raise nothing either."""
    assert eas_address(address) is None
    assert oss_address(address) is None
    assert dashscope_region(address) is None
    assert isinstance(host_of(address), str)
