"""A file on their side, and what anything that reads it must offer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from ..timing import Deadline


@dataclass(frozen=True, slots=True)
class OutputRef:
    """A file on the server's side, as its result named it."""

    node_id: str
    """The node of the submitted graph that made it."""
    key: str
    """The list it stood in: `images`, `gifs`, `audio`, `3d`, …"""
    filename: str
    """As the server named it: not yet made safe to use as a name here."""
    subfolder: str = ""
    """Below the folder that `type` names; with `/` or, on Windows, `\\`."""
    type: str = "output"
    """`output`, `temp` or `input`: the server's folder."""
    extra: Mapping[str, JsonValue] = field(
        default_factory=dict, compare=False, repr=False
    )
    """Whatever else the node said of the file."""


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """A part of a file, in bytes."""

    start: int = 0
    stop: int | None = None
    """The first byte that is not wanted; None is the file's end."""


WHOLE = ByteSpan()


class Sum(Protocol):
    """A checksum that grows with the bytes it is fed."""

    def update(self, data: bytes) -> None:
        """Take the next bytes in."""

    def fits(self) -> bool:
        """Whether all that was fed adds up to what the source said."""


class Checksum(Protocol):
    """What a source says that the whole file adds up to."""

    def begin(self) -> Sum:
        """A sum of no bytes yet."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """How a large file travels: in parts, several at a time."""

    at_once: int
    part: int
    """Bytes of each."""
    least: int
    """Bytes from which on it pays."""


@dataclass(frozen=True, slots=True)
class About:
    """What a source says of a file before its bytes."""

    size: int | None = None
    """Of the whole file, where announced."""
    start: int = 0
    """Where these bytes begin: 0 where the source cannot begin elsewhere."""
    mark: str | None = None
    """Changes whenever the file does; with None, what broke off begins anew."""
    checksum: Checksum | None = None
    lanes: Lanes | None = None
    """How a large file is to be read, where the source can give several parts."""


class Download(Protocol):
    """An open stream from an instance or a storage."""

    @property
    def about(self) -> About:
        """What was said of it."""

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece; raises OutputDamagedError when it breaks."""


class Opener(Protocol):
    """Opens a file for reading; one that reads elsewhere than asked says so."""

    def __call__(
        self, ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
    ) -> AbstractContextManager[Download]:
        """Open it, from the span's start on; more may come than the span."""
