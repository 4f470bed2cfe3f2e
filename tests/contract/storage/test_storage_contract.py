"""What every storage keeps, whatever is behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from comfyclient.errors import (
    ComfyClientError,
    OutputDamagedError,
    OutputMissingError,
    StorageError,
    UnsafePathError,
)
from comfyclient.files.outputs import Output
from comfyclient.files.refs import ByteSpan, OutputRef
from comfyclient.testing import HastyClock
from comfyclient.timing import Deadline
from comfyclient.workflow import InputFile

from .places import INSTANCE, PLACES, Place

CONTENT = bytes(range(256)) * 1025
ODD_NAMES = [
    "湖边 的一天.png",
    "100%.png",
    "%2e%2e%2fx.png",
    "a b+c&d=e#f?.png",
    "-rf.png",
    "é.png",
    "x'\"<>.png",
    "~!@$^()[]{};,.png",
]


@pytest.fixture(params=PLACES)
def place(request, tmp_path: Path) -> Iterator[Place]:
    """A place of each kind."""
    root = tmp_path / "root"
    root.mkdir()
    with PLACES[request.param](root) as made:
        yield made


@pytest.fixture
def writable(place: Place) -> Place:
    """One that takes any file."""
    if not place.writes:
        pytest.skip("an instance takes pictures only")
    return place


def output_of(place: Place, ref: OutputRef) -> Output:
    """An output that is there."""
    opener = partial(place.storage.open, instance=INSTANCE)
    return Output(ref, opener, clock=HastyClock())


def soon() -> Deadline:
    """Time enough."""
    return Deadline(20, clock=HastyClock())


class TestReading:
    """A file named by a result comes home as it is."""

    @pytest.mark.parametrize("kind", ["output", "temp", "input"])
    def test_a_file(self, place: Place, tmp_path: Path, kind: str) -> None:
        """Of each type, from its subfolder: saved, read and streamed."""
        place.make(f"{kind}/test/trip/j1/a.png", CONTENT)
        output = output_of(
            place, OutputRef("1", "images", "a.png", "test/trip/j1", kind)
        )
        assert output.save(tmp_path / "home").read_bytes() == CONTENT
        assert output.saved.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert output.read() == CONTENT
        assert b"".join(output.stream()) == CONTENT

    @pytest.mark.parametrize("size", [0, 1])
    def test_a_tiny_one(self, place: Place, tmp_path: Path, size: int) -> None:
        """A file of no bytes is a file."""
        place.make("output/a.bin", b"x" * size)
        output = output_of(place, OutputRef("1", "images", "a.bin"))
        assert output.save(tmp_path / "home").read_bytes() == b"x" * size
        assert b"".join(output.stream()) == b"x" * size

    def test_odd_names(self, place: Place, tmp_path: Path) -> None:
        """Blanks, percent signs, other scripts: exactly that file."""
        for name in ODD_NAMES:
            place.make(f"output/旅 %20/{name}", name.encode())
        for name in ODD_NAMES:
            output = output_of(place, OutputRef("1", "images", name, "旅 %20"))
            path = output.save(tmp_path)
            assert (path.name, path.read_bytes()) == (name, name.encode())

    def test_none(self, place: Place, tmp_path: Path) -> None:
        """A file that is not there is missing, and a folder is no file."""
        place.make("output/folder/a.png", b"")
        for name in ("no.png", "folder", "folder/a.png/x"):
            with pytest.raises(OutputMissingError, match=name):
                output_of(place, OutputRef("1", "images", name)).save(
                    tmp_path / "x.png"
                )
        assert list(tmp_path.glob("*.png")) == []

    def test_a_temp_file_that_is_gone(self, place: Place) -> None:
        """It says why that happens."""
        with pytest.raises(OutputMissingError) as caught:
            output_of(place, OutputRef("1", "images", "t.png", type="temp")).read()
        assert "empties temp/" in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "subfolder"),
        [
            ("../secret", ""),
            ("secret", ".."),
            ("secret", "a/../.."),
            ("/etc/passwd", ""),
            ("passwd", "/etc"),
            ("..\\secret", ""),
            ("a\0b", ""),
            ("a\nb", ""),
            ("\ud800", ""),
            ("", "a"),
            ("a/", ""),
            (".", ""),
            ("C:/x", ""),
        ],
    )
    def test_a_name_that_leaves(self, place: Place, tmp_path, name, subfolder) -> None:
        """It is refused or not there; nothing outside is read."""
        (tmp_path / "secret").write_text("s")
        place.make("output/a.png", b"")
        ref = OutputRef("1", "images", name, subfolder)
        with pytest.raises(ComfyClientError) as caught:
            output_of(place, ref).read()
        assert isinstance(caught.value, UnsafePathError | OutputMissingError)

    def test_a_type_that_there_is_not(self, writable: Place) -> None:
        """Only output, temp and input are read."""
        place = writable
        place.make("models/m.safetensors", b"m")
        with pytest.raises(ComfyClientError):
            output_of(
                place, OutputRef("1", "images", "m.safetensors", type="models")
            ).read()

    def test_from_the_middle(self, place: Place) -> None:
        """It begins at the span's start, or at 0 and says so; a mark stays."""
        place.make("output/a.png", CONTENT)
        ref = OutputRef("1", "images", "a.png")
        for start in (0, 1, 70_000, len(CONTENT) - 1):
            with place.storage.open(
                ref, soon(), instance=INSTANCE, span=ByteSpan(start)
            ) as download:
                about = download.about
                body = b"".join(download.chunks())
            assert about.start in {0, start}
            assert about.size == len(CONTENT)
            assert CONTENT[about.start :].startswith(body[:1000])
            assert body.endswith(CONTENT[-1:])


