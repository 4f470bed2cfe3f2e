"""The watch of a sink: one websocket that brings the frames of a service's results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import websocket

from ..errors import BadAnswerError
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock
from .dialling import Begun, dial, is_refusal, why
from .eas_frames import Frame, read_frame
from .eas_http import SINK
from .endpoint import Endpoint
from .socket_line import PING_EVERY, SocketLine

_logger = logging.getLogger("comfyclient.transports.eas_watch")


class Watch:
    """Keeps the websocket open, and hands on each frame in its own thread.

    A frame that is not committed comes again after a reconnect: the queue hands it out
    at least once.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        identity: Callable[[], Mapping[str, str]],
        *,
        window: int,
        on_frame: Callable[[Frame], None],
        on_link: Callable[[], None],
        clock: Clock = SYSTEM_CLOCK,
        ping_every: float = PING_EVERY,
    ) -> None:
        self._endpoint = endpoint
        self._log = InstanceLog(_logger, endpoint.name)
        self._identity = identity
        self._window = window
        self._on_frame = on_frame
        self._on_link = on_link
        self._line = SocketLine(
            self, endpoint.name, log=self._log, clock=clock, ping_every=ping_every
        )
        self._refusal_told = False
        self.open = False
        """Whether frames come this way now."""

    def start(self) -> None:
        """Dial, unless that was done."""
        self._line.start()

    def close(self) -> None:
        """End the thread and the connection."""
        self._line.close()

    # -- what the line asks and tells, in its own thread

    def await_wanted(self) -> bool:
        """It is, until it is closed."""
        return not self._line.closed

    def dial(self, begun: Begun) -> websocket.WebSocket:
        """Dial, as a reader who commits what it took."""
        query = {
            "_watch_": "true",
            "_index_": "0",
            "_window_": str(self._window),
            "_index_only_": "false",
            "_auto_commit_": "false",
        }
        url = self._endpoint.socket_url(SINK, query)
        return dial(self._endpoint, url, begun=begun, headers=self._identity())

    def greet(self, connection: websocket.WebSocket) -> None:
        """Nothing is to be said."""
        self.open = True

    def hear(self, opcode: int, content: bytes) -> None:
        """Hand on a frame."""
        try:
            frame = read_frame(content)
        except BadAnswerError as error:
            # it stays in the sink, and is asked for there by its request's id
            self._log.warning("%s", error.message)
            return
        try:
            self._on_frame(frame)
        except Exception:  # noqa: BLE001  one frame's bug must not end the watch
            self._log.exception("while taking a result")

    def no_way(self, error: Exception) -> None:
        """Say once, aloud, that no watch is to be had here."""
        level = logging.INFO
        if is_refusal(error) and not self._refusal_told:
            level, self._refusal_told = logging.WARNING, True
        self._log.log(
            level,
            "no watch of the results (%s); they are asked for instead",
            why(error),
        )

    def lost(self, reason: str) -> bool:
        """Tell that frames do not come this way any more; they did."""
        self.open = False
        if not self._line.closed:
            self._log.info("the watch ended: %s", reason)
            self._on_link()
        return True
