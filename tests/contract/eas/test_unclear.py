"""A request whose answer was lost is never sent twice, whatever the queue shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from comfyclient import Client, Workflow
from comfyclient.errors import UnclearAnswerError, UnreachableError
from comfyclient.testing import EasGateway, Produced, QueueFrame, Reply
from comfyclient.testing.eas_inference import instant
from comfyclient.timing import Deadline
from comfyclient.transports.eas_queue import EasQueueTransport

from .queueing import PATIENCE, Queueing
from .test_client import GRAPH, settings_of


class Instance:
    """An instance that works on a request for as long as it is wished."""

    def __init__(self, queueing: Queueing) -> None:
        queueing.gateway.workers.close()
        self._gateway = queueing.gateway
        self._gateway.input.closed = self._gateway.sink.closed = False
        self._reader = self._gateway.input.join("inference", "by hand")
        self._request: QueueFrame | None = None

    def take(self) -> None:
        """Begin with the oldest request."""
        self._request = self._gateway.input.take(self._reader)

    def finish(self, *, shown: bool = True) -> None:
        """Be done with it; an empty answer is not shown."""
        assert self._request is not None
        if shown:
            self._gateway.sink.put(instant(self._request).body, self._request.tags)
        self._gateway.input.commit("inference", [self._request.index])


@pytest.fixture
def instance(queueing: Queueing) -> Instance:
    """The only one of the service."""
    return Instance(queueing)


def somebodys(queueing: Queueing) -> None:
    """A request of another application waits."""
    queueing.gateway.input.put(b"{}", {"task_id": "somebody's"})


def lost(queueing: Queueing, *, arrives: bool) -> EasQueueTransport:
    """A client that will not hear the answer to its next request."""
    queueing.gateway.answer("POST input", Reply.lost(acts=arrives))
    return queueing.transport()


def taken_while_lost(
    queueing: Queueing, instance: Instance, *, arrives: bool = True
) -> tuple[EasQueueTransport, str]:
    """A client whose answer was lost while the instance took a request; and its task.

    What was taken is its own where it arrived, else somebody's.
    """
    store = queueing.gateway.input
    if not arrives:
        somebodys(queueing)
        instance.take()
    transport = lost(queueing, arrives=arrives)
    taker = threading.Thread(target=instance.take)
    if arrives:
        taker.start()
    try:
        with pytest.raises(UnclearAnswerError, match="at work") as caught:
            queueing.send(transport)
    finally:
        if arrives:
            taker.join(PATIENCE)
    assert "not sent twice" in caught.value.hint
    assert queueing.gateway.asked["POST input"] == 1
    assert store.put_count == 1
    (posted,) = (r for r in queueing.gateway.requests if r.method == "POST")
    return transport, posted.query["task_id"]


def test_a_queue_that_shows_what_is_taken(
    queueing: Queueing, instance: Instance
) -> None:
    """Then it is certain what is not there, also while an instance works."""
    somebodys(queueing)
    instance.take()
    with pytest.raises(UnreachableError, match="did not arrive"):
        queueing.send(lost(queueing, arrives=False))


@pytest.mark.parametrize("tells", [True, False])
def test_taken_and_not_shown(
    queueing: Queueing, instance: Instance, tells: bool
) -> None:
    """It stays unclear until its result shows: then it is found, and not before."""
    store = queueing.gateway.input
    store.shows_taken, store.tells_readers = False, tells
    transport, task = taken_while_lost(queueing, instance)
    with pytest.raises(UnclearAnswerError):
        transport.find(task, deadline=Deadline(PATIENCE))
    instance.finish()
    found = transport.find(task, deadline=Deadline(PATIENCE))
    assert found is not None
    course = queueing.course()
    transport.follow(found, course.workflow, course)
    assert course.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()


def test_somebody_elses_work(queueing: Queueing, instance: Instance) -> None:
    """Once no instance works on anything, it is certain that ours did not arrive."""
    queueing.gateway.input.shows_taken = False
    transport, task = taken_while_lost(queueing, instance, arrives=False)
    instance.finish(shown=False)
    assert transport.find(task, deadline=Deadline(PATIENCE)) is None


def test_a_queue_that_shows_nothing(queueing: Queueing, instance: Instance) -> None:
    """Without what is taken and without readers, nothing is ever certain."""
    store = queueing.gateway.input
    store.shows_taken = store.tells_readers = False
    transport = lost(queueing, arrives=False)
    with pytest.raises(UnclearAnswerError, match="may be at work"):
        queueing.send(transport)
    assert store.put_count == 0


def test_taken_between_two_looks(queueing: Queueing, instance: Instance) -> None:
    """What is taken while it is looked at proves nothing of what the queue shows."""
    gateway = queueing.gateway
    gateway.input.shows_taken = False
    somebodys(queueing)
    transport = queueing.transport()
    asked = transport._http.place

    def place(index: int, *, deadline: Deadline):
        instance.take()
        return asked(index, deadline=deadline)

    transport._http.place = place
    with pytest.raises(UnclearAnswerError, match="at work"):
        transport.find("mine", deadline=Deadline(PATIENCE))


# -- whole clients


@pytest.fixture
def working() -> threading.Event:
    """Whether the instances go on with what they work on."""
    return threading.Event()


@pytest.fixture
def taken() -> threading.Event:
    """Whether an instance has taken a request."""
    return threading.Event()


@pytest.fixture
def gateway(
    working: threading.Event, taken: threading.Event, tmp_path: Path
) -> Iterator[EasGateway]:
    """A service that hides what is taken, and works as long as it is wished."""

    def inference(request: QueueFrame) -> Produced:
        taken.set()
        working.wait(PATIENCE)
        return instant(request)

    with EasGateway(
        edition="api", token="secret", inference=inference, workers=2
    ) as gateway:
        gateway.input.shows_taken = False
        try:
            yield gateway
        finally:
            working.set()


@pytest.mark.parametrize("after", ["at once", "when resumed"])
def test_a_job_whose_request_was_taken(
    gateway: EasGateway,
    working: threading.Event,
    taken: threading.Event,
    tmp_path: Path,
    after: str,
) -> None:
    """The job ends with the result of the one request, in this process or the next."""
    settings = settings_of(
        gateway.url,
        tmp_path,
        deadlines={"grace_s": 0.2},
        policies={"gone_after_s": 0.2},
    )
    gateway.answer("POST input", replace(Reply.lost(acts=True), late=taken))
    with Client(settings) as client:
        with pytest.raises(UnclearAnswerError):
            client.submit(Workflow.from_graph(GRAPH))
        (job,) = client.resume()
        if after == "at once":
            working.set()
            assert job.result(timeout=PATIENCE).outputs
    with Client(settings) as client:
        working.set()
        assert client.job(job.id).result(timeout=PATIENCE).outputs
    assert gateway.input.put_count == gateway.sink.put_count == 1


def test_no_other_service_gets_it(
    gateway: EasGateway,
    working: threading.Event,
    taken: threading.Event,
    tmp_path: Path,
) -> None:
    """A service that answers is not gone, however long it cannot tell of a request."""
    gateway.answer("POST input", replace(Reply.lost(acts=True), late=taken))
    with EasGateway(edition="api", token="secret", inference=instant) as other:
        settings = settings_of(
            gateway.url,
            tmp_path,
            instances=[
                {"name": name, "url": url, "token": "secret", "weight": weight}
                for name, url, weight in (
                    ("a", gateway.url, 9.0),
                    ("b", other.url, 0.1),
                )
            ],
            deadlines={"grace_s": 0.05},
            policies={"gone_after_s": 0.05},
        )
        with Client(settings) as client:
            with pytest.raises(UnclearAnswerError):
                client.submit(Workflow.from_graph(GRAPH))
            (job,) = client.resume()
            before = gateway.asked["GET input"]
            gateway.await_that(lambda: gateway.asked["GET input"] > before + 9)
            working.set()
            assert job.result(timeout=PATIENCE).provenance.instance == "a"
        assert other.asked["POST input"] == 0
