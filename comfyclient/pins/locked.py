"""What `comfyclient.lock` says: exact versions, and who set them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ..templating.manifest import VERSION

HISTORY = 8
"""So many former versions of a template are kept."""


class LockedVersion(BaseModel):
    """A version that was locked, its content, and who locked it."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, strict=True
    )

    version: Annotated[str, Field(pattern=rf"^(?:{VERSION.pattern})$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The template's, of manifest and workflow source."""
    object_info: str | None = None
    """Fingerprint of the node classes that the environment had, where known."""
    who: str
    when: AwareDatetime
    why: str = ""

    def same_content(self, other: LockedVersion | None) -> bool:
        """Whether the other one locks the same version with the same bytes."""
        return other is not None and (self.version, self.digest) == (
            other.version,
            other.digest,
        )


class LockedTemplate(LockedVersion):
    """The version that a template is locked to, and those before it."""

    history: Annotated[tuple[LockedVersion, ...], Field(strict=False)] = ()
    """The newest first."""

    @property
    def current(self) -> LockedVersion:
        """It without its history."""
        return LockedVersion(**{k: v for k, v in self if k != "history"})


Section = Mapping[str, LockedTemplate]
"""The templates that one environment is locked to."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The templates that environments are locked to."""

    environments: Mapping[str, Section] = field(default_factory=dict)

    def section(self, environment: str) -> Section | None:
        """An environment's templates by name; None where it is not locked at all."""
        return self.environments.get(environment)

    def entry(self, environment: str, name: str) -> LockedTemplate | None:
        """What a template is locked to."""
        return self.environments.get(environment, {}).get(name)

    def with_entry(self, environment: str, name: str, new: LockedVersion) -> Lock:
        """The lock with another version; the former one goes into the history."""
        old = self.entry(environment, name)
        history = () if old is None else (old.current, *old.history)[:HISTORY]
        entry = LockedTemplate(**dict(new), history=history)
        section = {**self.environments.get(environment, {}), name: entry}
        return Lock({**self.environments, environment: section})

    def published(self, name: str, version: str) -> LockedVersion | None:
        """A version as any environment has, or had, it locked."""
        for section in self.environments.values():
            entry = section.get(name)
            for one in () if entry is None else (entry, *entry.history):
                if one.version == version:
                    return one
        return None
