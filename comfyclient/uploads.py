"""The files of one rendering: which photos of a trip go to the server, and as what."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .errors import RenderError
from .published import PublishedPhoto, PublishedTrip, photo_source
from .trip_files import open_regular
from .workflow import InputFile

SUBFOLDER = "comfyclient"
"""Where in the server's input folder our files go."""

MAX_BYTES = 50 << 20
"""Larger photos are refused."""

_HEADER_BYTES = 12


class TripFiles:
    """Takes photos of one trip, and nothing else, as input files of its workflow."""

    def __init__(self, trip: PublishedTrip | None) -> None:
        self._photos = () if trip is None else trip.photos
        self._files: dict[str, InputFile] = {}
        self._names: dict[int, str] = {}

    @property
    def files(self) -> tuple[InputFile, ...]:
        """What was taken, each content once."""
        return tuple(self._files.values())

    def upload(self, value: object) -> str:
        """Take a photo and give its name on the server.

        Raises:
            RenderError: it is no photo of the trip, or not a readable image file.
        """
        if not isinstance(value, PublishedPhoto) or value not in self._photos:
            raise RenderError(
                f"only photos of the trip can be uploaded, got {value!r:.60}",
                hint="write {{ photo | upload }} with a photo of trip.photos",
            )
        if value.number not in self._names:
            file = _input_file(value)
            self._files.setdefault(file.name, file)
            self._names[value.number] = file.name
        return self._names[value.number]


def _input_file(photo: PublishedPhoto) -> InputFile:
    source = photo_source(photo)
    if "://" in source:
        raise RenderError(
            f"photo {photo.number} is an address, not a file",
            hint="download it first and put the path of the file into the trip",
        )
    path = Path(source)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RenderError(
                f"photo {photo.number} ({path.name}) has {size / 1e6:.0f} MB; "
                f"at most {MAX_BYTES >> 20} MiB are taken"
            )
        with open_regular(path) as file:
            suffix = image_suffix(file.read(_HEADER_BYTES))
            if suffix is None:
                raise RenderError(
                    f"photo {photo.number} ({path.name}) is no PNG, JPEG or WebP"
                )
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise RenderError(
            f"photo {photo.number} ({path.name}) cannot be read: {error}"
        ) from error
    return InputFile(f"{SUBFOLDER}/{digest[:32]}{suffix}", digest, size, path)


def image_suffix(header: bytes) -> str | None:
    """The suffix by what a file is, not by what it is called; None for no picture."""
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if header.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return ".webp"
    return None
