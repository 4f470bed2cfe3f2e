"""Keys of a RAM role, from STS: good for an hour, and renewed by whoever holds them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

import requests

from ..errors import StorageAccessError, StorageUnreachableError
from .oss_credentials import OssCredentials, Source, of_environment

ENDPOINT = "https://sts.aliyuncs.com"
LIFE_S = 3600
SESSION = "comfyclient"
_TIMES = (5, 10)


def assume_role(
    role_arn: str, *, base: Source = of_environment, endpoint: str = ENDPOINT
) -> OssCredentials:
    """The keys of a role, for those who may assume it.

    Raises:
        StorageAccessError: they may not, or the keys that ask are not there.
        StorageUnreachableError: STS does not answer, or asks to come back later.
    """
    held = base()
    asked = {
        "Action": "AssumeRole",
        "Version": "2015-04-01",
        "Format": "JSON",
        "RoleArn": role_arn,
        "RoleSessionName": SESSION,
        "DurationSeconds": str(LIFE_S),
        "AccessKeyId": held.key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if held.token is not None:
        asked["SecurityToken"] = held.token
    with requests.Session() as session:
        try:
            answer = session.post(
                f"{endpoint}/",
                data={**asked, "Signature": signature_of(asked, held.secret)},
                timeout=_TIMES,
                allow_redirects=False,
                auth=lambda request: request,  # none of netrc's
            )
        except requests.RequestException as error:
            raise StorageUnreachableError(
                f"STS does not answer: {type(error).__name__}",
                hint=f"{endpoint} must be reachable from here",
            ) from None
    return _of_answer(answer, role_arn)


def signature_of(parameters: Mapping[str, str], secret: str) -> str:
    """The signature of a POST, as the RPC interfaces of Alibaba Cloud want it."""
    pairs = sorted((_quoted(n), _quoted(v)) for n, v in parameters.items())
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    text = f"POST&%2F&{_quoted(joined)}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _of_answer(answer: requests.Response, role_arn: str) -> OssCredentials:
    try:
        said = answer.json()
        if answer.status_code == 200:
            keys = said["Credentials"]
            return OssCredentials(
                key_id=keys["AccessKeyId"],
                secret=keys["AccessKeySecret"],
                token=keys["SecurityToken"],
                expires_at=datetime.fromisoformat(keys["Expiration"]).astimezone(UTC),
            )
        code = str(said["Code"])
    except (KeyError, TypeError, ValueError):
        code = "an answer that is none of STS's"
    told = f"STS gave no keys of {role_arn}: {answer.status_code} {code[:80]}"
    if answer.status_code >= 500 or code.startswith("Throttling"):
        raise StorageUnreachableError(told)
    hint = "the role must trust who asks, and who asks needs sts:AssumeRole on it"
    raise StorageAccessError(told, hint=hint)
