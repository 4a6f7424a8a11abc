"""The client against a server that misbehaves: every row of the retry table on real sockets, with a clock of its own.

Only the deadlines are real time, and short; sleeping, dates and chance are the test's.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from requests.structures import CaseInsensitiveDict

import faults
from faults import FaultServer, ProxyServer, Recorder
from leadgenius import transport as transport_module
from leadgenius.client import Client, Patience
from leadgenius.credentials import Credential, CredentialFile, Credentials
from leadgenius.errors import LeadGeniusError, LocalError, RateError, UsageError
from leadgenius.ratelimit import identity
from leadgenius.retry import Failure
from leadgenius.scopes import PRODUCTION
from leadgenius.transport import Answer, Transport

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
KEY = "lgp_canary_of_the_tests"
METHODS = ("GET", "PUT", "DELETE", "POST")
PATHS = {"GET": "/campaigns", "POST": "/campaigns", "PUT": "/campaigns/c1", "DELETE": "/campaigns/c1"}


def no_attempt_left() -> None:
    """Whatever holds an attempt up, its thread ends with it: shut sockets wake their readers."""
    until = time.monotonic() + 0.5
    while any(thread.name == "attempt" for thread in threading.enumerate()):
        assert time.monotonic() < until, "an attempt is still running"
        time.sleep(0.002)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.spent: list[float] = []
        self.passed = 0.0

    def sleep(self, seconds: float) -> None:
        self.spent.append(seconds)
        self.passed += seconds

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def clock(self) -> float:
        return NOW + self.passed


@dataclass
class Slots:
    """A limiter that writes down what it is asked. `acts`: what each acquire does instead, by its number."""

    acts: dict[int, Callable[[], None]] = field(default_factory=dict)
    taken: list[tuple[str, float]] = field(default_factory=list)
    settled: list[tuple[int, Any]] = field(default_factory=list)
    paused: list[tuple[str, float, bool]] = field(default_factory=list)

    def acquire(self, credential_id: str, *, max_wait: float, hold: float) -> int:
        self.taken.append((credential_id, max_wait))
        self.acts.get(len(self.taken), lambda: None)()
        return len(self.taken)

    def settle(self, slot: int, headers: Any) -> None:
        self.settled.append((slot, headers))

    def penalize(self, credential_id: str, seconds: float, *, proxy: bool) -> None:
        self.paused.append((credential_id, seconds, proxy))


class Keys:
    def find(self, kind: str) -> Credential:
        return Credential(kind, KEY, "the tests")

    def user_id(self, credential: Credential) -> str | None:
        return None


def highest(low: float, high: float) -> float:
    return high


@dataclass
class Bench:
    """A client, and all that it touches."""

    client: Client
    clock: Clock
    slots: Slots

    def call(self, method: str = "GET", endpoint: str = "", **more: Any) -> Answer | LeadGeniusError:
        """The answer, or the error as a value."""
        body = None if method == "GET" else {"name": "n"}
        try:
            return self.client.call(method, endpoint or PATHS[method], **{"body": body, **more})
        except LeadGeniusError as error:
            return error

    def fails(self, method: str = "GET", endpoint: str = "", **more: Any) -> LeadGeniusError:
        found = self.call(method, endpoint, **more)
        assert isinstance(found, LeadGeniusError), found
        return found


@contextlib.contextmanager
def bench(
    origin: str, *, timeout: float = 0.4, max_wait: float = 75.0, max_time: float | None = None, **more: Any
) -> Iterator[Bench]:
    clock, slots = Clock(), more.pop("slots", None) or Slots()
    made = more.pop("transport", None) or Transport(origin, environ=more.pop("environ", {}))
    end = None if max_time is None else clock.monotonic() + max_time
    given = {"uniform": highest, "monotonic": clock.monotonic, "clock": clock.clock, "sleep": clock.sleep}
    keys = more.pop("keys", None) or Keys()
    client = Client(made, keys, slots, patience=Patience(timeout, max_wait, end), **{**given, **more})
    try:
        yield Bench(client, clock, slots)
        no_attempt_left()  # while the server still holds the connection
    finally:
        made.close()


# ---- the table


def same(value: Any) -> dict[str, Any]:
    return dict.fromkeys(METHODS, value)


THRICE = {**same([1.0, 2.0]), "POST": []}  # the sleeps between the attempts, by method
TWICE = {**same([1.0]), "POST": []}
ONCE = same([])
EIGHT = {**same(8), "GET": 7}
REFUSED = {"success": False, "error": "no", "code": "VALIDATION_ERROR"}

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
HEAD_400 = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"

# what the server does each time, the sleeps, the exit codes
TABLE: dict[str, tuple[faults.Step, dict[str, list[float]], dict[str, int]]] = {
    "read timeout": (faults.stall(), THRICE, EIGHT),
    "reset": (faults.reset_before(), THRICE, EIGHT),
    "reset as it is sent": (faults.reset_on_accept(), THRICE, EIGHT),
    "closed": (faults.close_before(), THRICE, EIGHT),
    "not http": (faults.not_http(), THRICE, EIGHT),
    "too many headers": (faults.oversized_headers(200, 0), THRICE, EIGHT),
    "too long a header": (faults.oversized_headers(1), THRICE, EIGHT),
    "header drip": (faults.drip_headers(), THRICE, EIGHT),
    "100 Continue drip": (faults.drip_continue(), THRICE, EIGHT),
    "body reset": (faults.reset_body(), THRICE, EIGHT),
    "body stall": (faults.stall_body(40), THRICE, EIGHT),
    "body stall before its first byte": (faults.stall_body(0), THRICE, EIGHT),
    "body drip": (faults.drip_body(), THRICE, EIGHT),
    "body truncated": (faults.truncate_with_length(), THRICE, EIGHT),
    "chunk truncated": (faults.chunk_cut_short(), THRICE, EIGHT),
    "broken gzip": (faults.broken_gzip(), THRICE, EIGHT),
    "truncated gzip": (faults.truncated_gzip(), TWICE, EIGHT),
    "body truncated, of no length": (faults.truncate_without_length(), TWICE, EIGHT),
    "broken json": (faults.broken_json(), TWICE, EIGHT),
    "json of no finite number": (faults.answer(body='{"data": [1e999]}'), TWICE, EIGHT),
    "html": (faults.html(), ONCE, EIGHT),
    "401": (faults.status(401), ONCE, same(3)),
    "403": (faults.status(403), ONCE, same(3)),
    "400": (faults.status(400), ONCE, same(4)),
    "404": (faults.status(404), ONCE, same(4)),
    "408": (faults.status(408), ONCE, same(4)),
    "409": (faults.status(409), ONCE, same(4)),
    "413 with Retry-After": (faults.status(413, {"Retry-After": "1"}), ONCE, same(4)),
    "404 in html": (faults.html(404), ONCE, same(4)),
    "success false": (faults.answer(body=REFUSED), ONCE, same(4)),
    "success false as text": (faults.answer(body={"success": "False", "data": []}), ONCE, same(4)),
    "success 0": (faults.answer(body={"success": 0, "data": []}), ONCE, same(4)),
    "an error alone": (faults.answer(body={"error": "quota used up", "code": "QUOTA"}), ONCE, same(4)),
    "chunk of negative size": (faults._send_then(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", faults._close), THRICE, EIGHT),
    "chunk of no size": (faults._send_then(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", faults._close), THRICE, EIGHT),
    "json nested too deeply": (faults.answer(body='{"a":' * 985 + "1" + "}" * 985), TWICE, EIGHT),
    "json nested deeper than can be read": (faults.answer(body="[" * 100_000), TWICE, EIGHT),
    "success false, of no type": (faults.answer(body=REFUSED, content_type="text/plain"), ONCE, same(4)),
    "302": (faults.redirect(302, "/elsewhere"), ONCE, same(4)),
    "307": (faults.redirect(307, "/elsewhere"), ONCE, same(4)),
    "103 and then 400": (faults._send_then(EARLY + HEAD_400, faults._close), ONCE, same(4)),
    "101": (faults._send_then(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", faults._close), ONCE, EIGHT),
    "303": (faults.redirect(303, "/elsewhere"), ONCE, {**same(4), "POST": 8}),
    "304": (faults.answer(304), ONCE, same(4)),
    "429": (faults.too_many(None), same([6.0, 16.0]), same(5)),
    "429 with Retry-After": (faults.too_many(3), same([4.0, 4.0]), same(5)),
    "429 of a proxy": (faults.too_many(3, json=False), same([4.0, 4.0]), same(5)),
    "503 with Retry-After": (faults.status(503, {"Retry-After": "3"}), same([4.0, 4.0]), EIGHT),
    "503": (faults.status(503), THRICE, EIGHT),
    "503 with a Retry-After that says nothing": (faults.status(503, {"Retry-After": "soon"}), THRICE, EIGHT),
    "500": (faults.status(500), THRICE, EIGHT),
    "502 in html": (faults.html(502), THRICE, EIGHT),
    "504": (faults.status(504), THRICE, EIGHT),
}
OUTCOMES = {3: "rejected", 4: "rejected", 5: "rejected", 6: "not_sent", 8: "unknown", 9: "not_sent"}
STALLS = ("timeout", "stall", "drip")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", TABLE)
def test_every_row_of_the_table(row, method):
    step, sleeps, codes = TABLE[row]
    timeout = 0.06 if any(word in row for word in STALLS) else 5.0
    with FaultServer([step]) as server, bench(server.origin, timeout=timeout) as made:
        error = made.fails(method)
    attempts = len(sleeps[method]) + 1
    seen = server.connections if step.on_accept else len(server.requests)
    assert (error.exit_code, seen, made.clock.spent) == (codes[method], attempts, sleeps[method])
    assert error.facts["attempts"] == made.client.requests == attempts
    assert error.facts["outcome"] == (None if method == "GET" else OUTCOMES[error.exit_code])
    assert len(made.slots.taken) == attempts, "every attempt takes a slot of its own"
    assert [slot for slot, _ in made.slots.settled] == list(range(1, attempts + 1))
    assert KEY not in str(error.as_dict())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", ["reset", "body reset", "broken json", "500", "429"])
def test_what_may_be_sent_again_succeeds_the_second_time(row, method):
    step, sleeps, _ = TABLE[row]
    with FaultServer([step], last="ok") as server, bench(server.origin) as made:
        found = made.call(method)
    again = bool(sleeps[method])
    assert isinstance(found, Answer) is again
    assert len(server.requests) == 1 + again
    if again:
        assert server.requests[0].body == server.requests[1].body
        assert server.requests[0].target == server.requests[1].target


@pytest.mark.parametrize(
    ("step", "body"),
    [
        (faults.answer(body={"success": True, "data": []}), {"success": True, "data": []}),
        (faults.answer(201, body={"id": "a"}), {"id": "a"}),
        (faults.answer(202, body=[1, 2]), [1, 2]),
        (faults.answer(body="[]", content_type="text/html"), []),
        (faults.answer(body=b"\xef\xbb\xbf{}"), {}),
        (faults.answer(body=" null "), None),
        (faults.answer(200), None),
        (faults.answer(200, body=" \r\n"), None),
        (faults.empty(204), None),
        (faults.empty(205), None),
        (faults.answer(body={"success": None, "data": []}), {"success": None, "data": []}),
        (
            faults.answer(body={"data": {}, "error": "one row was left out"}),
            {"data": {}, "error": "one row was left out"},
        ),
        (faults.answer(body={"success": True, "error": "none"}), {"success": True, "error": "none"}),
        (faults.answer(body={"name": "a", "error": ""}), {"name": "a", "error": ""}),
        (faults.answer(body={"name": "a", "error": {"count": 0}}), {"name": "a", "error": {"count": 0}}),
        (faults.answer(body={"jobId": "j", "error": "a task failed"}), {"jobId": "j", "error": "a task failed"}),
        (faults.answer(body="[" * 200 + "]" * 200), json.loads("[" * 200 + "]" * 200)),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_success_is_taken(step, body, method):
    with FaultServer([step]) as server, bench(server.origin) as made:
        found = made.call(method)
    assert isinstance(found, Answer)
    assert found.body == body


@pytest.mark.parametrize("method", METHODS)
def test_an_answer_that_is_too_large_is_given_up(method, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY", 100)
    with FaultServer([faults.answer(body=faults.PAGE)]) as server, bench(server.origin) as made:
        error = made.fails(method)
    assert (error.exit_code, len(server.requests)) == (EIGHT[method], 1)


def test_a_compressed_answer_is_measured_as_it_swells():
    with FaultServer([faults.gzip_bomb(66)]) as server, bench(server.origin, timeout=20) as made:
        error = made.fails()
    assert (error.exit_code, len(server.requests)) == (7, 1)
    assert "64 MiB" in error.message


def test_a_mistake_of_ours_is_no_fault_of_the_server(monkeypatch):
    def broken(*_: Any) -> Any:
        raise ValueError("ours")

    for name in ("_says_no", "_no_netrc"):  # after the last byte, and before the first
        with FaultServer() as server, bench(server.origin) as made, monkeypatch.context() as patch:
            patch.setattr(transport_module, name, broken)
            with pytest.raises(ValueError, match="ours"):
                made.call()


# ---- nothing sent


@pytest.mark.parametrize("method", METHODS)
def test_refused_is_tried_again_whatever_it_was(method):
    with bench(faults.closed_port()) as made:
        error = made.fails(method)
    assert (error.exit_code, made.client.requests, made.clock.spent) == (6, 3, [1.0, 2.0])
    assert error.facts["outcome"] == (None if method == "GET" else "not_sent")


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_is_network(failure, monkeypatch):
    def unresolved(*_: Any) -> Any:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with bench("https://name.invalid") as made:
        error = made.fails("POST")
    assert (error.exit_code, made.client.requests, error.facts["outcome"]) == (6, 3, "not_sent")


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue is full: connecting to it hangs."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def addresses(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Let every name have these ports of this machine as its addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)


def test_several_dead_addresses_share_the_time_of_one(full_port, monkeypatch):
    monkeypatch.setattr(transport_module, "CONNECT_SECONDS", 0.08)
    given: list[float] = []
    connect = transport_module._Watched._connect

    def spied(self: Any, family: int, kind: int, protocol: int, address: Any, seconds: float) -> socket.socket:
        given.append(seconds)
        return connect(self, family, kind, protocol, address, seconds)

    monkeypatch.setattr(transport_module._Watched, "_connect", spied)
    addresses(monkeypatch, *[full_port] * 4)
    with bench("https://name.invalid", max_wait=0.0) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.facts["outcome"], len(given)) == (6, "not_sent", 4)
    assert max(given) < 0.04


def test_a_live_address_behind_dead_ones_is_found(full_port, monkeypatch):
    monkeypatch.setattr(transport_module, "CONNECT_SECONDS", 0.2)
    with FaultServer() as server, bench("http://localhost:1") as made, monkeypatch.context() as patch:
        addresses(patch, full_port, full_port, server.port)
        assert isinstance(made.call(), Answer)


def test_the_deadline_holds_while_connecting_and_nothing_is_sent_after_it(full_port):
    with bench(f"http://127.0.0.1:{full_port}", timeout=0.05, max_wait=0.0) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.facts["outcome"]) == (6, "not_sent")
    assert "while connecting" in error.message


# ---- deadlines, told by phase


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (faults.stall(), "without an answer"),
        (faults.drip_headers(), "without an answer"),
        (faults.drip_continue(), "without an answer"),
        (faults.stall_body(9), "broke off"),
        (faults.drip_body(), "broke off"),
    ],
)
def test_a_deadline_says_in_which_phase_it_came(step, words):
    with FaultServer([step]) as server, bench(server.origin, timeout=0.06, max_wait=0.0) as made:
        error = made.fails()
    assert error.exit_code == 7
    assert words in error.message


def test_a_body_of_no_length_that_stalls_is_not_taken_for_an_empty_one():
    """Shutting the socket looks like the end of such a body: an empty success, if nobody asked who made the end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    with FaultServer([faults._send_then(head, faults._stall)]) as server, bench(server.origin, timeout=0.06) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.facts["outcome"]) == (8, "unknown")


