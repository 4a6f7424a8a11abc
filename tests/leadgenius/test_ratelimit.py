"""The shared limit: arithmetic with a clock of its own, several processes, damage, and what happens
without a folder.
"""

import contextlib
import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from helper_bench import NOW, Time, throw

from leadgenius.errors import LocalError, RateError
from leadgenius.ratelimit import RateLimiter, eighth
from leadgenius.settings import Window

WINDOWS = (Window(3, 10.0), Window(5, 100.0))


@pytest.fixture
def path(state):
    state.mkdir(parents=True, mode=0o700)
    return state / "log.sqlite3"


@pytest.fixture
def make(path):
    """`make()`: a limiter over one log, all with one time; its notes are in `.notes`."""
    made, clock = [], Time()

    def new(windows=WINDOWS, where=path, time=clock):
        notes = []
        limiter = RateLimiter(where, windows, lambda *note: notes.append(note), time)
        limiter.notes, limiter.clock = notes, time
        made.append(limiter)
        return limiter

    yield new
    for one in made:
        one.close()


def request(limiter, max_wait=0.0, seconds=0.0):
    slot = limiter.acquire("a", max_wait=max_wait, hold=60.0)
    limiter.clock.now += seconds
    limiter.settle("a", slot, 0.0)


def test_a_request_counts_for_a_window_and_a_little_from_its_end(make):
    limiter = make()
    for _ in range(3):
        request(limiter, seconds=1.0)  # they end at 1, 2 and 3
    with pytest.raises(RateError, match=r"in 9 s.*\(3 per 10 s\)") as caught:
        request(limiter, max_wait=8.0)
    assert limiter.clock.slept == [], "a wait that is too long is not begun"
    facts = caught.value.facts
    assert (facts["retry_after_seconds"], facts["retry_at"]) == (9, "2026-01-01T00:00:11.200Z")
    request(limiter, max_wait=9.0)
    assert limiter.clock.now == pytest.approx(NOW + 11.2)
    assert limiter.notes[0][1] == "Waiting 9 s: the rate limit (3 per 10 s)"


def test_all_windows_are_decided_together_and_the_one_obeyed_is_named(make):
    limiter = make()
    for _ in range(5):
        request(limiter, max_wait=20.0)
    with pytest.raises(RateError, match=r"\(5 per 100 s\)"):
        request(limiter, max_wait=20.0)
    assert limiter.acquire("another", max_wait=0, hold=1)


def test_requests_in_flight_count_as_now_and_a_dead_one_until_it_must_have_ended(make):
    limiter = make((Window(1, 10.0),))
    limiter.acquire("a", max_wait=0, hold=30.0)
    limiter.clock.now += 25
    with pytest.raises(RateError):
        request(limiter)
    limiter.clock.now += 15.1  # ended at 30 at the latest, and 10.2 have not passed
    with pytest.raises(RateError):
        request(limiter)
    limiter.clock.now += 0.2
    request(limiter)


def test_a_pause_stops_everybody_is_never_shortened_and_can_be_lifted(make):
    first, second = make(), make()
    slot = first.acquire("a", max_wait=0, hold=1)
    first.settle("a", slot, 100)
    first.settle("a", slot, 5)
    with pytest.raises(RateError, match=r"in 100 s.*the server asked for a pause"):
        request(second)
    first.clock.sleep = lambda seconds: second.clear()
    request(first, max_wait=200)
    assert first.clock.now == NOW
    first.settle("a", slot, 86_400)
    assert second.report()[0]["blocked_until"] == "2026-01-02T00:00:00.000Z"


def test_the_report_counts_what_is_used_and_when_the_next_is_free(make):
    limiter = make()
    for _ in range(3):
        request(limiter)
    short, long = limiter.report()
    expected = {"credential": "a", "limit": 3, "window_seconds": 10.0, "used": 3, "left": 0}
    expected |= {"next_free": "2026-01-01T00:00:10.200Z", "blocked_until": None}
    assert (short, long["left"], long["next_free"]) == (expected, 2, None)
    limiter.clock.now += 5
    request(make((Window(4, 10.0),)))
    fewer = make((Window(1, 10.0),)).report()[0]
    assert (fewer["used"], fewer["next_free"]) == (4, "2026-01-01T00:00:15.200Z")
    limiter.clock.now += 11
    assert limiter.report()[0]["used"] == 0


