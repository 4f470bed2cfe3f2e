"""The core nodes compute what ComfyUI's do, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from comfyclient.local.nodes import compositing, images, masks, scaling, text
from comfyclient.local.nodes.resampling import METHODS, resized


def picture(*rows: list[float], channels: int = 3) -> Any:
    """A batch of one picture whose channels are all the same."""
    grey = np.asarray(rows, dtype=np.float32)
    return np.repeat(grey[None, ..., None], channels, axis=-1)


def grey(batch: Any) -> Any:
    """The first channel of the first picture."""
    return batch[0, ..., 0]


def test_empty_image_has_its_colour_in_rgb_order() -> None:
    """The colour's bytes are red, green, blue, as float32 between 0 and 1."""
    (batch,) = images.EmptyImage().run(3, 2, batch_size=2, color=0xFF8000)

    assert batch.shape == (2, 2, 3, 3)
    assert batch.dtype == np.float32
    assert_allclose(batch[1, 1, 2], [1.0, 128 / 255, 0.0])
    batch[0] = 0  # may be written to: nodes after it work in place


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("width", "height"), [(7, 3), (1, 1), (20, 31), (5, 4)])
def test_one_colour_stays_one_colour(method: str, width: int, height: int) -> None:
    """No method changes the values of an even picture, whatever the size."""
    even = np.full((2, 4, 5, 3), 0.6, dtype=np.float32)

    scaled = resized(even, width=width, height=height, method=method)

    assert scaled.shape == (2, height, width, 3)
    assert scaled.dtype == np.float32
    assert_allclose(scaled, 0.6, atol=1 / 255)


@pytest.mark.parametrize(
    ("method", "width", "expected"),
    [
        ("nearest-exact", 2, [1.0, 3.0]),
        ("nearest-exact", 8, [0, 0, 1, 1, 2, 2, 3, 3]),
        ("bilinear", 2, [0.5, 2.5]),
        ("bilinear", 8, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]),
        ("area", 2, [0.5, 2.5]),
        ("area", 3, [0.5, 1.5, 2.5]),
        ("area", 8, [0, 0, 1, 1, 2, 2, 3, 3]),
        ("bicubic", 2, [0.40625, 2.59375]),
    ],
)
def test_methods_have_pytorchs_arithmetic(
    method: str, width: int, expected: list[float]
) -> None:
    """A ramp of four values becomes what torch.nn.functional.interpolate gives."""
    ramp = picture([0.0, 1.0, 2.0, 3.0])

    scaled = resized(ramp, width=width, height=1, method=method)

    assert_allclose(grey(scaled)[0], expected, atol=1e-6)


def test_center_crop_keeps_the_proportions() -> None:
    """With `center`, what stands out is cut evenly before the picture is scaled."""
    wide = picture([0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0])

    scaled = resized(wide, width=4, height=4, method="bilinear", crop="center")

    assert_allclose(scaled, 1.0)


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(0, 0, (4, 8)), (4, 0, (2, 4)), (0, 8, (8, 16)), (1, 0, (1, 1)), (3, 5, (5, 3))],
)
def test_zero_keeps_the_proportions(
    width: int, height: int, shape: tuple[int, int]
) -> None:
    """A width or height of 0 follows from the other one, and is never less than 1."""
    wide = np.zeros((1, 4, 8, 3), dtype=np.float32)

    (scaled,) = scaling.ImageScale().run(wide, "bilinear", width, height, "disabled")

    assert scaled.shape[1:3] == shape


def test_scale_by_rounds_both_sides() -> None:
    """A factor applies to both sides, rounded."""
    batch = np.zeros((1, 3, 5, 3), dtype=np.float32)

    (scaled,) = scaling.ImageScaleBy().run(batch, "area", 0.5)

    assert scaled.shape == (1, 2, 2, 3)


def test_crop_starts_inside_the_picture() -> None:
    """A start outside is moved to the last row and column."""
    batch = picture([1.0, 2.0], [3.0, 4.0])

    (inside,) = images.ImageCrop().run(batch, 10, 10, 1, 0)
    (outside,) = images.ImageCrop().run(batch, 10, 10, 99, 99)

    assert_array_equal(grey(inside), [[2.0], [4.0]])
    assert_array_equal(grey(outside), [[4.0]])


