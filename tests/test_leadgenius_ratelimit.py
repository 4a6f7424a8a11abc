"""The rate limiter: the rule under a clock of our own, then real processes, kills, damage and bad directories."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadgenius.errors import RateError, UsageError
from leadgenius.ratelimit import DEFAULT_WINDOWS, RateLimiter, Windows, identity

SCRIPTS = Path(__file__).parent.parent / "scripts"
START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
KEY = identity("https://last.leadgenius.app", "lgp_secret")
OTHER = identity("https://last.leadgenius.app", "lgp_other")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
posix = pytest.mark.skipif(os.name == "nt", reason="owners, modes and signals are POSIX")


class Time:
    """A clock that only sleeping moves. `during` runs inside each sleep, as other processes would."""

    def __init__(self):
        self.now, self.steady, self.slept, self.during = START, 0.0, [], lambda: None

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.pass_(seconds)
        self.during()

    def pass_(self, seconds):
        self.now += seconds
        self.steady += seconds


class Bench:
    """Limiters on one file and one clock, as processes of one machine are."""

    def __init__(self, folder):
        self.time, self.path, self.notes, self.opened = Time(), folder / "state" / "requests.sqlite3", [], []

    def limiter(self, windows="2/10", path=..., **options):
        options = {"lock_timeout": 0.05, "notes": lambda *told: self.notes.append(told), **options}
        limiter = RateLimiter(
            self.path if path is ... else path,
            Windows.parse(windows),
            clock=lambda: self.time.now,
            monotonic=lambda: self.time.steady,
            sleep=self.time.sleep,
            **options,
        )
        self.opened.append(limiter)
        return limiter

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.path)) as db, db:
            return db.execute(sql, values).fetchall()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    for limiter in bench.opened:
        limiter.close()


def call(limiter, *, max_wait=1000.0, hold=60.0, flight=0.0, headers=None, bench=None, key=KEY):
    slot = limiter.acquire(key, max_wait=max_wait, hold=hold)
    if bench:
        bench.time.pass_(flight)
    limiter.settle(slot, headers or {})
    return slot


def admitted_now(limiter, *, most=100, key=KEY):
    """How many requests may start at this moment; they are left in flight."""
    for count in range(most):
        try:
            limiter.acquire(key, max_wait=0, hold=3600)
        except RateError:
            return count
    return most


def refusal(limiter, *, max_wait=0.0, key=KEY):
    with pytest.raises(RateError) as caught:
        limiter.acquire(key, max_wait=max_wait, hold=60)
    return caught.value


def die_waiting(bench, limiter):
    """Reserve a place like a process that is killed in its sleep; the clock stands still meanwhile."""

    def kill(seconds):
        raise KeyboardInterrupt

    limiter._sleep, limiter._withdraw = kill, lambda *_: None
    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(KEY, max_wait=1000, hold=60)


# ---- windows and names


def test_the_stated_limits():
    assert Windows.parse(DEFAULT_WINDOWS) == ((60, 60), (1000, 3600), (10_000, 86_400))
    assert Windows.parse(" 007 / 60 ,\t1/1") == ((7, 60), (1, 1))


@pytest.mark.parametrize(
    "text",
    [
        *["", ",", "60", "60/", "/60", "60/60,", "0/60", "60/0", "-1/60", "1.5/60", "60/60/60", "60:60", "nan/inf"],
        *["6_0/60", "1e3/60", "٦٠/60", "²/60", "60/60;1/1", "9999999999/60", "60/9999999999", "0x10/60", "\x00/1"],
        "9" * 9000 + "/1",
    ],
)
def test_malformed_limits_are_a_usage_error_that_names_the_variable(text):
    with pytest.raises(UsageError, match="LGP_RATE_LIMITS") as caught:
        Windows.parse(text)
    assert len(str(caught.value)) < 200


@given(st.one_of(st.text(), st.text("0123456789/,. -+_eE٣²", max_size=40)))
def test_no_text_makes_windows_raise_anything_else(text):
    with contextlib.suppress(UsageError):
        windows = Windows.parse(text)
        assert all(window.limit >= 1 and window.seconds >= 1 for window in windows)


@pytest.mark.parametrize(("seconds", "kept"), [(4, 4.08), (50, 51), (60, 61), (3600, 3601)])
def test_windows_are_kept_longer_by_the_lesser_of_a_second_and_two_per_cent(seconds, kept):
    assert Windows.parse(f"1/{seconds}")[0].guarded == pytest.approx(kept)


def test_a_name_in_the_log_is_neither_credential_nor_shared_between_origins(bench):
    assert re.fullmatch("[0-9a-f]{32}", KEY)
    assert len({KEY, OTHER, identity("http://127.0.0.1:1", "lgp_secret")}) == 3
    call(bench.limiter())
    assert b"lgp_secret" not in bench.path.read_bytes()
    identity("x", "\udc80")


# ---- the rule


def test_slots_are_free_up_to_the_limit_then_one_window_after_completion(bench):
    limiter = bench.limiter("2/10")
    call(limiter, flight=3, bench=bench)  # ends at 3
    call(limiter, flight=1, bench=bench)  # ends at 4
    assert bench.time.slept == []
    call(limiter)
    assert bench.time.now == START + 3 + 10.2
    call(limiter)
    assert bench.time.now == START + 4 + 10.2


def test_requests_in_flight_count_as_now(bench):
    limiter = bench.limiter("2/10")
    limiter.acquire(KEY, max_wait=0, hold=60)
    limiter.acquire(KEY, max_wait=0, hold=60)
    bench.time.pass_(30)
    assert refusal(limiter).facts["retry_after_seconds"] == 11


def test_all_windows_are_decided_together(bench):
    limiter = bench.limiter("2/10,3/100")
    for _ in range(3):
        call(limiter)
    assert bench.time.now == START + 10.2
    call(limiter)
    assert bench.time.now == START + 101


def test_credentials_do_not_share_a_limit(bench):
    limiter = bench.limiter("2/10")
    assert admitted_now(limiter) == 2
    assert admitted_now(limiter, key=OTHER) == 2


def test_machines_share_by_division_and_never_get_nothing(bench):
    assert admitted_now(bench.limiter("17/10", share=8)) == 2
    assert admitted_now(bench.limiter("5/10", share=8), key=OTHER) == 1
    assert Windows.parse("5/10").divided(8) == ((1, 10),)


def test_a_wait_longer_than_allowed_is_not_begun(bench):
    limiter = bench.limiter("1/60")
    call(limiter)
    error = refusal(limiter, max_wait=60.9)
    assert (error.exit_code, error.code, bench.time.slept) == (5, "rate_limited", [])
    assert error.facts == {"retryable": True, "retry_after_seconds": 61, "retry_at": "2026-01-01T00:01:01.000Z"}
    assert "(1 per 60 s)" in error.message
    assert "--max-wait 61" in error.hint
    assert limiter.report()[0]["waiting"] == 0
    call(limiter, max_wait=61)
    assert bench.time.now == START + 61


def test_with_no_time_left_a_free_slot_is_taken_and_recorded(bench):
    """Time passes between the start of the call and the look at the log, as it does outside of tests."""
    seconds = iter(range(100))
    limiter = RateLimiter(bench.path, Windows.parse("2/60"), clock=lambda: START, monotonic=lambda: next(seconds))
    bench.opened.append(limiter)
    assert admitted_now(limiter) == 2
    assert bench.rows("SELECT state FROM slots") == [("flying",), ("flying",)]


def test_the_bound_counts_what_was_slept_already(bench):
    """Another request ends late while this one sleeps, so its place moves beyond the bound."""
    limiter, other = bench.limiter("1/10"), bench.limiter("1/10")
    slot = other.acquire(KEY, max_wait=0, hold=60)
    bench.time.during = lambda: bench.time.now > START + 9 and other.settle(slot, {})
    error = refusal(limiter, max_wait=15)
    assert bench.time.steady <= 15
    assert error.facts["retry_after_seconds"] >= 5
    assert limiter.report()[0]["waiting"] == 0


def test_a_long_wait_is_told_once_and_a_short_one_never(bench):
    limiter = bench.limiter("1/20")
    for _ in range(2):
        call(limiter)
    assert bench.notes == [("note", "waiting 21 s: the rate limit (1 per 20 s)")]
    bench.time.pass_(20)
    call(limiter)
    assert len(bench.notes) == 1


def test_an_interrupted_wait_gives_its_place_back(bench):
    limiter, other = bench.limiter("1/10"), bench.limiter("1/10")
    call(limiter)

    def interrupt():
        assert other.report()[0]["waiting"] == 1
        raise KeyboardInterrupt

    bench.time.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        limiter.acquire(KEY, max_wait=60, hold=60)
    bench.time.during = lambda: None
    assert limiter.report()[0]["waiting"] == 0
    assert refusal(other).facts["retry_after_seconds"] <= 11


def test_nobody_overtakes_one_who_waits(bench):
    limiter, other = bench.limiter("1/10"), bench.limiter("1/10")
    call(limiter)
    behind = []
    bench.time.during = lambda: behind.append(refusal(other).facts["retry_at"])
    call(limiter)
    assert bench.time.now == START + 10.2
    assert set(behind[:2]) == {"2026-01-01T00:00:20.400Z"}  # the second place, not the first


def test_a_place_put_off_stays_in_front_of_later_ones(bench):
    """The first in the queue must wait for a request in flight longer than planned; a newcomer still stands behind."""
    limiter, other = bench.limiter("1/10"), bench.limiter("1/10")
    slot = other.acquire(KEY, max_wait=0, hold=60)

    def meanwhile():
        if bench.time.now > START + 7:
            other.settle(slot, {})
            assert refusal(other).facts["retry_after_seconds"] > 10.2

    bench.time.during = meanwhile
    call(limiter)
    assert START + 17 < bench.time.now < START + 22


def test_those_behind_do_not_hold_back_the_first(bench):
    limiter, *others = (bench.limiter("1/10") for _ in range(4))
    call(limiter)
    bench.time.during = lambda: others and die_waiting(bench, others.pop())
    call(limiter)
    assert bench.time.now == START + 10.2


def test_one_who_died_waiting_costs_its_place_for_a_while(bench):
    limiter, other = bench.limiter("1/10"), bench.limiter("1/10")
    call(limiter)
    die_waiting(bench, other)
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:20.400Z"
    bench.time.pass_(12)  # its time has come, and it may still wake and send now
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:22.200Z"
    call(limiter)
    assert bench.time.now <= START + 15 + 5


def test_a_place_given_up_is_taken_anew_and_never_flown_twice(bench):
    limiter, other = bench.limiter("1/10"), bench.limiter("1/10")
    call(limiter)
    taken = []

    def suspended():
        if not taken:
            bench.time.pass_(60)  # Ctrl-Z, fg
            taken.append(other.acquire(KEY, max_wait=0, hold=60))

    bench.time.during = suspended
    error = refusal(limiter, max_wait=80)
    assert taken
    assert error.facts["retry_after_seconds"] == 11


def test_a_process_that_died_in_flight_costs_one_slot_until_it_must_have_ended(bench):
    limiter = bench.limiter("1/10")
    limiter.acquire(KEY, max_wait=0, hold=30)
    bench.time.pass_(29)
    assert refusal(limiter).facts["retry_after_seconds"] == 11
    bench.time.pass_(5)
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:40.200Z"
    bench.time.pass_(6.5)
    assert admitted_now(limiter) == 1


def test_a_request_that_outlived_its_time_counts_from_its_end(bench):
    limiter = bench.limiter("1/10")
    slot = limiter.acquire(KEY, max_wait=0, hold=5)
    bench.time.pass_(9)
    limiter.report()  # somebody looks, and takes it for dead
    limiter.settle(slot, {})
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:19.200Z"


def test_settling_twice_or_nothing_changes_nothing(bench):
    limiter = bench.limiter("3/10")
    slot = call(limiter)
    bench.time.pass_(5)
    limiter.settle(slot, {})
    limiter.settle(12345, {})
    assert limiter.report()[0]["counted"] == 1
    bench.time.pass_(5.5)
    assert admitted_now(limiter) == 3


# ---- what the server says


def said(remaining, limit=60):
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": "1767225660"}


def test_a_server_that_counted_more_tightens_for_one_window(bench):
    limiter = bench.limiter("10/10,100/1000")
    call(limiter, headers=said(3, 10))
    assert admitted_now(limiter) == 3
    bench.time.pass_(10.3)
    assert admitted_now(bench.limiter("10/10,100/1000"), key=OTHER) == 10
    assert limiter.report()[0]["counted"] == 3


def test_the_cap_ends_with_the_window(bench):
    limiter = bench.limiter("10/10")
    call(limiter, headers=said(0, 10))
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:10.200Z"
    bench.time.pass_(10.2)
    assert admitted_now(limiter) == 10


def test_a_cap_holds_up_those_in_the_queue_until_its_end_only(bench):
    limiter = bench.limiter("3/10")
    call(limiter)
    bench.time.pass_(5)
    call(limiter, headers=said(0, 3))  # two at most, until 15.2
    for _ in range(2):
        die_waiting(bench, bench.limiter("3/10"))  # one at 10.2; the next at 15.2
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:15.200Z"
    die_waiting(bench, bench.limiter("3/10"))
    assert refusal(limiter).facts["retry_at"] == "2026-01-01T00:00:20.400Z"  # by the limit itself


def test_headers_never_loosen(bench):
    limiter = bench.limiter("5/10")
    call(limiter, headers=said(1, 5))
    for remaining in (2, 999):
        call(limiter, headers=said(remaining, 5))
    assert bench.time.now == START + 10.2  # two in the first window, whatever was said later


def test_a_tighter_word_replaces_a_wider_one(bench):
    limiter = bench.limiter("9/10")
    call(limiter, headers=said(5, 9))
    call(limiter, headers=said(1, 9))
    assert admitted_now(limiter) == 1


def test_a_server_that_agrees_never_tightens(bench):
    """A sliding log over there, looked at early in a slow request: what left our window since then still was in its."""
    limiter = bench.limiter("3/10")
    for _ in range(2):
        call(limiter, headers=said(2, 3))
    bench.time.pass_(9.5)
    call(limiter, headers=said(0, 3), flight=5, bench=bench)  # the server counted all three when it was sent
    bench.time.pass_(1)
    assert admitted_now(limiter) == 2


def test_limits_turned_off_meet_a_server_with_a_limit(bench):
    limiter = bench.limiter("999999999/60")
    call(limiter, headers=said(2))
    assert admitted_now(limiter) == 2
    assert bench.path.stat().st_size < 100_000


ABSURD = ["", "-1", "-0", "nan", "inf", "1e3", "0x0", "٠", "²", "9" * 50, "9" * 9000, "0.5", "0 0", "no", "\x00"]


@pytest.mark.parametrize("text", ABSURD)
def test_absurd_words_are_ignored(bench, text):
    limiter = bench.limiter("3/10")
    call(limiter, headers=dict.fromkeys(said(0), text))
    assert limiter.report()[0]["server"] is None
    assert admitted_now(limiter) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(words=st.dictionaries(st.sampled_from(list(said(0))), st.one_of(st.text(), st.integers().map(str)), max_size=3))
def test_no_header_raises_or_lets_more_through(bench, words):
    limiter = bench.limiter("3/10", path=None)
    call(limiter, headers=words)
    assert admitted_now(limiter) == 0  # in memory the limit is one
    limiter.close()
    with contextlib.suppress(FileNotFoundError):
        bench.path.unlink()
    limiter = bench.limiter("3/10")
    call(limiter, headers=words)
    assert admitted_now(limiter) <= 2
    limiter.close()


def test_a_pause_stops_every_process(bench):
    limiter, other = bench.limiter("9/10"), bench.limiter("9/10")
    limiter.penalize(KEY, 30, proxy=False)
    error = refusal(other, max_wait=29)
    assert error.facts["retry_after_seconds"] == 30
    assert "asked for a pause" in error.message
    assert admitted_now(other, key=OTHER) == 9
    call(other, max_wait=30)
    assert bench.time.now == START + 30


@pytest.mark.parametrize(
    ("seconds", "proxy", "pause"),
    [
        (30, True, 30),
        (5000, True, 900),
        (5000, False, 5000),
        (1e12, False, 86_400),
        (float("inf"), False, 86_400),
        (float("inf"), True, 900),
    ],
)
def test_a_pause_has_an_end(bench, seconds, proxy, pause):
    limiter = bench.limiter()
    limiter.penalize(KEY, seconds, proxy=proxy)
    assert refusal(limiter).facts["retry_after_seconds"] == pause


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("-inf")])
def test_a_pause_of_nothing_is_none(bench, seconds):
    limiter = bench.limiter()
    limiter.penalize(KEY, seconds, proxy=False)
    assert admitted_now(limiter) == 2


def test_a_pause_is_never_shortened(bench):
    limiter = bench.limiter()
    for seconds in (50, 5, 60, 59):
        limiter.penalize(KEY, seconds, proxy=False)
    assert refusal(limiter).facts["retry_after_seconds"] == 60


def test_a_pause_lifted_meanwhile_ends_the_wait(bench):
    limiter, other = bench.limiter(), bench.limiter()
    limiter.penalize(KEY, 500, proxy=False)
    bench.time.during = lambda: bench.time.steady > 20 and other.clear()
    call(limiter)
    assert bench.time.steady == 25


def test_the_report_and_what_clearing_leaves(bench):
    limiter = bench.limiter("5/10,100/1000")
    assert limiter.report() == []
    call(limiter, headers=said(1, 5))
    limiter.penalize(KEY, 90, proxy=True)
    limiter.penalize(OTHER, 1, proxy=True)
    bench.time.pass_(2)
    mine = [line for line in limiter.report() if line["credential"] == KEY]
    assert mine == [
        {
            "credential": KEY,
            "window_seconds": 10,
            "limit": 5,
            "counted": 1,
            "waiting": 0,
            "server": {"limit": 5, "remaining": 1, "reset": 1767225660, "at": "2026-01-01T00:00:00.000Z"},
            "blocked_until": "2026-01-01T00:01:30.000Z",
        },
        {
            "credential": KEY,
            "window_seconds": 1000,
            "limit": 100,
            "counted": 1,
            "waiting": 0,
            "server": None,
            "blocked_until": "2026-01-01T00:01:30.000Z",
        },
    ]
    assert limiter.clear() == 1
    assert limiter.report()[0] == {**mine[0], "server": None, "blocked_until": None}
    assert admitted_now(limiter) == 4


# ---- clocks and growth


@pytest.mark.parametrize("back", [0.5, 3600, 365 * 86_400])
def test_a_clock_set_back_costs_one_window_at_most(bench, back):
    limiter = bench.limiter("2/10")
    call(limiter)
    limiter.acquire(KEY, max_wait=0, hold=30)
    limiter.penalize(OTHER, 30, proxy=False)
    bench.time.now -= back
    assert refusal(limiter).facts["retry_after_seconds"] == 11
    assert refusal(limiter, key=OTHER).facts["retry_after_seconds"] == 30
    bench.time.pass_(10.3)
    assert admitted_now(limiter) == 1  # the other one is still in flight
    bench.time.pass_(30)
    assert admitted_now(limiter) == 1  # and is now taken for dead
    assert admitted_now(limiter, key=OTHER) == 2


def test_a_clock_set_back_while_waiting(bench):
    limiter = bench.limiter("1/10")
    call(limiter)
    turned = []

    def turn():
        if not turned:
            turned.append(1)
            bench.time.now -= 1000

    bench.time.during = turn
    call(limiter, max_wait=30)
    assert bench.time.steady <= 20.4


def test_old_rows_go_and_a_day_of_them_stays(bench):
    limiter = bench.limiter("2/10")
    call(limiter)
    call(limiter, key=OTHER)
    bench.time.pass_(86_000)
    call(limiter)
    assert len(bench.rows("SELECT id FROM slots")) == 3  # another process may be told of the day window
    bench.time.pass_(5_000)
    call(bench.limiter("2/10"))
    assert len(bench.rows("SELECT id FROM slots")) == 2


# ---- real processes

HEAD = """
    import os, sqlite3, sys, time
    sys.path.insert(0, {scripts!r})
    from pathlib import Path
    from leadgenius.errors import RateError
    from leadgenius.ratelimit import RateLimiter, Windows
    path, key = Path(sys.argv[1]), {key!r}