# ---- 429 and max-wait


@pytest.mark.parametrize(
    ("step", "slept"),
    [
        (faults.too_many("3"), 4),
        (faults.too_many(" 3 "), 4),
        (faults.too_many("0"), 1),
        (faults.too_many("2.5"), 3.5),
        (faults.too_many("Thu, 01 Jan 2026 00:00:10 GMT", headers={"Date": DATE}), 11),
        (faults.too_many("Thu, 01 Jan 2026 10:00:10 GMT", headers={"Date": "Thu, 01 Jan 2026 10:00:00 GMT"}), 11),
        (faults.too_many("Thu, 01 Jan 2026 00:00:10 GMT"), 11),
        (faults.too_many(None, headers={"X-RateLimit-Reset": str(int(NOW) + 20)}), 21),
        (faults.too_many("", headers={"X-RateLimit-Reset": str(int(NOW) + 20)}), 21),
        (faults.too_many("soon"), 6),
        (faults.too_many("-1"), 6),
        (faults.too_many("nan"), 6),
        (faults.too_many("1" * 5, headers={"Date": "never"}), None),
        (faults.too_many("9" * 400), None),
        (faults.too_many(None, window="hour"), None),
        (faults.too_many(None, window="day"), None),
        (faults.too_many(None, window=None), 6),
        (faults.too_many("٣"), 6),
    ],
)
def test_a_429_is_waited_for_as_told(step, slept):
    with FaultServer([step], last="ok") as server, bench(server.origin) as made:
        found = made.call("POST")
    if slept is None:  # longer than --max-wait
        assert isinstance(found, RateError)
        assert found.facts["retry_after_seconds"] <= 86_401
        assert (made.clock.spent, len(server.requests)) == ([], 1)
    else:
        assert isinstance(found, Answer)
        assert made.clock.spent == [slept]


