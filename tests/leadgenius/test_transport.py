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
from leadgenius.errors import LocalError, UsageError
from leadgenius.retry import Answer, Failure
from leadgenius.scopes import PRODUCTION
from leadgenius.transport import Transport, understood


@pytest.fixture
def attempt():
    """`attempt(origin, method, timeout)`: how one attempt ended."""
    made = []

    def run(origin, method="GET", timeout=5.0, body=None, environ=None):
        made.append(Transport(origin, environ=environ or {}))
        headers = {"X-API-Key": "lgp_canary"}
        return made[-1].send(method, f"{origin}/api/agent/leads", headers, body, timeout=timeout)

    yield run
    for one in made:
        one.close()


BODY = json.dumps({"success": True, "data": [{"id": n} for n in range(9)]}).encode()
FAULTS = {
    "reset": (send(b"", "reset"), "no_answer"),
    "close": (send(b""), "no_answer"),
    "stall": (send(b"", "stall"), "no_answer"),
    "header drip": (send(b"HTTP/1.1 200 OK\r\nX-Drip: ", "drip x"), "no_answer"),
    "body reset": (send(page(BODY[:20], length=len(BODY)), "reset"), "body"),
    "body truncated": (send(page(BODY[:20], length=len(BODY))), "body"),
    "body drip": (send(page(b"", length=10**9), "drip  "), "body"),
    "broken gzip": (
        send(page(gzip.compress(b"")[:10] + b"\xff" * 64, "Content-Encoding: gzip")),
        "body",
    ),
    "truncated, of no length": (send(page(BODY[:30], length=-1)), "broken_json"),
    "a page of a proxy": (
        send(page(b"<html>").replace(b"application/json", b"text/html")),
        "not_json",
    ),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_socket_is_known_for_what_it_is(fault, method, raw, attempt):
    step, kind = FAULTS[fault]
    server = raw(step)
    timeout = 0.15 if "stall" in fault or "drip" in fault else 5.0
    found = attempt(server.origin, method, timeout)
    assert isinstance(found, Failure)
    if fault == "header drip" and found.kind == "body":
        kind = "body"  # what the shut socket leaves may still be read as the end of the headers
    assert (found.kind, len(server.seen)) == (kind, 1)


def test_refused_and_stalled_handshakes_have_sent_nothing(raw, attempt):
    assert attempt("http://127.0.0.1:1").kind == "connect"
    server = raw(send(b"", "stall"))
    assert attempt(server.origin.replace("http", "https"), timeout=0.15).kind == "connect"


def test_a_certificate_is_trusted_only_when_a_variable_names_it(raw, attempt):
    server = raw(send(page(BODY)), tls=True)
    assert attempt(server.origin).kind == "tls"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        assert attempt(server.origin, environ={name: f"{TLS}/test-only-cert.pem"}).status == 200
    assert len(server.seen) == 3
    with pytest.raises(LocalError, match="SSL_CERT_FILE"):
        attempt(server.origin, environ={"SSL_CERT_FILE": f"{TLS}/none.pem"})


def test_a_bomb_is_measured_as_it_swells(raw, attempt, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_BODY", 2**20)
    server = raw(send(page(gzip.compress(b" " * 2**21), "Content-Encoding: gzip")))
    assert attempt(server.origin).kind == "too_large"


def test_values_are_counted_before_they_are_made(monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_VALUES", 1000)
    many = b"[" + b",".join([b"{ }"] * 501) + b"]"
    assert understood(200, {}, many).kind == "too_large"
    assert understood(200, {}, many.replace(b"{ }", b"0.0")).status == 200
    assert understood(200, {}, b'["' + b"a,{" * 5000 + b'\\""]').status == 200, (
        "a text is one value"
    )


def test_what_goes_out_is_whole_and_nothing_else(raw, home):
    server = raw(send(page(b'{"data": 1}', "Set-Cookie: session=1; Path=/")))
    (home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (home / ".netrc").chmod(0o600)
    url, key = f"{server.origin}/api/agent/leads", {"X-API-Key": "lgp_canary"}
    with contextlib.closing(Transport(server.origin, environ={})) as made:
        assert made.send("POST", url, key, {"name": "é"}, timeout=5.0).body == {"data": 1}
        made.send("GET", url, key, timeout=5.0)
    line, headers, body = server.seen[0]
    assert line == b"POST /api/agent/leads HTTP/1.1\r\n"
    assert (headers["X-API-Key"], json.loads(body)) == ("lgp_canary", {"name": "é"})
    for _, headers, _ in server.seen:
        assert headers["Authorization"] is headers["Cookie"] is None


@pytest.mark.parametrize("status", [301, 303, 308])
def test_a_redirect_is_never_followed(status, raw, attempt):
    server = raw(send(page(b"", "Location: /elsewhere", status=f"{status} Moved")))
    found = attempt(server.origin, "POST", body={})
    assert (found.kind, found.status, len(server.seen)) == ("status", status, 1)


def test_a_body_that_is_no_json_is_refused_before_anything_is_sent(raw, attempt):
    server = raw(send(page()))
    for body in ({"n": float("nan")}, {"n": {1, 2}}):
        with pytest.raises(UsageError):
            attempt(server.origin, "POST", body=body)
    assert server.seen == []


def test_a_proxy_that_refuses_lets_nothing_through(attempt, monkeypatch):
    monkeypatch.setenv("https_proxy", "user:canary@127.0.0.1:1")
    found = attempt(PRODUCTION, "POST")
    assert found.kind == "connect"
    assert "canary" not in found.detail


@pytest.mark.parametrize(
    "value", ["socks5://h:1", "http://h:port:canary", "ftp://h", "http://", "a b"]
)
def test_a_proxy_that_makes_no_sense_is_named_and_not_shown(value, attempt, monkeypatch):
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(LocalError, match="https_proxy") as caught:
        attempt(PRODUCTION, "POST")
    assert value not in str(caught.value)


def test_no_proxy_stands_before_this_machine(raw, attempt, monkeypatch):
    for name in ("http_proxy", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert attempt(raw(send(page(b"{}"))).origin).status == 200


@pytest.mark.parametrize(("then", "outcome"), [("answer", Answer), ("stall", Failure)])
def test_an_interrupted_change_gets_time_to_answer(then, outcome, raw, monkeypatch):
    monkeypatch.setattr(transport_module, "LAST_SECONDS", 0.3)

    def step(sock, stopping):
        os.kill(os.getpid(), signal.SIGINT)
        stopping.wait(0.1 if then == "answer" else None)
        sock.sendall(page(b"{}"))

    origin = raw(step).origin
    closing = contextlib.closing(Transport(origin, environ={}))
    with closing as made, pytest.raises(KeyboardInterrupt):
        made.send("POST", f"{origin}/x", {}, {}, timeout=5.0)
    assert isinstance(made.last, outcome)
    assert getattr(made.last, "kind", "no_answer") == "no_answer"


def test_nothing_is_sent_after_the_deadline(raw, monkeypatch):
    connect, connected = transport_module.HTTPConnection.connect, threading.Event()

    def slow(self):
        connect(self)
        time.sleep(0.2)
        connected.set()

    monkeypatch.setattr(transport_module.HTTPConnection, "connect", slow)
    server = raw(send(page()))
    with contextlib.closing(Transport(server.origin, environ={})) as made:
        found = made.send("POST", f"{server.origin}/x", {}, {}, timeout=0.05)
        assert connected.wait(5)
        time.sleep(0.05)  # to send it, if it does
    assert found.kind == "connect"
    assert not any(line for line, _, _ in server.seen)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"success": null, "data": []}', ""),
        (b"\xef\xbb\xbf[1]", ""),
        (b" null ", ""),
        (b'{"jobId": "j", "error": "x"}', ""),
        (b'{"data": {}, "error": "one row was left out"}', ""),
        (b'{"success": false}', "status"),
        (b'{"success": "False", "data": []}', "status"),
        (b'{"success": 0}', "status"),
        (b'{"error": "quota"}', "status"),
        (b"[" * 100_000, "unusable"),
        (b"[NaN]", "unusable"),
        (b"[1e999]", "unusable"),
        (b"[" + b"1" * 5000 + b"]", "unusable"),
        (b'{"data": [', "not_json"),
        (b"\xff\xfe\xfd", "not_json"),
    ],
)
def test_what_a_body_makes_of_a_2xx(body, kind):
    found = understood(200, {"Content-Type": "text/plain"}, body)
    assert getattr(found, "kind", "") == kind
    if kind in ("", "status"):
        assert (found.status, found.body) == (200, json.loads(body.decode("utf-8-sig")))
    else:
        assert understood(500, {}, body) == Failure("status", 500, {}, None)


def test_one_connection_carries_many_requests(raw, attempt):
    def twice(sock, stopping):
        answer = page(b"{}").replace(b"Connection: close\r\n", b"")
        sock.sendall(answer)
        sock.recv(65536)
        sock.sendall(answer)

    server = raw(twice)
    with contextlib.closing(Transport(server.origin, environ={})) as made:
        for _ in range(2):
            assert made.send("GET", f"{server.origin}/x", {}, timeout=5.0).status == 200
    assert len(server.seen) == 1
