"""The painter and the relay: ordered once, watched, brought home."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from comfyclient import errors
from comfyclient.config.settings import DashScopeSettings
from comfyclient.ledger.ledger import Ledger
from comfyclient.steps.asking import Asking
from comfyclient.steps.opening import connect_dashscope
from comfyclient.steps.painter import ModelPainter, Painted
from comfyclient.steps.relay import Relay
from comfyclient.testing import (
    DashScopeServer,
    FakeClock,
    Paints,
    Refuses,
    Reply,
)
from comfyclient.testing.dashscope_tasks import Order
from comfyclient.testing.pictures import png
from comfyclient.timing import Deadline

WAN = "wan2.2-t2i-flash"
ALIYUN = ("dashscope-result-*.oss-*.aliyuncs.com",)
SMALL = {"size": "512*512"}


@pytest.fixture
def relay(tmp_path: Path, server: DashScopeServer) -> Relay:
    """One that believes the stand-in."""
    return Relay(tmp_path / "results", hosts=[*ALIYUN, server.host])


@pytest.fixture
def paint(
    relay: Relay, asker: Callable[[], Asking], clock: FakeClock
) -> Callable[..., Painted]:
    """Paints as a new process would."""

    def painted(prompt: str = "a road", *, model: str = WAN, **order: Any) -> Painted:
        painter = ModelPainter(asker(), model, relay)
        size = {} if model != WAN else SMALL
        with clock.flowing():
            return painter.paint(prompt, **{**size, **order})

    return painted


Paint = Callable[..., Painted]


def test_pictures_come_home(
    server: DashScopeServer, paint: Paint, ledger: Ledger
) -> None:
    """Under the names of their content, once counted and paid."""
    painted = paint(count=2, seed=5)

    assert len({file.path for file in painted.files}) == 2
    for file in painted.files:
        assert file.path.read_bytes().startswith(b"\x89PNG")
        assert file.path.name == f"{file.sha256}.png"
        given = file.input_file()
        assert given.name == f"comfyclient/{file.sha256[:32]}.png"
        assert given.size == file.path.stat().st_size
    assert painted.usage.images == 2
    (spent,) = ledger.answers.spent("test")
    assert spent.usage.images == server.bill.images == 2


def test_the_same_order_is_made_once(server: DashScopeServer, paint: Paint) -> None:
    """Another process finds the pictures, and asks nothing."""
    first, second = paint(), paint()

    assert first == second
    assert server.asked["text2image"] == 1
    assert paint(seed=1) != first


def test_a_picture_that_failed_beside_others(
    server: DashScopeServer, paint: Paint
) -> None:
    """Those that came to be are there, and the code of the other one."""
    server.picture(Paints(failed={2: "DataInspectionFailed"}))

    painted = paint(count=2)

    assert len(painted.files) == 1
    assert painted.failed == ("DataInspectionFailed",)
    assert painted.usage.images == 1


@pytest.mark.parametrize(
    ("course", "kind", "orders"),
    [
        (
            Paints(failed={1: "DataInspectionFailed"}),
            errors.ModelInspectionError,
            1,
        ),
        (
            Paints(ends="FAILED", code="DataInspectionFailed"),
            errors.ModelInspectionError,
            1,
        ),
        (
            Paints(ends="FAILED", code="InternalError.Algo"),
            errors.ModelFaultError,
            2,
        ),
        (Paints(ends="CANCELED"), errors.ModelTaskError, 2),
        (Paints(ends="UNKNOWN"), errors.ModelTaskError, 2),
        (Paints(pending=99), errors.ModelTaskError, 1),
        (Paints(content=b"<html>not a picture</html>"), errors.RelayError, 1),
        (Paints(url="https://evil.example/a.png"), errors.RelayError, 1),
        (Refuses("Arrearage"), errors.ModelArrearsError, 1),
        (Reply.lost(acts=True), errors.UnclearAnswerError, 1),
    ],
)
def test_what_goes_wrong(
    server: DashScopeServer,
    paint: Paint,
    course: Any,
    kind: type[Exception],
    orders: int,
) -> None:
    """Each has its class; anew is ordered only where nothing was paid."""
    server.always("picture", course)

    with pytest.raises(kind):
        paint()

    assert server.asked["text2image"] == orders


def test_a_second_order_may_succeed(server: DashScopeServer, paint: Paint) -> None:
    """A task that failed through no fault of its own is ordered once more."""
    server.picture(Paints(ends="FAILED", code="InternalError.Algo"))

    assert paint().files
    assert server.asked["text2image"] == 2


def test_a_task_outlives_its_process(
    server: DashScopeServer,
    paint: Paint,
    asking: Asking,
    relay: Relay,
    clock: FakeClock,
) -> None:
    """Time was over before the picture was done: whoever asks again gets it."""
    server.picture(Paints(running=3))
    painter = ModelPainter(asking, WAN, relay)
    with pytest.raises(errors.ModelTaskError, match="the task goes on"):
        painter.paint("a road", **SMALL, deadline=Deadline(0.5, clock=clock))

    painted = paint()

    assert painted.files
    assert server.asked["text2image"] == 1
    assert server.bill.images == 1


def test_a_picture_that_was_lost_is_fetched_again(
    server: DashScopeServer, paint: Paint
) -> None:
    """Within a day from the same task, and then painted anew."""
    first = paint()
    first.files[0].path.unlink()

    again = paint()

    assert again.files == first.files
    assert server.asked["text2image"] == 1


def test_a_picture_that_was_lost_and_has_expired(
    server: DashScopeServer, paint: Paint, clock: FakeClock
) -> None:
    """It is ordered again; equal orders look the same here."""
    first = paint()
    first.files[0].path.write_bytes(b"damaged")
    clock.advance(25 * 3600)

    again = paint()

    assert again.files == first.files
    assert server.asked["text2image"] == 2


def test_models_that_make_pictures_at_once(
    server: DashScopeServer, paint: Paint
) -> None:
    """No task, the same way home."""
    assert paint(model="qwen-image-max").files
    assert paint(model="wan2.6-t2i").files
    assert server.asked["task"] > 0


@pytest.mark.parametrize("order", [{"size": "64*64"}, {"count": 9}])
def test_what_the_model_would_refuse_is_not_sent(
    server: DashScopeServer, paint: Paint, order: dict[str, Any]
) -> None:
    """Sizes and numbers are checked before."""
    with pytest.raises(errors.ModelRequestError):
        paint(**order)
    assert not server.requests


def test_a_stand_in_with_limits_is_never_pressed(
    tmp_path: Path, clock: FakeClock, ledger: Ledger
) -> None:
    """Eight orders at once are sent as slowly as documented: none is throttled."""
    with DashScopeServer(clock=clock, limits={WAN: (2.0, 2)}) as server:
        hosted = DashScopeSettings(key=SecretStr(server.key), base_address=server.url)
        service = connect_dashscope(hosted, clock=clock)
        asking = Asking(service, ledger.answers, environment="test", clock=clock)
        relay = Relay(tmp_path / "results", hosts=[server.host], clock=clock)
        painter = ModelPainter(asking, WAN, relay)
        threads = [
            threading.Thread(
                target=painter.paint, args=("a",), kwargs={**SMALL, "seed": n}
            )
            for n in range(8)
        ]
        with clock.flowing(step=0.05):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        asking.close()
        orders = server.asked["text2image"]
        served = server.bill.by_model[WAN]

    assert (orders, served) == (8, 8)


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


def test_waiting_for_a_place_is_no_work(
    relay: Relay, asking: Asking, clock: FakeClock, server: DashScopeServer
) -> None:
    """Of many orders each has its own time, from when the model takes it."""
    server.always("picture", Paints(running=5))
    painter = ModelPainter(asking, WAN, relay, total_s=40)
    done: list[Painted] = []

    def paint(seed: int) -> None:
        deadline = Deadline(600, clock=clock)
        done.append(painter.paint("a", **SMALL, seed=seed, deadline=deadline))

    threads = [threading.Thread(target=paint, args=(seed,)) for seed in range(6)]
    with clock.flowing():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(done) == 6
    assert clock.monotonic() > 40  # longer than any of them may take


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
