"""Storage in OSS: what is its own, against the stand-in that oss2 speaks to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests

from comfyclient.errors import (
    ConfigError,
    OutputDamagedError,
    OutputError,
    OutputMissingError,
    StorageAccessError,
    StorageError,
    StorageUnreachableError,
)
from comfyclient.files.outputs import Output
from comfyclient.files.refs import Lanes, OutputRef
from comfyclient.storage.oss import OssStorage
from comfyclient.storage.oss_client import OssClient
from comfyclient.storage.oss_credentials import Keyring, OssCredentials
from comfyclient.testing import HastyClock, OssFault, OssKey, OssServer
from comfyclient.timing import Deadline

from .places import storage_of

SIZE = 3_000_000
CONTENT = bytes(range(251)) * (SIZE // 251)
REF = OutputRef("1", "images", "a.bin", "j1")
KEY = "comfyui/test/output/j1/a.bin"
PREFIX = "comfyui/test/"


@pytest.fixture
def oss(tmp_path: Path) -> Iterator[OssServer]:
    """An OSS with one object."""
    with OssServer(tmp_path / "buckets") as server:
        file = server.path("nev-aigc", KEY)
        file.parent.mkdir(parents=True)
        file.write_bytes(CONTENT)
        yield server


@pytest.fixture
def opened() -> Iterator[Callable[..., OssStorage]]:
    """Opens storages, and closes them."""
    with ExitStack() as stack:

        def open_(*arguments, **more) -> OssStorage:
            storage = storage_of(*arguments, **more)
            stack.callback(storage.close)
            return storage

        yield open_


@pytest.fixture
def storage(oss: OssServer, opened) -> OssStorage:
    """The storage of an environment there."""
    return opened(oss, PREFIX)


@pytest.fixture
def in_parts(oss: OssServer, opened) -> OssStorage:
    """The same, where large begins small, so that parts cost little."""
    lanes = Lanes(at_once=4, part=400_000, least=1_000_000)
    return opened(oss, PREFIX, reading=lanes, sending=lanes)


def output_of(storage: OssStorage, ref: OutputRef = REF) -> Output:
    """An output that is there; pauses take no time."""
    return Output(ref, partial(storage.open, instance=None), clock=HastyClock())


def soon(seconds: float = 60) -> Deadline:
    """Time enough."""
    return Deadline(seconds, clock=HastyClock())


class TestDamage:
    """What arrives wrong is fetched again, and never seen under its name."""

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
    def test_broken_off(self, oss, storage, tmp_path: Path, part: float) -> None:
        """It goes on where it stopped: no byte is asked for twice."""
        oss.fail("GetObject", OssFault(cuts_at=int(SIZE * part)))
        assert output_of(storage).save(tmp_path).read_bytes() == CONTENT
        first, second = (r.range for r in oss.requests if r.operation == "GetObject")
        assert first is None
        assert second == f"bytes={int(SIZE * part)}-"

    @pytest.mark.parametrize(
        "fault", [OssFault(flips=2_000_000), OssFault(shortens=5)], ids=str
    )
    def test_wrong(self, oss, storage, tmp_path: Path, fault: OssFault) -> None:
        """A flipped byte or a missing end is noticed."""
        oss.fail("GetObject", fault)
        assert output_of(storage).save(tmp_path / "a").read_bytes() == CONTENT
        assert [f.name for f in (tmp_path / "a").iterdir()] == ["a.bin"]

    def test_wrong_for_ever(self, oss, storage, tmp_path: Path) -> None:
        """What never arrives right is an error, and leaves nothing."""
        oss.fail("GetObject", OssFault(flips=7, times=None))
        with pytest.raises(OutputDamagedError, match="checksum"):
            output_of(storage).save(tmp_path / "a")
        with pytest.raises(OutputDamagedError, match="checksum"):
            list(output_of(storage).stream())
        assert list((tmp_path / "a").iterdir()) == []

    @pytest.mark.parametrize(
        ("fault", "asked"),
        [
            (None, 8),
            (OssFault(cuts_at=1_500_000, times=2), 9),  # the first one stops before it
            (OssFault(flips=1_500_000, times=2), 16),
            (OssFault(503, "QpsLimitExceeded", times=3), 11),
        ],
        ids=["well", "cut", "flipped", "throttled"],
    )
    def test_in_lanes(self, oss, in_parts, tmp_path, fault, asked) -> None:
        """A large one comes in parts, several at a time, and is checked as a whole."""
        if fault is not None:
            oss.fail("GetObject", fault)
        assert output_of(in_parts).save(tmp_path).read_bytes() == CONTENT
        assert oss.count("GetObject") == asked

    def test_in_lanes_for_ever(self, oss, in_parts, tmp_path: Path) -> None:
        """One part that never comes ends all of them."""
        oss.fail("GetObject", OssFault(cuts_at=1_500_000, times=None))
        with pytest.raises(OutputDamagedError):
            output_of(in_parts).save(tmp_path / "a")
        assert list((tmp_path / "a").iterdir()) == []

    def test_a_larger_one_than_may_be_read(self, storage) -> None:
        """Its size is known before it is read."""
        with pytest.raises(OutputError, match="larger than 1000"):
            output_of(storage).read(limit=1000)


class TestVisibility:
    """An object that its mount has not shown yet is waited for."""

    def test_it_is_waited_for(self, opened, oss: OssServer) -> None:
        """Within the time allowed."""
        oss.hide(KEY, looks=3)
        storage = opened(oss, PREFIX, visible_s=10)
        assert output_of(storage).read() == CONTENT

    def test_not_for_ever(self, opened, oss: OssServer) -> None:
        """After that it is missing, with what may be wrong."""
        oss.hide(KEY, looks=1000)
        storage = opened(oss, PREFIX, visible_s=2)
        with pytest.raises(OutputMissingError, match="has no output/j1") as caught:
            output_of(storage).read()
        assert f"is oss://nev-aigc/{PREFIX} what the service mounts" in str(
            caught.value
        )


class TestRefusals:
    """Each says which grant or setting is missing."""

    @pytest.mark.parametrize(
        ("code", "status", "kind", "words"),
        [
            ("SignatureDoesNotMatch", 403, StorageAccessError, "secret does not"),
            ("InvalidAccessKeyId", 403, StorageAccessError, "deleted, disabled"),
            ("UserDisable", 403, StorageAccessError, "arrears"),
            ("NoSuchBucket", 404, ConfigError, "storage.bucket"),
            ("InvalidObjectState", 403, StorageError, "restore it"),
            ("Whatever", 400, StorageError, "Whatever"),
        ],
    )
    def test_codes(self, oss, storage, code, status, kind, words) -> None:
        """By OSS's own code."""
        oss.fail("GetObject", OssFault(status, code, times=None))
        with pytest.raises(kind, match=words):
            output_of(storage).read()

    @pytest.mark.parametrize(
        ("operation", "action", "act"),
        [
            ("GetObject", "oss:GetObject", lambda s: output_of(s).read()),
            ("PutObject", "oss:PutObject", lambda s: s.put("models/m", b"1", soon())),
            ("ListObjects", "oss:ListObjects", lambda s: [*s.entries("", soon())]),
            (
                "DeleteMultipleObjects",
                "oss:DeleteObject",
                lambda s: s.delete(["temp/a"], soon()),
            ),
        ],
    )
    def test_a_missing_grant(self, oss, storage, operation, action, act) -> None:
        """RAM's own word for it, and on what."""
        oss.deny(operation)
        with pytest.raises(StorageAccessError) as caught:
            act(storage)
        assert f"grant {action} on acs:oss:*:*:nev-aigc/{PREFIX}" in str(caught.value)

    def test_the_wrong_endpoint(self, oss, storage) -> None:
        """The right one is named where OSS tells it; the region where it does not."""
        words = (
            "The bucket you are attempting to access must be addressed using the "
            "specified endpoint."
        )
        oss.fail("GetObject", OssFault(403, "AccessDenied", words, endpoint="oss-cn-x"))
        with pytest.raises(ConfigError, match="oss-cn-x"):
            output_of(storage).read()
        oss.region = "cn-beijing"
        with pytest.raises(ConfigError, match="not in cn-shanghai"):
            output_of(storage).read()

    def test_a_clock_that_is_wrong(self, oss, storage) -> None:
        """By how much is told."""
        oss.clock_offset = timedelta(hours=1)
        with pytest.raises(StorageAccessError, match=r"it is 3[56]\d\d s behind"):
            output_of(storage).read()

    def test_nobody_there(self, opened, tmp_path: Path) -> None:
        """The endpoint is named, and why it may be silent."""
        with OssServer(tmp_path) as server:
            storage = opened(server)
        with pytest.raises(StorageUnreachableError, match="VPC"):
            output_of(storage).read()

    def test_nothing_secret_is_written_down(
        self, opened, oss, caplog, tmp_path
    ) -> None:
        """Not in an error, not in a log line, at any level."""
        caplog.set_level(logging.DEBUG)
        token = OssKey("STS.abc", "very-secret", "token-very-secret")
        oss.let_in(token)
        held = OssCredentials(token.id, token.secret, token.token)
        storage = opened(oss, PREFIX, source=lambda: held)
        output_of(storage).save(tmp_path)
        storage.sign(REF, seconds=60)
        oss.fail("GetObject", OssFault(403, "SignatureDoesNotMatch", times=None))
        with pytest.raises(StorageAccessError) as caught:
            output_of(storage).read()
        told = f"{caplog.text}{caught.value}{held!r}"
        assert "very-secret" not in told
        assert "Signature=" not in told


