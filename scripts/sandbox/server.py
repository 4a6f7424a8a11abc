"""The sandbox on a loopback port: HTTP/1.1 with keep-alive, a thread for each connection.

Every answer states its length and speaks JSON, also to those who do not speak HTTP. Only a Host that names this
machine's loopback is answered, so that no page in a browser can reach the sandbox under a name of its own.
"""

from __future__ import annotations

import io
import re
import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from sandbox.answers import Answer, Refusal
from sandbox.app import LARGEST_BODY, Sandbox

REQUEST_SECONDS = 30.0  # for a whole request to come, waiting for its first byte included
LARGEST_DRAIN = 64 * 1024 * 1024  # bytes of a refused body that are read, so that its sender gets to see the answer
LOOPBACK = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
CODES = {414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE", 505: "HTTP_VERSION_NOT_SUPPORTED"}


class Server(ThreadingHTTPServer):
    """`server_port` is the port taken when 0 was asked for. Raises OSError if the port is in use."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: Sandbox, port: int) -> None:
        self.app = app
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks the DNS for a name that nobody needs
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            traceback.print_exc(file=sys.stderr)


def serve(app: Sandbox, port: int) -> Server:
    """A server for the app on 127.0.0.1, listening; call `serve_forever()`."""
    return Server(app, port)


class Timed(io.RawIOBase):
    """What a connection sends, until its deadline: also against one that sends a byte now and then."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.restart()

    def restart(self) -> None:
        self.deadline = time.monotonic() + REQUEST_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.timed = Timed(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self.timed)

    def __getattr__(self, name: str) -> Any:
        """Every method is answered by the app, which knows what a path takes."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def handle_one_request(self) -> None:
        self.timed.restart()
        self.unread = 0  # bytes of the body that are left on the connection
        super().handle_one_request()

    def _respond(self) -> None:
        if self.request_version == "HTTP/0.9":
            self.send_error(400)
            return
        if not LOOPBACK.fullmatch(", ".join(self.headers.get_all("Host", []))):
            self._refuse(Refusal("FORBIDDEN", "The sandbox answers only to a Host such as 127.0.0.1 or localhost"))
            return
        drops: list[str] = []
        body = self._body()
        environ = {**self._environ(), "wsgi.input": io.BytesIO(body), "sandbox.drop": drops.append}
        started: list[Any] = []
        content = b"".join(self.server.app(environ, lambda *given: started.extend(given)))
        self.connection.settimeout(REQUEST_SECONDS)
        if drops:
            self._break(drops[0], started, content)
        else:
            self._send(started, content)

    def _environ(self) -> dict[str, Any]:
        environ = {"REQUEST_METHOD": self.command, "RAW_URI": self.requestline.split()[1], "wsgi.errors": sys.stderr}
        for name in {name.lower() for name in self.headers}:
            # A doubled header is joined as HTTP has it, which makes no valid key, type or length of two.
            value = ", ".join(str(one) for one in self.headers.get_all(name, []))
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
        return environ

    def _body(self) -> bytes:
        """The body; nothing of one that is too large or without a plain length, and the connection ends after it."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        stated = lengths[0] if len(lengths) == 1 and "Transfer-Encoding" not in self.headers else ""
        is_plain = stated.isascii() and stated.isdigit() and len(stated) < 16
        if is_plain and int(stated) <= LARGEST_BODY:
            return self.rfile.read(int(stated))
        self.unread = int(stated) if is_plain else LARGEST_DRAIN
        self.close_connection = True
        return b""

    def _send(self, started: list[Any], content: bytes) -> None:
        """Send an answer. What is left unread would be taken for the next request, so the connection ends."""
        status, headers = started[:2]
        self.send_response_only(int(status[:3]), status[4:])
        own = [("Server", "LeadGenius-Sandbox"), ("Date", self.date_time_string())]
        for name, value in [*own, *headers, *([("Connection", "close")] if self.close_connection else [])]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self._drain()

    def _drain(self) -> None:
        """Read off what was refused: a connection that ends with unread bytes takes the answer with it."""
        if not self.unread:
            return
        self.connection.shutdown(socket.SHUT_WR)
        left = min(self.unread, LARGEST_DRAIN)
        while left > 0 and (part := self.rfile.read1(min(left, 65536))):
            left -= len(part)

    def _break(self, how: str, started: list[Any], content: bytes) -> None:
        """What a fault asks for; the connection ends in each case."""
        self.close_connection = True
        if how == "truncate":
            self._send(started, content[: len(content) // 2])
        elif how == "stall":
            self.connection.settimeout(None)
            while self.connection.recv(65536):
                pass
        elif how == "reset":
            # Closing without lingering sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's complaints about malformed requests, in the service's own envelope."""
        self.request_version = "HTTP/1.1"
        self._refuse(Refusal(CODES.get(code, "BAD_REQUEST"), "This is not a valid HTTP request", status=int(code)))

    def _refuse(self, refusal: Refusal) -> None:
        """A refusal before the body is looked at: what follows on the connection is not a request."""
        self.close_connection, self.unread = True, LARGEST_DRAIN
        started: list[Any] = []
        answer: Answer = refusal.answer()
        content = b"".join(self.server.app.send(answer, lambda *given: started.extend(given)))
        self._send(started, content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: request lines can carry what does not belong in a log."""
