"""api_call.py: the right root and credential for a path, and the body as it comes."""

import json

import pytest
import responses

from contract.operations import operations
from sandbox.demo import CREDENTIALS

PRODUCTION = "https://last.leadgenius.app"
KEY, COMPANY = CREDENTIALS["api_key"], CREDENTIALS["company_id"]
MADE = "lgp_" + "1234567890abcdef" * 4


@pytest.fixture
def call(lgp):
    """`call("GET /campaigns")` runs api_call.py on the embedded sandbox."""
    return lambda text, *words, **more: lgp(*text.split(), *words, script="api_call", **more)


@pytest.fixture
def account(home):
    """A production account with a credential of each kind."""
    names = {"api_key": KEY, "amplify_api_key": CREDENTIALS["amplify_api_key"], "token": "t.t.t.t"}
    path = home / ".leadgenius_auth.json"
    path.write_text(json.dumps({"base_url": PRODUCTION, **names}))
    path.chmod(0o600)


@pytest.mark.parametrize("start", ["/", "", "/api/agent/", f"{PRODUCTION}/api/agent/"])
@responses.activate
def test_an_endpoint_is_found_however_it_is_written(call, account, start):
    responses.get(f"{PRODUCTION}/api/agent/campaigns", json={"data": []})
    endpoint = f"{start}campaigns?status=active"
    found = call("get", endpoint, "-p", "a=1", "-p", "a=2", sandbox=False)
    assert (found.code, found.out) == (0, '{"data":[]}\n')
    sent = responses.calls[0].request
    assert sent.url == f"{PRODUCTION}/api/agent/campaigns?status=active&a=1&a=2"
    assert sent.headers["X-API-Key"] == KEY


@pytest.mark.parametrize("name", operations())
def test_a_path_gets_the_credential_of_its_scope(call, name):
    operation = operations()[name]
    path = operation.path.replace("{id}", "x").replace("{jobId}", "x")
    data = ["--data", "{}", "--no-check"] if operation.body else []
    headers = call(operation.method, path, *data, "--dry-run").json["headers"]
    key = ("authorization", "Bearer ***") if operation.scope == "root" else ("x-api-key", "***")
    sent = [(one.lower(), value) for one, value in headers.items() if "***" in value]
    assert sent == [key] * (name != "auth.login")


@pytest.mark.parametrize("terminal", [False, True])
def test_the_body_is_the_servers_own_even_on_a_terminal(call, terminal):
    found = call("GET /campaigns?page=2 --page-size 2", terminal=terminal).json
    assert set(found) == {"success", "data", "pagination"}
    assert found["pagination"]["pageSize"] == found["pagination"]["page"] == len(found["data"]) == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("campaigns", "--all"),
        ("campaigns", "--fields name --format csv"),
        ("leads", "--where status=qualified --count"),
        ("enrich-leads", "--count-by status"),
    ],
)
def test_lists_are_read_counted_and_filtered_like_those_of_the_named_commands(
    call, lgp, path, words
):
    full = (
        f"/enrich-leads/list?companyId={COMPANY}&nextToken=x&limit=3"
        if path == "enrich-leads"
        else path
    )
    assert call("GET", full, *words.split()).out == lgp(path, "list", *words.split()).out


@responses.activate
def test_include_shows_status_and_masked_headers_on_stderr(call, account):
    headers = {"set-cookie": "session=abc", "X-Request-Id": "r1", "X-Echo": KEY}
    responses.get(f"{PRODUCTION}/api/agent/campaigns", json={"data": []}, headers=headers)
    (line,) = call("GET /campaigns --include", sandbox=False).lines
    shown = {"Content-Type": "application/json", "X-Request-Id": "r1", "X-Echo": "***"}
    assert line == {"status": 200, "headers": shown}


def test_a_key_on_the_command_line_is_used_and_warned_about(call, serve):
    environ = {"LGP_BASE_URL": serve(rate_limit=False).origin, "LGP_API_KEY": "lgp_" + "0" * 64}
    found = call("GET /campaigns --key", KEY, sandbox=False, environ=environ)
    assert found.code == 0
    assert any("--key can be read" in note for note in found.notes)
    assert KEY not in found.out + found.err


