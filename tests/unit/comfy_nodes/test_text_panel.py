"""TripTextPanel: all texts find their place, and no character becomes a box."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from comfyclient.comfy_nodes.fonts import find_font, normalised
from comfyclient.comfy_nodes.textpanel import TripTextPanel

FIGURES = [
    {"label": "里程", "value": "512.6", "unit": "km"},
    {"label": "Climb", "value": 4310, "unit": "m"},
    {"label": "能耗", "value": "13.9", "unit": "kWh/100km"},
]
PLAIN: dict[str, Any] = {
    "width": 480,
    "height": 210,
    "title": "环青海湖，风吹过花海",
    "subtitle": "From Xining around the lake.",
    "lines": "[]",
    "figures": json.dumps(FIGURES),
    "footer": "星野 X7",
    "style": "light",
    "align": "left",
}


def panel(**changes: Any) -> tuple[Any, Any]:
    """A small panel."""
    return TripTextPanel().set(**PLAIN | changes)


@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_same_inputs_same_bytes(align: str) -> None:
    """A panel is the same to the byte when set again, and within range."""
    first, second = panel(align=align), panel(align=align)
    assert first[0].shape == (1, 210, 480, 3)
    assert first[1].shape == (1, 210, 480)
    for one, other in zip(first, second, strict=True):
        assert one.tobytes() == other.tobytes()
        assert 0 <= one.min() <= one.max() <= 1


def test_alignment_moves_the_texts() -> None:
    """Texts aligned right end at the right edge, others begin at the left."""
    bare = {"figures": "[]", "footer": "", "subtitle": "", "title": "Ah"}
    left = np.flatnonzero(panel(**bare)[1][0].max(0) > 0.5)
    right = np.flatnonzero(panel(**bare, align="right")[1][0].max(0) > 0.5)
    assert left.min() < 10
    assert right.max() > 470


def test_title_and_figures_keep_apart() -> None:
    """However long the title, empty rows part the texts from the figures."""
    title = "一次很长很长的旅行，" * 8
    mask = panel(title=title)[1][0]
    plain = panel(title="", subtitle="")[1][0]
    figures_top = int(np.flatnonzero(plain.max(1) > 0.1).min())
    assert mask[figures_top - 2 : figures_top].max() < 0.05
    assert mask[: figures_top - 2].max() > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": "", "subtitle": "", "footer": "", "figures": "[]"},
        {"title": "x" * 3000},
        {"title": "汉" * 3000, "subtitle": "字" * 3000},
        {"lines": json.dumps(["long line " * 40] * 30)},
        {"figures": json.dumps(FIGURES * 4)},
        {"figures": json.dumps([{"value": "1" * 200, "unit": "u" * 200}])},
        {"figures": json.dumps([{"label": None, "value": None, "unit": None}])},
        {"kicker": "K" * 500, "footer": "F" * 500, "footer_right": "R" * 500},
        {"altitude_profile": json.dumps([100 + i * 30 % 700 for i in range(80)])},
        {"altitude_profile": json.dumps([5] * 80)},
        {"height": 48, "width": 64},
        {"title_size": 400},
        {"title": "tab\tnull\x00 zero\u200bwidth\ufe0f"},
        {"title": "one\ntwo\nthree"},
    ],
)
def test_any_amount_of_text_is_set(changes: dict[str, Any]) -> None:
    """Empty, endless and odd texts all give a whole panel."""
    image, mask = panel(**changes)
    assert np.isfinite(image).all()
    assert mask.shape[1:] == image.shape[1:3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": "Wow 🚗"}, ["title", "emoji", "'🚗'", "U+1F697", ".ttc"]),
        ({"subtitle": "กขค"}, ["subtitle", "'ก'", "U+0E01", "leave it out"]),
        ({"footer": "\U0010ffff"}, ["footer", "U+10FFFF"]),
        ({"lines": '["ok", "🎉"]'}, ["lines[1]", "U+1F389"]),
        ({"figures": '[{"value": "🔋"}]'}, ["figures[0].value", "U+1F50B"]),
        ({"lines": "[1]"}, ["lines[0]", "not text"]),
        ({"figures": "[[]]"}, ["figures[0]", "not an object"]),
        ({"figures": '[{"value": {}}]'}, ["figures[0].value", "string or a number"]),
        ({"align": "justify"}, ["align", "justify", "center"]),
        ({"title": 5}, ["title", "not text"]),
        ({"title_size": 5}, ["title_size", "16 to 400"]),
    ],
)
def test_impossible_inputs_are_named(changes: dict[str, Any], words: list[str]) -> None:
    """A missing glyph or an impossible input is an error that names it."""
    with pytest.raises(ValueError, match=next(iter(changes))) as caught:
        panel(**changes)
    for word in words:
        assert word in str(caught.value)


def test_constants_are_checked_before_the_run() -> None:
    """VALIDATE_INPUTS names a bad constant and lets links pass."""
    check = TripTextPanel.VALIDATE_INPUTS
    assert check(lines=None, figures=None) is True
    assert "figures" in str(check(lines="[]", figures="{"))
    assert "lines[0]" in str(check(lines="[2]"))


def test_invisible_characters_are_dropped() -> None:
    """Controls, joiners and variation selectors vanish; spaces become plain ones."""
    assert normalised("a\u200b\u200d\ufe0fb\u3000c\x07\u00a0d ") == "ab c d"
    assert normalised("e\u0301") == "é"


def test_font_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """COMFYCLIENT_FONT names the font; one that is no file is an error naming it."""
    found = find_font("")
    monkeypatch.setenv("COMFYCLIENT_FONT", found)
    assert find_font("") == found
    monkeypatch.setenv("COMFYCLIENT_FONT", "/nowhere/at-all.otf")
    with pytest.raises(ValueError, match=r"COMFYCLIENT_FONT.*at-all\.otf"):
        find_font("")


def test_a_file_that_is_no_font_is_refused(tmp_path: Any) -> None:
    """A file with a font's name but other bytes is an error, not a crash."""
    fake = tmp_path / "fake.ttf"
    fake.write_bytes(b"<html>" * 100)
    with pytest.raises(ValueError, match=r"not a readable font"):
        panel(font=str(fake))


def test_altitudes_are_drawn_above_the_footer() -> None:
    """A hilly profile adds a strip over the whole width; a flat one adds nothing."""
    bare = {"figures": "[]", "title": "", "subtitle": ""}
    plain = panel(**bare)[1]
    flat = panel(**bare, altitude_profile=json.dumps([800.0] * 40))[1]
    hilly = panel(
        **bare, altitude_profile=json.dumps([800 + 900 * (i == 20) for i in range(40)])
    )[1]
    assert np.array_equal(plain, flat)
    assert hilly.sum() > plain.sum() * 1.1
    strip = hilly[0] - plain[0]
    assert np.flatnonzero(strip.max(0) > 0.5).size > 400
