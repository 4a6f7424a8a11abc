"""The served sandbox as its users meet it: the documented lines, a client of the vendor's kind, what arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import Run
from sandbox import demo
from sandbox.app import Sandbox
from sandbox.server import serve

DEMO = demo.CREDENTIALS


class Recording:
    """The sandbox, and what arrived at it: method, raw target, credential headers."""

    def __init__(self, app: Sandbox) -> None:
        self.app = app
        self.arrived: list[dict[str, str]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        told = {"method": environ["REQUEST_METHOD"], "target": environ["RAW_URI"]}
        for name in ("HTTP_X_API_KEY", "HTTP_AUTHORIZATION"):
            if name in environ:
                told[name] = environ[name]
        self.arrived.append(told)
        return self.app(environ, start_response)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    app = Recording(Sandbox(tmp_path_factory.mktemp("served") / "sandbox.sqlite3", rate_limit=False))
    server = serve(app, 0)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    app.origin = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield app
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def origin(recording: Recording) -> str:
    recording.arrived.clear()
    return str(recording.origin)  # type: ignore[attr-defined]


LINES = [
    ("leads", "list"),
    ("leads", "enrich", "--ids", "lead_1", "lead_2"),
    ("campaigns", "list"),
    ("campaigns", "create", "--name", "Q3 Expansion"),
    ("pipeline", "--start", "2026-01-01", "--end", "2026-02-08"),
    ("maintenance", "bugs", "list"),
    ("maintenance", "bugs", "report", "--desc", "Enrichment fails on LinkedIn URLs"),
    ("maintenance", "enhancements", "list"),
    ("maintenance", "enhancements", "request", "--desc", "Add support for Google Maps leads"),
    ("admin", "companies"),
    ("admin", "users"),
]


def test_login_then_key_then_use_with_no_variable_but_the_password(
    lgp: Run, api_call: Run, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGP_PASSWORD", DEMO["password"])
    assert lgp("--base-url", origin, "auth", "--email", "your@email.com").code == 0
    made = lgp("generate-key", "--name", "Production Agent", "--desc", "Key for main auto-agent")
    assert made.code == 0
    assert "key" not in made.json()
    for line in LINES:
        ran = lgp(*line)
        assert ran.code == 0, (line, ran.err)
        ran.json()
    assert api_call("GET", "/campaigns").code == 0
    assert lgp("auth", "--email", "your@email.com").code == 0


def test_the_documented_pipeline_line_shows_something(lgp: Run) -> None:
    ran = lgp("--sandbox", "pipeline", "--start", "2026-01-01", "--end", "2026-02-08")
    counts = [stage["count"] for stage in ran.json()["data"]["stages"]]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 0


class VendorClient:
    """A client of the vendor's kind: the same key in both headers, fixed places for what it reads."""

    def __init__(self, origin: str, key: str) -> None:
        self.root = f"{origin}/api/agent"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"Authorization": f"Bearer {key}", "X-API-Key": key})

    def ask(self, method: str, path: str, status: int, **more: Any) -> Any:
        answer = self.session.request(method, self.root + path, **more)
        assert answer.status_code == status, answer.text
        return answer.json()


