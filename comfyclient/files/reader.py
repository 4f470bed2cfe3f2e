"""Reads a file from its source to its end, over as many downloads as that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from ..errors import ComfyClientError, OutputDamagedError
from ..timing import Deadline
from .patience import ENDLESS, TRIES, passing, patiently
from .refs import WHOLE, About, ByteSpan, Opener, OutputRef


class ChangedError(OutputDamagedError):
    """What was read so far is of no use: the file has changed, or was read wrong."""


class Reader:
    """The pieces of one span of a file, each with the place where it belongs.

    A download that breaks off goes on where it stopped, where the source can begin
    there and tell that it is the same file; otherwise the pieces begin anew.
    """

    def __init__(
        self,
        opener: Opener,
        ref: OutputRef,
        deadline: Deadline,
        *,
        span: ByteSpan = WHOLE,
        about: About | None = None,
    ) -> None:
        """Read a span; `about` is what the file must be, where it was met before."""
        self._opener = opener
        self._ref = ref
        self._deadline = deadline
        self._span = span
        self._about = about
        self._at = span.start
        self._furthest = -1
        self._failures = 0
        self._open = ExitStack()
        self._chunks: Iterator[bytes] | None = None

    def about(self) -> About:
        """What the source says of the file.

        Raises:
            ComfyClientError: it cannot be opened.
        """
        if self._about is None:
            patiently(self._begin, self._deadline, worth=self._again, tries=ENDLESS)
        assert self._about is not None, "a file that was opened is known"
        return self._about

    def stop_at(self, stop: int) -> None:
        """Read no further than this."""
        self._span = replace(self._span, stop=stop)

    def close(self) -> None:
        """Let go of the download that is open."""
        self._chunks = None
        self._open.close()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """The pieces with their places; one at the start again begins anew.

        Raises:
            ChangedError: the file is not the one it was.
            OutputDamagedError: it broke off again and again.
            ComfyClientError: its source gave out.
        """
        try:
            while True:
                piece = patiently(
                    self._piece, self._deadline, worth=self._again, tries=ENDLESS
                )
                if piece is None:
                    return
                yield piece
        finally:
            self.close()

    def _piece(self) -> tuple[int, bytes] | None:
        """The next piece; None where the span is read."""
        if self._at == self._span.stop:
            return None
        if self._chunks is None:
            if self._about is not None and 0 < self._at == self._about.size:
                return None  # it broke off behind its last byte
            self._begin()
        assert self._chunks is not None, "a file that was opened has pieces"
        try:
            chunk = next(self._chunks, None)
        except ComfyClientError:
            self.close()
            raise
        if chunk is not None:
            return self._placed(chunk)
        self._end()
        return None

    def _again(self, error: BaseException) -> bool:
        """Whether to go on: not after several failures that got no further."""
        self._failures = 1 if self._at > self._furthest else self._failures + 1
        self._furthest = max(self._at, self._furthest)
        lasting = isinstance(error, ChangedError) or self._failures >= TRIES
        return passing(error) and not lasting

    def _placed(self, chunk: bytes) -> tuple[int, bytes]:
        at, stop, size = self._at, self._span.stop, self.about().size
        if stop is not None and at + len(chunk) > stop:
            chunk = chunk[: stop - at]
        if size is not None and at + len(chunk) > size:
            raise ChangedError(
                f"{self._ref.filename}: more than the {size} bytes arrived that were "
                "announced"
            )
        self._at = at + len(chunk)
        return at, chunk

    def _end(self) -> None:
        """The body has ended: so must the file have, or the span."""
        self.close()
        size, stop = self.about().size, self._span.stop
        end = size if stop is None else stop
        if end is not None and self._at < end:
            raise OutputDamagedError(
                f"{self._ref.filename}: {self._at} bytes arrived, {end} were announced"
            )
        self.stop_at(self._at)

    def _begin(self) -> None:
        """Open the file where the reading stands, or where its source can."""
        known, start = self._about, self._span.start
        wanted = start if known is None or known.mark is None else self._at
        span = ByteSpan(wanted, self._span.stop)
        download = self._open.enter_context(
            self._opener(self._ref, self._deadline, span=span)
        )
        about = download.about
        same = known is None or known.mark in {None, about.mark}
        if not same or about.start not in {wanted, start}:
            self.close()
            raise ChangedError(f"{self._ref.filename} changed while it was read")
        self._at, self._about = about.start, about
        self._chunks = download.chunks()