class TestRepeating:
    """What oss2 tries once is tried again where that is worth it."""

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_fault_that_passes(self, oss, storage, status) -> None:
        """Of each call, as long as OSS asks for where it does."""
        delay = {"x-oss-qos-delay-time": "1500"}
        for operation in ("GetObject", "HeadObject", "PutObject", "ListObjects"):
            oss.fail(operation, OssFault(status, "Busy", headers=delay, times=2))
        deadline = soon()
        assert output_of(storage).read() == CONTENT
        assert storage.put("input/x.png", b"1", deadline)
        assert len([*storage.entries("", deadline)]) == 2
        assert deadline.remaining() <= 60 - 3 * 3

    def test_its_time_is_over(self, oss, storage) -> None:
        """A deadline ends that."""
        oss.fail("ListObjects", OssFault(503, "Busy", times=None))
        with pytest.raises(StorageUnreachableError):
            [*storage.entries("", soon(0.5))]
        assert oss.count("ListObjects") < 12


class TestSending:
    """What is sent appears whole, and as it was."""

    @pytest.mark.parametrize(
        ("operation", "fault"),
        [
            ("none", None),
            ("UploadPart", OssFault(500, times=3)),
            ("CompleteMultipartUpload", OssFault(500)),
            ("InitiateMultipartUpload", OssFault(503)),
        ],
    )
    def test_in_parts(self, oss, in_parts, tmp_path, operation, fault) -> None:
        """A large one goes in parts; one that fails is sent again, and none is left."""
        (tmp_path / "m").write_bytes(CONTENT)
        if fault is not None:
            oss.fail(operation, fault)
        assert in_parts.put("models/m", tmp_path / "m", soon())
        assert oss.path("nev-aigc", f"{PREFIX}models/m").read_bytes() == CONTENT
        assert oss.count("UploadPart") >= 8
        assert oss.store.uploads == 0

    def test_parts_that_fail_for_good(self, oss, in_parts, tmp_path) -> None:
        """Nothing is left under the name, and no part is paid for."""
        (tmp_path / "m").write_bytes(CONTENT)
        oss.deny("UploadPart")
        with pytest.raises(StorageAccessError, match="oss:PutObject"):
            in_parts.put("models/m", tmp_path / "m", soon())
        assert not oss.path("nev-aigc", f"{PREFIX}models/m").exists()
        assert oss.store.uploads == 0

    def test_a_wrong_checksum(self, oss, storage) -> None:
        """It is sent again until OSS has what was sent."""
        oss.fail("PutObject", OssFault(flips=0))
        assert storage.put("input/x.png", b"12345", soon())
        assert oss.count("PutObject") == 2


