"""Words made of a trip's own facts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from comfyclient.trip.records import TERRAINS
from comfyclient.trip.trips import load_trip, load_trips, parse_trip
from comfyclient.words.copywriter import OfflineCopywriter, TripCopy

SAMPLES = Path(__file__).parents[3] / "examples" / "trips"


def copy_of(**changes: JsonValue) -> TripCopy:
    """The words of a summer morning, with changes."""
    fields: dict[str, JsonValue] = {
        "id": "t",
        "language": "en",
        "start": "2026-07-18T08:00:00+08:00",
        "end": "2026-07-18T11:00:00+08:00",
        **changes,
    }
    return OfflineCopywriter().write(parse_trip(fields).for_publishing())


def test_a_trip_keeps_its_own_title() -> None:
    """The owner's words come first, whatever their length."""
    assert copy_of(title="The long way round to my brother").title == (
        "The long way round to my brother"
    )


def test_the_same_trip_gets_the_same_words() -> None:
    """Nothing is drawn by lot."""
    assert copy_of(companions=2) == copy_of(companions=2)


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"stops": [{"kind": "lake", "name": "Titisee", "lat": 48, "lon": 8}]}, None),
        ({"start": "2026-07-18T00:00:00+08:00"}, "A night on the road"),
        ({}, "On the road"),
        ({"terrain": "hills"}, "A drive in the hills"),
        (
            {"end": "2026-07-20T11:00:00+08:00", "terrain": "lake"},
            "Three days by the lake",
        ),
    ],
)
def test_english_titles_follow_the_facts(
    changes: dict[str, JsonValue], title: str | None
) -> None:
    """Place, light, days and land each find their way into the title."""
    if "start" in changes:
        changes = {**changes, "end": "2026-07-18T03:00:00+08:00"}
    found = copy_of(**changes).title
    assert "Titisee" in found if title is None else found == title


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "在路上"),
        ({"end": "2026-07-20T11:00:00+08:00", "terrain": "coast"}, "海边的三天"),
        ({"stops": [{"kind": "lake", "name": "青海湖"}]}, "去青海湖"),
    ],
)
def test_chinese_titles_follow_the_facts(
    changes: dict[str, JsonValue], title: str
) -> None:
    """The same facts in Chinese."""
    assert copy_of(language="zh", **changes).title == title


@given(
    st.sampled_from(["zh", "en"]),
    st.sampled_from([None, *TERRAINS]),
    st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    st.integers(0, 23),
    st.integers(1, 300),
    st.none() | st.sampled_from([48.0, -33.0]),
)
def test_titles_fit_and_lines_are_two_to_four(
    language: str,
    terrain: str | None,
    name: str | None,
    hour: int,
    hours: int,
    lat: float | None,
) -> None:
    """Whatever the facts, there is a short title and enough to read below it."""
    last = f"2026-07-{18 + (hour + hours) // 24:02d}" if hours < 300 else "2026-07-31"
    words = copy_of(
        language=language,
        terrain=terrain,
        start=f"2026-07-18T{hour:02d}:00:00+08:00",
        end=f"{last}T23:30:00+08:00",
        stops=[{"kind": "sight", "name": name, "lat": lat, "lon": lat and 8.0}],
    )
    assert 1 <= len(words.title) <= (10 if language == "zh" else 28)
    assert 2 <= len(words.lines) <= 4
    assert all(line.strip() for line in words.lines)
    assert words.subtitle
    assert words.poster_prompt


def test_highlights_are_told_in_the_owner_s_words() -> None:
    """The first two stand among the lines as they were written."""
    lines = copy_of(highlights=["One.", "Two.", "Three."]).lines
    assert lines[1:3] == ("One.", "Two.")
    assert "Three." not in lines


