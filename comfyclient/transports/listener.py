"""The websocket to one instance: one socket, one thread, shared by all its jobs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import websocket
from websocket import ABNF

from ..errors import BadAnswerError
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock
from .dialling import Begun, dial, is_refusal, why
from .endpoint import Endpoint
from .messages import ServerStatus, Signal, read_frame
from .socket_line import PING_EVERY, SocketLine

_logger = logging.getLogger("comfyclient.transports.listener")

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
        self._on_signal = on_signal
        self._on_link = on_link
        self._clock = clock
        self._line = SocketLine(
            self, endpoint.name, log=self._log, clock=clock, ping_every=ping_every
        )
        self._condition = self._line.condition
        self._wanted = False
        self._registered = False
        self._settled = False  # a first connection was made or has failed
        self._idle = False  # connected to nothing, because nothing was wanted
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
            if self._wanted:
                self._line.start()
            self._condition.notify_all()

    def await_registered(self, seconds: float) -> bool:
        """Wait until the socket is registered, or its first attempt has failed."""
        end = self._clock.monotonic() + seconds
        with self._condition:
            while self._wanted and not (self._registered or self._settled):
                left = end - self._clock.monotonic()
                if left <= 0 or self._line.closed:
                    break
                self._clock.wait(self._condition, left)
            return self._registered

    def register_again(self) -> None:
        """Drop the connection and dial anew: the cure for a socket that went deaf."""
        self._line.drop()

    def close(self) -> None:
        """End the thread and the connection."""
        with self._condition:
            self._wanted = False
        self._line.close()

    # -- what the line asks and tells, in its own thread

    def await_wanted(self) -> bool:
        """Wait until it is wanted; False where it was closed."""
        with self._condition:
            while not self._wanted and not self._line.closed:
                self._idle = True
                self._clock.wait(self._condition, 60)
            self._idle = False
            return not self._line.closed

    def dial(self, begun: Begun) -> websocket.WebSocket:
        """Dial by our name."""
        url = self._endpoint.websocket_url(self._client_id)
        return dial(self._endpoint, url, begun=begun)

    def greet(self, connection: websocket.WebSocket) -> None:
        """Say what we understand."""
        connection.send(FEATURE_FLAGS)

    def no_way(self, error: Exception) -> None:
        """Say once that progress is not to be had here."""
        if is_refusal(error) and not self._refusal_told:
            self._refusal_told = True
            self._log.warning(
                "no websocket passes (%s); jobs are followed by asking, without "
                "progress (poll_only = true says that this is known)",
                why(error),
            )
        self.lost(why(error))

    def hear(self, opcode: int, content: bytes) -> None:
        """Hand on what a frame says."""
        self._heard_at = self._clock.monotonic()
        try:
            text = opcode == ABNF.OPCODE_TEXT
            signals = read_frame(content.decode("utf-8") if text else content)
        except (BadAnswerError, UnicodeDecodeError) as error:
            # one bad frame says nothing of the next; polling catches what it hid
            self._log.warning("malformed frame: %s", error)
            return
        for signal in signals:
            if isinstance(signal, ServerStatus) and not self._registered:
                self._found()
            self._on_signal(signal)

    def lost(self, reason: str) -> bool:
        """Tell that nothing is heard any more; whether anything was."""
        with self._condition:
            was_registered = self._registered
            self._registered = False
            self._settled = True
            self._condition.notify_all()
        self._log.info("no websocket: %s", reason)
        if was_registered and not self._line.closed:
            self._on_link(reason)
        return was_registered

    def _found(self) -> None:
        self._on_link(None)  # first: whoever awaits it counts what was linked before
        with self._condition:
            self._registered = self._settled = True
            self._condition.notify_all()
