"""Export and counts over a million rows: killed again and again, and flat in memory."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import service
from tools import BULK, LGP, folder, run, serving, show

ROWS, KILLS = 1_000_000, 20
EXPORT = (*LGP, "enrich-leads", "list", "--all", "--out")


def prove() -> bool:
    """A million rows are exported through 20 kills, each exactly once, in less than 60 MiB however many they are."""
    with folder() as home, serving((*BULK, "10000"), home) as env:
        small = run([*EXPORT, str(home / "small.jsonl")], env)
    with folder() as home, serving((*BULK, str(ROWS)), home) as env:
        whole, target = home / "whole.jsonl", home / "killed.jsonl"
        large = run([*EXPORT, str(whole)], env)
        killed = through_kills([*EXPORT, str(target)], env, target, whole.stat().st_size)
        last = run([*EXPORT, str(target)], env)
        once, same = each_once(whole), killed and is_same(whole, target)
    facts = f"{ROWS:,} rows, each once" if once else "rows are missing or doubled", f"{large.seconds:.0f} s"
    held = [show("uninterrupted", *facts, held=once and small.code == large.code == 0)]
    held += [show("killed", f"{killed} kills", "the same file" if same else last.err[-300:], held=same)]
    peaks = f"{small.peak:.0f} MiB at 10,000 rows", f"{large.peak:.0f} MiB at {ROWS:,}"
    flat = large.peak < 60 and large.peak < small.peak * 1.1
    return all([*held, show("memory", *peaks, held=flat)])


def through_kills(command: list[str], env: dict[str, str], target: Path, size: int) -> int:
    """Kill the export wherever its file has reached one of 20 sizes; the kills that met it running."""
    draw, part, kills = random.Random(3), target.with_name(target.name + ".part"), 0
    for reached in sorted(draw.uniform(0, size * 0.98) for _ in range(KILLS)):
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet)
        time.sleep(draw.uniform(0, 0.4))
        while process.poll() is None and not (part.exists() and part.stat().st_size >= reached):
            time.sleep(0.002)
        process.kill()
        kills += process.wait() == -9
    return kills if kills == KILLS else 0


def each_once(path: Path) -> bool:
    """Whether the lines are the leads 0, 1, 2 …; in the order of the list, so none is doubled."""
    with path.open(encoding="utf-8") as file:
        numbers = (int(json.loads(line)["id"].removeprefix("lead_")) for line in file)
        return all(number == at for at, number in enumerate(numbers)) and path.stat().st_size > 0 and lines(path) == ROWS


def lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


def is_same(one: Path, other: Path) -> bool:
    return other.exists() and subprocess.run(["cmp", "-s", one, other]).returncode == 0


def count() -> bool:
    """--where --count-by over a million rows is exact, in less than 100 MiB."""
    rows = service.leads()
    wanted = Counter(row.get("campaignId") for row in rows if row["status"] == "qualified")
    words = "enrich-leads list --where status=qualified --count-by campaignId --format json"
    with folder() as home, serving((*BULK, str(ROWS)), home) as env:
        found = run([*LGP, *words.split()], env)
    answer = json.loads(found.out or '{"by": []}')
    shares = {row["campaignId"]: row["n"] for row in answer["by"]}
    exact = shares == {name: n * ROWS // service.SHAPES for name, n in wanted.items()}
    facts = f"{answer.get('count'):,} in {len(shares)} campaigns", f"{found.seconds:.0f} s"
    return show("count", *facts, f"{found.peak:.0f} MiB", held=exact and found.peak < 100)
