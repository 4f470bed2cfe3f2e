"""The doctor before OSS: grants, keys, clocks, and endpoints of another network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from comfyclient.checks.network import SystemNetwork
from comfyclient.checks.plan import patient_of, plan
from comfyclient.checks.senses import Senses
from comfyclient.config.settings import Settings
from comfyclient.doctor import Doctor, Examined
from comfyclient.eas.access import policy_of
from comfyclient.eas.mount import push
from comfyclient.errors import StorageError
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.templating.registry import Registry
from comfyclient.testing import OssFault, OssRequest, OssServer
from comfyclient.timing import Deadline
from comfyclient.wiring import open_storage

PREFIX = "comfyui/test"


@pytest.fixture(scope="module")
def oss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OssServer]:
    """An OSS with one bucket."""
    with OssServer(tmp_path_factory.mktemp("buckets")) as server:
        yield server


@pytest.fixture(scope="module")
def service(oss: OssServer) -> Iterator[str]:
    """A service that mounts a prefix of the bucket."""
    with EmbeddedEngine(oss.path("nev-aigc", PREFIX)) as engine:
        yield engine.url


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, oss: OssServer) -> Iterator[None]:
    """The keys of the environment; afterwards the server behaves again."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", oss.key.id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", oss.key.secret)
    yield
    oss.behave()
    oss.clock_offset = timedelta()


def settings_of(oss: OssServer, service: str, **storage: Any) -> Settings:
    """An environment with the bucket."""
    bucket = {
        "kind": "oss",
        "bucket": "nev-aigc",
        "endpoint": oss.endpoint,
        "prefix": f"{PREFIX}/",
        "region": "cn-shanghai",
        "credentials": "env",
        "visible_s": 0,
        **storage,
    }
    environment = {
        "instances": [{"name": "a", "url": service}],
        "storage": bucket,
        "region": "cn-shanghai",
    }
    return Settings.model_validate({"environments": {"test": environment}})


def examined(settings: Settings, senses: Senses | None = None) -> dict[str, Examined]:
    """What the doctor found of the storage and of the round trip, by kind."""
    with ExitStack() as stack:
        patient = patient_of("test", settings, stack, registry=Registry([]))
        doctor = Doctor(write_probe=True)
        checks = plan(patient, stack, Senses() if senses is None else senses)
        found = list(doctor.examine(checks, deadline=Deadline(50)))
    ours = [
        o for o in found if o.check.subject == "oss" or o.check.kind == "round-trip"
    ]
    return {one.check.kind: one for one in ours}


def said(found: dict[str, Examined], kind: str) -> tuple[str, str, str]:
    """Status, evidence and remedy of a check."""
    diagnosis = found[kind].diagnosis
    remedy = "" if diagnosis.remedy is None else diagnosis.remedy
    return diagnosis.status.value, diagnosis.evidence, remedy


def test_a_bucket_that_the_service_mounts(oss: OssServer, service: str) -> None:
    """Its job's file comes back through the bucket, and nothing of it stays."""
    found = examined(settings_of(oss, service))

    assert said(found, "region")[1] == "cn-shanghai, at an endpoint of your own"
    assert said(found, "storage")[1] == "oss://nev-aigc/comfyui/test/"
    for kind in ("list", "write", "round-trip"):
        assert said(found, kind)[0] == "ok", said(found, kind)
    mount = oss.path("nev-aigc", PREFIX)
    assert not [file for file in mount.rglob("*") if file.is_file()]
    assert "secret" not in str([one.as_json() for one in found.values()])


@pytest.mark.parametrize(
    ("operation", "kind", "status", "action"),
    [
        ("ListObjects", "list", "fail", "oss:ListObjects"),
        ("PutObject", "write", "fail", "oss:PutObject"),
        ("DeleteObject", "write", "warn", "oss:DeleteObject"),
        ("GetObject", "round-trip", "fail", "oss:GetObject"),
    ],
)
def test_a_grant_that_is_missing_is_named(
    oss: OssServer, service: str, operation: str, kind: str, status: str, action: str
) -> None:
    """By the action of RAM that it takes."""
    oss.deny(operation)
    if operation == "DeleteObject":
        oss.deny("DeleteMultipleObjects")
    got, evidence, remedy = said(examined(settings_of(oss, service)), kind)

    assert got == status, evidence
    assert action in f"{evidence} {remedy}"


