"""Zones and redaction."""

from __future__ import annotations

import math
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.trip.geography import METRES_PER_DEGREE, distance_m
from comfyclient.trip.privacy import REDACTED, Redactor, zone_around

homes = st.tuples(st.floats(-89.9, 89.9), st.floats(-180, 180))


@given(homes, st.floats(1, 5000), st.floats(0, 1), st.floats(0, 2 * math.pi))
def test_a_zone_holds_the_whole_home_radius(
    home: tuple[float, float], radius: float, share: float, bearing: float
) -> None:
    """Nothing within the radius of the true home is outside of the zone."""
    zone = zone_around(home, home_radius_m=radius)
    lat = home[0] + share * radius * math.cos(bearing) / METRES_PER_DEGREE
    shrink = max(1e-9, math.cos(math.radians(lat)))
    lon = home[1] + share * radius * math.sin(bearing) / METRES_PER_DEGREE / shrink
    near = (min(90.0, max(-90.0, lat)), (lon + 180) % 360 - 180)
    if distance_m(near, home) <= radius:
        assert zone.holds(near)


@given(homes, st.floats(50, 2000))
def test_a_zone_is_not_much_larger_than_it_must_be(
    home: tuple[float, float], radius: float
) -> None:
    """Nothing farther than two and a half radii is hidden."""
    zone = zone_around(home, home_radius_m=radius)
    assert zone.radius_m + distance_m(home, zone.centre) <= 2.5 * radius + 2


def test_homes_of_one_cell_share_one_zone() -> None:
    """The cut tells the cell, and nothing about where in it the home is."""
    a = zone_around((36.6412, 101.7615), home_radius_m=500)
    b = zone_around((36.6418, 101.7622), home_radius_m=500)
    assert a == b
    assert distance_m((36.6412, 101.7615), a.centre) > 50


@pytest.mark.parametrize(
    "text",
    [
        "样A·00001",
        "样A00001",
        "样 A - 00 001",
        "样a·00001",
        "样Ａ·０００01",
        "样A\u200b00001",
        "样A–00001",
        "样A：00001",
        "样A●00001",
        "样(A)*00001",
        "样A\u0301 00001\u20e3",
        "样Ⓐ𝟎𝟎⓪⓪①",
        "样A\u3164\u034f\u2066000٠1",
    ],
)
def test_a_plate_is_found_however_it_is_written(text: str) -> None:
    """Joints, case, width and invisible characters hide nothing."""
    assert Redactor(["样A·00001"]).clean(f"车牌{text}！") == f"车牌{REDACTED}！"


def test_a_plate_is_found_without_its_province() -> None:
    """The first character is what people leave out."""
    assert Redactor(["样A·00001"]).clean("plate A 00001!") == f"plate {REDACTED}!"


def test_accents_make_no_difference() -> None:
    """Composed, decomposed or left out, a name is the same name."""
    redactor = Redactor(["José Núñez"])
    decomposed = unicodedata.normalize("NFD", "José Núñez")
    for text in (decomposed, "JOSE NUNEZ", "josé-núñez"):
        assert redactor.clean(f"by {text}.") == f"by {REDACTED}."


def test_what_a_redaction_joins_is_looked_at_again() -> None:
    """Two halves around a secret may be the secret once more."""
    cleaned = Redactor(["样A·00001"]).clean("样A样A0000100001")
    assert cleaned == REDACTED


def test_a_masked_name_takes_out_no_single_letter() -> None:
    """A backend may send `张**` or `--`: that must not spoil every text."""
    redactor = Redactor(["张**", "--"])
    assert redactor.clean("张家界, with 张** -- far") == "张家界, with … … far"


def test_a_thousand_addresses_are_taken_out_soon() -> None:
    """As many secrets as a trip can hold cost no minute."""
    redactor = Redactor([f"{number}" * 50 for number in range(1000, 2000)])
    began = time.process_time()
    assert redactor.clean("y" * 1000 + "1234 " * 50) == "y" * 1000 + REDACTED + " "
    assert time.process_time() - began < 1


@pytest.mark.parametrize("radius", [5e-324, 1e-300, 0.1])
def test_a_radius_of_next_to_nothing_is_a_radius(radius: float) -> None:
    """No grid is too fine to be computed."""
    assert zone_around((36.0, 100.0), home_radius_m=radius).holds((36.0, 100.0))


def test_the_longer_secret_goes_first() -> None:
    """A short secret inside a long one leaves no rest of the long one."""
    redactor = Redactor(["Sam", "Sam Ple Owner"])
    assert redactor.clean("by Sam Ple Owner and sam") == "by … and …"


def test_without_secrets_texts_stay() -> None:
    """An empty list of secrets matches nothing."""
    assert Redactor([]).clean("any text") == "any text"
    assert not Redactor([]).finds("any text")


@given(st.text(min_size=2, max_size=12), st.text(), st.text())
def test_no_secret_survives_in_any_text(secret: str, before: str, after: str) -> None:
    """Whatever characters a secret has, it is not in the cleaned text."""
    if REDACTED in secret:
        return
    cleaned = Redactor([secret]).clean(before + secret + after)
    assert secret not in cleaned


def test_regex_characters_in_a_secret_are_plain_characters() -> None:
    """A secret is a text, not a pattern."""
    assert Redactor(["a+b(c"]).clean("xa+b(cx aab") == "x…x aab"
