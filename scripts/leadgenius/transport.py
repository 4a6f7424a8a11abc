"""One attempt of one request: ended by a deadline, and knowing whether anything was sent.

Nothing here decides whether to send again (retry.py).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import socket
import threading
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from leadgenius.errors import LocalError, UsageError
from leadgenius.retry import Answer, Failure
from leadgenius.scopes import is_loopback

CONNECT_SECONDS = 5.0
MAX_BODY = 64 * 1024 * 1024  # bytes, decoded
MAX_VALUES = 2_000_000  # JSON values of one body: 64 MiB of `{},` would become gigabytes
LAST_SECONDS = 10.0  # that an interrupted change gets to answer
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_REASON = re.compile(  # what is said of an error: nothing but these words of its text
    "unable to connect to proxy|connection (refused|reset|broken)|timed out|failed to resolve"
    "|network is unreachable|no route to host|closed connection"
)
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_local = threading.local()


class Attempt:
    """What the worker thread is doing. Once cancelled nothing more is sent, so "not sent" stays
    true.
    """

    def __init__(self) -> None:
        self.sent = self.answered = self.cancelled = False
        self.sock: socket.socket | None = None
        self.result: Answer | Failure | Exception | None = None
        self.done, self._lock = threading.Event(), threading.Lock()

    def sending(self, sock: socket.socket | None = None) -> None:
        """Called just before the first byte goes out."""
        with self._lock:
            if self.cancelled:
                raise TimeoutError("the deadline has passed")
            self.sent, self.sock = True, sock

    def outcome(self, late: str) -> Answer | Failure:
        """How it ended; one that has not ended is cancelled, `late` says why."""
        with self._lock:
            self.cancelled = True
        error = self.result
        if isinstance(error, (Answer, Failure)):
            return error
        if self.sock and not error:
            with contextlib.suppress(OSError):  # not SSLSocket's own shutdown: not thread-safe
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        found = _REASON.search(str(error).lower())
        what = found[0] if found else "connection failed" if error else late
        if self.sent:
            return Failure("body" if self.answered else "no_answer", detail=what)
        if error and not isinstance(error, (OSError, HTTPError)):
            raise error  # a fault of this program
        trusted = not isinstance(error, requests.exceptions.SSLError) or "EOF" in str(error)
        return Failure("connect" if trusted else "tls", detail=what)


class _Watched(HTTPConnection):
    """Marks its attempt as sent before the first byte."""

    def connect(self) -> None:
        super().connect()  # TLS handshake and CONNECT included
        _local.attempt.sending(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept open by the request before
            _local.attempt.sending(self.sock)
        super().request(*args, **kwargs)


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


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: even without following, requests would read the body of a redirect without a
        bound.
        """


def _check_proxy(origin: str) -> None:
    """LocalError naming the variable when the proxy that requests would ask is no http URL. Its
    value may hold a password.
    """
    proxy = requests.utils.select_proxy(origin, requests.utils.get_environ_proxies(origin)) or "x"
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or re.search(r"\s", url):
        name = next((name for name, value in os.environ.items() if value == proxy), "of the system")
        hint = "Set it to a URL such as http://proxy.example:3128, or unset it."
        raise LocalError(f"The proxy {name} is no http URL.", hint=hint)


