"""The fault lever, on a socket and embedded."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.faults import Fault, segments_of
from sandbox_fixtures import Service, demo_database, running

BUGS = "/api/agent/maintenance/bugs"
CAMPAIGNS = "/api/agent/campaigns"


def bugs(service: Service) -> int:
    return int(service.get(BUGS).body["pagination"]["totalItems"])


def test_a_status_comes_as_often_as_asked_and_nothing_is_done(tmp_path: Path) -> None:
    faults = ["POST /maintenance/bugs=503:30*2", "POST /api/agent/maintenance/bugs=429*1"]
    with running(tmp_path, faults=faults) as service:
        replies = [service.post(BUGS, {"description": "d"}) for _ in range(4)]
        assert [reply.status for reply in replies] == [503, 503, 429, 201]
        assert [reply.headers["Retry-After"] for reply in replies[:3]] == ["30", "30", "1"]
        assert replies[2].body["error"] == "Rate limit exceeded (minute window)"
        assert all(reply.headers["X-LeadGenius-Sandbox"] == "1" for reply in replies)
        assert bugs(service) == 3


@pytest.mark.parametrize(
    ("word", "error", "done"),
    [
        ("reset", ConnectionResetError, False),
        ("close", http.client.RemoteDisconnected, False),
        ("applied-reset", ConnectionResetError, True),
        ("truncate", http.client.IncompleteRead, True),
    ],
)
def test_connections_break(tmp_path: Path, word: str, error: type[Exception], done: bool) -> None:
    with running(tmp_path, faults=[f"POST /maintenance/bugs={word}*1"]) as service:
        with pytest.raises(error) as caught:
            service.post(BUGS, {"description": "d"})
        assert caught.type is error, "RemoteDisconnected is a ConnectionResetError too"
        assert bugs(service) == 2 + done


def test_bodies_are_damaged(tmp_path: Path) -> None:
    with running(tmp_path, faults=["POST /maintenance/bugs=badjson*1", "POST /maintenance/bugs=html*1"]) as service:
        damaged = service.post(BUGS, {"description": "d"})
        assert damaged.status == 201
        with pytest.raises(json.JSONDecodeError):
            json.loads(damaged.raw)
        page = service.post(BUGS, {"description": "d"})
        assert (page.status, page.headers.get_content_type()) == (200, "text/html")
        assert bugs(service) == 3


def test_a_stall_lasts_until_the_client_leaves(tmp_path: Path) -> None:
    with running(tmp_path, faults=["ANY /campaigns=stall"]) as service:
        request = f"GET {CAMPAIGNS} HTTP/1.1\r\nX-API-Key: {CREDENTIALS['api_key']}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", service.port), timeout=0.3) as connection:
            connection.sendall(request)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        assert bugs(service) == 2


def test_a_star_is_one_segment_and_any_is_every_method(tmp_path: Path) -> None:
    with running(tmp_path, faults=["any /campaigns/*=500"]) as service:
        assert service.get(CAMPAIGNS).status == 200
        assert service.get(f"{CAMPAIGNS}/x").code == "INTERNAL"
        assert service.call("DELETE", f"{CAMPAIGNS}/x").status == 500
        assert service.get(f"{CAMPAIGNS}/x/metrics").status == 404


@pytest.mark.parametrize(
    ("path", "parts"),
    [("/leads/batch", "leads batch"), ("/api/agent/leads", "leads"), ("leads", "leads"), ("/api/admin/a", "admin a")],
)
def test_paths_are_taken_as_users_think_of_them(path: str, parts: str) -> None:
    assert segments_of(path) == tuple(parts.split())


@pytest.mark.parametrize(
    "lever",
    ["", "GET", "GET /x", "/x=503", "GET /x=nonsense", "GET /x=200", "GET /x=503*", "GET /x=503*-1", "GET /x=5033"],
)
def test_a_malformed_lever_is_refused(lever: str) -> None:
    with pytest.raises(ValueError, match="a fault"):
        Fault.parse(lever)


def test_threads_count_one_after_the_other() -> None:
    fault, hits = Fault.parse("GET /x=503*1"), []
    thread = threading.Thread(target=lambda: hits.append(fault.take("GET", ("x",))))
    with fault.lock:
        thread.start()
        thread.join(0.05)
        assert not hits
    thread.join()
    assert hits == [True]
    assert not fault.take("GET", ("x",))


def test_without_a_socket_a_break_is_a_503() -> None:
    app, told = Sandbox(demo_database(), faults=["ANY /campaigns=reset"]), []

    def start_response(*status_and_headers: Any) -> None:
        told.extend(status_and_headers)

    body = b"".join(app({"REQUEST_METHOD": "GET", "RAW_URI": CAMPAIGNS}, start_response))
    assert told[0].startswith("503")
    assert json.loads(body)["success"] is False
