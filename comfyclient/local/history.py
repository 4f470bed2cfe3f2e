"""Finished prompts, oldest first, up to a cap. Pure."""

from __future__ import annotations

from typing import Any

CAP = 10_000
"""Entries kept."""

SECRET_KEYS = ("api_key_comfy_org", "auth_token_comfy_org")
"""What extra_data may carry and nobody else should read."""


class History:
    """Prompt id to entry; its user holds the lock."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Any]] = {}

    def put(self, prompt_id: str, entry: dict[str, Any]) -> None:
        """Store an entry; one of the same id is overwritten where it stands."""
        while len(self._entries) > CAP:
            del self._entries[next(iter(self._entries))]
        self._entries[prompt_id] = entry

    def get(self, prompt_id: str) -> dict[str, Any] | None:
        """One entry; None if there is none."""
        return self._entries.get(prompt_id)

    def all(self) -> dict[str, dict[str, Any]]:
        """Every entry, oldest first."""
        return dict(self._entries)

    def page(self, *, most: int | None, offset: int) -> dict[str, dict[str, Any]]:
        """A stretch of entries: an offset below 0 counts `most` from the end."""
        if most is None and offset < 0:
            return self.all()
        start = offset
        if offset < 0:
            start = max(len(self._entries) - (most or 0), 0)
        keys = list(self._entries)[start:]
        return {key: self._entries[key] for key in keys[:most]}

    def delete(self, prompt_id: str) -> None:
        """Forget one entry, if it is there."""
        self._entries.pop(prompt_id, None)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
