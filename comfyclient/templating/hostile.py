"""Trips and texts that try to break out of a template. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from ..trip.published import PublishedTrip, with_sources
from ..words.copywriter import TripCopy

HOSTILE_TEXTS: tuple[str, ...] = (
    '"',
    "\\",
    '\\"',
    "a\nb\r\n\tc",
    "{{ seed }} {% if %} {# #} {%- raw -%}",
    '"},"99":{"class_type":"Evil","inputs":{}},"100":{"x":"',
    '", 0], "evil": ["1", 0',
    "</script><script>",
    "\u0000\u0001\u001f\u007f\u0085\u2028\u2029",
    "\u202eשלום\u202c مرحبا",
    "👨\u200d👩\u200d👧\u200d👦 🚗🇨🇳",
    "e\u0301\u0308 ﷽ \ufeff\ufffd\U0010ffff",
    "环" * 5000,
    "../../etc/passwd",
    "%date:yyyy-MM-dd% %width%",
    "null",
    "1e999",
    " ",
)
"""Each stands in every free text of a trip in turn."""

HARMLESS_TEXT = "A day out"
"""What the hostile ones are compared with."""

_FREE_TEXTS = frozenset(
    {"brand", "colour", "highlights", "id", "model", "name", "near", "place", "title"}
)


def with_texts(trip: PublishedTrip, text: str) -> PublishedTrip:
    """The trip with another text in every field that takes any text."""
    fields = trip.model_dump(mode="json")
    fields["title"] = text
    fields["vehicle"] |= dict.fromkeys(("brand", "model", "colour"), text)
    changed = PublishedTrip.model_validate(_replaced(fields, text, key=""))
    return with_sources(changed, of=trip)


def bare(trip: PublishedTrip) -> PublishedTrip:
    """The trip with nothing that a recording may lack."""
    unknown = dict.fromkeys(
        (
            *("title", "season", "daylight", "weather", "companions", "bounds"),
            *("highest", "distance_km", "duration_h"),
        )
    )
    empty = dict.fromkeys(
        (
            *("segments", "route", "altitude_profile", "stops", "legs"),
            *("highlights", "photos"),
        ),
        (),
    )
    fields = {**trip.model_dump(), **unknown, **empty, "vehicle": {}, "figures": {}}
    return PublishedTrip.model_validate(fields)


def copy_of(text: str) -> TripCopy:
    """Words that consist of one text."""
    return TripCopy(title=text, subtitle=text, lines=(text,) * 4, poster_prompt=text)


def hostile_trips(trip: PublishedTrip) -> Iterator[tuple[str, PublishedTrip]]:
    """Each hostile text, and the trip that is full of it."""
    for text in HOSTILE_TEXTS:
        yield text, with_texts(trip, text)


def _replaced(value: JsonValue, text: str, *, key: str) -> JsonValue:
    match value:
        case dict():
            return {k: _replaced(v, text, key=k) for k, v in value.items()}
        case list():
            inner = "name" if key == "stops" else key  # a leg's stops are their names
            return [_replaced(item, text, key=inner) for item in value]
        case str() if key in _FREE_TEXTS:
            return text
    return value