def test_keys_that_are_none_are_told(
    oss: OssServer, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is asked; a wrong secret by OSS itself, and never shown."""
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "another-secret-0123456789")
    found = examined(settings_of(oss, service))
    assert said(found, "list")[0] == "fail"
    assert "secret does not belong" in said(found, "list")[2]
    assert "another-secret" not in str([one.as_json() for one in found.values()])

    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    found = examined(settings_of(oss, service))
    assert "OSS_ACCESS_KEY_ID" in " ".join(said(found, "list"))


def test_a_clock_that_is_off_is_told(oss: OssServer, service: str) -> None:
    """OSS refuses what is signed an hour late."""
    oss.clock_offset = timedelta(hours=1)
    status, evidence, remedy = said(examined(settings_of(oss, service)), "list")
    assert (status, "RequestTimeTooSkewed" in evidence) == ("fail", True)
    assert "clock" in remedy


def test_a_service_that_mounts_another_prefix_is_told(
    oss: OssServer, service: str
) -> None:
    """Its job succeeds, and its file is nowhere."""
    found = examined(settings_of(oss, service, prefix="comfyui/other/"))
    status, _, remedy = said(found, "round-trip")
    assert (status, "what the service mounts" in remedy) == ("fail", True)


class Inside(SystemNetwork):
    """Every name is an address that refuses us."""

    def resolve(self, host: str, port: int) -> list[str]:
        """One of the internal network."""
        return ["100.118.28.1"]

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        """Nobody answers from outside."""
        raise TimeoutError("timed out")


@pytest.mark.parametrize(
    ("endpoint", "kind", "words", "remedy"),
    [
        (
            "https://oss-cn-shanghai-internal.aliyuncs.com",
            "tcp",
            "no answer within the time allowed",
            "take https://oss-cn-shanghai.aliyuncs.com",
        ),
        (
            "https://oss-cn-beijing.aliyuncs.com",
            "region",
            "storage.endpoint is in cn-beijing, storage.region says cn-shanghai",
            "in both",
        ),
    ],
)
def test_an_endpoint_of_another_network_or_region_is_told(
    oss: OssServer, service: str, endpoint: str, kind: str, words: str, remedy: str
) -> None:
    """Before any signature is made."""
    settings = settings_of(oss, service, endpoint=endpoint)
    found = examined(settings, Senses(network=Inside()))

    status, evidence, what_to_do = said(found, kind)
    assert (status, words in evidence) == ("fail", True)
    assert remedy in what_to_do
    assert said(found, "list")[0] == "skipped"


def test_a_bucket_of_another_region_is_told(oss: OssServer, service: str) -> None:
    """No service can mount it."""
    endpoint = "https://oss-cn-beijing.aliyuncs.com"
    settings = settings_of(oss, service, endpoint=endpoint, region=None)
    found = examined(settings, Senses(network=Inside()))
    status, evidence, _ = said(found, "region")
    assert (status, "cannot mount it" in evidence) == ("fail", True)


def test_a_push_that_broke_off_is_gone_on_with(
    oss: OssServer, service: str, tmp_path: Path
) -> None:
    """Whole files are passed over; what is there is the very file."""
    names = ("a.safetensors", "b.safetensors")
    uploads = []
    for name in names:
        (tmp_path / name).write_bytes(name.encode() * 1000)
        uploads.append((f"models/loras/{name}", tmp_path / name))
    oss.fail("PutObject", OssFault(status=403, code="AccessDenied"), key="b.safe")
    with ExitStack() as stack:
        storage = open_storage("test", settings_of(oss, service), stack)
        with pytest.raises(StorageError, match=r"b\.safetensors"):
            list(push(uploads, storage, Deadline(30)))
        sent = [one.sent for one in push(uploads, storage, Deadline(30))]
        storage.delete([path for path, _ in uploads], Deadline(30))
    assert sent == [False, True]


def test_the_written_policy_allows_what_is_done(
    oss: OssServer, service: str, tmp_path: Path
) -> None:
    """All that a run and a push ask of the bucket, and nothing of it beside."""
    settings = settings_of(oss, service)
    storage = settings.environments["test"].storage
    large = tmp_path / "large.safetensors"
    large.write_bytes(b"x" * (9 << 20))
    oss.requests.clear()
    examined(settings)
    asked = {"run": list(oss.requests)}
    oss.requests.clear()
    with ExitStack() as stack:
        opened = open_storage("test", settings, stack)
        list(push([("models/vae/large.safetensors", large)], opened, Deadline(30)))
        asked["push"] = list(oss.requests)
        opened.delete(["models/vae/large.safetensors"], Deadline(30))

    for purpose in ("run", "push"):
        policy = policy_of(storage, purpose)
        refused = [one for one in asked[purpose] if not granted(policy, one)]
        assert asked[purpose]
        assert not refused
    assert not granted(policy_of(storage, "look"), asked["push"][-1])


ACTIONS = {
    "HeadObject": "oss:GetObject",
    "UploadPart": "oss:PutObject",
    "InitiateMultipartUpload": "oss:PutObject",
    "CompleteMultipartUpload": "oss:PutObject",
    "DeleteMultipleObjects": "oss:DeleteObject",
}
"""The action of RAM that an operation takes, where it is called otherwise."""


def granted(policy: Any, one: OssRequest) -> bool:
    """Whether a policy allows a request; of a deletion of many, the action alone."""
    action = ACTIONS.get(one.operation, f"oss:{one.operation}")
    resource = "/".join(filter(None, [f"acs:oss:*:*:{one.bucket}", one.key]))
    return any(
        action in statement["Action"]
        and (
            one.operation == "DeleteMultipleObjects"
            or any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        )
        for statement in policy["Statement"]
    )