"""


def python(body, *arguments, **options):
    source = textwrap.dedent(HEAD.format(scripts=str(SCRIPTS), key=KEY)) + textwrap.dedent(body)
    command = [sys.executable, "-W", "error", "-c", source, *map(str, arguments)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, **pipes, **options)


def outputs(children):
    """Start all at once, wait, and return what each wrote; none may have complained."""
    with contextlib.ExitStack() as stack:
        for child in children:
            stack.enter_context(child)
        for child in children:
            assert child.stdout.readline() == "ready\n", child.stderr.read()
        told = []
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            told.append(child.communicate(timeout=60))
        assert [errors for _, errors in told] == [""] * len(told)
        return [output for output, _ in told]


RACE = """
    limiter = RateLimiter(path, Windows.parse("60/3600"), lock_timeout=20.0, notes=lambda *told: print(*told))
    print("ready", flush=True); sys.stdin.readline()
    for _ in range(10):
        try:
            slot = limiter.acquire(key, max_wait=0, hold=60)
            print("admitted", slot)
            if slot % 2:
                limiter.settle(slot, {})
        except RateError as error:
            print(error.code)
    limiter.close()
"""


def test_sixteen_processes_race_for_sixty_slots(bench):
    lines = "".join(outputs([python(RACE, bench.path) for _ in range(16)])).splitlines()
    assert lines.count("rate_limited") == 100
    assert {line for line in lines if line != "rate_limited"} == {f"admitted {slot}" for slot in range(1, 61)}


def test_sixteen_processes_race_for_a_damaged_log(bench):
    bench.path.parent.mkdir()
    bench.path.write_bytes(b"not a database, but long enough to be taken for one" * 200)
    lines = "".join(outputs([python(RACE, bench.path) for _ in range(16)])).splitlines()
    assert lines.count("rate_limited") == 100
    assert {line for line in lines if line.startswith("admitted")} == {f"admitted {slot}" for slot in range(1, 61)}
    assert len([line for line in lines if line.startswith("warning")]) == 1
    assert len(list(bench.path.parent.glob("*.corrupt-*"))) == 1


KILL = """
    at, count = int(sys.argv[2]), 0
    def statement(sql):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), 9)
    class Watched(sqlite3.Connection):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.set_trace_callback(statement)
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **options: connect(*args, factory=Watched, **options)
    now = float(sys.argv[3])
    def sleep(seconds):
        global now
        now += seconds
    limiter = RateLimiter(path, Windows.parse("3/1000"), clock=lambda: now, sleep=sleep)
    slot = limiter.acquire(key, max_wait=5, hold=20)
    print("sent", flush=True)
    limiter.settle(slot, {"X-RateLimit-Remaining": "900"})
    limiter.penalize(key, 0.001, proxy=False)
    print(count)
    limiter.close()
