"""One attempt on real sockets, one row of each kind; what an answer is; certificates and
proxies.
"""

import contextlib
import gzip
import json
import os
import signal
import threading
import time

import pytest
from helper_bench import TLS, page, send

from leadgenius import transport as transport_module
from leadgenius.errors import UsageError
from leadgenius.retry import Answer, Request
from leadgenius.scopes import AGENT, PRODUCTION
from leadgenius.transport import Transport, understood


@pytest.fixture
def attempt():
    """`attempt(origin, method, …)`: how one attempt ended; each origin has one session, kept in
    `attempt.made`.
    """

    def run(origin, method="GET", timeout=5.0, body=None):
        if origin not in run.made:
            run.made[origin] = Transport(origin)
        url, headers = f"{origin}/api/agent/leads", {"X-API-Key": "lgp_canary"}
        request = Request(method, "", origin, url, headers, body, AGENT, 0)
        return run.made[origin].send(request, timeout)

    run.made = {}
    yield run
    for one in run.made.values():
        one.close()


PART = page(b'{"data": [', length=99)


@pytest.mark.parametrize(
    "step",
    [
        send(b"", "reset"),
        send(b""),
        send(b"", "stall"),
        send(b"HTTP/1.1 200 OK\r\n"),
        send(b"HTTP/1.1 200 OK\r\nContent-Ty"),
        send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        send(b"HTTP/1.1 200 OK\r\nX-Drip: ", "drip x"),
        send(PART, "reset"),
        send(PART),
        send(page(gzip.compress(b"")[:10] + b"\xff" * 64, "Content-Encoding: gzip")),
    ],
)
def test_whatever_ends_before_the_answer_does_is_no_answer(step, raw, attempt):
    server = raw(step)
    assert (attempt(server.origin, "POST", 0.3).failure, len(server.seen)) == ("no_answer", 1)


def test_an_error_without_a_body_is_one(raw, attempt):
    assert attempt(raw(send(b"HTTP/1.1 401 Unauthorized\r\n\r\n")).origin).status == 401


