"""Looks at a trip's photos with a vision model: what is on them, which may be shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ComfyClientError, LedgerError
from ..photos.stripping import stripped
from ..regular_files import open_regular
from ..timing import Deadline
from ..trip.published import PublishedPhoto, PublishedTrip, photo_source
from .answers import NOTHING, Usage
from .calls import MAX_IMAGE, Image
from .observation import Observation, OfflineObserver, SeenPhoto
from .prompts import language_of, observe_messages
from .reading import read_object
from .word_asker import WordAsker
from .wording import checked

_log = logging.getLogger("comfyclient.steps.observer")

STEP = "observe"
MOST = 8
"""Photos that are looked at: the first ones."""
_MAX_BYTES = MAX_IMAGE * 3 // 4 - 1024
"""Of a photo: it is a third longer inside a request."""


class _Entry(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)

    photo: int
    shows: Annotated[str, Field(max_length=2000)]
    fit: bool
    why: Annotated[str, Field(max_length=2000)] = ""
    quality: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


class _Said(BaseModel):
    """What the model is asked for."""

    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)

    photos: Annotated[list[_Entry], Field(max_length=2 * MOST)]
    best: int | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen, and by whom."""

    observation: Observation
    source: Literal["model", "offline"]
    model: str | None = None
    usage: Usage = NOTHING
    request_id: str | None = None
    warning: str | None = None


class ModelObserver(WordAsker):
    """An `Observer` that asks a vision model, once for each set of photos.

    Photos go out without what the camera wrote into them: no place, no time.
    """

    def look(self, trip: PublishedTrip) -> Observation:
        """What is on each photo, and which is best.

        Raises:
            ModelError, TransportError: the model failed, and the policy is `error`.
        """
        return self.observe(trip, deadline=self._deadline()).observation

    def observe(self, trip: PublishedTrip, *, deadline: Deadline) -> Looked:
        """What was seen and by whom; see `look`."""
        shown, unseen = _sorted_out(trip)
        if not shown:
            return Looked(_whole(trip, [], None, unseen), "offline")
        language = language_of(trip)
        images = tuple(shown.values())

        def ask() -> Looked:
            answer = self._asked(
                self._question(observe_messages(language, images), sees=True),
                step=STEP,
                read=lambda text: _checked(
                    text, len(images), language, self._forbidden
                ),
                deadline=deadline,
            )
            seen = _whole(trip, list(shown), _stored(answer.value), unseen)
            return Looked(seen, "model", self._model, answer.usage, answer.request_id)

        return self._or_offline(ask, lambda error: _instead(trip, error))


def _sorted_out(trip: PublishedTrip) -> tuple[dict[int, Image], dict[int, str]]:
    """The photos that are looked at, and why the others are not; by their numbers."""
    shown: dict[int, Image] = {}
    unseen: dict[int, str] = {}
    for photo in trip.photos:
        try:
            if len(shown) == MOST:
                raise ValueError(f"only {MOST} photos are looked at")
            shown[photo.number] = image_of(photo)
        except ValueError as error:
            unseen[photo.number] = str(error)
    return shown, unseen


def _instead(trip: PublishedTrip, error: ComfyClientError) -> Looked:
    warning = f"nobody looked at the photos: {error.message}"
    _log.warning("%s", warning)
    return Looked(OfflineObserver().look(trip), "offline", warning=warning)


def image_of(photo: PublishedPhoto) -> Image:
    """A photo of the trip as it may go out.

    Raises:
        ValueError: it cannot be read, or is too large.
    """
    source = photo_source(photo)
    if "://" in source or not source:
        raise ValueError("it is no file here")
    try:
        with open_regular(Path(source)) as file:
            content = file.read(_MAX_BYTES * 4 + 1)
    except (OSError, ValueError):
        raise ValueError("it cannot be read") from None
    media_type, bare = stripped(content)
    if len(bare) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES >> 20} MiB")
    return Image(bare, media_type)


def _checked(text: str, count: int, language: str, forbidden: Sequence[str]) -> _Said:
    """What the model said, fit to be shown.

    Raises:
        ValueError: it may not be used.
    """
    said = read_object(text, _Said)
    if sorted(entry.photo for entry in said.photos) != list(range(1, count + 1)):
        raise ValueError(f"photos must have one entry for each of 1 to {count}")
    if said.best is not None and not 1 <= said.best <= count:
        raise ValueError(f"best must be null or one of 1 to {count}")
    return _Said(
        photos=[
            entry.model_copy(
                update={
                    "shows": _caption(entry.shows, "shows", language, forbidden),
                    "why": _caption(entry.why, "why", language, forbidden),
                }
            )
            for entry in sorted(said.photos, key=lambda entry: entry.photo)
        ],
        best=said.best,
    )


def _caption(text: str, name: str, language: str, forbidden: Sequence[str]) -> str:
    if not text.strip():
        return ""
    return checked(text, name=name, most=120, language=language, forbidden=forbidden)


def _whole(
    trip: PublishedTrip,
    numbers: Sequence[int],
    said: _Said | None,
    unseen: dict[int, str],
) -> Observation:
    """All photos of the trip, by their own numbers."""
    entries = {} if said is None else dict(zip(numbers, said.photos, strict=True))
    photos = []
    for photo in trip.photos:
        entry = entries.get(photo.number)
        if entry is None:
            why = unseen.get(photo.number, "")
            photos.append(SeenPhoto(number=photo.number, why=why))
            continue
        photos.append(
            SeenPhoto(
                number=photo.number,
                shows=entry.shows,
                fit=entry.fit,
                why=entry.why,
                quality=entry.quality,
            )
        )
    whole = Observation(photos=tuple(photos))
    best = None if said is None or said.best is None else numbers[said.best - 1]
    if best not in whole.fit:  # the best of those that are fit, whatever it said
        best = whole.fit[0] if whole.fit else None
    return whole.model_copy(update={"best": best})


def _stored(value: object) -> _Said:
    try:
        return _Said.model_validate_json(json.dumps(value))
    except (ValidationError, ValueError):
        raise LedgerError("the ledger's answer of an observer is damaged") from None