class TestUrls:
    """A signed URL hands one picture on, for a while."""

    def test_it_is_good(self, oss, storage) -> None:
        """Without any key, with the slashes of its key, and for nothing else."""
        url = storage.sign(REF, seconds=60)
        assert f"/{KEY}?" in url
        assert requests.get(url, timeout=5).content == CONTENT
        other = requests.get(url.replace("a.bin", "b.bin"), timeout=5)
        assert other.status_code == 403

    def test_until_it_expires(self, oss, storage) -> None:
        """After its time it is refused."""
        url = storage.sign(REF, seconds=60)
        oss.clock_offset = timedelta(seconds=61)
        assert requests.get(url, timeout=5).status_code == 403

    def test_it_names_the_public_endpoint(self) -> None:
        """What signs it may be inside the VPC; who reads it is not."""
        keyring = Keyring(lambda: OssCredentials("id", "secret"))
        endpoint = "oss-cn-shanghai-internal.aliyuncs.com"
        client = OssClient(
            "nev-aigc", endpoint=endpoint, region="cn-shanghai", keyring=keyring
        )
        url = OssStorage(client, prefix=PREFIX).sign(REF, seconds=60)
        assert url.startswith(f"https://nev-aigc.oss-cn-shanghai.aliyuncs.com/{KEY}?")

    def test_no_longer_than_its_key(self, opened, oss) -> None:
        """A key of STS that ends sooner would end the URL: that is said."""
        now = datetime.now(UTC)
        held = OssCredentials("a", "b", "c", now + timedelta(minutes=20))
        storage = opened(oss, PREFIX, source=lambda: held)
        assert "x-oss-expires=1000" in storage.sign(REF, seconds=1000)
        with pytest.raises(StorageError, match=r"are good for 1[12]"):
            storage.sign(REF, seconds=3600)
        for seconds in (0, 700_000):
            with pytest.raises(StorageError, match="604800"):
                storage.sign(REF, seconds=seconds)


