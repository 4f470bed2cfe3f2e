"""When two addresses, folders or prefixes are the same place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from comfyclient.config.addresses import bucket_at, folder_at, service_at

EAS = "http://1234.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://h", "http://H/"),
        ("http://h", "http://h:80//"),
        ("https://h:443/a", "https://h./a/"),
        ("http://h/a", "https://h/a"),
        ("http://h/a/../b", "http://h/./b"),
        ("http://h/%61", "http://h/a"),
        ("http://h?token=a", "http://u:p@h#x"),
        ("http://localhost:8188", "http://127.0.0.1:8188"),
        ("http://[::1]:8188", "http://0.0.0.0:8188"),
        ("http://127.1:8188", "http://localhost:8188"),
        ("http://2130706433:8188", "http://0x7f.1:8188"),
        ("http://[::ffff:127.0.0.1]:8188", "http://localhost:8188"),
        ("http://[::ffff:a00:1]", "http://10.0.0.1"),
        ("http://10.0.0.010", "http://10.0.0.8"),
        ("http://[2001:db8:0::1]", "http://[2001:DB8::1]"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        (EAS, EAS.replace("http", "https") + "/prompt"),
        (EAS, EAS.replace("1234.", "1234.vpc.")),
        (EAS, EAS.replace("/api/", "/")),
        (EAS, "http://comfy.1234.cn-shanghai.pai-eas.aliyuncs.com/"),
        (
            "http://gw-ab1.cn-shanghai.pai-eas.aliyuncs.com/api/predict/x",
            "http://gw-ab1-vpc.cn-shanghai.pai-eas.aliyuncs.com/api/predict/x/",
        ),
        ("http://nlb:8081/api/predict/x", "http://nlb:8081/api/predict/x/view"),
    ],
)
def test_the_same_service(one: str, other: str) -> None:
    """Spelling and network make no difference."""
    assert service_at(one) == service_at(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://h", "http://h2"),
        ("http://h:8188", "http://h:8189"),
        ("http://h/a", "http://h/A"),
        ("http://h/a", "http://h/a/b"),
        ("http://h/a/predict/x", "http://h/b/predict/x"),
        ("http://127.0.0.1:8188", "http://10.0.0.1:8188"),
        (EAS, EAS + "2"),
        (EAS, EAS.replace("1234", "1235")),
        (EAS, EAS.replace("shanghai", "beijing")),
        (EAS, "http://1234.cn-shanghai.pai-eas.aliyuncs.com/"),
    ],
)
def test_two_services(one: str, other: str) -> None:
    """Another host, port, path, account, region or service is another place."""
    assert service_at(one) != service_at(other)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "a/../a/./b", True),
        ("a", "A/b", True),
        ("é", "e\u0301", True),
        ("link", "a/b", True),
        ("link/c", "a", True),
        ("a", "a-2", False),
        ("a/b", "a/c", False),
        ("loop", "a", False),
        ("~nobody-of-this-name/x", "a", False),
    ],
)
def test_folders(tmp_path: Path, one: str, other: str, meet: bool) -> None:
    """Links are followed and case is no boundary; a longer name is another folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "loop").symlink_to("loop")
    first, second = folder_at(tmp_path / one), folder_at(tmp_path / other)
    assert (first.holds(second) or second.holds(first)) is meet


def test_a_folder_under_two_names(tmp_path: Path) -> None:
    """A relative path, and one from home, are what they stand for."""
    assert folder_at(Path(os.path.relpath(tmp_path))).holds(folder_at(tmp_path / "x"))
    assert folder_at(Path("~")).holds(folder_at(Path("~/x")))


def test_the_root_of_a_share_seen_through_another_name() -> None:
    """A folder that exists is known by its inode, whatever the path to it."""
    one = folder_at(
        Path("/proc/self/root/tmp") if Path("/proc").exists() else Path("/")
    )
    assert one.holds(folder_at(Path("/tmp/x")))


OSS = "https://oss-cn-shanghai.aliyuncs.com"


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ((OSS, "b", "x/test"), (OSS, "b", "x/test/"), True),
        ((OSS, "b", "x"), (OSS, "b", "x/test"), True),
        ((OSS, "b", None), (OSS, "b", "x"), True),
        (
            (OSS, "b", "/x//y"),
            ("oss-cn-shanghai-internal.aliyuncs.com", "b", "x"),
            True,
        ),
        ((OSS, "b", "x"), ("https://b.oss-cn-shanghai.aliyuncs.com", "b", "x"), True),
        ((OSS, "b", "x"), ("cn-shanghai.oss.aliyuncs.com", "B", "x"), True),
        ((OSS, "b", "x"), (None, "b", "x"), True),
        (("http://minio:80", "b", "x"), ("https://minio/", "b", "x"), True),
        ((OSS, "b", "x/test"), (OSS, "b", "x/test-2"), False),
        ((OSS, "b", "x/test"), (OSS, "b", "x/Test"), False),
        ((OSS, "b", "x"), (OSS, "c", "x"), False),
        ((OSS, "b", "x"), ("http://minio:9000", "b", "x"), False),
        (("http://minio:9000", "b", "x"), ("http://minio:9001", "b", "x"), False),
    ],
)
def test_buckets(
    one: tuple[str | None, str, str | None],
    other: tuple[str | None, str, str | None],
    meet: bool,
) -> None:
    """A bucket is one however it is reached; a prefix ends at a slash."""
    first, second = (
        bucket_at(bucket, endpoint=endpoint, prefix=prefix)
        for endpoint, bucket, prefix in (one, other)
    )
    assert (first.holds(second) or second.holds(first)) is meet
