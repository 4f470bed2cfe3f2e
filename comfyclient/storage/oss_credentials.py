"""Who may use a bucket: keys of the environment, of an ECS role, or of a function.

None of them stands in a file. What expires is fetched anew before it does.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import requests

from ..errors import ComfyClientError, StorageAccessError, StorageUnreachableError
from ..timing import SYSTEM_CLOCK, Clock

_log = logging.getLogger("comfyclient.storage.oss_credentials")

METADATA = "http://100.100.100.200"
"""Where an ECS instance learns of itself."""
_FAMILIES = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    ),
)
_AHEAD = timedelta(minutes=5)
"""How long before their end keys are fetched anew, at most."""
_TIMES = (2, 5)


@dataclass(frozen=True, slots=True)
class OssCredentials:
    """An access key, with a token where it is one of STS."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    """None: not known, or never."""


Source: TypeAlias = Callable[[], OssCredentials]


class Keyring:
    """The credentials in use. Safe to use from several threads."""

    def __init__(self, source: Source, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OssCredentials | None = None
        self._renew_at: datetime | None = None

    def current(self) -> OssCredentials:
        """Credentials that are good for a while yet.

        Raises:
            StorageAccessError: there are none.
            StorageUnreachableError: whoever gives them does not answer.
        """
        with self._lock:
            now = self._clock.now()
            due = self._renew_at is not None and now >= self._renew_at
            if self._held is None or due:
                self._renew(now)
            assert self._held is not None, "they were just fetched"
            return self._held

    def forget(self) -> None:
        """They are refused: fetch others at the next use."""
        with self._lock:
            self._held = None

    def _renew(self, now: datetime) -> None:
        try:
            fetched = self._source()
        except ComfyClientError as error:
            held = self._held
            if held is None or held.expires_at is None or held.expires_at <= now:
                raise
            _log.warning("the credentials could not be renewed: %s", error.message)
            return
        self._held, self._renew_at = fetched, None
        if fetched.expires_at is not None:
            life = max(fetched.expires_at - now, timedelta())
            self._renew_at = fetched.expires_at - min(_AHEAD, life / 4)


def of_environment() -> OssCredentials:
    """The keys that environment variables hold.

    Raises:
        StorageAccessError: there are none.
    """
    for names in _FAMILIES:
        key_id, secret, token = (os.environ.get(name, "").strip() for name in names)
        if key_id and secret:
            return OssCredentials(key_id, secret, token or None)
        if key_id or secret:
            missing = names[1] if key_id else names[0]
            raise StorageAccessError(f"the variable {missing} is not set")
    raise StorageAccessError(
        "there are no credentials for OSS: OSS_ACCESS_KEY_ID is not set",
        hint="set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN), "
        "or name another source in storage.credentials",
    )


def of_ecs_role(*, role: str | None = None, metadata: str = METADATA) -> OssCredentials:
    """The keys of the RAM role that this ECS instance has.

    Raises:
        StorageAccessError: it has none.
        StorageUnreachableError: this is no ECS instance, or it is not answered.
    """
    folder = f"{metadata}/latest/meta-data/ram/security-credentials/"
    with requests.Session() as session:
        session.trust_env = False
        try:
            headers = _pass(session, metadata)
            name = role if role is not None else _text(session, folder, headers)
            found = session.get(
                folder + name, headers=headers, timeout=_TIMES, allow_redirects=False
            )
        except requests.RequestException as error:
            raise StorageUnreachableError(
                f"the metadata of ECS do not answer: {type(error).__name__}",
                hint="an ECS role is to be had on an ECS instance only; elsewhere set "
                "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
            ) from None
    return _of_metadata(found, name)


def _pass(session: requests.Session, metadata: str) -> dict[str, str]:
    """What hardened metadata want to be shown; older ones know nothing of it."""
    answer = session.put(
        f"{metadata}/latest/api/token",
        headers={"X-aliyun-ecs-metadata-token-ttl-seconds": "300"},
        timeout=_TIMES,
        allow_redirects=False,
    )
    good = answer.status_code == 200
    return {"X-aliyun-ecs-metadata-token": answer.text.strip()} if good else {}


def _text(session: requests.Session, url: str, headers: dict[str, str]) -> str:
    answer = session.get(url, headers=headers, timeout=_TIMES, allow_redirects=False)
    names = answer.text.split() if answer.status_code == 200 else []
    if not names:
        raise StorageAccessError(
            "this ECS instance has no RAM role",
            hint="attach one to it that may use the bucket; elsewhere set "
            "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        )
    return names[0]


def _of_metadata(answer: requests.Response, role: str) -> OssCredentials:
    try:
        said = answer.json()
        if said["Code"] != "Success":
            raise ValueError
        return OssCredentials(
            key_id=said["AccessKeyId"],
            secret=said["AccessKeySecret"],
            token=said["SecurityToken"],
            expires_at=datetime.fromisoformat(said["Expiration"]).astimezone(UTC),
        )
    except (KeyError, TypeError, ValueError):
        raise StorageAccessError(
            f"the metadata of ECS gave no keys of the role {role[:64]!r} "
            f"(status {answer.status_code})"
        ) from None


def of_any() -> OssCredentials:
    """The environment's keys, or where it has none those of the ECS role.

    Raises:
        StorageAccessError: there are neither.
    """
    if any(os.environ.get(names[0]) for names in _FAMILIES):
        return of_environment()
    try:
        return of_ecs_role()
    except StorageUnreachableError:  # no ECS instance: say what can be set here
        return of_environment()
