"""Speeds as ratios, measured side by side in one run: `python3 tests/bench [TABLE…]`.

Commands of one table take turns, so that whatever else the machine does falls on all of them. CPU
is user and system time of a process and its children; the service they talk to is not counted. The
tables are Markdown. The sandbox with a million leads takes 3 GB in the folder for temporary files.
"""

from __future__ import annotations

import http.client
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proof"))

from day import Clock
from fleet import redis_server
from tools import BULK, LGP, SANDBOX, SCRIPTS, Run, environ, folder, run, serving

STARTS = 31
ROWS = {10_000: 5, 100_000: 3, 1_000_000: 1}  # rows, and how often they are measured
SIZES = (1_500, 100_000, 1_000_000)
PYTHON = (sys.executable, "-c")

ONE = """
import os, requests
url, key = os.environ["LGP_BASE_URL"], os.environ["LGP_API_KEY"]
print(requests.get(url + "/api/agent/leads", headers={"X-API-Key": key}, timeout=60).json())
"""
LOOP = """
import json, os, requests, sys
session, cursor, count = requests.Session(), None, 0
session.headers["x-api-key"] = os.environ["LGP_AMPLIFY_API_KEY"]
query = {"companyId": os.environ["LGP_COMPANY_ID"], "limit": 5000}
if sys.argv[1:] == []:
    query["fields"] = "id,status"
out = open(sys.argv[1], "w") if sys.argv[1:] else None
while True:
    if cursor:
        query["nextToken"] = cursor
    url = os.environ["LGP_BASE_URL"] + "/api/enrich-leads/list"
    body = session.get(url, params=query, timeout=60).json()
    if out:
        for row in body["data"]:
            out.write(json.dumps(row) + "\\n")
    else:
        count += sum(row["status"] == "qualified" for row in body["data"])
    cursor = body["nextToken"]
    if not cursor:
        break
print(count)
"""
CURL = """
url="$LGP_BASE_URL/api/enrich-leads/list?companyId=$LGP_COMPANY_ID&limit=5000%s"
page=$(mktemp) cursor=
while :; do
  curl -s -H "x-api-key: $LGP_AMPLIFY_API_KEY" "$url$cursor" > "$page"
  jq -c '%s' "$page" >> "$1"
  cursor=$(jq -r '.nextToken // ""' "$page")
  [ -n "$cursor" ] || break
  cursor="&nextToken=$cursor"
done
"""


def main() -> int:
    if not TABLES.keys() >= set(sys.argv[1:]):
        print(__doc__, "Tables:", *TABLES)
        return 2
    began = time.monotonic()
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()
    print(f"\nPython {sys.version.split()[0]}, {time.monotonic() - began:.0f} s")
    return 0


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Every column but the first is for numbers."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "|---" + "|--:" * (lines[0].count("|") - 2) + "|")
    print("\n" + "\n".join(lines), flush=True)


Commands = dict[str, Sequence[str]]


def in_turns(
    commands: Commands, env: dict[str, str], times: int, out: Path | None = None
) -> dict[str, list[Run]]:
    """Run each so many times, taking turns, without the file `out` of the one before.

    Those with curl are left out where it or jq is missing. One that fails ends the bench.
    """
    curl = shutil.which("curl") and shutil.which("jq")
    here = [name for name in commands if curl or "curl" not in name]
    found: dict[str, list[Run]] = {name: [] for name in here}
    for name in here * times:
        if out:
            out.unlink(missing_ok=True)
        ran = run(commands[name], env)
        if ran.code:
            raise SystemExit(f"{name}: exit {ran.code}\n{ran.err[-2000:]}")
        found[name].append(ran)
    return found


def ratios(found: dict[str, list[Run]], base: str) -> list[list[str]]:
    """A row for each command: name, CPU, its ratio to `base`, seconds, their ratio."""
    rows = {name: [name] for name in found}
    for used in ("cpu", "seconds"):
        medians = {name: median(getattr(run, used) for run in runs) for name, runs in found.items()}
        for name, one in medians.items():
            rows[name] += [f"{one * 1000:,.0f} ms", f"{one / medians[base]:.2f}"]
    return list(rows.values())


HEAD = ("CPU", "ratio", "time", "ratio")


