"""Speeds as ratios, measured side by side in one run: `python3 tests/bench [TABLE…]` prints Markdown tables.

Commands of one table take turns, so that whatever else the machine does falls on all of them. CPU is user and system
time of the process and its children; the service they talk to costs next to nothing and is not counted. The sandbox
with a million leads takes 3 GB in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proof"))

from fleet import redis_server  # noqa: E402
from tools import BULK, LGP, SANDBOX, SCRIPTS, Run, folder, run, serving  # noqa: E402

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
    about = argparse.ArgumentParser("python3 tests/bench", description=__doc__)
    about.formatter_class = argparse.RawDescriptionHelpFormatter
    about.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    names = about.parse_args().tables or list(TABLES)
    if unknown := set(names) - set(TABLES):
        about.error(f"no such table: {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    began = time.monotonic()
    for name in names:
        TABLES[name]()
    print(f"\nPython {sys.version.split()[0]}, {time.monotonic() - began:.0f} s")
    return 0


def table(*rows: Sequence[str]) -> None:
    """The first row is the head. Every column but the first is for numbers."""
    print()
    for at, row in enumerate(rows):
        print(f"| {' | '.join(row)} |")
        if at == 0:
            print("|---" + "|--:" * (len(row) - 1) + "|")
    sys.stdout.flush()


Commands = dict[str, Sequence[str]]


def in_turns(
    commands: Commands, env: dict[str, str], times: int, before: Callable[[], None] = lambda: None
) -> dict[str, list[Run]]:
    """Run every command so many times, taking turns. A command that fails ends the bench."""
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            before()
            ran = run(command, env)
            if ran.code:
                raise SystemExit(f"{name}: exit {ran.code}\n{ran.err[-2000:]}")
            found[name].append(ran)
    return found


def ratios(found: dict[str, list[Run]], base: str) -> list[list[str]]:
    """A row for each command: name, CPU, its ratio to `base`, seconds, their ratio."""
    cpu = {name: median(run.cpu for run in runs) for name, runs in found.items()}
    seconds = {name: median(run.seconds for run in runs) for name, runs in found.items()}
    return [
        [name, *(text for one in (cpu, seconds) for text in (f"{one[name] * 1000:.0f} ms", f"{one[name] / one[base]:.2f}"))]
        for name in found
    ]


HEAD = ("CPU", "ratio", "time", "ratio")


def with_tools(commands: Commands, *tools: str) -> Commands:
    """Without the commands that need a tool this machine does not have."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return {name: one for name, one in commands.items() if not any(tool in name for tool in missing)}


def starts() -> None:
    """One call, and what calls nobody."""
    with folder() as home, serving((*BULK, "1000"), home) as env:
        url, key = f"{env['LGP_BASE_URL']}/api/agent/leads", f"X-API-Key: {env['LGP_API_KEY']}"
        bare, floor = "bare requests.get", "import argparse, json"
        calls: Commands = {
            bare: (*PYTHON, ONE),
            "curl": ("curl", "-s", "-H", key, url),
            "lgp.py leads list": (*LGP, "leads", "list"),
            "api_call.py GET /leads": (sys.executable, str(SCRIPTS / "api_call.py"), "GET", "/leads"),
        }
        offline: Commands = {
            floor: (*PYTHON, floor),
            "lgp.py --help": (*LGP, "--help"),
            "lgp.py schema leads.list": (*LGP, "schema", "leads.list"),
            "lgp.py leads list --dry-run": (*LGP, "leads", "list", "--dry-run"),
        }
        in_turns(with_tools({**calls, **offline}, "curl"), env, 1)  # compiled
        found = in_turns(with_tools({**calls, **offline}, "curl"), env, STARTS)
    for head, base, names in (("one call", bare, calls), ("no call", floor, offline)):
        table((head, *HEAD), *ratios({name: found[name] for name in names if name in found}, base))


