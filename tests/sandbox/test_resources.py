"""The plain resources: what a new record holds, what a change changes, lists and their filters."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.demo import CREDENTIALS

NOW = "2026-06-15T12:00:00.000Z"
LATER = "2026-06-15T12:01:00.000Z"
STEP = {"day": 2, "channel": "email", "template": "hello"}
REPORTED = {"userEmail": None, "status": "open"}
NEW = [
    ("/campaigns", {"name": "Q3", "campaignType": "abm"}, {"status": "draft"}),
    ("/target-accounts", {"accountName": "Moss"}, {}),
    ("/sequences", {"name": "First"}, {"channel": "email", "status": "draft", "steps": [], "enrolledCount": 0}),
    ("/sequences", {"name": "S", "channel": "multi", "status": "on", "steps": [STEP]}, {"enrolledCount": 0}),
    ("/workflows", {"name": "W"}, {"status": "draft", "steps": [], "handoffs": []}),
    ("/integrations", {"platform": "hubspot"}, {"status": "connected", "lastSyncAt": None}),
    ("/webhooks", {"url": "https://moss.example", "events": ["new_source_lead"]}, {"active": True}),
    ("/maintenance/bugs", {"description": "Slow"}, REPORTED),
    ("/maintenance/enhancements", {"description": "Maps"}, REPORTED),
    (
        "/leads",
        {"firstName": "Ada", "lastName": "Moss", "email": "ada@moss.example"},
        {"fullName": "Ada Moss", "contactName": "Ada Moss", "status": "new"},
    ),
]


@pytest.mark.parametrize(("path", "body", "defaults"), NEW)
def test_a_new_record_is_exactly_its_fields_defaults_tenancy_and_times(
    service: Any, path: str, body: Any, defaults: Any
) -> None:
    (admin,) = service.sql("SELECT id FROM users WHERE email = 'your@email.com'")[0]
    everywhere = {"company_id": CREDENTIALS["company_id"], "createdAt": NOW, "updatedAt": NOW}
    if "/maintenance" in path:
        everywhere = {"createdAt": NOW}
    elif path in ("/campaigns", "/leads"):
        everywhere["owner"] = admin
    reply = service.post(path, {**body, "unknown": "dropped"})
    assert reply.status == 201
    record = reply.body.get("bug") or reply.body.get("enhancement") or reply.data
    assert re.fullmatch("[0-9a-f-]{36}", record["id"])
    generated = {"secret": record["secret"]} if path == "/webhooks" else {}
    generated |= {"lead_id": record["id"]} if path == "/leads" else {}
    assert record == {"id": record["id"], **body, **defaults, **everywhere, **generated}
    assert reply.body.get("id", record["id"]) == record["id"]
    listed = service.get(path).data[0]
    assert listed == {name: value for name, value in record.items() if name != "secret"}


def test_a_new_key_is_exactly_its_fields(service: Any) -> None:
    reply = service.post("/api/agent-api-keys", {"name": "Second"}, "email")
    record, key = reply.data, reply.body["apiKey"]
    shown = {"name": "Second", "description": None, "keyPrefix": key[:10], "createdAt": NOW}
    assert record == {"id": record["id"], **shown}


@pytest.mark.parametrize(
    ("method", "path", "body", "changed"),
    [
        ("PUT", "/campaigns/{campaign}", {"description": "new"}, {"description": "new"}),
        ("DELETE", "/campaigns/{campaign}", None, {"status": "archived"}),
        ("PUT", "/target-accounts/{target account}/score", {"fitScore": 0}, {"fitScore": 0}),
        ("PUT", "/leads/{lead}/status", {"status": "Unqualified"}, {"status": "unqualified"}),
    ],
)
def test_a_change_sets_its_fields_and_updated_at_alone(
    service: Any, method: str, path: str, body: Any, changed: Any
) -> None:
    ids = service.ids()
    kind = path.partition("{")[2].partition("}")[0]
    table = "leads" if kind == "lead" else "records"
    service.sql(f"UPDATE {table} SET doc = json_set(doc, '$.status', 'new') WHERE id = ?", ids[kind])
    query = f"SELECT doc FROM {table} WHERE id = ?"
    before = json.loads(service.sql(query, ids[kind])[0][0])
    service.now += 60
    reply = service.call(method, path.replace("{" + kind + "}", ids[kind]), body)
    assert (reply.status, reply.data["id"]) == (200, ids[kind])
    after = json.loads(service.sql(query, ids[kind])[0][0])
    assert after == {**before, **changed, "updatedAt": LATER}
    assert reply.data == {name: value for name, value in after.items() if name in reply.data}


def test_an_enrichment_moves_updated_at_of_its_lead(service: Any) -> None:
    service.post("/enrichment/trigger", {"leadIds": ["lead_1"]})
    service.now += 60
    assert service.get("/leads").data[0]["updatedAt"].startswith("2026-06-15T12:00:01.51")


def test_a_campaign_is_archived_and_stays_readable(service: Any) -> None:
    made = service.post("/campaigns", {"name": "Q3", "campaignType": "abm", "goals": {"targetPipeline": 5, "x": 1}})
    assert made.data["goals"] == {"targetPipeline": 5}
    path = f"/campaigns/{made.body['id']}"
    assert service.delete(path).status == service.get(path).status == 200
    listed = service.get("/campaigns?status=archived&campaignType=abm").data
    assert [one["id"] for one in listed] == [made.body["id"]]


def test_lists_are_newest_first_and_pages_are_clamped_silently(service: Any) -> None:
    times = [row["createdAt"] for row in service.get("/campaigns").data]
    assert len(times) == 6
    assert times == sorted(times, reverse=True)
    for query, page, size, rows in (
        ("", 1, 20, 20),
        ("?pageSize=500", 1, 100, 24),
        ("?pageSize=10&page=3", 3, 10, 4),
        ("?page=99", 99, 20, 0),
    ):
        body = service.get(f"/target-accounts{query}").body
        assert len(body["data"]) == rows
        assert body["pagination"] == {"page": page, "pageSize": size, "totalItems": 24, "totalPages": -(-24 // size)}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "campaignType"]),
        ({"name": "", "campaignType": "spam", "spend": True}, ["name", "campaignType", "spend"]),
        ({"name": "x", "campaignType": "abm", "startDate": "2026-02-02", "endDate": "2026-02-01"}, ["endDate"]),
        ({"name": "x", "campaignType": "abm", "goals": {"targetAccounts": -1}}, ["goals.targetAccounts"]),
    ],
)
def test_a_refusal_names_every_offending_field(shared: Any, body: Any, fields: list[str]) -> None:
    assert shared.post("/campaigns", body).error == (400, "VALIDATION_ERROR", fields)


def test_an_update_is_checked_against_the_dates_that_stay(service: Any) -> None:
    body = {"name": "x", "campaignType": "abm", "startDate": "2026-02-02"}
    made = service.post("/campaigns", body).body["id"]
    reply = service.put(f"/campaigns/{made}", {"endDate": "2026-02-01"})
    assert reply.error == (400, "VALIDATION_ERROR", ["endDate"])
    assert service.put(f"/campaigns/{made}", {"endDate": "2026-02-02"}).status == 200


def test_secrets_of_webhooks_and_integrations_stay_inside(service: Any) -> None:
    made = service.post("/webhooks", {"url": "https://moss.example", "events": ["new_source_lead"]})
    assert made.data["secret"].startswith("whsec_")
    assert b"whsec_" not in service.get("/webhooks").raw
    config = {"platform": "hubspot", "config": {"token": "hush-hush"}}
    assert b"hush" not in service.post("/integrations", config).raw + service.get("/integrations").raw


def test_enrolling_twice_is_skipped(service: Any) -> None:
    path = f"/sequences/{service.post('/sequences', {'name': 'New'}).body['id']}/enroll"
    assert service.post(path, {"leadIds": ["lead_1"]}).body["enrolled"] == 1
    again = service.post(path, {"leadIds": ["lead_1", "lead_2", "nobody"]}).body
    reasons = {one["leadId"]: one["reason"] for one in again["skipped"]}
    assert (again["enrolled"], reasons) == (1, {"lead_1": "already enrolled", "nobody": "no such lead"})
    assert service.get("/sequences").data[0]["enrolledCount"] == 2