class Transport:
    """One session to one origin. `send` makes one attempt and never repeats it.

    requests reads the proxy variables, and `environ` has those of certificates. `adapter` answers
    instead of the network. `last` is how the latest attempt ended, interrupted or not.
    """

    def __init__(
        self,
        origin: str,
        adapter: requests.adapters.BaseAdapter | None = None,
        *,
        environ: Mapping[str, str],
    ) -> None:
        self.last: Answer | Failure = Failure("connect")
        self._embedded, self._session = adapter is not None, _Session()
        # Never a proxy for this machine; and .netrc would replace our header without an `auth`.
        self._session.trust_env = not is_loopback(urlsplit(origin).hostname or "")
        self._session.auth = lambda request: request
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):  # nothing may pass by an adapter that watches
            self._session.mount(scheme, adapter or _Adapter())
        self._session.verify = certificates(environ)
        if self._session.trust_env and not adapter:
            _check_proxy(origin)

    def close(self) -> None:
        self._session.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, *, timeout: float
    ) -> Answer | Failure:
        """Answer or Failure within `timeout` seconds, from resolving the name to the last byte.
        `body` is JSON, None for none. An interrupted change gets LAST_SECONDS to answer; `last` has
        what came of it.
        """
        options: dict[str, Any] = {"headers": dict(headers), "allow_redirects": False}
        options |= {"stream": True, "timeout": (min(CONNECT_SECONDS, timeout), timeout)}
        if body is not None:
            options["headers"]["Content-Type"] = "application/json"
            try:
                text = json.dumps(body, separators=(",", ":"), allow_nan=False)
            except (ValueError, TypeError):
                message = "The body cannot be written as JSON."
                raise UsageError(message, code="invalid_input") from None
            options["data"] = text.encode()
        attempt, late = Attempt(), f"no end within {timeout:g} s"
        work = (attempt, method, url, options)
        try:
            threading.Thread(target=self._run, args=work, daemon=True).start()
            attempt.done.wait(timeout)
        except (KeyboardInterrupt, SystemExit):
            late = "stopped before the answer"
            if method != "GET" and attempt.sent:
                # a second one stops it now
                with contextlib.suppress(KeyboardInterrupt, SystemExit):
                    attempt.done.wait(LAST_SECONDS)
            raise
        finally:
            self.last = attempt.outcome(late)
        return self.last

    def _run(self, attempt: Attempt, method: str, url: str, options: dict[str, Any]) -> None:
        _local.attempt = attempt
        try:
            if self._embedded:
                attempt.sending()
            with self._session.request(method, url, **options) as response:
                attempt.sent = attempt.answered = True
                raw = _read(response)
            if not attempt.cancelled:  # the end that a deadline makes is no end of a body
                attempt.result = understood(response.status_code, response.headers, raw)
        except Exception as error:
            attempt.result = error
        finally:
            attempt.done.set()


def certificates(environ: Mapping[str, str]) -> bool | str:
    """The file or folder of trusted certificates that a variable names, else True for the usual
    ones.
    """
    name = next((name for name in _CERTIFICATES if environ.get(name)), "")
    if name and not Path(environ[name]).exists():
        raise LocalError(f"{name} names a certificate file that does not exist.", code="tls")
    return environ[name] if name else True


def _read(response: requests.Response) -> bytes | None:
    """The decoded body, None when it is larger than MAX_BODY."""
    raw = bytearray()
    for part in response.raw.stream(65536, decode_content=True):
        raw += part
        if len(raw) > MAX_BODY:
            return None
    return bytes(raw)


def understood(status: int, headers: Mapping[str, str], raw: bytes | None) -> Answer | Failure:
    """What an answer is; `raw` None is one that was too large to read."""
    success, problem, body = 200 <= status < 300, "", None
    if success and raw is not None and not raw.strip():
        return Answer(status, headers, None)
    try:
        if raw is None or (len(raw) > MAX_VALUES and _has_too_many_values(raw)):
            problem = "too_large"
        else:
            body = json.loads(raw, parse_constant=_finite, parse_float=_finite)
    except (json.JSONDecodeError, UnicodeDecodeError):
        typed = "json" in headers.get("Content-Type", "").lower()
        problem = "broken_json" if typed else "not_json"
    except (ValueError, RecursionError):
        problem = "unusable"
    if success and problem:
        return Failure(problem, status, headers)
    if success and not _is_error_body(body):
        return Answer(status, headers, body)
    return Failure("status", status, headers, body)


def _has_too_many_values(raw: bytes) -> bool:
    """About so many, counted before any memory is taken: a value follows a comma or a bracket.
    Texts are left out only when it matters.
    """

    def count(text: bytes) -> int:
        return sum(map(text.count, (b",", b"[", b"{")))

    return count(raw) > MAX_VALUES and count(_TEXT.sub(b"", raw)) > MAX_VALUES


def _finite(text: str) -> float:
    """A number; ValueError for one beyond all bounds, and for NaN."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _is_error_body(body: Any) -> bool:
    """True for a 2xx that reports failure: `success` is false, 0 or "false", or it has an `error`
    and no result.
    """
    if not isinstance(body, dict):
        return False
    if body.get("success") is not None:
        return str(body["success"]).lower() in ("false", "0")
    results = map(body.get, ("data", "items", "id", "jobId"))
    return bool(body.get("error")) and all(one is None for one in results)