def starts() -> None:
    """One call, and what calls nobody."""
    api_call, bare, floor = str(SCRIPTS / "api_call.py"), "bare requests.get", "argparse, json"
    with folder() as home, serving((*BULK, "1000"), home) as env:
        url, key = f"{env['LGP_BASE_URL']}/api/agent/leads", f"X-API-Key: {env['LGP_API_KEY']}"
        commands: Commands = {
            bare: (*PYTHON, ONE),
            "curl": ("curl", "-s", "-H", key, url),
            "lgp.py leads list": (*LGP, "leads", "list"),
            "api_call.py GET /leads": (sys.executable, api_call, "GET", "/leads"),
            floor: (*PYTHON, f"import {floor}"),
            "lgp.py --help": (*LGP, "--help"),
            "lgp.py schema leads.list": (*LGP, "schema", "leads.list"),
            "lgp.py leads list --dry-run": (*LGP, "leads", "list", "--dry-run"),
        }
        in_turns(commands, env, 1)  # compiled
        found = in_turns(commands, env, STARTS)
    at = list(found).index(floor)
    table(("one call", *HEAD), ratios(dict(list(found.items())[:at]), bare))
    table(("no call", *HEAD), ratios(dict(list(found.items())[at:]), floor))


def fifty() -> None:
    """Fifty changes in one command and in fifty."""
    change = [*LGP, "leads", "status", "--status", "qualified", "--ids"]
    loop = 'ids=$1; shift; for id in $ids; do "$@" $id > /dev/null || exit; done'
    with folder() as home:
        database = ("--db", str(home / "db"), "--demo-leads", "200")
        with serving((*SANDBOX, *database), home) as env:
            listing = [*LGP, "leads", "list", "--max-items", "50", "--format", "ids"]
            ids = run(listing, env).out.split()
            fifty = ["sh", "-c", loop, "sh", " ".join(ids), *change]
            commands = {"one command": [*change, *ids], "fifty commands": fifty}
            found = in_turns(commands, env, 1)
    table(("fifty changes", *HEAD), ratios(found, "one command"))


def export() -> None:
    """Rows of a bulk list into a file."""
    with folder() as home:
        out = str(home / "rows.jsonl")
        commands: Commands = {
            "requests loop": (*PYTHON, LOOP, out),
            "enrich-leads list --all --out": (*LGP, "enrich-leads", "list", "--all", "--out", out),
            "curl and jq": ("sh", "-c", CURL % ("", ".data[]"), "sh", out),
        }
        bulk("export", commands, home, out)


def count() -> None:
    """Rows of a bulk list that fit a condition, counted."""
    words = "enrich-leads list --where status=qualified --count"
    chosen = '.data[] | select(.status == "qualified") | 1'
    shell = CURL % ("&fields=id,status", chosen) + 'wc -l < "$1"'
    with folder() as home:
        out = str(home / "counted")
        commands: Commands = {
            "requests loop": (*PYTHON, LOOP),
            "--where --count": (*LGP, *words.split()),
            "curl and jq": ("sh", "-c", shell, "sh", out),
        }
        bulk("count", commands, home, out)


def bulk(title: str, commands: Commands, home: Path, out: str) -> None:
    """Rows per second of CPU, their ratio to a plain loop, and memory, at each number of rows."""
    head, lines = [title], {name: [name] for name in commands}
    for rows, times in ROWS.items():
        head += [f"{rows:,} rows: rows per CPU second", "ratio", "peak"]
        with serving((*BULK, str(rows)), home) as env:
            found = in_turns(commands, env, times, Path(out))
        speeds = {name: rows / median(run.cpu for run in runs) for name, runs in found.items()}
        for name, runs in found.items():
            ratio, peak = speeds[name] / speeds["requests loop"], max(run.peak for run in runs)
            lines[name] += [f"{speeds[name]:,.0f}", f"{ratio:.2f}", f"{peak:.0f} MiB"]
    table(head, (line for line in lines.values() if line[1:]))


# ---- in this process