def test_refused_and_stalled_handshakes_have_sent_nothing(raw, attempt):
    assert attempt("http://127.0.0.1:1").failure == "connect"
    server = raw(send(b"", "stall"))
    assert attempt(server.origin.replace("http", "https"), timeout=0.15).failure == "connect"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_is_trusted_only_when_a_variable_names_it(
    name, raw, attempt, monkeypatch, home
):
    server = raw(send(page()), tls=True)
    assert attempt(server.origin).failure == "tls"
    (home / "odd.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    files = {"none.pem": "'tls'", home / "odd.pem": "'tls'", "test-only-cert.pem": "status=200"}
    for file, found in files.items():
        attempt.made.clear()
        monkeypatch.setenv(name, str(TLS / file))
        assert found in repr(attempt(server.origin))
    assert len(server.seen) == 1


def test_a_bomb_is_measured_as_it_swells(raw, attempt, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY", 2**20)
    server = raw(send(page(gzip.compress(b" " * 2**21), "Content-Encoding: gzip")))
    assert attempt(server.origin).failure == "too_large"


def test_what_goes_out_is_whole_and_nothing_else(raw, attempt, home, monkeypatch):
    monkeypatch.setattr(transport_module, "is_loopback", lambda origin: False)  # as elsewhere
    server = raw(send(page(b'{"data": 1}', "Set-Cookie: session=1; Path=/")))
    (home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (home / ".netrc").chmod(0o600)
    assert attempt(server.origin, "POST", body={"name": "é"}).body == {"data": 1}
    attempt(server.origin)
    line, headers, body = server.seen[0]
    assert line == b"POST /api/agent/leads HTTP/1.1\r\n"
    assert (headers["X-API-Key"], json.loads(body)) == ("lgp_canary", {"name": "é"})
    for _, headers, _ in server.seen:
        assert headers["Authorization"] is headers["Cookie"] is None


def test_a_redirect_is_never_followed_nor_read_without_a_bound(raw, attempt, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY", 1000)
    moved = page(b" " * 70_000, "Location: /elsewhere", status="308 Moved", length=10**6)
    server = raw(send(moved, "stall"))
    found = attempt(server.origin, "POST", body={})
    assert (found.failure, found.status, len(server.seen)) == ("status", 308, 1)


def test_a_body_that_is_no_json_is_refused_before_anything_is_sent(raw, attempt):
    server = raw(send(page()))
    for body in ({"n": float("nan")}, {"n": {1, 2}}):
        with pytest.raises(UsageError):
            attempt(server.origin, "POST", body=body)
    assert server.seen == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("http://user:canary@127.0.0.1:1", "connect"),
        ("user:canary@127.0.0.1:1", "proxy"),
        ("http://h:port:canary", "proxy"),
        ("socks5://canary:1", "proxy"),
        ("ftp://canary", "proxy"),
        ("http://", "proxy"),
        ("canary b", "proxy"),
    ],
)
def test_a_proxy_that_refuses_or_is_none_lets_nothing_through(value, kind, attempt, monkeypatch):
    monkeypatch.setenv("https_proxy", value)
    found = attempt(PRODUCTION, "POST")
    assert (found.failure, "canary" in found.detail) == (kind, False)


def test_no_proxy_stands_before_this_machine(raw, attempt, monkeypatch):
    for name in ("http_proxy", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert attempt(raw(send(page(b"{}"))).origin).status == 200


@pytest.mark.parametrize(("then", "outcome"), [("answer", ""), ("stall", "no_answer")])
def test_an_interrupted_change_gets_time_to_answer(then, outcome, raw, attempt, monkeypatch):
    monkeypatch.setattr(transport_module, "LAST_SECONDS", 0.3)

    def step(sock, stopping):
        os.kill(os.getpid(), signal.SIGINT)
        stopping.wait(0.1 if then == "answer" else None)
        sock.sendall(page(b"{}"))

    origin = raw(step).origin
    with pytest.raises(KeyboardInterrupt):
        attempt(origin, "POST", body={})
    assert attempt.made[origin].last.failure == outcome


def test_a_deadline_closes_the_connection(raw, attempt):
    closed = threading.Event()

    def step(sock, stopping):
        with contextlib.suppress(OSError):
            send(PART, "drip  ")(sock, stopping)
            return
        closed.set()

    assert attempt(raw(step).origin, timeout=0.1).failure == "no_answer"
    assert closed.wait(5)


def test_nothing_is_sent_after_the_deadline(raw, attempt, monkeypatch):
    connect, connected = transport_module.HTTPConnection.connect, threading.Event()

    def slow(self):
        connect(self)
        time.sleep(0.2)
        connected.set()

    monkeypatch.setattr(transport_module.HTTPConnection, "connect", slow)
    server = raw(send(page()))
    assert attempt(server.origin, "POST", 0.05, {}).failure == "connect"
    assert connected.wait(5)
    time.sleep(0.05)  # to send it, if it does
    assert not any(line for line, _, _ in server.seen)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"success": null, "data": []}', ""),
        (b"\xef\xbb\xbf[1]", ""),
        (b" null ", ""),
        (b'{"jobId": "j", "error": "x"}', ""),
        (b'{"data": {}, "error": "one row was left out"}', ""),
        (b'{"data": false}', ""),
        (b'{"success": false}', "status"),
        (b'{"error": "quota"}', "status"),
        (b'{"data": null, "error": "quota"}', "status"),
        (b"[" * 100_000, "broken"),
        (b"[NaN]", "broken"),
        (b"[1e999]", "broken"),
        (b"[" + b"1" * 5000 + b"]", "broken"),
        (b'{"data": [', "broken"),
        (b"\xff\xfe\xfd", "broken"),
    ],
)
def test_what_a_body_makes_of_a_2xx(body, kind):
    found = understood(200, {"Content-Type": "text/plain"}, body)
    if kind == "broken":
        assert found.failure == "not_json"
        assert understood(200, {"Content-Type": "application/json"}, body).failure == "broken_json"
        assert understood(500, {}, body) == Answer("status", 500, {}, None, "HTTP 500")
        return
    assert found.failure == kind
    assert (found.status, found.body) == (200, json.loads(body.decode("utf-8-sig")))


def test_one_connection_carries_many_requests(raw, attempt):
    def twice(sock, stopping):
        answer = page(b"{}").replace(b"Connection: close\r\n", b"")
        sock.sendall(answer)
        sock.recv(65536)
        sock.sendall(answer)

    server = raw(twice)
    assert [attempt(server.origin).status for _ in range(2)] == [200, 200]
    assert len(server.seen) == 1
