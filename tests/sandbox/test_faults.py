"""Faults on demand, in process and on a socket."""

import http.client
import json

import pytest

from sandbox.demo import CREDENTIALS
from sandbox.faults import Fault

BUGS, CAMPAIGNS, BUG = "/maintenance/bugs", "/campaigns", {"description": "d"}


@pytest.mark.parametrize(
    ("what", "status", "wait", "code"),
    [
        ("503:30", 503, "30", "SERVICE_UNAVAILABLE"),
        ("429", 429, "1", "RATE_LIMITED"),
        ("500", 500, None, "INTERNAL"),
        ("418", 418, None, "BAD_REQUEST"),
    ],
)
def test_a_status_comes_as_often_as_asked_and_nothing_is_done(make, what, status, wait, code):
    service = make(faults=[f"POST /maintenance/bugs={what}*2"])
    replies = [service.post(BUGS, BUG) for _ in range(3)]
    assert [reply.status for reply in replies] == [status, status, 201]
    assert (replies[0].headers.get("Retry-After"), replies[0].body["code"]) == (wait, code)
    assert replies[0].headers["X-LeadGenius-Sandbox"] == "1"
    assert service.total(BUGS) == 3


def test_bodies_are_damaged_after_the_call_is_carried_out(make):
    service = make(faults=["POST /maintenance/bugs=badjson*1", "POST /maintenance/bugs=html*1"])
    damaged, page = service.post(BUGS, BUG), service.post(BUGS, BUG)
    with pytest.raises(json.JSONDecodeError):
        json.loads(damaged.raw)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (damaged.status, service.total(BUGS)) == (201, 3)


def test_stored_nothing_answers_with_ids_and_keeps_nothing(make):
    service = make(faults=["ANY /leads/batch=stored-nothing*2"])
    rows = {"leads": [{"firstName": "A", "lastName": "B", "email": "a@b.example"}]}
    reply = service.post("/leads/batch", rows)
    assert (reply.status, reply.body["created"], len(reply.body["createdIds"])) == (201, 1, 1)
    assert service.delete("/leads/batch", {"ids": ["lead_1"]}).body["deleted"] == 1
    assert service.total("/leads") == 60
    assert service.post("/leads/batch", rows).body["created"] == 1
    assert service.total("/leads") == 61


def test_lists_lag_writes(make):
    paths = ["/leads", CAMPAIGNS, "/api/enrich-leads/list"]
    service = make(faults=[f"GET {path}=lag:30" for path in paths])
    service.lead()
    service.post(CAMPAIGNS, {"name": "N", "campaignType": "abm"})

    def seen():
        totals = [service.total(path) for path in (*paths[:2], "/leads?email=ada@moss.example")]
        return [*totals, len(service.bulk()["data"])]

    service.now += 29.5
    assert seen() == [60, 6, 0, 60]
    service.now += 0.5
    assert seen() == [61, 7, 1, 61]


def test_a_star_is_one_segment_and_any_is_every_method(make):
    service = make(faults=["any /api/agent/campaigns/*=500"])
    paths = (CAMPAIGNS, f"{CAMPAIGNS}/x", f"{CAMPAIGNS}/x/metrics")
    assert [service.get(path).status for path in paths] == [200, 500, 404]
    assert service.delete(f"{CAMPAIGNS}/x").status == 500


@pytest.mark.parametrize("text", ["", "GET /x", "GET /x=200", "GET /x=503*-1", "GET /x=lag"])
def test_a_malformed_fault_is_refused_with_its_grammar(text):
    with pytest.raises(ValueError, match="a fault must look like"):
        Fault(text)


@pytest.mark.parametrize(
    ("word", "error", "done"),
    [
        ("reset", ConnectionResetError, 0),
        ("close", http.client.RemoteDisconnected, 0),
        ("applied-reset", ConnectionResetError, 1),
        ("truncate", http.client.IncompleteRead, 1),
        ("stall", TimeoutError, 0),
    ],
)
def test_connections_break(make, open_port, word, error, done):
    service = make(faults=[f"POST /maintenance/bugs={word}*1"])
    wait = 0.2 if word == "stall" else 10
    connection = http.client.HTTPConnection("127.0.0.1", open_port(service), timeout=wait)
    headers = {"X-API-Key": CREDENTIALS["api_key"]}
    with pytest.raises(error) as caught:
        connection.request("POST", f"/api/agent{BUGS}", json.dumps(BUG), headers)
        connection.getresponse().read()
    connection.close()
    assert caught.type is error, "RemoteDisconnected is a ConnectionResetError too"
    assert service.total(BUGS) == 2 + done
