"""The one reader of a service's results in a process, shared by its clients.

Two readers of one consumer group are handed each other's frames. So the clients of a
process that reach one service in the same way, as the same group, share a reader: one
websocket, one thread that asks. It is made for the first and closed with the last.
Where only the way differs (another token, say, because it was changed), each has a
reader of its own, and what one is handed for a job of the other's it hands over.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from uuid import uuid4

from ..config.addresses import service_at
from ..timing import Clock
from .eas_company import Company
from .eas_disposal import Disposal
from .eas_following import EasFollowing
from .eas_frames import Frame
from .eas_http import QueueHttp
from .eas_options import QueueOptions
from .eas_parking import Parking
from .eas_sorting import EasSorting
from .eas_subscriber import Subscriber
from .eas_tasks import TaskRegister
from .eas_watch import Watch
from .endpoint import Endpoint


class EasReader:
    """Watches the sink of one service for one group, asks for what a watch missed."""

    def __init__(
        self,
        endpoint: Endpoint,
        options: QueueOptions,
        *,
        others: Callable[[EasReader], Sequence[EasReader]],
        clock: Clock,
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self.clock = clock
        self.pid = os.getpid()
        """Whose it is: a forked child has neither its threads nor its connections."""
        self.user = str(uuid4())
        """Its name as a reader of the queue; never shared."""
        self.http = QueueHttp(
            endpoint, user=self.user, group=options.group, clock=clock
        )
        self._company = Company(
            options.group,
            ours=lambda: {self.user, *(one.user for one in others(self))},
            clock=clock,
        )
        watches = options.results == "watch" and endpoint.websocket
        self._disposal = Disposal(self.http, commits=watches, clock=clock)
        self.register = TaskRegister(clock, watched=self._watched)
        self.sorting = EasSorting(
            endpoint.name,
            self.register,
            self._disposal,
            Parking(options.parking / endpoint.name),
            unknown=options.unknown_results,
            keeps_passed=options.named_group,
            company=self._company,
            others=lambda: [one.sorting for one in others(self)],
        )
        self.following = EasFollowing(
            self.http, self.sorting, self._company, watched=self._watched, clock=clock
        )
        self.watch: Watch | None = None
        if watches:
            self.watch = Watch(
                endpoint,
                self.http.identity,
                window=options.window,
                on_frame=self._take_watched,
                on_link=self.register.hasten_all,
                clock=clock,
            )

    def start(self) -> None:
        """Begin to watch, unless that was done."""
        if self.watch is not None:
            self.watch.start()

    def close(self) -> None:
        """Let go of the watch, the threads and the connections."""
        if self.watch is not None:
            self.watch.close()
        self.following.close()
        self._disposal.close()
        self.http.close()

    def _take_watched(self, frame: Frame) -> None:
        alone, watched = not self._company.present, self._watched()
        self.sorting.take_watched(frame)
        if self._company.doubted or (alone and self._company.present):
            self.following.look_sooner()
        if watched and not self._watched():  # its window is full: the rest is asked for
            self.register.hasten_all()

    def _watched(self) -> bool:
        """Whether a watch brings results: not while others' fill its window."""
        opened = self.watch is not None and self.watch.open
        return opened and self.sorting.held < self.options.window


class Readers:
    """The readers of a process. Safe for threads; a forked child begins with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[EasReader, int] = {}
        """Each with the number of clients that share it."""

    def join(
        self,
        endpoint: Endpoint,
        options: QueueOptions,
        subscriber: Subscriber,
        *,
        clock: Clock,
    ) -> EasReader:
        """The reader for a client: one that reads this way, or a new one."""
        with self._lock:
            reader = self._alike(endpoint, options, clock)
            if reader is None:
                reader = EasReader(endpoint, options, others=self._beside, clock=clock)
            self._open[reader] = self._open.get(reader, 0) + 1
            reader.sorting.join(subscriber)
        return reader

    def leave(self, reader: EasReader, subscriber: Subscriber) -> None:
        """A client needs its reader no longer; the last one closes it."""
        if reader.pid != os.getpid():
            return  # it is our parent's, who goes on with it
        reader.sorting.leave(subscriber)
        with self._lock:
            left = self._open[reader] = self._open[reader] - 1
            if left == 0:
                del self._open[reader]
        if left == 0:
            reader.close()

    def forget(self) -> None:
        """Be as new: in a forked child, whose parent's readers these are."""
        self._lock = threading.Lock()
        self._open = {}

    def _alike(
        self, endpoint: Endpoint, options: QueueOptions, clock: Clock
    ) -> EasReader | None:
        for reader in self._open:
            asked = (reader.endpoint, reader.options)
            if reader.clock is clock and asked == (endpoint, options):
                return reader
        return None

    def _beside(self, reader: EasReader) -> Sequence[EasReader]:
        """The others of its group at the same service."""
        with self._lock:
            if len(self._open) < 2:
                return ()
            service, group = service_at(reader.endpoint.url), reader.options.group
            return [
                one
                for one in self._open
                if one is not reader
                and one.options.group == group
                and service_at(one.endpoint.url) == service
            ]


PROCESS = Readers()
"""Those of this process."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESS.forget)
