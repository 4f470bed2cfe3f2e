"""What OSS refuses, in errors of ours that say which grant or setting it takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import ParseError

from oss2.exceptions import ClientError, OssError, RequestError

from ..errors import (
    ComfyClientError,
    ConfigError,
    StorageAccessError,
    StorageError,
    StorageUnreachableError,
)

FOREIGN = (OssError, ParseError, UnicodeError, ValueError)
"""What oss2 raises: its own, and what it meets in answers that are none of OSS's."""
RENEWED = frozenset(
    {"SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId"}
)
"""Codes for keys that others may take the place of."""
_BUSY = frozenset({429, 500, 502, 503, 504})
_BUSY_CODES = frozenset(
    {"RequestTimeout", "QpsLimitExceeded", "OperationAborted", "InvalidDigest"}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of OSS."""

    what: str
    """For people: `read output/a.png`."""
    action: str
    """The grant that it takes."""
    bucket: str
    key: str
    endpoint: str
    region: str


def code_of(error: Exception) -> str:
    """OSS's own word for it."""
    return error.code if isinstance(error, OssError) else ""


def translated(error: Exception, asked: Asked, now: datetime) -> ComfyClientError:
    """An error of oss2 as one of ours."""
    words = f"cannot {asked.what} in oss://{asked.bucket}"
    if isinstance(error, RequestError):
        return StorageUnreachableError(
            f"{words}: {asked.endpoint} does not answer "
            f"({type(error.exception).__name__})",
            hint="an -internal endpoint answers inside its own region's VPC only",
        )
    if isinstance(error, ClientError):  # oss2 itself finds a setting wrong
        said = str(error.body).removeprefix("ClientError: ")
        return ConfigError(f"{words}: {said[:200]}", hint="check [….storage]")
    if not isinstance(error, OssError) or error.status < 0:
        return StorageUnreachableError(f"{words}: the answer is none of OSS's")
    told = f"{words}: {error.status} {error.code} (request {error.request_id})"
    if error.status in _BUSY or error.code in _BUSY_CODES:
        return StorageUnreachableError(told, retry_after=_delay(error))
    return _refusal(error, told, asked, now)


def _refusal(
    error: OssError, told: str, asked: Asked, now: datetime
) -> ComfyClientError:
    endpoint = error.details.get("Endpoint", "")
    match error.code:
        case "NoSuchBucket":
            hint = f"check storage.bucket; storage.endpoint is {asked.endpoint}"
            return ConfigError(told, hint=hint)
        case "AccessDenied" if endpoint:
            hint = f"the bucket is elsewhere: storage.endpoint = {endpoint[:80]!r}"
            return ConfigError(told, hint=hint)
        case "InvalidArgument" if "region" in error.message.lower():
            hint = f"the bucket is not in {asked.region}: correct storage.region"
            return ConfigError(told, hint=hint)
        case "InvalidObjectState":
            return StorageError(told, hint="the object is archived: restore it first")
    hints = {
        "AccessDenied": f"grant {asked.action} on "
        f"acs:oss:*:*:{asked.bucket}/{asked.key}, in RAM or in the bucket's policy",
        "InvalidAccessKeyId": "the access key is deleted, disabled or of another site",
        "SignatureDoesNotMatch": "the secret does not belong to the access key",
        "SecurityTokenExpired": "fetch new keys of STS, or use a source that does",
        "InvalidSecurityToken": "OSS_SESSION_TOKEN does not belong to the access key",
        "RequestTimeTooSkewed": f"set this machine's clock{_off_by(error, now)}",
        "UserDisable": "the account is in arrears or was disabled",
    }
    if error.code in hints or error.status in {401, 403}:
        return StorageAccessError(told, hint=hints.get(error.code))
    return StorageError(told)


def _delay(error: OssError) -> float | None:
    """How long a throttled request is to wait; OSS tells milliseconds."""
    text = error.headers.get("x-oss-qos-delay-time", "")
    return min(int(text) / 1000, 30) if text.isascii() and text.isdigit() else None


def _off_by(error: OssError, now: datetime) -> str:
    try:
        seconds = (now - parsedate_to_datetime(error.headers["Date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return ""
    return f": it is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