"""


def killed(folder, waiting, at):
    """A log whose three slots were used long ago, or (`waiting`) so that they become free in a moment; and a child."""
    path = folder / f"{at}" / "requests.sqlite3"
    with RateLimiter(path, Windows.parse("3/1000"), clock=lambda: START - (1000.5 if waiting else 1100)) as limiter:
        for _ in range(3):
            call(limiter)
    return path, python(KILL, path, at, START)


@posix
@pytest.mark.parametrize("waiting", [False, True])
def test_killed_at_any_statement_loses_one_slot_at_most_and_admits_none_too_many(tmp_path, waiting):
    path, child = killed(tmp_path, waiting, 0)
    with child:
        whole, errors = child.communicate(timeout=30)
    assert errors == ""
    statements = int(whole.split()[1])
    assert statements > 30
    for first in range(1, statements + 1, 16):
        children = {at: killed(tmp_path, waiting, at) for at in range(first, min(first + 16, statements + 1))}
        ends = [(at, path, *ended(child)) for at, (path, child) in children.items()]
        for at, path, told, code, errors in ends:
            assert (code, errors) == (-signal.SIGKILL, ""), f"at statement {at}"
            # later, so that all that was begun must have ended
            with RateLimiter(path, Windows.parse("3/1000"), clock=lambda: START + 40) as limiter:
                free = admitted_now(limiter)
            assert 2 <= free <= 3 - told.count("sent"), f"killed at statement {at}"


def ended(child):
    with child:
        told, errors = child.communicate(timeout=30)
    return told, child.returncode, errors


@posix
def test_a_forked_child_opens_its_own_connection(bench):
    limiter = bench.limiter("3/10")
    call(limiter)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            call(limiter)
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    call(limiter)
    assert admitted_now(limiter) == 0
    assert len(bench.rows("SELECT DISTINCT owner FROM slots")) == 2


def test_the_time_is_read_under_the_lock(bench):
    """Read before, it could be older than rows that others wrote while this process waited for its turn."""

    def clock():
        other = sqlite3.connect(bench.path, timeout=0, isolation_level=None)
        with contextlib.closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        return START

    with RateLimiter(bench.path, Windows.parse("3/10"), clock=clock) as limiter:
        call(limiter)
        limiter.penalize(OTHER, 5, proxy=True)


def test_an_interruption_in_the_middle_of_a_decision_leaves_no_lock(bench):
    moments = iter([START, KeyboardInterrupt(), START, START, START])

    def clock():
        moment = next(moments)
        if isinstance(moment, BaseException):
            raise moment
        return moment

    with RateLimiter(
        bench.path, Windows.parse("2/10"), clock=clock, notes=lambda *told: bench.notes.append(told)
    ) as it:
        it.acquire(KEY, max_wait=0, hold=60)
        with pytest.raises(KeyboardInterrupt):
            it.acquire(KEY, max_wait=0, hold=60)
        assert admitted_now(bench.limiter("2/10")) == 1
        assert refusal(it).code == "rate_limited"
    assert bench.notes == []


# ---- a log that cannot be used


def warned(bench):
    assert [level for level, _ in bench.notes] == ["warning"]
    assert "LGP_STATE_DIR" in bench.notes[0][1]
    return bench.notes[0][1]


def test_without_a_directory_each_process_keeps_to_an_eighth(bench):
    limiter = bench.limiter("60/60", path=None)
    assert bench.notes == []  # nothing was asked of it yet
    assert admitted_now(limiter) == 7
    warned(bench)
    assert limiter.report()[0]["limit"] == 7


def no_directory(path):
    path.parent.write_text("a file")


def link_instead_of_directory(path):
    (path.parent.parent / "elsewhere").mkdir()
    path.parent.symlink_to(path.parent.parent / "elsewhere")


def link_instead_of_file(path):
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere")


def directory_instead_of_file(path):
    path.mkdir(parents=True)


def fifo_instead_of_file(path):
    path.parent.mkdir()
    os.mkfifo(path)


@posix
@pytest.mark.parametrize(
    "spoil",
    [no_directory, link_instead_of_directory, link_instead_of_file, directory_instead_of_file, fifo_instead_of_file],
)
def test_an_unsafe_or_impossible_place_is_refused(bench, spoil):
    spoil(bench.path)
    limiter = bench.limiter("16/10")
    assert admitted_now(limiter) == 2
    warned(bench)
    assert not list(bench.path.parent.parent.glob("elsewhere/*"))


@posix
@pytest.mark.skipif(not ROOT, reason="only root can give a directory away")
@pytest.mark.parametrize("which", ["parent", "file"])
def test_what_is_not_ours_is_refused(bench, which):
    bench.path.parent.mkdir()
    bench.path.touch()
    os.chown(bench.path.parent if which == "parent" else bench.path, 12345, -1)
    assert admitted_now(bench.limiter("16/10")) == 2
    assert "not ours" in warned(bench)


BECOME = """
    os.setuid(65_534)
