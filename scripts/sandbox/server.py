"""The sandbox on a loopback port: HTTP/1.1 with keep-alive, a thread for each connection.

Every answer states its length and speaks JSON, also to those who do not speak HTTP. Only a Host
that names this machine's loopback is answered, so that no page in a browser can reach the sandbox
under a name of its own.
"""

from __future__ import annotations

import io
import re
import socket
import struct
import sys
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from sandbox.answers import Answer, Refusal
from sandbox.app import LARGEST_BODY, Sandbox

REQUEST_SECONDS = 30.0  # for a whole request to come, waiting for its first byte included
LARGEST_DRAIN = 64 * 1024 * 1024  # bytes of a refused body that are read
LOOPBACK = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
CODES = {414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE", 505: "HTTP_VERSION_NOT_SUPPORTED"}


class Server(ThreadingHTTPServer):
    """`server_port` is the port taken when 0 was asked for.

    Raises OSError if the port is in use.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: Sandbox, port: int) -> None:
        self.app = app
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks the DNS for a name that nobody needs
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class Timed(io.RawIOBase):
    """What a connection sends, until its deadline: also if it sends a byte now and then."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.deadline = 0.0

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
    server_version, sys_version = "LeadGenius-Sandbox", ""
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.timed = Timed(self.connection)
        self.rfile = io.BufferedReader(self.timed)

    def __getattr__(self, name: str) -> Any:
        """Every method is answered by the app, which knows what a path takes."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def handle_one_request(self) -> None:
        self.timed.deadline = time.monotonic() + REQUEST_SECONDS
        self.unread = 0  # bytes of the body that are left on the connection
        super().handle_one_request()

    def _respond(self) -> None:
        if self.request_version == "HTTP/0.9":
            self.send_error(400)
        elif not LOOPBACK.fullmatch(", ".join(self.headers.get_all("Host", []))):
            words = "The sandbox answers only to a Host such as 127.0.0.1 or localhost"
            self._refuse(Refusal("FORBIDDEN", words))
        else:
            answer = self.server.app.answer(self._environ())
            self.connection.settimeout(REQUEST_SECONDS)
            if answer.drop:
                self._break(answer)
            else:
                self._send(answer)

    def _environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = {"wsgi.input": io.BytesIO(self._body())}
        environ |= {"REQUEST_METHOD": self.command, "RAW_URI": self.requestline.split()[1]}
        for name in {name.lower() for name in self.headers}:
            # A doubled header is joined as HTTP has it, which makes no valid key, type or length of
            # two.
            value = ", ".join(str(one) for one in self.headers.get_all(name, []))
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
        return environ

    def _body(self) -> bytes:
        """The body.

        One that is too large or has no plain length is not read, and the connection ends.
        """
        lengths = self.headers.get_all("Content-Length", ["0"])
        stated = lengths[0] if len(lengths) == 1 and "Transfer-Encoding" not in self.headers else ""
        length = int(stated) if re.fullmatch("[0-9]{1,15}", stated) else LARGEST_DRAIN
        if length <= LARGEST_BODY:
            return self.rfile.read(length)
        self.unread, self.close_connection = length, True
        return b""

    def _send(self, answer: Answer) -> None:
        """Send an answer, then read off what was refused.

        Left unread it would be taken for the next request; and a connection that ends with unread
        bytes may take the answer with it.
        """
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
        if self.unread:
            self.connection.shutdown(socket.SHUT_WR)
        left = min(self.unread, LARGEST_DRAIN)
        while left > 0 and (part := self.rfile.read1(min(left, 65536))):
            left -= len(part)

    def _break(self, answer: Answer) -> None:
        """What a fault asks for; the connection ends in each case."""
        self.close_connection = True
        if answer.drop == "truncate":
            self._send(answer._replace(body=answer.body[: len(answer.body) // 2]))
        elif answer.drop == "stall":
            self.connection.settimeout(None)
            while self.connection.recv(65536):
                pass
        elif answer.drop == "reset":
            # Closing without lingering sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's complaints about malformed requests, in the service's own envelope."""
        self.request_version = "HTTP/1.1"
        words = "This is not a valid HTTP request"
        self._refuse(Refusal(CODES.get(code, "BAD_REQUEST"), words, status=int(code)))

    def _refuse(self, refusal: Refusal) -> None:
        """A refusal before the body is looked at.

        What follows on the connection is not a request.
        """
        self.close_connection, self.unread = True, LARGEST_DRAIN
        self._send(self.server.app.marked(refusal.answer()))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: request lines can carry what does not belong in a log."""
