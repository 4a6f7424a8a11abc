"""One attempt of one request: the session's rules, the true deadline, and the answer read to its last byte.

Nothing here decides whether to send again (retry.py) or what an answer means to a caller (client.py).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.retry import Retry

from leadgenius.errors import LocalError
from leadgenius.retry import Failure
from leadgenius.scopes import is_loopback

CONNECT_SECONDS = 5.0
OLDEST_URLLIB3 = (2, 6)
MAX_BODY = 64 * 1024 * 1024
_CHUNK = 64 * 1024
_GRACE_SECONDS = 1.0  # how long a shut socket may take to wake its reader before the thread is left behind

DEEPEST_BODY = 200  # levels; what is nested deeper could be read, but not printed or walked through afterwards

CONNECTING, SENDING, WAITING, READING = "connecting", "sending", "waiting for an answer", "reading the answer"
JUDGING = "judging the answer"  # everything is here: from now on an error is our own


@dataclass(frozen=True)
class Answer:
    """A success: any 2xx whose body is JSON or empty. `body` is None for an empty one.

    `doubted`: an earlier attempt of this change went unanswered, so that it may have been applied twice.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    doubted: bool = False


@dataclass
class Flight:
    """What one attempt is doing, shared between the thread that does it and the watchdog that may end it."""

    phase: str = CONNECTING
    cancelled: bool = False
    sock: socket.socket | None = None
    handle: socket.socket | None = None  # a second one on a new connection: the handshake of TLS takes `sock` away
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, phase: str, sock: socket.socket | None = None) -> None:
        """Enter a phase; TimeoutError when the watchdog came first, so that nothing is sent after we gave up."""
        with self._lock:
            if self.cancelled:
                raise TimeoutError("the deadline has passed")
            self.phase = phase
            self.sock = sock or self.sock

    def hold(self, sock: socket.socket) -> None:
        """Keep a handle of our own on a new connection."""
        if self.handle is not None:
            self.handle.close()
        self.handle = sock.dup()

    def cancel(self) -> str:
        """Shut the socket down and return the phase it was in. Works below TLS: the descriptor itself is shut."""
        with self._lock:
            self.cancelled = True
            for sock in (self.sock, self.handle):
                if sock is not None:
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)
            return self.phase

    def end(self) -> None:
        """The thread that makes the attempt is through with it."""
        if self.handle is not None:
            self.handle.close()
        self.done.set()


_current = threading.local()


def current_flight() -> Flight:
    """The flight of the attempt that this thread makes."""
    flight: Flight = _current.flight
    return flight


class _Final(http.client.HTTPResponse):
    """The final answer: http.client skips no interim one but 100, and would take 103 Early Hints for the answer."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, 100 if 102 <= status <= 199 else status, reason


class _Watched(HTTPConnection):
    """A connection that tells its flight the phase, and connects to all addresses of a host within one limit."""

    response_class = _Final

    def _new_conn(self) -> socket.socket:
        host, port = getattr(self, "_dns_host", self.host), self.port
        end = time.monotonic() + CONNECT_SECONDS
        try:
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            cause = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(host, self, cause) from error
        last: Exception = OSError("the name has no address")
        for position, (family, kind, protocol, _, address) in enumerate(found):
            try:
                return self._connect(
                    family, kind, protocol, address, (end - time.monotonic()) / (len(found) - position)
                )
            except OSError as error:
                last = error
        raise NewConnectionError(self, f"no connection: {last}") from last

    def _connect(self, family: int, kind: int, protocol: int, address: Any, seconds: float) -> socket.socket:
        sock = socket.socket(family, kind, protocol)
        try:
            current_flight().advance(CONNECTING, sock)
            sock.settimeout(max(seconds, 0.01))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            current_flight().hold(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        current_flight().advance(CONNECTING)
        super().connect()
        current_flight().advance(SENDING, self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            current_flight().advance(SENDING, self.sock)
        super().request(*args, **kwargs)
        current_flight().advance(WAITING, self.sock)


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


class _Adapter(HTTPAdapter):
    """requests' adapter with our pools and without retries: its own would pass by the limiter and hide the attempts."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=Retry(0, redirect=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):  # its connections could not be watched
            raise LocalError("SOCKS proxies are not supported.", hint="Name an HTTP proxy, or unset ALL_PROXY.")
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager


