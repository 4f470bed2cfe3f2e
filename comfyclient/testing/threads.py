"""What the threads of this process are doing: who works, who waits, who was left."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TypeAlias

PREFIXES = ("comfyclient-", "scripted", "fault-proxy", "clock-pump")
"""How the names of our threads begin."""

NO_PATIENCE = 0.02
"""Real seconds that a thread is waited for which waits for an HTTP answer, while as
many are kept back on purpose as are waited for."""
SHORT_PATIENCE = 0.2
"""The same while fewer are."""
PATIENCE = 1.0
"""The same where none is: on a busy machine the answer may take its time."""
LONG_PATIENCE = 2.0
"""The same for one that computes, or waits for a disk: it gets on in the end."""

Place: TypeAlias = tuple[int, int, int]

_PACKAGE = str(Path(__file__).parents[1])
_ASKING = tuple(
    str(Path(file))
    for file in ("http/client.py", "websocket/_handshake.py", "websocket/_http.py")
)
"""Where a thread waits for an answer that is on its way."""
_IDLE = {
    (str(Path(file)), name)
    for file, name in (
        ("threading.py", "wait"),
        ("threading.py", "_wait_for_tstate_lock"),
        ("threading.py", "join"),
        ("socket.py", "accept"),
        ("socket.py", "readinto"),
        ("selectors.py", "select"),
        ("websocket/_socket.py", "recv"),
        ("websocket/_socket.py", "_recv"),
    )
}
"""The functions in which a thread waits for others."""
_looking = threading.Lock()
"""Who looks switches the garbage collector off, and on again."""
_ASKERS = PREFIXES[0]
"""How the names of the threads begin that are no server's."""


_kept_back: set[object] = set()
"""One for each answer that is kept back."""


@contextmanager
def keeping_back() -> Iterator[None]:
    """An answer is kept back on purpose: time may pass for whoever waits for it."""
    mark = object()
    _kept_back.add(mark)
    try:
        yield
    finally:
        _kept_back.discard(mark)


class Stillness:
    """Tells whether every thread of the package waits, or gets no further."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Place, float]] = {}
        self._files: dict[int | None, int] = {}
        self.strained = False
        """Whether it was reached although a thread is at work."""

    def reached(self, looks: Mapping[int, int]) -> bool:
        """Whether nobody works; a thread that stands still too long counts for none.

        `looks` says how often each thread has looked at the clock: one that did since
        the last time has got on, even if it is found at the same place again.
        """
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        if None in names:  # one is being started: who starts it seems to wait
            self.strained = False
            return False
        now = time.monotonic()
        seen: dict[int, tuple[Place, float]] = {}
        asking: list[float] = []
        computing: list[float] = []
        for ident, frame in _at_work(names).items():
            place = (id(frame), frame.f_lasti, looks.get(ident, 0))
            before = self._seen.get(ident)
            since = before[1] if before and before[0] == place else now
            seen[ident] = (place, since)
            asks = _reads(frame.f_code.co_filename, frame.f_code.co_name)
            (asking if asks else computing).append(now - since)
        patience = _patience_with(len(asking))
        still = all(spent > patience for spent in asking) and all(
            spent > LONG_PATIENCE for spent in computing
        )
        self._seen, self.strained = seen, still and bool(seen)
        return still

    def stirred(self) -> bool:
        """Whether a thread of ours that seemed to wait was woken, and had no turn yet.

        Linux tells so; elsewhere it is not known.
        """
        me = threading.get_ident()
        return any(
            self._has_or_wants_a_core(thread.native_id)
            for thread in ours()
            if thread.ident != me and thread.ident not in self._seen
        )

    def _has_or_wants_a_core(self, native_id: int | None) -> bool:
        try:
            if native_id not in self._files:
                file = f"/proc/self/task/{native_id}/stat"
                self._files[native_id] = os.open(file, os.O_RDONLY)
            told = os.pread(self._files[native_id], 80, 0)
        except OSError:  # it has ended, or this is no Linux
            if native_id in self._files:
                os.close(self._files.pop(native_id))
            return False
        return told.rpartition(b") ")[2][:1] == b"R"

    def close(self) -> None:
        """Let go of what it looks at."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()


def _patience_with(asking: int) -> float:
    """How long those are waited for who wait for an answer, being so many."""
    if not _kept_back:
        return PATIENCE
    return NO_PATIENCE if len(_kept_back) >= asking else SHORT_PATIENCE


def ours() -> list[threading.Thread]:
    """The package's threads that live."""
    return [t for t in threading.enumerate() if t.name.startswith(PREFIXES)]


def stacks() -> str:
    """The calls that each of the package's threads is in, and the main thread's."""
    frames = _frames()
    shown = [threading.main_thread(), *ours()]
    told: list[str] = []
    for thread in shown:
        frame = frames.get(thread.ident or 0)
        if frame is not None and thread is not threading.current_thread():
            told.append(f"{thread.name}:\n{''.join(traceback.format_stack(frame))}")
    return "\n".join(told)


def _frames() -> dict[int, FrameType]:
    """The innermost call of each thread.

    Before Python 3.12 garbage that is collected meanwhile may stop the process for
    ever: the interpreter holds the lock of its threads (gh-106883, seen with 3.11.7).
    """
    with _looking:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collects:
                gc.enable()


def _at_work(names: Mapping[int | None, str]) -> dict[int, FrameType]:
    """The threads that work, and the call that each of them is in."""
    return {
        ident: frame
        for ident, frame in _frames().items()
        if ident != threading.get_ident() and _works(frame, names.get(ident, ""))
    }


def _works(frame: FrameType, name: str) -> bool:
    """Whether this thread of ours computes, or waits for an HTTP answer.

    Of a thread that has one of our names only the innermost call is looked at: the
    outer ones may come to an end while somebody looks.
    """
    file, function = frame.f_code.co_filename, frame.f_code.co_name
    idle = _waits(file, function)
    if name.startswith(PREFIXES):
        return not idle or (_reads(file, function) and name.startswith(_ASKERS))
    is_ours, asks = False, False
    current: FrameType | None = frame
    while current is not None and not (is_ours and (asks or not idle)):
        file = current.f_code.co_filename
        is_ours = is_ours or _is_ours(file)
        asks = asks or _asks(file)
        current = current.f_back
    return is_ours and (asks or not idle)


@cache
def _waits(file: str, name: str) -> bool:
    return any(name == known and file.endswith(end) for end, known in _IDLE)


@cache
def _reads(file: str, name: str) -> bool:
    """Whether a client waits here for an answer, or a server for a request."""
    return name == "readinto" and file.endswith("socket.py")


@cache
def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE)


@cache
def _asks(file: str) -> bool:
    return file.endswith(_ASKING)
