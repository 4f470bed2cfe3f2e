"""Two processes with one ledger: a result that is handed to the wrong one."""

from __future__ import annotations

import pytest

from comfyclient.timing import Deadline
from comfyclient.transports import eas_following, eas_tasks
from comfyclient.transports.eas_queue import EasQueueTransport

from .queueing import PATIENCE, Queueing

KNOWN = {"awaited": lambda task_id: True}
"""Options of a client whose ledger has the other's jobs, too."""


@pytest.fixture(autouse=True)
def asks_for_no_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a watch is open: what it does not bring must be found otherwise.

    Nor does the look that is due every ten seconds help out.
    """
    monkeypatch.setattr(eas_following, "PULSE_S", 1000.0)
    monkeypatch.setattr(eas_tasks, "WATCHED_EVERY_S", 1000.0)
    monkeypatch.setattr(eas_tasks, "WATCHED_AT_MOST_S", 1000.0)


def two_processes(watching: Queueing) -> list[EasQueueTransport]:
    """A reader in each, both of one group, both watching."""
    clients = [watching.transport(**KNOWN) for _ in range(2)]
    for client in clients:
        client._reading(starts=True)
    readers = watching.gateway.sink.groups
    watching.await_that(lambda: "ours" in readers and len(readers["ours"].consumers))
    watching.await_that(lambda: len(readers["ours"].consumers) == 2)
    return clients


def test_it_reaches_its_owner_at_once(watching: Queueing) -> None:
    """By a look over the sink: each knows of the other from its attributes."""
    clients = two_processes(watching)
    for client in clients:
        client.probe(deadline=Deadline(PATIENCE))
    sent = [watching.send(client)[0] for _ in range(6) for client in clients]
    for course in sent:
        assert course.await_end(Deadline(PATIENCE)).error is None
    watching.await_empty()
    assert sorted(watching.ends.values()) == [1] * 12
    asked = [r.query for r in watching.gateway.requests if r.path.endswith("/sink")]
    assert not any("requestId" in query for query in asked)


def test_the_sink_does_not_tell_who_reads_it(watching: Queueing) -> None:
    """Then the other's result in one's hands is the sign, for both of them."""
    watching.gateway.sink.tells_readers = False
    first, second = two_processes(watching)
    other = second._reading()
    while not other.sorting.held:  # until one of the first's goes astray
        course, ticket = watching.send(first)
        watching.await_that(lambda c=course: c.status.final or other.sorting.held)
    watching.await_that(lambda: other._company.present)
    register = first._reading().register
    register.hasten(register.find(ticket.attempt_id, None))
    assert course.await_end(Deadline(PATIENCE)).error is None
    assert first._reading()._company.present


def test_what_its_owner_has_taken_frees_the_window(watching: Queueing) -> None:
    """However much of the other's was handed to one: the watch goes on."""
    clients = two_processes(watching)
    for client in clients:
        client.probe(deadline=Deadline(PATIENCE))
    other = clients[1]._reading()
    sent = [watching.send(clients[0])[0] for _ in range(20)]
    for course in sent:
        assert course.await_end(Deadline(PATIENCE)).error is None
    assert other.sorting.held
    watching.await_empty()
    other.following.check_sink(Deadline(PATIENCE))
    assert not other.sorting.held