def test_a_429_tells_all_who_share_the_credential():
    for step, proxy in ((faults.too_many(3), False), (faults.too_many(3, json=False), True)):
        with FaultServer([step]) as server, bench(server.origin) as made:
            made.fails()
        name = identity(server.origin, KEY)
        assert made.slots.paused == [(name, 4.0, proxy), (name, 4.0, proxy), (name, 3.0, proxy)]


def test_the_limiter_hears_the_headers_of_every_answer():
    told = {"X-RateLimit-Remaining": "7"}
    with (
        FaultServer([faults.status(500, told), faults.answer(body={}, headers=told)]) as server,
        bench(server.origin) as made,
    ):
        made.call()
    assert [headers["x-ratelimit-remaining"] for _, headers in made.slots.settled] == ["7", "7"]


@pytest.mark.parametrize(
    ("max_wait", "waits", "slept"),
    [
        (75, ["74"], [75]),  # with its jitter exactly as long as allowed
        (75, ["75"], []),
        (75, ["40", "40"], [41]),  # both waits together count
        (0, ["0"], []),
        (1, ["0"], [1]),
    ],
)
def test_a_wait_past_the_bound_is_not_begun(max_wait, waits, slept):
    plan = [faults.too_many(wait) for wait in waits]
    with FaultServer(plan, last="ok") as server, bench(server.origin, max_wait=max_wait) as made:
        found = made.call("POST")
    assert made.clock.spent == slept
    if len(slept) < len(waits):
        assert isinstance(found, RateError)
        last = float(waits[-1]) + 1
        assert found.facts["retry_after_seconds"] == last
        assert found.facts["retry_at"].startswith("2026-01-01T00:")
        assert (found.facts["outcome"], found.facts["retryable"]) == ("rejected", True)
    else:
        assert isinstance(found, Answer)


