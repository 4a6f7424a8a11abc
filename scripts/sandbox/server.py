"""The sandbox on a loopback port: HTTP/1.1 with keep-alive, a thread for each connection.

`wsgiref` closes after each request and answers in HTML; this server always states a length and speaks JSON, also to
those who do not speak HTTP.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from socketserver import TCPServer
from typing import Any

from sandbox.answers import Refusal
from sandbox.app import Sandbox

CONNECTION_SECONDS = 120.0  # for a whole request to come, counted from the answer before it
LARGEST_DRAIN = 64 * 1024 * 1024  # bytes of a refused body that are read, so that its sender gets to see the answer
LONGEST_LINE = 65536
CODES = {414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE", 505: "HTTP_VERSION_NOT_SUPPORTED"}


class Body:
    """At most the stated bytes of a stream, so that a handler cannot read into the next request."""

    def __init__(self, stream: BufferedIOBase, length: int) -> None:
        self.stream = stream
        self.left = length

    def read(self, size: int = -1) -> bytes:
        wanted = self.left if size < 0 else min(size, self.left)
        found = self.stream.read(wanted) if wanted else b""
        self.left = self.left - len(found) if len(found) == wanted else 0
        return found


class Server(ThreadingHTTPServer):
    """`server_port` tells the port when 0 was asked for. `server_close` also ends the connections that are open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: Sandbox, port: int) -> None:
        self.app = app
        self.began: dict[socket.socket, float] = {}  # connections that owe us a request, and since when
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks the DNS for a name that nobody needs
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def service_actions(self) -> None:
        """End connections that owe a request too long: also those that drip a byte now and then."""
        limit = time.monotonic() - CONNECTION_SECONDS
        for connection, since in list(self.began.items()):
            if since < limit:
                _hang_up(connection)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.open):
            _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            traceback.print_exc(file=sys.stderr)


def serve(app: Sandbox, port: int) -> Server:
    """A server for the app on 127.0.0.1, listening; call `serve_forever()`. Raises OSError if the port is taken."""
    return Server(app, port)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CONNECTION_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        self.server.began.pop(self.connection, None)
        with suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """Read one request and answer it, whatever its method."""
        self.server.began[self.connection] = time.monotonic()
        self.close_connection = True
        with suppress(ConnectionError, TimeoutError):
            self.raw_requestline = self.rfile.readline(LONGEST_LINE + 1)
            if len(self.raw_requestline) > LONGEST_LINE:
                self.requestline, self.request_version, self.command = "", "HTTP/1.1", ""
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
            elif self.raw_requestline and self.parse_request():
                self._respond()

    def _respond(self) -> None:
        if self.request_version == "HTTP/0.9":
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        body = Body(self.rfile, self._length())
        environ = self._environ(body)
        drops: list[str] = []
        environ["sandbox.drop"] = drops.append
        told: list[Any] = []
        content = b"".join(self.server.app(environ, lambda *status_and_headers: told.extend(status_and_headers)))
        self.server.began.pop(self.connection, None)
        if drops:
            self._break(drops[0], told, content)
        else:
            # What is left unread would be taken for the next request.
            self.close_connection = self.close_connection or body.left > 0 or self._is_unmeasured()
            self._send(told[0], told[1], content)
            self._drain(body)

    def _environ(self, body: Body) -> dict[str, Any]:
        target = self.requestline.split()[1]
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": self.command,
            "RAW_URI": target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name in {name.lower() for name in self.headers}:
            # A doubled header is joined as HTTP has it, which makes no valid key, type or length of two.
            value = ", ".join(str(one) for one in self.headers.get_all(name, []))
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
        return environ

    def _length(self) -> int:
        stated = self.headers.get("Content-Length", "")
        return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 16 else 0

    def _is_unmeasured(self) -> bool:
        """Whether a body of unknown length may follow: chunked, or with a length that is doubled or no number."""
        lengths = self.headers.get_all("Content-Length", [])
        odd = len(lengths) > 1 or not all(one.isascii() and one.isdigit() for one in lengths)
        return odd or "Transfer-Encoding" in self.headers

    def _send(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        self.wfile.write(self._head(status, headers) + content)

    def _head(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        own = [("Server", "LeadGenius-Sandbox"), ("Date", formatdate(usegmt=True))]
        own += [("Connection", "close")] if self.close_connection else []
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in [*own, *headers]), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _drain(self, body: Body) -> None:
        if not body.left:
            return
        self.server.began[self.connection] = time.monotonic()
        self.connection.shutdown(socket.SHUT_WR)
        body.left = min(body.left, LARGEST_DRAIN)
        while body.read(LONGEST_LINE):
            pass

    def _break(self, how: str, told: list[Any], content: bytes) -> None:
        """What a fault asks for; the connection ends in each case."""
        self.close_connection = True
        if how == "truncate":
            self.wfile.write(self._head(told[0], told[1]) + content[: len(content) // 2])
        elif how == "stall":
            self.connection.settimeout(None)
            while self.connection.recv(LONGEST_LINE):
                pass
        elif how == "reset":
            # Closing without lingering sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.server.open.discard(self.connection)
            self.server.began.pop(self.connection, None)
            self.rfile.close()
            self.connection.close()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's complaints about malformed requests, in the service's own envelope."""
        self.close_connection = True
        refusal = Refusal(CODES.get(code, "BAD_REQUEST"), "This is not a valid HTTP request", status=int(code))
        told: list[Any] = []
        content = b"".join(self.server.app.answer(refusal.answer(), lambda *given: told.extend(given)))
        self._send(told[0], told[1], content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: request lines can carry what does not belong in a log."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
