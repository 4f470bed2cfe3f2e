"""Trip files read to documents that know their lines."""

from __future__ import annotations

import codecs
import os
import time
from pathlib import Path

import pytest

from comfyclient.errors import TripError
from comfyclient.trip.files import (
    TripDocument,
    Unread,
    count_lines,
    read_document,
    read_lines,
)

ROOM = 10_000


def written(folder: Path, content: str | bytes, name: str = "trip.json") -> Path:
    """A file of that content."""
    path = folder / name
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(raw)
    return path


def error_of(path: Path, *, max_bytes: int = ROOM) -> TripError:
    """What is wrong with a file."""
    with pytest.raises(TripError) as caught:
        read_document(path, max_bytes=max_bytes)
    assert caught.value.file == str(path)
    return caught.value


def test_a_value_is_found_on_its_line(tmp_path: Path) -> None:
    """Keys, list items and nested values each have the line they stand on."""
    path = written(tmp_path, '{\n "a": 1,\n "b": [\n  {"c": 1},\n  {"c":\n 2}]}')
    document = read_document(path, max_bytes=ROOM)
    assert document.line(("a",)) == 2
    assert document.line(("b", 0, "c")) == 4
    assert document.line(("b", 1, "c")) == 5
    assert document.line(("b", 1)) == 5


def test_a_missing_value_is_found_on_the_line_around_it(tmp_path: Path) -> None:
    """What is not there is told at the nearest value that is."""
    path = written(tmp_path, '\n{"a": 1,\n "b": {"x": 1}}')
    document = read_document(path, max_bytes=ROOM)
    assert document.line(("b", "y")) == 3
    assert document.line(("z",)) == 2


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        ("", 1, "is not JSON"),
        ('{"a":\n 1,}', 2, "is not JSON"),
        ('{"a": 1}\n{"b": 1}', 2, "is not JSON"),
        (b'{"a":\n "\xff"}', 2, "is not UTF-8: byte 0xff"),
        ("[" * 100_000, 1, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", 1, "thousands of digits"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', 3, "stands there twice"),
    ],
)
def test_a_broken_file_is_told_with_its_line(
    tmp_path: Path, content: str | bytes, line: int, part: str
) -> None:
    """Whatever the bytes are, the error has file and line."""
    error = error_of(written(tmp_path, content), max_bytes=1_000_000)
    assert error.line == line
    assert part in error.message


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Files of Windows editors begin with one."""
    path = written(tmp_path, b'\xef\xbb\xbf{"a": 1}')
    assert read_document(path, max_bytes=ROOM).value == {"a": 1}


def test_a_50_mb_file_is_refused_without_being_parsed(tmp_path: Path) -> None:
    """A sparse 50 MB file is turned away by its size, and says how large it was."""
    path = tmp_path / "trip.json"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    error = error_of(path, max_bytes=32 << 20)
    assert "50.0 MB is over the limit of 33.6 MB" in error.message
    assert error.hint is not None
    assert "max_bytes" in error.hint


def test_the_limit_itself_is_allowed(tmp_path: Path) -> None:
    """A file of exactly the limit is read, one byte more is not."""
    path = written(tmp_path, '{"a": 1}')
    assert read_document(path, max_bytes=8).value == {"a": 1}
    assert "over the limit" in error_of(path, max_bytes=7).message


def test_a_missing_file_and_a_folder_are_trip_errors(tmp_path: Path) -> None:
    """Nothing of the operating system's own errors reaches the caller."""
    assert "cannot be read" in error_of(tmp_path / "none.json").message
    assert "is a folder" in error_of(tmp_path).message


def test_lines_come_one_by_one_with_their_numbers(tmp_path: Path) -> None:
    """Blank lines count and are passed over; a bad line does not end the rest."""
    path = written(tmp_path, '{"a": 1}\n\n{"a": \n{"a": 3}', "trips.jsonl")
    found = list(read_lines(path, max_bytes=ROOM))
    assert [type(each) for each in found] == [TripDocument, Unread, TripDocument]
    numbers = [
        each.error.line if isinstance(each, Unread) else each.first_line
        for each in found
    ]
    assert numbers == [1, 3, 4]
    assert count_lines(path) == 3


def test_a_byte_order_mark_is_no_line(tmp_path: Path) -> None:
    """A file of nothing else has no document; before one it does no harm."""
    path = tmp_path / "trips.jsonl"
    path.write_bytes(codecs.BOM_UTF8)
    assert (list(read_lines(path, max_bytes=ROOM)), count_lines(path)) == ([], 0)
    path.write_bytes(codecs.BOM_UTF8 + b"\r\n" + b"{}\r\n")
    [found] = read_lines(path, max_bytes=ROOM)
    assert (count_lines(path), isinstance(found, TripDocument)) == (1, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write into it."""
    path = tmp_path / "trips.jsonl"
    os.mkfifo(path)
    with pytest.raises(TripError, match="no regular file"):
        count_lines(path)


def test_a_line_that_is_none_is_kept_as_it_is(tmp_path: Path) -> None:
    """Somebody may mend it: no byte of it changes, were it no text."""
    path = tmp_path / "trips.jsonl"
    path.write_bytes(b'{"a": \xff\xc2 \xe6\xb9\x96\r\n')
    [found] = read_lines(path, max_bytes=ROOM)
    assert isinstance(found, Unread)
    kept = found.line.encode("utf-8", "surrogateescape")
    assert kept == b'{"a": \xff\xc2 \xe6\xb9\x96'


def test_one_huge_line_is_told_and_passed_over(tmp_path: Path) -> None:
    """A line over the limit costs no memory and not the lines after it."""
    path = tmp_path / "trips.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n')
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'\n{"a": 2}\n')
    found = list(read_lines(path, max_bytes=ROOM))
    assert isinstance(found[1], Unread)
    assert "50.0 MB" in found[1].error.message
    assert found[1].line == ""
    assert isinstance(found[2], TripDocument)
    assert found[2].first_line == 3


def test_lines_of_a_missing_file_are_a_trip_error(tmp_path: Path) -> None:
    """The error comes with the first line asked for."""
    with pytest.raises(TripError, match="cannot be read"):
        next(read_lines(tmp_path / "none.jsonl", max_bytes=ROOM))


def test_a_key_given_twice_among_many_is_found_soon(tmp_path: Path) -> None:
    """Fifty thousand members cost no minute, wherever the second one stands."""
    many = ",\n".join(f'"k{number}": 0' for number in range(50_000))
    path = written(tmp_path, f'{{{many},\n"k49999": 1}}')
    began = time.process_time()
    error = error_of(path, max_bytes=10_000_000)
    assert (error.line, error.field) == (50_001, "k49999")
    assert time.process_time() - began < 5
