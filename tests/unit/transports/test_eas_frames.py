"""Frames are decoded as the protobuf library would, and hostile bytes are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from comfyclient.errors import BadAnswerError
from comfyclient.testing.eas_frames import (
    QueueFrame,
    as_json,
    encoded_frame,
    encoded_list,
)
from comfyclient.transports.eas_frames import (
    PROTOBUF,
    Frame,
    read_frame,
    read_frames,
)

FRAMES = st.builds(
    QueueFrame,
    st.integers(0, 2**64 - 1),
    st.binary(max_size=300),
    st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4),
)


def same(found: Frame, sent: QueueFrame) -> bool:
    """Whether all of it arrived."""
    return (found.index, found.data, dict(found.tags)) == (
        sent.index,
        sent.data,
        dict(sent.tags),
    )


def test_bytes_of_the_protobuf_library() -> None:
    """What that library wrote: index 300, a tag, data, and a message beside."""
    content = bytes.fromhex("08ac02120d0a077461736b5f69641202c3bc1a025b5d22026869")
    frame = read_frame(content)
    assert (frame.index, frame.data, frame.task_id) == (300, b"[]", "ü")
    assert frame.request_id is None


@settings(max_examples=60, deadline=None)
@given(st.lists(FRAMES, max_size=4))
def test_what_is_written_is_read(frames: list[QueueFrame]) -> None:
    """Any frame arrives as it was sent, in both forms of a list."""
    written = json.dumps(as_json(frames)).encode()
    for found in (read_frames(encoded_list(frames), PROTOBUF), read_frames(written)):
        assert len(found) == len(frames)
        assert all(map(same, found, frames))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
@example(b"\x0a" * 40)
@example(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
@example(b"\x80" * 11)
def test_any_bytes(content: bytes) -> None:
    """They are a frame or a clear error, at once."""
    for read in (read_frame, lambda c: read_frames(c, PROTOBUF), read_frames):
        try:
            read(content)
        except BadAnswerError as error:
            assert error.message.isprintable()  # noqa: PT017  some bytes are right


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.data())
def test_a_frame_that_is_cut_or_changed(frame: QueueFrame, data) -> None:
    """It is refused clearly, or gives no more than was sent."""
    whole = encoded_frame(frame)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    for content in (whole[:at], bytes(changed)):
        try:
            found = read_frame(content)
        except BadAnswerError:
            continue
        assert len(found.data) <= len(whole)


def test_fields_of_a_later_version_are_passed_over() -> None:
    """Unknown numbers of every kind of value change nothing."""
    more = b"\x28\x05\x32\x01x\x39" + bytes(8) + b"\x45" + bytes(4)
    assert read_frame(b"\x08\x07" + more + b"\x1a\x01y") == Frame(7, b"y", {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1b", "wire type 3"),
        (b"\x00\x01", "field 0"),
        (b"\x0d\x00\x00\x00\x00", "another type"),
        (b"\x12\x04\x0a\x02\xff\xfe", "not UTF-8"),
        (b"\x12\x02\x08\x01", "no text"),
        (b"\x1a\x05ab", "cut off"),
        (b"\x08" + b"\xff" * 10, "does not end"),
    ],
)
def test_what_is_wrong_with_a_frame(content: bytes, words: str) -> None:
    """The error says what no frame has, and where to look."""
    with pytest.raises(BadAnswerError, match=words) as caught:
        read_frame(content)
    assert "API edition" in caught.value.hint


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("<html>", "not JSON"),
        ("[1]", "a frame is a number"),
        ('{"code":"Unauthorized"}', "neither index, tags nor data"),
        ("[{}]", "neither index, tags nor data"),
        ('[{"index":-1,"data":""}]', "its index is '-1'"),
        ('[{"index":true,"data":""}]', "its index is"),
        ('[{"index":1,"data":"ä"}]', "not base64"),
        ('[{"index":1,"data":7}]', "data is a number"),
    ],
)
def test_what_is_wrong_with_a_list(shown: str, words: str) -> None:
    """The same for frames in JSON."""
    with pytest.raises(BadAnswerError, match=words):
        read_frames(shown.encode())


def test_an_index_as_text() -> None:
    """JSON libraries write 64 bits as text."""
    assert read_frames(b'{"index":"18446744073709551615","data":""}') == [
        Frame(2**64 - 1, b"", {})
    ]


def test_nothing_there() -> None:
    """An empty answer is an empty list."""
    assert read_frames(b"\n") == read_frames(b"", PROTOBUF) == []
