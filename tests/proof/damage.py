"""A full disk, damaged files, and processes killed before any line of the helper."""

import contextlib
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from exporting import EXPORT
from tools import BULK, LGP, SANDBOX, SCRIPTS, folder, run, serving, show

ORIGIN = "https://proof.example"
OLD, NEW = "lgp_" + "1" * 64, "lgp_" + "2" * 64
CONTACTS = 2_000


def full(command: tuple[str, ...], env: dict[str, str], size: int) -> int:
    """Run where no file can grow beyond `size` bytes, Python's own not at all; the exit code."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    env = {**env, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=env, preexec_fn=limit, capture_output=True).returncode


def disk() -> bool:
    """A full disk is exit 9; old files stay whole, and the same command goes on when there is room.

    Without room for the request log a command is paced by itself.
    """
    with folder() as home:
        return all([full_export(home), full_import(home)])


def full_export(home: Path) -> bool:
    target = home / "leads.jsonl"
    target.write_text("old\n")
    with serving((*BULK, "20000"), home) as env:
        code = full((*EXPORT, str(target)), env, 6_000_000)
        kept = target.read_text() == "old\n"
        again = run((*EXPORT, str(target)), env)
        alone = full((*LGP, "leads", "list"), {**env, "LGP_STATE_DIR": str(home / "new")}, 1024)
    ids = [json.loads(line)["id"] for line in target.open()]
    held = code == 9 and kept and again.code == 0 and ids == sorted(set(ids))
    held = show("export", f"exit {code}", f"then {len(ids):,} rows", held=held)
    return show("request log", f"exit {alone}", held=alone == 0) and held and len(ids) == 20_000


def full_import(home: Path) -> bool:
    """The ledger has no room: what was sent is known all the same, so no lead is made twice."""
    path = home / "contacts.csv"
    rows = [f"Ada,Byron,ada{number}@full.example" for number in range(CONTACTS)]
    path.write_text("\n".join(("firstName,lastName,email", *rows)))
    command = (*LGP, "leads", "import", str(path), "--client-id", "full", "--yes")
    count = (*LGP, "enrich-leads", "list", "--where", "email~@full.example", "--count")
    database = ("--db", str(home / "db"), "--demo-leads", "2", "--allow-duplicates")
    with serving((*SANDBOX, *database), home) as env:
        code, before = full(command, env, 100_000), json.loads(run(count, env).out)["count"]
        again, after = run(command, env), json.loads(run(count, env).out)["count"]
    held = code == 9 and before < CONTACTS == after and again.code == 0
    facts = f"exit {code} after {before:,} leads", f"then {after:,} of {CONTACTS:,}"
    return show("import", *facts, held=held)


# ---- killed at any line


def at_every_line(work: Callable[[], object]) -> Iterator[int]:
    """`work` in a process killed before its nth line of the helper, for each n until it ends."""
    for number in itertools.count(1):
        pid = os.fork()
        if not pid:
            try:
                _kill_at(number)
                work()
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == 0:
            return
        if code != -signal.SIGKILL:
            raise RuntimeError(f"line {number}: exit {code}")
        yield number


def _kill_at(number: int) -> None:
    place, left = str(SCRIPTS / "leadgenius"), itertools.count(1 - number)

    def line(frame: object, event: str, argument: object) -> Any:
        if event == "line" and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    sys.settrace(lambda frame, *_: line if frame.f_code.co_filename.startswith(place) else None)


def opened(path: Path) -> Any:
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.settings import Window

    return RateLimiter(path, [Window(60, 600.0)], lambda *_: None)


def request(log: Any, times: int = 1) -> None:
    for _ in range(times):
        log.settle("key", log.acquire("key", max_wait=0, hold=60), 0.0)


def limiter() -> bool:
    """Killed at any line the limiter loses one slot at most and never admits one too many."""
    from leadgenius.errors import RateError

    def slots() -> int:
        """How many are left, all of which are taken."""
        log, found = opened(path), 0
        with contextlib.suppress(RateError):
            for found in range(99):  # noqa: B007
                request(log)
        log.close()
        return found

    def work() -> None:
        log = opened(path)
        slot = log.acquire("key", max_wait=0, hold=60)
        sent.touch()
        log.settle("key", slot, 0.0)

    def begin() -> None:
        for one in place.iterdir():
            one.unlink()
        log = opened(path)
        request(log, 57)
        log.close()

    with folder() as place:
        path, sent, used = place / "log", place / "sent", []
        begin()
        for _ in at_every_line(work):
            used.append(57 + sent.exists() + slots())
            begin()
    facts = f"killed at {len(used)} lines", f"{min(used)} to {max(used)} of 60 admitted"
    return show("limiter", *facts, held=len(used) > 50 and min(used) >= 59 and max(used) == 60)


def keyfile() -> bool:
    """Killed at any line the credential file holds the old or the new content, and is 0600."""
    from leadgenius.keyfile import KeyFile

    lines, held = 0, True
    with folder() as place:
        path = place / "auth.json"
        path.write_text("")
        path.chmod(0o600)
        KeyFile(path).store(ORIGIN, api_key=OLD)
        old = path.read_bytes()
        for _ in at_every_line(lambda: KeyFile(path).store(ORIGIN, api_key=NEW)):
            lines += 1
            found = KeyFile(path).account
            new = (found.api_key, found.previous_api_keys) == (NEW, [OLD])
            held &= new or path.read_bytes() == old
            held &= all(one.stat().st_mode & 0o077 == 0 for one in place.iterdir())
            KeyFile(path).update(email="after@proof.example")  # no lock is left
            path.write_bytes(old)
    return show("credential file", f"killed at {lines} lines", held=held and lines > 50)


def log() -> bool:
    """A damaged request log is used or refused as unusable, never a traceback."""
    from leadgenius.errors import LeadGeniusError

    draw, outcomes = random.Random(4), Counter[str]()
    with folder() as place:
        path = place / "log"
        request(opened(path), 20)
        whole = path.read_bytes()
        for number in range(400):
            data = bytearray(whole)
            for _ in range(draw.choice((1, 10, 100))):
                data[draw.randrange(len(data))] = draw.randrange(256)
            path.write_bytes(data[: draw.randrange(len(data))] if number % 4 == 0 else data)
            one = opened(path)
            try:
                request(one)
                outcomes["used"] += 1
            except LeadGeniusError as error:
                outcomes[f"exit {error.exit_code}"] += 1
            except Exception as error:
                outcomes[f"leaked {type(error).__name__}"] += 1
            one.close()
    facts = [f"{count} {name}" for name, count in outcomes.items()]
    leaked = any("leaked" in name for name in outcomes)
    return show("400 damaged logs", *facts, held=outcomes["exit 9"] > 0 and not leaked)
