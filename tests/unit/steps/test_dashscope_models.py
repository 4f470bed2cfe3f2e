"""What is known of the models: names, sizes, numbers; refused before any call."""

from __future__ import annotations

import pytest

from comfyclient.errors import ModelGoneError, ModelRequestError
from comfyclient.steps.models import PICTURES, RETIRED, picture_model, resolved
from comfyclient.testing.dashscope_catalogue import MODELS


@pytest.mark.parametrize("name", RETIRED)
def test_a_retired_model_names_its_replacement(name: str) -> None:
    """By its own name and by an alias."""
    with pytest.raises(ModelGoneError, match=r"retired on 13 July 2026") as caught:
        resolved("ours", {"ours": name}, region="cn-beijing")
    assert "qwen3.6-" in str(caught.value)
    assert "called 'ours'" in str(caught.value)


def test_other_sites_keep_their_models() -> None:
    """The notice names two sites; where the site is not known, it is believed."""
    assert resolved("qwen-max", {}, region="us-east-1") == "qwen-max"
    with pytest.raises(ModelGoneError):
        resolved("qwen-max", {})


def test_aliases_lead_to_a_model() -> None:
    """One may stand for another; a circle is an error."""
    aliases = {"qwen-max": "words", "words": "qwen3.6-plus", "a": "b", "b": "a"}

    assert resolved("qwen-max", aliases) == "qwen3.6-plus"
    assert resolved("some-new-model", aliases) == "some-new-model"
    with pytest.raises(ModelGoneError, match="a → b → a"):
        resolved("a", aliases)


@pytest.mark.parametrize("name", ["wanx-v2", "wanx-v1", "wan"])
def test_what_teams_say_is_no_model(name: str) -> None:
    """The error names models to be asked."""
    with pytest.raises(ModelGoneError, match=r"wan2\.2-t2i-flash"):
        resolved(name, {})


@pytest.mark.parametrize("name", PICTURES)
def test_the_stand_in_agrees(name: str) -> None:
    """Its table was written apart from this one: sizes and numbers are the same."""
    ours, theirs = PICTURES[name], MODELS[name]

    assert ours.most == theirs.most
    assert theirs.wrong_size(ours.size) is None
    for size in ("512*512", "1024*1024", "1440*1440", "1280*1280", "928*1664", "4*4"):
        if theirs.sides or theirs.sizes or theirs.pixels:
            fits = ours._wrong(size, 1, ours.takes) is None
            assert fits is (theirs.wrong_size(size) is None)


@pytest.mark.parametrize(
    ("size", "count", "given", "said"),
    [
        ("1024*1024", 5, 0, "1 to 4 pictures"),
        ("1024*1024", 0, 0, "1 to 4 pictures"),
        ("1024*1024", 1, 1, "up to 0 pictures"),
        ("2000*2000", 1, 0, "512 to 1440"),
        ("wide", 1, 0, "a size like"),
        ("1024x1024", 1, 0, "a size like"),
    ],
)
def test_what_a_model_would_refuse(
    size: str, count: int, given: int, said: str
) -> None:
    """It is refused at home, and the words say what would fit."""
    with pytest.raises(ModelRequestError, match=said):
        picture_model("wan2.2-t2i-flash").check(
            "wan2.2-t2i-flash", size=size, count=count, given=given
        )


def test_models_that_change_pictures_need_one() -> None:
    """And shapes, areas and lists of sizes are kept to."""
    edit, wide, listed = (
        picture_model(n) for n in ("wan2.6-image", "wan2.6-t2i", "qwen-image")
    )
    for model, size, given in (
        (edit, "1024*1024", 0),
        (wide, "5000*400", 0),
        (wide, "1024*1024", 0),
        (listed, "1024*1024", 0),
    ):
        with pytest.raises(ModelRequestError):
            model.check("m", size=size, count=1, given=given)


def test_an_unknown_image_model() -> None:
    """The error lists those that there are."""
    with pytest.raises(ModelGoneError, match=r"wan2\.6-t2i"):
        picture_model("dall-e")
