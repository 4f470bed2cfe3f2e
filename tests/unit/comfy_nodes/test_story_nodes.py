"""The nodes of a long page: prints, layers, the road through the days."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from comfyclient.comfy_nodes.page import TripPage, TripPlace
from comfyclient.comfy_nodes.photo import TripPhoto
from comfyclient.comfy_nodes.timeline import Mark, TripTimeline, winding

RED = np.tile(np.array([1, 0, 0], np.float32), (1, 60, 90, 1))
FULL = np.ones((1, 60, 90), np.float32)


def _mounted(image: Any = RED, **changes: Any) -> tuple[Any, Any]:
    values: dict[str, Any] = {
        "width": 320, "height": 240, "tilt": 0.0, "edge": 10,
        "focus_x": 0.5, "focus_y": 0.5,
    }  # fmt: skip
    return TripPhoto().mount(image=image, **values | changes)


def _laid(*layers: Any, paper: Any = None) -> Any:
    paper = np.zeros((1, 100, 120, 3), np.float32) if paper is None else paper
    (page,) = TripPage().lay_out(paper=paper, layers=layers)
    return page[0]


def _placed(x: int, y: int, *, below: Any = (), opacity: float = 1.0) -> Any:
    (layers,) = TripPlace().place(
        image=RED, mask=FULL, x=x, y=y, layers=below, opacity=opacity
    )
    return layers


def test_a_layer_lies_where_it_was_put_and_is_cut_at_the_edges() -> None:
    """Pixels outside the layer keep the paper; what sticks out is gone."""
    page = _laid(*_placed(80, -30))

    assert page.shape == (100, 120, 3)
    assert page[:30, 80:, 0].min() == 1
    assert page[30:].max() == 0
    assert page[:, :80].max() == 0


def test_a_layer_far_outside_changes_nothing() -> None:
    """It is no error: a template may compute places."""
    assert _laid(*_placed(5000, -5000)).max() == 0


def test_later_layers_lie_above_and_opacity_lets_through() -> None:
    """A half-covering layer mixes with what is below."""
    page = _laid(*_placed(0, 0, opacity=0.5, below=_placed(200, 0)))

    assert page[10, 10].tolist() == [0.5, 0, 0]


def test_placing_leaves_the_list_that_it_got_alone() -> None:
    """Two branches of a graph may begin with the same list."""
    begun = _placed(0, 0)

    assert len(_placed(1, 1, below=begun)) == 2
    assert len(begun) == 1


def test_a_mask_of_another_size_is_an_error_with_both_sizes() -> None:
    """Nobody has to guess which link is wrong."""
    with pytest.raises(ValueError, match=r"another size than the image, 90×60 .*4×4"):
        TripPlace().place(image=RED, mask=np.ones((1, 4, 4), np.float32), x=0, y=0)


def test_what_is_no_picture_is_an_error() -> None:
    """A latent or a mask in the place of a picture is named."""
    with pytest.raises(ValueError, match=r"^image: is no batch of pictures"):
        TripPlace().place(image=FULL, mask=FULL, x=0, y=0)


def test_a_print_has_a_white_edge_the_photo_and_a_shadow() -> None:
    """From the middle outwards: photo, edge, shadow, nothing."""
    image, mask = _mounted()
    middle, row = image[0, 120], mask[0, 120]

    assert np.allclose(middle[160], [1, 0, 0], atol=0.01)
    edge = int(np.argmax(row > 0.99))
    assert middle[edge + 2].min() > 0.9
    assert 0 < row[edge - 3] < 0.6
    assert row[0] < 0.1


def test_a_turned_print_stays_inside_its_layer() -> None:
    """No corner is cut, whatever the turn."""
    for tilt in (-12.0, -1.0, 7.0, 12.0):
        _, mask = _mounted(tilt=tilt)
        solid = mask[0] > 0.9
        assert not solid[[0, -1]].any()
        assert not solid[:, [0, -1]].any()


def test_the_cut_follows_the_focus() -> None:
    """A wide picture in an upright format keeps the side that was asked for."""
    wide = np.zeros((1, 40, 200, 3), np.float32)
    wide[:, :, 150:, 1] = 1
    left, _ = _mounted(wide, width=200, height=300, focus_x=0.0)
    right, _ = _mounted(wide, width=200, height=300, focus_x=1.0)

    assert left[0, 140, 100].tolist() == [0, 0, 0]
    assert right[0, 140, 100, 1] > 0.99


def test_a_caption_needs_letters_that_the_font_has() -> None:
    """The error names the input and the character."""
    image, _ = _mounted(caption="Titisee 湖")
    assert not np.array_equal(image, _mounted()[0])
    with pytest.raises(ValueError, match=r"caption: has a character .*U\+0700"):
        _mounted(caption="\u0700")


def test_a_grey_or_transparent_picture_is_mounted_too() -> None:
    """One channel or four are taken as three."""
    for channels in (1, 4):
        image, _ = _mounted(np.full((1, 30, 30, channels), 0.5, np.float32))
        assert np.allclose(image[0, 120, 160], 0.5, atol=0.01)


def test_the_road_goes_down_and_passes_every_milestone_in_the_middle() -> None:
    """It stays inside its layer and never turns back."""
    stones = [Mark(98, "1"), Mark(700, "2"), Mark(720, "3")]
    road = winding(128, 1500, stones, seed=3, thick=9)

    assert (np.diff(road[:, 1]) > 0).all()
    assert 18 < road[:, 0].min() < road[:, 0].max() < 110
    for stone in stones:
        assert abs(np.interp(stone.y, road[:, 1], road[:, 0]) - 64) < 6


def test_milestones_are_checked_before_the_job_runs() -> None:
    """What is wrong in the JSON is named with its place."""
    check = TripTimeline.VALIDATE_INPUTS
    assert check(json.dumps([{"y": 5, "label": "1"}])) is True
    assert "marks[0].label: too long" in str(check('[{"y": 5, "label": "12345"}]'))
    assert "marks[0].y: not a number" in str(check('[{"label": "1"}]'))
    assert "marks[1]: not an object" in str(check('[{"y": 5}, 7]'))
    assert "too many marks" in str(check(json.dumps([{"y": 1}] * 61)))


def test_equal_inputs_give_the_same_road() -> None:
    """A story does not change when it is made again; another seed does change it."""
    made = [winding(128, 900, [], seed=s, thick=9) for s in (1, 1, 2)]

    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
