"""Rate limits: sliding and fixed windows, headers, threads and processes on one log."""

import io
import multiprocessing
import sqlite3
from contextlib import closing

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS

PATH = "/enrichment/services"


def statuses(service, calls, who="api_key", path=PATH):
    return [service.get(path, who).status for _ in range(calls)]


def limit_headers(reply):
    return [reply.headers.get(f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


def test_a_sliding_window_opens_call_by_call(make):
    service = make(rate_limit=True, limits="3/60")
    reset = str(int(service.now + 60))
    assert statuses(service, 2) == [200, 200]
    service.now += 50
    assert limit_headers(service.get(PATH)) == ["3", "0", reset]
    refused = service.get(PATH)
    assert (refused.error, refused.headers["Retry-After"]) == ((429, "RATE_LIMITED", []), "10")
    assert refused.body["error"] == "Rate limit exceeded (minute window)"
    assert limit_headers(refused) == ["3", "0", reset]
    service.now += 9.9
    assert statuses(service, 1) == [429]
    service.now += 0.1
    assert statuses(service, 3) == [200, 200, 429]


def test_a_fixed_window_opens_at_once(make):
    service = make(rate_limit=True, limits="fixed:9/60,3/7")
    service.now += 7 - service.now % 7 + 4
    assert statuses(service, 4) == [200, 200, 200, 429]
    refused = service.get(PATH)
    assert refused.headers["Retry-After"] == "3"
    assert "7 second window" in refused.body["error"]
    service.now += 3
    assert statuses(service, 4) == [200, 200, 200, 429]


def test_each_credential_has_its_own_budget_over_all_scopes(make):
    service = make(rate_limit=True, limits="2/60")
    assert statuses(service, 1, path="/api/admin/users") + statuses(service, 2) == [200, 200, 429]
    assert statuses(service, 1, path="/api/admin/users") == [429]
    assert statuses(service, 1, "user_api_key") == [200]
    assert statuses(service, 3, "email", "/api/agent-api-keys") == [200, 200, 429]
    service.tokens.clear()  # a new token is the same user
    assert statuses(service, 1, "email", "/api/agent-api-keys") == [429]


def test_a_refused_call_does_nothing_and_is_not_counted(make):
    service = make(rate_limit=True, limits="1/60")
    assert statuses(service, 1) == [200]
    for _ in range(5):
        assert service.post("/maintenance/bugs", {"description": "never stored"}).status == 429
    service.now += 60
    assert b"never stored" not in service.get("/maintenance/bugs").raw


def test_limit_headers_without_a_credential_and_without_limits(make):
    service, unlimited = make(rate_limit=True, limits="5/60"), make(limits="1/60")
    for reply in (service.get(PATH, ""), service.get("/nowhere")):
        assert limit_headers(reply) == ["5", "5", str(int(service.now + 60))]
    assert statuses(unlimited, 2) == [200, 200]
    assert limit_headers(unlimited.get("/nowhere")) == [None] * 3


def test_the_documented_limits_are_the_default_and_the_variable_changes_them(
    demo_database, monkeypatch
):
    assert [tuple(one) for one in Sandbox(demo_database).limits.windows] == [
        (60, 60),
        (1000, 3600),
        (10000, 86400),
    ]
    monkeypatch.setenv("LGP_RATE_LIMITS", "fixed:5/60")
    limits = Sandbox(demo_database).limits
    assert (limits.fixed, *map(tuple, limits.windows)) == (True, (5, 60))


def _spend(database, times):
    app = Sandbox(database, limits="20/3600", demo_leads=60)
    content = b'{"accountName": "written"}'
    environ = {"REQUEST_METHOD": "POST", "RAW_URI": "/api/agent/target-accounts"}
    environ |= {"HTTP_X_API_KEY": CREDENTIALS["api_key"], "CONTENT_LENGTH": str(len(content))}
    answers = [app.answer({**environ, "wsgi.input": io.BytesIO(content)}) for _ in range(times)]
    return [answer.status for answer in answers]


def test_processes_share_one_first_database_and_one_budget_and_wait_to_write(tmp_path):
    database, context = tmp_path / "new" / "sandbox.sqlite3", multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        answered = pool.starmap(_spend, [(database, 15)] * 2, chunksize=1)
    statuses = [status for one in answered for status in one]
    assert (statuses.count(201), statuses.count(429)) == (20, 10)
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*), count(DISTINCT id) FROM leads").fetchone() == (100, 100)
        written = "SELECT count(*) FROM records WHERE doc LIKE '%\"written\"%'"
        assert db.execute(written).fetchone() == (20,)
    modes = [path.stat().st_mode & 0o777 for path in (database, database.parent)]
    assert modes == [0o600, 0o700]
