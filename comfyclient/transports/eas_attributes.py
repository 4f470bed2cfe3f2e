"""What a queue of EAS says of itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .wire import brief, parse_object

_PENDING = re.compile(r"\bPending:\s*(\d{1,18})\b")
_READER = re.compile(r"\bId:\s*([^\s,]+)")
_GONE = re.compile(r"\bStatus:\s*(?:Exit|Complete|Leaving)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QueueAttributes:
    """The attributes of one queue that this client acts on; None: it did not say.

    Their names are documented; which of them a service gives is not.
    """

    max_payload: int | None = None
    """Bytes of an item that it takes."""
    length: int | None = None
    """Items in it, those that are being worked on included."""
    max_length: int | None = None
    """Items that it holds about, at most."""
    first: int | None = None
    """The index of the oldest item in it."""
    pending: int | None = None
    """Items that were handed to readers, and are not done: those that are worked on."""
    readers: Sequence[str] | None = None
    """Who reads it, each as `<group>.<user>`, without those who have left."""
    user_header: str | None = None
    group_header: str | None = None

    @property
    def nearly_full(self) -> bool:
        """Whether it will soon take nothing more."""
        if self.length is None or not self.max_length:
            return False
        return self.length >= 0.9 * self.max_length

    def is_gone(self, index: int) -> bool:
        """Whether it holds an item no more that was in it before it told this."""
        if self.length == 0:
            return True
        return self.first is not None and index < self.first


def read_attributes(body: bytes) -> QueueAttributes:
    """The attributes in the answer to `?_attrs_=true`.

    Raises:
        BadAnswerError: it is not a JSON object.
    """
    shown = parse_object(body, "the queue's attributes")
    texts = {key: brief(value, 200) for key, value in shown.items()}
    return QueueAttributes(
        max_payload=_number(texts.get("meta.maxPayloadBytes")),
        length=_number(texts.get("stream.length")),
        max_length=_number(texts.get("stream.approxMaxLength")),
        first=_number(texts.get("stream.firstEntry")),
        pending=_pending(texts),
        readers=_readers(texts),
        user_header=texts.get("meta.header.user"),
        group_header=texts.get("meta.header.group"),
    )


def _readers(texts: Mapping[str, str]) -> Sequence[str] | None:
    """Who reads; None where the queue does not tell of its readers."""
    told = _told_of(texts)
    if not told and texts.get("consumers.stats.total") is None:
        return None
    found = [_READER.search(text) for text in told if not _GONE.search(text)]
    return tuple(one[1] for one in found if one is not None)


def _told_of(texts: Mapping[str, str]) -> list[str]:
    """The readers as the queue shows them, a line of text for each."""
    return [text for key, text in texts.items() if key.startswith("consumers.list")]


def _pending(texts: Mapping[str, str]) -> int | None:
    """What all readers together were handed; None unless each of them is told of."""
    told = _told_of(texts)
    if len(told) != _number(texts.get("consumers.stats.total")):
        return None
    found = [_PENDING.search(text) for text in told]
    counts = [int(one[1]) for one in found if one is not None]
    return sum(counts) if len(counts) == len(told) else None


def _number(text: str | None) -> int | None:
    fits = text is not None and text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if fits and text is not None else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in its queue."""

    handed_out: bool
    """Somebody works on it: it cannot be taken back any more."""
    ahead: int | None = None
    """Items before it, where the queue counts them."""


def read_place(body: bytes) -> Place:
    """The answer to `?_search_=true`.

    Raises:
        BadAnswerError: it is not a JSON object.
    """
    shown = parse_object(body, "the place in the queue")
    ahead = _number(brief(shown.get("WaitCount"), 30))
    return Place(shown.get("IsPending") is True, ahead)
