"""The watch of a sink: one websocket that brings the frames of a service's results."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping

import websocket
from websocket import ABNF, WebSocketException, WebSocketTimeoutException

from ..errors import BadAnswerError
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock
from .dialling import check_accepted, dial, hang_up, is_refusal, shut, why
from .eas_frames import Frame, read_frame
from .eas_http import SINK
from .endpoint import Endpoint

_logger = logging.getLogger("comfyclient.transports.eas_watch")

PING_EVERY = 15.0
"""Seconds without a frame before a ping: gateways cut what is idle for longer."""
PONG_WITHIN = 15.0
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0
REFUSED_BACKOFF = 60.0
"""Seconds until a gateway that let no websocket through is tried again."""


class Watch:
    """Keeps the websocket open, and hands on each frame in its own thread.

    A frame that is not committed comes again after a reconnect: the queue hands it out
    at least once.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        identity: Mapping[str, str],
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
        self._clock = clock
        self._ping_every = ping_every
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._socket: websocket.WebSocket | None = None
        self._closed = False
        self._refusal_told = False
        self.open = False
        """Whether frames come this way now."""

    def start(self) -> None:
        """Dial, unless that was done."""
        with self._condition:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run,
                    name=f"comfyclient-listener-{self._endpoint.name}",
                    daemon=True,
                )
                self._thread.start()

    def close(self) -> None:
        """End the thread and the connection."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        shut(self._socket)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        backoff = FIRST_BACKOFF
        while not self._closed:
            try:
                connection = self._connect()
            except Exception as error:  # noqa: BLE001  hostile headers raise anything
                self._tell_no_way(error)
                self._pause(REFUSED_BACKOFF if is_refusal(error) else backoff)
                backoff = min(backoff * 2, LAST_BACKOFF)
                continue
            backoff, reason = FIRST_BACKOFF, "closed by the gateway"
            try:
                self._listen(connection)
            except (WebSocketException, OSError, ValueError) as error:
                reason = why(error)
            finally:
                self._socket, self.open = None, False
                hang_up(connection)
            if not self._closed:
                self._log.info("the watch ended: %s", reason)
                self._on_link()
                self._pause(backoff)

    def _connect(self) -> websocket.WebSocket:
        query = {
            "_watch_": "true",
            "_index_": "0",
            "_window_": str(self._window),
            "_index_only_": "false",
            "_auto_commit_": "false",
        }
        url = self._endpoint.socket_url(SINK, query)
        connection = dial(self._endpoint, url, headers=self._identity)
        self._socket = connection
        try:
            check_accepted(connection)
        except BaseException:
            hang_up(connection)
            raise
        self.open = True
        return connection

    def _listen(self, connection: websocket.WebSocket) -> None:
        """Hand on frames until the connection ends or is given up."""
        connection.settimeout(self._ping_every)
        pinged = False
        while not self._closed:
            try:
                opcode, content = connection.recv_data(control_frame=True)
            except WebSocketTimeoutException:
                if pinged:
                    raise
                connection.ping()
                connection.settimeout(min(PONG_WITHIN, self._ping_every))
                pinged = True
                continue
            if pinged:
                connection.settimeout(self._ping_every)
                pinged = False
            if opcode == ABNF.OPCODE_CLOSE:
                return
            if opcode in {ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT}:
                self._hand_on(content)

    def _hand_on(self, content: bytes) -> None:
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

    def _tell_no_way(self, error: Exception) -> None:
        level = logging.INFO
        if is_refusal(error) and not self._refusal_told:
            level, self._refusal_told = logging.WARNING, True
        self._log.log(
            level,
            "no watch of the results (%s); they are asked for instead",
            why(error),
        )

    def _pause(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds * random.uniform(0.5, 1.0)
        with self._condition:
            while not self._closed and (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left)
