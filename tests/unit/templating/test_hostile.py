"""Hostile trips: every free text is replaced, nothing else."""

from __future__ import annotations

import json

from comfyclient.templating.hostile import (
    HOSTILE_TEXTS,
    bare,
    hostile_trips,
    with_texts,
)
from comfyclient.trip.published import PublishedTrip


def test_every_free_text_is_replaced(trip: PublishedTrip) -> None:
    """Names, places, highlights and vehicle all become the text."""
    full = trip.model_copy(update={"highlights": ("one", "two")})
    hostile = with_texts(full, "@@")
    assert hostile.title == hostile.id == hostile.vehicle.model == "@@"
    assert hostile.highlights == ("@@", "@@")
    assert {stop.name for stop in hostile.stops} == {"@@"}
    assert {name for leg in hostile.legs for name in leg.stops} == {"@@"}
    assert hostile.highest is not None
    assert hostile.highest.near == "@@"
    rest = json.dumps(hostile.model_dump(mode="json"))
    for stop in trip.stops:
        assert f'"{stop.name}"' not in rest


def test_what_is_no_free_text_stays(trip: PublishedTrip) -> None:
    """Kinds, dates, the track and the figures are as before."""
    hostile = with_texts(trip, "@@")
    for name in ("language", "terrain", "start_date", "route", "figures", "weather"):
        assert getattr(hostile, name) == getattr(trip, name)
    assert [s.kind for s in hostile.stops] == [s.kind for s in trip.stops]


def test_each_text_makes_a_trip(trip: PublishedTrip) -> None:
    """There are as many hostile trips as texts, all different."""
    trips = [hostile for _, hostile in hostile_trips(trip)]
    assert len({hostile.id for hostile in trips}) == len(HOSTILE_TEXTS)


def test_a_bare_trip_knows_nothing(trip: PublishedTrip) -> None:
    """All that may be unknown is."""
    empty = bare(trip)
    assert empty.route == empty.stops == empty.photos == ()
    assert empty.weather is empty.highest is empty.distance_km is None
    assert empty.vehicle.brand is empty.figures.climb_m is None