def test_no_time_to_wait_means_one_attempt():
    with FaultServer([faults.status(500)]) as server, bench(server.origin, max_wait=0) as made:
        assert made.fails().exit_code == 7
    assert (len(server.requests), made.clock.spent) == (1, [])


def test_waiting_for_a_slot_counts_towards_the_bound():
    clocks: list[Clock] = []
    slots = Slots({1: lambda: clocks[0].sleep(50)})
    with FaultServer([faults.too_many(30)]) as server, bench(server.origin, slots=slots) as made:
        clocks.append(made.clock)
        error = made.fails()
    assert (error.exit_code, len(server.requests)) == (5, 1)
    assert [allowed for _, allowed in slots.taken] == [75]


def test_what_is_left_of_the_bound_is_what_the_limiter_may_use():
    with FaultServer([faults.too_many(9)], last="ok") as server, bench(server.origin) as made:
        made.call()
    assert [allowed for _, allowed in made.slots.taken] == [75, 65]


def full() -> None:
    raise RateError("full", retry_after_seconds=90, retry_at="2026-01-01T00:01:30.000Z")


@pytest.mark.parametrize("method", METHODS)
def test_a_slot_too_far_away_sends_nothing(method):
    with FaultServer() as server, bench(server.origin, slots=Slots({1: full})) as made:
        error = made.fails(method)
    assert (error.exit_code, error.facts["retry_after_seconds"], len(server.requests)) == (5, 90, 0)
    assert error.facts.get("outcome") == (None if method == "GET" else "not_sent")
    assert error.facts["attempts"] == 0


def test_a_login_is_never_sent_again_after_a_429_and_holds_nobody_up():
    with FaultServer([faults.too_many(1)]) as server, bench(server.origin) as made:
        error = made.fails("POST", "/epsimo-auth", body={"email": "e", "password": "p"})
    assert (error.exit_code, len(server.requests), made.clock.spent) == (5, 1, [])
    assert error.facts["retry_after_seconds"] == 2
    assert made.slots == Slots()
    assert server.requests[0].header("X-API-Key") is None
    assert server.requests[0].header("Authorization") is None


# ---- max-time


@pytest.mark.parametrize("left", [0.0, -5.0, 0.4])
def test_nothing_is_begun_when_the_time_is_over(left):
    with FaultServer() as server, bench(server.origin, max_time=left) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.code, error.facts["outcome"]) == (5, "out_of_time", "not_sent")
    assert (len(server.requests), made.slots.taken) == (0, [])


def test_no_sleep_goes_past_the_end():
    with FaultServer([faults.too_many(20)]) as server, bench(server.origin, max_time=10) as made:
        assert made.fails().exit_code == 5
    assert (made.clock.spent, len(server.requests)) == ([], 1)


def test_a_slot_leaves_time_for_the_request():
    with FaultServer() as server, bench(server.origin, max_time=10) as made:
        made.call()
    assert [allowed for _, allowed in made.slots.taken] == [9.5]


def test_the_deadline_of_a_request_is_cut_to_the_time_left():
    with FaultServer([faults.stall()]) as server, bench(server.origin, timeout=60, max_time=0.6, max_wait=0) as made:
        assert made.fails().exit_code == 7


# ---- doubt


