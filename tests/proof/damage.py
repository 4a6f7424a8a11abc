"""A full disk, files that are damaged, and processes killed before any line of the helper."""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from exporting import EXPORT
from tools import BULK, LGP, SANDBOX, SCRIPTS, folder, run, serving, show

ORIGIN = "https://proof.example"
CONTACTS = 2_000


def full(command: list[str], env: dict[str, str], size: int, stdin: str = "") -> tuple[int, str]:
    """Run where no file can grow beyond `size` bytes: exit code and stderr."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    ran = subprocess.run(command, env=env, preexec_fn=limit, input=stdin, text=True, capture_output=True)
    return ran.returncode, ran.stderr


def disk() -> bool:
    """A full disk is exit 9; it leaves the old files whole, and the same command goes on when there is room."""
    with folder() as home:
        held = [full_export(home), full_import(home), *full_small_files(home)]
    return all(held)


def full_export(home: Path) -> bool:
    target = home / "leads.jsonl"
    with serving((*BULK, "20000"), home) as env:
        target.write_text("old\n")
        code, _ = full([*EXPORT, str(target)], env, 6_000_000)
        kept = target.read_text() == "old\n"
        again = run([*EXPORT, str(target)], env)
    ids = [json.loads(line)["id"] for line in target.open()]
    held = code == 9 and kept and again.code == 0 and ids == sorted(set(ids)) and len(ids) == 20_000
    return show("export", f"exit {code}", "old file kept", f"then {len(ids):,} rows", held=held)


def full_import(home: Path) -> bool:
    """The ledger has no room: what was sent is known all the same, so no lead is made twice."""
    path, sent = home / "contacts.csv", range(CONTACTS)
    rows = (f"Ada,Byron,ada{number}@full.example\n" for number in sent)
    path.write_text("firstName,lastName,email\n" + "".join(rows))
    command = [*LGP, "leads", "import", str(path), "--client-id", "full", "--yes"]
    count = [*LGP, "enrich-leads", "list", "--where", "email~@full.example", "--count"]
    served = (*SANDBOX, "--db", str(home / "import.sqlite3"), "--allow-duplicates", "--demo-leads", "2")
    with serving(served, home) as env:
        code, problem = full(command, env, 100_000)
        before = json.loads(run(count, env).out)["count"]
        again = run(command, env)
        after = json.loads(run(count, env).out)["count"]
    held = code == 9 and before < CONTACTS and again.code == 0 and after == CONTACTS
    facts = f"exit {code} after {before:,} leads", f"then {after:,} of {CONTACTS:,}"
    return show("import", *facts, *([] if held else [problem[-300:], again.err[-300:]]), held=held)


def full_small_files(home: Path) -> Iterator[bool]:
    key = "lgp_" + "7" * 64
    with serving((*BULK, "100"), home) as env:
        stored = home / ".leadgenius_auth.json"
        stored.write_text(json.dumps({"base_url": env["LGP_BASE_URL"], "api_key": "lgp_" + "1" * 64}))
        stored.chmod(0o600)
        before = stored.read_bytes()
        code, _ = full([*LGP, "auth", "save-key", "--scope", "agent"], env, 64, key)
        yield show("credential file", f"exit {code}", held=code == 9 and stored.read_bytes() == before)
        again = run([*LGP, "leads", "list"], env)  # a file that only looks as if it had been written fails here
        yield show("after it", f"exit {again.code}", held=again.code == 0)
        code, notes = full([*LGP, "leads", "list"], {**env, "LGP_STATE_DIR": str(home / "full")}, 1024)
        held = code == 0 and notes.count("eighth") == 1
        yield show("request log", f"exit {code}", "paced at an eighth, one warning", held=held)
        with Path("/dev/full").open("w") as device:
            code = subprocess.run([*LGP, "leads", "list"], env=env, stdout=device, stderr=subprocess.PIPE).returncode
        yield show("standard output", f"exit {code}", held=code == 9)


# ---- killed at any line


def at_every_line(work: Callable[[], object]) -> Iterator[int]:
    """`work` in a process that is killed before the nth line of the helper that it runs, for each n until it ends."""
    for number in itertools.count(1):
        pid = os.fork()
        if not pid:
            try:
                _kill_at(number)
                work()
                sys.settrace(None)
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

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    sys.settrace(lambda frame, *_: line if frame.f_code.co_filename.startswith(place) else None)


def limiter() -> bool:
    """A process killed at any line of the limiter loses one slot at most and never admits one too many."""
    from leadgenius.errors import RateError
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.settings import Window

    def opened(path: Path) -> RateLimiter:
        return RateLimiter(path, [Window(5, 600.0)], lambda *_: None)

    def slots(path: Path) -> int:
        """How many are left, all of which are taken."""
        log, found = opened(path), 0
        try:
            while log.acquire("key", max_wait=0, hold=60):
                found += 1
        except RateError:
            log.close()
        return found

    with folder() as place:
        log, sent = place / "log.sqlite3", place / "sent"

        def work() -> None:
            one = opened(log)
            slot = one.acquire("key", max_wait=0, hold=60)
            sent.touch()
            one.settle("key", slot, {})
            one.close()

        def begin() -> None:
            for path in place.iterdir():
                path.unlink()
            first = opened(log)
            for _ in range(3):
                first.settle("key", first.acquire("key", max_wait=0, hold=60), {})
            first.close()

        sums = []
        begin()
        for _ in at_every_line(work):
            sums.append(3 + sent.exists() + slots(log))
            begin()
    facts = f"killed at {len(sums)} lines", f"{min(sums)} to {max(sums)} of 5 slots used"
    return show("limiter", *facts, held=len(sums) > 50 and min(sums) >= 4 and max(sums) == 5)


def keyfile() -> bool:
    """A process killed at any line of the credential file's code leaves the old or the new content, 0600."""
    from leadgenius.keyfile import KeyFile

    held, lines = True, 0
    with folder() as place:
        for had in (None, {"base_url": ORIGIN, "api_key": "lgp_" + "1" * 64, "mine": [1]}):
            path, old = place / f"{lines}.json", json.dumps(had)
            beside = [path]

            def begin(path: Path = path, had: Any = had, old: str = old) -> None:
                path.unlink(missing_ok=True)
                if had:
                    path.write_text(old)
                    path.chmod(0o600)

            begin()
            for _ in at_every_line(lambda path=path: KeyFile(path).store_key(ORIGIN, "lgp_" + "2" * 64)):
                lines += 1
                content = json.loads(path.read_text()) if path.exists() else None
                is_new = bool(content) and content["api_key"] == "lgp_" + "2" * 64
                kept = not had or (is_new and content["mine"] == [1] and had["api_key"] in content["previous_api_keys"])
                held &= content == had or (is_new and kept)
                beside = [one for one in place.iterdir() if one.stat().st_mode & 0o077]
                held &= not beside
                KeyFile(path).update(email="after@proof.example")  # no lock is left
                begin()
    return show("credential file", f"killed at {lines} lines", held=held and lines > 50)