"""
FALL = """
    limiter = RateLimiter(path, Windows.parse("16/3600"), notes=lambda *told: print(*told))
    count = 0
    try:
        while count < 100:
            limiter.acquire(key, max_wait=0, hold=60)
            count += 1
    except RateError as error:
        print(error.code)
    print(count)
    limiter.close()
"""


@pytest.fixture
def public():
    """A directory that another user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@posix
@pytest.mark.parametrize("existing", [False, True])
def test_a_read_only_directory(public, existing):
    path = public / "state" / "requests.sqlite3"
    path.parent.mkdir()
    if existing:
        with RateLimiter(path, Windows.parse("16/3600")) as limiter:
            call(limiter, key=OTHER)
    if ROOT:  # who may write anywhere; so the child becomes somebody else
        for each in (path.parent, *path.parent.glob("*")):
            os.chown(each, 65_534, -1)
    path.parent.chmod(0o555)
    with python((BECOME if ROOT else "") + FALL, path) as child:
        told, errors = child.communicate(timeout=30)
    path.parent.chmod(0o755)
    assert errors == ""
    assert told.count("LGP_STATE_DIR") == 1
    assert told.split()[-2:] == ["rate_limited", "2"]


SMALL = """
    import resource
    limiter = RateLimiter(path, Windows.parse("800/3600"), notes=lambda *told: print(*told))
    limiter.settle(limiter.acquire(key, max_wait=0, hold=60), {})
    size = path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, size + 4096))
    count = 0
    try:
        while count < 1000:
            limiter.settle(limiter.acquire(key, max_wait=0, hold=60), {})
            count += 1
    except RateError as error:
        print(error.code)
    print(count)
    limiter.close()
"""


