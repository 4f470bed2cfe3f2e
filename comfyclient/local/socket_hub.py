"""The websockets: who is connected, and one queue that feeds them all."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from aiohttp import ClientError, WSMsgType, web

from .versions import Behaviour


class BinaryEvent(IntEnum):
    """The number that opens a binary frame."""

    PREVIEW = 1
    TEXT = 3
    PREVIEW_WITH_METADATA = 4


@dataclass(slots=True, eq=False)
class _Connection:
    socket: web.WebSocketResponse
    request: web.Request
    flags: Any = field(default_factory=dict)
    """What the client said in feature_flags; any JSON, as the server never checks."""


class SocketHub:
    """Sends messages to sids from any thread, strictly in order.

    As in ComfyUI, one loop feeds all sockets and waits for each: a client that stops
    reading holds up the others.
    """

    def __init__(self, *, behaviour: Behaviour, features: dict[str, Any]) -> None:
        self._behaviour = behaviour
        self._features = features
        self._connections: dict[str, _Connection] = {}
        self._everyone: list[_Connection] = []
        self._outgoing: asyncio.Queue[tuple[str | None, str | bytes]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publisher: asyncio.Task[None] | None = None
        self.client_id: str | None = None
        """Whose prompt is running, or ran last."""
        self.running_node: str | None = None

    def start(self) -> None:
        """Begin to deliver; called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._publisher = self._loop.create_task(self._publish())

    async def stop(self) -> None:
        """Drop every socket as a killed server does, without a closing frame."""
        for connection in self._everyone:
            if connection.request.transport is not None:
                connection.request.transport.abort()
        if self._publisher is not None:
            self._publisher.cancel()
            with suppress(asyncio.CancelledError):
                await self._publisher

    def post(self, kind: str, data: dict[str, Any], *, sid: str | None) -> None:
        """Send a text message to one sid, or to everyone; from any thread.

        Raises:
            TypeError: the data holds something that JSON cannot.
        """
        self._enqueue(sid, json.dumps({"type": kind, "data": data}))

    def post_binary(self, event: BinaryEvent, body: bytes, *, sid: str | None) -> None:
        """Send a binary message to one sid, or to everyone; from any thread."""
        self._enqueue(sid, struct.pack(">I", event) + body)

    def is_heard(self, sid: str | None) -> bool:
        """Whether a message to this sid, or to everyone, has a taker now."""
        return bool(self._connections) if sid is None else sid in self._connections

    def wants_preview_metadata(self, sid: str | None) -> bool:
        """Whether a client asked for previews that name their prompt."""
        connection = None if sid is None else self._connections.get(sid)
        if connection is None or not self._behaviour.feature_flags:
            return False
        # Flags that are no object raise here, inside the prompt: so does the server.
        return connection.flags.get("supports_preview_metadata") is True

    async def serve(
        self, request: web.Request, *, queue_status: dict[str, Any]
    ) -> web.WebSocketResponse:
        """Hold one websocket until it closes."""
        socket = web.WebSocketResponse()
        sid = request.query.get("clientId") or uuid.uuid4().hex
        await socket.prepare(request)
        connection = _Connection(socket, request)
        self._connections[sid] = connection
        self._everyone.append(connection)
        try:
            await self._greet(socket, sid, queue_status=queue_status)
            await self._listen(connection)
        finally:
            # Not only its own: the server unregisters whoever holds the sid by now.
            self._connections.pop(sid, None)
            self._everyone.remove(connection)
        return socket

    async def _greet(
        self, socket: web.WebSocketResponse, sid: str, *, queue_status: dict[str, Any]
    ) -> None:
        data = {"status": queue_status, "sid": sid}
        with suppress(ConnectionError, ClientError):
            await socket.send_str(json.dumps({"type": "status", "data": data}))
            if sid == self.client_id and self.running_node is not None:
                data = {"node": self.running_node}
                await socket.send_str(json.dumps({"type": "executing", "data": data}))

    async def _listen(self, connection: _Connection) -> None:
        may_tell_flags = self._behaviour.feature_flags
        async for message in connection.socket:
            if message.type is WSMsgType.ERROR:
                break
            if not may_tell_flags or message.type is not WSMsgType.TEXT:
                continue
            try:
                told = json.loads(message.data)
            except (ValueError, RecursionError):
                continue
            if not isinstance(told, dict):
                continue
            may_tell_flags = False
            if told.get("type") == "feature_flags":
                connection.flags = told.get("data", {})
                answer = {"type": "feature_flags", "data": self._features}
                with suppress(ConnectionError, ClientError):
                    await connection.socket.send_str(json.dumps(answer))

    def _enqueue(self, sid: str | None, payload: str | bytes) -> None:
        if self._loop is None:
            return
        with suppress(RuntimeError):  # the loop is closed: nobody is listening
            self._loop.call_soon_threadsafe(self._outgoing.put_nowait, (sid, payload))

    async def _publish(self) -> None:
        while True:
            sid, payload = await self._outgoing.get()
            if sid is None:
                takers = list(self._connections.values())
            else:
                takers = [each for each in [self._connections.get(sid)] if each]
            for taker in takers:
                with suppress(ConnectionError, ClientError, RuntimeError):
                    if isinstance(payload, str):
                        await taker.socket.send_str(payload)
                    else:
                        await taker.socket.send_bytes(payload)
