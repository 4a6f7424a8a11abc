"""Who may do what: credentials, tokens, tenancy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.app import ROUTES
from sandbox.demo import CREDENTIALS
from sandbox_fixtures import Service, running

KEY, OTHER_KEY = CREDENTIALS["api_key"], CREDENTIALS["other_api_key"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as found:
        yield found


def test_there_are_forty_operations_each_named_once() -> None:
    assert len({route.operation for route in ROUTES}) == len(ROUTES) == 40


def test_every_operation_but_login_needs_a_credential(service: Service) -> None:
    for route in ROUTES:
        path = route.path.replace("{id}", "x").replace("{jobId}", "x")
        reply = service.call(route.method, path, {}, key=None)
        assert reply.status == (400 if route.operation == "auth.login" else 401), route.operation
        assert reply.headers["X-LeadGenius-Sandbox"] == "1"
        assert reply.headers["X-RateLimit-Limit"] == "60"


def test_every_operation_refuses_the_credentials_of_other_scopes(service: Service) -> None:
    token = {"Authorization": f"Bearer {service.token()}"}
    wrong = {"agent": ["amplify_api_key"], "admin": ["amplify_api_key"], "system": ["api_key"], "nothing": []}
    for route in ROUTES:
        path = route.path.replace("{id}", "x").replace("{jobId}", "x")
        for key in wrong.get(route.needs, ["api_key", "amplify_api_key"]):
            assert service.call(route.method, path, {}, key).status == 401, route.operation
        if route.needs not in ("jwt", "nothing"):
            assert service.call(route.method, path, {}, None, **token).status == 401, route.operation


def test_a_key_is_taken_in_either_header_and_in_both_when_equal(service: Service) -> None:
    path = "/api/agent/campaigns"
    assert service.get(path, None, Authorization=f"Bearer {KEY}").status == 200
    assert service.get(path, None, Authorization=f"bearer {KEY}").status == 200
    assert service.get(path, "api_key", Authorization=f"Bearer {KEY}").status == 200
    assert service.get(path, "api_key", Authorization=f"Bearer {OTHER_KEY}").status == 401
    assert service.get(path, "api_key", Authorization=f"Bearer {service.token()}").status == 401
    assert service.get(path, None, Authorization=f"Basic {KEY}").status == 401
    assert service.get(path, None, Authorization="Bearer").status == 401
    assert service.get(path, None, X_API_Key=KEY[:-1] + "x").status == 401


def test_login_ignores_credentials_and_refuses_a_wrong_pair(service: Service) -> None:
    wrong = {"email": CREDENTIALS["email"], "password": "wrong"}
    assert service.post("/api/epsimo-auth", wrong, None).status == 401
    assert service.post("/api/epsimo-auth", {"email": "no@body.example", "password": "x"}, None).status == 401
    right = {"email": CREDENTIALS["email"].upper(), "password": CREDENTIALS["password"]}
    reply = service.post("/api/epsimo-auth", right, None, X_API_Key="nonsense")
    assert reply.status == 200
    assert reply.body["expires_in"] == 3600
    assert reply.body["jwt_token"].count(".") == 2


def test_the_sixth_failure_in_fifteen_minutes_locks_the_email_and_only_it(service: Service) -> None:
    def attempt(password: str, email: str = CREDENTIALS["email"]) -> int:
        return service.post("/api/epsimo-auth", {"email": email, "password": password}, None).status

    assert [attempt("wrong") for _ in range(6)] == [401, 401, 401, 401, 401, 429]
    assert attempt(CREDENTIALS["password"]) == 429
    assert attempt("wrong", "somebody@else.example") == 401
    service.clock.now += 899
    reply = service.post("/api/epsimo-auth", {"email": CREDENTIALS["email"], "password": "x"}, None)
    assert (reply.status, reply.headers["Retry-After"], reply.code) == (429, "1", "RATE_LIMITED")
    service.clock.now += 1
    assert attempt(CREDENTIALS["password"]) == 200


def test_a_token_opens_the_keys_for_an_hour(service: Service) -> None:
    token = {"Authorization": f"Bearer {service.token()}"}
    service.clock.now += 3599
    assert service.get("/api/agent-api-keys", None, **token).status == 200
    service.clock.now += 1
    assert service.get("/api/agent-api-keys", None, **token).status == 401


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_touched_is_refused(service: Service, part: int) -> None:
    parts = service.token().split(".")
    parts[part] = parts[part][:-3] + ("AAA" if parts[part][-3:] != "AAA" else "BBB")
    assert service.get("/api/agent-api-keys", None, Authorization="Bearer " + ".".join(parts)).status == 401


def test_an_unsigned_token_is_refused(service: Service) -> None:
    none = "eyJhbGciOiJub25lIn0." + service.token().split(".")[1] + "."
    assert service.get("/api/agent-api-keys", None, Authorization=f"Bearer {none}").status == 401


def test_a_new_key_works_is_shown_once_and_stored_hashed(service: Service) -> None:
    token = {"Authorization": f"Bearer {service.token('user_')}"}
    reply = service.post("/api/agent-api-keys", {"name": "Second"}, None, **token)
    key = reply.body["apiKey"]
    assert reply.status == 200
    assert len(key) == 68
    assert reply.body["data"]["keyPrefix"] == key[:10]
    assert service.get("/api/agent/campaigns", None, X_API_Key=key).status == 200
    listed = service.get("/api/agent-api-keys", None, **token)
    assert [one["name"] for one in listed.body["data"]] == ["Second", "Demo key"]
    assert key.encode() not in listed.raw
    stored = service.app.database.read_bytes()
    assert key.encode() not in stored
    for name in ("api_key", "amplify_api_key", "password"):
        assert CREDENTIALS[name].encode() not in stored


def test_admin_lists_are_for_master_admins(service: Service) -> None:
    for path in ("/api/admin/companies", "/api/admin/users"):
        assert service.get(path).status == 200
        for key in ("user_api_key", "other_api_key"):
            assert service.get(path, key).code == "ADMIN_REQUIRED"
    company = service.get("/api/admin/companies").body["data"][-1]
    assert (company["id"], company["leadCount"], company["memberCount"]) == (CREDENTIALS["company_id"], 1500, 3)


def test_an_amplify_key_reads_its_own_company_only(service: Service) -> None:
    for path in ("/api/enrich-leads/list", "/api/source-leads/list"):
        own, other = (f"{path}?limit=5000&companyId={CREDENTIALS[name]}" for name in ("company_id", "other_company_id"))
        assert {row["company_id"] for row in service.get(own, "amplify_api_key").body["data"]} == {own.split("=")[-1]}
        assert service.get(other, "amplify_api_key").code == "FORBIDDEN"
        assert service.get(path, "amplify_api_key").fields == ["companyId"]


def _ids(service: Service, key: str) -> dict[str, str]:
    lists = {"campaigns": "campaigns", "accounts": "target-accounts", "sequences": "sequences", "leads": "leads"}
    return {name: service.get(f"/api/agent/{path}", key).body["data"][0]["id"] for name, path in lists.items()}


def test_every_call_that_takes_an_id_hides_other_companies(service: Service) -> None:
    ids = _ids(service, "other_api_key")
    job = service.post("/api/agent/enrichment/trigger", {"leadIds": [ids["leads"]]}, "other_api_key").body["jobId"]
    calls = [
        ("GET", f"campaigns/{ids['campaigns']}", None),
        ("PUT", f"campaigns/{ids['campaigns']}", {"name": "Mine now"}),
        ("DELETE", f"campaigns/{ids['campaigns']}", None),
        ("GET", f"campaigns/{ids['campaigns']}/metrics", None),
        ("PUT", f"leads/{ids['leads']}/status", {"status": "converted"}),
        ("PUT", f"target-accounts/{ids['accounts']}/score", {"fitScore": 1}),
        ("POST", f"sequences/{ids['sequences']}/enroll", {"leadIds": ["lead_1"]}),
        ("GET", f"enrichment/status/{job}", None),
    ]
    with_id = [route for route in ROUTES if "{" in route.path]
    assert len(calls) == len(with_id)
    for method, path, body in calls:
        own = service.call(method, f"/api/agent/{path}", body, "other_api_key")
        assert service.call(method, f"/api/agent/{path}", body).code == "NOT_FOUND", path
        assert own.status == 200, path


def test_ids_inside_bodies_hide_other_companies_too(service: Service) -> None:
    ids, mine = _ids(service, "other_api_key"), _ids(service, "api_key")
    lead = ids["leads"]
    gone = service.call("DELETE", "/api/agent/leads/batch", {"ids": [lead, "lead_1", "lead_1"]}).body
    assert (gone["deleted"], gone["notFound"]) == (1, [lead])
    assert lead in [row["id"] for row in service.get("/api/agent/leads", "other_api_key").body["data"]]
    enrolled = service.post(f"/api/agent/sequences/{mine['sequences']}/enroll", {"leadIds": [lead]}).body
    assert (enrolled["enrolled"], [one["leadId"] for one in enrolled["skipped"]]) == (0, [lead])
    job = service.post("/api/agent/enrichment/trigger", {"leadIds": [lead]}).body["jobId"]
    service.clock.now += 60
    assert service.get(f"/api/agent/enrichment/status/{job}").body["status"] == "failed"
    new = {"firstName": "A", "lastName": "B", "email": "a@b.example", "campaignId": ids["campaigns"]}
    assert service.post("/api/agent/leads", new).fields == ["campaignId"]


@pytest.mark.parametrize("field", ["owner", "company_id"])
def test_owner_and_company_are_set_from_the_key(service: Service, field: str) -> None:
    mine = service.get("/api/agent/leads").body["data"][0][field]
    lead = {"firstName": "A", "lastName": "B", "email": "a@b.example"}
    refused = service.post("/api/agent/leads", {**lead, field: "other"})
    assert (refused.status, refused.code, refused.fields) == (400, "IMMUTABLE_FIELD", [field])
    batch = service.post("/api/agent/leads/batch", {"leads": [lead, {**lead, field: "other"}]})
    assert (batch.code, batch.fields) == ("IMMUTABLE_FIELD", [f"leads[1].{field}"])
    assert service.post("/api/agent/leads", {**lead, field: mine}).status == 201
    campaign = service.get("/api/agent/campaigns").body["data"][0]["id"]
    assert service.put(f"/api/agent/campaigns/{campaign}", {field: "other"}).code == "IMMUTABLE_FIELD"


def test_lists_show_one_company(service: Service) -> None:
    for route in ROUTES:
        if route.method == "GET" and route.needs == "agent" and "{" not in route.path:
            for key, company in (("api_key", "company_id"), ("other_api_key", "other_company_id")):
                rows = service.get(f"{route.path}?pageSize=100", key).body["data"]
                owners = {row.get("company_id") for row in rows if isinstance(row, dict)}
                assert owners <= {None, CREDENTIALS[company]}, route.operation
