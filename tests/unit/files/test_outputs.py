"""Names and files of outputs: any name, any stream, any disk."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.errors import OutputDamagedError, OutputError, UnsafePathError
from comfyclient.files.outputs import (
    MAX_NAME_BYTES,
    Homecoming,
    Output,
    OutputRef,
    safe_name,
)
from comfyclient.files.refs import WHOLE, About
from comfyclient.testing import HastyClock

REF = OutputRef("2", "images", "a.png")


class Pieces:
    """A download of these pieces."""

    def __init__(self, *pieces: bytes, size: int | None = None) -> None:
        self.pieces, self.about = pieces, About(size=size)

    def chunks(self):
        """The pieces; an exception among them is raised."""
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def output_of(download: Pieces, ref: OutputRef = REF, **more: object) -> Output:
    """An output that opens this download."""

    @contextmanager
    def opener(ref, deadline, *, span=WHOLE):
        yield download

    return Output(ref, opener, clock=HastyClock(), **more)


@given(st.text(min_size=1, max_size=400))
def test_any_name_is_safe_or_refused(name: str) -> None:
    """Whatever a server calls a file, the name is one plain name, or an error."""
    try:
        safe = safe_name(name)
    except UnsafePathError:
        return
    assert Path(safe).name == safe
    assert safe not in {"", ".", ".."}
    assert len(os.fsencode(safe)) <= MAX_NAME_BYTES
    assert not any(ord(c) < 32 for c in safe)


@given(st.text(alphabet="a旅é.", min_size=201, max_size=300))
def test_long_names_stay_apart(stem: str) -> None:
    """Two long names that differ at their end give two names."""
    assert safe_name(f"x{stem}1.png") != safe_name(f"x{stem}2.png")


@pytest.mark.parametrize("size", [None, 6])
def test_a_whole_file(tmp_path: Path, size: int | None) -> None:
    """A stream of the announced size, or of none, is saved."""
    output = output_of(Pieces(b"abc", b"", b"def", size=size))
    assert output.save(tmp_path).read_bytes() == b"abcdef"
    assert output.read() == b"abcdef"


@pytest.mark.parametrize(
    "download",
    [
        Pieces(b"abc", size=4),
        Pieces(b"abc", size=2),
        Pieces(size=1),
        Pieces(b"abc", OutputDamagedError("broke")),
    ],
)
def test_a_file_of_another_size(tmp_path: Path, download: Pieces) -> None:
    """More or less than announced is damaged, and leaves nothing."""
    with pytest.raises(OutputDamagedError):
        output_of(download).save(tmp_path)
    with pytest.raises(OutputDamagedError):
        output_of(download).read()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file(tmp_path: Path) -> None:
    """A file of no bytes is a file."""
    assert output_of(Pieces(size=0)).save(tmp_path).read_bytes() == b""


def test_a_name_of_the_callers_own(tmp_path: Path) -> None:
    """A target with a suffix is a file name; folders on the way are made."""
    path = output_of(Pieces(b"x")).save(tmp_path / "deep" / "mine.png")
    assert path == tmp_path / "deep" / "mine.png"


def test_a_folder_with_a_dot(tmp_path: Path) -> None:
    """A folder that exists is a folder, whatever it is called."""
    (tmp_path / "v1.0").mkdir()
    assert output_of(Pieces(b"x")).save(tmp_path / "v1.0").name == "a.png"


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a download leaves no part behind."""

    class Interrupted(Pieces):
        def chunks(self):
            yield b"abc"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        output_of(Interrupted()).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    """A disk's refusal is an error of ours, with the path."""
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        output_of(Pieces(b"x")).save(tmp_path / "a" / "b.png")


def test_what_was_saved_is_told(tmp_path: Path) -> None:
    """The callback gets the output once its file is whole, or why it is not."""
    told: list[Homecoming] = []
    output = output_of(Pieces(b"abc"), on_home=told.append)
    output.save(tmp_path)
    with pytest.raises(OutputError):
        output.read(limit=1)
    assert b"".join(output.stream()) == b"abc"
    assert [(one.output, one.bytes, one.error is None) for one in told] == [
        (output, 3, True), (output, None, False), (output, 3, True),
    ]  # fmt: skip
    assert output.saved.bytes == 3


def test_a_stream_that_nobody_reads_on_is_not_home() -> None:
    """Neither fetched nor failed: whoever stopped knows why."""
    told: list[Homecoming] = []
    pieces = output_of(Pieces(b"abc", b"def"), on_home=told.append).stream()
    next(pieces)
    pieces.close()
    assert told == []


def test_reading_has_a_limit() -> None:
    """A file that is too large for memory is refused, with the way out."""
    with pytest.raises(OutputError, match="save"):
        output_of(Pieces(b"abc", b"def")).read(limit=5)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """Parts that nobody has written to for long; not those of a living one."""
    old, young, ours = (
        tmp_path / name
        for name in (".a.png.0123abcd.part", ".b.png.0123abcd.part", "own.part")
    )
    for file in (old, young, ours):
        file.write_bytes(b"half")
    for file in (old, ours):
        os.utime(file, (1, 1))
    output_of(Pieces(b"x")).save(tmp_path)
    assert not old.exists()
    assert young.exists()
    assert ours.exists()
