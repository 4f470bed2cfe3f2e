"""A queue of the EAS stand-in: frames, consumer groups, windows, redelivery.

What the documents of the queue service say is kept: at least once, first in first out
with one fast lane, each group its own copy, a deletion for all groups. Where they are
silent this does one plausible thing: a frame leaves the queue once every group that
there is has committed it.
"""

from __future__ import annotations

import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

from .eas_frames import QueueFrame


class QueueFullError(Exception):
    """There is no room for another frame."""


@dataclass(slots=True, eq=False)
class Consumer:
    """One reader of a group, and the frames it was handed and has not committed."""

    uid: str
    group: Group
    window: int
    pending: dict[int, QueueFrame] = field(default_factory=dict)
    left: bool = False


@dataclass(slots=True, eq=False)
class Group:
    """Readers that share the frames of a queue."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    cursors: list[int] = field(default_factory=lambda: [0, 0])
    """How far the fast lane and the slow one were handed out."""
    returned: list[int] = field(default_factory=list)
    """A heap of frames whose reader left without committing them."""
    consumers: dict[str, Consumer] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)

    @property
    def pending(self) -> dict[int, Consumer]:
        """Who was handed what."""
        return {i: one for one in self.consumers.values() for i in one.pending}


class QueueStore:
    """One queue, the input or the sink. Safe for threads; `condition` guards it."""

    def __init__(self, name: str, *, max_length: int, max_payload: int) -> None:
        self.name = name
        self.max_length = max_length
        self.max_payload = max_payload
        self.condition = threading.Condition()
        self.frames: dict[int, QueueFrame] = {}
        self.groups: dict[str, Group] = {}
        self.put_count = 0
        """Frames ever put here."""
        self.commits: defaultdict[int, list[str]] = defaultdict(list)
        """Which groups committed a frame."""
        self.shows_taken = True
        """Whether a read shows frames that some reader was handed: not documented."""
        self.tells_readers = True
        """Whether the attributes list the readers."""
        self.closed = False
        self._indexes = count(1)
        self._lanes: tuple[list[int], list[int]] = ([], [])
        self._by_request: defaultdict[str, list[int]] = defaultdict(list)

    # -- frames

    def put(
        self, data: bytes, tags: Mapping[str, str], *, priority: bool = False
    ) -> QueueFrame:
        """Add a frame; it gets a request id unless its tags have one.

        Raises:
            QueueFullError: there is no room.
        """
        with self.condition:
            if len(self.frames) >= self.max_length:
                raise QueueFullError(self.name)
            tags = {"requestId": str(uuid4()), **tags}
            frame = QueueFrame(next(self._indexes), data, tags)
            self.frames[frame.index] = frame
            self._lanes[0 if priority else 1].append(frame.index)
            self._by_request[frame.request_id].append(frame.index)
            self.put_count += 1
            self.condition.notify_all()
            return frame

    def await_room(self) -> bool:
        """Wait until another frame fits; whether one does, or the queue was closed."""
        with self.condition:
            self.condition.wait_for(
                lambda: self.closed or len(self.frames) < self.max_length
            )
            return not self.closed

    def read(
        self,
        *,
        index: int = 0,
        length: int = 1,
        tags: Mapping[str, str] | None = None,
        timeout: float = 0,
        delete: bool = False,
    ) -> list[QueueFrame]:
        """Frames from an index on that have these tags, whoever was handed them."""
        wanted = {} if tags is None else tags
        with self.condition:
            found: list[QueueFrame] = []

            def look() -> bool:
                found[:] = self._matching(index, length, wanted)
                return bool(found) or self.closed

            self.condition.wait_for(look, timeout)
            if delete:
                self.delete([frame.index for frame in found])
            return found

    def _matching(
        self, index: int, length: int, wanted: Mapping[str, str]
    ) -> list[QueueFrame]:
        request = wanted.get("requestId")
        known: Iterable[int] = (
            self.frames if request is None else self._by_request.get(request, ())
        )
        hidden = set() if self.shows_taken else self._taken()
        found: list[QueueFrame] = []
        for each in known:
            frame = self.frames.get(each)
            if frame is None or each < index or each in hidden:
                continue
            if all(frame.tags.get(key) == value for key, value in wanted.items()):
                found.append(frame)
                if len(found) >= length:
                    break
        return found

    def search(self, index: int) -> dict[str, object] | None:
        """Where a frame stands; None where it is gone, or never was."""
        with self.condition:
            if index not in self.frames:
                return None
            for group in self.groups.values():
                holder = group.pending.get(index)
                if holder is not None:
                    who = f"{group.name}.{holder.uid}"
                    return {"ConsumerId": who, "IsPending": True, "WaitCount": 0}
            return {
                "ConsumerId": "",
                "IsPending": False,
                "WaitCount": self._ahead(index),
            }

    def _taken(self) -> set[int]:
        """Frames that were handed to readers, and not committed."""
        return {i for group in self.groups.values() for i in group.pending}

    def _ahead(self, index: int) -> int:
        """Frames that are handed out before this one."""
        held = self._taken()
        ahead = 0
        for each in (i for lane in self._lanes for i in lane if i in self.frames):
            if each == index:
                break
            ahead += each not in held
        return ahead

    def delete(self, indexes: Iterable[int]) -> None:
        """Remove frames, for every group."""
        with self.condition:
            for index in indexes:
                self._remove(index)
            self.condition.notify_all()

    def truncate(self, index: int) -> None:
        """Remove every frame before an index."""
        with self.condition:
            self.delete([each for each in self.frames if each < index])

    def commit(self, group: str, indexes: Iterable[int]) -> None:
        """A group is done with these frames."""
        with self.condition:
            for index in indexes:
                self._commit(group, index)
            self.condition.notify_all()

    def refuse(self, group: str, indexes: Iterable[int]) -> None:
        """A group hands frames back, for another of its readers."""
        with self.condition:
            found = self._group(group)
            for index in indexes:
                for consumer in found.consumers.values():
                    if consumer.pending.pop(index, None) is not None:
                        heapq.heappush(found.returned, index)
            self.condition.notify_all()

    def _commit(self, name: str, index: int) -> None:
        if index not in self.frames:
            return
        group = self._group(name)
        group.committed.add(index)
        self.commits[index].append(name)
        for consumer in group.consumers.values():
            consumer.pending.pop(index, None)
        if all(index in one.committed for one in self.groups.values()):
            self._remove(index)

    def _remove(self, index: int) -> None:
        self.frames.pop(index, None)
        for group in self.groups.values():
            group.committed.discard(index)
            for consumer in group.consumers.values():
                consumer.pending.pop(index, None)

    # -- readers

    def join(
        self,
        group: str,
        uid: str,
        *,
        window: int = 1,
        index: int = 0,
        tags: Mapping[str, str] | None = None,
    ) -> Consumer:
        """A reader enters a group; index -1 skips what a new group finds here."""
        with self.condition:
            fresh = group not in self.groups
            found = self._group(group)
            if fresh:
                found.tags = {} if tags is None else tags
                self._skip(found, index)
            consumer = Consumer(uid, found, window)
            found.consumers[uid] = consumer
            self.condition.notify_all()
            return consumer

    def _skip(self, group: Group, index: int) -> None:
        for lane, indexes in enumerate(self._lanes):
            while group.cursors[lane] < len(indexes) and (
                index < 0 or indexes[group.cursors[lane]] < index
            ):
                group.committed.add(indexes[group.cursors[lane]])
                group.cursors[lane] += 1

    def leave(self, consumer: Consumer) -> None:
        """A reader is gone: what it has not committed goes to others of its group."""
        with self.condition:
            consumer.left = True
            group = consumer.group
            if group.consumers.get(consumer.uid) is consumer:
                del group.consumers[consumer.uid]
            for index in consumer.pending:
                heapq.heappush(group.returned, index)
            consumer.pending.clear()
            self.condition.notify_all()

    def take(
        self, consumer: Consumer, *, stop: Callable[[], bool] = lambda: False
    ) -> QueueFrame | None:
        """The next frame for a reader, once its window has room; None once it left."""
        with self.condition:
            while not (self.closed or consumer.left or stop()):
                if len(consumer.pending) < consumer.window:
                    frame = self._next(consumer.group)
                    if frame is not None:
                        consumer.pending[frame.index] = frame
                        return frame
                self.condition.wait()
            return None

    def _next(self, group: Group) -> QueueFrame | None:
        while group.returned:
            frame = self.frames.get(heapq.heappop(group.returned))
            if frame is not None and frame.index not in group.committed:
                return frame
        for lane, indexes in enumerate(self._lanes):
            while group.cursors[lane] < len(indexes):
                frame = self.frames.get(indexes[group.cursors[lane]])
                group.cursors[lane] += 1
                if frame is None or frame.index in group.committed:
                    continue
                if all(frame.tags.get(k) == v for k, v in group.tags.items()):
                    return frame
                self._commit(group.name, frame.index)
        return None

    def wake(self) -> None:
        """Have every reader look again."""
        with self.condition:
            self.condition.notify_all()

    def close(self) -> None:
        """End every wait."""
        with self.condition:
            self.closed = True
            self.condition.notify_all()

    def _group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(name))

    # -- what it says of itself

    def attributes(self) -> dict[str, str]:
        """The attributes that the documents list."""
        with self.condition:
            groups = self.groups.values() if self.tells_readers else ()
            readers = [c for g in groups for c in g.consumers.values()]
            shown = {
                f"consumers.list.[{number}]": _shown(consumer)
                for number, consumer in enumerate(readers)
            }
            total = {"consumers.stats.total": str(len(readers))}
            return {
                "meta.backend": "stand-in",
                "meta.name": self.name,
                "meta.state": "Normal",
                "meta.maxPayloadBytes": str(self.max_payload),
                "meta.header.user": "X-EAS-QueueService-Redis-Uid",
                "meta.header.group": "X-EAS-QueueService-Redis-Gid",
                "meta.header.priority": "X-EAS-QueueService-Priority",
                "stream.length": str(len(self.frames)),
                "stream.approxMaxLength": str(self.max_length),
                "stream.firstEntry": str(min(self.frames, default=0)),
                "stream.lastEntry": str(max(self.frames, default=0)),
                "groups.list": ",".join(self.groups),
                **(total if self.tells_readers else {}),
                **shown,
            }


def _shown(consumer: Consumer) -> str:
    return (
        f"Id: {consumer.group.name}.{consumer.uid}, Index: 0, "
        f"Pending: {len(consumer.pending)}, Status: Running, Idle: 0s, "
        f"Window: {consumer.window}, Slots: {consumer.window - len(consumer.pending)}, "
        "AutoCommit: false"
    )