def test_the_vendors_kind_of_client_works(origin: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        pair = {"email": DEMO["email"], "password": DEMO["password"]}
        token = session.post(f"{origin}/api/epsimo-auth", json=pair).json()["jwt_token"]
        head = {"Authorization": f"Bearer {token}"}
        made = session.post(f"{origin}/api/agent-api-keys", json={"name": "vendor"}, headers=head)
        assert made.status_code == 200
        client = VendorClient(origin, made.json()["apiKey"])
        with client.session:
            page = client.ask("GET", "/leads", 200, params={"pageSize": 5})
            assert (len(page["data"]), page["pagination"]["totalPages"] > 1) == (5, True)
            body = {"name": "x", "campaignType": "abm"}
            assert client.ask("POST", "/campaigns", 201, json=body)["id"]
            assert client.ask("POST", "/enrichment/trigger", 202, json={"leadIds": ["lead_1"]})["jobId"]
            assert client.ask("POST", "/maintenance/bugs", 201, json={"description": "d", "userEmail": None})["bug"][
                "id"
            ]
            assert client.ask("POST", "/maintenance/enhancements", 201, json={"description": "d"})["enhancement"]["id"]


AGENT = {"HTTP_X_API_KEY": DEMO["api_key"]}
AMPLIFY = {"HTTP_X_API_KEY": DEMO["amplify_api_key"]}
BULK = f"companyId={DEMO['company_id']}&limit=1"


@pytest.mark.parametrize(
    ("endpoint", "target", "credential"),
    [
        ("/leads", "/api/agent/leads", AGENT),
        ("leads", "/api/agent/leads", AGENT),
        (f"/enrich-leads/list?{BULK}", f"/api/enrich-leads/list?{BULK}", AMPLIFY),
        (f"/api/enrich-leads/list?{BULK}", f"/api/enrich-leads/list?{BULK}", AMPLIFY),
        ("/admin/users", "/api/admin/users", AGENT),
        ("/api/admin/users", "/api/admin/users", AGENT),
        ("/agent-api-keys", "/api/agent-api-keys", {"HTTP_AUTHORIZATION": "Bearer a-login"}),
        ("/api/agent/leads", "/api/agent/leads", AGENT),
        ("/api/agent/admin/x", "/api/agent/admin/x", AGENT),
        ("{origin}/api/agent/leads", "/api/agent/leads", AGENT),
        ("/administrators", "/api/agent/administrators", AGENT),
        ("/leads?next=/admin/x", "/api/agent/leads?next=/admin/x", AGENT),
    ],
)
def test_routing_read_from_what_arrived(
    api_call: Run,
    origin: str,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
    own_world: Path,
    endpoint: str,
    target: str,
    credential: dict[str, str],
) -> None:
    monkeypatch.setenv("LGP_API_KEY", DEMO["api_key"])
    monkeypatch.setenv("LGP_AMPLIFY_API_KEY", DEMO["amplify_api_key"])
    stored = own_world / ".leadgenius_auth.json"
    stored.write_text(f'{{"base_url": "{origin}", "token": "a-login"}}')
    stored.chmod(0o600)
    api_call("GET", endpoint.replace("{origin}", origin), "--max-wait", "0")
    assert recording.arrived == [{"method": "GET", "target": target, **credential}]


def test_another_origins_url_is_refused(api_call: Run, origin: str, recording: Recording) -> None:
    for url in (
        "https://evil.example/api/agent/leads",
        "//evil.example/leads",
        origin.replace("127.0.0.1", "localhost"),
    ):
        ran = api_call("--base-url", origin, "GET", url)
        assert ran.code == 2, url
    assert recording.arrived == []


BAD_IDS = ["..", ".", "a/b", "a?b", "a#b", "a%2Fb", "a\nb", "a b", "\x1b[0m"]
WRONG = [
    ("leads", "lst"),
    ("pipeline", "--start", "2026-02-08", "--end", "2026-01-01"),
    ("pipeline", "--start", "2026-02-30"),
    ("pipeline", "--end", "yesterday"),
    ("campaigns", "create", "--name", ""),
    ("campaigns", "create", "--data", '{"name": "x",\n "campaignType": abm}'),
    ("leads", "list", "--wait"),
    ("leads", "enrich", "--ids", ""),
    ("--base-url", "http://example.com", "leads", "list"),
    ("--base-url", "https://user:pass@example.com", "leads", "list"),
    ("--base-url", "http://localhost.evil.com", "leads", "list"),
    *(("campaigns", "get", one) for one in BAD_IDS),
    *(("leads", "status", "--status", "new", "--ids", one) for one in BAD_IDS if one.strip() == one),
]


@pytest.mark.parametrize("argv", WRONG, ids=repr)
def test_wrong_input_is_told_and_nothing_is_sent(
    lgp: Run, origin: str, recording: Recording, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LGP_API_KEY", DEMO["api_key"])
    ran = lgp(*(argv if "--base-url" in argv else ("--base-url", origin, *argv)))
    assert (ran.code, ran.out) == (2, "")
    assert ran.error["message"]
    assert recording.arrived == []


def test_bad_json_is_told_with_line_and_column(lgp: Run) -> None:
    ran = lgp("campaigns", "create", "--data", '{"name": "x",\n "campaignType": abm}')
    assert "line 2, column 18" in ran.error["message"]


def test_no_key_names_both_ways_to_get_one(lgp: Run, origin: str, recording: Recording) -> None:
    ran = lgp("--base-url", origin, "leads", "list")
    assert (ran.code, ran.error["code"]) == (3, "no_credential")
    assert "LGP_API_KEY" in ran.error["hint"]
    assert "auth --email" in ran.error["hint"]
    assert recording.arrived == []


def test_every_answer_of_a_sandbox_says_that_the_data_is_not_real(
    lgp: Run, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGP_API_KEY", DEMO["api_key"])
    for argv in (("--base-url", origin), ("--sandbox",), ("--sandbox", "--quiet")):
        ran = lgp(*argv, "campaigns", "list")
        assert any("not real" in note["message"] for note in ran.notes()), argv
