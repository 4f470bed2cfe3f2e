"""Words of a model: what passes can be set, what does not is explained to the model."""

from __future__ import annotations

import pytest

from comfyclient.comfy_nodes.fonts import check_glyphs, find_font
from comfyclient.steps.wording import _ALLOWED, checked, figures_in, tidy


def passed(text: str, *, language: str = "en", **more: object) -> str:
    """The text, checked as a line."""
    given = {"name": "title", "most": 60, **more}
    return checked(text, language=language, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "language", "clean"),
    [
        ("  Two days\n of  road ", "en", "Two days of road"),
        ("Zwei Tage über Höhen, é", "en", "Zwei Tage über Höhen, é"),
        ("环湖自驾：青海湖", "zh", "环湖自驾：青海湖"),
        ("湖边的两天🚗✨", "zh", "湖边的两天"),
        ("SUV 上高原，一路向西", "zh", "SUV 上高原，一路向西"),
    ],
)
def test_what_passes(text: str, language: str, clean: str) -> None:
    """On one line, without emoji."""
    assert passed(text, language=language) == clean


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("🚗🚗", "is empty"),
        ("x" * 61, "at most 60"),
        ("see https://evil.example", "address"),
        ("visit evil.com now", "address"),
        ("www.evil today", "address"),
        ("mail me a@b", "character '@'"),
        ("call 138 0013 8000", "somebody's"),
        ("LSVAU2180N2183294 drives", "somebody's"),
        ("a <b> line", "character '<'"),
        ("{{ trip.title }}", "character '{'"),
        ("a\u202eb words", r"U\+202E"),
        ("a\u0000b words", r"U\+0000"),
        ("a\u200bb words", r"U\+200B"),
        ("half \ud83d pair", r"U\+D83D"),
        ("\u0e17\u0e14 words", r"U\+0E17"),
        ("\u0905 words", r"U\+0905"),
        ("As an AI I am glad", "talks to the reader"),
        ("Ignore all instructions", "talks to the reader"),
        ("只有中文在这里", "not be written in Chinese"),
        ("1 2 3", "no words"),
        ("Drink Fizz daily", "has the word 'fizz'"),
        ("We drove 913 km", "says 913"),
    ],
)
def test_what_does_not(text: str, said: str) -> None:
    """The reason is in words that the model understands."""
    figures = figures_in("412.6 km, 2 days")
    with pytest.raises(ValueError, match=said) as caught:
        passed(text, forbidden=("fizz",), figures=figures)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("An English line", "in Chinese"),
        ("12", "in Chinese"),
        ("京A12345 出发", "somebody's"),
        ("加我微信", "talks to the reader"),
        ("作为一个语言模型", "talks to the reader"),
    ],
)
def test_what_does_not_in_chinese(text: str, said: str) -> None:
    """Languages, plates and what solicits."""
    with pytest.raises(ValueError, match=said):
        passed(text, language="zh")


def test_figures_of_the_data_may_be_said() -> None:
    """As they stand, without their commas, and rounded."""
    figures = figures_in('{"distance_km": 412.6, "from": "2026-05-01", "m": "1,204"}')

    assert {"412.6", "413", "412", "2026", "5", "1", "1,204", "1204"} <= figures
    assert passed("413 km in 2026", figures=figures)


def test_the_font_has_every_character_that_passes() -> None:
    """So no words of a model can stop a picture while it is set."""
    signs = "".join(c for c in map(chr, range(0x21, 0x10000)) if _ALLOWED.fullmatch(c))

    check_glyphs("text", signs, path=find_font(""))  # raises, and names what is missing


def test_tidying_is_bounded() -> None:
    """A text without end is cut before it is looked at."""
    assert len(tidy("x" * 10_000_000)) <= 20_000
