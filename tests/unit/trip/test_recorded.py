"""A recorded trip: what it tells, and to whom."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest
from pydantic import JsonValue

from comfyclient.errors import UsageError
from comfyclient.trip.trips import parse_trip

SECRETS = ("SAMPLE0000VIN0001", "样A·00001", "Sample Owner", "1 Example Street")


def fields(**changes: JsonValue) -> dict[str, JsonValue]:
    """A small trip with every secret, and changes."""
    return {
        "id": "t",
        "vehicle": {"vin": SECRETS[0], "plate": SECRETS[1], "owner": SECRETS[2]},
        "start": "2026-07-18T08:00:00+08:00",
        "end": "2026-07-18T11:00:00+08:00",
        "stops": [
            {"kind": "home", "name": "Ours", "address": SECRETS[3]},
            {"kind": "lake", "name": "L", "arrival": "2026-07-18T09:00:00+08:00"},
        ],
        "track": [{"lat": 36.0, "lon": 100.0}, {"lat": 36.1, "lon": 100.0}],
        **changes,
    }


def test_repr_str_and_logs_tell_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """However a trip gets into a text, its secrets and places stay out."""
    trip = parse_trip(fields(id=f"t-{SECRETS[0]}"))
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").info("%s %r %s", trip, trip, vars(trip))
    shown = caplog.text + repr(trip) + str(trip) + trip.model_dump_json()
    for secret in SECRETS[1:]:
        assert secret not in shown
    assert SECRETS[0] not in repr(trip) + str(trip)
    assert "Ours" not in repr(trip.stops)


def test_a_trip_refuses_to_be_pickled() -> None:
    """A pickle would hold the secrets in plain text; copies are fine."""
    trip = parse_trip(fields())
    for part in (trip, trip.vehicle, trip.stops[0]):
        with pytest.raises(UsageError, match="cannot be pickled"):
            pickle.dumps(part)
    assert copy.deepcopy(trip) == trip
    assert pickle.loads(pickle.dumps(trip.for_publishing())) == trip.for_publishing()


def test_secrets_lists_all_there_are() -> None:
    """VIN, plate, owner and every address, for whoever tests for leaks."""
    assert parse_trip(fields()).secrets() == SECRETS
    assert parse_trip(fields(vehicle=None, stops=[])).secrets() == ()


def test_a_trip_is_frozen() -> None:
    """Nobody changes a trip on its way."""
    trip = parse_trip(fields())
    with pytest.raises(ValueError, match="frozen"):
        trip.title = "other"


def test_the_script_tells_the_language_where_nothing_else_does() -> None:
    """Han characters in any text make it Chinese."""
    assert parse_trip(fields()).spoken == "en"
    assert parse_trip(fields(highlights=["A", "湖面先亮"])).spoken == "zh"


@pytest.mark.parametrize(
    ("tag", "language"),
    [("zh", "zh"), ("zh-Hans-CN", "zh"), ("ZH_tw", "zh"), ("en-GB", "en")],
)
def test_language_tags_of_any_length_are_read(tag: str, language: str) -> None:
    """The primary subtag counts."""
    assert parse_trip(fields(language=tag)).language == language
