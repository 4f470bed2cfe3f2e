"""Whose keys open a bucket: the environment's, an ECS role's, a function's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

import pytest
from aliyunsdkcore.auth.composer import rpc_signature_composer
from pydantic import ValidationError

from comfyclient.config.settings import StorageSettings
from comfyclient.errors import ConfigError, StorageAccessError, StorageUnreachableError
from comfyclient.storage.oss_credentials import (
    Keyring,
    OssCredentials,
    of_ecs_role,
    of_environment,
)
from comfyclient.storage.oss_opening import open_bucket
from comfyclient.storage.sts import assume_role
from comfyclient.testing import HastyClock
from comfyclient.timing import Deadline

from ...small_server import SmallServer

SAID = {
    "Code": "Success",
    "AccessKeyId": "STS.role",
    "AccessKeySecret": "s3cret",
    "SecurityToken": "t0ken",
    "Expiration": "2030-01-02T03:04:05Z",
}


def given() -> OssCredentials:
    """A source, to be named in the configuration."""
    return OssCredentials("id", "secret")


def nothing() -> str:
    """A source that gives no credentials."""
    return "id:secret"


class Metadata(SmallServer):
    """The metadata of an ECS instance, hardened or not."""

    def __init__(self, *, hardened: bool, said: object) -> None:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

            def do_PUT(self) -> None:
                self._say("pass" if hardened else None)

            def do_GET(self) -> None:
                shown = self.headers.get("X-aliyun-ecs-metadata-token")
                if hardened and shown != "pass":
                    self._say(None)
                elif self.path.endswith("/ram/security-credentials/"):
                    self._say("the-role")
                elif self.path.endswith("/the-role"):
                    self._say(json.dumps(said))
                else:
                    self._say(None)

            def _say(self, text: str | None) -> None:
                body = b"" if text is None else text.encode()
                self.send_response(403 if text is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)


@pytest.fixture
def metadata() -> Iterator[list[Metadata]]:
    """Metadata services, closed in the end."""
    made: list[Metadata] = []
    yield made
    for one in made:
        one.close()


@pytest.mark.parametrize("hardened", [True, False])
def test_an_ecs_role(metadata: list[Metadata], hardened: bool) -> None:
    """The role is found by itself; hardened metadata are shown a pass."""
    metadata.append(Metadata(hardened=hardened, said=SAID))
    found = of_ecs_role(metadata=metadata[0].url)
    assert (found.key_id, found.secret, found.token) == ("STS.role", "s3cret", "t0ken")
    assert found.expires_at == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize("said", [{**SAID, "Code": "Failed"}, {}, [], "x"])
def test_a_role_that_gives_nothing(metadata: list[Metadata], said: object) -> None:
    """An answer that holds no keys is no keys; nothing of it is quoted."""
    metadata.append(Metadata(hardened=False, said=said))
    with pytest.raises(StorageAccessError, match="gave no keys") as caught:
        of_ecs_role(metadata=metadata[0].url)
    assert "s3cret" not in str(caught.value)


def test_no_ecs_instance() -> None:
    """Elsewhere there are no metadata."""
    with pytest.raises(StorageUnreachableError, match="ECS instance only"):
        of_ecs_role(metadata="http://127.0.0.1:9")


@pytest.mark.parametrize("family", ["OSS_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY"])
def test_the_environment(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    """Both names that tools use; a half is told apart from nothing."""
    with pytest.raises(StorageAccessError, match="OSS_ACCESS_KEY_ID is not set"):
        of_environment()
    monkeypatch.setenv(f"{family}_ID", "id")
    with pytest.raises(StorageAccessError, match=f"{family}_SECRET is not set"):
        of_environment()
    monkeypatch.setenv(f"{family}_SECRET", "secret\n")
    assert of_environment() == OssCredentials("id", "secret")


def test_a_source_that_fails_for_a_while() -> None:
    """Keys that are good yet are used on; afterwards the failure is told."""
    clock = HastyClock()
    answers: list[object] = [
        OssCredentials("a", "b", "c", clock.now() + timedelta(hours=1)),
        *[StorageUnreachableError("away")] * 2,
    ]

    def source() -> OssCredentials:
        answer = answers.pop(0)
        if isinstance(answer, StorageUnreachableError):
            raise answer
        assert isinstance(answer, OssCredentials)
        return answer

    keyring = Keyring(source, clock=clock)
    first = keyring.current()
    Deadline(3500, clock=clock).pause(3500)
    assert keyring.current() is first
    Deadline(200, clock=clock).pause(200)
    with pytest.raises(StorageUnreachableError):
        keyring.current()


class Sts(SmallServer):
    """STS, which signs again by another's code what it was sent."""

    def __init__(self, secret: str) -> None:
        sign = vars(rpc_signature_composer)

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked = dict(parse_qsl(body))
                told = asked.pop("Signature")
                text = sign["__compose_string_to_sign"]("POST", asked)
                wanted = sign["__get_signature"](text, secret)
                end = datetime.now(UTC) + timedelta(
                    seconds=int(asked["DurationSeconds"])
                )
                said: dict[str, object] = {"Code": "SignatureDoesNotMatch"}
                if told == wanted and asked["RoleArn"] == ROLE:
                    keys = {**SAID, "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
                    said = {"Credentials": keys}
                elif told == wanted:
                    said = {"Code": "NoPermission"}
                answer = json.dumps(said).encode()
                self.send_response(200 if "Credentials" in said else 403)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        super().__init__(Handler)


ROLE = "acs:ram::123:role/comfy ~*+湖"


class TestSts:
    """Keys of a role, with which an hour of work is signed."""

    @pytest.fixture
    def sts(self) -> Iterator[Sts]:
        """An STS."""
        sts = Sts("secret")
        yield sts
        sts.close()

    def test_a_role(self, sts: Sts) -> None:
        """Whoever may assume it gets keys that end."""
        found = assume_role(ROLE, base=given, endpoint=sts.url)
        assert (found.key_id, found.token) == ("STS.role", "t0ken")
        assert found.expires_at is not None
        left = (found.expires_at - datetime.now(UTC)).total_seconds()
        assert 3500 < left <= 3600

    def test_refused(self, sts: Sts) -> None:
        """Another role, or a wrong secret: what is missing is told."""
        with pytest.raises(StorageAccessError, match="sts:AssumeRole"):
            assume_role("acs:ram::1:role/x", base=given, endpoint=sts.url)
        wrong = OssCredentials("id", "wrong")
        with pytest.raises(StorageAccessError, match="SignatureDoesNotMatch"):
            assume_role(ROLE, base=lambda: wrong, endpoint=sts.url)

    def test_nobody_there(self) -> None:
        """STS that does not answer may later."""
        with pytest.raises(StorageUnreachableError):
            assume_role(ROLE, base=given, endpoint="http://127.0.0.1:9")

    def test_configured(self) -> None:
        """The role goes with the word, and the word with the role."""
        open_bucket("t", bucket(credentials="sts", role_arn=ROLE), "cn-x").close()
        for wrong in ({"credentials": "sts"}, {"role_arn": ROLE}):
            with pytest.raises(ValidationError, match="go together"):
                bucket(**wrong)


def bucket(**more: str) -> StorageSettings:
    """A bucket that is configured."""
    return StorageSettings.model_validate(
        {"kind": "oss", "bucket": "nev-aigc", "endpoint": "oss.example.com", **more}
    )


def test_a_function() -> None:
    """It is found by its name; what is none, or gives none, is told."""
    named = bucket(region="cn-shanghai", credentials=f"{__name__}:given")
    open_bucket("test", named, None).close()
    for wrong in ("no.such:function", "json:no_such"):
        settings = bucket(region="cn-shanghai", credentials=wrong)
        with pytest.raises(ConfigError, match="is not there"):
            open_bucket("test", settings, None)
    keyless = bucket(region="cn-shanghai", credentials=f"{__name__}:nothing")
    storage = open_bucket("test", keyless, None)
    with pytest.raises(StorageAccessError, match="gave str") as caught:
        [*storage.entries("", Deadline(5))]
    assert "id:secret" not in str(caught.value)
    storage.close()


def test_the_region() -> None:
    """Of the bucket, of its endpoint, of the environment; or it is asked for."""
    with pytest.raises(ConfigError, match=r"set storage\.region"):
        open_bucket("test", bucket(), None)
    open_bucket("test", bucket(), "cn-shanghai").close()
    inside = bucket(endpoint="oss-cn-beijing-internal.aliyuncs.com")
    open_bucket("test", inside, None).close()