def test_batch_takes_the_size_of_the_first_and_alpha_of_either() -> None:
    """The second picture is scaled and cut; a missing alpha is opaque."""
    small = np.zeros((1, 2, 2, 3), dtype=np.float32)
    large = np.full((2, 8, 4, 4), 0.5, dtype=np.float32)

    (batch,) = images.ImageBatch().run(small, large)

    assert batch.shape == (3, 2, 2, 4)
    assert_allclose(batch[0, ..., 3], 1.0)
    assert_allclose(batch[1, ..., 3], 0.5)


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ("none", [[1, 2], [3, 4]]),
        ("90 degrees", [[3, 1], [4, 2]]),
        ("180 degrees", [[4, 3], [2, 1]]),
        ("270 degrees", [[2, 4], [1, 3]]),
    ],
)
def test_rotation_is_clockwise(rotation: str, expected: list[list[float]]) -> None:
    """Ninety degrees bring the lower left corner to the upper left."""
    (turned,) = images.ImageRotate().run(picture([1, 2], [3, 4]), rotation)

    assert_array_equal(grey(turned), expected)


def test_flip_turns_the_named_axis() -> None:
    """The x axis mirrors top and bottom, the y axis left and right."""
    batch = picture([1, 2], [3, 4])

    (over,) = images.ImageFlip().run(batch, "x-axis: vertically")
    (across,) = images.ImageFlip().run(batch, "y-axis: horizontally")

    assert_array_equal(grey(over), [[3, 4], [1, 2]])
    assert_array_equal(grey(across), [[2, 1], [4, 3]])


@pytest.mark.parametrize(
    ("index", "length", "expected"),
    [(0, 2, [0, 1]), (-1, 5, [3]), (9, 1, [3]), (-9, 1, [0]), (2, 9, [2, 3])],
)
def test_batch_index_stays_in_the_batch(
    index: int, length: int, expected: list[int]
) -> None:
    """An index may count from the end; outside it means the nearest picture."""
    batch = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1)

    (taken,) = images.ImageFromBatch().run(batch, index, length)

    assert_array_equal(taken.ravel(), expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", 0.8),
        ("multiply", 0.16),
        ("screen", 0.84),
        ("overlay", 0.32),
        ("soft_light", 0.2 + 0.6 * (((16 * 0.2 - 12) * 0.2 + 4) * 0.2 - 0.2)),
        ("difference", 0.0),
    ],
)
def test_blend_modes_have_their_formulas(mode: str, expected: float) -> None:
    """Each mode gives its formula's value, mixed by the factor, cut to 0..1."""
    below, above = picture([0.2]), picture([0.8])

    (full,) = compositing.ImageBlend().run(below, above, 1.0, mode)
    (none,) = compositing.ImageBlend().run(below, above, 0.0, mode)

    assert_allclose(grey(full), expected, atol=1e-6)
    assert_allclose(grey(none), 0.2)


