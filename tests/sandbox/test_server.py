"""The sandbox on a socket: what is not HTTP, bodies left unread, slow clients, foreign hosts, keep-alive."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import server as server_module
from sandbox.app import LARGEST_BODY
from sandbox.demo import CREDENTIALS

KEY = CREDENTIALS["api_key"]
CAMPAIGNS = "/api/agent/campaigns"
Say = Callable[..., bytes]


@pytest.fixture
def say(shared: Any, listen: Callable[[Any], int]) -> Say:
    """All that the server answers to these bytes, after which nothing more is sent."""
    port = listen(shared)

    def exchange(*parts: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while part := connection.recv(65536):
                received += part
        return received

    return exchange


def head(method: str, path: str, *headers: str, host: str = "Host: 127.0.0.1:8787") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *([host] if host else []), f"X-API-Key: {KEY}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", received)]


def body_of(received: bytes) -> Any:
    return json.loads(received.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("Host: localhost", 200),
        ("Host: LOCALHOST:80", 200),
        ("Host: 127.0.0.1", 200),
        ("Host: [::1]:9", 200),
        ("Host: sandbox.example", 403),
        ("Host: 127.0.0.1.evil.example", 403),
        ("Host: localhost\r\nHost: evil.example", 403),
        ("Host: ", 403),
        ("", 403),
    ],
)
def test_only_a_loopback_host_is_answered(say: Say, host: str, status: int) -> None:
    received = say(head("GET", CAMPAIGNS, "Connection: close", host=host))
    assert statuses(received) == [status]
    assert body_of(received)["success"] is (status == 200)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404), (f"{CAMPAIGNS}/", 404), ("//api/agent/campaigns", 404), (f"{CAMPAIGNS}/..", 404),
        (f"{CAMPAIGNS}/a%2Fb", 404), (f"{CAMPAIGNS}/%FF", 400), (f"{CAMPAIGNS}/%", 400), ("*", 404),
        (f"http://any.example{CAMPAIGNS}", 200), (f"{CAMPAIGNS}#x", 200), (f"{CAMPAIGNS}/\xe9", 400),
    ],
)  # fmt: skip
def test_paths_are_routed_as_they_came(say: Say, path: str, status: int) -> None:
    assert statuses(say(head("GET", path, "Connection: close"))) == [status]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PURGE", "get"])
def test_other_methods_are_refused_with_allow(say: Say, method: str) -> None:
    received = say(head(method, CAMPAIGNS, "Connection: close"))
    assert statuses(received) == [405]
    assert b"\r\nAllow: GET, POST\r\n" in received
    assert received.endswith(b"\r\n\r\n") == (method == "HEAD")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], b"", 411),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n", 411),
        (["Content-Length: -1"], b"", 411),
        (["Content-Length: 2", "Content-Length: 3"], b"{}", 411),
        (["Content-Length: 99999999999999999999999"], b"", 413),
        (["Content-Length: 9999999999"], b"{}", 413),
        (["Content-Length: 10"], b"{}", 400),
        (["Content-Length: 2", "Content-Type: text/plain"], b"{}", 415),
        (["Content-Length: 2", "Content-Type: application/json", "Content-Type: application/json"], b"{}", 415),
        (["Content-Length: 2", "Content-Type: Application/JSON; Charset=UTF-8"], b"{}", 400),
        (["Content-Length: 2", f"X-API-Key: {KEY}"], b"{}", 401),
    ],
)
def test_lengths_types_and_doubled_headers(say: Say, headers: list[str], body: bytes, status: int) -> None:
    received = say(head("POST", CAMPAIGNS, *headers) + body)
    assert statuses(received) == [status]
    assert body_of(received)["success"] is False


def test_what_follows_an_unread_body_is_not_a_request(say: Say) -> None:
    smuggled = head("GET", CAMPAIGNS)
    for headers in (["Transfer-Encoding: chunked"], [f"Content-Length: {LARGEST_BODY + 1}"], ["Content-Length: x"]):
        received = say(head("POST", CAMPAIGNS, *headers), smuggled)
        assert len(statuses(received)) == 1
        assert b"\r\nConnection: close\r\n" in received
    assert statuses(say(head("POST", CAMPAIGNS, "Content-Length: 9", host="Host: evil"), smuggled)) == [403]


def test_a_body_over_the_limit_is_read_off_so_that_its_sender_sees_the_answer(say: Say) -> None:
    received = say(head("POST", CAMPAIGNS, f"Content-Length: {LARGEST_BODY + 1}"), b" " * (LARGEST_BODY + 1))
    assert body_of(received)["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(200)) + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_answered_in_json(say: Say, request_bytes: bytes, status: int) -> None:
    received = say(request_bytes)
    assert statuses(received) == [status]
    assert b"\r\nX-LeadGenius-Sandbox: 1\r\n" in received
    assert body_of(received)["success"] is False


def test_a_connection_serves_request_after_request(say: Say) -> None:
    many = head("GET", CAMPAIGNS) + head("POST", CAMPAIGNS, "Content-Length: 2") + b"{}" + head("GET", "/nowhere")
    assert statuses(say(many)) == [200, 400, 404]


def test_a_defect_is_a_bare_500(
    shared: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr("sandbox.jobs.settle", broken)
    reply = shared.get("/campaigns")
    assert reply.error == (500, "INTERNAL", [])
    assert b"secret" not in reply.raw
    assert "the inner secret" in capsys.readouterr().err


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_client_that_is_slow_is_cut_off(
    shared: Any, listen: Callable[[Any], int], monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    assert server_module.REQUEST_SECONDS == 30
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", 0.15)
    stop = threading.Event()

    def drip() -> None:
        while start and not stop.wait(0.02):
            try:
                connection.sendall(b"A: b\r\n")
            except OSError:
                return

    with socket.create_connection(("127.0.0.1", listen(shared)), timeout=5) as connection:
        connection.sendall(start)
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert connection.recv(1) == b""
        except ConnectionError:
            pass
        finally:
            stop.set()
            thread.join()
