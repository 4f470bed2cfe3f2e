"""What a ComfyUI server can do: as seen first, as its version tells second."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

TAKES_IDS = Version("0.3.45")
"""Before, the server gives every prompt an id of its own."""
INTERRUPTS_BY_ID = Version("0.3.57")
"""Before, `/interrupt` ignores its body and stops whoever runs."""
PREVIEW_PER_PROMPT = Version("0.5.0")
JOBS_API = Version("0.6.0")
CANCEL_ROUTE = Version("0.26.0")


@dataclass(slots=True)
class Dialect:
    """What one server can do; None means: not seen yet, go by the version."""

    version: str | None = None
    jobs_api: bool | None = None
    cancel_route: bool | None = None
    doubted: bool = False
    """It may have restarted as another version since it was asked."""

    def learn(self, version: str | None) -> None:
        """Take in the version that the server says; None is taken for an old one."""
        if self.doubted:
            self.jobs_api = self.cancel_route = None
        self.version = version
        self.doubted = False

    def doubt(self) -> None:
        """Ask again before anything is done that depends on the version."""
        self.doubted = True

    @property
    def has_jobs_api(self) -> bool:
        """Whether `/api/jobs/{id}` answers (0.6 and newer)."""
        seen = self.jobs_api
        return self._since(JOBS_API) if seen is None else seen

    @property
    def has_cancel_route(self) -> bool:
        """Whether `POST /api/jobs/{id}/cancel` answers (0.26 and newer)."""
        seen = self.cancel_route
        return self._since(CANCEL_ROUTE) if seen is None else seen

    @property
    def takes_ids(self) -> bool:
        """Whether a prompt keeps the id that was sent with it (0.3.45 and newer)."""
        return self._since(TAKES_IDS)

    @property
    def interrupts_by_id(self) -> bool:
        """Whether `/interrupt` heeds a prompt_id (0.3.57 and newer)."""
        return self._since(INTERRUPTS_BY_ID)

    @property
    def previews_per_prompt(self) -> bool:
        """Whether `extra_data.preview_method` is heeded (0.5 and newer)."""
        return self._since(PREVIEW_PER_PROMPT)

    def _since(self, first: Version) -> bool:
        parsed = parse_version(self.version)
        return parsed is not None and parsed >= first


def parse_version(text: str | None) -> Version | None:
    """A server's version, comparable; None where it says none or an odd one.

    Builds outside releases say things like `0.3.12-5-gabc` or `unknown`.
    """
    if text is None:
        return None
    try:
        return Version(text.strip().removeprefix("v").partition("-")[0])
    except InvalidVersion:
        return None
