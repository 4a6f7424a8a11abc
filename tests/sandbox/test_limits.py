"""Rate limits: sliding and fixed windows, headers, threads and processes on one log."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.limits import Limits

PATH = "/enrichment/services"


def statuses(service: Any, calls: int, who: str = "api_key") -> list[int]:
    return [service.get(PATH, who).status for _ in range(calls)]


def limit_headers(reply: Any) -> list[str | None]:
    return [reply.headers.get(f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


@pytest.fixture
def limited(make: Callable[..., Any]) -> Callable[[str], Any]:
    return lambda limits: make(rate_limit=True, limits=limits)


def test_a_sliding_window_opens_call_by_call(limited: Callable[[str], Any]) -> None:
    service = limited("3/60")
    reset = str(int(service.now + 60))
    assert statuses(service, 2) == [200, 200]
    service.now += 50
    assert limit_headers(service.get(PATH)) == ["3", "0", reset]
    refused = service.get(PATH)
    assert (refused.error, refused.headers["Retry-After"]) == ((429, "RATE_LIMITED", []), "10")
    assert limit_headers(refused) == ["3", "0", reset]
    service.now += 9.9
    assert statuses(service, 1) == [429]
    service.now += 0.1
    assert statuses(service, 3) == [200, 200, 429]


def test_a_fixed_window_opens_at_once(limited: Callable[[str], Any]) -> None:
    service = limited("fixed:3/60")
    service.now += 50  # noon is the start of a minute
    assert statuses(service, 4) == [200, 200, 200, 429]
    assert service.get(PATH).headers["Retry-After"] == "10"
    service.now += 10
    assert statuses(service, 4) == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("limits", "window"),
    [("1/60,9/3600", "minute"), ("9/60,1/3600", "hour"), ("1/86400,9/60,9/3600", "day"), ("1/7", "7 second")],
)
def test_the_refusal_names_the_window(limited: Callable[[str], Any], limits: str, window: str) -> None:
    service = limited(limits)
    assert statuses(service, 1) == [200]
    assert service.get(PATH).body["error"] == f"Rate limit exceeded ({window} window)"


def test_each_credential_has_its_own_budget_over_all_scopes(limited: Callable[[str], Any]) -> None:
    service = limited("2/60")
    assert service.get("/api/admin/users").status == 200
    assert statuses(service, 2) == [200, 429]
    assert service.get("/api/admin/users").status == 429
    assert statuses(service, 1, "user_api_key") == [200]
    assert [service.get("/api/agent-api-keys", "email").status for _ in range(3)] == [200, 200, 429]
    service.tokens.clear()
    assert service.get("/api/agent-api-keys", "email").status == 429, "a new token is the same user"


def test_a_refused_call_does_nothing_and_is_not_counted(limited: Callable[[str], Any]) -> None:
    service = limited("1/60")
    assert statuses(service, 1) == [200]
    for _ in range(5):
        assert service.post("/maintenance/bugs", {"description": "never stored"}).status == 429
    service.now += 60
    assert b"never stored" not in service.get("/maintenance/bugs").raw


def test_without_a_credential_the_whole_budget_is_shown(limited: Callable[[str], Any]) -> None:
    service = limited("5/60")
    for reply in (service.get(PATH, ""), service.get("/nowhere"), service.post("/api/epsimo-auth", {}, "")):
        assert limit_headers(reply) == ["5", "5", str(int(service.now + 60))]


def test_no_rate_limit_counts_nothing_and_sends_no_limit_headers(make: Callable[..., Any]) -> None:
    service = make(limits="1/60")
    for reply in (*(service.get(PATH) for _ in range(3)), service.get("/nowhere", "")):
        assert reply.status in (200, 404)
        assert limit_headers(reply) == [None] * 3
    assert service.sql("SELECT count(*) FROM calls") == [(0,)]


def test_the_documented_limits_are_the_default_and_the_variable_changes_them(
    demo_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def windows(**options: Any) -> list[tuple[float, ...]]:
        limits = Sandbox(demo_database, **options).limits
        assert limits
        return [(limits.fixed, *window) for window in limits.windows]

    assert windows() == [(False, 60, 60), (False, 1000, 3600), (False, 10000, 86400)]
    monkeypatch.setenv("LGP_RATE_LIMITS", "fixed:5/60")
    assert windows() == [(True, 5, 60)]
    assert windows(limits="7/60") == [(False, 7, 60)]


@pytest.mark.parametrize("words", ["60", "0/60", "60/0", "a/b", "60/60;1/2", "fixed:", "-1/60", "60/60,", "١/60"])
def test_malformed_limits_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="rate limits must look like"):
        Limits(words)


def test_calls_from_the_future_do_not_block(limited: Callable[[str], Any]) -> None:
    service = limited("1/60")
    service.now += 86400
    assert statuses(service, 1) == [200]
    service.now -= 86400
    assert statuses(service, 2) == [200, 429]


def _spend(database: str, times: int, queue: multiprocessing.Queue[int]) -> None:
    app = Sandbox(Path(database), limits="20/3600", demo_leads=60)
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/api/agent" + PATH, "HTTP_X_API_KEY": CREDENTIALS["api_key"]}
    found: list[str] = []
    for _ in range(times):
        app(dict(environ), lambda status, headers: found.append(status))
    queue.put(sum(status.startswith("200") for status in found))


def test_processes_share_one_budget_and_one_first_database(tmp_path: Path) -> None:
    database = tmp_path / "new" / "sandbox.sqlite3"
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    crew = [context.Process(target=_spend, args=(str(database), 15, queue)) for _ in range(2)]
    for one in crew:
        one.start()
    admitted = [queue.get(timeout=60) for _ in crew]
    for one in crew:
        one.join()
        one.close()
    queue.close()
    queue.join_thread()
    assert sum(admitted) == 20
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*) FROM leads").fetchone() == (100,)
        assert db.execute("SELECT count(*) FROM source_leads").fetchone() == (120,)
    assert (database.stat().st_mode & 0o777, database.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_threads_share_one_budget_and_writers_wait_for_each_other(make: Callable[..., Any]) -> None:
    service, found = make(rate_limit=True, limits="50/3600"), []

    def spend(number: int) -> None:
        for place in range(15):
            body = {"accountName": f"{number}-{place}"}
            found.append(service.post("/target-accounts", body).status)

    crew = [threading.Thread(target=spend, args=(number,)) for number in range(4)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    assert (found.count(201), found.count(429)) == (50, 10)
    assert service.get("/target-accounts", "user_api_key").body["pagination"]["totalItems"] == 74
