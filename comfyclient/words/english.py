"""How English says what a trip has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..trip.published import PublishedLeg, PublishedTrip
from ..trip.records import Condition, Terrain
from ..trip.sun import PartOfDay
from .facts import CLIMB_M, HIGH_M, Phrases, first_and_last, regained_km

_NUMBERS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_WEEKDAYS = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
]
_LANDS: Mapping[Terrain, str] = {
    "lake": "by the lake",
    "hills": "in the hills",
    "mountains": "in the mountains",
    "coast": "by the sea",
    "city": "in the city",
    "desert": "in the desert",
    "forest": "in the forest",
}
_SKIES: Mapping[Condition, str] = {
    "clear": "Clear",
    "cloudy": "Some cloud",
    "overcast": "Overcast",
    "rain": "Rain",
    "snow": "Snow",
    "fog": "Fog",
    "wind": "Wind",
    "storm": "Storms",
}
_SCENES: Mapping[Terrain, str] = {
    "lake": "a wide lake and far ridges",
    "hills": "rolling hills",
    "mountains": "layered mountain ridges",
    "coast": "a coastline and open sea",
    "plain": "an open road and a low horizon",
    "city": "a city skyline",
    "desert": "dunes under a tall sky",
    "forest": "a road through tall trees",
}
_LIGHTS: Mapping[PartOfDay, str] = {
    "dawn": "low light of early morning",
    "day": "bright daylight",
    "dusk": "warm light of dusk",
    "night": "night sky and headlights",
}


class _English:
    title_limit = 28

    def title_at(self, trip: PublishedTrip, name: str) -> str:
        if trip.part_of_day == "night":
            return f"{name} by night"
        if trip.part_of_day == "dusk":
            return f"{name} at dusk"
        if trip.part_of_day == "dawn":
            return f"{name} at dawn"
        if trip.season is not None:
            return f"{name} in {trip.season}"
        return f"To {name}" if trip.days == 1 else f"{name}, {_count(trip.days)} days"

    def title(self, trip: PublishedTrip) -> str:
        land = _LANDS.get(trip.terrain)
        if trip.part_of_day == "night":
            return "A night on the road" if land is None else f"A night {land}"
        if land is not None and trip.days > 1:
            return f"{_count(trip.days).capitalize()} days {land}"
        if trip.season is None:
            return "On the road" if land is None else f"A drive {land}"
        article = "An" if trip.season == "autumn" else "A"
        if land is None:
            return f"{article} {trip.season} drive"
        return f"{trip.season.capitalize()} {land}"

    def dates(self, trip: PublishedTrip) -> str:
        first, last = first_and_last(trip)
        end = f"{last.day} {_MONTHS[last.month - 1]} {last.year}"
        if last == first:
            return end
        start = f"{first.day} {_MONTHS[first.month - 1]}"
        if last.year != first.year:
            return f"{start} {first.year} – {end}"
        same = last.month == first.month
        return f"{first.day}–{end}" if same else f"{start} – {end}"

    def opening(self, trip: PublishedTrip) -> str | None:
        if not trip.distance_km:
            if not trip.duration_h:
                return None
            return f"{_time(trip.duration_h)} on the road."
        way = f"{trip.distance_km:,.0f} km"
        if trip.days > 1:
            return f"{way} in {_count(trip.days)} days."
        if trip.part_of_day == "night":
            way += " of night road"
        return f"{way}, {_time(trip.duration_h)}." if trip.duration_h else f"{way}."

    def day(self, leg: PublishedLeg) -> str:
        return f"Day {leg.day}: {', '.join(leg.stops[:4])}"

    def stops(self, names: Sequence[str]) -> str:
        if len(names) == 1:
            return f"By way of {names[0]}."
        return f"By way of {', '.join(names[:-1])} and {names[-1]}."

    def closing(self, trip: PublishedTrip) -> Iterator[str]:
        high = trip.highest
        if high is not None and high.altitude_m >= HIGH_M:
            where = "" if high.near is None else f", at {high.near}"
            yield f"Highest point {high.altitude_m:,.0f} m{where}."
        yield from self._energy(trip)
        if trip.companions is not None:
            people = trip.companions + 1
            yield (
                "Driven alone."
                if people == 1
                else (f"{_count(people).capitalize()} in the car.")
            )
        climb = trip.figures.climb_m
        if climb is not None and climb >= CLIMB_M:
            yield f"{climb:,.0f} m of climbing."
        yield from self._sky(trip)

    def _energy(self, trip: PublishedTrip) -> Iterator[str]:
        figures = trip.figures
        if figures.recuperated_kwh is not None and figures.recuperated_kwh >= 1:
            km = regained_km(trip)
            worth = "" if not km else f", good for about {km} km"
            yield f"{figures.recuperated_kwh:.0f} kWh recovered{worth}."
        if figures.charging_stops:
            once = figures.charging_stops == 1
            yield (
                "Charged once on the way."
                if once
                else (f"Charged {_count(figures.charging_stops)} times on the way.")
            )
        elif figures.charging_stops == 0 and trip.vehicle.powertrain == "electric":
            yield "Not one charging stop."

    def _sky(self, trip: PublishedTrip) -> Iterator[str]:
        if trip.weather is not None:
            sky = trip.weather.condition
            words = [] if sky is None else [_SKIES[sky]]
            low, high = trip.weather.low_c, trip.weather.high_c
            if low is not None and high is not None:
                words.append(f"{low:.0f} to {high:.0f} °C")
            if words:
                yield f"{', '.join(words)}."
        told: Mapping[PartOfDay, str] = {
            "dawn": "mostly in the light of dawn.",
            "day": "mostly in daylight.",
            "dusk": "mostly in the light of dusk.",
            "night": "mostly after dark.",
        }
        season = "" if trip.season is None else f"{trip.season}, "
        line = season + told[trip.part_of_day]
        yield line[0].upper() + line[1:]
        first, _ = first_and_last(trip)
        yield f"Set off on a {_WEEKDAYS[first.weekday()]}."

    def prompt(self, trip: PublishedTrip) -> str:
        parts = ["travel poster illustration", _SCENES[trip.terrain]]
        if trip.season is not None:
            parts.append(trip.season)
        parts.append(_LIGHTS[trip.part_of_day])
        if trip.weather is not None and trip.weather.condition is not None:
            parts.append(f"weather: {_SKIES[trip.weather.condition].lower()}")
        return ", ".join(
            [
                *parts,
                "one small car far off",
                "generous empty space",
                "no text, no logo",
            ]
        )


def _count(number: int) -> str:
    return _NUMBERS[number] if number <= 10 else str(number)


def _time(hours: float) -> str:
    if hours >= 1:
        return "1 hour" if hours == 1 else f"{hours:g} hours"
    return f"{hours * 60:.0f} minutes"


ENGLISH: Phrases = _English()
