"""What became of each stage of a job: by whom, how long, for how much. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from .answers import NOTHING, Usage

StageKind: TypeAlias = Literal["copy", "observe", "paint", "upload", "render"]
Source: TypeAlias = Literal["model", "offline", "none"]
"""A model; the client itself; nobody, as it is not required and came to nothing."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage that is over."""

    name: str
    kind: StageKind
    begun_at: datetime
    seconds: float
    source: Source = "offline"
    model: str | None = None
    request_id: str | None = None
    usage: Usage = NOTHING
    """What the answer cost when it was asked for; one that is kept costs once."""
    warning: str | None = None

    @property
    def ended_at(self) -> datetime:
        """When it was over."""
        return self.begun_at + timedelta(seconds=self.seconds)


def usage_of(records: Sequence[StageRecord]) -> Usage:
    """What all stages cost together."""
    whole = NOTHING
    for record in records:
        whole += record.usage
    return whole
