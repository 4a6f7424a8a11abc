"""The plain resources: what a new record holds, what a change changes, lists and their filters."""

import json

import pytest

from sandbox.demo import CREDENTIALS

NOW = "2026-06-15T12:00:00.000Z"
STEP = {"day": 2, "channel": "email", "template": "hello"}
SHARED = {"company_id": CREDENTIALS["company_id"], "createdAt": NOW, "updatedAt": NOW}
REPORTED = {"userEmail": None, "status": "open", "createdAt": NOW}
NEW = [
    (
        "/campaigns",
        {"name": "Q3", "campaignType": "abm"},
        {"status": "draft", "owner": "", **SHARED},
    ),
    ("/target-accounts", {"accountName": "Moss"}, SHARED),
    (
        "/sequences",
        {"name": "First"},
        {"channel": "email", "status": "draft", "steps": [], "enrolledCount": 0, **SHARED},
    ),
    (
        "/sequences",
        {"name": "S", "channel": "multi", "status": "on", "steps": [STEP]},
        {"enrolledCount": 0, **SHARED},
    ),
    ("/workflows", {"name": "W"}, {"status": "draft", "steps": [], "handoffs": [], **SHARED}),
    (
        "/integrations",
        {"platform": "hubspot"},
        {"status": "connected", "lastSyncAt": None, **SHARED},
    ),
    (
        "/webhooks",
        {"url": "https://moss.example", "events": ["new_source_lead"]},
        {"active": True, "secret": "", **SHARED},
    ),
    ("/maintenance/bugs", {"description": "Slow"}, REPORTED),
    ("/maintenance/enhancements", {"description": "Maps"}, REPORTED),
    (
        "/leads",
        {"firstName": "Ada", "lastName": "Moss", "email": "ada@moss.example"},
        {
            "fullName": "Ada Moss",
            "contactName": "Ada Moss",
            "status": "new",
            "lead_id": "",
            "owner": "",
            **SHARED,
        },
    ),
]


@pytest.mark.parametrize(("path", "body", "rest"), NEW)
def test_a_new_record_is_exactly_its_fields_defaults_tenancy_and_times(service, path, body, rest):
    reply = service.post(path, {**body, "unknown": "dropped"})
    record = reply.body.get("bug") or reply.body.get("enhancement") or reply.data
    (admin,) = service.sql("SELECT id FROM users WHERE email = 'your@email.com'")[0]
    generated = {"id": record["id"], "lead_id": record["id"], "owner": admin}
    generated["secret"] = record.get("secret")
    expected = {name: value or generated.get(name, value) for name, value in rest.items()}
    assert (reply.status, record) == (201, {"id": record["id"], **body, **expected})
    assert reply.body.get("id", record["id"]) == record["id"]
    listed = service.get(path).data[0]
    assert listed == {name: value for name, value in record.items() if name != "secret"}


def test_a_new_key_is_exactly_its_fields(service):
    reply = service.post("/api/agent-api-keys", {"name": "Second"}, "email")
    shown = {"name": "Second", "description": None, "keyPrefix": reply.body["apiKey"][:10]}
    assert reply.data == {"id": reply.data["id"], "createdAt": NOW, **shown}


@pytest.mark.parametrize(
    ("name", "kind", "changed"),
    [
        ("campaigns.update", "campaign", {"description": "new"}),
        ("campaigns.archive", "campaign", {"status": "archived"}),
        ("target-accounts.score", "target account", {"fitScore": 0}),
        ("leads.status", "lead", {"status": "unqualified"}),
    ],
)
def test_a_change_sets_its_fields_and_updated_at_alone(service, name, kind, changed):
    ids, table = service.ids(), "leads" if kind == "lead" else "records"
    query = f"SELECT doc FROM {table} WHERE id = ?"
    before = json.loads(service.sql(query, ids[kind])[0][0])
    service.now += 60
    reply = service.operate(name, ids, changed)
    after = json.loads(service.sql(query, ids[kind])[0][0])
    assert after == {**before, **changed, "updatedAt": "2026-06-15T12:01:00.000Z"} != before
    assert reply.data == {field: value for field, value in after.items() if field in reply.data}


def test_lists_are_newest_first_filtered_and_paged(shared):
    times = [row["createdAt"] for row in shared.get("/campaigns").data]
    assert times == sorted(times, reverse=True)
    (row,) = shared.get("/campaigns?status=archived&campaignType=demand_gen").data
    assert row["name"] == "Trade Fair Follow-up"
    for query, page, size, rows in (
        ("", 1, 20, 20),
        ("?pageSize=500", 1, 100, 24),
        ("?page=2", 2, 20, 4),
    ):
        body = shared.get(f"/target-accounts{query}").body
        facts = {"page": page, "pageSize": size, "totalItems": 24, "totalPages": -(-24 // size)}
        assert (len(body["data"]), body["pagination"]) == (rows, facts)


def test_dates_the_wrong_way_round_are_refused_also_with_one_that_stays(service):
    body = {"name": "x", "campaignType": "abm", "startDate": "2026-02-02"}
    made = service.post("/campaigns", body).body["id"]
    for reply in (
        service.put(f"/campaigns/{made}", {"endDate": "2026-02-01"}),
        service.post("/campaigns", {**body, "endDate": "2026-02-01"}),
    ):
        assert reply.error == (400, "VALIDATION_ERROR", ["endDate"])
    assert service.put(f"/campaigns/{made}", {"endDate": "2026-02-02"}).status == 200


def test_settings_of_integrations_stay_inside(service):
    config = {"platform": "hubspot", "config": {"token": "hush-hush"}}
    assert (
        b"hush" not in service.post("/integrations", config).raw + service.get("/integrations").raw
    )


def test_enrolling_twice_is_skipped(service):
    path = f"/sequences/{service.post('/sequences', {'name': 'New'}).body['id']}/enroll"
    assert service.post(path, {"leadIds": ["lead_1"]}).body["enrolled"] == 1
    again = service.post(path, {"leadIds": ["lead_1", "lead_2", "nobody"]}).body
    reasons = {one["leadId"]: one["reason"] for one in again["skipped"]}
    assert reasons == {"lead_1": "already enrolled", "nobody": "no such lead"}
    assert (again["enrolled"], service.get("/sequences").data[0]["enrolledCount"]) == (1, 2)