def limiter() -> None:
    """acquire and settle at 0, 1,000 and 10,000 rows in the log."""
    sys.path.insert(0, str(SCRIPTS))
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.redis_log import RedisLog
    from leadgenius.settings import DEFAULT_WINDOWS, windows

    def line(name: str, log: RateLimiter, clock: Clock, every: float) -> list[str]:
        """A row; `every` seconds pass between two requests of the log."""

        def request() -> float:
            began = time.perf_counter()
            log.settle("key", log.acquire("key", max_wait=0, hold=60), 0.0)
            return (time.perf_counter() - began) * 1000

        found = []
        for more in (0, 1_000, 8_900):
            for _ in range(more):
                request()
                clock.now += every
            found.append(median(request() for _ in range(STARTS)))
            clock.now += 120
        log.close()
        return [name, *side_by_side(found)]

    with folder() as place, redis_server() as redis:
        clock = Clock()
        log = RateLimiter(place / "log", windows(DEFAULT_WINDOWS), print, clock)
        lines = [line("SQLite", log, clock, 8.0)]
        if redis:  # its own clock counts, so the limits are such that nothing waits
            wide = windows("90000/1,100000/3600,100000/86400")
            log = RedisLog(redis.url, place / "log", wide, print)
            log.acquire("first", max_wait=0, hold=0)
            time.sleep(1.1)  # the first window of a new Redis is kept at an eighth
            lines.append(line("Redis, each window holding all rows", log, Clock(), 0))
    heads = ("empty", "ratio", "1,000 rows", "ratio", "10,000 rows", "ratio")
    table(("limiter: acquire and settle", *heads), lines)


def side_by_side(times: Sequence[float]) -> list[str]:
    """Milliseconds, each with its ratio to the first."""
    return [text for one in times for text in (f"{one:.2f} ms", f"{one / times[0]:.2f}")]


def sandbox() -> None:
    """Pages of the sandbox, many of whose newest leads were made in the same second."""
    with ExitStack() as stack:
        served = [serve(size, stack) for size in SIZES]
        times = {name: [list[float]() for _ in SIZES] for name in PATHS}
        for _ in range(STARTS):
            for name, found in times.items():
                for env, one in zip(served, found, strict=True):
                    began = time.perf_counter()
                    ask(env, PATHS[name])
                    one.append(time.perf_counter() - began)
    lines = (
        [name, *side_by_side([median(one) * 1000 for one in found])]
        for name, found in times.items()
    )
    table(("sandbox", *(text for size in SIZES for text in (f"{size:,} leads", "ratio"))), lines)


BULK_PATH = "/api/enrich-leads/list?companyId={LGP_COMPANY_ID}"
PATHS = {
    "leads list": "/api/agent/leads",
    "leads list, filtered, second page": "/api/agent/leads?status=qualified&page=2",
    "bulk page of 1,000": BULK_PATH + "&limit=1000",
    "bulk page of 400, by cursor": BULK_PATH + "&limit=400&nextToken={cursor}",
}


def serve(size: int, stack: ExitStack) -> dict[str, str]:
    """A sandbox of so many leads; its variables, with the cursor of its second bulk page."""
    home = stack.enter_context(folder())
    command = (*SANDBOX, "--db", str(home / "db"))
    # Made by a process of its own: the one that has made it is a little slower ever after.
    run((*command, "--demo-leads", str(size), "--", "true"), environ(home))
    env = stack.enter_context(serving(command, home))
    same = """UPDATE leads SET created_at = (SELECT max(created_at) FROM leads)
        WHERE company_id = ? AND seq > (SELECT max(seq) FROM leads) - ?"""
    with closing(sqlite3.connect(home / "db")) as db, db:
        db.execute(same, (env["LGP_COMPANY_ID"], min(size // 3, 20_000)))
    return {**env, "cursor": ask(env, BULK_PATH + "&limit=1000")["nextToken"]}


def ask(env: dict[str, str], path: str) -> Any:
    headers = {"X-API-Key": env["LGP_AMPLIFY_API_KEY" if "enrich" in path else "LGP_API_KEY"]}
    connection = http.client.HTTPConnection(env["LGP_BASE_URL"].partition("//")[2])
    connection.request("GET", path.format_map(env), headers=headers)
    body = json.loads(connection.getresponse().read())
    connection.close()
    if not body["success"]:
        raise SystemExit(f"{path}: {body}")
    return body


# Those that need a small process come first: a child's peak is never less than its parent's.
TABLES = {one.__name__: one for one in (starts, fifty, export, count, limiter, sandbox)}

if __name__ == "__main__":
    raise SystemExit(main())
