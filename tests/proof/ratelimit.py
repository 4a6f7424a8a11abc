"""Eight processes on one key are never refused, whatever the server counts with, and lose under a tenth of the time.

Servers of several kinds listen on loopback, with a limit of 20 per 4 s. Each is asked 80 times, by 8 processes that
start together and share one request log. The shortest time any client could take is three windows; the bound is 1.10 of
(80 - 1) // 20 windows as the limiter keeps them, each with the slowest answer. Start-up is measured beside it.
A last run kills the processes at random moments: nothing is refused either, and the work still gets done.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
LIMIT, SECONDS = 20, 4.0
PROCESSES, CALLS = 8, 80
SLOW = 0.4  # an answer takes up to so many seconds: much more than the windows are lengthened by
BOUND = 1.10
KILLS = 25

# ---- servers: each kind tells how many requests it would still take at a moment, having counted one


class FixedWindow:
    """So many from one full window to the next, wherever the windows begin."""

    def __init__(self, phase: float) -> None:
        self.phase, self.window, self.count = phase * SECONDS, -1, 0

    def take(self, now: float) -> int:
        window = int((now - self.phase) // SECONDS)
        if window != self.window:
            self.window, self.count = window, 0
        self.count += 1
        return LIMIT - self.count


class SlidingLog:
    """So many in any stretch of time. Refused requests do not count."""

    def __init__(self) -> None:
        self.log: deque[float] = deque()

    def take(self, now: float) -> int:
        while self.log and self.log[0] <= now - SECONDS:
            self.log.popleft()
        if len(self.log) < LIMIT:
            self.log.append(now)
            return LIMIT - len(self.log)
        return -1


class TokenBucket:
    """Full at first, refilled evenly."""

    def __init__(self) -> None:
        self.tokens, self.at = float(LIMIT), 0.0

    def take(self, now: float) -> int:
        self.tokens = min(LIMIT, self.tokens + (now - self.at) * LIMIT / SECONDS)
        self.at = now
        if self.tokens < 1:
            return -1
        self.tokens -= 1
        return int(self.tokens)


# name, how to make it, and the part of the answer's time that passes before the request is counted
KINDS: list[tuple[str, Callable[[], FixedWindow | SlidingLog | TokenBucket], float]] = [
    *[(f"fixed window, phase {phase}", lambda phase=phase: FixedWindow(phase), 0.0) for phase in (0, 0.2, 0.5, 0.9)],
    ("sliding log, counted on arrival", SlidingLog, 0.0),
    ("sliding log, counted on answering", SlidingLog, 1.0),
    ("token bucket, full", TokenBucket, 0.0),
]


def serve(kind: FixedWindow | SlidingLog | TokenBucket, before: float) -> ThreadingHTTPServer:
    lock, draw = threading.Lock(), random.Random(1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                slow = draw.uniform(0, SLOW)
            time.sleep(slow * before)
            with lock:
                left = kind.take(time.monotonic())
            time.sleep(slow * (1 - before))
            self.send_response(429 if left < 0 else 200)
            self.send_header("X-RateLimit-Limit", str(LIMIT))
            self.send_header("X-RateLimit-Remaining", str(max(0, left)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a client was killed
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# ---- clients: `python3 ratelimit.py PORT LOG CALLS` is one of the processes


def client(port: int, log: Path, calls: int) -> None:
    from leadgenius.ratelimit import RateLimiter, Windows, identity

    key = identity(f"http://127.0.0.1:{port}", "lgp_proof")
    with RateLimiter(log, Windows.parse(os.environ["LGP_RATE_LIMITS"])) as limiter:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(calls):
            slot = limiter.acquire(key, max_wait=120, hold=2)
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            limiter.settle(slot, dict(answer.getheaders()))
            connection.close()
            print(json.dumps([answer.status, time.monotonic() - began]), flush=True)


def start(port: int, log: Path, calls: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "LGP_RATE_LIMITS": f"{LIMIT}/{SECONDS:.0f}"}
    command = [sys.executable, str(Path(__file__)), str(port), str(log), str(calls)]
    return subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def told(child: subprocess.Popen[str]) -> list[str]:
    with child:
        return child.communicate()[0].split("\n")


def go(children: list[subprocess.Popen[str]]) -> list[tuple[int, float]]:
    """Let all begin at once; every answer's status and seconds."""
    for child in children:
        begun(child)
    answers = [tuple(json.loads(line)) for child in children for line in told(child) if line.startswith("[")]
    return [(int(status), float(seconds)) for status, seconds in answers]


# ---- the proof


def prove() -> bool:
    print(f"{'server':36} {'calls':>5} {'429':>4} {'seconds':>8} {'bound':>7} {'of ideal':>8} {'start-up':>8}")
    held = [measure(*kind) for kind in KINDS]
    held.append(kills())
    return all(held)


def measure(name: str, make: Callable[[], FixedWindow | SlidingLog | TokenBucket], before: float) -> bool:
    if not refuses(make()):
        print(f"{name}: this server would let a burst of {CALLS} through, so it proves nothing")
        return False
    server = serve(make(), before)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        children = [
            start(server.server_port, Path(folder, "state", "log"), CALLS // PROCESSES) for _ in range(PROCESSES)
        ]
        for child in children:
            assert child.stdout
            child.stdout.readline()  # ready
        ready = time.monotonic()
        answers = go(children)
        seconds = time.monotonic() - ready
    stop(server)
    refused = sum(status != 200 for status, _ in answers)
    ideal = (CALLS - 1) // LIMIT * (SECONDS + min(1.0, 0.02 * SECONDS) + max(slow for _, slow in answers))
    held = len(answers) == CALLS and not refused and seconds <= BOUND * ideal
    figures = f"{seconds:8.2f} {BOUND * ideal:7.2f} {seconds / ideal:8.3f} {ready - began:8.2f}"
    print(f"{name:36} {len(answers):5} {refused:4} {figures}  {'' if held else 'FAILED'}", flush=True)
    return held


def refuses(kind: FixedWindow | SlidingLog | TokenBucket) -> bool:
    """A proof against a server that never refuses would prove nothing."""
    return sum(kind.take(1e6) < 0 for _ in range(CALLS)) == CALLS - LIMIT


def kills() -> bool:
    """Processes of endless calls, each killed at a random moment and replaced; a survivor then does its ten calls."""
    server, draw = serve(SlidingLog(), 0.0), random.Random(2)
    statuses: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "state", "log")
        children = [begun(start(server.server_port, log, 10_000)) for _ in range(PROCESSES)]
        for _ in range(KILLS):
            time.sleep(draw.uniform(0, 1))
            at = draw.randrange(PROCESSES)
            statuses += killed(children[at])
            children[at] = begun(start(server.server_port, log, 10_000))
        for child in children:
            statuses += killed(child)
        last = go([start(server.server_port, log, 10)])
    stop(server)
    refused = sum(status != 200 for status in statuses) + sum(status != 200 for status, _ in last)
    held = not refused and len(last) == 10 and len(statuses) > LIMIT
    name = f"{KILLS} random kills, sliding log"
    print(f"{name:36} {len(statuses) + len(last):5} {refused:4}  {'' if held else 'FAILED'}", flush=True)
    return held


def begun(child: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert child.stdin
    child.stdin.write("go\n")
    child.stdin.flush()
    return child


def killed(child: subprocess.Popen[str]) -> list[int]:
    child.kill()
    return [json.loads(line)[0] for line in told(child) if line.startswith("[") and line.endswith("]")]


def stop(server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    client(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
