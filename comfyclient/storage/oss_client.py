"""Single requests to one bucket, through oss2: each patient, each error one of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import oss2
import requests
from oss2.auth import ProviderAuthV4
from oss2.credentials import Credentials, CredentialsProvider

from ..errors import ComfyClientError, StorageUnreachableError
from ..files.patience import patiently
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .oss_credentials import Keyring
from .oss_errors import FOREIGN, RENEWED, Asked, code_of, translated

CONNECT_S = 5.0
READ_S = 20.0
"""Seconds between two bytes."""
CONNECTIONS = 16

T = TypeVar("T")


class OssClient:
    """One bucket. Safe to use from several threads; connects to nothing yet."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str,
        region: str,
        keyring: Keyring,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.bucket = bucket
        self.endpoint = endpoint if "://" in endpoint else f"https://{endpoint}"
        self.region = region
        self.keyring = keyring
        self.clock = clock
        self._auth = ProviderAuthV4(_Provider(keyring))
        self._session = _Session(pool_size=CONNECTIONS)
        _set_up(self._session.session, self.endpoint)

    def once(
        self,
        request: Callable[[Any], T],
        deadline: Deadline,
        *,
        what: str,
        action: str,
        key: str = "",
    ) -> T:
        """Make a request; with new keys a second time, where these have expired.

        Raises:
            ComfyClientError: what OSS refused, and which grant or setting it takes.
            KeyError: there is no such object.
        """
        asked = Asked(what, action, self.bucket, key, self.endpoint, self.region)
        try:
            try:
                return request(self._bucket(deadline, asked))
            except oss2.exceptions.OssError as error:
                if code_of(error) not in RENEWED:
                    raise
                self.keyring.forget()
                return request(self._bucket(deadline, asked))
        except ComfyClientError:
            raise
        except FOREIGN as error:
            if _no_such_key(error):
                raise KeyError(key) from None
            # oss2 quotes whole requests, with what they were signed by
            raise translated(error, asked, self.clock.now()) from None

    def patient(
        self,
        request: Callable[[Any], T],
        deadline: Deadline,
        *,
        what: str,
        action: str,
        key: str = "",
    ) -> T:
        """Make a request that may be repeated until it is answered; see `once`."""

        def step() -> T:
            return self.once(request, deadline, what=what, action=action, key=key)

        return patiently(step, deadline)

    def signed(self, key: str, *, seconds: int) -> str:
        """A URL to read an object with, by whom the internet reaches."""
        public = self.endpoint.replace("-internal.aliyuncs.com", ".aliyuncs.com")
        bucket = oss2.Bucket(
            self._auth, public, self.bucket, session=self._session, region=self.region
        )
        url: str = bucket.sign_url("GET", key, seconds, slash_safe=True)
        return url

    def close(self) -> None:
        """Drop the pooled connections."""
        self._session.session.close()

    def _bucket(self, deadline: Deadline, asked: Asked) -> Any:
        left = deadline.remaining()
        if left <= 0:
            raise StorageUnreachableError(f"no time was left to {asked.what}")
        return oss2.Bucket(
            self._auth,
            self.endpoint,
            self.bucket,
            session=self._session,
            connect_timeout=(min(CONNECT_S, left), min(READ_S, left)),
            enable_crc=False,  # ours is faster, and never leaves a bad file behind
            region=self.region,
        )


class _Session(oss2.Session):  # type: ignore[misc]
    """Connections; oss2 gives those of refusals and of HEAD not back."""

    def do_request(self, req: Any, timeout: Any) -> Any:
        """Send a request; what has no body of interest is read to its end."""
        answer = super().do_request(req, timeout)
        if answer.status // 100 != 2 or req.method == "HEAD":
            try:
                _ = answer.response.content  # so the connection is given back
            except requests.RequestException as error:
                answer.response.close()
                raise oss2.exceptions.RequestError(error) from None
        return answer


class _Provider(CredentialsProvider):  # type: ignore[misc]
    """Our keys, as oss2 asks for them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def get_credentials(self) -> Credentials:
        """The keys in use."""
        held = self._keyring.current()
        return Credentials(held.key_id, held.secret, held.token)


def _no_such_key(error: Exception) -> bool:
    """Whether an object is not there; HEAD is answered without a code."""
    missing = isinstance(error, oss2.exceptions.OssError) and error.status == 404
    return missing and code_of(error) in {"", "NoSuchKey"}


def _set_up(session: requests.Session, endpoint: str) -> None:
    """Honour the environment's proxies, but no netrc: it would sign otherwise."""
    url = f"{urlsplit(endpoint).scheme}://{urlsplit(endpoint).netloc}"
    merged = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies = dict(merged["proxies"])
    if merged["verify"] is not None:
        session.verify = merged["verify"]
    session.trust_env = False
    session.max_redirects = 0
    for logger in ("oss2.http", "oss2.auth", "oss2.api"):
        # they write signed requests down
        if logging.getLogger(logger).level == logging.NOTSET:
            logging.getLogger(logger).setLevel(logging.WARNING)
