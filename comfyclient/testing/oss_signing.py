"""Whether a request to the OSS stand-in is signed as OSS wants it: versions 1 and 4.

Written after the signature pages of OSS and checked against what oss2 signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

SKEW = timedelta(minutes=15)
"""How far a client's clock may be off."""
_SUBRESOURCES = frozenset(
    {
        "delete", "uploads", "uploadId", "partNumber", "continuation-token",
        "security-token", "response-content-type", "response-content-disposition",
        "objectMeta", "acl", "lifecycle", "location", "stat", "bucketInfo", "tagging",
        "x-oss-process",
    }
)  # fmt: skip
"""The parameters that version 1 signs, of those that the stand-in knows."""


@dataclass(frozen=True, slots=True)
class OssKey:
    """An access key that the stand-in knows; with a token, one of STS."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A request as far as it is signed."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in: status, code, message."""

    status: int
    code: str
    message: str


class Verifier:
    """Checks signatures against the keys it knows."""

    def __init__(self, keys: Mapping[str, OssKey], region: str) -> None:
        self._keys = keys
        self._region = region

    def refusal(self, request: Signed, now: datetime) -> Refusal | None:
        """Why the request is not let in; None where it is."""
        authorization = request.headers.get("authorization", "")
        if authorization.startswith("OSS4-HMAC-SHA256 "):
            return self._by_header_4(request, authorization, now)
        if authorization.startswith("OSS "):
            return self._by_header_1(request, authorization, now)
        if "x-oss-signature" in request.query:
            return self._by_url_4(request, now)
        if "Signature" in request.query:
            return self._by_url_1(request, now)
        return Refusal(
            403,
            "AccessDenied",
            "You have no right to access this object because of bucket acl.",
        )

    # -- version 4

    def _by_header_4(
        self, request: Signed, authorization: str, now: datetime
    ) -> Refusal | None:
        parts = dict(
            part.strip().partition("=")[::2]
            for part in authorization.partition(" ")[2].split(",")
        )
        date = request.headers.get("x-oss-date", "")
        if (late := _skewed(_time_4(date), now)) is not None:
            return late
        return self._check_4(
            request,
            parts.get("Credential", ""),
            date,
            signature=parts.get("Signature", ""),
            query=request.query,
            token=request.headers.get("x-oss-security-token"),
            now=now,
        )

    def _by_url_4(self, request: Signed, now: datetime) -> Refusal | None:
        query = dict(request.query)
        signature = query.pop("x-oss-signature")
        date = query.get("x-oss-date", "")
        seconds = int(query.get("x-oss-expires", "0"))
        signed_at = _time_4(date)
        if signed_at is None or not 0 < seconds <= 604_800:
            return Refusal(403, "AccessDenied", "Invalid date or expires.")
        if now > signed_at + timedelta(seconds=seconds):
            return Refusal(403, "AccessDenied", "Request has expired.")
        return self._check_4(
            request,
            query.get("x-oss-credential", ""),
            date,
            signature=signature,
            query=query,
            token=query.get("x-oss-security-token"),
            now=now,
        )

    def _check_4(
        self,
        request: Signed,
        credential: str,
        date: str,
        *,
        signature: str,
        query: Mapping[str, str],
        token: str | None,
        now: datetime,
    ) -> Refusal | None:
        key_id, _, scope = credential.partition("/")
        if scope != f"{date[:8]}/{self._region}/oss/aliyun_v4_request":
            return Refusal(
                400,
                "InvalidArgument",
                f"Invalid signing region in Authorization header: {scope[:80]}",
            )
        known = self._known(key_id, token, now)
        if isinstance(known, Refusal):
            return known
        canonical = _canonical_4(request, query)
        text = f"OSS4-HMAC-SHA256\n{date}\n{scope}\n{_sha256(canonical)}"
        key = f"aliyun_v4{known.secret}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return None if hmac.compare_digest(wanted, signature) else _mismatch(text)

    # -- version 1

    def _by_header_1(
        self, request: Signed, authorization: str, now: datetime
    ) -> Refusal | None:
        key_id, _, signature = authorization.removeprefix("OSS ").partition(":")
        date = request.headers.get("x-oss-date", request.headers.get("date", ""))
        if (late := _skewed(_time_1(date), now)) is not None:
            return late
        token = request.headers.get("x-oss-security-token")
        return self._check_1(request, key_id, date, signature, token=token, now=now)

    def _by_url_1(self, request: Signed, now: datetime) -> Refusal | None:
        query = request.query
        expires = query.get("Expires", "0")
        if now.timestamp() > int(expires):
            return Refusal(403, "AccessDenied", "Request has expired.")
        return self._check_1(
            request,
            query.get("OSSAccessKeyId", ""),
            expires,
            query["Signature"],
            token=query.get("security-token"),
            now=now,
        )

    def _check_1(
        self,
        request: Signed,
        key_id: str,
        date: str,
        signature: str,
        *,
        token: str | None,
        now: datetime,
    ) -> Refusal | None:
        known = self._known(key_id, token, now)
        if isinstance(known, Refusal):
            return known
        text = _canonical_1(request, date)
        digest = hmac.new(known.secret.encode(), text.encode(), hashlib.sha1).digest()
        wanted = base64.b64encode(digest).decode()
        return None if hmac.compare_digest(wanted, signature) else _mismatch(text)

    def _known(self, key_id: str, token: str | None, now: datetime) -> OssKey | Refusal:
        key = self._keys.get(key_id)
        if key is None:
            message = (
                "The OSS Access Key Id you provided does not exist in our records."
            )
            return Refusal(403, "InvalidAccessKeyId", message)
        if key.token != token:
            message = "The security token you provided is invalid."
            return Refusal(403, "InvalidSecurityToken", message)
        if key.expires is not None and now >= key.expires:
            message = "The security token you provided has expired."
            return Refusal(403, "SecurityTokenExpired", message)
        return key


def _canonical_4(request: Signed, query: Mapping[str, str]) -> str:
    uri = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in query.items())
    shown = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    signed = {
        name: value
        for name, value in sorted(request.headers.items())
        if name.startswith("x-oss-") or name in {"content-type", "content-md5"}
    }
    headers = "".join(f"{name}:{value.strip()}\n" for name, value in signed.items())
    payload = request.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
    return "\n".join(
        (request.method, quote(uri, safe="/~"), shown, headers, "", payload)
    )


def _canonical_1(request: Signed, date: str) -> str:
    headers = "".join(
        f"{name}:{value}\n"
        for name, value in sorted(request.headers.items())
        if name.startswith("x-oss-")
    )
    pairs = sorted((n, v) for n, v in request.query.items() if n in _SUBRESOURCES)
    shown = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    return "\n".join(
        (
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            date,
            headers + resource + (f"?{shown}" if shown else ""),
        )
    )


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time_4(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _time_1(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def _skewed(sent: datetime | None, now: datetime) -> Refusal | None:
    if sent is not None and abs(sent - now) <= SKEW:
        return None
    message = (
        "The difference between the request time and the current time is too large."
    )
    return Refusal(403, "RequestTimeTooSkewed", message)


def _mismatch(text: str) -> Refusal:
    message = (
        "The request signature we calculated does not match the signature you "
        f"provided. Check your key and signing method. We signed: {text!r}"
    )
    return Refusal(403, "SignatureDoesNotMatch", message)