class Script:
    """A transport that plays results from a list; an exception in it is raised."""

    origin = PRODUCTION

    def __init__(self, *results: Any) -> None:
        self.results = list(results)

    def send(self, *_: Any, **__: Any) -> Any:
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None: ...


def failed(status: int, **headers: str) -> Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Failure("status", status=status, headers=CaseInsensitiveDict(named), body={"success": False})


LOST = Failure("no_answer")


@pytest.mark.parametrize(
    "then",
    [
        [Failure("connect")] * 2,
        [Failure("tls")],
        [failed(429, Retry_After="1000")],
        [failed(429)] * 2,
        [failed(401)],
        [failed(404)],
        [failed(409)],
        [failed(302)],
        [Failure("not_json", status=200)],
        [failed(500), Failure("connect")],
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_after_a_lost_attempt_no_failure_makes_the_outcome_known(then, method):
    """A 404 after a lost DELETE may be that DELETE's own work; a refused connection undoes nothing."""
    script = Script(LOST, *then)
    with bench("", transport=script) as made:
        error = made.fails(method)
    assert (error.exit_code, error.facts["outcome"], script.results) == (8, "unknown", [])
    assert error.facts["http_status"] == then[-1].status
    assert error.facts["retryable"] is True


def test_a_slot_too_far_away_after_a_lost_attempt_leaves_the_doubt():
    with bench("", transport=Script(LOST), slots=Slots({2: full})) as made:
        error = made.fails("PUT")
    assert (error.exit_code, error.facts["outcome"], error.facts["attempts"]) == (8, "unknown", 1)


def test_the_end_of_the_time_after_a_lost_attempt_leaves_the_doubt():
    with bench("", transport=Script(LOST), max_time=1.2) as made:
        error = made.fails("PUT")
    assert (error.exit_code, error.facts["outcome"], error.facts["attempts"]) == (8, "unknown", 1)


def test_an_attempt_that_never_left_makes_no_doubt():
    with bench("", transport=Script(Failure("connect"), failed(409))) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.facts["outcome"]) == (4, "rejected")


def test_a_read_is_never_in_doubt():
    with bench("", transport=Script(LOST, failed(404))) as made:
        error = made.fails("GET")
    assert (error.exit_code, error.facts["outcome"]) == (4, None)


def test_on_the_wire_a_lost_put_and_then_a_429_is_in_doubt():
    with (
        FaultServer([faults.applied(faults.close_before()), faults.too_many(1000)]) as server,
        bench(server.origin) as made,
    ):
        error = made.fails("PUT")
    assert (error.exit_code, error.facts["outcome"], error.facts["http_status"]) == (8, "unknown", 429)
    assert [request.applied for request in server.requests] == [True, False]


# ---- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", METHODS)
def test_a_redirect_is_never_followed(status, method):
    with (
        Recorder() as target,
        FaultServer([faults.redirect(status, f"{target.origin}/canary")]) as server,
        bench(server.origin) as made,
    ):
        error = made.fails(method)
    assert (target.connections, target.bytes_received, len(server.requests)) == (0, 0, 1)
    assert error.exit_code == (8 if (status, method) == (303, "POST") else 4)
    assert error.facts["details"] == {"location": f"{target.origin}/canary"}
    assert "canary" not in error.message + error.hint


@pytest.mark.parametrize(
    "location", ["http://[::1", "http://\udcff", "//", "javascript:x", "http://x:y:z/", "", "\x01"]
)
def test_no_location_can_break_the_client(location):
    raw = faults._head(307, {"Content-Length": "0"})[:-2]
    raw += b"Location: " + location.encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    with FaultServer([faults._send_then(raw, faults._close)]) as server, bench(server.origin) as made:
        assert made.fails("POST").exit_code == 4


def test_the_body_of_a_redirect_is_bounded_like_any_other(monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY", 100)
    step = faults.answer(302, faults.PAGE, {"Location": "/x"})
    with FaultServer([step]) as server, bench(server.origin) as made:
        assert "larger than" in made.fails().message


# ---- what goes out, and where


class Wire(requests.adapters.BaseAdapter):
    """Takes every request for an origin that must not be asked for real."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        from urllib3 import HTTPResponse

        self.sent.append(request)
        response = requests.Response()
        response.status_code, response.raw = 200, HTTPResponse(io.BytesIO(b"{}"), preload_content=False)
        return response

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("endpoint", "header", "value"),
    [
        ("/campaigns", "X-API-Key", KEY),
        ("/enrich-leads/list", "x-api-key", KEY),
        ("/admin/users", "X-API-Key", KEY),
        ("/agent-api-keys", "Authorization", f"Bearer {KEY}"),
        ("/epsimo-auth", None, None),
    ],
)
def test_one_request_carries_one_credential_whatever_netrc_says(endpoint, header, value, own_world, monkeypatch):
    text = "machine last.leadgenius.app login x password canary\nmachine 127.0.0.1 login x password canary\n"
    (own_world / ".netrc").write_text(text)
    monkeypatch.setenv("NETRC", str(own_world / ".netrc"))
    wire = Wire()
    with bench(PRODUCTION) as made:
        made.client.transport.mount(wire)
        made.call("POST", endpoint)
    with FaultServer() as server, bench(server.origin) as made:
        made.call("POST", endpoint)
    for sent in (wire.sent[0].headers, dict(server.requests[0].headers)):
        found = {name: text for name, text in sent.items() if name.lower() in ("authorization", "x-api-key", "cookie")}
        assert found == ({header: value} if header else {})


def test_a_cookie_is_not_sent_back():
    with (
        FaultServer([faults.answer(body={}, headers={"Set-Cookie": "session=1; Path=/"})]) as server,
        bench(server.origin) as made,
    ):
        made.call()
        made.call()
    assert [request.header("Cookie") for request in server.requests] == [None, None]


def test_one_connection_carries_many_requests():
    with FaultServer() as server, bench(server.origin) as made:
        for _ in range(5):
            made.call()
    assert (len(server.requests), server.connections) == (5, 1)


def test_a_user_id_is_sent_beside_a_key_and_not_beside_a_login():
    class WithUser(Keys):
        def user_id(self, credential: Credential) -> str | None:
            return "u1"

    with FaultServer() as server, bench(server.origin, keys=WithUser()) as made:
        made.call()
        made.call("GET", "/agent-api-keys")
    assert [request.header("X-User-Id") for request in server.requests] == ["u1", None]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_asked_through_a_proxy(host, monkeypatch):
    with Recorder() as proxy, FaultServer() as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        with bench(server.origin.replace("127.0.0.1", host)) as made:
            assert isinstance(made.call("POST"), Answer)
    assert proxy.connections == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_proxy_that_refuses_has_let_nothing_through(method, monkeypatch):
    with ProxyServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.origin.replace("//", "//user:canary@"))
        with bench("https://api.invalid") as made:
            error = made.fails(method)
    assert (error.exit_code, error.facts["outcome"]) == (6, None if method == "GET" else "not_sent")
    assert [(request.method, request.target) for request in proxy.requests] == [("CONNECT", "api.invalid:443")] * 3
    assert all(request.header("X-API-Key") is None for request in proxy.requests)
    assert "canary" not in str(error.as_dict())


@pytest.mark.parametrize(
    ("proxy", "code"),
    [("http://user:canary@127.0.0.1:1", 6), ("http://user:canary@[bad", 6), ("socks5://user:canary@127.0.0.1:1", 9)],
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(proxy, code, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with bench("https://api.invalid") as made:
        error = made.fails("POST")
    assert error.exit_code == code
    assert "canary" not in str(error.as_dict())


# ---- trust


@pytest.mark.parametrize("method", METHODS)
def test_an_untrusted_certificate_ends_it_at_once(method):
    with FaultServer(tls=True) as server, bench(server.origin, timeout=5) as made:
        error = made.fails(method)
    assert (error.exit_code, error.code, made.client.requests) == (9, "tls", 1)
    assert error.facts["outcome"] == (None if method == "GET" else "not_sent")
    assert (len(server.requests), server.bytes_received, made.clock.spent) == (0, 0, [])


VARIABLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]


@pytest.mark.parametrize("name", VARIABLES)
def test_a_certificate_named_by_a_variable_is_trusted(name):
    with (
        FaultServer(tls=True) as server,
        bench(server.origin, timeout=5, environ={name: str(faults.CERTIFICATE)}) as made,
    ):
        assert isinstance(made.call("POST"), Answer)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_certificate_file_that_is_not_there_is_a_fault_of_this_machine(name):
    with pytest.raises(LocalError, match=name):
        Transport(PRODUCTION, environ={name: "/nonexistent/ca.pem"})


def test_a_certificate_file_that_holds_none_is_a_fault_of_this_machine(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("no certificate\n")
    with (
        FaultServer(tls=True) as server,
        bench(server.origin, timeout=5, environ={"REQUESTS_CA_BUNDLE": str(path)}) as made,
    ):
        assert made.fails().exit_code == 9
    assert server.bytes_received == 0


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_reset_while_shaking_hands_is_network():
    """Python's own wrap_socket leaves its socket to the collector when the reset comes before the handshake."""
    with FaultServer([faults.reset_on_accept()], tls=True) as server, bench(server.origin, timeout=5) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.facts["outcome"], server.connections) == (6, "not_sent", 3)
    gc.collect()


def test_the_deadline_ends_a_handshake_that_stalls():
    """A server of plain HTTP waits for the rest of what it takes for a request."""
    with FaultServer() as server, bench(server.origin.replace("http", "https"), timeout=0.1, max_wait=0) as made:
        error = made.fails("POST")
    assert (error.exit_code, error.facts["outcome"]) == (6, "not_sent")


# ---- refusals of ours


@pytest.mark.parametrize("key", ["lgp_canary\nX-Evil: 1", "lgp_canary\u2026", "lgp canary"])
def test_a_key_that_cannot_be_sent_is_refused_unprinted(key, tmp_path):
    keys = Credentials({"LGP_API_KEY": key}, CredentialFile(None), origin="http://127.0.0.1:1")
    with FaultServer() as server, bench(server.origin, keys=keys) as made:
        keys.origin = server.origin
        error = made.fails("POST")
    assert (error.exit_code, len(server.requests), made.slots.taken) == (3, 0, [])
    assert "canary" not in str(error.as_dict())


def test_read_only_sends_nothing_but_reads_and_logins():
    with FaultServer() as server, bench(server.origin, read_only=True) as made:
        for method in ("PUT", "DELETE", "POST"):
            error = made.fails(method)
            assert (error.exit_code, error.code, error.facts["outcome"]) == (2, "read_only", "not_sent")
        made.call("GET")
        made.call("POST", "/epsimo-auth")
    assert [request.target for request in server.requests] == ["/api/agent/campaigns", "/api/epsimo-auth"]


def test_a_parameter_that_is_no_text_is_refused():
    with FaultServer() as server, bench(server.origin) as made:
        assert isinstance(made.fails(params={"status": "\udcff"}), UsageError)
    assert server.requests == []


def test_parameters_are_encoded_and_those_of_the_endpoint_kept():
    params = {"a": "x y&z", "b": None, "c": [1, True], "d": "é"}
    with FaultServer() as server, bench(server.origin) as made:
        made.call("GET", "/leads?first=1", params=params)
    assert server.requests[0].target == "/api/agent/leads?first=1&a=x+y%26z&c=1&c=true&d=%C3%A9"


# ---- lists


def rows(*names: str, **more: Any) -> faults.Step:
    return faults.answer(body={"success": True, "data": [{"id": name} for name in names], **more})


def ids(pages: Any) -> list[list[str]]:
    return [[row["id"] for row in page.items] for page in pages]


def test_a_short_page_is_not_the_last():
    told = {"pagination": {"totalPages": 3}}
    plan = [rows("a", "b", **told), rows("c", **told), rows("d", "e", **told)]
    with FaultServer(plan) as server, bench(server.origin) as made:
        assert ids(made.client.pages("/leads", {"status": "new"}, size=2)) == [["a", "b"], ["c"], ["d", "e"]]
    assert [request.target.partition("?")[2] for request in server.requests] == [
        f"status=new&page={number}&pageSize=2" for number in (1, 2, 3)
    ]


def test_without_totals_an_empty_page_is_the_end():
    with FaultServer([rows("a"), rows("b"), rows()]) as server, bench(server.origin) as made:
        assert ids(made.client.pages("/leads")) == [["a"], ["b"], []]


def test_a_list_without_pages_ends_when_it_comes_again():
    with FaultServer([rows("a", "b")]) as server, bench(server.origin) as made:
        assert ids(made.client.pages("/webhooks")) == [["a", "b"]]
    assert len(server.requests) == 2


def test_pages_start_where_asked():
    with FaultServer([rows("c", pagination={"totalPages": 3})]) as server, bench(server.origin) as made:
        assert [page.number for page in made.client.pages("/leads", first=3)] == [3]


def test_a_page_that_fails_midway_raises_after_the_pages_before_it():
    with FaultServer([rows("a"), faults.status(400)]) as server, bench(server.origin) as made:
        pages = made.client.pages("/leads")
        assert [row["id"] for row in next(pages).items] == ["a"]
        with pytest.raises(LeadGeniusError):
            next(pages)


def test_a_bulk_list_follows_its_cursor_past_short_and_empty_pages():
    plan = [rows("a", nextToken="t1"), rows(nextToken="t/2"), rows("b", nextToken=None)]
    with FaultServer(plan) as server, bench(server.origin) as made:
        pages = list(made.client.bulk("/enrich-leads/list", {"companyId": "c"}, limit=2))
    assert (ids(pages), [page.cursor for page in pages]) == ([["a"], [], ["b"]], ["t1", "t/2", None])
    assert [request.target for request in server.requests] == [
        f"/api/enrich-leads/list?companyId=c&limit=2{cursor}" for cursor in ("", "&nextToken=t1", "&nextToken=t%2F2")
    ]


@pytest.mark.parametrize("start", [None, "x"])
@pytest.mark.parametrize("tokens", [["t", "t"], ["t", "u", "t"], ["x", "x"]])
def test_a_cursor_that_comes_again_is_an_error_and_no_endless_list(tokens, start):
    with (
        FaultServer([rows(f"r{n}", nextToken=token) for n, token in enumerate(tokens)]) as server,
        bench(server.origin) as made,
        pytest.raises(LeadGeniusError) as failed,
    ):
        list(made.client.bulk("/enrich-leads/list", cursor=start))
    assert failed.value.exit_code == 7
    assert len(server.requests) <= len(tokens)


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"items": [{"id": "a"}], "nextToken": None}},
        {"leads": [{"id": "a"}]},
        {"items": [{"id": "a"}], "nextToken": ""},
        [{"id": "a"}],
    ],
)
def test_lists_of_every_shape(body):
    with FaultServer([faults.answer(body=body)], last="ok") as server, bench(server.origin) as made:
        assert ids(made.client.bulk("/source-leads/list")) == [["a"]]
    with FaultServer([faults.answer(body=body)], last="ok") as server, bench(server.origin) as made:
        assert ids(made.client.pages("/leads", collection="leads")) == [["a"], []]


