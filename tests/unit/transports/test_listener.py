"""The listener where no network is needed: wanted, unwanted, closed."""

from __future__ import annotations

import threading

from comfyclient.testing.clock import FakeClock
from comfyclient.transports.endpoint import Endpoint
from comfyclient.transports.listener import Listener


def listener_of(**options: object) -> Listener:
    """A listener to an address where nobody is asked."""
    endpoint = Endpoint("n", "http://127.0.0.1:9", **options)
    return Listener(
        endpoint,
        "me",
        on_signal=lambda signal: None,
        on_link=lambda reason: None,
        clock=FakeClock(),
    )


def test_nothing_runs_before_it_is_wanted() -> None:
    """Making a listener starts no thread, and waiting for it ends at once."""
    before = set(threading.enumerate())
    listener = listener_of()
    assert not listener.registered
    assert not listener.await_registered(60)
    assert set(threading.enumerate()) <= before
    listener.close()


def test_an_endpoint_without_websocket() -> None:
    """Where websockets are switched off, wanting one changes nothing."""
    before = set(threading.enumerate())
    listener = listener_of(websocket=False)
    listener.want(True)
    assert not listener.await_registered(60)
    assert set(threading.enumerate()) <= before
    listener.close()


def test_closing_for_good() -> None:
    """A closed listener cannot be wanted again, and may be closed twice."""
    listener = listener_of()
    listener.close()
    listener.want(True)
    listener.close()
    assert not [t for t in threading.enumerate() if "listener" in t.name]


def test_a_new_dial_without_a_socket_does_nothing() -> None:
    """Dialling anew before there is a connection is no error."""
    listener_of().register_again()
