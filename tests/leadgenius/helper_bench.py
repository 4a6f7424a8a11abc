"""A time that passes only by sleeping, a client over planned answers, and a server that misbehaves
on real sockets.
"""

import contextlib
import http.client
import math
import socket
import ssl
import struct
import threading
from pathlib import Path

import pytest
from requests.structures import CaseInsensitiveDict

from leadgenius.client import Client
from leadgenius.errors import LeadGeniusError
from leadgenius.keys import Keys
from leadgenius.retry import Answer, Failure
from leadgenius.scopes import PRODUCTION
from leadgenius.settings import Settings, Window

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


class Limiter:
    """A limiter that records what it is asked. `acts`: what an acquire does instead, by its
    number.
    """

    def __init__(self):
        self.acts, self.acquired, self.settled, self.pauses = {}, [], [], []

    def acquire(self, credential, *, max_wait, hold):
        self.acquired.append((credential, max_wait))
        self.acts.get(len(self.acquired), lambda: None)()
        return len(self.acquired)

    def settle(self, credential, slot, headers):
        self.settled.append(slot)

    def penalize(self, credential, seconds):
        self.pauses.append(seconds)


class Planned:
    """A transport that answers from a list, the last entry again and again; an exception is
    raised.
    """

    def __init__(self, plan):
        self.plan, self.sent, self.timeouts = plan, [], []

    def send(self, request, timeout):
        self.sent.append(request)
        self.timeouts.append(timeout)
        found = self.plan[min(len(self.sent), len(self.plan)) - 1]
        if isinstance(found, BaseException):
            raise found
        self.last = found
        return found


def ok(body=None):
    return Answer(200, {}, body)


def failed(kind, status=None, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Failure(kind, status, CaseInsensitiveDict(named), body)


def throw(error):
    """What raises the error when it is called."""

    def act(*_):
        raise error

    return act


class Bench:
    """A client over planned answers, and all that it touches."""

    def __init__(self, plan, settings=(), dry_run=False, end=math.inf):
        self.time, self.limiter, self.transport = Time(), Limiter(), Planned(plan)
        settings = Settings(rate_limits=(Window(60, 60.0),), timeout=5.0, **dict(settings))
        environ = {} if dry_run else {"LGP_API_KEY": KEY, "LGP_AMPLIFY_API_KEY": "da2-canary"}
        self.notes = []
        note = lambda *words: self.notes.append(words)  # noqa: E731
        keys = Keys(environ, settings._replace(base_url=PRODUCTION), note)
        given = {"agent": "leadgenius-skill", "dry_run": dry_run, "end": end, "adapter": None}
        self.client = Client(keys, settings, note, None, **given)
        self.client.transport, self.client.limiter = self.transport, self.limiter

    def error(self, method="GET", endpoint="/campaigns/c1", body=None):
        with pytest.raises(LeadGeniusError) as caught:
            self.client.call(method, endpoint, body=body)
        return caught.value


class Raw:
    """A server whose connections are answered by steps, one each, the last again and again. `seen`
    are the requests: first line, headers, body.
    """

    def __init__(self, steps, tls=False):
        self.steps, self.seen, self.stopping = steps, [], threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if self.context:
            self.context.load_cert_chain(TLS / "test-only-cert.pem", TLS / "test-only-key.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http{'s' * tls}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = []
        self.begin(self.accept)

    def begin(self, target, *arguments):
        self.threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self.threads[-1].start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.begin(self.serve, self.listener.accept()[0])

    def serve(self, sock):
        with contextlib.suppress(OSError), sock:
            sock = self.context.wrap_socket(sock, server_side=True) if self.context else sock
            with sock, sock.makefile("rb") as file:
                line, headers = file.readline(), http.client.parse_headers(file)
                self.seen.append((line, headers, file.read(int(headers["Content-Length"] or 0))))
                self.steps[min(len(self.seen), len(self.steps)) - 1](sock, self.stopping)

    def stop(self):
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(2)


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
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close", *headers]
    framing = [] if size < 0 else [f"Content-Length: {size}"]
    return "\r\n".join([*lines, *framing, "", ""]).encode() + body


METHODS = ("GET", "PUT", "DELETE", "POST")
ALL, SAFE, NONE = set(METHODS), {"GET", "PUT", "DELETE"}, set()
EIGHT = {"GET": 7, "PUT": 8, "DELETE": 8, "POST": 8}


def same(code):
    return dict.fromkeys(METHODS, code)


# what happened, who may send again after the first attempt, the exit code by method
TABLE = [
    (failed("connect"), ALL, same(6)),
    (failed("tls"), NONE, same(9)),
    (failed("proxy"), NONE, same(9)),
    (failed("no_answer"), SAFE, EIGHT),
    (failed("not_json", 200), NONE, EIGHT),
    (failed("broken_json", 200), SAFE, EIGHT),
    (failed("too_large", 200), NONE, EIGHT),
    (failed("status", 401), NONE, same(3)),
    (failed("status", 403), NONE, same(3)),
    (failed("status", 400), NONE, same(4)),
    (failed("status", 404), NONE, same(4)),
    (failed("status", 409), NONE, same(4)),
    (failed("status", 200, {"error": "no"}), NONE, same(4)),
    (failed("status", 303), NONE, {**same(4), "POST": 8}),
    (failed("status", 308, Retry_After="1"), NONE, same(4)),
    (failed("status", 429, Retry_After="3"), ALL, same(5)),
    (failed("status", 503), SAFE, EIGHT),
    (failed("status", 503, Retry_After="-1"), SAFE, EIGHT),
    (failed("status", 503, {"page": "of a proxy"}, Retry_After="3"), SAFE, EIGHT),
    (failed("status", 503, {"error": "no"}, Retry_After="0"), ALL, EIGHT),
    (failed("status", 500, {"error": "no"}, Retry_After="3"), SAFE, EIGHT),
]