def fifty() -> None:
    """Fifty changes in one command and in fifty."""
    with folder() as home, serving((*SANDBOX, "--db", str(home / "db"), "--demo-leads", "200"), home) as env:
        ids = run([*LGP, "leads", "list", "--max-items", "50", "--format", "ids"], env).out.split()
        change = [*LGP, "leads", "status", "--status", "qualified", "--ids"]
        one = in_turns({"one command": [*change, *ids]}, env, 3)["one command"]
        many = [in_turns({"": [*change, name]}, env, 1)[""][0] for name in ids]
    cpu, seconds = median(run.cpu for run in one), median(run.seconds for run in one)
    more = sum(run.cpu for run in many), sum(run.seconds for run in many)
    names = ("one command", f"{cpu:.2f} s", "1", f"{seconds:.2f} s", "1")
    others = (f"{more[0]:.2f} s", f"{more[0] / cpu:.1f}", f"{more[1]:.2f} s", f"{more[1] / seconds:.1f}")
    table(("fifty changes", *HEAD), names, ("fifty commands", *others))


def export() -> None:
    """Rows of a bulk list into a file."""
    with folder() as home:
        out = str(home / "rows.jsonl")
        commands: Commands = {
            "requests loop": (*PYTHON, LOOP, out),
            "enrich-leads list --all --out": (*LGP, "enrich-leads", "list", "--all", "--out", out),
            "curl and jq": ("sh", "-c", CURL % ("", ".data[]"), "sh", out),
        }
        bulk("export", commands, home, lambda: Path(out).unlink(missing_ok=True))


def count() -> None:
    """Rows of a bulk list that fit a condition, counted."""
    words = "enrich-leads list --where status=qualified --count"
    chosen = '.data[] | select(.status == "qualified") | 1'
    with folder() as home:
        shell = CURL % ("&fields=id,status", chosen) + 'wc -l < "$1"'
        commands: Commands = {
            "requests loop": (*PYTHON, LOOP),
            "--where --count": (*LGP, *words.split()),
            "curl and jq": ("sh", "-c", shell, "sh", str(home / "counted")),
        }
        bulk("count", commands, home, lambda: (home / "counted").unlink(missing_ok=True))


def bulk(title: str, commands: Commands, home: Path, before: Callable[[], None]) -> None:
    """Rows per second of CPU, their ratio to the first command, and memory, at each number of rows."""
    commands = with_tools(commands, "curl", "jq")
    cells: dict[str, list[str]] = {name: [] for name in commands}
    for rows, times in ROWS.items():
        with serving((*BULK, str(rows)), home) as env:
            found = in_turns(commands, env, times, before)
        speeds = {name: rows / median(run.cpu for run in runs) for name, runs in found.items()}
        for name, runs in found.items():
            peak = max(run.peak for run in runs)
            cells[name] += [f"{speeds[name]:,.0f}", f"{speeds[name] / next(iter(speeds.values())):.2f}", f"{peak:.0f} MiB"]
    heads = [text for rows in ROWS for text in (f"{rows:,} rows: rows per CPU second", "ratio", "peak")]
    table((title, *heads), *((name, *row) for name, row in cells.items()))


# ---- in this process


class Clock:
    """Time that goes on by itself and by what is added to it."""

    def __init__(self) -> None:
        self.added = 0.0

    def time(self) -> float:
        return time.time() + self.added

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.added += seconds


