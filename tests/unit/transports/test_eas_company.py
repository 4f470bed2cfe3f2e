"""Who else reads as our group, as the sink's attributes show it."""

from __future__ import annotations

import json

import pytest

from comfyclient.testing.clock import FakeClock
from comfyclient.transports.eas_attributes import QueueAttributes, read_attributes
from comfyclient.transports.eas_company import SUSPECTED_S, Company

SHOWN = "Index: 0, Pending: 0, Status: {}, Idle: 1s, Window: 5, AutoCommit: false"


def shown(*readers: str, status: str = "Running") -> QueueAttributes:
    """A sink with these readers."""
    listed = {
        f"consumers.list.[{number}]": f"Id: {reader}, {SHOWN.format(status)}"
        for number, reader in enumerate(readers)
    }
    total = {"consumers.stats.total": str(len(readers))}
    return read_attributes(json.dumps({**listed, **total}).encode())


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands."""
    return FakeClock()


@pytest.fixture
def company(clock: FakeClock) -> Company:
    """That of the reader `a`, in whose process `b` reads too."""
    return Company("ours", ours=lambda: {"a", "b"}, clock=clock)


@pytest.mark.parametrize(
    ("sink", "present"),
    [
        (shown(), False),
        (shown("ours.a"), False),
        (shown("ours.a", "ours.b"), False),
        (shown("ours.a", "theirs.c", "ours.x.c", "eas.c"), False),
        (shown("ours.a", "ours.c"), True),
        (shown("ours.c", status="Exit"), False),
        (shown("ours.c", status="Leaving"), False),
        (QueueAttributes(), False),
    ],
)
def test_whose_readers_count(
    company: Company, sink: QueueAttributes, *, present: bool
) -> None:
    """Those of our group that are in no reader's hands here, and have not left."""
    company.look(sink)
    assert company.present is present


def test_who_has_left(company: Company) -> None:
    """Is company no longer; a sink that says nothing of readers changes nothing."""
    company.look(shown("ours.c"))
    company.look(QueueAttributes())
    assert company.present
    company.look(shown("ours.a"))
    assert not company.present


def test_a_doubt_of_what_the_sink_told(company: Company) -> None:
    """A list that has ourselves counts until it is asked again, which is wanted."""
    company.look(shown("ours.a"))
    assert not company.doubted
    company.suspect()
    assert company.doubted
    assert not company.present
    company.look(shown("ours.a", "ours.c"))
    assert company.present
    company.suspect()
    assert not company.doubted


@pytest.mark.parametrize("sink", [QueueAttributes(), shown(), shown("theirs.c")])
def test_a_sign_of_others(
    company: Company, clock: FakeClock, sink: QueueAttributes
) -> None:
    """It counts for a while where the sink does not even tell of ourselves."""
    company.suspect()
    company.look(sink)
    clock.advance(SUSPECTED_S - 1)
    assert company.present
    clock.advance(1)
    assert not company.present


def test_readers_that_cannot_be_read() -> None:
    """They count as none."""
    listed = {"consumers.list.[0]": "?", "consumers.list.[1]": "Id: ours.c"}
    assert read_attributes(json.dumps(listed).encode()).readers == ("ours.c",)
    assert read_attributes(b"{}").readers is None


@pytest.mark.parametrize(
    ("sink", "gone"),
    [
        (QueueAttributes(), False),
        (QueueAttributes(length=0), True),
        (QueueAttributes(length=3, first=7), False),
        (QueueAttributes(length=3, first=8), True),
        (QueueAttributes(length=3), False),
    ],
)
def test_what_a_sink_holds_no_more(sink: QueueAttributes, *, gone: bool) -> None:
    """What is before its oldest item, or was in it before it was empty."""
    assert sink.is_gone(7) is gone
