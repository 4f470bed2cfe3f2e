"""What the stages of a template gave: the values that it is filled with. Pure."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from pydantic import BaseModel, ConfigDict

from ..templating.stages import StagePart
from ..templating.uploads import SUBFOLDER
from ..trip.published import PublishedTrip
from ..words.copywriter import OfflineCopywriter, TripCopy
from ..workflow import InputFile
from .observation import OfflineObserver
from .records import StageRecord


class Pictures(BaseModel):
    """What a paint stage gave, as a template sees it; upload stages give names."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    count: int = 0
    """Pictures that came to be."""
    failed: tuple[str, ...] = ()
    """The code of each that did not."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The values of all stages, by name, and the files among them."""

    values: Mapping[str, object] = field(default_factory=dict)
    files: tuple[InputFile, ...] = ()
    records: tuple[StageRecord, ...] = ()

    @property
    def copy(self) -> TripCopy | None:
        """The words of the first copy stage; None where there is none."""
        copies = (v for v in self.values.values() if isinstance(v, TripCopy))
        return next(copies, None)

    def used_in(self, text: str) -> tuple[InputFile, ...]:
        """The files that a filled template names."""
        named = {file.name: file for file in self.files if f'"{file.name}"' in text}
        return tuple(named.values())


def rehearsed(
    stages: Sequence[StagePart],
    trip: PublishedTrip | None,
    *,
    copy: TripCopy | None = None,
    failing: bool = False,
) -> Staged:
    """What the stages might give, with nobody asked: to check or try a template.

    Args:
        stages: the manifest's.
        trip: what words are made of; None where the template takes none.
        copy: the words, where they are not to be the offline copywriter's.
        failing: let those that are not required come to nothing.
    """
    grey = _grey()
    values: dict[str, object] = {}
    for stage in stages:
        if failing and not stage.required:
            values[stage.name] = nothing_of(stage)
            continue
        match stage.kind:
            case "copy":
                values[stage.name] = copy if copy is not None else _words(trip)
            case "observe":
                values[stage.name] = (
                    None if trip is None else OfflineObserver().look(trip)
                )
            case "paint":
                values[stage.name] = Pictures(count=stage.count)
            case "upload":
                values[stage.name] = (grey.name,)
            case "render":
                continue
    return Staged(values, (grey,) if stages else ())


def nothing_of(stage: StagePart) -> Pictures | tuple[str, ...] | None:
    """The value of a stage that came to nothing."""
    match stage.kind:
        case "paint":
            return Pictures()
        case "upload":
            return ()
        case _:
            return None


def _words(trip: PublishedTrip | None) -> TripCopy | None:
    return None if trip is None else OfflineCopywriter().write(trip)


@cache  # every rendering may need it
def _grey() -> InputFile:
    """A small grey picture, where none was painted."""
    rows = b"".join(b"\0" + b"\x80" * 64 for _ in range(64))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    digest = hashlib.sha256(content).hexdigest()
    return InputFile(f"{SUBFOLDER}/{digest[:32]}.png", digest, len(content), content)
