"""A time that passes only by sleeping, a client over planned answers, and a server that misbehaves
on real sockets.
"""

import http.client
import itertools
import math
import socket
import socketserver
import ssl
import struct
import threading
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from requests.structures import CaseInsensitiveDict

from leadgenius.client import Client
from leadgenius.errors import LeadGeniusError
from leadgenius.keys import Keys
from leadgenius.ratelimit import RateLimiter
from leadgenius.retry import Answer
from leadgenius.scopes import PRODUCTION
from leadgenius.settings import Settings

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
KEY = "lgp_canary_of_the_tests"
TLS = Path(__file__).parent / "data" / "tls"


class Time:
    """What the module `time` offers; `slept` holds every sleep."""

    def __init__(self):
        self.slept = []
        self.now = NOW

    def time(self):
        return self.now

    def monotonic(self):
        return self.now - NOW + 1000

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Planned:
    """A transport that answers from a list, the last entry again and again: an Answer, the body of
    a success, or an exception to raise.
    """

    def __init__(self, plan):
        self.plan, self.sent, self.timeouts = plan, [], []

    def send(self, request, timeout):
        self.sent.append(request)
        self.timeouts.append(timeout)
        found = self.plan[min(len(self.sent), len(self.plan)) - 1]
        if isinstance(found, BaseException):
            raise found
        self.last = found if isinstance(found, Answer) else Answer("", 200, {}, found)
        return self.last


def failed(what, body=None, **headers):
    """A failure of this kind, or of this status."""
    kind, status = ("status", what) if isinstance(what, int) else (what, None)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(kind, status, CaseInsensitiveDict(named), body)


def throw(error):
    """What raises the error when it is called."""

    def act(*_):
        raise error

    return act


class Bench(Client):
    """A client over planned answers; what it did is in `sent`, `time`, `notes` and `limiter`."""

    def __init__(self, plan, settings=(), dry_run=False, end=math.inf):
        self.time, self.transport, self.notes = Time(), Planned(plan), []
        self.sent, self.limiter = self.transport.sent, create_autospec(RateLimiter, instance=True)
        self.limiter.acquire.side_effect = itertools.count(1)
        settings = Settings(PRODUCTION, timeout=5.0, **dict(settings))
        environ = {} if dry_run else {"LGP_API_KEY": KEY, "LGP_AMPLIFY_API_KEY": "da2-canary"}
        note = lambda *words: self.notes.append(words)  # noqa: E731
        keys, more = Keys(environ, settings, note), {"dry_run": dry_run, "end": end}
        super().__init__(keys, settings, note, Path(), agent="me", adapter=None, **more)

    def error(self, method="GET", endpoint="/campaigns/c1", body=None):
        with pytest.raises(LeadGeniusError) as caught:
            self.call(method, endpoint, body=body)
        return caught.value

    def second(self, method):
        """The second argument of every call of a method of the limiter."""
        return [call.args[1] for call in getattr(self.limiter, method).call_args_list]


def serve(sock, _, server):
    sock = server.context.wrap_socket(sock, server_side=True) if server.context else sock
    with sock, sock.makefile("rb") as file:
        line, headers = file.readline(), http.client.parse_headers(file)
        server.seen.append((line, headers, file.read(int(headers["Content-Length"] or 0))))
        server.steps[min(len(server.seen), len(server.steps)) - 1](sock, server.stopping)


class Raw(socketserver.ThreadingTCPServer):
    """A server whose connections are answered by steps, one each, the last again and again. `seen`
    are the requests: first line, headers, body.
    """

    daemon_threads = True

    def __init__(self, steps, tls=False):
        super().__init__(("127.0.0.1", 0), serve)
        self.steps, self.seen, self.stopping = steps, [], threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if tls:
            self.context.load_cert_chain(TLS / "test-only-cert.pem", TLS / "test-only-key.pem")
        self.origin = f"http{'s' * tls}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_):
        """The client went away, which the tests make it do."""

    def stop(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()


def send(data, then="close"):
    """A step: send bytes, then close, reset, stall, or drip the last byte without end."""

    def step(sock, stopping):
        sock.sendall(data)
        if then == "reset":
            stopping.wait(0.02)  # what was not read yet may be dropped with the reset
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if then == "stall":
            stopping.wait()
        while then.startswith("drip ") and not stopping.wait(0.01):
            sock.sendall(then[5:].encode())

    return step


def page(body=b'{"data": []}', *headers, status="200 OK", length=None):
    """A whole answer, or one whose stated length is another."""
    size = len(body) if length is None else length
    framing = [] if size < 0 else [f"Content-Length: {size}"]
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join([*lines, *headers, *framing, "", ""]).encode() + body


METHODS = ("GET", "PUT", "DELETE", "POST")
SAFE = METHODS[:3]

# what happened, who sends again, the exit code that is left: 7 of a change is 8
TABLE = [
    (failed("connect"), METHODS, 6),
    (failed("tls"), (), 9),
    (failed("proxy"), (), 9),
    (failed("no_answer"), SAFE, 7),
    (failed("not_json"), (), 7),
    (failed("broken_json"), SAFE, 7),
    (failed("too_large"), (), 7),
    (failed(401), (), 3),
    (failed(403), (), 3),
    (failed(400), (), 4),
    (failed(404), (), 4),
    (failed(409), (), 4),
    (failed(200, {"error": "no"}), (), 4),
    (failed(303), (), 4),  # but 8 of a POST
    (failed(308, Retry_After="1"), (), 4),
    (failed(429, Retry_After="3"), METHODS, 5),
    (failed(503), SAFE, 7),
    (failed(503, {"page": "of a proxy"}, Retry_After="-1"), SAFE, 7),
    (failed(503, {"error": "no"}, Retry_After="0"), METHODS, 7),
    (failed(500, {"error": "no"}, Retry_After="3"), SAFE, 7),
]