class _Session(requests.Session):
    """requests' session, blind to what we never follow or send back."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a request carries one credential

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None always: even without following, requests would parse Location and read that body without a bound."""


def _refuse_old_urllib3() -> None:
    """LocalError for one that inflates a compressed answer in one read, whatever its size."""
    found = tuple(int(part) for part in urllib3.__version__.split(".")[:2])  # type: ignore[attr-defined]
    if found < OLDEST_URLLIB3:
        raise LocalError(
            f"This urllib3 is too old: {found[0]}.{found[1]}, where 2.6 or newer is needed.",
            hint=f"{sys.executable} -m pip install --upgrade requests urllib3",
        )


def trusted_certificates(environ: Mapping[str, str]) -> bool | str:
    """What `verify` is to be: the first of the three CA variables that is set, else the default store.

    LocalError when the file it names is not there: requests would end in a bare OSError.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if environ.get(name):
            if not Path(environ[name]).exists():
                raise LocalError(
                    f"{name} names a certificate file that is not there.", hint=f"unset {name}, or mend it"
                )
            return environ[name]
    return True


class Transport:
    """One session to one origin. `send` makes one attempt and returns an Answer or a Failure; it never retries."""

    def __init__(self, origin: str, *, environ: Mapping[str, str] = os.environ) -> None:
        _refuse_old_urllib3()
        self.origin = origin
        self._session = _Session()
        self._session.mount("https://", _Adapter())
        self._session.mount("http://", _Adapter())
        # Loopback is never asked through a proxy: requests would send it there, key included.
        self._session.trust_env = not is_loopback(urlsplit(origin).hostname or "")
        self._verify = trusted_certificates(environ)

    def mount(self, adapter: requests.adapters.BaseAdapter) -> None:
        """Answer this origin by `adapter` instead of the network; the embedded sandbox comes in here."""
        self._session.mount(self.origin, adapter)

    def close(self) -> None:
        self._session.close()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, *, timeout: float, patience: float = 10.0
    ) -> Answer | Failure:
        """One attempt within `timeout` seconds, from resolving the name to the last byte.

        `body` is any JSON value, None for no body. When the caller is interrupted while a change is in flight, the
        change gets `patience` seconds to answer first; what came stands in `flight_result` of the exception.
        """
        flight = Flight()
        work = (flight, method, url, dict(headers), body)
        thread = threading.Thread(target=self._fly, args=work, name="attempt", daemon=True)
        try:
            thread.start()
            return _result(flight) if flight.done.wait(timeout) else _late(flight, timeout)
        except (KeyboardInterrupt, SystemExit) as stop:
            stop.flight_result = _last_word(flight, method, patience)  # type: ignore[union-attr]
            raise

    def _fly(self, flight: Flight, method: str, url: str, headers: dict[str, str], body: Any) -> None:
        _current.flight = flight
        try:
            flight.result = self._exchange(flight, method, url, headers, body)
        except BaseException as error:  # handed to the waiting thread, which judges it
            flight.result = error
        finally:
            flight.end()

    def _exchange(self, flight: Flight, method: str, url: str, headers: dict[str, str], body: Any) -> Answer | Failure:
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")
            headers["Content-Type"] = "application/json"
        with self._session.request(
            method,
            url,
            headers=headers,
            data=data,
            auth=_no_netrc,
            allow_redirects=False,
            stream=True,
            verify=self._verify,
            timeout=(CONNECT_SECONDS, None),
        ) as response:
            flight.advance(READING)
            raw = _read(response)
        flight.advance(JUDGING)  # an end that the watchdog made is no end of a body without a length
        if raw is None:
            return Failure("too_large", status=response.status_code, headers=response.headers)
        return _understood(response.status_code, response.headers, raw)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # Without an auth callable a .netrc entry would silently replace our header.
    return request


def _read(response: requests.Response) -> bytes | None:
    """The decoded body, None when it is larger than MAX_BODY."""
    parts: list[bytes] = []
    size = 0
    for part in response.raw.stream(_CHUNK, decode_content=True):
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _understood(status: int, headers: CaseInsensitiveDict[str], raw: bytes) -> Answer | Failure:
    success = 200 <= status < 300
    if success and not raw.strip():
        return Answer(status, headers, None)
    try:
        body = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)
        _refuse_depth(body)
    except (ValueError, RecursionError):
        if not success:
            return Failure("status", status=status, headers=headers)
        typed = "json" in headers.get("Content-Type", "").lower()
        return Failure("broken_json" if typed else "not_json", status=status, headers=headers)
    if not success or _says_no(body):
        return Failure("status", status=status, headers=headers, body=body)
    return Answer(status, headers, body)


def _says_no(body: Any) -> bool:
    """Whether a 2xx is a refusal by its body: `success` is false in any dress, or it holds an error and nothing else.

    A record or job that tells of an error of its own is none.
    """
    if not isinstance(body, dict):
        return False
    said, error = body.get("success"), body.get("error")
    if said is not None:
        return said in (False, 0) or (isinstance(said, str) and said.strip().lower() == "false")
    empty = all(body.get(name) is None for name in ("data", "items", "id", "jobId"))
    return empty and isinstance(error, str) and bool(error.strip())


def _refuse_depth(body: Any) -> None:
    level = [body] if isinstance(body, (dict, list)) else []
    for _ in range(DEEPEST_BODY):
        inside = [one.values() if isinstance(one, dict) else one for one in level]
        level = [one for values in inside for one in values if isinstance(one, (dict, list))]
        if not level:
            return
    raise ValueError("nested too deeply")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number too large to keep")
    return value


def _late(flight: Flight, timeout: float) -> Answer | Failure:
    phase = flight.cancel()
    flight.done.wait(_GRACE_SECONDS)
    if isinstance(flight.result, (Answer, Failure)):  # it was all there a moment before
        return flight.result
    return Failure(_kind_of(phase), detail=f"no end within {timeout:g} s while {phase}")


def _result(flight: Flight) -> Answer | Failure:
    if isinstance(flight.result, (Answer, Failure)):
        return flight.result
    return classify(flight.result, flight.phase)


def _last_word(flight: Flight, method: str, patience: float) -> Answer | Failure:
    if method != "GET" and flight.phase != CONNECTING:
        with contextlib.suppress(KeyboardInterrupt, SystemExit):  # stopped once more: now
            flight.done.wait(patience)
    if flight.done.is_set():
        return _result(flight)
    return Failure(_kind_of(flight.cancel()), detail="stopped before the answer")


def _kind_of(phase: str) -> str:
    return {CONNECTING: "connect", READING: "body", JUDGING: "body"}.get(phase, "no_answer")


def classify(error: BaseException, phase: str) -> Failure:
    """Failure of an exception raised in `phase`.

    The phase decides, not the class: requests' ConnectionError covers "never connected" and "stalled after a 200"
    alike. Distrust of a certificate alone is told from the wrapped error. Between the first byte sent and the last one
    read, every error is the connection's: http.client and urllib3 let a ValueError of a chunk's size through, say.
    Before and after, what is no I/O error is a bug, and raised again.
    """
    if _cause(error, "SSLCertVerificationError"):
        return Failure("tls", detail="the certificate is not trusted")
    if _cause(error, "CertificateError", "SSLError") and phase == CONNECTING and not _cause(error, "SSLEOFError"):
        return Failure("tls", detail="the TLS handshake failed")
    known = isinstance(error, (requests.RequestException, OSError)) or _cause(error, "HTTPError")
    if not known and (phase in (CONNECTING, JUDGING) or not isinstance(error, Exception)):
        raise error
    name = type(_root(error)).__name__
    return Failure(_kind_of(phase), detail=f"{name} while {phase}")


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and all it wraps: `args`, `reason`, `__cause__`, `__context__`, each looked at once."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and not any(one is old for old in seen):
            seen.append(one)
            todo += [getattr(one, "reason", None), one.__context__, one.__cause__]
            todo += [arg for arg in one.args if isinstance(arg, BaseException)]
    return seen


def _cause(error: BaseException, *names: str) -> bool:
    return any(base.__name__ in names for one in _chain(error) for base in type(one).__mro__)


def _root(error: BaseException) -> BaseException:
    return next((one for one in reversed(_chain(error)) if isinstance(one, OSError)), error)
