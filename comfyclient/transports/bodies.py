"""What an answer over HTTP holds: a whole body, or one that is still coming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import OutputDamagedError
from ..files.refs import About
from .http_errors import content_range, whole


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, of any status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Stream:
    """The body of a 200 or 206 that is being downloaded."""

    def __init__(
        self, what: str, headers: Mapping[str, str], pieces: Iterator[bytes]
    ) -> None:
        self._what = what
        self._headers = headers
        self._pieces = pieces

    @property
    def about(self) -> About:
        """What the head of the answer says of the file.

        A weak ETag may stay when bytes change, so it marks nothing.
        """
        tag = self._headers.get("ETag", "")
        part = content_range(self._headers.get("Content-Range", ""))
        start, size = (0, self.size) if part is None else part
        plain = self._headers.get("Content-Encoding", "identity") == "identity"
        mark = tag if tag.startswith('"') and plain else None
        return About(size=size, start=start, mark=mark)

    @property
    def kind(self) -> str:
        """The kind of content that it is said to be, such as `image/png`."""
        return self._headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def size(self) -> int | None:
        """The announced size of the body; None where it is encoded or chunked."""
        encoded = self._headers.get("Content-Encoding", "identity")
        length = whole(self._headers.get("Content-Length", ""))
        return length if encoded == "identity" else None

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            OutputDamagedError: the connection broke, or the deadline passed.
        """
        if not _has_an_end(self._headers):
            raise OutputDamagedError(
                f"{self._what}: the answer does not say where the file ends",
                hint="a proxy before the server cuts its answers, or their headers",
            )
        try:
            yield from self._pieces
        except BrokenOffError as error:
            raise OutputDamagedError(
                f"{self._what}: the download broke off: {error}"
            ) from None


class BrokenOffError(Exception):
    """A body did not come to its end; the text says why. Never seen by callers."""


def _has_an_end(headers: Mapping[str, str]) -> bool:
    """Whether a body that broke off could be told from a whole one.

    An answer that is cut in its head reads as one with a shorter head.
    """
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    return chunked or whole(headers.get("Content-Length", "")) is not None
