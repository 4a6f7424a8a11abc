"""Export and counts over a million rows: killed again and again, and flat in memory."""

import json
import random
import subprocess
import time
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import service
from tools import BULK, LGP, folder, run, serving, show

ROWS, KILLS = 1_000_000, 20
EXPORT = (*LGP, "enrich-leads", "list", "--all", "--out")


def prove() -> bool:
    """A million rows are exported through 20 kills, each exactly once, in at most 60 MiB."""
    with folder() as home, serving((*BULK, "10000"), home) as env:
        small = run([*EXPORT, str(home / "small.jsonl")], env)
    with folder() as home, serving((*BULK, str(ROWS)), home) as env:
        whole, target = home / "whole.jsonl", home / "killed.jsonl"
        large = run([*EXPORT, str(whole)], env)
        once = each_once(whole)
        command = [*EXPORT, str(target)]
        kills = kill(command, env, target, whole.stat().st_size)
        last = run(command, env)
        same = subprocess.run(["cmp", "-s", whole, target]).returncode == 0
    done = same and kills == KILLS and last.code == 0
    flat = large.peak < 60 and large.peak < small.peak * 1.1
    peaks = f"{small.peak:.0f} MiB at 10,000 rows", f"{large.peak:.0f} MiB at {ROWS:,}"
    held = show(f"{ROWS:,} rows once", str(once), f"{large.seconds:.0f} s", held=once)
    held &= show("killed", f"{kills} kills", f"the same file: {same}", held=done)
    return show("memory", *peaks, held=flat) and held


def kill(command: list[str], env: dict[str, str], target: Path, size: int) -> int:
    """Kill it wherever its file has reached one of 20 sizes; the kills that met it running."""
    draw, part, kills = random.Random(3), target.with_name(target.name + ".part"), 0
    for reached in sorted(draw.uniform(0, size * 0.98) for _ in range(KILLS)):
        process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0, 0.4))
        while process.poll() is None and not (part.exists() and part.stat().st_size >= reached):
            time.sleep(0.002)
        process.kill()
        kills += process.wait() == -9
    return kills


def each_once(path: Path) -> bool:
    """Whether the lines are the leads 0, 1, 2 … to the last."""
    wanted = map("lead_{:07}".format, range(ROWS))
    with path.open() as file:
        found = (json.loads(line)["id"] for line in file)
        return all(one == other for one, other in zip_longest(found, wanted))


def count() -> bool:
    """--where --count-by over a million rows is exact, in less than 100 MiB."""
    wanted = Counter(
        row.get("campaignId") for row in service.leads() if row["status"] == "qualified"
    )
    words = "enrich-leads list --where status=qualified --count-by campaignId --format json"
    with folder() as home, serving((*BULK, str(ROWS)), home) as env:
        found = run([*LGP, *words.split()], env)
    shares = {row["campaignId"]: row["n"] for row in json.loads(found.out)["by"]}
    exact = shares == {name: n * ROWS // service.SHAPES for name, n in wanted.items()}
    facts = f"{sum(shares.values()):,} in {len(shares)} campaigns, exact: {exact}"
    peak = f"{found.seconds:.0f} s", f"{found.peak:.0f} MiB"
    return show("count", facts, *peak, held=exact and found.peak < 100)
