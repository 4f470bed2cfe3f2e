"""Labels never cover each other, never leave the frame, and keep off the route."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.comfy_nodes.geometry import Frame
from comfyclient.comfy_nodes.placement import Ink, Placed, Request, overlap, place

FRAME = Frame(0, 0, 600, 400)
BLANK = Ink(np.zeros((400, 600), np.float32))

requests = st.lists(
    st.builds(
        Request,
        x=st.floats(-20, 620),
        y=st.floats(-20, 420),
        width=st.floats(10, 220),
        height=st.floats(10, 40),
        reach=st.floats(4, 20),
    ),
    max_size=30,
)


def _boxes(placed: list[Placed | None]) -> list[Frame]:
    return [spot.box for spot in placed if spot is not None]


@given(requests)
def test_labels_never_overlap_nor_leave_the_frame(wanted: list[Request]) -> None:
    """Whatever is asked for, the labels placed are apart and inside."""
    taken = [Frame(0, 0, 200, 30), Frame(500, 0, 600, 60)]
    boxes = _boxes(place(wanted, frame=FRAME, taken=taken, ink=BLANK))
    for first, second in itertools.combinations(boxes, 2):
        assert not overlap(first, second)
    for box in boxes:
        assert box.left >= FRAME.left
        assert box.right <= FRAME.right
        assert box.top >= FRAME.top
        assert box.bottom <= FRAME.bottom
        assert not any(overlap(box, other) for other in taken)


def test_a_lone_label_stands_right_of_its_mark() -> None:
    """With nothing in the way a label stands right of its mark, without a leader."""
    (spot,) = place([Request(300, 200, 100, 20, 12)], frame=FRAME, taken=[], ink=BLANK)
    assert spot is not None
    assert not spot.led
    assert spot.box.left >= 312
    assert abs((spot.box.top + spot.box.bottom) / 2 - 200) < 1


def test_the_route_is_kept_free() -> None:
    """A label goes to the side where no route is drawn."""
    drawn = np.zeros((400, 600), np.float32)
    drawn[195:205, 300:] = 1
    (spot,) = place(
        [Request(300, 200, 100, 20, 12)], frame=FRAME, taken=[], ink=Ink(drawn)
    )
    assert spot is not None
    assert Ink(drawn).within(spot.box) == 0


def test_a_crowd_gets_leaders_before_labels_are_dropped() -> None:
    """Around one point some labels stand farther off, led to by a line."""
    crowd = [Request(300, 200, 150, 24, 10) for _ in range(14)]
    placed = place(crowd, frame=FRAME, taken=[], ink=BLANK)
    assert sum(spot is not None for spot in placed) >= 8
    assert any(spot is not None and spot.led for spot in placed)


def test_the_important_are_kept() -> None:
    """Where there is room for one label only, the first asked for has it."""
    frame = Frame(0, 0, 130, 30)
    placed = place(
        [Request(10, 15, 100, 20, 8), Request(12, 15, 100, 20, 8)],
        frame=frame,
        taken=[],
        ink=BLANK,
    )
    assert placed[0] is not None
    assert placed[1] is None


def test_ink_measures_areas() -> None:
    """The area of ink in a rectangle is exact, also where it leaves the picture."""
    drawn = np.zeros((40, 40), np.float32)
    drawn[10:20, 10:20] = 1
    ink = Ink(drawn)
    assert ink.within(Frame(0, 0, 40, 40)) == 100
    assert ink.within(Frame(-50, -50, 15, 15)) == 25
    assert ink.within(Frame(30, 30, 900, 900)) == 0