@pytest.mark.parametrize(
    "words",
    [
        "PATCH /campaigns",
        "GET C:/msys64/campaigns",
        "GET https://evil.example/api/agent/leads",
        "GET /leads/../admin",
        "GET /leads -p novalue",
        "GET /leads --data {}",
        "POST /campaigns --data {}",
        "DELETE /campaigns/x",
        "GET /leads --scope nobody",
        "GET /campaigns?page=2 --all",
        "GET /campaigns -p page=2 --max-items 3",
        "POST /campaigns --all --data {}",
        "GET /leads --nope",
        "GET /leads --where statsu=x",
        "GET /campaigns/x --fields nmae",
        "POST /webhooks --read-only --data {}",
    ],
)
def test_what_cannot_be_meant_is_exit_2_with_a_hint(call, words):
    found = call(*words.split())
    assert (found.code, found.out) == (2, "")
    assert found.error["hint"]
    assert ("MSYS_NO_PATHCONV" in found.error["hint"]) == ("C:" in words)


def test_changes_of_many_records_need_yes(call, lgp):
    delete = ("DELETE", "/leads/batch", "--data", '{"ids": ["lead_1"]}')
    found = call(*delete).error
    assert (found["code"], "lead_1" in found["message"]) == ("needs_yes", True)
    assert call(*delete, "--dry-run").json["yes"]
    assert call(*delete, "--yes").code == 0
    sequence = lgp("sequences", "list").rows[0]["id"]
    for count, code in ((25, 0), (26, 2)):
        body = json.dumps({"leadIds": [f"nobody_{number}" for number in range(count)]})
        assert call("POST", f"/sequences/{sequence}/enroll", "--data", body).code == code


def test_a_change_is_in_the_record_of_changes(call, state):
    made = call("POST /campaigns --data", '{"name": "Q3", "campaignType": "abm"}').json
    (line,) = map(json.loads, (state / "sandbox" / "changes.jsonl").read_text().splitlines())
    assert (line["path"], line["ids"]) == ("/api/agent/campaigns", [made["id"]])


def test_an_interrupted_change_is_in_the_record_of_changes(call, interrupting, state):
    words = ("POST /campaigns --data", '{"name": "Q3", "campaignType": "abm"}')
    assert call(*words, sandbox=False, environ=interrupting.environ).code == 130
    line = json.loads((state / "changes.jsonl").read_text())
    assert (line["path"], line["outcome"]) == ("/api/agent/campaigns", "applied")


@responses.activate
def test_a_path_that_the_schema_does_not_know_is_sent(call, account):
    responses.post(f"{PRODUCTION}/api/agent/campaign", json={"made": True})
    found = call("POST /campaign --data", '{"anything": [1]}', sandbox=False)
    assert (found.code, found.json) == (0, {"made": True})
    assert json.loads(responses.calls[0].request.body) == {"anything": [1]}


@pytest.mark.parametrize(
    ("method", "path", "body", "shown"),
    [
        ("POST", "agent-api-keys", {"apiKey": MADE, "data": {"note": MADE}}, {"data": {"note": MADE[:10]}}),
        ("GET", "agent-api-keys", {"data": [{"id": "k", "apiKey": MADE}]}, {"data": [{"id": "k"}]}),
        ("POST", "epsimo-auth", {"jwt_token": "eyJ.a.new", "expires_in": 9}, {"expires_in": 9}),
    ],
)  # fmt: skip
@responses.activate
def test_the_login_and_key_paths_leave_secrets_out_unless_shown(
    call, account, method, path, body, shown
):
    responses.add(method, f"{PRODUCTION}/api/{path}", json=body)
    data = ("--data", "{}", "--no-check") if method == "POST" else ()
    guarded = call(method, path, *data, sandbox=False)
    assert (guarded.json, "--show prints" in guarded.err) == (shown, True)
    assert call(method, path, *data, "--show", sandbox=False).json == body


@pytest.mark.parametrize("path", ["/api/agent", "/", ""])
def test_the_vendors_older_ways_are_taken(call, path):
    base = "http://localhost:3000"
    found = call("GET campaigns --base-url", base + path, "--dry-run", sandbox=False)
    assert found.json["url"] == f"{base}/api/agent/campaigns"


def test_its_help_is_that_of_the_command(call, lgp):
    assert call("--help", sandbox=False).out == lgp("api_call", "--help", sandbox=False).out
