"""A server of one handler, for what no stand-in plays."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class SmallServer:
    """Answers on loopback in a thread, until it is closed."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = HTTPServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Shut it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
