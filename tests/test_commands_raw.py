"""api_call.py: the right root and credential for a path, the body as it comes, and every way it was ever called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Run, Sent
from contract import OPERATIONS, SPEC
from sandbox.demo import CREDENTIALS


@pytest.mark.parametrize(
    "endpoint",
    ["/campaigns", "campaigns", "/api/agent/campaigns", "api/agent/campaigns", "/campaigns?status=active"],
)
def test_an_endpoint_is_found_however_it_is_written(
    api_call: Run, sandboxed: Path, sent: list[Sent], endpoint: str
) -> None:
    assert api_call("get", endpoint).code == 0
    assert sent[0].target.partition("?")[0] == "/api/agent/campaigns"
    assert sent[0].headers["X-API-Key"] == CREDENTIALS["api_key"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_request_carries_the_one_credential_of_its_scope(
    api_call: Run, sandboxed: Path, sent: list[Sent], name: str
) -> None:
    method, path, operation = OPERATIONS[name]
    path = path.replace("{id}", "x").replace("{jobId}", "x")
    data = ["--data", "{}"] if "requestBody" in operation else []
    api_call(method, path, *data, "--no-check", *(["--yes"] if method == "DELETE" else []))
    keys = {
        key.lower(): value for key, value in sent[0].headers.items() if key.lower() in ("x-api-key", "authorization")
    }
    if operation["security"] == []:
        assert keys == {}
    elif operation["x-scope"] == "root":
        assert list(keys) == ["authorization"]
        assert keys["authorization"].startswith("Bearer ey")
    else:
        kind = "amplify_api_key" if operation["x-scope"] == "system" else "api_key"
        assert keys == {"x-api-key": CREDENTIALS[kind]}


def test_the_body_is_the_servers_own(api_call: Run, sandboxed: Path) -> None:
    told = api_call("GET", "/campaigns", "-p", "pageSize=2", "-p", "status=active").json()
    assert set(told) == {"success", "data", "pagination"}
    assert (len(told["data"]), told["pagination"]["pageSize"]) == (2, 2)


def test_all_pages(api_call: Run, sandboxed: Path, sent: list[Sent]) -> None:
    told = api_call("GET", "/leads", "--all").json()
    assert len(told["data"]) == told["rows"] > 1000
    sent.clear()
    company = CREDENTIALS["company_id"]
    told = api_call("GET", "/enrich-leads/list", "-p", f"companyId={company}", "--all", "--page-size", "700").json()
    assert (told["rows"], told["complete"], len(sent)) == (1500, True, 3)


def test_include_shows_status_and_masked_headers_on_stderr(api_call: Run, sandboxed: Path) -> None:
    ran = api_call("GET", "/campaigns", "--include")
    shown = json.loads(next(line for line in ran.err.splitlines() if '"status"' in line))
    assert shown["status"] == 200
    assert "X-LeadGenius-Sandbox" in shown["headers"]
    assert CREDENTIALS["api_key"] not in ran.err


def test_a_key_on_the_command_line_is_used_and_warned_about(api_call: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = api_call("GET", "/campaigns", "--key", CREDENTIALS["other_api_key"])
    assert sent[0].headers["X-API-Key"] == CREDENTIALS["other_api_key"]
    assert any("--key can be read" in note["message"] for note in ran.notes())
    assert CREDENTIALS["other_api_key"] not in ran.out + ran.err


@pytest.mark.parametrize(
    "argv",
    [
        ("PATCH", "/campaigns"), ("GET",), ("GET", "C:/Program Files/Git/campaigns"), ("GET", "/admin"), ("GET", "/"),
        ("GET", "https://evil.example/api/agent/leads"), ("GET", "/leads/../admin"), ("GET", "/leads\\x"),
        ("GET", "/leads", "-p", "novalue"), ("POST", "/campaigns", "--data", "{"), ("GET", "/leads", "--data", "{}"),
        ("POST", "/campaigns", "--data", "{}"), ("POST", "/campaigns"), ("DELETE", "/campaigns/x"),
        ("GET", "/leads", "--scope", "nobody"), ("POST", "/campaigns", "--all", "--data", "{}"),
        ("GET", "/leads", "--nope"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_meant_is_exit_2_and_sends_nothing(
    api_call: Run, sandboxed: Path, sent: list[Sent], argv: tuple[str, ...]
) -> None:
    ran = api_call(*argv)
    assert (ran.code, ran.out, sent) == (2, "", [])
    assert ran.error["hint"]


def test_an_unknown_path_is_a_note_and_goes_out(api_call: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = api_call("GET", "/campaign")
    assert (ran.code, ran.error["server_code"], sent[0].target) == (4, "NOT_FOUND", "/api/agent/campaign")
    assert any("/api/agent/campaigns" in note["message"] for note in ran.notes())


def test_the_vendors_older_ways_are_taken(api_call: Run) -> None:
    origin = SPEC["servers"][0]["url"]
    for base in ("http://localhost:3000/api/agent", "http://localhost:3000/", origin):
        ran = api_call("GET", "campaigns", "--base-url", base, "--dry-run")
        assert ran.json()["url"] == base.removesuffix("/api/agent").rstrip("/") + "/api/agent/campaigns"
