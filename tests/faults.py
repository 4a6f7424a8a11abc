"""A loopback server that misbehaves by plan, on plain sockets, and records what it was sent.

    with FaultServer([reset_before(), answer(body={"success": True, "data": []})]) as server:
        ...  # talk to server.origin, then look at server.requests

One step is used up per request (`reset_on_accept`: per connection). When the plan has run out its last step repeats,
or with last="ok" plain 200s follow. Answers that are whole keep the connection open; every fault and the bomb end it.
"""

from __future__ import annotations

import atexit
import gzip
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from http import HTTPStatus
from json import dumps, loads
from pathlib import Path
from typing import Any, Literal

Headers = Mapping[str, str] | Sequence[tuple[str, str]]

TLS = Path(__file__).parent / "data" / "tls"
CERTIFICATE = TLS / "test-only-cert.pem"  # self-signed, for localhost, 127.0.0.1 and ::1
REQUEST_ID = "req-fault-1"
PAGE = dumps({"success": True, "data": [{"id": f"lead_{n}", "firstName": "Ada"} for n in range(9)]}).encode()
CODES = {
    400: "VALIDATION_ERROR", 401: "UNAUTHORIZED", 409: "DUPLICATE_DETECTED", 413: "PAYLOAD_TOO_LARGE",
    429: "RATE_LIMITED", 500: "INTERNAL",
}  # fmt: skip


@dataclass
class Recorded:
    """One request, as far as it arrived. `at` is time.monotonic() of its first byte."""

    method: str = ""
    target: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)
    complete: bool = False
    applied: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return loads(self.body)

    def take(self, data: bytes) -> None:
        """Read all bytes received so far. Bodies are measured by Content-Length; chunked ones are not read."""
        head, end, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target = [*first.split(" "), "", ""][:2]
        self.headers = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
        length = int(self.header("Content-Length") or 0) if end else 0
        self.body = body[:length]
        self.complete = bool(end) and len(body) >= length


class Stopped(Exception):
    """The server is closing while a step waits."""


@dataclass
class Wire:
    """A connection with a request read from it. `last`: the answer should say that the connection closes."""

    sock: socket.socket
    stopping: threading.Event
    last: bool = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def pause(self, seconds: float | None) -> None:
        if self.stopping.wait(seconds):
            raise Stopped


Run = Callable[[Wire], bool]  # whether the connection may carry another request


@dataclass(frozen=True)
class Step:
    """What to do with one request (with `on_accept`: with a new connection)."""

    run: Run
    on_accept: bool = False
    applied: bool = False


def _head(status: int, *headers: Headers) -> bytes:
    """Status line and headers, as UTF-8; a later group replaces the names it shares with an earlier one."""
    kept: list[tuple[str, str]] = []
    for group in headers:
        pairs = list(group.items()) if isinstance(group, Mapping) else list(group)
        names = {name.lower() for name, _ in pairs}
        kept = [pair for pair in kept if pair[0].lower() not in names] + pairs
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in kept)]
    return "\r\n".join([*lines, "", ""]).encode()


def _page_head(**framing: object) -> bytes:
    return _head(200, {"Content-Type": "application/json"}, {k.replace("_", "-"): str(v) for k, v in framing.items()})


# How an answer that is not whole ends


def _close(wire: Wire) -> bool:
    return False


def _reset(wire: Wire) -> bool:
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing now sends RST, not FIN
    return False


def _reset_soon(wire: Wire) -> bool:
    wire.pause(0.02)  # some systems drop what was not yet read when a reset arrives
    return _reset(wire)


def _reset_when_it_speaks(wire: Wire) -> bool:
    select.select([wire.sock], [], [], 0.05)  # a reset at once would at times reach the client while it still connects
    return _reset(wire)


def _stall(wire: Wire) -> bool:
    wire.pause(None)
    return False


def _drip(piece: bytes, interval: float) -> Run:
    def run(wire: Wire) -> bool:
        while True:
            wire.pause(interval)
            wire.send(piece)

    return run


def _send_then(data: bytes, end: Run) -> Step:
    def run(wire: Wire) -> bool:
        wire.send(data)
        return end(wire)

    return Step(run)


# Steps: whole answers


def answer(
    status: int = 200, body: object = b"", headers: Headers = (), content_type: str = "application/json"
) -> Step:
    """A whole answer: bytes and str go out as they are, anything else as JSON. There is no Date unless given."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else dumps(body)).encode()
    bare = status == 204 or status == 304
    framing = {} if bare else {"Content-Type": content_type, "Content-Length": str(len(raw))}

    def run(wire: Wire) -> bool:
        closing = {"Connection": "close"} if wire.last else {}
        head = _head(status, framing, headers, closing)
        wire.send(head + (b"" if bare else raw))
        return b"\r\nConnection: close\r\n" not in head

    return Step(run)


def ok() -> Step:
    """200 with an empty list: what a plan that has run out answers."""
    return answer(body={"success": True, "data": []})


def status(code: int, headers: Headers = (), name: str | None = None) -> Step:
    """The API's own error envelope under this status; `name` is the error code in it, by default the usual one."""
    known = HTTPStatus(code) if code in set(HTTPStatus) else None
    named = name or CODES.get(code) or (known.name if known else f"HTTP_{code}")
    sentence = known.phrase if known else f"Status {code}"
    return answer(code, {"success": False, "error": sentence, "code": named, "requestId": REQUEST_ID}, headers)


