"""Where the sun stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from comfyclient.trip.sun import elevation, part_by_clock, part_of_day, season

GREENWICH = (51.4779, 0.0)
BEIJING = (39.9042, 116.4074)


def unix(text: str) -> float:
    """Unix seconds of an ISO text."""
    return datetime.fromisoformat(text).timestamp()


def test_noon_height_at_the_summer_solstice() -> None:
    """At Greenwich the sun culminates at 90° less latitude plus 23.44°."""
    height = elevation(GREENWICH, unix("2024-06-20T12:02:00+00:00"))
    assert height == pytest.approx(90 - 51.4779 + 23.437, abs=0.02)


@pytest.mark.parametrize(
    ("place", "moment"),
    [
        (BEIJING, "2026-01-01T07:36:00+08:00"),
        (GREENWICH, "2024-06-20T03:43:00+00:00"),
        ((-33.8688, 151.2093), "2024-12-21T05:41:00+11:00"),
    ],
)
def test_published_sunrises_are_met_to_the_minute(
    place: tuple[float, float], moment: str
) -> None:
    """At almanac sunrises the sun's centre stands 0.83° below the horizon."""
    assert elevation(place, unix(moment)) == pytest.approx(-0.833, abs=0.25)


def test_midnight_sun_is_day_or_low_sun_never_night() -> None:
    """Beyond the polar circle a June midnight is no night."""
    assert part_of_day((69.65, 18.96), unix("2026-06-21T00:45:00+02:00")) != "night"


@pytest.mark.parametrize(
    ("clock", "part"),
    [("06:00", "dawn"), ("12:00", "day"), ("18:10", "dusk"), ("23:00", "night")],
)
def test_parts_of_an_equinox_day(clock: str, part: str) -> None:
    """At the equinox dawn and dusk lie around six o'clock sun time."""
    place = (36.0, 120.0)  # the meridian of +08:00
    assert part_of_day(place, unix(f"2026-03-20T{clock}:00+08:00")) == part


def test_far_east_and_far_west_share_their_light() -> None:
    """The two sides of the 180° meridian have one sun."""
    at = unix("2026-01-10T05:00:00+00:00")
    east, west = elevation((-17, 180.0), at), elevation((-17, -180.0), at)
    assert east == pytest.approx(west)


def test_seasons_swap_south_of_the_equator() -> None:
    """January is winter in the north and summer in the south."""
    assert (season(48.0, 1), season(-17.0, 1)) == ("winter", "summer")
    assert (season(48.0, 10), season(-34.0, 10)) == ("autumn", "spring")


@pytest.mark.parametrize(
    ("hour", "part"), [(4, "night"), (6, "dawn"), (12, "day"), (19, "dusk")]
)
def test_the_clock_speaks_where_no_place_is_known(hour: int, part: str) -> None:
    """Without a place the hour alone tells the part of the day."""
    assert part_by_clock(datetime(2026, 5, 1, hour, tzinfo=UTC)) == part