def log() -> bool:
    """A damaged request log is used, or exit 9 before anything is sent: never a traceback."""
    from leadgenius.errors import LeadGeniusError
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.settings import DEFAULT_WINDOWS, windows

    draw, outcomes = random.Random(4), Counter[str]()
    with folder() as place:
        whole, path = place / "whole", place / "log"
        first = RateLimiter(whole, windows(DEFAULT_WINDOWS), lambda *_: None)
        for _ in range(50):
            first.settle("key", first.acquire("key", max_wait=0, hold=60), {})
        first.close()
        for number in range(400):
            data = bytearray(whole.read_bytes())
            for _ in range(draw.choice((1, 10, 100))):
                data[draw.randrange(len(data))] = draw.randrange(256)
            path.write_bytes(data[: draw.randrange(len(data))] if number % 4 == 0 else data)
            path.chmod(0o600)
            one = RateLimiter(path, windows(DEFAULT_WINDOWS), lambda *_: None)
            try:
                one.settle("key", one.acquire("key", max_wait=0, hold=60), {})
                outcomes["used"] += 1
            except LeadGeniusError:
                outcomes["exit 9"] += 1
            except Exception as error:
                outcomes[f"leaked {type(error).__name__}"] += 1
            one.close()
    counts = [f"{count} {name}" for name, count in outcomes.items()]
    held = show("400 damaged logs", *counts, held=outcomes["exit 9"] > 0 and len(outcomes) == 2)
    return not_a_database() and held


def not_a_database() -> bool:
    with folder() as home, serving((*BULK, "100"), home) as env:
        run([*LGP, "leads", "list"], env)
        asked = [sys.executable, "-c", ASKED]
        before = run(asked, env).out
        (found,) = (home / ".local/state/leadgenius").glob("*.sqlite3")
        found.write_bytes(b"no database" * 1000)
        failed = run([*LGP, "leads", "list"], env)
        held = failed.code == 9 and before == run(asked, env).out and f"Delete {found}" in failed.err
        shutil.rmtree(found.parent)
    return show("no database", f"exit {failed.code}", "nothing sent, the file to delete named", held=held)


ASKED = "import os, urllib.request as u; print(u.urlopen(os.environ['LGP_BASE_URL'] + '/asked').read())"