def too_many(
    retry_after: str | int | None, json: bool = True, headers: Headers = (), window: str | None = "minute"
) -> Step:
    """429 with Retry-After as given, unchecked (None: without); json=False: a proxy's HTML instead of the envelope."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    pairs += [] if retry_after is None else [("Retry-After", str(retry_after))]
    if not json:
        return html(429, pairs)
    sentence = "Rate limit exceeded" + (f" ({window} window)" if window else "")
    return answer(429, {"success": False, "error": sentence, "code": CODES[429], "requestId": REQUEST_ID}, pairs)


def redirect(status: int, location: str) -> Step:
    """A 3xx with Location and an empty body."""
    return answer(status, headers={"Location": location})


def html(status: int = 200, headers: Headers = ()) -> Step:
    """A web page where JSON is due, as from a proxy or a sign-in portal."""
    return answer(status, "<!doctype html><title>Gateway</title><p>Not the API.", headers, "text/html; charset=utf-8")


def empty(status: int = 204) -> Step:
    """No body: under 204 no length either, else Content-Length: 0."""
    return answer(status)


def broken_json() -> Step:
    """200, all bytes promised arrive, and they are not JSON to the end."""
    return answer(body='{"success": true, "data": [{"id": "lead_1",}')


def broken_gzip() -> Step:
    """Content-Encoding: gzip over a right gzip header and impossible contents; the length is right."""
    return answer(body=gzip.compress(b"")[:10] + b"\xff" * 64, headers={"Content-Encoding": "gzip"})


def truncated_gzip() -> Step:
    """A gzip stream without its end under a length that fits what is sent: only the decoder can notice."""
    return answer(body=gzip.compress(PAGE)[:-30], headers={"Content-Encoding": "gzip"})


def gzip_bomb(megabytes: int) -> Step:
    """A kilobyte on the wire for each megabyte of blanks, then an empty list: valid JSON for whoever inflates it."""
    block, tail = gzip.compress(b" " * 1_048_576), gzip.compress(b'{"success": true, "data": []}')
    start = _page_head(Content_Encoding="gzip", Content_Length=megabytes * len(block) + len(tail), Connection="close")

    def run(wire: Wire) -> bool:
        wire.send(start)
        for _ in range(megabytes):
            wire.send(block)
        wire.send(tail)
        return False

    return Step(run)


def oversized_headers(count: int = 200, length: int = 70_000) -> Step:
    """A 200 with `count` headers and one more whose value has `length` characters (0: without)."""
    many = [(f"X-Many-{n}", "x") for n in range(count)]
    return answer(body=PAGE, headers=[*many, *([("X-Long", "x" * length)] if length else [])])


def slow(seconds: float, then: Step) -> Step:
    """Nothing for a while, then the other step."""

    def run(wire: Wire) -> bool:
        wire.pause(seconds)
        return then.run(wire)

    return replace(then, run=run)


def applied(step: Step) -> Step:
    """The same on the wire; the request is marked `applied`: the change happened, whatever the client gets to see."""
    return replace(step, applied=True)


# Steps: faults


def reset_on_accept() -> Step:
    """RST at the client's first byte, before TLS, with nothing read. Takes a connection, not a request."""
    return Step(_reset_when_it_speaks, on_accept=True)


def reset_before() -> Step:
    """RST after the whole request was read, without an answer."""
    return Step(_reset)


def close_before() -> Step:
    """FIN after the whole request was read, without an answer."""
    return Step(_close)


def stall() -> Step:
    """The request is read; then nothing, and the connection stays open until the server stops."""
    return Step(_stall)


def stall_body(sent_bytes: int) -> Step:
    """Headers of a whole page and its first bytes; then nothing."""
    return _send_then(_page_head(Content_Length=len(PAGE)) + PAGE[:sent_bytes], _stall)


def drip_body(interval: float = 0.01) -> Step:
    """Headers of a huge JSON body, then one blank of it per interval without end."""
    return _send_then(_page_head(Content_Length=10**9), _drip(b" ", interval))


def drip_headers(interval: float = 0.01) -> Step:
    """A status line and a header that grows by one character per interval without end."""
    return _send_then(b"HTTP/1.1 200 OK\r\nX-Drip: ", _drip(b"x", interval))


def drip_continue(interval: float = 0.01) -> Step:
    """`HTTP/1.1 100 Continue` once per interval without end."""
    return Step(_drip(b"HTTP/1.1 100 Continue\r\n\r\n", interval))


