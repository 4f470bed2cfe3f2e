"""The range of ComfyUI versions that an environment declares. Pure."""

from __future__ import annotations

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ..errors import ConfigError, WrongVersionError
from .dialect import Dialect
from .profile import ABILITIES, parse_version


class VersionRange:
    """Which servers may be sent anything; reads `>=0.3.45` and the like."""

    def __init__(self, text: str) -> None:
        """Read a range.

        Raises:
            ConfigError: it is none.
        """
        try:
            self._allowed = SpecifierSet(text)
        except InvalidSpecifier as error:
            raise ConfigError(
                f"comfyui_version {text!r} is no version range",
                hint="write one like '>=0.3.45' or '>=0.3.45,<0.40'",
            ) from error
        self._text = text

    def check(self, dialect: Dialect, *, instance: str) -> None:
        """Refuse a server outside the range, and say what differs there.

        Raises:
            WrongVersionError: it is outside, or does not say its version.
        """
        version = parse_version(dialect.version)
        if version is None:
            raise self._unknown(dialect.version).attach(instance=instance)
        if not self.allows(version):
            raise WrongVersionError(
                f"the server runs ComfyUI {dialect.version}, but comfyui_version "
                f"declares {self._text}: {self._differences(dialect)}",
                hint="run a ComfyUI of that range there, or change comfyui_version",
                instance=instance,
            )

    def _unknown(self, said: str | None) -> WrongVersionError:
        says = "no version" if said is None else f"{said[:40]!r} for its version"
        return WrongVersionError(
            f"the server says {says}, and comfyui_version declares {self._text}: "
            "what it can do is not known",
            hint="run a release that says its version (0.3.11 and newer do), or leave "
            "comfyui_version out",
        )

    def allows(self, version: Version) -> bool:
        """Whether a version is in the range, also a pre-release."""
        return self._allowed.contains(version, prereleases=True)

    def _differences(self, dialect: Dialect) -> str:
        """What every server of the range can do and this one not; the reverse, else."""
        allowed = self._landmarks()
        if not allowed:
            return "no release that is known here is in that range"
        oldest, newest = min(allowed), max(allowed)
        lacks = [
            one.words
            for one in ABILITIES
            if one.since <= oldest and not dialect.can(one)
        ]
        if lacks:
            return f"it lacks what every release of that range has: {'; '.join(lacks)}"
        more = [
            one.words for one in ABILITIES if one.since > newest and dialect.can(one)
        ]
        if more:
            return f"it has what no release of that range has yet: {'; '.join(more)}"
        return "they do not differ in anything that comfyclient depends on"

    def _landmarks(self) -> list[Version]:
        """The versions in the range at which something begins: abilities, or itself."""
        named = [_named(one.version) for one in self._allowed]
        firsts = [version for version in named if version is not None]
        after = [Version(f"{first.base_version}.1") for first in firsts]
        since = [ability.since for ability in ABILITIES]
        return [v for v in {*firsts, *after, *since} if self.allows(v)]


def _named(text: str) -> Version | None:
    """The version that a part of a range names; `0.3.*` names 0.3."""
    try:
        return Version(text.removesuffix(".*"))
    except InvalidVersion:  # `===` compares any text
        return None