def limiter() -> None:
    """acquire and settle at 0, 1,000 and 10,000 rows in the log."""
    sys.path.insert(0, str(SCRIPTS))
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.redis_log import RedisLog
    from leadgenius.settings import DEFAULT_WINDOWS, windows

    def row(log: RateLimiter, clock: Clock, every: float) -> list[float]:
        """Medians in ms; `every` seconds pass between two requests of the log."""

        def request() -> float:
            began = time.perf_counter()
            log.settle("key", log.acquire("key", max_wait=0, hold=60), {})
            return (time.perf_counter() - began) * 1000

        made, found = 0, []
        for rows in (0, 1_000, 9_900):
            for made in range(made, rows):  # noqa: B007
                request()
                clock.sleep(every)
            found.append(median(request() for _ in range(STARTS)))
            clock.sleep(120)
        log.close()
        return found

    head = ("limiter: acquire and settle", "empty", "1,000 rows", "ratio", "10,000 rows", "ratio")
    lines = []
    with folder() as place:
        clock = Clock()
        log = RateLimiter(place / "log.sqlite3", windows(DEFAULT_WINDOWS), print, clock)
        lines.append(("SQLite", row(log, clock, 8.0)))
    with redis_server() as redis, folder() as place:
        if redis:  # its own clock counts, so the limits are such that nothing waits
            wide = windows("90000/1,100000/3600,100000/86400")
            log = RedisLog(redis.url, place / "log.sqlite3", wide, print)
            log.acquire("first", max_wait=0, hold=0)
            time.sleep(1.1)  # the first window of a new Redis is kept at an eighth
            lines.append(("Redis, each window holding all rows", row(log, Clock(), 0)))
    rows = []
    for name, (none, some, all_) in lines:
        more = (f"{none:.2f} ms", f"{some:.2f} ms", f"{some / none:.2f}", f"{all_:.2f} ms", f"{all_ / none:.2f}")
        rows.append((name, *more))
    table(head, *rows)


def sandbox() -> None:
    """A page of the sandbox, many of whose newest leads were made in the same second."""
    with ExitStack() as stack:
        askers = [Asker(size, stack) for size in SIZES]
        found = {(path, asker.size): [] for path in PATHS for asker in askers}
        for _ in range(STARTS):
            for path in PATHS:
                for asker in askers:
                    found[path, asker.size].append(asker.seconds(path))
    times = {at: median(runs) for at, runs in found.items()}
    rows = []
    for path, name in PATHS.items():
        first = times[path, SIZES[0]]
        cells: Iterable[list[str]] = ([f"{times[path, size] * 1000:.1f} ms", f"{times[path, size] / first:.2f}"] for size in SIZES)
        rows.append((name, *(text for cell in cells for text in cell)))
    table(("sandbox", *(text for size in SIZES for text in (f"{size:,} leads", "ratio"))), *rows)


PATHS = {
    "/api/agent/leads": "leads list",
    "/api/agent/leads?status=qualified&page=2": "leads list, filtered, second page",
    "/api/enrich-leads/list?companyId={LGP_COMPANY_ID}&limit=1000": "bulk page of 1,000",
    "/api/enrich-leads/list?companyId={LGP_COMPANY_ID}&limit=400&nextToken={cursor}": "bulk page by cursor",
}


class Asker:
    """A connection to a sandbox of so many leads."""

    def __init__(self, size: int, stack: ExitStack) -> None:
        self.size = size
        home = stack.enter_context(folder())
        command = (*SANDBOX, "--db", str(home / "db"), "--demo-leads", str(size))
        self.env: dict[str, Any] = dict(stack.enter_context(serving(command, home)))
        same = """UPDATE leads SET created_at = (SELECT max(created_at) FROM leads WHERE company_id = ?)
            WHERE company_id = ? AND seq > (SELECT max(seq) FROM leads WHERE company_id = ?) - ?"""
        company = self.env["LGP_COMPANY_ID"]
        with closing(sqlite3.connect(home / "db")) as db, db:
            db.execute(same, (company, company, company, min(size // 3, 20_000)))
        self.connection = http.client.HTTPConnection(self.env["LGP_BASE_URL"].partition("//")[2])
        self.env["cursor"] = json.loads(self.ask(list(PATHS)[2]))["nextToken"]

    def ask(self, path: str) -> bytes:
        key = "LGP_AMPLIFY_API_KEY" if "enrich" in path else "LGP_API_KEY"
        self.connection.request("GET", path.format_map(self.env), headers={"X-API-Key": self.env[key]})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {body[:500]!r}")
        return body

    def seconds(self, path: str) -> float:
        began = time.perf_counter()
        self.ask(path)
        return time.perf_counter() - began


# The tables that need a small process come first: a child's peak is never less than its parent's.
TABLES = {"starts": starts, "fifty": fifty, "export": export, "count": count, "limiter": limiter, "sandbox": sandbox}

if __name__ == "__main__":
    raise SystemExit(main())
