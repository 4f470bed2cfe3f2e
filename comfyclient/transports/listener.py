"""The websocket to one instance: one socket, one thread, shared by all its jobs."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable

import websocket
from websocket import ABNF, WebSocketException, WebSocketTimeoutException

from ..errors import BadAnswerError
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock
from .dialling import check_accepted, dial, hang_up, is_refusal, shut, why
from .endpoint import Endpoint
from .messages import ServerStatus, Signal, read_frame

_logger = logging.getLogger("comfyclient.transports.listener")

PING_EVERY = 15.0
"""Seconds without a frame before a ping; ComfyUI itself never pings."""
PONG_WITHIN = 15.0
"""Seconds for any frame to come after it; then the connection counts as dead."""
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0
REFUSED_BACKOFF = 60.0
"""Seconds until a server or gateway that refused the handshake is tried again."""

FEATURE_FLAGS = json.dumps(
    {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
)
"""Must be the first message of every connection: a reconnect resets them."""


class Listener:
    """Keeps the websocket open while it is wanted, and hands on what it hears.

    `on_signal` and `on_link` are called from the listener's thread and must return at
    once: a client that stops reading stalls the delivery to every client of the server.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        client_id: str,
        *,
        on_signal: Callable[[Signal], None],
        on_link: Callable[[str | None], None],
        clock: Clock = SYSTEM_CLOCK,
        ping_every: float = PING_EVERY,
    ) -> None:
        self._endpoint = endpoint
        self._log = InstanceLog(_logger, endpoint.name)
        self._client_id = client_id
        self._ping_every = ping_every
        self._on_signal = on_signal
        self._on_link = on_link
        self._clock = clock
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._socket: websocket.WebSocket | None = None
        self._wanted = False
        self._registered = False
        self._settled = False  # a first connection was made or has failed
        self._idle = False  # connected to nothing, because nothing was wanted
        self._closed = False
        self._refusal_told = False
        self._heard_at = clock.monotonic()

    @property
    def registered(self) -> bool:
        """Whether the server has confirmed this connection."""
        return self._registered

    def hears(self, client_id: str) -> bool:
        """Whether the messages to this client arrive here now."""
        return self._registered and self.serves(client_id)

    def serves(self, client_id: str) -> bool:
        """Whether the messages to this client arrive here, while it is registered."""
        return client_id == self._client_id

    @property
    def quiet_for(self) -> float:
        """Seconds since the last message; a deaf socket still answers pings."""
        return self._clock.monotonic() - self._heard_at

    def want(self, wanted: bool) -> None:
        """Say whether there is anything to listen for: unwanted, it does not redial."""
        with self._condition:
            self._wanted = wanted and self._endpoint.websocket
            if self._wanted and self._idle:
                self._settled = False  # it dials at once: worth waiting for again
            if self._wanted and self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run,
                    name=f"comfyclient-listener-{self._endpoint.name}",
                    daemon=True,
                )
                self._thread.start()
            self._condition.notify_all()

    def await_registered(self, seconds: float) -> bool:
        """Wait until the socket is registered, or its first attempt has failed."""
        end = self._clock.monotonic() + seconds
        with self._condition:
            while self._wanted and not (self._registered or self._settled):
                left = end - self._clock.monotonic()
                if left <= 0 or self._closed:
                    break
                self._clock.wait(self._condition, left)
            return self._registered

    def register_again(self) -> None:
        """Drop the connection and dial anew: the cure for a socket that went deaf."""
        shut(self._socket)

    def close(self) -> None:
        """End the thread and the connection."""
        with self._condition:
            self._closed = True
            self._wanted = False
            self._condition.notify_all()
        shut(self._socket)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        backoff = FIRST_BACKOFF
        while self._await_wanted():
            try:
                connection = self._connect()
            except Exception as error:  # noqa: BLE001  hostile headers raise anything
                self._tell_refusal(error)
                self._lost(why(error))
                self._pause(REFUSED_BACKOFF if is_refusal(error) else backoff)
                backoff = min(backoff * 2, LAST_BACKOFF)
                continue
            try:
                self._listen(connection)
                reason = "closed by the server"
            except (WebSocketException, OSError, ValueError) as error:
                reason = why(error)
            finally:
                self._hang_up(connection)
            backoff = FIRST_BACKOFF if self._registered else backoff
            self._lost(reason)
            self._pause(backoff)
            backoff = min(backoff * 2, LAST_BACKOFF)

    def _await_wanted(self) -> bool:
        with self._condition:
            while not self._wanted and not self._closed:
                self._idle = True
                self._clock.wait(self._condition, 60)
            self._idle = False
            return not self._closed

    def _pause(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds * random.uniform(0.5, 1.0)
        with self._condition:
            while not self._closed and (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left)

    def _connect(self) -> websocket.WebSocket:
        url = self._endpoint.websocket_url(self._client_id)
        connection = dial(self._endpoint, url)
        self._socket = connection
        try:
            check_accepted(connection)
            connection.send(FEATURE_FLAGS)
        except BaseException:
            self._hang_up(connection)
            raise
        return connection

    def _listen(self, connection: websocket.WebSocket) -> None:
        """Hand on frames until the connection ends or is given up."""
        connection.settimeout(self._ping_every)
        pinged = False
        while not self._closed:
            try:
                opcode, frame = connection.recv_data(control_frame=True)
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
            if opcode in {ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY}:
                self._heard_at = self._clock.monotonic()
                self._hand_on(opcode, frame)

    def _hand_on(self, opcode: int, frame: bytes) -> None:
        try:
            text = opcode == ABNF.OPCODE_TEXT
            signals = read_frame(frame.decode("utf-8") if text else frame)
        except (BadAnswerError, UnicodeDecodeError) as error:
            # one bad frame says nothing of the next; polling catches what it hid
            self._log.warning("malformed frame: %s", error)
            return
        for signal in signals:
            if isinstance(signal, ServerStatus) and not self._registered:
                self._found()
            self._on_signal(signal)

    def _found(self) -> None:
        self._on_link(None)  # first: whoever awaits it counts what was linked before
        with self._condition:
            self._registered = self._settled = True
            self._condition.notify_all()

    def _lost(self, reason: str) -> None:
        with self._condition:
            was_registered = self._registered
            self._registered = False
            self._settled = True
            self._condition.notify_all()
        self._log.info("no websocket: %s", reason)
        if was_registered and not self._closed:
            self._on_link(reason)

    def _tell_refusal(self, error: Exception) -> None:
        """Say once that progress is not to be had here."""
        if is_refusal(error) and not self._refusal_told:
            self._refusal_told = True
            self._log.warning(
                "no websocket passes (%s); jobs are followed by asking, without "
                "progress (poll_only = true says that this is known)",
                why(error),
            )

    def _hang_up(self, connection: websocket.WebSocket) -> None:
        """Close before a new dial, or the server forgets our client id with it."""
        self._socket = None
        hang_up(connection)
