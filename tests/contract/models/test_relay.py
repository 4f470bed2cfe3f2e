"""The relay: which results it fetches, and how they come home."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from comfyclient import errors
from comfyclient.ledger.ledger import Ledger
from comfyclient.steps.relay import Relay
from comfyclient.testing import DashScopeServer, FakeClock, Paints, Reply
from comfyclient.testing.dashscope_tasks import Order
from comfyclient.testing.pictures import png
from comfyclient.timing import Deadline

from .painting import ALIYUN, WAN, Paint

# -- the relay


def fetch(relay: Relay, url: str) -> Any:
    """Bring one result home."""
    return relay.fetch(url, deadline=Deadline(5))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.png",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com.evil.example/a.png",
        "https://evil.example/dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.png",
        "https://x@dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.png",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com@evil.example/a.png",
        "https://dashscope-result-bj.evil.oss-cn-beijing.aliyuncs.com/a.png",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com:8443/a.png",
        "https://my-bucket.oss-cn-beijing.aliyuncs.com/a.png",
        "ftp://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.png",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "https://[::1",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a b",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/\n",
        "",
    ],
)
def test_addresses_that_are_not_fetched(tmp_path: Path, url: str) -> None:
    """Nothing is opened; the error names the host alone."""
    relay = Relay(tmp_path, hosts=ALIYUN)

    with pytest.raises(errors.RelayError) as caught:
        fetch(relay, url)
    assert "a.png" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("region", ["bj.oss-cn-beijing", "wlcb.oss-cn-wulanchabu"])
def test_the_services_own_hosts_are_known(tmp_path: Path, region: str) -> None:
    """Each over https, also where the answer says http."""
    relay = Relay(tmp_path, hosts=ALIYUN)
    url = f"http://dashscope-result-{region}.aliyuncs.com/a.png?Signature=x%2By%3D"

    assert relay._checked(url) == url.replace("http:", "https:")


def signed(server: DashScopeServer, paint: Paint, course: Paints) -> str:
    """The address of a result of the stand-in."""
    tasks = server._answers._tasks
    order = Order(WAN, "a road", "512*512", 1, 0, new_protocol=False)
    return tasks.at_once(order, course)[0]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), errors.RelayError),
        (Reply(404, b"<Error><Code>NoSuchKey</Code></Error>"), errors.ModelTaskError),
        (Reply(403, b"<Code>SignatureDoesNotMatch</Code>"), errors.RelayError),
        (Reply(400, b"bad"), errors.RelayError),
        (Reply(503, b"SlowDown"), errors.BusyError),
        (Reply.lost(acts=True), errors.UnclearAnswerError),
        (Reply(sends=700), errors.OutputDamagedError),
        (Reply(200, png(), {"Content-Length": str(60 << 20)}), errors.RelayError),
    ],
)
def test_a_result_that_does_not_arrive(
    server: DashScopeServer,
    relay: Relay,
    paint: Paint,
    tmp_path: Path,
    reply: Reply,
    kind: type[Exception],
) -> None:
    """No redirect is followed, nothing half is kept, no signature is told."""
    url = signed(server, paint, Paints())
    server.answer("result", reply)

    with pytest.raises(kind) as caught:
        fetch(relay, url)

    assert "Signature=" not in f"{caught.value!r} {caught.value}"
    assert list(tmp_path.glob("results/*")) == []


def test_a_result_that_has_expired_says_so(
    server: DashScopeServer, relay: Relay, paint: Paint, clock: FakeClock
) -> None:
    """After a day."""
    url = signed(server, paint, Paints())
    clock.advance(25 * 3600)

    with pytest.raises(errors.ModelTaskError, match="24 hours"):
        fetch(relay, url)


def test_a_download_that_broke_is_repeated(
    server: DashScopeServer, paint: Paint
) -> None:
    """The picture is there, and was ordered once."""
    server.answer("result", Reply(sends=300), Reply(503, b"SlowDown"))

    assert paint().files
    assert server.asked["text2image"] == 1


def test_no_address_is_logged_or_kept(
    server: DashScopeServer,
    paint: Paint,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """Neither in a record at DEBUG nor in the ledger's file."""
    caplog.set_level(logging.DEBUG)
    paint("a very secret prompt")

    logged = "\n".join(record.getMessage() for record in caplog.records)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    for never in ("Signature", "OSSAccessKeyId", "very secret", server.key):
        assert never not in logged
        assert never.encode() not in kept


def test_what_a_dead_process_began_to_write_is_removed(
    server: DashScopeServer, relay: Relay, paint: Paint, tmp_path: Path
) -> None:
    """After a day; what is being written stays."""
    folder = tmp_path / "results"
    folder.mkdir()
    old, new = folder / ".old.part", folder / ".new.part"
    for file in (old, new):
        file.write_bytes(b"x")
    os.utime(old, (0, 0))
    fetch(relay, signed(server, paint, Paints()))

    assert not old.exists()
    assert new.exists()
