"""A day of eight agents on one key by a fake clock."""

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
LIMITS = ((60, 60.0), (1_000, 3_600.0), (10_000, DAY))
# So many requests take at least so many seconds.
LEAST = {1_000: 16 * 60.0, 10_000: 9 * 3_600 + 16 * 60.0}


class Clock:
    """Fake time for threads of which one runs at a time: who sleeps lets the next one run."""

    def __init__(self) -> None:
        self.now, self.order = BEGIN, itertools.count()
        self.waiting: list[tuple[float, int, threading.Semaphore]] = []

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        turn = self.enter(self.now + seconds)
        self.next()
        turn.acquire()

    def enter(self, at: float) -> threading.Semaphore:
        turn = threading.Semaphore(0)
        heapq.heappush(self.waiting, (at, next(self.order), turn))
        return turn

    def next(self) -> None:
        if self.waiting:
            self.now, _, turn = heapq.heappop(self.waiting)
            turn.release()

    def run(self, work: Callable[[int], None], number: int) -> None:
        """work(0), work(1) … at once, to their end."""

        def one(at: int, turn: threading.Semaphore) -> None:
            turn.acquire()
            work(at)
            self.next()

        threads = [
            threading.Thread(target=one, args=(at, self.enter(BEGIN))) for at in range(number)
        ]
        for thread in threads:
            thread.start()
        self.next()
        for thread in threads:
            thread.join()


class Day:
    """Agents that always want more, with commands of 1 to 300 requests; some die in flight."""

    def __init__(self, log: Path, counters: list[Any]) -> None:
        self.log, self.counters, self.clock = log, counters, Clock()
        self.sent: list[float] = []
        self.waits: list[float] = []
        self.refused = 0

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
                pause = error.facts["retry_after_seconds"]
            limiter.close()
            self.clock.sleep(pause + draw.random())

    def request(self, limiter: Any, draw: random.Random) -> None:
        from leadgenius.retry import Answer, shared_pause

        clock, asked = self.clock, self.clock.now
        slot = limiter.acquire("key", max_wait=MAX_WAIT, hold=60)
        self.waits += [clock.now - asked] if clock.now > asked else []
        clock.sleep(draw.uniform(0, 0.8))
        (left, reset), *others = [counter.take(clock.now) for counter in self.counters]
        self.refused += min(left, *(one for one, _ in others)) < 0
        self.sent.append(clock.now - BEGIN)
        clock.sleep(draw.uniform(0, 0.8))
        names = {"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(math.ceil(reset))}
        if draw.random() < 0.998:  # else it died in flight
            pause = shared_pause(Answer("", 200, names), clock.now)
            limiter.settle("key", slot, pause)


def prove() -> bool:
    """Eight agents on one key are refused nothing in a day and use at least 95 % of the budget."""
    fixed = [FixedWindow(*one, 0.37) for one in LIMITS]
    sliding = [SlidingLog(*one) for one in LIMITS]
    return all([one_day("sliding log", sliding), one_day("fixed windows", fixed)])


def one_day(name: str, counters: list[Any]) -> bool:
    with folder() as place:
        day = Day(place / "log.sqlite3", counters)
        day.clock.run(day.agent, AGENTS)
    sent = [at for at in day.sent if at < DAY]
    used = {"the day": len(sent) / 10_000}
    for count, least in LEAST.items():
        used[f"the first {count:,}"] = least / [*sent, *[DAY] * count][count - 1]
    facts = f"allowed 10,000, sent {len(sent):,}, refused {day.refused}"
    middle, longest = statistics.median(day.waits), max(day.waits)
    waits = f"{len(day.waits):,} waits of {middle:.1f} s in the middle, {longest:.0f} s at most"
    budget = "budget used " + ", ".join(f"{share:.1%} ({what})" for what, share in used.items())
    held = not day.refused and min(used.values()) >= 0.95 and longest <= MAX_WAIT + 1
    return show(name, facts, waits, budget, held=held)