@posix
def test_a_file_that_cannot_grow(bench):
    with python(SMALL, bench.path) as child:
        told, errors = child.communicate(timeout=30)
    assert errors == ""
    assert told.count("LGP_STATE_DIR") == 1
    code, count = told.split()[-2:]
    assert code == "rate_limited"
    assert 100 < int(count) < 800


@pytest.mark.parametrize("pages", range(8, 12))
def test_a_disk_that_is_full_in_the_middle(bench, monkeypatch, pages):
    connect = sqlite3.connect

    def small(path, **options):
        db = connect(path, **options)
        if path != ":memory:":
            db.execute(f"PRAGMA max_page_count = {pages}")
        return db

    monkeypatch.setattr(sqlite3, "connect", small)
    limiter = bench.limiter("8000/10")
    for _ in range(300):
        call(limiter)
    assert "full" in warned(bench)
    assert admitted_now(limiter, most=2000) <= 1000


def test_a_locked_log_costs_this_request_and_nothing_else(bench):
    limiter = bench.limiter("3/10")
    slot = limiter.acquire(KEY, max_wait=0, hold=30)
    with contextlib.closing(sqlite3.connect(bench.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error = refusal(limiter, max_wait=75)
        assert (error.exit_code, error.code, bench.time.slept) == (5, "limiter_busy", [])
        limiter.settle(slot, {})
        limiter.penalize(KEY, 5, proxy=False)
        for asked in (limiter.report, limiter.clear):
            with pytest.raises(RateError, match="locked"):
                asked()
        other.execute("ROLLBACK")
    assert admitted_now(limiter) == 2
    bench.time.pass_(30)
    assert refusal(limiter).facts["retry_after_seconds"] == 11
    assert bench.notes == []


def test_a_reader_that_blocks_the_commit(bench):
    limiter = bench.limiter("3/10")
    call(limiter)
    with contextlib.closing(sqlite3.connect(bench.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM slots").fetchall()
        assert refusal(limiter).code == "limiter_busy"
        reader.execute("COMMIT")
    assert admitted_now(limiter) == 2


@pytest.mark.parametrize("content", [b"\0" * 5000, b"SQLite format 3\0" + b"\xff" * 9000, b"{}", b"x" * 100_000])
def test_a_damaged_log_is_set_aside_and_begun_anew(bench, content):
    bench.path.parent.mkdir()
    bench.path.write_bytes(content)
    limiter = bench.limiter("3/10")
    assert admitted_now(limiter) == 3
    assert "damaged" in bench.notes[0][1]
    assert [level for level, _ in bench.notes] == ["warning"]
    kept = bench.path.with_name(f"{bench.path.name}.corrupt-{START:.0f}")
    assert kept.read_bytes() == content
    assert bench.rows("SELECT count(*) FROM slots") == [(3,)]


@pytest.mark.parametrize("sql", ["CREATE TABLE slots (x)", "CREATE TABLE slots (credential, stamp, state, expires)"])
def test_a_log_of_another_kind_is_set_aside(bench, sql):
    bench.path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(bench.path)) as db:
        db.executescript(sql)
    assert admitted_now(bench.limiter("3/10")) == 3
    assert "damaged" in bench.notes[0][1]


def test_the_journal_of_a_damaged_log_goes_with_it(bench):
    """One that SQLite itself could not use up would be played back into the new file."""
    limiter = bench.limiter()
    call(limiter)
    bench.path.with_name("requests.sqlite3-journal").write_bytes(b"old")
    limiter._log._set_aside(bench.path)
    kept = f"requests.sqlite3.corrupt-{START:.0f}"
    assert {path.name for path in bench.path.parent.iterdir()} == {kept, f"{kept}-journal"}


@posix
def test_a_held_directory_does_not_keep_a_damaged_log_waiting_for_ever(bench):
    import fcntl

    bench.path.parent.mkdir()
    bench.path.write_bytes(b"x" * 10_000)
    holder = os.open(bench.path.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        assert refusal(bench.limiter("3/10")).code == "limiter_busy"
    finally:
        os.close(holder)
    assert admitted_now(bench.limiter("3/10")) == 3


def test_of_two_that_meet_the_same_damage_only_one_begins_anew(bench):
    limiter, other = bench.limiter("3/10"), bench.limiter("3/10")
    call(limiter)
    call(other)
    bench.path.write_bytes(b"x" * 10_000)
    call(limiter)
    call(other)
    assert len(bench.notes) == 1
    assert bench.rows("SELECT count(*) FROM slots") == [(2,)]


@pytest.mark.parametrize("stamp", ["soon", b"\xff", 1e300, float("inf")])
def test_times_that_nobody_wrote_are_damage(bench, stamp):
    call(bench.limiter("1/10"))
    bench.rows("UPDATE slots SET stamp = ?", stamp)
    assert admitted_now(bench.limiter("1/10")) == 1
    assert "damaged" in bench.notes[0][1]


def test_any_damage_ends_in_pacing_not_in_a_crash(bench):
    for seed in range(150):
        draw = random.Random(seed)
        bench.path.unlink(missing_ok=True)
        limiter = bench.limiter("50/10")
        for _ in range(5):
            call(limiter)
        limiter.close()
        content = bytearray(bench.path.read_bytes())
        for _ in range(draw.choice([1, 20, 2000])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        bench.path.write_bytes(content[: draw.choice([len(content), len(content) // 2, 4096, 100])])
        again = bench.limiter("50/10")
        with contextlib.suppress(RateError):
            call(again)
            again.penalize(KEY, 0.001, proxy=False)
            again.report()
            again.clear()
        again.close()


def test_a_log_deleted_or_replaced_meanwhile_is_noticed(bench):
    limiter, other = bench.limiter("2/10"), bench.limiter("2/10")
    call(limiter)
    bench.path.unlink()
    call(other)
    call(limiter)
    assert bench.rows("SELECT count(*) FROM slots") == [(2,)]
    assert admitted_now(other) == 0


def test_a_slot_taken_in_a_lost_log_counts_in_the_new_one(bench):
    limiter, other = bench.limiter("2/10"), bench.limiter("2/10")
    slot = limiter.acquire(KEY, max_wait=0, hold=60)
    bench.path.unlink()
    other.acquire(KEY, max_wait=0, hold=60)
    limiter.settle(slot, {})
    assert admitted_now(other) == 0


@posix
def test_modes(bench):
    bench.path.parent.parent.joinpath("open").mkdir(mode=0o755)
    limiter = bench.limiter()
    call(limiter)
    assert stat.S_IMODE(bench.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(bench.path.parent.stat().st_mode) == 0o700
    limiter.close()
    bench.path.chmod(0o644)
    bench.path.parent.chmod(0o755)
    call(bench.limiter())
    assert stat.S_IMODE(bench.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(bench.path.parent.stat().st_mode) == 0o755  # it may be anybody's directory, `/tmp` or a home
