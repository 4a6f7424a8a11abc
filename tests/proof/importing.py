"""10,000 rows into a served sandbox that stores duplicates, the program killed on the way."""

import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tools import SANDBOX, folder, run, serving, show

ROWS, KILLS = 10_000, 20
# The program as it is, but for the 60 s until a row counts as not stored: here 5, over the lag.
PROGRAM = (
    sys.executable,
    "-c",
    "import sys; from cli import imports, main; imports.LOOKS = (0, 5); sys.exit(main.run())",
)
FAULTS = {
    "no fault": (),
    "lists lag 2 s": ("--fault", "GET /leads=lag:2"),
    "the first batch is stored nowhere": ("--fault", "POST /leads/batch=stored-nothing*1"),
}


def prove() -> bool:
    """An import killed at 20 random moments stores each row once, whatever the lists show."""
    return False not in [_killed(name, faults) for name, faults in FAULTS.items()]


def _killed(name: str, faults: tuple[str, ...]) -> bool:
    with folder() as home:
        database, file = home / "served" / "db", home / "contacts.csv"
        database.parent.mkdir(mode=0o700)
        rows = [f"First,Last,row{n}@i.example,client_a" for n in range(ROWS)]
        file.write_text("\n".join(["firstName,lastName,email,client_id", *rows]))
        options = ("--db", str(database), "--allow-duplicates", *faults)
        with serving([*SANDBOX, *options], home) as env:
            command = [*PROGRAM, "leads", "import", str(file), "--yes"]
            began = time.monotonic()
            kills = 0
            while kills < KILLS and (
                code := _kill_one(command, env, home / "contacts.csv.lgp-ledger")
            ):
                kills += code == -9
                if kills == 1 and "nothing" in str(faults):  # let its read-back end
                    show("killed before the read-back, then run", f"exit {run(command, env).code}")
            last = run(command, env)
            again = run(command, env)
        result = json.loads(last.out)
        stored, different = (
            sqlite3.connect(database)
            .execute(
                "SELECT count(*), count(DISTINCT email) FROM leads WHERE email LIKE '%@i.example'"
            )
            .fetchone()
        )
        done = result["created"] + result["existing"]
        return show(
            name, f"{kills} kills", f"{stored:,} leads", f"{different:,} e-mails", f"{done:,} done",
            f"{json.loads(again.out)['sent']} sent by one run more",
            f"{time.monotonic() - began:.0f} s",
            held=kills == KILLS
            and stored == different == done == ROWS
            and json.loads(again.out)["sent"] == 0,
        )  # fmt: skip


def _kill_one(command: list[str], env: dict[str, str], ledger: Path) -> int:
    """Start it, kill it up to 0.1 s after it begins to write; its code, -9 when it was killed."""
    before = ledger.stat().st_size if ledger.exists() else 0
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and (not ledger.exists() or ledger.stat().st_size == before):
        time.sleep(0.002)
    time.sleep(random.uniform(0, 0.1))
    process.kill()
    return process.wait()
