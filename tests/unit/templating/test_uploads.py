"""Photos of a trip as input files of its workflow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyclient.errors import RenderError
from comfyclient.templating.template import Template
from comfyclient.templating.uploads import MAX_BYTES, TripFiles
from comfyclient.trip.published import PublishedPhoto, PublishedTrip, with_source

WriteTemplate = Callable[..., Path]

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff\xe0" + b"pixels"
WEBP = b"RIFF\x06\x00\x00\x00WEBP" + b"pixels"


def with_photos(trip: PublishedTrip, *sources: str | Path) -> PublishedTrip:
    """The trip with photos of these files."""
    photos = tuple(
        with_source(PublishedPhoto(number=number), str(source))
        for number, source in enumerate(sources, 1)
    )
    return trip.model_copy(update={"photos": photos})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of photos, the names of which do not tell what they are."""
    for name, content in {"a.gif": PNG, "b": JPEG, "c.png": WEBP, "d.txt": PNG}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_photos_are_named_by_what_they_are(trip: PublishedTrip, files: Path) -> None:
    """The name is of the content's hash and kind, never of the local path."""
    paths = [files / name for name in ("a.gif", "b", "c.png")]
    shown = with_photos(trip, *paths)
    taken = TripFiles(shown)
    names = [taken.upload(photo) for photo in shown.photos]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    assert names == [
        f"comfyclient/{digest[:32]}{suffix}"
        for digest, suffix in zip(digests, (".png", ".jpg", ".webp"), strict=True)
    ]
    assert [file.sha256 for file in taken.files] == digests
    with taken.files[1].open() as stream:
        assert stream.read() == JPEG


def test_the_same_content_is_taken_once(trip: PublishedTrip, files: Path) -> None:
    """Two photos of equal bytes, and one used twice, are one file."""
    shown = with_photos(trip, files / "a.gif", files / "d.txt")
    taken = TripFiles(shown)
    names = {taken.upload(photo) for photo in (*shown.photos, *shown.photos)}
    assert len(names) == len(taken.files) == 1


def test_only_the_trips_own_photos_are_taken(trip: PublishedTrip, files: Path) -> None:
    """A path, a made-up photo or nothing cannot read a file of this machine."""
    taken = TripFiles(with_photos(trip, files / "a.gif"))
    foreign = with_source(PublishedPhoto(number=2), "/etc/passwd")
    for value in ("/etc/passwd", files / "a.gif", None, foreign):
        with pytest.raises(RenderError, match="only photos of the trip"):
            taken.upload(value)
    with pytest.raises(RenderError, match="only photos of the trip"):
        TripFiles(None).upload(foreign)


def test_what_cannot_be_taken_is_told(trip: PublishedTrip, files: Path) -> None:
    """An address, a text file, a folder, a missing and a huge file each say why."""
    (files / "text").write_text("no picture")
    with (files / "huge").open("wb") as file:
        file.write(PNG)
        file.truncate(MAX_BYTES + 1)
    for source, said in (
        ("https://example.com/a.png", "photo 1 is an address"),
        ("http://10.0.0.1/a.png", "is an address"),
        (files / "text", r"photo 1 \(text\) is no PNG, JPEG or WebP"),
        (files / "none.png", "cannot be read"),
        (files, "cannot be read"),
        (files / "huge", "has 52 MB"),
        ("a\0b", "cannot be read"),
    ):
        shown = with_photos(trip, source)
        with pytest.raises(RenderError, match=said):
            TripFiles(shown).upload(shown.photos[0])


def test_a_template_uploads_with_a_filter(
    write_template: WriteTemplate, trip: PublishedTrip, files: Path
) -> None:
    """The workflow carries the file and the graph its name; an error names the line."""
    slot = ('"a.png"', "{{ trip.photos[0] | upload }}")
    template = Template(write_template(slot))
    workflow = template.render(with_photos(trip, files / "b"), {"title": "a"})
    assert workflow.graph["1"]["inputs"]["image"] == workflow.files[0].name  # type: ignore[index, call-overload]
    with pytest.raises(RenderError, match="is an address") as caught:
        template.render(with_photos(trip, "http://x/a.png"), {"title": "a"})
    assert caught.value.line == 2
    with pytest.raises(RenderError, match="0"):
        template.render(with_photos(trip), {"title": "a"})


def test_a_photos_path_cannot_be_read_by_a_template(
    write_template: WriteTemplate, trip: PublishedTrip, files: Path
) -> None:
    """Serialising a photo gives its number and place, not its file."""
    slot = ('"a.png"', "{{ trip.photos | json_text }}")
    template = Template(write_template(slot))
    workflow = template.render(with_photos(trip, files / "b"), {"title": "a"})
    assert str(files) not in str(workflow.graph)


def test_a_pipe_for_a_photo_is_refused_instead_of_waited_for(
    trip: PublishedTrip, tmp_path: Path
) -> None:
    """Rendering ends, whatever stands where the picture should be."""
    os.mkfifo(tmp_path / "pipe.png")
    published = with_photos(trip, tmp_path / "pipe.png")
    with pytest.raises(RenderError, match="no regular file"):
        TripFiles(published).upload(published.photos[0])
