"""A day of eight agents on one key by a fake clock, against servers that count a minute, an hour and a day."""

from __future__ import annotations

import heapq
import itertools
import math
import random
import statistics
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet import FixedWindow, SlidingLog
from tools import folder, show

AGENTS, DAY, BEGIN = 8, 86_400.0, 1.8e9
MAX_WAIT = 75.0
# So many requests take at least so many seconds: 60 a minute, 1,000 an hour.
LEAST = {1_000: 16 * 60.0, 10_000: 9 * 3_600 + 16 * 60.0}


class Clock:
    """Fake time for threads of which one runs at a time: who sleeps lets the next one to wake run."""

    def __init__(self) -> None:
        self.now, self.order = BEGIN, itertools.count()
        self.waiting: list[tuple[float, int, threading.Semaphore]] = []

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        turn = threading.Semaphore(0)
        heapq.heappush(self.waiting, (self.now + seconds, next(self.order), turn))
        self.next()
        turn.acquire()

    def next(self) -> None:
        if self.waiting:
            self.now, _, turn = heapq.heappop(self.waiting)
            turn.release()

    def run(self, works: list[Callable[[], None]]) -> None:
        """Run all of them to their end."""
        begun = threading.Semaphore(0)

        def one(work: Callable[[], None], turn: threading.Semaphore) -> None:
            turn.acquire()
            work()
            self.next()
            begun.release()

        for work in works:
            turn = threading.Semaphore(0)
            heapq.heappush(self.waiting, (self.now, next(self.order), turn))
            threading.Thread(target=one, args=(work, turn), daemon=True).start()
        self.next()
        for _ in works:
            begun.acquire()


class Day:
    """Eight agents that always want more, with commands of 1 to 300 requests; some die in the middle of one."""

    def __init__(self, log: Path, counters: list[Any]) -> None:
        self.log, self.counters, self.clock = log, counters, Clock()
        self.sent: list[float] = []
        self.waits: list[float] = []
        self.refused = self.later = self.killed = 0

    def agent(self, seed: int) -> None:
        from leadgenius.errors import RateError
        from leadgenius.ratelimit import RateLimiter
        from leadgenius.settings import DEFAULT_WINDOWS, windows

        draw, limits = random.Random(seed), windows(DEFAULT_WINDOWS)
        while self.clock.now < BEGIN + DAY:
            limiter, pause = RateLimiter(self.log, limits, lambda *_: None, self.clock), 1.0
            try:
                for _ in range(draw.choice((1, 1, 1, 2, 5, 20, 300))):
                    self.request(limiter, draw)
            except RateError as error:  # exit 5: come back then
                self.later += 1
                pause = error.facts["retry_after_seconds"]
            except ProcessLookupError:
                self.killed += 1
            limiter.close()
            self.clock.sleep(pause + draw.random())

    def request(self, limiter: Any, draw: random.Random) -> None:
        clock, asked = self.clock, self.clock.now
        slot = limiter.acquire("key", max_wait=MAX_WAIT, hold=60)
        self.waits.append(clock.now - asked)
        seconds, before = draw.uniform(0.05, 1.5), draw.random()
        clock.sleep(seconds * before)
        taken = [counter.take(clock.now) for counter in self.counters]
        self.refused += any(left < 0 for left, _ in taken)
        self.sent.append(clock.now)
        clock.sleep(seconds * (1 - before))
        if draw.random() < 0.002:
            raise ProcessLookupError
        left, reset = taken[0]
        names = {"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(math.ceil(reset))}
        limiter.settle("key", slot, names)


def prove() -> bool:
    """A day of eight agents on one key is refused nothing and uses at least 95 % of what is allowed."""
    kinds: dict[str, Callable[[int, float], Any]] = {
        "sliding log": SlidingLog,
        "fixed windows": lambda limit, seconds: FixedWindow(limit, seconds, 0.37),
    }
    return all([one_day(name, make) for name, make in kinds.items()])


def one_day(name: str, make: Callable[[int, float], Any]) -> bool:
    counters = [make(60, 60), make(1_000, 3_600), make(10_000, DAY)]
    with folder() as place:
        day = Day(place / "log.sqlite3", counters)
        day.clock.run([lambda seed=seed: day.agent(seed) for seed in range(AGENTS)])
    sent = [at - BEGIN for at in day.sent if at < BEGIN + DAY]
    shares = {"day": len(sent) / 10_000}
    for count, least in LEAST.items():
        if len(sent) >= count * 0.95:
            shares[f"first {count:,}"] = least / sent[min(count, len(sent)) - 1]
    waits = [wait for wait in day.waits if wait]
    facts = f"allowed 10,000, sent {len(sent):,}, refused {day.refused}"
    waited = f"{len(waits):,} waits, median {statistics.median(waits):.1f} s, longest {max(waits):.0f} s"
    more = f"{day.later:,} commands sent away to come back, {day.killed} killed"
    used = "budget used " + ", ".join(f"{share:.1%} ({name})" for name, share in shares.items())
    held = not day.refused and min(shares.values()) >= 0.95 and len(shares) == 3
    return show(name, facts, waited, more, used, held=held and max(waits) <= MAX_WAIT + 1)
