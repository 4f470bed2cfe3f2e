"""Pictures come from the service's own hosts, whole, and at the addresses as signed."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from comfyclient.comfy_nodes.refusals import DashScopeError
from comfyclient.comfy_nodes.relay import HOSTS_VARIABLE, checked_address
from comfyclient.testing import DashScopeServer
from comfyclient.testing.dashscope_play import Paints
from comfyclient.testing.http_wire import Reply

from .asking import ACCOUNT, paint, say


def test_a_picture_of_another_size_is_brought_to_the_one_ordered(
    service: DashScopeServer,
) -> None:
    """A batch has one size, whatever a model makes of the order."""
    stream = BytesIO()
    Image.new("RGBA", (30, 20), (255, 0, 0, 255)).save(stream, "PNG")
    service.picture(Paints(content=stream.getvalue()))

    assert paint()[0].shape == (1, 512, 512, 3)


def test_a_picture_that_unpacks_to_no_end_is_refused(service: DashScopeServer) -> None:
    """By the size in its header, before its pixels are read."""
    head = struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 99))):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        bomb += struct.pack(">I", len(data)) + kind + data + crc
    service.picture(Paints(content=bomb))
    with pytest.raises(DashScopeError, match="9000×9000 pixels, too many"):
        paint()


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.png?Signature=s3cret",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com.evil.example/x?s3cret",
        "https://user@dashscope-result-bj.oss-cn-beijing.aliyuncs.com/x.png",
        "http://127.0.0.1:9/x.png",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "", None, 7, "https://[", "x" * 5000,
    ],
)  # fmt: skip
def test_results_come_from_the_services_hosts_alone(url: Any) -> None:
    """An answer cannot make the server fetch what it likes."""
    with pytest.raises((DashScopeError, ValueError)) as caught:
        checked_address(url, ACCOUNT)
    assert "s3cret" not in str(caught.value)


def test_a_signed_address_is_kept_as_it_was_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for the scheme, which no signature covers; other hosts can be allowed."""
    plain = "dashscope-result-wlcb.oss-cn-wulanchabu.aliyuncs.com/a%2Fb.png?S=a%2Bb%3D"
    assert checked_address(f"http://{plain}", ACCOUNT) == f"https://{plain}"
    monkeypatch.setenv(HOSTS_VARIABLE, "cdn.example.com, b.example.com")
    assert (
        checked_address("https://b.example.com/x", ACCOUNT) == "https://b.example.com/x"
    )


@pytest.mark.parametrize(
    ("course", "said"),
    [
        (Paints(content=b"<html>no picture</html>"), "is no whole PNG, JPEG or WebP"),
        (Paints(content=b""), "is no whole PNG"),
        (
            Paints(url="https://evil.example/x.png?Signature=s3cret"),
            "none of DashScope's",
        ),
    ],
)
def test_a_bad_result_is_an_error_without_its_signature(
    service: DashScopeServer, course: Paints, said: str
) -> None:
    """Not a picture, not theirs, not whole."""
    service.picture(course)
    with pytest.raises(DashScopeError, match=said) as caught:
        paint()
    assert "Signature" not in str(caught.value)


def test_a_result_that_breaks_off_is_an_error(service: DashScopeServer) -> None:
    """No half picture goes on."""
    service.answer("result", Reply(sends=100))
    with pytest.raises(DashScopeError, match="cannot be fetched"):
        paint()


def test_an_expired_result_says_so(service: DashScopeServer) -> None:
    """They are kept for a day."""
    service.answer("result", Reply(403, b"<Error/>"))
    with pytest.raises(DashScopeError, match="kept for 24 hours: make it again"):
        paint()


def test_no_redirect_is_followed(service: DashScopeServer) -> None:
    """Neither by a request, which has the key, nor by a fetch."""
    away = Reply(302, b"", {"Location": "http://169.254.169.254/"})
    service.answer("text", away)
    with pytest.raises(DashScopeError, match="HTTP 302"):
        say()
    service.answer("result", away)
    with pytest.raises(DashScopeError, match="answered 302"):
        paint()
