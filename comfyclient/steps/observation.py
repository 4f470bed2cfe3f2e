"""What is on a trip's photos: the records, and an observer that looks at none. Pure."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ..trip.published import PublishedTrip


class SeenPhoto(BaseModel):
    """One photo, as the model saw it."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    number: int
    """As in `trip.photos`."""
    shows: str = ""
    fit: bool | None = None
    """Whether it may be published; None where nobody looked."""
    why: str = ""
    """Why not, or why nobody looked."""
    quality: float | None = None
    """0 to 1."""


class Observation(BaseModel):
    """All photos of a trip."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    photos: tuple[SeenPhoto, ...] = ()
    best: int | None = None
    """The number of the best one that is fit; None where none is, or nobody looked."""

    @property
    def fit(self) -> tuple[int, ...]:
        """The numbers of those that may be published, the best first."""
        fit = [p for p in self.photos if p.fit]
        return tuple(p.number for p in sorted(fit, key=lambda p: -(p.quality or 0)))


class Observer(Protocol):
    """Looks at a trip's photos."""

    def look(self, trip: PublishedTrip) -> Observation:
        """What is on each, and which is best."""


class OfflineObserver:
    """Looks at nothing, and says so: no photo is called fit."""

    def look(self, trip: PublishedTrip) -> Observation:
        """Every photo, unseen."""
        why = "nobody looked: no vision model is configured"
        return Observation(
            photos=tuple(SeenPhoto(number=p.number, why=why) for p in trip.photos)
        )
