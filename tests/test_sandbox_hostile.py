"""Requests that nobody should send: each is refused with a 4xx, and the next one is served."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sandbox import server as server_module
from sandbox.app import ROUTES
from sandbox.demo import CREDENTIALS
from sandbox.wire import LARGEST_BODY
from sandbox_fixtures import Service, running

KEY = CREDENTIALS["api_key"]
CAMPAIGNS = "/api/agent/campaigns"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("hostile")) as found:
        yield found


def raw(service: Service, request: bytes) -> bytes:
    """All that the server says to these bytes, after which we say no more."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := connection.recv(65536):
            said += part
    return said


def head(method: str, path: str, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"X-API-Key: {KEY}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": -Infinity}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "x"}',
        '{"name": "x"}'.encode("utf-16"),
        b'{"n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 65 + b"1" + b"}" * 65,
    ],
)
def test_what_is_not_json_is_refused(service: Service, body: bytes) -> None:
    reply = service.call("POST", CAMPAIGNS, body)
    assert (reply.status, reply.code) == (400, "INVALID_JSON")


WRONG = [None, [], [[]], "x", 1, True, {}, {"leads": {}}, {"leads": [None, 1, [], {"email": []}]}, {"leadIds": [None]}]
WRONG += [{"ids": [{}]}, {"name": {"a": []}, "steps": "x", "goals": [], "events": {"a": 1}, "config": 3}]
WRONG += [{"name": "\x00", "email": "\x00@\x00", "status": "\u202e", "accountName": "😀" * 999, "notes": "\x1b[31m"}]
WRONG += [{"email": ["x"], "password": {}, "spend": 10**30, "fitScore": 1e308, "startDate": "9999-99-99"}]


def test_no_body_makes_any_operation_fail(service: Service) -> None:
    ids = {"campaigns": "", "leads": "", "target-accounts": "", "sequences": ""}
    for name in ids:
        ids[name] = service.get(f"/api/agent/{name}").body["data"][0]["id"]
    token = {"Authorization": f"Bearer {service.token()}"}
    for route in ROUTES:
        name = route.path.split("/")[3] if route.needs == "agent" else ""
        path = route.path.replace("{id}", ids.get(name, "x")).replace("{jobId}", "x")
        for body in WRONG if route.takes_body else []:
            sent = json.dumps(body).encode()
            if route.needs == "jwt":
                reply = service.call(route.method, path, sent, None, **token)
            else:
                reply = service.call(route.method, path, sent)
            assert reply.status < 500, (route.operation, body, reply.raw)


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=1.5", "page=x", "page=%D9%A1", "page=99999999999999999999", "page=" + "9" * 5000,
        "page=9999999999999", "pageSize=0", "pageSize=1e3", "page=1&page=1", "page=", "status=lost", "email=",
        "email=%ZZ", "email=%", "email=%FF", "email=%ED%A0%80", "a%FFb=1", "status=new&status=new",
    ],
)  # fmt: skip
def test_bad_query_values_are_refused(service: Service, query: str) -> None:
    reply = service.get(f"/api/agent/leads?{query}")
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER")


@pytest.mark.parametrize(
    "query", ["email=%00", "email=%F0%9F%98%80", "pageSize=999999999999999999", "x=%26&&", "page=1000000000000"]
)
def test_odd_query_values_are_served(service: Service, query: str) -> None:
    assert service.get(f"/api/agent/leads?{query}").status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404), ("/api", 404), ("/api/agent", 404), (f"{CAMPAIGNS}/", 404), ("//api/agent/campaigns", 404),
        ("/api/agent//campaigns", 404), (f"{CAMPAIGNS}/..", 404), (f"{CAMPAIGNS}/%2e%2e", 404),
        (f"{CAMPAIGNS}/a%2Fb", 404),
        (f"{CAMPAIGNS}/a/b", 404), (f"{CAMPAIGNS}/%00", 404), (f"{CAMPAIGNS}/%FF", 400), (f"{CAMPAIGNS}/%", 400),
        (f"{CAMPAIGNS}/http://x", 404), ("/API/agent/campaigns", 404), (f"http://any.example{CAMPAIGNS}", 200),
        ("*", 404),
        (f"{CAMPAIGNS}#x", 200), (f"{CAMPAIGNS}/\xe9", 400),
    ],
)  # fmt: skip
def test_paths_are_routed_raw(service: Service, path: str, status: int) -> None:
    said = raw(service, head("GET", path))
    assert said.split()[1] == str(status).encode()


