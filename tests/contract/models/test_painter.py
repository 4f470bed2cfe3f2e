"""The painter: ordered once, watched, and what goes wrong."""

from __future__ import annotations

import threading
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
from comfyclient.testing import DashScopeServer, FakeClock, Paints, Refuses, Reply
from comfyclient.timing import Deadline

from .painting import SMALL, WAN, Paint


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