def test_composite_lays_the_source_at_its_place() -> None:
    """What stands out is cut; the mask decides how much of the source is seen."""
    below = np.zeros((1, 3, 3, 3), dtype=np.float32)
    above = np.ones((1, 2, 2, 3), dtype=np.float32)
    node = compositing.ImageCompositeMasked()

    (plain,) = node.run(below, above, 2, 1, False)
    (masked,) = node.run(below, above, 0, 0, False, np.full((1, 2, 2), 0.25))
    (outside,) = node.run(below, above, 9, 9, False)
    (filled,) = node.run(below, above, 0, 0, True)

    assert_array_equal(grey(plain), [[0, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert_allclose(grey(masked), [[0.25, 0.25, 0], [0.25, 0.25, 0], [0, 0, 0]])
    assert_array_equal(grey(outside), np.zeros((3, 3)))
    assert_array_equal(grey(filled), np.ones((3, 3)))
    assert_array_equal(grey(below), np.zeros((3, 3)))  # the input was not changed


def test_alpha_joined_and_split_is_the_inverse_mask() -> None:
    """A mask of 1 is transparent; splitting gives the mask back."""
    mask = np.asarray([[[0.0, 0.25]]], dtype=np.float32)

    (joined,) = compositing.JoinImageWithAlpha().run(picture([0.1, 0.2]), mask)
    colours, back = compositing.SplitImageWithAlpha().run(joined)

    assert_allclose(joined[0, 0, :, 3], [1.0, 0.75])
    assert colours.shape == (1, 1, 2, 3)
    assert_allclose(back, mask)


def test_padding_is_grey_and_its_mask_fades_inwards() -> None:
    """The margins are masked whole; feathering reaches only from sides that grew."""
    batch = np.zeros((1, 8, 8, 3), dtype=np.float32)

    padded, mask = compositing.ImagePadForOutpaint().run(batch, 2, 0, 0, 1, 2)

    assert padded.shape == (1, 9, 10, 3)
    assert mask.shape == (1, 9, 10)
    assert_allclose(padded[0, :, :2], 0.5)
    assert_allclose(mask[0, 0], [1, 1, 1, 0.25, 0, 0, 0, 0, 0, 0])
    assert_allclose(mask[0, :, 9], [0, 0, 0, 0, 0, 0, 0, 0.25, 1])


def test_mask_and_image_turn_into_each_other() -> None:
    """A mask is grey in all channels; a channel is a mask."""
    mask = np.asarray([[[0.0, 0.5]]], dtype=np.float32)

    (shown,) = masks.MaskToImage().run(mask)
    (back,) = masks.ImageToMask().run(shown, "green")

    assert shown.shape == (1, 1, 2, 3)
    assert_array_equal(back, mask)


def test_colour_is_found_exactly() -> None:
    """Only pixels of just that colour are in the mask."""
    (red,) = images.EmptyImage().run(1, 1, color=0xFF0000)

    (found,) = masks.ImageColorToMask().run(red, 0xFF0000)
    (missed,) = masks.ImageColorToMask().run(red, 0xFE0000)

    assert (found.item(), missed.item()) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", 0.12),
        ("add", 1.0),
        ("subtract", 0.4),
        ("and", 0.0),
        ("or", 1.0),
        ("xor", 1.0),
    ],
)
def test_masks_are_combined_by_the_operation(operation: str, expected: float) -> None:
    """The operation applies where the source lies; the rest stays as it was."""
    below = np.full((1, 1, 2), 0.6, dtype=np.float32)
    above = np.full((1, 1, 5), 0.2, dtype=np.float32)
    if operation == "add":
        above += 0.5

    (combined,) = masks.MaskComposite().run(below, above, 1, 0, operation)

    assert_allclose(combined[0, 0], [0.6, expected], atol=1e-6)


def test_feather_fades_as_comfyui_does() -> None:
    """The far side's weakest step falls on the first column: it counts from -0."""
    mask = np.ones((1, 1, 6), dtype=np.float32)

    (left,) = masks.FeatherMask().run(mask, 2, 0, 0, 0)
    (right,) = masks.FeatherMask().run(mask, 0, 0, 2, 0)
    (more,) = masks.FeatherMask().run(mask, 0, 0, 99, 0)

    assert_allclose(left[0, 0], [0.5, 1, 1, 1, 1, 1])
    assert_allclose(right[0, 0], [0.5, 1, 1, 1, 1, 1])
    assert_allclose(more[0, 0] * 6, [1, 6, 5, 4, 3, 2], atol=1e-6)


def test_masks_grow_with_and_without_corners() -> None:
    """Tapered corners grow a cross, others a square; negative shrinks."""
    mask = np.zeros((1, 5, 5), dtype=np.float32)
    mask[0, 2, 2] = 1

    (cross,) = masks.GrowMask().run(mask, 1, True)
    (square,) = masks.GrowMask().run(mask, 1, False)
    (back,) = masks.GrowMask().run(square, -1, False)

    assert cross.sum() == 5
    assert square.sum() == 9
    assert_array_equal(back, mask)


def test_solid_crop_invert_threshold() -> None:
    """Small mask nodes do what they say."""
    (solid,) = masks.SolidMask().run(0.25, 4, 3)
    (cropped,) = masks.CropMask().run(solid, 3, 1, 10, 10)
    (inverted,) = masks.InvertMask().run(cropped)
    (kept,) = masks.ThresholdMask().run(inverted, 0.75)

    assert solid.shape == (1, 3, 4)
    assert cropped.shape == (1, 2, 1)
    assert_allclose(inverted, 0.75)
    assert_array_equal(kept, np.zeros_like(kept))


@pytest.mark.parametrize("value", [np.zeros((2, 2, 3)), np.zeros(3), "hello", None])
def test_what_is_no_image_is_refused(value: Any) -> None:
    """An IMAGE has four dimensions; the error says what came instead."""
    with pytest.raises((ValueError, TypeError)):
        images.ImageInvert().run(value)


class Tensor:
    """A CPU tensor as numpy sees it."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.full((1, 1, 1, 3), 0.25, dtype=dtype)


def test_anything_that_numpy_takes_is_an_image() -> None:
    """Tensors and lists of numbers are taken as arrays."""
    (inverted,) = images.ImageInvert().run(Tensor())
    (listed,) = images.ImageInvert().run([[[[0.25, 0.25, 0.25]]]])

    assert_allclose(inverted, 0.75)
    assert_allclose(listed, inverted)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", "a"),
        (1, "1"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        ({"ü": [1]}, '{\n    "\\u00fc": [\n        1\n    ]\n}'),
        (np.zeros(2), "[0. 0.]"),
    ],
)
def test_any_value_is_shown_as_text(value: Any, shown: str) -> None:
    """Text stays, JSON is indented, anything else is what str() makes of it."""
    assert text.PreviewAny().run(value)["ui"]["text"] == (shown,)


def test_texts_are_joined_and_replaced() -> None:
    """The delimiter stands between the two texts."""
    assert text.StringConcatenate().run("a", "b", "-") == ("a-b",)
    assert text.StringReplace().run("aXa", "X", "") == ("aa",)
