"""The files of one rendering: which photos of a trip go to the server, and as what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..errors import RenderError
from ..photos.kinds import HEADER_BYTES, what_else
from ..photos.kinds import image_suffix as image_suffix
from ..regular_files import open_regular
from ..trip.published import PublishedPhoto, PublishedTrip, photo_source
from ..workflow import InputFile

SUBFOLDER = "comfyclient"
"""Where in the server's input folder our files go."""

MAX_BYTES = 50 << 20
"""Larger photos are refused."""


class TripFiles:
    """Takes photos of one trip, and nothing else, as input files of its workflow."""

    def __init__(
        self,
        trip: PublishedTrip | None,
        *,
        read: Callable[[str], bytes] | None = None,
    ) -> None:
        """Take photos of this trip; those that are addresses with `read`."""
        self._read = read
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
            file = self._taken(value)
            self._files.setdefault(file.name, file)
            self._names[value.number] = file.name
        return self._names[value.number]

    def _taken(self, photo: PublishedPhoto) -> InputFile:
        source = photo_source(photo)
        if "://" not in source and not source.startswith("data:"):
            return _input_file(photo, Path(source))
        if self._read is None:
            raise RenderError(
                f"photo {photo.number} is an address, not a file",
                hint="download it first and put the path of the file into the trip",
            )
        try:
            return _fetched(self._read(source))
        except ValueError as error:
            raise RenderError(f"photo {photo.number}: {error}") from None


def _fetched(content: bytes) -> InputFile:
    header = content[:HEADER_BYTES]
    suffix = image_suffix(header)
    if suffix is None:
        raise ValueError(_no_picture(header))
    digest = hashlib.sha256(content).hexdigest()
    name = f"{SUBFOLDER}/{digest[:32]}{suffix}"
    return InputFile(name, digest, len(content), content)


def _no_picture(header: bytes) -> str:
    known = what_else(header)
    return f"no PNG, JPEG or WebP: {known}" if known else "no PNG, JPEG or WebP"


def _input_file(photo: PublishedPhoto, path: Path) -> InputFile:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RenderError(
                f"photo {photo.number} ({path.name}) has {size / 1e6:.0f} MB; "
                f"at most {MAX_BYTES >> 20} MiB are taken"
            )
        with open_regular(path) as file:
            header = file.read(HEADER_BYTES)
            suffix = image_suffix(header)
            if suffix is None:
                raise RenderError(
                    f"photo {photo.number} ({path.name}) is {_no_picture(header)}"
                )
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise RenderError(
            f"photo {photo.number} ({path.name}) cannot be read: {error}"
        ) from error
    return InputFile(f"{SUBFOLDER}/{digest[:32]}{suffix}", digest, size, path)