NO_ROWS = {
    "204": faults.empty(204),
    "nothing": faults.answer(200),
    "null": faults.answer(body="null"),
    "an empty object": faults.answer(body={}),
    "success alone": faults.answer(body={"success": True}),
    "null for data": faults.answer(body={"data": None}),
    "a record": faults.answer(body={"data": {"id": "a"}}),
    "text": faults.answer(body='"leads"'),
}


@pytest.mark.parametrize("page", NO_ROWS)
@pytest.mark.parametrize("before", [0, 1])
def test_an_answer_without_rows_is_no_page_of_a_list(page, before):
    plan = [rows("a", nextToken="t")] * before + [NO_ROWS[page]]
    for read, path in ((Client.bulk, "/enrich-leads/list"), (Client.pages, "/leads")):
        with FaultServer(plan) as server, bench(server.origin) as made:
            pages = read(made.client, path, collection="leads")
            assert len([next(pages) for _ in range(before)]) == before
            with pytest.raises(LeadGeniusError) as failed:
                next(pages)
        assert failed.value.exit_code == 7


@pytest.mark.parametrize("body", [[], [{"id": "b"}]])
def test_a_bare_array_after_a_cursor_is_no_page(body):
    """It cannot say whether more follows, so taking it would call the list complete."""
    plan = [rows("a", nextToken="t"), faults.answer(body=body)]
    with FaultServer(plan) as server, bench(server.origin) as made, pytest.raises(LeadGeniusError) as failed:
        list(made.client.bulk("/enrich-leads/list"))
    assert failed.value.exit_code == 7


