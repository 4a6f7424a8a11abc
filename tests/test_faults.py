"""Each fault does on the wire what it says, seen by a bare socket; a few also through http.client and TLS."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Literal

import pytest

import faults
from faults import FaultServer, ProxyServer, Recorder, Step

GET = b"GET /api/agent/leads?page=1 HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\n\r\n"
CLOSING = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
End = Literal["fin", "reset", "open"]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def talk(server: FaultServer, sent: bytes = GET, patience: float = 5, leave: bool = False) -> tuple[bytes, End]:
    """Everything that came back, and how it ended: FIN, RST, or still open after so many seconds.

    With `leave` the client says FIN right after what it sends.
    """
    got, until = b"", time.monotonic() + patience
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience) as sock:
        try:
            sock.sendall(sent)
            if leave:
                sock.shutdown(socket.SHUT_WR)
            while time.monotonic() < until:
                more = sock.recv(65536)
                if not more:
                    return got, "fin"
                got += more
        except (ConnectionResetError, BrokenPipeError):
            return got, "reset"
        except TimeoutError:
            pass
        return got, "open"


def whole(server: FaultServer) -> tuple[bytes, bytes]:
    """Head and body of an answer to a client that will not ask again, so that the server ends it."""
    got, ended = talk(server, CLOSING)
    assert ended == "fin"
    return split(got)


def split(got: bytes) -> tuple[bytes, bytes]:
    head, end, body = got.partition(b"\r\n\r\n")
    assert end
    return head, body


def promised(head: bytes) -> int:
    return int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


HALF = faults.PAGE[: len(faults.PAGE) // 2]


@pytest.mark.parametrize(
    ("step", "end", "starts", "body"),
    [
        (faults.reset_on_accept(), "reset", b"", None),
        (faults.reset_before(), "reset", b"", None),
        (faults.close_before(), "fin", b"", None),
        (faults.stall(), "open", b"", None),
        (faults.stall_body(7), "open", b"HTTP/1.1 200 OK\r\n", faults.PAGE[:7]),
        (faults.reset_body(), "reset", b"HTTP/1.1 200 OK\r\n", HALF),
        (faults.truncate_with_length(), "fin", b"HTTP/1.1 200 OK\r\n", HALF),
        (faults.chunk_cut_short(), "fin", b"HTTP/1.1 200 OK\r\n", b"%x\r\n" % len(faults.PAGE) + HALF),
        (faults.not_http(), "fin", b"\x00\xffSSH", b""),
        (faults.empty(), "open", b"HTTP/1.1 204 No Content\r\n", b""),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_how_it_ends(step: Step, end: End, starts: bytes, body: bytes | None) -> None:
    with FaultServer([step]) as server:
        got, ended = talk(server, patience=0.1 if end == "open" else 5)
        assert ended == end
        assert got.startswith(starts) if starts else got == b""
        if body is not None:
            assert split(got)[1] == body
        assert server.connections == 1
        assert len(server.requests) == (0 if step.on_accept else 1)


@pytest.mark.parametrize("step", [faults.stall_body(7), faults.reset_body(), faults.truncate_with_length()])
def test_a_cut_body_is_shorter_than_promised(step: Step) -> None:
    with FaultServer([step]) as server:
        head, body = split(talk(server, patience=0.1)[0])
    assert promised(head) == len(faults.PAGE) > len(body)


def test_a_body_of_unstated_length_ends_after_a_whole_row() -> None:
    with FaultServer([faults.truncate_without_length()]) as server:
        got, ended = talk(server)
    head, body = split(got)
    assert ended == "fin"
    assert b"content-length" not in head.lower() and b"chunked" not in head
    assert len(json.loads(body + b"]}")["data"]) == 1


@pytest.mark.parametrize(
    ("step", "start", "piece"),
    [
        (faults.drip_body(0.002), b"HTTP/1.1 200 OK\r\n", b" "),
        (faults.drip_headers(0.002), b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
        (faults.drip_continue(0.002), b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_drip_never_ends(step: Step, start: bytes, piece: bytes) -> None:
    with FaultServer([step]) as server:
        got, ended = talk(server, patience=0.1)
    assert ended == "open"
    assert got.startswith(start) and got.endswith(piece * 3)


def test_gzip_faults_arrive_whole_and_do_not_decode() -> None:
    with FaultServer([faults.broken_gzip(), faults.truncated_gzip()]) as server:
        answers = [whole(server) for _ in range(2)]
    assert all(b"Content-Encoding: gzip" in head and promised(head) == len(body) for head, body in answers)
    with pytest.raises(zlib.error):
        gzip.decompress(answers[0][1])
    with pytest.raises(EOFError):
        gzip.decompress(answers[1][1])


def test_a_bomb_is_small_on_the_wire_and_valid() -> None:
    with FaultServer([faults.gzip_bomb(3)]) as server:
        head, body = whole(server)
    assert promised(head) == len(body) < 5_000
    text = gzip.decompress(body)
    assert len(text) > 3 * 1_048_576 and json.loads(text) == {"success": True, "data": []}


def test_broken_json_and_html_arrive_whole() -> None:
    with FaultServer([faults.broken_json(), faults.html(502)]) as server:
        (head, body), (page_head, page) = whole(server), whole(server)
    assert promised(head) == len(body) and b"application/json" in head
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert page_head.startswith(b"HTTP/1.1 502 Bad Gateway") and b"text/html" in page_head and b"<!doctype" in page


@pytest.mark.parametrize(("count", "length"), [(200, 0), (0, 70_000)])
def test_headers_beyond_what_http_client_takes(count: int, length: int) -> None:
    with FaultServer([faults.oversized_headers(count, length)]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
        connection.request("GET", "/")
        with pytest.raises(http.client.HTTPException):
            connection.getresponse()
        connection.close()


@pytest.mark.parametrize("text", ["soon", "-1", "1e999", "٣", "", None])
def test_429_carries_any_text(text: str | None) -> None:
    with FaultServer([faults.too_many(text, window="hour", headers={"X-RateLimit-Reset": "9"})]) as server:
        head, body = whole(server)
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 429 Too Many Requests" and b"X-RateLimit-Reset: 9" in lines
    assert (f"Retry-After: {text}".encode() in lines) == (text is not None) == (b"Retry-After" in head)
    assert json.loads(body) == {
        "success": False,
        "error": "Rate limit exceeded (hour window)",
        "code": "RATE_LIMITED",
        "requestId": faults.REQUEST_ID,
    }


def test_429_of_a_proxy_and_statuses_and_redirects() -> None:
    plan = [faults.too_many(3, json=False), faults.status(503, {"Retry-After": "2"}), faults.redirect(308, "http://y/")]
    with FaultServer(plan) as server:
        proxy, down, moved = (whole(server) for _ in range(3))
    assert b"Retry-After: 3" in proxy[0] and b"text/html" in proxy[0]
    assert down[0].startswith(b"HTTP/1.1 503 ") and b"Retry-After: 2" in down[0]
    assert json.loads(down[1])["code"] == "SERVICE_UNAVAILABLE"
    assert moved[0].startswith(b"HTTP/1.1 308 ") and b"Location: http://y/" in moved[0] and moved[1] == b""


def test_a_kept_connection_carries_the_whole_plan_and_all_is_recorded() -> None:
    plan = [faults.answer(201, {"n": 1}), faults.slow(0.01, then=faults.applied(faults.status(500)))]
    with FaultServer(plan, last="ok") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
        seen = []
        for method, body in (("POST", b'{"a": 1}'), ("PUT", b"x" * 200_000), ("GET", None), ("GET", None)):
            connection.request(method, "/p%2Fq", body, {"X-Api-Key": "k"})
            answer = connection.getresponse()
            seen.append((answer.status, json.loads(answer.read()).get("success")))
        connection.close()
        assert seen == [(201, None), (500, False), (200, True), (200, True)]
        assert server.connections == 1 and server.bytes_received > 200_000
        first, second, *_ = server.requests
        assert (first.method, first.target, first.header("x-api-key"), first.json()) == (
            "POST",
            "/p%2Fq",
            "k",
            {"a": 1},
        )
        assert len(second.body) == 200_000 and second.complete
        assert [request.applied for request in server.requests] == [False, True, False, False]


def test_the_last_step_repeats_and_a_coming_reset_is_announced() -> None:
    with FaultServer([faults.ok(), faults.reset_on_accept()]) as server:
        got, ended = talk(server)
        assert ended == "fin" and b"Connection: close" in got
        assert [talk(server)[1] for _ in range(2)] == ["reset", "reset"]
        assert (server.connections, len(server.requests)) == (3, 1)


def test_requests_cut_short_by_the_client_are_recorded() -> None:
    with FaultServer([faults.ok()]) as server:
        assert talk(server, b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", leave=True) == (b"", "fin")
        assert talk(server, b"DELETE /b HT", leave=True) == (b"", "fin")
        assert [(r.method, r.target, r.body, r.complete) for r in server.requests] == [
            ("POST", "/a", b"half", False),
            ("DELETE", "/b", b"", False),
        ]
        assert not server.wait_for(1, timeout=0)
        whole(server)
        assert server.wait_for(1)


def test_refusing_until_told_and_for_ever() -> None:
    with FaultServer(listening=False) as server:
        with pytest.raises(ConnectionRefusedError):
            talk(server)
        server.listen()
        assert whole(server)[0].startswith(b"HTTP/1.1 200 ")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(faults.closed_port().rpartition(":")[2])))


def test_a_proxy_records_both_forms_and_a_recorder_what_it_never_saw() -> None:
    with ProxyServer() as proxy, Recorder() as recorder:
        assert talk(proxy, b"CONNECT api.example:443 HTTP/1.1\r\n\r\n")[0].startswith(b"HTTP/1.1 407 ")
        assert b"Proxy-Authenticate: Basic" in talk(proxy, b"GET http://api.example/ HTTP/1.1\r\n\r\n")[0]
        assert [request.target for request in proxy.requests] == ["api.example:443", "http://api.example/"]
        assert (recorder.connections, recorder.bytes_received, recorder.requests) == (0, 0, [])


def test_tls_serves_whoever_trusts_it() -> None:
    with FaultServer([faults.ok()], tls=True) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            https(server, ssl.create_default_context())
        assert server.bytes_received == 0
        assert https(server, ssl.create_default_context(cafile=str(faults.CERTIFICATE))) == 200
        assert [request.complete for request in server.requests] == [True]


def https(server: FaultServer, context: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=1, context=context)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("tls", [False, True])
def test_it_stops_at_once_with_connections_in_every_state(tls: bool) -> None:
    idle, asking = socket.socket(), socket.socket()
    with idle, asking:
        with FaultServer([faults.stall()], tls=tls) as server:
            for sock in (idle, asking):
                sock.settimeout(1)
                sock.connect(("127.0.0.1", server.port))
            if tls:
                context = ssl.create_default_context(cafile=str(faults.CERTIFICATE))
                asking = context.wrap_socket(asking, server_hostname="localhost")
            asking.sendall(GET)
            assert server.wait_for(1)
        with asking:
            assert idle.recv(1) == asking.recv(1) == b""
