"""One attempt of one request: ended by a deadline, and knowing whether anything was sent.

Nothing here decides whether to send again (retry.py).
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import threading
from collections.abc import Iterable, Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection

from leadgenius.errors import LocalError, UsageError
from leadgenius.retry import Answer, Failure
from leadgenius.scopes import is_loopback

CONNECT_SECONDS = 5.0
MAX_BODY = 64 * 1024 * 1024  # bytes, decoded
MAX_VALUES = 2_000_000  # JSON values of one body: 64 MiB of `{},` would become gigabytes
MAX_DEPTH = 200  # levels; what is nested deeper could be read, but not printed
LAST_SECONDS = 10.0  # that an interrupted change gets to answer
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
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
        what = type(error).__name__ if error else late
        if self.sent:
            return Failure("body" if self.answered else "no_answer", detail=what)
        if error and not isinstance(error, OSError):
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


class Transport:
    """One session to one origin. `send` makes one attempt and never repeats it.

    Proxy and certificate variables are those of `environ`. `adapter` answers instead of the
    network.
    """

    def __init__(
        self,
        origin: str,
        adapter: requests.adapters.BaseAdapter | None = None,
        *,
        environ: Mapping[str, str],
    ) -> None:
        found = urllib3.__version__  # type: ignore[attr-defined]
        if tuple(map(int, found.split(".")[:2])) < (2, 6):
            message = (
                f"urllib3 {found} inflates a compressed answer without a bound; 2.6 is needed."
            )
            raise LocalError(message, hint="python3 -m pip install --upgrade requests urllib3")
        self.last: Answer | Failure = Failure(
            "connect"
        )  # how the latest attempt ended, interrupted or not
        self._embedded = adapter is not None
        self._session = _Session()
        # .netrc would replace our header; the variables are read here.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("https://", adapter or _Adapter())
        self._session.mount("http://", adapter or _Adapter())
        self._session.verify = adapter is not None or certificates(environ)
        if not adapter:
            self._session.proxies.update(proxies(origin, environ))

    def close(self) -> None:
        self._session.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, *, timeout: float
    ) -> Answer | Failure:
        """Answer or Failure within `timeout` seconds, from resolving the name to the last byte.
        `body` is JSON, None for none. An interrupted change gets LAST_SECONDS to answer; `last` has
        what came of it.
        """
        headers, data = dict(headers), None
        if body is not None:
            headers["Content-Type"] = "application/json"
            try:
                data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
            except (ValueError, TypeError, RecursionError):
                raise UsageError(
                    "The body cannot be written as JSON.", code="invalid_input"
                ) from None
        attempt, late = Attempt(), f"no end within {timeout:g} s"
        work = threading.Thread(
            target=self._run, args=(attempt, method, url, headers, data, timeout), daemon=True
        )
        try:
            work.start()
            attempt.done.wait(timeout)
        except (KeyboardInterrupt, SystemExit):
            late = "stopped before the answer"
            if method != "GET" and attempt.sent:
                with contextlib.suppress(
                    KeyboardInterrupt, SystemExit
                ):  # a second one stops it now
                    attempt.done.wait(LAST_SECONDS)
            raise
        finally:
            self.last = attempt.outcome(late)
        return self.last

    def _run(
        self,
        attempt: Attempt,
        method: str,
        url: str,
        headers: dict[str, str],
        data: bytes | None,
        timeout: float,
    ) -> None:
        _local.attempt = attempt
        try:
            if self._embedded:
                attempt.sending()
            with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False, stream=True,
                timeout=(min(CONNECT_SECONDS, timeout), timeout),
            ) as response:  # fmt: skip
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
        message = f"{name} names a certificate file that does not exist."
        raise LocalError(message, code="tls", hint=f"Fix or unset {name}.")
    return environ[name] if name else True


def proxies(origin: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy that the variables name for `origin`, never for this machine. LocalError names a
    variable that makes no sense.
    """
    name = next((name for name in _PROXIES if environ.get(name, "").strip()), "")
    around = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    here = is_loopback(urlsplit(origin).hostname or "")
    if not name or here or should_bypass_proxies(origin, around):
        return {}
    value = environ[name].strip()
    value = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        hint = f"Name an HTTP proxy, such as http://proxy.example:3128, or unset {name}."
        raise LocalError(f"{name} names no HTTP proxy.", hint=hint)
    return {"https": value}


def _read(response: requests.Response) -> bytes | None:
    """The decoded body, None when it is larger than MAX_BODY."""
    raw = bytearray()
    for part in response.raw.stream(65536, decode_content=True):
        raw += part
        if len(raw) > MAX_BODY:
            return None
    return bytes(raw)


class _UnusableError(Exception):
    """JSON that is not worked with; its arguments are the kind of failure and the reason."""


def understood(status: int, headers: Mapping[str, str], raw: bytes | None) -> Answer | Failure:
    """What an answer is; `raw` None is one that was too large to read."""
    success, problem, body = 200 <= status < 300, None, None
    if success and raw is not None and not raw.strip():
        return Answer(status, headers, None)
    try:
        body = parsed(raw)
    except _UnusableError as error:
        kind, detail = error.args
        problem = Failure(kind, status, headers, detail=detail)
    except ValueError:
        typed = "json" in headers.get("Content-Type", "").lower()
        problem = Failure("broken_json" if typed else "not_json", status, headers)
    if success and problem:
        return problem
    if success and not _is_error_body(body):
        return Answer(status, headers, body)
    return Failure("status", status, headers, body)


def parsed(raw: bytes | None) -> Any:
    """The JSON of a body. ValueError for what is none, _UnusableError for too much, too deep or out
    of range.
    """
    if raw is None:
        raise _UnusableError("too_large", "over 64 MiB")
    # Not exact, but cheap and before any memory is taken: texts are left out only when it matters.
    if _values(raw) > MAX_VALUES and _values(re.sub(rb'"(?:[^"\\]|\\.)*"', b"", raw)) > MAX_VALUES:
        raise _UnusableError("too_large", "over 2 million values")
    try:
        body = json.loads(raw, parse_constant=_finite, parse_float=_finite)
        _check_depth([body], MAX_DEPTH)
    except RecursionError:
        raise _UnusableError("unusable", "it is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
            raise
        raise _UnusableError("unusable", "a number in it is out of range") from None
    return body


def _check_depth(inside: Iterable[Any], left: int) -> None:
    for one in inside:
        if isinstance(one, (dict, list)):
            if not left:
                raise RecursionError
            _check_depth(one.values() if isinstance(one, dict) else one, left - 1)


def _values(raw: bytes) -> int:
    """Commas stand between values, and an opening bracket before the first of a container."""
    return raw.count(b",") + raw.count(b"{") + raw.count(b"[") - raw.count(b"{}") - raw.count(b"[]")


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
    success, error = body.get("success"), body.get("error")
    if success is not None:
        return str(success).strip().lower() in ("false", "0")
    result = any(body.get(name) is not None for name in ("data", "items", "id", "jobId"))
    return not result and isinstance(error, str) and bool(error.strip())