def test_days_are_told_one_by_one() -> None:
    """Two or three days with stops have a line each."""
    lines = copy_of(
        end="2026-07-19T11:00:00+08:00",
        stops=[
            {"name": "A", "arrival": "2026-07-18T09:00:00+08:00"},
            {"name": "B", "arrival": "2026-07-19T10:00:00+08:00"},
        ],
    ).lines
    assert "Day 1: A" in lines
    assert "Day 2: B" in lines


def test_energy_is_told_only_where_it_was_recorded() -> None:
    """No kilowatt-hour and no charging stop is invented."""
    told = copy_of(
        vehicle={"powertrain": "electric"},
        figures={
            "distance_m": 300_000,
            "energy_kwh": 60,
            "recuperated_kwh": 12,
            "charging_stops": 0,
        },
    ).lines
    assert "12 kWh recovered, good for about 60 km." in told
    assert "Not one charging stop." in told
    silent = " ".join(copy_of(figures={"distance_m": 300_000}).lines)
    assert "kWh" not in silent
    assert "harg" not in silent


@pytest.mark.parametrize(
    ("end", "language", "subtitle"),
    [
        ("2026-07-18T11:00:00+08:00", "en", "18 July 2026"),
        ("2026-07-20T11:00:00+08:00", "en", "18–20 July 2026"),
        ("2026-08-02T11:00:00+08:00", "en", "18 July – 2 August 2026"),
        ("2027-01-02T11:00:00+08:00", "en", "18 July 2026 – 2 January 2027"),
        ("2026-07-18T11:00:00+08:00", "zh", "2026年7月18日"),
        ("2026-07-20T11:00:00+08:00", "zh", "2026年7月18日—20日"),
        ("2026-08-02T11:00:00+08:00", "zh", "2026年7月18日—8月2日"),
        ("2027-01-02T11:00:00+08:00", "zh", "2026年7月18日—2027年1月2日"),
    ],
)
def test_dates_are_written_as_people_write_them(
    end: str, language: str, subtitle: str
) -> None:
    """What two dates share is said once."""
    assert copy_of(end=end, language=language).subtitle == subtitle


def test_the_region_is_where_most_stops_are() -> None:
    """It stands behind the dates."""
    stops: JsonValue = [{"place": "A"}, {"place": "B"}, {"place": "B"}]
    assert copy_of(stops=stops).subtitle == "18 July 2026 · B"


def test_a_redacted_name_makes_no_title() -> None:
    """What lost its secret is not shown in large letters."""
    words = copy_of(
        vehicle={"owner": "Sample Owner"},
        stops=[{"kind": "lake", "name": "Sample Owner Lake", "place": "Sample Owner"}],
    )
    assert "…" not in words.title
    assert "Owner" not in words.model_dump_json()


def test_each_numeral_of_the_lines_comes_from_the_trip() -> None:
    """A line of the samples states no number that their published facts lack."""
    for trip in load_trips(SAMPLES):
        published = trip.for_publishing()
        words = OfflineCopywriter().write(published)
        facts = published.model_dump_json()
        numbers = set(re.findall(r"\d+", facts)) | {
            str(round(float(n))) for n in re.findall(r"\d+\.\d+", facts)
        }
        numbers |= {str(round((published.duration_h or 0) * 60))}
        for line in words.lines:
            if "recovered" in line or "回收" in line:
                continue
            for number in re.findall(r"\d+", line.replace(",", "")):
                assert number in numbers, line


def test_the_four_main_samples_have_four_different_voices() -> None:
    """No two of them share a title or a line."""
    names = (
        "qinghai-lake-loop",
        "black-forest-weekend",
        "coast-night-drive",
        "barely-recorded",
    )
    copies = [
        OfflineCopywriter().write(load_trip(SAMPLES / f"{n}.json").for_publishing())
        for n in names
    ]
    titles = {words.title for words in copies}
    lines = [line for words in copies for line in words.lines]
    assert len(titles) == 4
    assert len(set(lines)) == len(lines)


def test_words_are_json() -> None:
    """They can be kept and compared as JSON."""
    words = copy_of()
    assert TripCopy.model_validate(json.loads(words.model_dump_json())) == words