def paged(pages: int | None, items: int | None, *names: str) -> faults.Step:
    told = {"totalPages": pages, "totalItems": items}
    return rows(*names, pagination={name: count for name, count in told.items() if count is not None})


@pytest.mark.parametrize(
    ("plan", "found", "short"),
    [
        ([paged(2, 2, "a"), paged(2, 2, "b")], [["a"], ["b"]], False),
        ([paged(0, 0)], [[]], False),
        ([paged(1, 0)], [[]], False),
        ([paged(None, 2, "a"), paged(None, 2, "b"), rows()], [["a"], ["b"], []], False),
        ([paged(3, None, "a"), rows()], [["a"], []], True),
        ([paged(3, None, "a"), paged(2, None, "b")], [["a"], ["b"]], False),
        ([paged(2, 5, "a"), paged(2, 5, "b")], [["a"], ["b"]], True),
        ([paged(None, 2, "a"), rows()], [["a"], []], True),
        ([paged(1, 5, "a")], [["a"]], True),
        ([paged(None, 1, "a"), paged(None, 1, "a")], [["a"]], False),
        ([paged(2, None, "a"), paged(2, None, "a")], [["a"], []], True),
        ([paged(3, 3, "a"), paged(3, 3, "a")], [["a"], []], True),
    ],
)
def test_a_list_that_ends_before_what_was_announced_says_so_on_its_last_page(plan, found, short):
    with FaultServer(plan) as server, bench(server.origin) as made:
        pages = list(made.client.pages("/leads"))
    assert (ids(pages), [page.short for page in pages]) == (found, [False] * (len(found) - 1) + [short])


