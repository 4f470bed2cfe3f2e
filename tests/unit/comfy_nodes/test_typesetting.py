"""Lines break as Chinese and Latin typography ask for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.comfy_nodes.typesetting import (
    ELLIPSIS,
    NOT_AT_END,
    NOT_AT_START,
    balanced,
    cropped,
    fit,
    shortened,
    wrap,
)


def measure(line: str) -> float:
    """One for a Latin character, two for any other."""
    return sum(1.0 if ord(sign) < 0x2E80 else 2.0 for sign in line)


texts = st.text(
    st.sampled_from("abcXYZ 09-中文青海湖，。、（）《》“”！？…·,.;:()"), max_size=60
)


@given(texts, st.integers(12, 40))
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int) -> None:
    """Every character but spaces is kept in order, in lines within the width."""
    lines = wrap(text, width=width, measure=measure)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    assert all(measure(line) <= width for line in lines)


def test_closing_marks_start_no_line() -> None:
    """A comma that would start a line takes the character before it along."""
    lines = wrap("从西宁出发，沿湖一圈。", width=10, measure=measure)
    assert lines == ["从西宁出", "发，沿湖一", "圈。"]
    for line in lines:
        assert line[0] not in NOT_AT_START


def test_opening_marks_end_no_line() -> None:
    """An opening quote goes to the next line with what it opens."""
    lines = wrap("我们去看“花海”吧", width=10, measure=measure)
    for line in lines:
        assert line[-1] not in NOT_AT_END


def test_latin_words_stay_whole() -> None:
    """Words move to the next line as a whole; Chinese fills the line around them."""
    lines = wrap("去 Cotswolds 看 autumn leaves", width=12, measure=measure)
    assert lines == ["去 Cotswolds", "看 autumn", "leaves"]


def test_a_word_longer_than_the_line_is_divided() -> None:
    """Only a word that fits no line at all is divided."""
    lines = wrap("a Donaudampfschifffahrt b", width=10, measure=measure)
    assert lines == ["a", "Donaudampf", "schifffahr", "t b"]


def test_newlines_are_kept() -> None:
    """A newline in the text begins a line."""
    assert wrap("one\ntwo", width=20, measure=measure) == ["one", "two"]


def test_two_lines_are_balanced() -> None:
    """Two lines are of similar length instead of one full and one short."""
    lines = balanced("An Amber Weekend in the Cotswolds", width=30, measure=measure)
    assert lines == ["An Amber Weekend", "in the Cotswolds"]


def test_two_lines_part_at_a_phrase() -> None:
    """A Chinese title parts after its comma where the halves allow it."""
    lines = balanced("环青海湖行，风吹过花海", width=18, measure=measure)
    assert lines == ["环青海湖行，", "风吹过花海"]


def test_too_much_text_ends_in_an_ellipsis() -> None:
    """Text beyond the last line is cut, which an ellipsis shows."""
    lines = cropped("一二三四五六七八九十", width=8, most_lines=2, measure=measure)
    assert len(lines) == 2
    assert lines[-1].endswith(ELLIPSIS)
    assert all(measure(line) <= 8 for line in lines)


def test_shortened_text_fits() -> None:
    """A shortened line is within the width and marked; a short one is untouched."""
    assert shortened("short", width=10, measure=measure) == "short"
    cut = shortened("a very long line indeed", width=10, measure=measure)
    assert measure(cut) <= 10
    assert cut.endswith(ELLIPSIS)


def test_fit_takes_the_largest_size() -> None:
    """The largest size that keeps the lines few enough is taken."""
    found = fit(
        "abcdefgh ijklmnop",
        width=100,
        most_lines=1,
        sizes=range(10, 1, -1),
        measure=lambda size: lambda line: size * len(line),
    )
    assert found is not None
    assert found.size == 5


def test_a_word_among_chinese_is_no_divided_word() -> None:
    """A line may begin with a Latin word that touches Chinese without shrinking."""
    found = fit(
        "去看看Cotswolds的三天两夜之旅",
        width=180,
        most_lines=2,
        sizes=range(10, 4, -1),
        measure=lambda size: lambda line: size * measure(line),
    )
    assert found is not None
    assert found.size == 10


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_blank_text_has_no_lines(text: str) -> None:
    """Blank text gives no lines."""
    assert wrap(text, width=10, measure=measure) == []
