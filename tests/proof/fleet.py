"""Agents on one key, as processes that start together, against servers that count in every way.

A server takes 20 requests per 4 s and is asked 80 times. The least time that could take is three
windows, each as long as the limiter keeps it and followed by the slowest answer.
`python3 fleet.py CALLS` is one of the processes.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import service
from tools import environ, folder, show

LIMIT, SECONDS = 20, 4.0
PROCESSES, CALLS, RACERS = 8, 80, 16
SLOW = 0.4  # an answer takes up to so many seconds: much more than the windows are lengthened by
KILLS = 25


class FixedWindow:
    """So many from one full window to the next, wherever the windows begin."""

    def __init__(self, limit: int = LIMIT, seconds: float = SECONDS, phase: float = 0.0) -> None:
        self.limit, self.seconds, self.phase = limit, seconds, phase * seconds
        self.window, self.count = -1.0, 0

    def take(self, now: float) -> tuple[int, float]:
        """Count a request: how many more there may be (-1: refused), and when that rises."""
        window = (now - self.phase) // self.seconds
        self.count = min(self.count + 1, self.limit + 1) if window == self.window else 1
        self.window = window
        return self.limit - self.count, (window + 1) * self.seconds + self.phase


class SlidingLog:
    """So many in any stretch of time; refused ones do not count."""

    def __init__(self, limit: int = LIMIT, seconds: float = SECONDS) -> None:
        self.limit, self.seconds, self.log = limit, seconds, deque[float]()

    def take(self, now: float) -> tuple[int, float]:
        while self.log and self.log[0] <= now - self.seconds:
            self.log.popleft()
        left = self.limit - len(self.log) - 1
        if left >= 0:
            self.log.append(now)
        return left, self.log[0] + self.seconds


class TokenBucket:
    """Full at first, refilled evenly."""

    tokens, at = float(LIMIT), 0.0

    def take(self, now: float) -> tuple[int, float]:
        self.tokens = min(LIMIT, self.tokens + (now - self.at) * LIMIT / SECONDS)
        self.at = now
        taken = self.tokens >= 1
        self.tokens -= taken
        return int(self.tokens) if taken else -1, now


# name, what counts, and the part of the answer's time that passes before it counts
Kind = tuple[str, Callable[[], Any], float]
KINDS: list[Kind] = [
    *(
        (f"fixed window, phase {at}", partial(FixedWindow, phase=at), 0.0)
        for at in (0, 0.2, 0.5, 0.9)
    ),
    ("sliding log, counted on arrival", SlidingLog, 0.0),
    ("sliding log, counted on answering", SlidingLog, 1.0),
    ("token bucket", TokenBucket, 0.0),
]
REFUSAL = b'{"success": false, "code": "RATE_LIMITED", "error": "Rate limit exceeded"}'


class Server(service.Server):
    def __init__(self, counter: Any, before: float = 0.0, during: Any = None) -> None:
        """`during()` is called in the middle of the second 20 calls."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.counter, self.before, self.during = counter, before, during
        self.lock, self.draw = threading.Lock(), random.Random(1)
        self.taken: list[int] = []
        self.slowest = self.ended = 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> int:
        """Stop; the number of 429s."""
        self.shutdown()
        self.server_close()
        return sum(left < 0 for left in self.taken)


class Handler(service.Quiet):
    server: Server

    def do_GET(self) -> None:
        server, began = self.server, time.monotonic()
        slow = server.draw.uniform(0, SLOW)
        time.sleep(slow * server.before)
        with server.lock:
            left, _ = server.counter.take(time.monotonic())
            server.taken.append(left)
            if server.during and len(server.taken) == LIMIT * 1.5:
                threading.Thread(target=server.during).start()
        time.sleep(slow * (1 - server.before))
        status, body = (429, REFUSAL) if left < 0 else (200, b"[]")
        self.reply(status, body, max(0, left))
        with server.lock:
            server.ended = time.monotonic()
            server.slowest = max(server.slowest, server.ended - began)


# ---- the processes

Place = dict[str, str]  # variables of a host
Child = subprocess.Popen[str]


def client(calls: int) -> None:
    """Calls of a client on this host; with no server, slots taken as long as there are any."""
    real, shift = time.time, float(os.environ.get("CLOCK", "0"))
    time.time = lambda: real() + shift
    from leadgenius import LeadGeniusError, connect

    with connect(max_wait=120, timeout=2) as lg, contextlib.suppress(BrokenPipeError):
        lg.limiter.report()  # opened and connected to
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(calls):
            if os.environ["LGP_BASE_URL"].endswith(":1"):
                with contextlib.suppress(LeadGeniusError):
                    lg.limiter.acquire("race", max_wait=0, hold=60)
                    print("admitted", flush=True)
            else:
                lg.get("/campaigns")


def start(place: Place, calls: int, port: int = 1) -> Child:
    env = {**place, "LGP_BASE_URL": f"http://127.0.0.1:{port}", "LGP_API_KEY": "lgp_proof"}
    pipe, command = subprocess.PIPE, [sys.executable, __file__, str(calls)]
    child = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
    child.stdout.readline()  # ready
    return child


