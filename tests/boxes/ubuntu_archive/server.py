"""HTTP for one box: a server on this machine's end of its link, which nothing else reaches."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Server:
    """Serves what ``get`` finds.

    Attributes:
        requests: the paths that were asked for, oldest first; a test may clear it.
        down: every request is answered with 503.
        port: on the address.
    """

    def __init__(self, address: str, get: Callable[[str], bytes | None]) -> None:
        self.requests: list[str] = []
        self.down = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append(self.path)
                content = None if outer.down else get(self.path)
                self.send_response(503 if outer.down else 404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_arguments: object) -> None:
                """Say nothing: ``requests`` has it."""

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
