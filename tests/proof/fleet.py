"""Agents on one key, as processes that start together, against servers that count in every usual way.

A server takes 20 requests per 4 s and is asked 80 times. The least time that could take is three windows, each as
long as the limiter keeps it and followed by the slowest answer. `python3 fleet.py CALLS` is one of the processes.
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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
        """Count a request: how many more there may be (-1: refused), and when that number rises."""
        window = (now - self.phase) // self.seconds
        if window != self.window:
            self.window, self.count = window, 0
        self.count = min(self.count + 1, self.limit + 1)
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

    def __init__(self) -> None:
        self.tokens, self.at = float(LIMIT), 0.0

    def take(self, now: float) -> tuple[int, float]:
        self.tokens = min(LIMIT, self.tokens + (now - self.at) * LIMIT / SECONDS)
        self.at = now
        taken = self.tokens >= 1
        self.tokens -= taken
        return int(self.tokens) if taken else -1, now


# name, what counts, and the part of the answer's time that passes before it counts
Kind = tuple[str, Callable[[], Any], float]
FIXED: list[Kind] = [
    (f"fixed window, phase {phase}", lambda phase=phase: FixedWindow(phase=phase), 0.0)
    for phase in (0, 0.2, 0.5, 0.9)
]
OTHERS: list[Kind] = [
    ("sliding log, counted on arrival", SlidingLog, 0.0),
    ("sliding log, counted on answering", SlidingLog, 1.0),
    ("token bucket", TokenBucket, 0.0),
]


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True

    def __init__(self, counter: Any, before: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.counter, self.before = counter, before
        self.lock, self.draw = threading.Lock(), random.Random(1)
        self.statuses: list[int] = []
        self.slowest = self.ended = 0.0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:  # a client was killed
        pass

    def close(self) -> int:
        """Stop; the number of 429s."""
        self.shutdown()
        self.server_close()
        return self.statuses.count(429)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server, began = self.server, time.monotonic()
        with server.lock:
            slow = server.draw.uniform(0, SLOW)
        time.sleep(slow * server.before)
        with server.lock:
            left, _ = server.counter.take(time.monotonic())
            server.statuses.append(429 if left < 0 else 200)
        time.sleep(slow * (1 - server.before))
        refusal = '{"success": false, "code": "RATE_LIMITED", "error": "Rate limit exceeded"}'
        body = (refusal if left < 0 else '{"success": true, "data": []}').encode()
        self.send_response(429 if left < 0 else 200)
        self.send_header("X-RateLimit-Remaining", str(max(0, left)))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        with server.lock:
            server.ended = time.monotonic()
            server.slowest = max(server.slowest, server.ended - began)

    def log_message(self, *_: object) -> None:
        pass


# ---- the processes


def client(calls: int) -> None:
    """Calls of a client on this host; racing for slots without calls when there is no server."""
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


Place = dict[str, str]  # variables of a host


def start(place: Place, calls: int, port: int) -> subprocess.Popen[str]:
    env = {**place, "LGP_BASE_URL": f"http://127.0.0.1:{port}", "LGP_API_KEY": "lgp_proof"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    child = subprocess.Popen([sys.executable, __file__, str(calls)], env=env, **pipes)
    assert child.stdout
    child.stdout.readline()  # ready
    return child


def go(children: list[subprocess.Popen[str]]) -> list[tuple[str, int]]:
    """Let all begin at once; what each printed, and its exit code."""
    for child in children:
        begin(child)
    return [(child.communicate()[0], child.returncode) for child in children]


def begin(child: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert child.stdin
    child.stdin.write("go\n")
    child.stdin.flush()
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


# ---- what is proved of both stores


def measure(kind: Kind, places: list[Place], bound: float, during: Callable[[], None] | None = None) -> bool:
    """80 calls; `during` happens 5 s after they began, and then their time has no bound."""
    name, make, before = kind
    counter = make()
    if sum(counter.take(1e6)[0] < 0 for _ in range(CALLS)) != CALLS - LIMIT:
        return show(name, "this server refuses nothing, so it proves nothing", held=False)
    server = Server(make(), before)
    children = [start(place, CALLS // PROCESSES, server.server_port) for place in places]
    if during:
        threading.Timer(5.0, during).start()
    began = time.monotonic()
    codes = [code for _, code in go(children)]
    refused, seconds = server.close(), server.ended - began
    ideal = (CALLS - 1) // LIMIT * (SECONDS + min(1.0, 0.02 * SECONDS) + server.slowest)
    held = not refused and not any(codes) and len(server.statuses) == CALLS
    held = held and (bool(during) or seconds <= bound * ideal)
    facts = f"{len(server.statuses)} calls", f"{refused} 429s", f"{seconds:.1f} s"
    return show(name, *facts, f"{seconds / ideal:.3f} of ideal (at most {bound})", held=held)


def kills(places: list[Place]) -> bool:
    """Processes of endless calls, each killed at a random moment and replaced; a survivor then does its ten."""
    server, draw = Server(SlidingLog(), 0.0), random.Random(2)
    children = [begin(start(place, 10_000, server.server_port)) for place in places]
    for _ in range(KILLS):
        time.sleep(draw.uniform(0, 1))
        at = draw.randrange(PROCESSES)
        end(children[at])
        children[at] = begin(start(places[at], 10_000, server.server_port))
    for child in children:
        end(child)
    ((_, code),) = go([start(places[0], 10, server.server_port)])
    refused = server.close()
    facts = f"{len(server.statuses)} calls", f"{refused} 429s", "a survivor does its ten calls"
    return show(f"{KILLS} random kills, sliding log", *facts, held=not refused and not code)


def racing(places: list[Place], limits: str) -> bool:
    """Slots admitted at once to 16 processes that want 10 each."""
    ran = go([start({**place, "LGP_RATE_LIMITS": limits}, 10, 1) for place in places])
    count = sum(out.count("admitted") for out, _ in ran)
    held = count == int(limits.partition("/")[0]) and not any(code for _, code in ran)
    return show(f"{len(places)} processes, {limits}", f"{count} admitted", held=held)


def over_sqlite() -> bool:
    """Eight processes that share one log file are never refused and take at most 1.10 of the ideal time."""
    held = []
    for kind in (*FIXED, *OTHERS):
        with folder() as home:
            held.append(measure(kind, [hosts(home)] * PROCESSES, 1.10))
    with folder() as home:
        held.append(kills([hosts(home)] * PROCESSES))
    return all(held)


def race() -> bool:
    """Sixteen processes that want ten slots each at once get sixty together."""
    with folder() as home:
        return racing([{**hosts(home)}] * RACERS, "60/60")


def hosts(home: Path, **more: str) -> Place:
    return environ(home, LGP_RATE_LIMITS=f"{LIMIT}/{SECONDS:.0f}", **more)


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
        options = f"--port {self.port} --bind 127.0.0.1 --appendonly yes --dir {self.place} --save"
        command = ["redis-server", *options.split(), ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as one:
                one.sendall(b"PING\r\n")
                if one.recv(7) == b"+PONG\r\n":
                    return
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
    """Eight hosts that share a Redis, two with a wrong clock, are never refused: at most 1.15 of the ideal time."""
    with redis_server() as redis, folder() as place:
        if redis is None:
            return None
        clocks = {0: "3600", 1: "-3600"}
        places = []
        for number in range(RACERS):
            home = place / str(number)
            home.mkdir()
            places.append(hosts(home, LGP_LIMITER=redis.url, CLOCK=clocks.get(number, "0")))
        go([start(places[2], 1, 1)])
        time.sleep(SECONDS * 1.1)  # the first window of a new Redis is kept at an eighth
        eight = places[:PROCESSES]
        held = [measure(kind, eight, 1.15) for kind in (FIXED[0], FIXED[2], *OTHERS)]
        held += [kills(eight)]
        restarted: Kind = ("Redis restarted in the middle, sliding log", SlidingLog, 0.0)
        held += [measure(restarted, eight, 1.15, redis.restart)]
        time.sleep(30)  # that hosts remember a failed Redis
        held += [racing(places, "60/60")]
        return all(held)


if __name__ == "__main__":
    client(int(sys.argv[1]))