def reset_body() -> Step:
    """Headers and half of the page they promise, then RST."""
    return _send_then(_page_head(Content_Length=len(PAGE)) + PAGE[: len(PAGE) // 2], _reset_soon)


def truncate_with_length() -> Step:
    """Headers and half of the page they promise, then FIN."""
    return _send_then(_page_head(Content_Length=len(PAGE)) + PAGE[: len(PAGE) // 2], _close)


def truncate_without_length() -> Step:
    """A page of unstated length cut after a whole row, then FIN: only the JSON tells that the rest is missing."""
    return _send_then(_page_head(Connection="close") + PAGE[: PAGE.index(b"}") + 1], _close)


def chunk_cut_short() -> Step:
    """A chunk that states the page's length and holds half of it, then FIN."""
    return _send_then(_page_head(Transfer_Encoding="chunked") + b"%x\r\n" % len(PAGE) + PAGE[: len(PAGE) // 2], _close)


def not_http() -> Step:
    """Bytes that are no HTTP, then FIN."""
    return _send_then(b"\x00\xffSSH-2.0-not http\r\n\r\n", _close)


@cache
def closed_port() -> str:
    """An origin that refuses every connection: its port is bound, so nobody else can take it, and never listens."""
    sock = socket.socket()
    atexit.register(sock.close)
    sock.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


# The servers


class FaultServer:
    """See the top of this file. With listening=False connections are refused until `listen()` is called."""

    def __init__(
        self,
        plan: Sequence[Step] = (),
        last: Literal["repeat", "ok"] = "repeat",
        tls: bool = False,
        listening: bool = True,
    ) -> None:
        self._plan = deque([*plan, ok()] if last == "ok" or not plan else plan)
        self._tls, self._listening = tls, listening
        self._changed = threading.Condition()  # guards everything below
        self._requests: list[Recorded] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self.connections = 0
        self.bytes_received = 0  # under TLS: of what the client encrypted, so an aborted handshake counts none

    def __enter__(self) -> FaultServer:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited: each dripped byte goes out
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        if self._listening:
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._threads:
            socket.create_connection(("127.0.0.1", self.port)).close()  # wakes accept()
            self._threads[0].join()
        self._listener.close()
        with self._changed:
            for sock in self._open:
                with suppress(OSError):  # SSLSocket's own shutdown would drop its state under the thread that uses it
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def listen(self) -> None:
        self._listener.listen(128)
        self._start(self._accept)

    @property
    def requests(self) -> list[Recorded]:
        """Every request in order of its first byte, answered or not, whole or not: copies, as of now."""
        with self._changed:
            return [replace(request) for request in self._requests]

    def wait_for(self, count: int, timeout: float = 5) -> bool:
        """Wait until so many requests have arrived whole; False when they do not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: sum(r.complete for r in self._requests) >= count, timeout)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        context = _tls_context() if self._tls else None
        while True:
            sock, _ = self._listener.accept()
            if self._stopping.is_set():
                return sock.close()
            with self._changed:
                self.connections += 1
            if step := self._take(connecting=True):
                with suppress(OSError), sock:
                    step.run(Wire(sock, self._stopping))
                continue
            if context:
                sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with self._changed:
                self._open.add(sock)
            self._start(self._serve, sock)

    def _take(self, connecting: bool) -> Step | None:
        """Use up the next step; while connecting only if it is one for connections."""
        with self._changed:
            if connecting and not self._plan[0].on_accept:
                return None
            return self._plan.popleft() if len(self._plan) > 1 else self._plan[0]

    def _serve(self, sock: socket.socket) -> None:
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            while self._exchange(sock):
                pass
        except (OSError, Stopped):
            pass  # either side has left: the record tells the rest
        finally:
            with self._changed:
                self._open.discard(sock)
            sock.close()

    def _exchange(self, sock: socket.socket) -> bool:
        """One request and what the plan does with it; False when the connection is done."""
        request = self._receive(sock)
        step = self._take(connecting=False) if request else None
        if request is None or step is None:
            return False
        with self._changed:
            request.applied = step.applied
            last = self._plan[0].on_accept or (request.header("Connection") or "").lower() == "close"
        return step.run(Wire(sock, self._stopping, last))

    def _receive(self, sock: socket.socket) -> Recorded | None:
        """Record a request while it arrives; None when the client leaves before its end."""
        data, request = b"", Recorded()
        while not request.complete:
            more = sock.recv(65536)
            if not more:
                return None
            data += more
            with self._changed:
                if data == more:
                    request.at = time.monotonic()
                    self._requests.append(request)
                self.bytes_received += len(more)
                request.take(data)
                self._changed.notify_all()
        return request


class Recorder(FaultServer):
    """Plain 200s for everybody: a target that must never see a byte (`connections`, `bytes_received`)."""


class ProxyServer(FaultServer):
    """Records CONNECT and absolute-form requests (`target` is as it was sent) and refuses them, by default with 407."""

    def __init__(self, status: int = 407) -> None:
        super().__init__([html(status, {"Proxy-Authenticate": 'Basic realm="proxy"', "Connection": "close"})])


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, TLS / "test-only-key.pem")
    return context
