"""A gateway that answers 200 and means something else, or not a word of it."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from comfyclient.errors import BadAnswerError
from comfyclient.testing import FakeClock, Reply
from comfyclient.timing import Deadline
from comfyclient.transports.eas_disposal import Disposal
from comfyclient.transports.eas_http import QueueHttp
from comfyclient.transports.endpoint import Endpoint

from .queueing import PATIENCE, Queueing, all_once

PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
STRANGE = {
    "empty": b"",
    "a page": PAGE,
    "null": b"null",
    "an error": b'{"code":"Busy"}',
    "bytes": bytes(range(256)),
    "deep": b"[" * 50_000,
}

strange = pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE.keys())


@strange
def test_to_a_submit_that_arrived(watching: Queueing, body: bytes) -> None:
    """It is found in the queues, and not sent again."""
    watching.gateway.answer("POST input", Reply(200, body, acts=True))
    course, _ = watching.send(watching.transport())
    assert course.await_end(Deadline(PATIENCE)).error is None
    watching.await_empty()
    assert watching.gateway.asked["POST input"] == 1
    all_once(watching, 1)


@strange
def test_to_a_submit_that_did_not(watching: Queueing, body: bytes) -> None:
    """That is certain, and the answer is told as what it is."""
    watching.gateway.always("POST input", Reply(200, body))
    with pytest.raises(BadAnswerError, match="no index of the queue") as caught:
        watching.send(watching.transport(grace_s=0.0))
    assert ("log-in" in caught.value.hint) is (body == PAGE)
    assert ("it is empty" in caught.value.message) is (body == b"")
    assert watching.gateway.asked["POST input"] == 1


def test_a_mirror(watching: Queueing) -> None:
    """What repeats a request, token and all, is quoted without the token."""
    echo = b"GET / HTTP/1.1\nAuthorization: secret\n"
    watching.gateway.always("POST input", Reply(200, echo))
    transport = watching.transport(grace_s=0.0)
    with pytest.raises(BadAnswerError, match="no index") as caught:
        watching.send(transport)
    assert "secret" not in str(caught.value)
    watching.gateway.always("GET input", Reply(200, echo))
    with pytest.raises(BadAnswerError, match="attributes") as caught:
        transport.probe(deadline=Deadline(PATIENCE))
    assert "Authorization" in str(caught.value)
    assert "secret" not in str(caught.value)


@strange
def test_to_whatever_is_asked(queueing: Queueing, body: bytes) -> None:
    """Places, attributes and results are asked for again, or done without."""
    for route in ("GET input", "GET sink", "DELETE sink", "PUT sink", "WATCH sink"):
        queueing.gateway.answer(route, Reply(200, body))
    course = queueing.done(queueing.transport())
    assert course.verdict.error is None
    all_once(queueing, 1)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"404 page not found", "no such service"),
        (b"url not found", "serverless edition"),
        (b'{"detail":"Not Found"}', "'comfyui'"),
        (PAGE, "log-in"),
        (b"?", "…/api/predict/<service>"),
    ],
)
def test_no_queue_is_there(watching: Queueing, body: bytes, hint: str) -> None:
    """The words of the 404 say which mistake it is, before anything is sent."""
    watching.gateway.always("GET input", Reply(404, body))
    with pytest.raises(BadAnswerError, match="has no queue: 404") as caught:
        watching.send(watching.transport())
    assert hint in caught.value.hint
    assert watching.gateway.asked["POST input"] == 0


def test_the_gateway_forgets_the_service(watching: Queueing) -> None:
    """A job is not called done because of that, nor taken for cancelled."""
    watching.gateway.workers.hold()
    transport = watching.transport()
    course, ticket = watching.send(transport)
    watching.gateway.answer("GET input", Reply(404, b"url not found"))
    with pytest.raises(BadAnswerError, match="url not found"):
        transport.cancel(ticket, deadline=Deadline(PATIENCE))
    watching.gateway.workers.go_on()
    assert course.await_end(Deadline(PATIENCE)).error is None


def test_deletions_that_are_refused(
    watching: Queueing, caplog: pytest.LogCaptureFixture
) -> None:
    """They are made again, less and less often; that is said once."""
    caplog.set_level(logging.INFO, "comfyclient")
    gateway, clock = watching.gateway, FakeClock()
    gateway.sink.put(b"[]", {})
    gateway.answer("DELETE sink", *[Reply(500)] * 5)
    endpoint = Endpoint("queue", gateway.url, token=SecretStr("secret"))
    http = QueueHttp(endpoint, user="u", group="g", clock=clock)
    disposal = Disposal(http, commits=False, clock=clock)
    began = clock.monotonic()
    disposal.delete(1)
    with clock.flowing():
        watching.await_that(lambda: not gateway.sink.frames)
    disposal.close()
    http.close()
    assert gateway.asked["DELETE sink"] == 6
    assert clock.monotonic() - began >= 0.5 + 1 + 2 + 4 + 8
    assert caplog.text.count("results are deleted later") == 1
