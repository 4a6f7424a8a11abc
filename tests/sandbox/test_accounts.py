"""Credentials, login, tokens, agent keys, and the administration's lists."""

from sandbox.demo import CREDENTIALS

KEY = CREDENTIALS["api_key"]
PAIR = {"email": CREDENTIALS["email"], "password": CREDENTIALS["password"]}
WRONG = {**PAIR, "password": "wrong"}


def test_a_key_is_taken_in_either_header_and_in_both_when_equal(shared):
    for key, authorization, status in (
        (None, f"bearer {KEY}", 200),
        (KEY, f"Bearer {KEY}", 200),
        (KEY, f"Bearer {CREDENTIALS['other_api_key']}", 401),
        (KEY, f"Bearer {shared.token()}", 401),
        (None, f"Basic {KEY}", 401),
        (KEY[:-1] + "x", None, 401),
    ):
        given = {"HTTP_X_API_KEY": key, "HTTP_AUTHORIZATION": authorization}
        assert shared.call("GET", "/campaigns", **given).status == status, given


def login(service, *bodies):
    return [service.post("/api/epsimo-auth", {**PAIR, **body}, "") for body in bodies]


def test_login_ignores_credentials_and_case_and_refuses_a_wrong_pair(service):
    for reply in login(service, WRONG, {"email": "no@body.example"}):
        assert reply.error == (401, "UNAUTHORIZED", [])
    body = {**PAIR, "email": PAIR["email"].upper()}
    reply = service.call("POST", "/api/epsimo-auth", body, HTTP_X_API_KEY="nonsense")
    assert (reply.status, reply.body["expires_in"]) == (200, 3600)


def test_the_sixth_failure_in_fifteen_minutes_locks_the_email_and_only_it(service):
    tries = [*[WRONG] * 4, PAIR, *[WRONG] * 6, PAIR, {"email": "some@body.example"}]
    statuses = [reply.status for reply in login(service, *tries)]
    assert statuses == [401] * 4 + [200] + [401] * 5 + [429, 429, 401], "a login clears them"
    service.now += 899
    (reply,) = login(service, PAIR)
    assert (reply.error[:2], reply.headers["Retry-After"]) == ((429, "RATE_LIMITED"), "1")
    service.now += 1
    assert login(service, PAIR)[0].status == 200


def test_a_token_opens_the_keys_for_an_hour(service):
    token = service.token()
    given = {"HTTP_AUTHORIZATION": f"Bearer {token}x"}
    assert service.call("GET", "/api/agent-api-keys", None, "", **given).status == 401
    service.now += 3599
    assert service.get("/api/agent-api-keys", "email").status == 200
    service.now += 1
    assert service.get("/api/agent-api-keys", "email").error == (401, "UNAUTHORIZED", [])


def test_a_new_key_works_is_shown_once_and_stored_hashed(service):
    key = service.post("/api/agent-api-keys", {"name": "Second"}, "user_email").body["apiKey"]
    assert service.call("GET", "/campaigns", HTTP_X_API_KEY=key).status == 200
    listed = service.get("/api/agent-api-keys", "user_email")
    assert [one["name"] for one in listed.data] == ["Second", "Prospecting agent"]
    stored = service.app.database.read_bytes() + listed.raw
    secrets = (key, KEY, CREDENTIALS["amplify_api_key"], PAIR["password"], service.token())
    assert [secret for secret in secrets if secret.encode() in stored] == []


def test_the_administration_lists_everything_newest_first(shared):
    companies, users = shared.get("/api/admin/companies").data, shared.get("/api/admin/users").data
    facts = [(one["name"], one["leadCount"], one["memberCount"]) for one in companies]
    assert facts == [("Kestrel Outreach", 40, 1), ("Fernhill Demand Partners", 60, 2)]
    assert [one["role"] for one in users] == ["admin", "user", "master_admin"]
    assert (users[2]["email"], users[2]["id"]) == (PAIR["email"], companies[1]["owner"])


def test_owner_and_company_are_set_from_the_key(service):
    lead = {"firstName": "A", "lastName": "B", "email": "a@b.example"}
    foreign, own = lead | {"owner": "x"}, lead | {"owner": service.get("/leads").data[0]["owner"]}
    assert service.post("/leads", foreign).error == (400, "IMMUTABLE_FIELD", ["owner"])
    batch = service.post("/leads/batch", {"leads": [lead, lead | {"company_id": "x"}]})
    assert batch.error == (400, "IMMUTABLE_FIELD", ["leads[1].company_id"])
    assert service.post("/leads", own).status == 201
