"""Rate limits: sliding and fixed windows, headers, many processes on one log."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.limits import Limits
from sandbox_fixtures import NOON, Clock, Service, demo_database, running

PATH = "/api/agent/enrichment/services"


def statuses(service: Service, calls: int, key: str = "api_key") -> list[int]:
    return [service.get(PATH, key).status for _ in range(calls)]


def test_a_sliding_window_opens_call_by_call(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=True, limits="3/60") as service:
        assert statuses(service, 2) == [200, 200]
        service.clock.now += 50
        reply = service.get(PATH)
        reset = str(int(NOON + 60))
        assert [reply.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")] == ["3", "0", reset]
        refused = service.get(PATH)
        assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "RATE_LIMITED", "10")
        assert refused.body["error"] == "Rate limit exceeded (minute window)"
        service.clock.now += 9.9
        assert statuses(service, 1) == [429]
        service.clock.now += 0.1
        assert statuses(service, 3) == [200, 200, 429]


def test_a_fixed_window_opens_at_once(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=True, limits="fixed:3/60") as service:
        service.clock.now += 50  # NOON is the start of a minute
        assert statuses(service, 4) == [200, 200, 200, 429]
        assert service.get(PATH).headers["Retry-After"] == "10"
        service.clock.now += 10
        assert statuses(service, 4) == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("limits", "window"),
    [("1/60,9/3600", "minute"), ("9/60,1/3600", "hour"), ("9/60,9/3600,1/86400", "day"), ("1/7", "7 second")],
)
def test_the_refusal_names_the_window(tmp_path: Path, limits: str, window: str) -> None:
    with running(tmp_path, rate_limit=True, limits=limits) as service:
        assert statuses(service, 1) == [200]
        assert service.get(PATH).body["error"] == f"Rate limit exceeded ({window} window)"


def test_each_credential_has_its_own_budget_over_all_scopes(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=True, limits="2/60") as service:
        assert service.get("/api/admin/users").status == 200
        assert statuses(service, 2) == [200, 429]
        assert service.get("/api/admin/users").status == 429
        assert statuses(service, 1, "user_api_key") == [200]
        token = {"Authorization": f"Bearer {service.token()}"}
        assert [service.get("/api/agent-api-keys", None, **token).status for _ in range(3)] == [200, 200, 429]
        other = {"Authorization": f"Bearer {service.token()}"}
        assert service.get("/api/agent-api-keys", None, **other).status == 429, "a new token is the same user"


def test_a_refused_call_does_nothing_and_is_not_counted(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=True, limits="1/60") as service:
        assert statuses(service, 1) == [200]
        for _ in range(5):
            assert service.post("/api/agent/maintenance/bugs", {"description": "never stored"}).status == 429
        service.clock.now += 60
        assert b"never stored" not in service.get("/api/agent/maintenance/bugs").raw


def test_the_documented_limits_are_the_default_and_the_variable_changes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Sandbox(demo_database()).limits == Limits.parse("60/60,1000/3600,10000/86400")
    monkeypatch.setenv("LGP_RATE_LIMITS", "fixed:5/60")
    assert Sandbox(demo_database()).limits == Limits.parse("fixed:5/60")
    assert Sandbox(demo_database(), limits="7/60").limits == Limits.parse("7/60")


@pytest.mark.parametrize("words", ["60", "0/60", "60/0", "a/b", "60/60;1/2", "fixed:", "-1/60", "60/60,", "١/60"])
def test_malformed_limits_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="rate limits"):
        Limits.parse(words)


def test_calls_from_the_future_do_not_block(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=True, limits="1/60") as service:
        service.clock.now += 86400
        assert statuses(service, 1) == [200]
        service.clock.now -= 86400
        assert statuses(service, 2) == [200, 429]


def _spend(database: str, times: int, queue: multiprocessing.Queue[int]) -> None:
    app = Sandbox(Path(database), limits="50/3600")
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": PATH, "HTTP_X_API_KEY": CREDENTIALS["api_key"]}
    told: list[str] = []
    for _ in range(times):
        app(dict(environ), lambda status, headers: told.append(status))
    queue.put(sum(status.startswith("200") for status in told))


def test_processes_share_one_budget_and_one_first_database(tmp_path: Path) -> None:
    database = tmp_path / "new" / "sandbox.sqlite3"
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    crew = [context.Process(target=_spend, args=(str(database), 25, queue)) for _ in range(3)]
    for one in crew:
        one.start()
    admitted = [queue.get(timeout=60) for _ in crew]
    for one in crew:
        one.join()
        assert one.exitcode == 0
        one.close()
    queue.close()
    queue.join_thread()
    assert sum(admitted) == 50
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*) FROM leads WHERE id = 'lead_1'").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM source_leads").fetchone() == (2060,)
    assert (database.stat().st_mode & 0o777, database.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_threads_share_one_budget(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=True, limits="50/3600") as service:
        told: list[int] = []
        crew = [threading.Thread(target=lambda: told.extend(statuses(service, 20))) for _ in range(8)]
        for one in crew:
            one.start()
        for one in crew:
            one.join()
    assert (told.count(200), told.count(429)) == (50, 110)


def test_the_demo_data_is_the_same_each_time(tmp_path: Path) -> None:
    query = "SELECT doc FROM leads UNION SELECT doc FROM records UNION SELECT doc FROM jobs"

    def leads(name: str) -> list[tuple[str]]:
        Sandbox(tmp_path / name, clock=Clock(NOON + 3600))
        with closing(sqlite3.connect(tmp_path / name)) as db:
            return db.execute(query).fetchall()

    with closing(sqlite3.connect(demo_database())) as db:
        assert leads("a") == db.execute(query).fetchall()