class TestInputs:
    """Inputs are named by their content, and put once."""

    FILE = InputFile("comfyclient/ab%20 c.png", "ab", 4, b"\x89PNG")

    def test_it_is_there(self, place: Place) -> None:
        """Under the name that the graph gives; putting it again changes nothing."""
        for _ in range(2):
            name = place.storage.put_input(self.FILE, soon(), instance=INSTANCE)
            assert name == self.FILE.name
        assert place.content(f"input/{self.FILE.name}") == b"\x89PNG"

    def test_a_half_one(self, place: Place) -> None:
        """A half file of that name does not count."""
        place.make(f"input/{self.FILE.name}", b"\x89")
        name = place.storage.put_input(self.FILE, soon(), instance=INSTANCE)
        assert place.content(f"input/{name}") == b"\x89PNG"

    def test_a_file_of_the_disk(self, place: Place, tmp_path: Path) -> None:
        """The content may be a file."""
        (tmp_path / "p").write_bytes(CONTENT)
        file = InputFile("comfyclient/p.png", "p", len(CONTENT), tmp_path / "p")
        place.storage.put_input(file, soon(), instance=INSTANCE)
        assert place.content("input/comfyclient/p.png") == CONTENT


class TestRoot:
    """Any file below the root is put, listed and deleted; nothing outside it is."""

    def test_put(self, writable: Place, tmp_path: Path) -> None:
        """Bytes and files; the same bytes are not sent again, others replace."""
        storage = writable.storage
        (tmp_path / "m").write_bytes(CONTENT)
        assert storage.put("models/loras/é m.safetensors", tmp_path / "m", soon())
        assert not storage.put("models/loras/é m.safetensors", CONTENT, soon())
        assert writable.content("models/loras/é m.safetensors") == CONTENT
        assert storage.put("models/loras/é m.safetensors", CONTENT[::-1], soon())
        assert writable.content("models/loras/é m.safetensors") == CONTENT[::-1]

    def test_entries(self, writable: Place) -> None:
        """What is in a folder, in the folders below, and nowhere else."""
        for path in ("output/t/j1/a.png", "output/t/j1/b/c.png", "output/t/j10/d.png"):
            writable.make(path, b"123")
        found = [*writable.storage.entries("output/t/j1", soon())]
        assert [(one.path, one.size) for one in found] == [
            ("output/t/j1/a.png", 3),
            ("output/t/j1/b/c.png", 3),
        ]
        assert all(one.modified.tzinfo is not None for one in found)
        assert len([*writable.storage.entries("", soon())]) == 3
        assert [*writable.storage.entries("no/such", soon())] == []

    def test_delete(self, writable: Place) -> None:
        """Exactly these; what is not there is no error."""
        for path in ("output/a.png", "output/a.png.txt", "output/x/湖 %.png"):
            writable.make(path, b"1")
        writable.storage.delete(["output/a.png", "output/x/湖 %.png", "no"], soon())
        left = [one.path for one in writable.storage.entries("", soon())]
        assert left == ["output/a.png.txt"]

    @pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "", ".", "a\0"])
    def test_outside(self, writable: Place, tmp_path: Path, path: str) -> None:
        """A path that leaves the root is refused for each of them."""
        (tmp_path / "x").write_text("x")
        with pytest.raises(UnsafePathError):
            writable.storage.put(path, b"y", soon())
        with pytest.raises(UnsafePathError):
            writable.storage.delete([path], soon())
        if path:
            with pytest.raises(UnsafePathError):
                [*writable.storage.entries(path, soon())]
        assert (tmp_path / "x").read_text() == "x"

    def test_what_it_cannot(self, place: Place) -> None:
        """A kind that cannot do something says which one can."""
        if place.writes:
            return
        for call in (
            lambda: place.storage.put("models/x", b"", soon()),
            lambda: place.storage.entries("", soon()),
            lambda: place.storage.delete(["x"], soon()),
        ):
            with pytest.raises(StorageError, match="'oss'"):
                call()


class TestChanging:
    """A file that is written anew while it is read is never a mixture."""

    def test_it_is_one_or_the_other(self, place: Place, tmp_path: Path) -> None:
        """What is saved is the old content or the new one."""
        old, new = b"o" * 3_000_000, b"n" * 3_000_000
        place.make("output/a.bin", old)
        opener = partial(place.storage.open, instance=INSTANCE)
        breaking = Breaking(
            opener, after=1_000_000, then=lambda: place.replace("output/a.bin", new)
        )
        output = Output(OutputRef("1", "images", "a.bin"), breaking, clock=HastyClock())
        assert output.save(tmp_path).read_bytes() in (old, new)


class Breaking:
    """Opens files; the first download breaks off after so many bytes."""

    def __init__(self, opener, *, after: int, then) -> None:
        self._opener = opener
        self._after = after
        self._then = then
        self._opened = 0

    def __call__(self, ref, deadline, *, span=None):
        """Open it."""

        @contextmanager
        def opened():
            self._opened += 1
            first = self._opened == 1
            with self._opener(
                ref, deadline, span=ByteSpan() if span is None else span
            ) as it:
                yield Broken(it, self._after, self._then) if first else it

        return opened()


class Broken:
    """A download that breaks off."""

    def __init__(self, download, after: int, then) -> None:
        self.about = download.about
        self._download = download
        self._after = after
        self._then = then

    def chunks(self):
        """Some of its pieces."""
        seen = 0
        for chunk in self._download.chunks():
            yield chunk
            seen += len(chunk)
            if seen >= self._after:
                self._then()
                raise OutputDamagedError("it broke off")
