"""The same rule over a real redis-server, and what happens without one."""

import shutil
import subprocess
import sys
import time

import pytest
import redis
from helper_bench import Time, throw
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from leadgenius.errors import LocalError, RateError, UsageError
from leadgenius.redis_log import RedisLog
from leadgenius.settings import Window

WINDOWS = (Window(16, 2.0), Window(1000, 3600.0))
PASSWORD = "canary-password"


@pytest.fixture
def server(tmp_path):
    """`server()` starts a redis-server on a unix socket and returns its URL; `server.stop()` ends
    it.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        pytest.skip("redis-server is not installed")
    path, running = tmp_path / "r.sock", []

    def start():
        words = f"--port 0 --unixsocket {path} --requirepass {PASSWORD} --dir {tmp_path} --save"
        command = [program, *words.split(), ""]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        url = f"unix://:{PASSWORD}@{path}"
        with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.02), 500)) as client:
            client.ping()
        return url

    def stop():
        running[-1].terminate()
        running.pop().wait()

    start.stop = stop
    yield start
    while running:
        stop()


@pytest.fixture
def make(tmp_path):
    made = []

    def new(url, clock=time, host="one", windows=WINDOWS):
        folder = tmp_path / host
        folder.mkdir(mode=0o700, exist_ok=True)
        notes = []
        log = RedisLog(
            url, folder / "log.sqlite3", windows, lambda *note: notes.append(note), clock
        )
        log.notes = notes
        made.append(log)
        return log

    yield new
    for one in made:
        one.close()


def take(log, most):
    """Slots until none is free, at most `most`."""
    slots = []
    while len(slots) < most:
        try:
            slots.append(log.acquire("a", max_wait=0, hold=60))
        except RateError:
            break
    return slots


def aged(log):
    """Make the data older than the first window, in which an eighth of the limits counts."""
    take(log, 1)
    log._redis.flushdb()
    log._redis.set("leadgenius:born", 1)
    return log


def test_hosts_share_one_limit_whatever_their_clocks_say(server, make):
    url = server()
    first, second = make(url), make(url, Time(), "two")
    assert len(take(first, 100)) == 2, "without its data a server begins with an eighth"
    slots = take(aged(first), 10)
    assert len(take(second, 100)) == 6
    with pytest.raises(RateError, match=r"\(16 per 2 s\)") as caught:
        first.acquire("a", max_wait=0.1, hold=60)
    assert caught.value.facts["retry_after_seconds"] == 3, "all are in flight and count as now"
    for slot in slots:
        first.settle("a", slot, 0)
    rows = [(row["credential"], row["used"], row["left"]) for row in second.report()]
    assert rows == [("a", 16, 0), ("a", 16, 984)]
    assert second.acquire("b", max_wait=0, hold=1)
    assert first.notes == second.notes == []
    lasting = [key for key in first._redis.scan_iter("*:a:*") if first._redis.ttl(key) < 0]
    assert not lasting, "all expire"


def test_a_server_that_is_gone_costs_one_wait_and_comes_back(server, make, tmp_path):
    url, clock = server(), Time()
    clock.now = time.time()
    log = aged(make(url, clock))
    server.stop()
    assert len(take(log, 100)) == 2, "an eighth, in the log of this host"
    assert {level for level, message in log.notes if "Redis" in message} == {"warning"}
    server()
    later = make(url, clock)
    assert len(take(later, 100)) == 0, "for 30 s no process of this machine asks again"
    assert {level for level, message in later.notes if "Redis" in message} == {"warning"}
    clock.now += 31
    slots = take(log, 100)
    assert slots
    assert all(slot < 0 for slot in slots)
    assert PASSWORD not in str(log.notes)


def test_a_url_that_makes_no_sense_is_not_shown(make):
    with pytest.raises(UsageError, match="LGP_LIMITER") as caught:
        make(f"http://:{PASSWORD}@h")
    assert PASSWORD not in str(caught.value.as_dict())


def test_without_the_package_the_line_to_type_is_said(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(LocalError) as caught:
        make("redis://127.0.0.1:1")
    assert (caught.value.exit_code, caught.value.hint) == (9, "python3 -m pip install redis")


def test_every_host_waits_in_one_queue_and_stops_for_a_pause(server, make):
    url, windows = server(), (Window(1, 2.0),)
    first, clock = aged(make(url, windows=windows)), Time()
    second = make(url, clock, "two", windows)
    first.settle("a", first.acquire("a", max_wait=0, hold=60), 0)
    clock.sleep = throw(SystemExit)  # it has its place by now
    with pytest.raises(SystemExit):
        second.acquire("a", max_wait=9, hold=60)
    with pytest.raises(RateError) as caught:
        first.acquire("a", max_wait=0, hold=1)
    assert caught.value.facts["retry_after_seconds"] >= 4, "behind the one that waits"
    for pause in (50, 5):
        first.settle("b", -99, pause)
    with pytest.raises(RateError, match=r"in 50 s.*a pause"):
        second.acquire("b", max_wait=1, hold=1)
    assert [row["blocked_until"] is None for row in second.report()] == [True, False]
    assert second.clear() == 1
    assert first.acquire("b", max_wait=0, hold=1)


def test_a_server_that_restarts_within_two_seconds_is_waited_for(server, make):
    url, clock = server(), Time()
    log = aged(make(url, clock))
    server.stop()
    clock.sleep = lambda seconds: server()
    assert log.acquire("a", max_wait=0, hold=60) < 0, "the slot is the server's"
    assert log.notes == []