class TestKeysOfSts:
    """Keys that expire are renewed before they do, and when they are refused."""

    def test_renewed(self, oss: OssServer) -> None:
        """Each request is signed by keys that are good."""
        clock = HastyClock()
        given: list[OssCredentials] = []

        def source() -> OssCredentials:
            number = len(given)
            key = OssKey(f"STS.{number}", "s", f"t{number}")
            oss.let_in(key)
            end = clock.now() + timedelta(hours=1)
            given.append(OssCredentials(key.id, key.secret, key.token, end))
            return given[-1]

        keyring = Keyring(source, clock=clock)
        assert keyring.current() is keyring.current()
        Deadline(3000, clock=clock).pause(3000)
        assert keyring.current() is given[0]
        Deadline(400, clock=clock).pause(400)
        assert keyring.current() is given[1]

    def test_refused(self, opened, oss: OssServer) -> None:
        """Keys that have expired all the same are replaced, once."""
        old = OssKey("STS.old", "s", "t", datetime.now(UTC) - timedelta(seconds=1))
        oss.let_in(old)
        good = oss.key
        keys = [
            OssCredentials(old.id, old.secret, old.token),
            OssCredentials(good.id, good.secret),
        ]
        storage = opened(oss, PREFIX, source=lambda: keys.pop(0))
        assert output_of(storage).read() == CONTENT
        always = OssCredentials(old.id, old.secret, old.token)
        storage = opened(oss, PREFIX, source=lambda: always)
        with pytest.raises(StorageAccessError, match="fetch new keys of STS"):
            output_of(storage).read()
