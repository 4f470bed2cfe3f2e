"""Fetches the pictures that DashScope made: from known hosts alone, within limits."""

from __future__ import annotations

import io
import os
import re
import time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image
from requests import PreparedRequest

from .account import Account
from .colour import Floats
from .host import away
from .refusals import DashScopeError
from .service import Service, body_of

HOSTS_VARIABLE = "COMFYCLIENT_RESULT_HOSTS"
"""Further hosts that results may come from, separated by commas."""

_RESULTS = re.compile(r"dashscope-[a-z0-9-]+\.oss-[a-z0-9-]+\.aliyuncs\.com")
_LARGEST = 40 << 20
_MOST_PIXELS = 50_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


def fetch_picture(url: Any, service: Service, *, size: tuple[int, int]) -> Floats:
    """A result picture, as pixels [height, width, 3] of the size that was ordered.

    Raises:
        DashScopeError: its address is not one of the service's, it cannot be fetched,
            or it is no picture.
    """
    plain = checked_address(url, service.account)
    shown = _shown(plain)
    left = service.left_s
    try:
        content = away(lambda: _fetched(plain, timeout_s=left))
    except requests.RequestException as error:
        kind = type(error).__name__
        raise DashScopeError(f"{shown} cannot be fetched ({kind}); try again") from None
    return _decoded(content, shown, size=size)


def checked_address(url: Any, account: Account) -> str:
    """The address of a result, as it was signed.

    Raises:
        DashScopeError: it is none that DashScope's results have.
    """
    text = url if isinstance(url, str) and len(url) < 4096 and url.isprintable() else ""
    parts = urlsplit(text)
    local = account.on_loopback and parts.netloc == account.host
    if local and parts.scheme == "http":
        return text
    host = (parts.hostname or "").lower()
    known = bool(_RESULTS.fullmatch(host)) or host in _further_hosts()
    if not known or parts.scheme not in {"http", "https"} or parts.username:
        raise DashScopeError(
            f"the result's address {_shown(text)!r:.120} is none of DashScope's; if it "
            f"is to be trusted, add its host to {HOSTS_VARIABLE}"
        )
    # the signature covers no scheme, so what comes as http is fetched safely, too
    return text.replace("http://", "https://", 1)


def _further_hosts() -> set[str]:
    named = os.environ.get(HOSTS_VARIABLE, "").lower().split(",")
    return {host.strip() for host in named if host.strip()}


def _shown(url: str) -> str:
    """An address without its signature."""
    return url.partition("?")[0]


def _fetched(url: str, *, timeout_s: float) -> bytes:
    ends = time.monotonic() + timeout_s
    with requests.Session() as session:
        session.auth = _nobody  # neither the key nor netrc goes there
        with session.get(
            url,
            timeout=(min(10.0, timeout_s), min(60.0, timeout_s)),
            allow_redirects=False,
            stream=True,
        ) as response:
            if response.status_code != 200:
                raise _gone(url, response.status_code)
            too_large = f"{_shown(url)} is larger than 40 MiB"
            return body_of(response, ends=ends, most=_LARGEST, too_large=too_large)


def _nobody(request: PreparedRequest) -> PreparedRequest:
    return request


def _gone(url: str, status: int) -> DashScopeError:
    why = "results are kept for 24 hours: make it again" if status in {403, 404} else (
        "try again later"
    )  # fmt: skip
    return DashScopeError(f"{_shown(url)} answered {status}; {why}")


def _decoded(content: bytes, shown: str, *, size: tuple[int, int]) -> Floats:
    try:
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        if picture.width * picture.height > _MOST_PIXELS:
            raise DashScopeError(
                f"{shown} has {picture.width}×{picture.height} pixels, too many"
            )
        pixels = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DashScopeError(
            f"{shown} is no whole PNG, JPEG or WebP ({type(error).__name__}); try again"
        ) from None
    if pixels.size != size:
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(pixels, np.float32) / 255
