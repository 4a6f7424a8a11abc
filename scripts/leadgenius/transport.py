"""One attempt of one request: ended by a deadline, and knowing whether anything was sent.

Nothing here decides whether to send again (retry.py).
"""

import json
import math
import os
import re
import socket
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from threading import Event, Thread, current_thread
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from leadgenius.answers import dig
from leadgenius.errors import UsageError
from leadgenius.retry import Answer, Headers, Request
from leadgenius.scopes import is_loopback

CONNECT_SECONDS = 5.0
MAX_BODY = 64 * 1024 * 1024  # bytes, decoded
LAST_SECONDS = 10.0  # that an interrupted change gets to answer
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_REASON = re.compile(  # what is said of an error: nothing but these words of its text
    "unable to connect to proxy|connection (refused|reset|broken)|timed out|failed to resolve"
    r"|network is unreachable|no route to host|closed connection|\[ssl: \w+\]"
)


class Attempt(Thread):
    """One request, in a thread that a deadline can leave behind. Once cancelled it sends nothing
    more, so "not sent" stays true.
    """

    sent: bool
    done: Event  # because an interrupted `join` takes the thread for ended
    cancelled = False
    sock: socket.socket | None = None
    result: Answer | Exception | None = None

    def outcome(self) -> Answer:
        """How it ended; one that has not ended yet is cancelled."""
        self.cancelled = True  # before `sent` is read: see _Watched
        error = self.result
        if isinstance(error, Answer):
            return error
        if self.sock:
            with suppress(OSError):  # not SSLSocket's own shutdown: not thread-safe
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        words, kind = str(error or "timed out"), "connect"
        if self.sent:
            kind = "no_answer"
        elif isinstance(error, ValueError):  # requests' InvalidURL and InvalidSchema
            kind = "proxy"
        elif re.search("certificate |X509|PermissionError", words):  # no host's name has these
            kind = "tls"
        found = _REASON.search(words.lower())
        return Answer(kind, detail=found[0] if found else "connection failed")


class _Watched(HTTPConnection):
    """Marks its attempt as sent before the first byte of the request goes out. A deadline that
    passes meanwhile cancels first and then looks whether it was sent: one of the two sees the
    other.
    """

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        attempt: Any = current_thread()
        attempt.sock, attempt.sent = self.sock, True
        if attempt.cancelled:
            raise TimeoutError("the deadline has passed")
        super().endheaders(*args, **kwargs)


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """requests' adapter over watched connections. It does not retry: that would pass by the
    limiter.
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _WatchedTLS if pool.scheme == "https" else _Watched
        return pool


class Transport:
    """One session to one origin. `send` makes one attempt and never repeats it.

    The variables of proxies and certificates count. `adapter` answers instead of the network.
    `last` is how the latest attempt ended, interrupted or not.
    """

    last: Answer

    def __init__(self, origin: str, adapter: BaseAdapter | None = None) -> None:
        self._embedded = bool(adapter)
        self._session = session = requests.Session()
        self.close = session.close
        session.mount(origin, adapter or _Adapter())
        # Never a proxy for this machine; and .netrc would replace our header without an `auth`.
        session.trust_env = not is_loopback(origin)
        session.auth = lambda request: request
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Even without following, requests would read the body of a redirect without a bound.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        session.verify = next(filter(None, map(os.environ.get, _CERTIFICATES)), True)

    def send(self, request: Request, timeout: float) -> Answer:
        """How it ended, within `timeout` seconds, from resolving the name to the last byte. An
        interrupted change gets LAST_SECONDS to answer; `last` has what came of it.
        """

        def work() -> None:
            try:
                with self._session.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    json=request.body,
                    timeout=(CONNECT_SECONDS, timeout),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    raw = response.raw.read(MAX_BODY + 1, decode_content=True)
                attempt.result = understood(response.status_code, response.headers, raw)
            except Exception as error:
                attempt.result = error
            attempt.done.set()

        try:
            json.dumps(request.body, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"The body is no JSON: {error}.", code="invalid_input") from None
        attempt = Attempt(target=work, daemon=True)
        attempt.sent, attempt.done = self._embedded, Event()
        try:
            attempt.start()
            attempt.done.wait(timeout)
        except (KeyboardInterrupt, SystemExit):
            if request.method != "GET" and attempt.sent:
                attempt.done.wait(LAST_SECONDS)  # a second interrupt ends it
            raise
        finally:
            self.last = attempt.outcome()
        return self.last


def understood(status: int, headers: Headers, raw: bytes) -> Answer:
    """What an answer is. A 2xx reports failure too: with `success` false, or with an `error` and no
    result. One that is informational, or a success that says neither its length nor anything else,
    was cut off in its headers: Python takes their end for an empty answer.
    """
    body, problem = None, ""
    framed = status == 204 or "Content-Length" in headers or "Transfer-Encoding" in headers
    if status < 200 or (status < 300 and not (raw or framed)):
        return Answer("no_answer", detail="it was cut off in its headers")
    if len(raw) > MAX_BODY:
        problem = "too_large"
    elif raw.strip():
        try:
            body = json.loads(raw, parse_constant=_finite, parse_float=_finite)
        except (ValueError, RecursionError):
            typed = "json" in headers.get("Content-Type", "").lower()
            problem = "broken_json" if typed else "not_json"
    result = dig(body, "success", "data", "items", "id", "jobId")
    refused = dig(body, "success") is False or (dig(body, "error") and result is None)
    if refused or not 200 <= status < 300:
        problem = "status"
    return Answer(problem, status, headers, body, f"HTTP {status}")


def _finite(text: str) -> float:
    """A number; ValueError for one beyond all bounds, and for NaN, which Python takes for JSON."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
