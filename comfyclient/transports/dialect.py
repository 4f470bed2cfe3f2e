"""What a ComfyUI server can do: as seen first, as its version tells second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from .profile import (
    ABILITIES,
    CANCEL_ROUTE,
    INTERRUPTS_BY_ID,
    JOBS_API,
    PREVIEWS_PER_PROMPT,
    TAKES_IDS,
    Ability,
    Held,
)
from .profile import parse_version as parse_version


@dataclass(slots=True)
class Dialect:
    """What one server can do, as far as it is known."""

    version: str | None = None
    """As it says; None where it says none."""
    observed: dict[Ability, bool] = field(default_factory=dict)
    max_body: int | None = None
    """Bytes of a request's body that it takes, where it tells."""
    doubted: bool = False
    """It may have restarted as another version since it was asked."""

    def learn(self, version: str | None) -> None:
        """Take in the version that the server says; None is taken for an old one."""
        if version != self.version:
            self.observed, self.max_body = {}, None
        self.version = version
        self.doubted = False

    def saw(self, ability: Ability, *, able: bool) -> None:
        """Take in what the server did; that counts more than its version."""
        self.observed[ability] = able

    def limit(self, flags: Mapping[str, JsonValue]) -> None:
        """Take in the limit among its feature flags; some releases say a fraction."""
        told = flags.get("max_upload_size")
        fits = isinstance(told, int | float) and math.isfinite(told) and told > 0
        self.max_body = int(told) if fits else None  # type: ignore[arg-type]

    def doubt(self) -> None:
        """Ask again before anything is done that depends on the version."""
        self.observed, self.max_body = {}, None
        self.doubted = True

    def held(self, ability: Ability) -> Held:
        """Whether the server is able to do this, and why that is held."""
        seen = self.observed.get(ability)
        if seen is not None:
            return Held(seen, "observed")
        version = parse_version(self.version)
        if version is None:
            return Held(able=False, basis="assumed")
        return Held(version >= ability.since, "version")

    def can(self, ability: Ability) -> bool:
        """Whether the server is able to do this."""
        return self.held(ability).able

    @property
    def profile(self) -> Mapping[str, Held]:
        """What is held of every ability, by its name."""
        return {ability.name: self.held(ability) for ability in ABILITIES}

    @property
    def has_jobs_api(self) -> bool:
        """Whether `/api/jobs/{id}` answers."""
        return self.can(JOBS_API)

    @property
    def has_cancel_route(self) -> bool:
        """Whether `POST /api/jobs/{id}/cancel` answers."""
        return self.can(CANCEL_ROUTE)

    @property
    def takes_ids(self) -> bool:
        """Whether a prompt keeps the id that was sent with it."""
        return self.can(TAKES_IDS)

    @property
    def interrupts_by_id(self) -> bool:
        """Whether `/interrupt` heeds a prompt_id."""
        return self.can(INTERRUPTS_BY_ID)

    @property
    def previews_per_prompt(self) -> bool:
        """Whether `extra_data.preview_method` is heeded."""
        return self.can(PREVIEWS_PER_PROMPT)
