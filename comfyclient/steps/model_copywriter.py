"""Words for a trip by a language model, checked; the offline copywriter behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ComfyClientError, LedgerError
from ..timing import Deadline
from ..trip.published import PublishedTrip
from ..words.copywriter import OfflineCopywriter, TripCopy
from .answers import NOTHING, Usage
from .prompts import LENGTHS, copy_messages, language_of, trip_data
from .reading import read_object
from .word_asker import WordAsker
from .wording import checked, figures_in

_log = logging.getLogger("comfyclient.steps.model_copywriter")

STEP = "copy"
MAX_PROMPT = 400
"""Characters of a poster prompt: the older image models take 500."""

Source = Literal["model", "offline"]
_Text = Annotated[str, Field(max_length=5000)]


class _Said(BaseModel):
    """What the model is asked for; whatever else it says is not looked at."""

    model_config = ConfigDict(defer_build=True, extra="ignore", strict=True)

    title: _Text
    subtitle: _Text
    lines: Annotated[list[_Text], Field(min_length=2, max_length=4)]
    poster_prompt: _Text


@dataclass(frozen=True, slots=True)
class Written:
    """Words, and where they came from."""

    copy: TripCopy
    source: Source
    model: str | None = None
    usage: Usage = NOTHING
    request_id: str | None = None
    warning: str | None = None
    """Why the offline copywriter stepped in."""


class ModelCopywriter(WordAsker):
    """A `Copywriter` whose words a model writes; each trip is asked for once."""

    def write(self, trip: PublishedTrip) -> TripCopy:
        """Title, subtitle, lines and a prompt, in the trip's language.

        Raises:
            ModelError, TransportError: the model failed, and the policy is `error`.
        """
        return self.compose(trip, deadline=self._deadline()).copy

    def compose(
        self, trip: PublishedTrip, *, seen: Sequence[str] = (), deadline: Deadline
    ) -> Written:
        """The words and where they came from; see `write`.

        `seen` is what is on photos of the trip, in the words of an observer.
        """

        def ask() -> Written:
            answer = self._asked(
                self._question(copy_messages(trip, seen=seen)),
                step=STEP,
                read=lambda text: _read(text, trip, self._forbidden),
                deadline=deadline,
            )
            copy = _stored(answer.value)
            return Written(copy, "model", self._model, answer.usage, answer.request_id)

        return self._or_offline(ask, lambda error: _instead(trip, error))


def _instead(trip: PublishedTrip, error: ComfyClientError) -> Written:
    warning = f"the offline copywriter wrote the words: {error.message}"
    _log.warning("%s", warning)
    return Written(OfflineCopywriter().write(trip), "offline", warning=warning)


def _read(text: str, trip: PublishedTrip, forbidden: Iterable[str]) -> TripCopy:
    """The words of an answer, checked.

    Raises:
        ValueError: they may not be used.
    """
    said = read_object(text, _Said)
    language = language_of(trip)
    title, subtitle, line = LENGTHS[language]
    figures = figures_in(trip_data(trip))
    names = tuple(forbidden)

    def check(words: str, name: str, most: int) -> str:
        return checked(
            words,
            name=name,
            most=most,
            language=language,
            forbidden=names,
            figures=figures,
        )

    return TripCopy(
        title=trip.title
        if trip.title is not None
        else check(said.title, "title", title),
        subtitle=check(said.subtitle, "subtitle", subtitle),
        lines=tuple(
            check(words, f"line {number}", line)
            for number, words in enumerate(said.lines, start=1)
        ),
        poster_prompt=checked(
            said.poster_prompt,
            name="poster_prompt",
            most=MAX_PROMPT,
            language=language,
            forbidden=(*names, *_named(trip)),
        ),
    )


def _named(trip: PublishedTrip) -> list[str]:
    """What an image model must not be told: it would paint letters, or a likeness."""
    vehicle = trip.vehicle
    names = [vehicle.brand, vehicle.model, *(stop.name for stop in trip.stops)]
    return [name for name in names if name is not None and len(name) > 1]


def _stored(value: object) -> TripCopy:
    """The words as the ledger had them; JSON has no tuples."""
    try:
        return TripCopy.model_validate(value)
    except ValidationError:
        raise LedgerError("the ledger's answer of a copywriter is damaged") from None