def test_an_encoded_slash_stays_inside_its_segment(service: Service) -> None:
    reply = service.put("/api/agent/leads/a%2Fb/status", {"status": "new"})
    assert reply.body["error"] == "No lead has this id"
    assert service.put("/api/agent/leads/a/b/status", {"status": "new"}).body["error"] == "There is no such path"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "TRACE", "PURGE", "get", "DELETE"])
def test_other_methods_are_refused_with_allow(service: Service, method: str) -> None:
    said = raw(service, head(method, CAMPAIGNS, "Connection: close"))
    assert b" 405 " in said.splitlines()[0]
    assert b"\r\nAllow: GET, POST\r\n" in said
    body = said.partition(b"\r\n\r\n")[2]
    assert (body == b"") == (method == "HEAD")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], b"", 411),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n", 411),
        (["Content-Length: -1"], b"", 411),
        (["Content-Length: 1e3"], b"", 411),
        (["Content-Length: 2", "Content-Length: 3"], b"{}", 411),
        (["Content-Length: 99999999999999999999999"], b"", 413),
        ([f"Content-Length: {LARGEST_BODY + 1}"], b"{}", 413),
        (["Content-Length: 10"], b"{}", 400),
        (["Content-Length: 2", "Content-Type: text/plain"], b"{}", 415),
        (["Content-Length: 2", "Content-Type: application/x-www-form-urlencoded"], b"{}", 415),
        (["Content-Length: 2", "Content-Type: application/json; charset=latin-1"], b"{}", 415),
        (["Content-Length: 2", "Content-Type: application/json", "Content-Type: application/json"], b"{}", 415),
        (["Content-Length: 2", "Content-Type: Application/JSON; Charset=UTF-8"], b"{}", 400),
        (["Content-Length: 2"], b"{}", 400),
        (["Content-Length: 2", f"X-API-Key: {KEY}"], b"{}", 401),
    ],
)
def test_lengths_types_and_doubled_headers(service: Service, headers: list[str], body: bytes, status: int) -> None:
    said = raw(service, head("POST", CAMPAIGNS, *headers) + body)
    assert said.split()[1] == str(status).encode(), said
    assert json.loads(said.partition(b"\r\n\r\n")[2])["success"] is False


def test_a_body_over_the_limit_is_read_off_so_that_its_sender_sees_the_answer(service: Service) -> None:
    reply = service.call("POST", CAMPAIGNS, b" " * (LARGEST_BODY + 1))
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(200)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_answered_in_json(service: Service, request_bytes: bytes, status: int) -> None:
    said = raw(service, request_bytes)
    assert said.split()[1] == str(status).encode()
    assert b"\r\nX-LeadGenius-Sandbox: 1\r\n" in said
    assert json.loads(said.partition(b"\r\n\r\n")[2])["success"] is False


def test_a_connection_serves_request_after_request(service: Service) -> None:
    many = head("GET", CAMPAIGNS) + head("POST", CAMPAIGNS, "Content-Length: 2") + b"{}" + head("GET", "/nowhere")
    said = raw(service, many)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"400", b"404"]


def test_a_defect_is_a_bare_500(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr("sandbox.jobs.settle", broken)
    reply = service.get(CAMPAIGNS)
    assert (reply.status, reply.code) == (500, "INTERNAL")
    assert b"secret" not in reply.raw
    assert "the inner secret" in capsys.readouterr().err
    monkeypatch.undo()
    assert service.get(CAMPAIGNS).status == 200


def test_a_client_that_drips_is_cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CONNECTION_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"A: b\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        try:
            ended = connection.recv(1) == b""
        except ConnectionError:
            ended = True
        stop.set()
        thread.join()
    assert ended
    assert time.monotonic() - began < 5
