"""Faults on demand, in process and on a socket."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.demo import CREDENTIALS
from sandbox.faults import Fault, segments_of

BUGS, CAMPAIGNS = "/maintenance/bugs", "/campaigns"
BUG = {"description": "d"}


def bugs(service: Any) -> int:
    return int(service.get(BUGS).body["pagination"]["totalItems"])


def test_a_status_comes_as_often_as_asked_and_nothing_is_done(make: Callable[..., Any]) -> None:
    faults = ["503:30*2", "429*1", "503*1", "500*1", "418*1"]
    service = make(faults=[f"POST /maintenance/bugs={what}" for what in faults])
    replies = [service.post(BUGS, BUG) for _ in range(7)]
    assert [reply.status for reply in replies] == [503, 503, 429, 503, 500, 418, 201]
    assert [reply.headers.get("Retry-After") for reply in replies[:6]] == ["30", "30", "1", "1", None, None]
    assert replies[2].body["error"] == "Rate limit exceeded (minute window)"
    assert [reply.body["code"] for reply in replies[2:6]] == ["RATE_LIMITED", "SERVICE_UNAVAILABLE", "INTERNAL", "BAD_REQUEST"]
    assert all(reply.headers["X-LeadGenius-Sandbox"] == "1" for reply in replies)
    assert bugs(service) == 3


def test_bodies_are_damaged_after_the_call_is_carried_out(make: Callable[..., Any]) -> None:
    service = make(faults=["POST /maintenance/bugs=badjson*1", "POST /maintenance/bugs=html*1"])
    damaged, page = service.post(BUGS, BUG), service.post(BUGS, BUG)
    assert damaged.status == 201
    with pytest.raises(json.JSONDecodeError):
        json.loads(damaged.raw)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert bugs(service) == 3


def test_stored_nothing_answers_with_ids_and_keeps_nothing(make: Callable[..., Any]) -> None:
    service = make(faults=["POST /leads/batch=stored-nothing*1", "DELETE /leads/batch=stored-nothing*1"])
    rows = [{"firstName": "A", "lastName": "B", "email": "a@b.example"}]
    reply = service.post("/leads/batch", {"leads": rows})
    assert (reply.status, reply.body["created"], len(reply.body["createdIds"])) == (201, 1, 1)
    assert service.delete("/leads/batch", {"ids": ["lead_1"]}).body["deleted"] == 1
    assert service.sql("SELECT count(*) FROM leads WHERE email = 'a@b.example' OR id = 'lead_1'") == [(1,)]
    assert service.post("/leads/batch", {"leads": rows}).body["created"] == 1


def test_lists_lag_writes(make: Callable[..., Any]) -> None:
    lists = ["/leads", CAMPAIGNS, "/api/enrich-leads/list"]
    service = make(faults=[f"GET {path}=lag:30" for path in lists])
    service.lead()
    service.post(CAMPAIGNS, {"name": "N", "campaignType": "abm"})

    def seen() -> list[int]:
        totals = [service.get(path).body["pagination"]["totalItems"] for path in lists[:2]]
        filtered = service.get("/leads?email=ada@moss.example").body["pagination"]["totalItems"]
        return [*totals, filtered, len(service.bulk()["data"])]

    service.now += 29.5
    assert seen() == [60, 6, 0, 60]
    service.now += 0.5
    assert seen() == [61, 7, 1, 61]


def test_a_star_is_one_segment_and_any_is_every_method(make: Callable[..., Any]) -> None:
    service = make(faults=["any /campaigns/*=500"])
    statuses = [service.get(path).status for path in (CAMPAIGNS, f"{CAMPAIGNS}/x", f"{CAMPAIGNS}/x/metrics")]
    assert statuses == [200, 500, 404]
    assert service.delete(f"{CAMPAIGNS}/x").status == 500


@pytest.mark.parametrize(
    ("path", "parts"),
    [("/leads/batch", "leads batch"), ("/api/agent/leads", "leads"), ("leads", "leads"), ("/api/admin/a", "admin a")],
)
def test_paths_are_taken_as_users_think_of_them(path: str, parts: str) -> None:
    assert segments_of(path) == tuple(parts.split())


@pytest.mark.parametrize(
    "text",
    ["", "GET", "GET /x", "/x=503", "GET /x=nonsense", "GET /x=200", "GET /x=503*", "GET /x=503*-1", "GET /x=lag"],
)
def test_a_malformed_fault_is_refused_with_its_grammar(text: str) -> None:
    with pytest.raises(ValueError, match="a fault"):
        Fault(text)


def test_threads_count_one_after_the_other() -> None:
    fault, taken = Fault("GET /x=503*50"), []
    crew = [
        threading.Thread(target=lambda: taken.extend(fault.take("GET", ["x"]) for _ in range(100))) for _ in range(4)
    ]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    assert taken.count(True) == 50


def test_without_a_socket_a_break_is_a_503(make: Callable[..., Any]) -> None:
    assert make(faults=["ANY /campaigns=reset"]).get(CAMPAIGNS).error == (503, "SERVICE_UNAVAILABLE", [])


@pytest.mark.parametrize(
    ("word", "error", "done"),
    [
        ("reset", ConnectionResetError, 0),
        ("close", http.client.RemoteDisconnected, 0),
        ("applied-reset", ConnectionResetError, 1),
        ("truncate", http.client.IncompleteRead, 1),
    ],
)
def test_connections_break(
    make: Callable[..., Any], listen: Callable[[Any], int], word: str, error: type[Exception], done: int
) -> None:
    service = make(faults=[f"POST /maintenance/bugs={word}*1"])
    connection = http.client.HTTPConnection("127.0.0.1", listen(service), timeout=10)
    headers = {"X-API-Key": CREDENTIALS["api_key"]}
    with pytest.raises(error) as caught:
        connection.request("POST", f"/api/agent{BUGS}", json.dumps(BUG), headers)
        connection.getresponse().read()
    connection.close()
    assert caught.type is error, "RemoteDisconnected is a ConnectionResetError too"
    assert bugs(service) == 2 + done


def test_a_stall_lasts_until_the_client_leaves(make: Callable[..., Any], listen: Callable[[Any], int]) -> None:
    service = make(faults=["ANY /campaigns=stall"])
    with socket.create_connection(("127.0.0.1", listen(service)), timeout=0.2) as connection:
        connection.sendall(b"GET /api/agent/campaigns HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert bugs(service) == 2
