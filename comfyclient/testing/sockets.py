"""Which websocket hears the messages to a client id, as ComfyUI keeps it."""

from __future__ import annotations

from pydantic import JsonValue

from .websocket_wire import ServerSocket


class Sockets(dict[str, ServerSocket]):
    """The registered sockets, by client id. Guarded by the stage's condition.

    A second connection with the same id takes over; the first stays open and hears
    nothing. When the server notices the end of the first, it forgets the id, and with
    it the second: that stays open, answers pings, and is deaf (every version).
    """

    def register(self, connected: ServerSocket) -> None:
        """Let a new connection hear what is sent to its client id.

        A former one that has ended by now is noticed before, as its end arrived before.
        """
        former = self.get(connected.sid)
        if former is not None and former.ended:
            former.noticed = True
        self[connected.sid] = connected

    def notice_end(self, connected: ServerSocket) -> None:
        """Forget the client id of a connection that has ended, whoever has it now."""
        if not connected.noticed:
            connected.noticed = True
            self.pop(connected.sid, None)

    def deafen(self, sid: str) -> None:
        """Forget a client id whose connection stays open."""
        self.pop(sid, None)

    def tell_all(self, frame: JsonValue | bytes) -> None:
        """Send a frame to every client."""
        for connected in list(self.values()):
            connected.send(frame)

    def released(self) -> list[ServerSocket]:
        """Forget every client id; the sockets that they had."""
        ending = list(self.values())
        self.clear()
        for connected in ending:
            connected.noticed = True
        return ending
