"""Credentials, login, tokens, agent keys, and the administration's lists."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.demo import CREDENTIALS

KEY = CREDENTIALS["api_key"]
PAIR = {"email": CREDENTIALS["email"], "password": CREDENTIALS["password"]}


def test_a_key_is_taken_in_either_header_and_in_both_when_equal(shared: Any) -> None:
    token, other = shared.token(), CREDENTIALS["other_api_key"]
    for key, authorization, status in (
        (None, f"Bearer {KEY}", 200),
        (None, f"bearer {KEY}", 200),
        (KEY, f"Bearer {KEY}", 200),
        (KEY, f"Bearer {other}", 401),
        (KEY, f"Bearer {token}", 401),
        (None, f"Basic {KEY}", 401),
        (None, "Bearer", 401),
        (KEY[:-1] + "x", None, 401),
        (None, None, 401),
    ):
        given = {"HTTP_X_API_KEY": key, "HTTP_AUTHORIZATION": authorization}
        assert shared.call("GET", "/campaigns", **given).status == status, given


def test_login_ignores_credentials_and_case_and_refuses_a_wrong_pair(service: Any) -> None:
    for body in ({**PAIR, "password": "wrong"}, {"email": "no@body.example", "password": "x"}):
        assert service.post("/api/epsimo-auth", body, "").error == (401, "UNAUTHORIZED", [])
    right = {**PAIR, "email": PAIR["email"].upper()}
    reply = service.call("POST", "/api/epsimo-auth", right, HTTP_X_API_KEY="nonsense")
    assert (reply.status, reply.body["expires_in"]) == (200, 3600)


def test_the_sixth_failure_in_fifteen_minutes_locks_the_email_and_only_it(service: Any) -> None:
    def attempt(password: str, email: str = PAIR["email"]) -> Any:
        return service.post("/api/epsimo-auth", {"email": email, "password": password}, "")

    assert [attempt("wrong").status for _ in range(6)] == [401, 401, 401, 401, 401, 429]
    assert attempt(PAIR["password"]).status == 429
    assert attempt("wrong", "somebody@else.example").status == 401
    service.now += 899
    reply = attempt(PAIR["password"])
    assert (reply.status, reply.headers["Retry-After"], reply.body["code"]) == (429, "1", "RATE_LIMITED")
    service.now += 1
    assert attempt(PAIR["password"]).status == 200


def test_a_login_clears_the_failures_before_it(service: Any) -> None:
    wrong = {**PAIR, "password": "wrong"}
    attempts = [*[wrong] * 5, PAIR, *[wrong] * 5]
    statuses = [service.post("/api/epsimo-auth", body, "").status for body in attempts]
    assert statuses == [401] * 5 + [200] + [401] * 5


def test_a_token_opens_the_keys_for_an_hour(service: Any) -> None:
    token = service.token()
    assert service.call("GET", "/api/agent-api-keys", None, "", HTTP_AUTHORIZATION=f"Bearer {token}x").status == 401
    service.now += 3599
    assert service.get("/api/agent-api-keys", "email").status == 200
    service.now += 1
    assert service.get("/api/agent-api-keys", "email").error == (401, "UNAUTHORIZED", [])


def test_a_new_key_works_is_shown_once_and_stored_hashed(service: Any) -> None:
    reply = service.post("/api/agent-api-keys", {"name": "Second"}, "user_email")
    key = reply.body["apiKey"]
    assert (reply.status, len(key)) == (200, 68)
    assert service.call("GET", "/campaigns", HTTP_X_API_KEY=key).status == 200
    listed = service.get("/api/agent-api-keys", "user_email")
    assert [one["name"] for one in listed.data] == ["Second", "Prospecting agent"]
    stored = service.app.database.read_bytes()
    secrets = (key, KEY, CREDENTIALS["amplify_api_key"], PAIR["password"], service.token())
    for secret in secrets:
        assert secret.encode() not in stored + listed.raw


def test_every_demo_account_can_log_in_and_sees_its_own_keys(shared: Any) -> None:
    keys = [shared.get("/api/agent-api-keys", f"{whose}email").data for whose in ("", "user_", "other_")]
    prefixes = [CREDENTIALS[f"{whose}api_key"][:10] for whose in ("", "user_", "other_")]
    assert [[one["keyPrefix"] for one in rows] for rows in keys] == [[prefix] for prefix in prefixes]


def test_the_administration_lists_everything_newest_first(shared: Any) -> None:
    companies, users = shared.get("/api/admin/companies").data, shared.get("/api/admin/users").data
    assert [one["name"] for one in companies] == ["Kestrel Outreach", "Fernhill Demand Partners"]
    assert [(one["leadCount"], one["memberCount"]) for one in companies] == [(40, 1), (60, 2)]
    emails = [CREDENTIALS[name] for name in ("other_email", "user_email", "email")]
    assert [(one["email"], one["role"]) for one in users] == list(
        zip(emails, ("admin", "user", "master_admin"), strict=True)
    )
    assert companies[1]["owner"] == users[2]["id"]


@pytest.mark.parametrize("path", ["/api/admin/companies", "/api/admin/users"])
@pytest.mark.parametrize("who", ["user_api_key", "other_api_key"])
def test_the_administration_is_for_master_admins(shared: Any, path: str, who: str) -> None:
    assert shared.get(path, who).error == (403, "ADMIN_REQUIRED", [])


@pytest.mark.parametrize("path", ["/api/enrich-leads/list", "/api/source-leads/list"])
def test_an_amplify_key_reads_its_own_company_only(shared: Any, path: str) -> None:
    other = f"{path}?companyId={CREDENTIALS['other_company_id']}"
    assert shared.get(other, "amplify_api_key").error == (403, "FORBIDDEN", ["companyId"])
    assert shared.get(path, "amplify_api_key").error == (400, "INVALID_PARAMETER", ["companyId"])


@pytest.mark.parametrize("field", ["owner", "company_id"])
def test_owner_and_company_are_set_from_the_key(service: Any, field: str) -> None:
    lead = {"firstName": "A", "lastName": "B", "email": "a@b.example"}
    refused = (400, "IMMUTABLE_FIELD", [field])
    assert service.post("/leads", {**lead, field: "other"}).error == refused
    batch = service.post("/leads/batch", {"leads": [lead, {**lead, field: "other"}]})
    assert batch.error == (400, "IMMUTABLE_FIELD", [f"leads[1].{field}"])
    mine = service.get("/leads").data[0][field]
    assert service.post("/leads", {**lead, field: mine}).status == 201
    assert service.put(f"/campaigns/{service.ids()['campaign']}", {field: "other"}).error == refused