def race(path, gate, won):
    limiter = RateLimiter(path, (Window(60, 60.0),), lambda *_: None)
    gate.wait()
    for _ in range(6):
        try:
            limiter.acquire("a", max_wait=0, hold=60)
        except RateError as error:
            if error.code == "limiter_busy":
                continue
            return
        with won.get_lock():
            won.value += 1


def test_sixteen_processes_race_for_sixty_slots(path):
    context = multiprocessing.get_context("fork")
    given = path, context.Event(), context.Value("i", 0)
    processes = [context.Process(target=race, args=given, daemon=True) for _ in range(16)]
    for one in processes:
        one.start()
    given[1].set()
    for one in processes:
        one.join(20)
    assert given[2].value == 60


def test_a_file_that_is_no_database_is_said_and_left_alone(make, path):
    path.write_bytes(b"this is no database" * 100)
    path.chmod(0o600)
    with pytest.raises(LocalError, match="nothing was sent") as caught:
        request(make())
    assert (caught.value.exit_code, caught.value.hint) == (9, f"Delete {path} and run again.")
    assert path.read_bytes().startswith(b"this is no")


def test_a_locked_log_sends_nothing_and_loses_nothing(make, path, monkeypatch):
    monkeypatch.setattr("leadgenius.ratelimit.LOCK_SECONDS", 0.05)
    limiter = make()
    slot = limiter.acquire("a", max_wait=0, hold=5)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RateError) as caught:
        request(limiter)
    error = caught.value
    assert (error.exit_code, error.code, error.retryable) == (5, "limiter_busy", True)
    limiter.settle("a", slot, 5)
    other.close()
    request(limiter)
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_eighth_of_a_limit_is_one_at_least():
    limits = [Window(60, 60.0), Window(63, 1.0), Window(7, 1.0)]
    assert [window.limit for window in eighth(limits)] == [7, 7, 1]


def test_without_a_usable_log_a_process_keeps_to_an_eighth(make, path):
    path.symlink_to(path.with_name("elsewhere"))
    for where in (path, Path("/nonexistent/log")):
        limiter = make((Window(16, 10.0),), where, Time())
        request(limiter)
        request(limiter)
        with pytest.raises(RateError, match=r"\(2 per 10 s\)"):
            request(limiter)
        assert [level for level, message in limiter.notes if "LGP_STATE_DIR" in message] == [
            "warning"
        ]


def test_in_one_queue_nobody_overtakes_and_who_dies_behind_holds_nobody_back(make):
    first, second = make((Window(1, 10.0),)), make((Window(1, 10.0),))
    request(first)
    clock, asked = first.clock, []

    def sleep(seconds):
        if not asked:
            with pytest.raises(RateError) as caught:
                second.acquire("a", max_wait=15, hold=1)
            asked.append(caught.value.facts["retry_after_seconds"])
            clock.sleep = throw(SystemExit)
            with pytest.raises(SystemExit):
                second.acquire("a", max_wait=30, hold=1)
            clock.sleep = sleep
        clock.now += seconds

    clock.sleep = sleep
    request(first, max_wait=11)
    assert asked == [21], "behind the one that waits"
    assert clock.now == pytest.approx(NOW + 10.2)


def test_old_rows_go_and_a_day_of_them_stays(make, path):
    limiter = make((Window(5, 86_400.0),))
    request(limiter)
    limiter.clock.now += 80_000
    request(limiter)
    assert limiter.report()[0]["used"] == 2
    make((Window(5, 60.0),)).report()
    assert limiter.report()[0]["used"] == 2, "another process has shorter windows"
    limiter.clock.now += 100_000
    make((Window(5, 86_400.0),)).report()
    with contextlib.closing(sqlite3.connect(path)) as log:
        assert log.execute("SELECT count(*) FROM requests").fetchone() == (1,)