def test_rows_before_the_first_page_asked_for_are_not_missing():
    with FaultServer([paged(2, 2, "b")]) as server, bench(server.origin) as made:
        assert [page.short for page in made.client.pages("/leads", first=2)] == [False]


# ---- stopped


class Impatient(Transport):
    """The same with less time for a change in flight."""

    def send(self, *words: Any, **more: Any) -> Answer | Failure:
        return super().send(*words, **more, patience=0.05)


@contextlib.contextmanager
def stopped_after(ready: Callable[[], object], times: int = 1) -> Iterator[None]:
    """Ctrl-C for this process once `ready` returns."""

    def stop() -> None:
        ready()
        for _ in range(times):
            time.sleep(0.03)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def interrupted(made: Bench, method: str) -> KeyboardInterrupt:
    with pytest.raises(KeyboardInterrupt) as stop:
        made.client.call(method, PATHS[method], body=None if method == "GET" else {})
    return stop.value


@pytest.mark.parametrize(
    ("method", "step", "outcome"),
    [
        ("POST", faults.slow(0.15, faults.ok()), "applied"),
        ("PUT", faults.slow(0.15, faults.ok()), "applied"),
        ("POST", faults.slow(0.15, faults.status(400)), "rejected"),
        ("POST", faults.slow(0.15, faults.status(500)), "unknown"),
        ("POST", faults.slow(0.15, faults.close_before()), "unknown"),
        ("GET", faults.stall(), None),
    ],
)
def test_an_interrupted_change_waits_for_its_answer_and_tells_it(method, step, outcome):
    with (
        FaultServer([step]) as server,
        bench(server.origin, timeout=5) as made,
        stopped_after(lambda: server.wait_for(1)),
    ):
        assert interrupted(made, method).outcome == outcome
    assert (len(server.requests), len(made.slots.settled)) == (1, 1), "not sent again, and its slot given back"


@pytest.mark.parametrize("step", [faults.stall(), faults.stall_body(9), faults.drip_headers()])
def test_an_interrupted_change_that_is_never_answered_is_in_doubt(step):
    with (
        FaultServer([step]) as server,
        bench("", transport=Impatient(server.origin, environ={}), timeout=5) as made,
        stopped_after(lambda: server.wait_for(1)),
    ):
        assert interrupted(made, "POST").outcome == "unknown"


def test_a_second_interrupt_ends_the_waiting():
    with (
        FaultServer([faults.stall()]) as server,
        bench(server.origin, timeout=30) as made,
        stopped_after(lambda: server.wait_for(1), times=2),
    ):
        assert interrupted(made, "POST").outcome == "unknown"


def test_interrupted_before_it_is_sent_nothing_goes_out(full_port):
    with bench(f"http://127.0.0.1:{full_port}", timeout=5) as made, stopped_after(lambda: time.sleep(0.05)):
        assert interrupted(made, "POST").outcome == "not_sent"


def stop() -> None:
    raise KeyboardInterrupt


class Unsettled(Slots):
    """Ctrl-C comes while the limiter writes down the end of the request."""

    def settle(self, slot: int, headers: Any) -> None:
        raise KeyboardInterrupt


def stopping(seconds: float) -> None:
    raise KeyboardInterrupt


OK = Answer(200, {}, {})


@pytest.mark.parametrize(
    ("results", "more", "outcome"),
    [
        ([], {"slots": Slots({1: stop})}, "not_sent"),
        ([LOST], {"slots": Slots({2: stop})}, "unknown"),
        ([LOST], {"sleep": stopping}, "unknown"),
        ([failed(429)], {"sleep": stopping}, "rejected"),
        ([Failure("connect")], {"sleep": stopping}, "not_sent"),
        ([LOST, failed(429)], {"slots": Slots({3: stop})}, "unknown"),
        ([OK], {"slots": Unsettled()}, "applied"),
        ([failed(400)], {"slots": Unsettled()}, "rejected"),
        ([KeyboardInterrupt()], {}, "unknown"),
        ([LOST, KeyboardInterrupt()], {}, "unknown"),
    ],
)
def test_an_interrupt_at_any_place_tells_the_outcome(results, more, outcome):
    with bench("", transport=Script(*results), **more) as made:
        assert interrupted(made, "PUT").outcome == outcome


def test_a_sandbox_makes_itself_known_once():
    told: list[tuple[str, str]] = []
    step = faults.answer(body={}, headers={"X-LeadGenius-Sandbox": "1"})
    with FaultServer([step]) as server, bench(server.origin, notes=lambda *words: told.append(words)) as made:
        made.call()
        made.call()
    assert [message for level, message in told if level == "warning"] == [
        "This answer comes from a sandbox: the data is not real."
    ]
