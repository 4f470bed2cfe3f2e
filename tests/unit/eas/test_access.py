"""Ways and grants of an environment, told before anything is there."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from comfyclient.config.settings import EnvironmentSettings, StorageSettings
from comfyclient.eas.access import PURPOSES, Purpose, policy_of, ways_of
from comfyclient.eas.egress import calling_classes
from comfyclient.workflow import Workflow

EAS = "cn-shanghai.pai-eas.aliyuncs.com"


def environment(url: str, **storage: Any) -> EnvironmentSettings:
    """An environment with one instance."""
    return EnvironmentSettings.model_validate(
        {"instances": [{"name": "a", "url": url}], "storage": storage}
    )


def bucket(prefix: str = "comfyui/test/") -> StorageSettings:
    """A bucket with a prefix."""
    return StorageSettings(
        kind="oss",
        bucket="nev-aigc",
        endpoint="https://oss-cn-shanghai-internal.aliyuncs.com",
        prefix=prefix,
    )


def allows(policy: Any, action: str, key: str = "") -> bool:
    """Whether a policy of RAM allows it, as RAM reads its wildcards."""
    resource = f"acs:oss:*:*:nev-aigc{'/' if key else ''}{key}"
    return any(
        action in statement["Action"]
        and any(fnmatchcase(resource, one) for one in statement["Resource"])
        for statement in policy["Statement"]
    )


def test_every_way_is_told_with_what_it_takes() -> None:
    """Gateway, bucket, mount, models, their results, and nodes that call out."""
    one = environment(
        f"http://1.vpc.{EAS}/api/predict/c", **bucket().model_dump(exclude_unset=True)
    )
    found = list(
        ways_of(
            one,
            models_at="https://dashscope.aliyuncs.com/api/v1",
            paints=True,
            result_hosts=("dashscope-result-*.oss-*.aliyuncs.com",),
            calling={"WanImage": "cover@1.0.0"},
        )
    )
    assert [(way.source, way.target) for way in found] == [
        ("client", f"1.vpc.{EAS}:80"),
        ("client", "nev-aigc.oss-cn-shanghai-internal.aliyuncs.com:443"),
        ("service", "oss://nev-aigc/comfyui/test/"),
        ("client", "dashscope.aliyuncs.com:443"),
        ("client", "dashscope-result-*.oss-*.aliyuncs.com:443"),
        ("service", "the internet, DashScope for one"),
    ]
    assert "in a VPC of cn-shanghai" in found[0].takes
    assert "network of cn-shanghai" in found[1].takes
    assert "own region, cn-shanghai" in found[2].takes
    assert all(word in found[-1].takes for word in ("NAT", "EIP", "SNAT"))


def test_a_mount_and_a_server_of_ones_own_take_less() -> None:
    """No grants of a cloud; a public address takes no VPC."""
    found = list(ways_of(environment("https://comfy.example.com:8443", kind="view")))
    assert [way.target for way in found] == ["comfy.example.com:8443"]
    mounted = list(ways_of(environment("http://a", kind="mount", root="/mnt/x")))
    assert (mounted[1].target, "mounted" in mounted[1].takes) == ("/mnt/x", True)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_policy_reaches_no_other_environment(purpose: Purpose) -> None:
    """Nor what is beside it by name; nothing is allowed on the whole bucket."""
    policy = policy_of(bucket(), purpose)
    others = ("comfyui/prod/output/a", "comfyui/test2/output/a", "output/a", "a")
    actions = {one for s in policy["Statement"] for one in s["Action"]}  # type: ignore

    assert not [
        (action, key)
        for action in actions
        for key in others
        if allows(policy, action, key)
    ]
    listing = policy["Statement"][0]  # type: ignore
    assert listing["Condition"] == {"StringLike": {"oss:Prefix": ["comfyui/test/*"]}}
    assert actions <= {
        "oss:ListObjects", "oss:GetObject", "oss:PutObject",
        "oss:AbortMultipartUpload", "oss:DeleteObject",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "may", "may_not"),
    [
        ("run", ("oss:PutObject", "input/a"), ("oss:PutObject", "custom_nodes/a.py")),
        ("push", ("oss:PutObject", "models/vae/a"), ("oss:DeleteObject", "models/a")),
        ("look", ("oss:GetObject", "output/a"), ("oss:PutObject", "input/a")),
    ],
)
def test_a_purpose_gets_what_it_takes_and_no_more(
    purpose: Purpose, may: tuple[str, str], may_not: tuple[str, str]
) -> None:
    """A backend cannot change nodes, which would run its code on the service."""
    policy = policy_of(bucket(), purpose)
    assert allows(policy, may[0], f"comfyui/test/{may[1]}")
    assert not allows(policy, may_not[0], f"comfyui/test/{may_not[1]}")


def test_where_there_is_no_bucket_there_is_no_policy() -> None:
    """A mount is granted by whoever mounts it; a bucket may be one's own as a whole."""
    assert policy_of(StorageSettings(), "run") is None
    whole = policy_of(bucket().model_copy(update={"prefix": None}), "look")
    assert allows(whole, "oss:GetObject", "output/a")


def test_classes_that_call_out_are_known_by_their_names() -> None:
    """Ours, those of DashScope packs, loaders of URLs; and what a server marks so."""
    names = ("WanImage", "DashScopeChat", "LoadImageFromURL", "KSampler", "Odd")
    graph = {
        str(number): {"class_type": name, "inputs": {}}
        for number, name in enumerate(names)
    }
    found = calling_classes({"t": Workflow(graph)}, also=lambda name: name == "Odd")
    assert sorted(found) == ["DashScopeChat", "LoadImageFromURL", "Odd", "WanImage"]
    assert "WanVideoSampler" not in calling_classes(
        {"t": Workflow({"1": {"class_type": "WanVideoSampler", "inputs": {}}})}
    )