def go(children: list[Child]) -> list[str]:
    """Let all begin at once; what each printed, "failed" when it did."""
    for child in children:
        begin(child)
    return [child.communicate()[0] + "failed" * bool(child.returncode) for child in children]


def begin(child: Child) -> Child:
    child.stdin.write("go\n")
    child.stdin.flush()
    return child


def end(child: Child) -> None:
    child.kill()
    child.communicate()


# ---- what is proved of both stores


def measure(kind: Kind, places: list[Place], bound: float, during: Any = None) -> bool:
    """80 calls, none of them refused, in less than `bound` times the ideal time."""
    name, make, before = kind
    burst, server = make(), Server(make(), before, during)
    refusing = sum(burst.take(1e6)[0] < 0 for _ in range(CALLS)) == CALLS - LIMIT
    children = [start(place, CALLS // PROCESSES, server.server_port) for place in places]
    began = time.monotonic()
    failed = "failed" in "".join(go(children))
    refused, seconds, count = server.close(), server.ended - began, len(server.taken)
    ratio = seconds / ((CALLS - 1) // LIMIT * (SECONDS * 1.02 + server.slowest))
    held = refusing and not refused and not failed and count == CALLS and ratio <= bound
    facts = f"{count} calls", f"{refused} 429s", f"{seconds:.1f} s", f"{ratio:.3f} of ideal"
    return show(name, *facts, f"at most {bound}", held=held)


def kills(places: list[Place]) -> bool:
    """Endless calls, each process killed at a random moment and replaced; one then does its ten."""
    server, draw = Server(SlidingLog()), random.Random(2)
    children = [begin(start(place, 10_000, server.server_port)) for place in places]
    for _ in range(KILLS):
        time.sleep(draw.uniform(0, 1))
        at = draw.randrange(PROCESSES)
        end(children[at])
        children[at] = begin(start(places[at], 10_000, server.server_port))
    for child in children:
        end(child)
    failed = "failed" in go([start(places[0], 10, server.server_port)])[0]
    refused = server.close()
    facts = f"{len(server.taken)} calls", f"{refused} 429s"
    return show(f"{KILLS} random kills, sliding log", *facts, held=not refused and not failed)


def racing(places: list[Place]) -> bool:
    """16 processes that want 10 slots each at once get 60 together."""
    ran = "".join(go([start({**place, "LGP_RATE_LIMITS": "60/60"}, 10) for place in places]))
    count = ran.count("admitted")
    held = count == 60 and "failed" not in ran
    return show(f"{len(places)} processes racing for 60", f"{count} admitted", held=held)


def host(home: Path, **more: str) -> Place:
    return environ(home, LGP_RATE_LIMITS=f"{LIMIT}/{SECONDS:.0f}", **more)


def over_sqlite() -> bool:
    """Eight processes that share a log are never refused; at most 1.10 of the ideal time."""
    held = []
    for kind in KINDS:
        with folder() as home:
            held.append(measure(kind, [host(home)] * PROCESSES, 1.10))
    with folder() as home:
        held.append(kills([host(home)] * PROCESSES))
        held.append(racing([host(home)] * RACERS))
    return all(held)


# ---- Redis


class Redis:
    """A redis-server that keeps an append-only file in `place`."""

    def __init__(self, place: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.place, self.url = place, f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly yes --dir {self.place}"
        command = ["redis-server", *options.split()]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        ping = ["redis-cli", "-p", str(self.port), "ping"]
        for _ in range(200):
            if b"PONG" in subprocess.run(ping, capture_output=True).stdout:
                return  # it has read its file
            time.sleep(0.05)
        raise RuntimeError("redis-server does not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()


@contextlib.contextmanager
def redis_server() -> Iterator[Redis | None]:
    """A server of its own; None, with a word, where there is none."""
    if not shutil.which("redis-server"):
        print("  skipped: no redis-server on the path")
        yield None
        return
    with folder() as place:
        server = Redis(place)
        try:
            yield server
        finally:
            server.stop()


def over_redis() -> bool | None:
    """Eight hosts that share a Redis, two with a wrong clock, are never refused; at most 1.15."""
    with redis_server() as redis, folder() as place:
        if redis is None:
            return None
        clocks, places = {0: "3600", 1: "-3600"}, []
        for number in range(RACERS):
            home = place / str(number)
            home.mkdir()
            clock = clocks.get(number, "0")
            places.append(host(home, LGP_LIMITER=redis.url, CLOCK=clock))
        go([start(places[2], 1)])
        time.sleep(SECONDS * 1.1)  # the first window of a new Redis is kept at an eighth
        eight = places[:PROCESSES]
        held = [measure(kind, eight, 1.15) for kind in KINDS]
        held += [kills(eight), racing(places)]
        restarted = "Redis restarted in the middle, sliding log", SlidingLog, 0.0
        return all([*held, measure(restarted, eight, 1.15, redis.restart)])


if __name__ == "__main__":
    client(int(sys.argv[1]))
