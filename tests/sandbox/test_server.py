"""The sandbox on a socket: what is not HTTP, unread bodies, slow clients, foreign hosts."""

import json
import re
import socket

import pytest

from sandbox import server as server_module
from sandbox.app import LARGEST_BODY
from sandbox.demo import CREDENTIALS

KEY = CREDENTIALS["api_key"]
CAMPAIGNS = "/api/agent/campaigns"
CLOSE = "Connection: close"


@pytest.fixture
def exchange(shared, open_port):
    """All that the server answers to these bytes, after which nothing more is sent."""
    port = open_port(shared)

    def run(content):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return run


def head(method, path, *headers, host="Host: 127.0.0.1:8787"):
    lines = [f"{method} {path} HTTP/1.1", host or "A: b", f"X-API-Key: {KEY}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def statuses(received):
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", received)]


def body_of(received):
    return json.loads(received.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("Host: LOCALHOST", 200), ("Host: 127.0.0.1:80", 200), ("Host: [::1]:9", 200), ("", 403),
        ("Host: 127.0.0.1.evil.example", 403), ("Host: localhost\r\nHost: evil.example", 403),
    ],
)  # fmt: skip
def test_only_a_loopback_host_is_answered(exchange, host, status):
    assert statuses(exchange(head("GET", CAMPAIGNS, CLOSE, host=host))) == [status]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Transfer-Encoding: chunked"], 411),
        (["Content-Length: x"], 411),
        (["Content-Length: 2", "Content-Length: 3"], 411),
        ([f"Content-Length: {LARGEST_BODY + 1}"], 413),
        (["Content-Length: 9", "Host: evil"], 403),
    ],
)
def test_what_follows_an_unread_body_is_not_a_request(exchange, headers, status):
    received = exchange(head("POST", CAMPAIGNS, *headers) + head("GET", CAMPAIGNS))
    assert statuses(received) == [status]
    assert b"\r\nConnection: close\r\n" in received


def test_doubled_keys_and_types_make_no_valid_one(exchange):
    for header, status in ((f"X-API-Key: {KEY}", 401), ("Content-Type: application/json", 415)):
        headers = ["Content-Type: application/json", header, "Content-Length: 2", CLOSE]
        assert statuses(exchange(head("POST", CAMPAIGNS, *headers) + b"{}")) == [status]


def test_a_body_over_the_limit_is_read_off_so_that_its_sender_sees_the_answer(exchange):
    size = LARGEST_BODY + 1
    received = exchange(head("POST", CAMPAIGNS, f"Content-Length: {size}") + b" " * size)
    assert body_of(received)["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_not_http_is_answered_in_json(exchange, content, status):
    received = exchange(content)
    assert (statuses(received), body_of(received)["success"]) == ([status], False)
    assert b"\r\nX-LeadGenius-Sandbox: 1\r\n" in received


def test_a_connection_serves_request_after_request(exchange):
    many = (
        head("GET", f"http://any.example{CAMPAIGNS}#x")
        + head("POST", CAMPAIGNS, "Content-Length: 2")
        + b"{}"
        + head("GET", "/no")
    )
    assert statuses(exchange(many)) == [200, 400, 404]


def test_a_defect_is_a_bare_500(shared, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("the inner secret")

    monkeypatch.setattr("sandbox.jobs.settle", broken)
    reply = shared.get("/campaigns")
    assert (reply.error, b"secret" in reply.raw) == ((500, "INTERNAL", []), False)
    assert "the inner secret" in capsys.readouterr().err


def test_a_client_that_is_slow_is_cut_off(shared, open_port, monkeypatch):
    assert server_module.REQUEST_SECONDS == 30
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", 0.15)
    with socket.create_connection(("127.0.0.1", open_port(shared)), timeout=0.02) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(250):
            try:
                connection.sendall(b"A: b\r\n")
                assert connection.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                pass
            return
    raise AssertionError("it goes on listening")
