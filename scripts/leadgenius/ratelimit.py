"""Rate limits shared by every process on this machine, through one SQLite file.

A request counts from the moment it *ends*: whatever the server counts with, it has counted it by
then. While it waits or runs it counts as happening now; if its process dies, it counts from the
last moment it could have ended. The log holds no credential, only what `Client.identity` makes of
one.
"""

import math
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from leadgenius import files
from leadgenius.errors import LeadGeniusError, LocalError, RateError
from leadgenius.settings import Note, Window, iso

RECHECK = 1.0  # seconds; longest sleep before looking again, because a pause may have been lifted
LOCK_SECONDS = 2.0
_SCHEMA = """
PRAGMA synchronous = OFF;  -- a power cut loses seconds of log and nothing else
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS requests
  (id INTEGER PRIMARY KEY, credential TEXT, at REAL, until REAL, started INTEGER);
CREATE INDEX IF NOT EXISTS by_time ON requests (credential, at, started);
CREATE INDEX IF NOT EXISTS open ON requests (until) WHERE until IS NOT NULL;
CREATE TABLE IF NOT EXISTS pauses (credential TEXT PRIMARY KEY, until REAL);
COMMIT;
"""
# The end of the n-th newest request that started, or waits before this one.
_NTH = """SELECT at FROM requests WHERE credential = ? AND (started OR id < ?)
ORDER BY at DESC LIMIT 1 OFFSET ?"""
_TIMES = """SELECT credential, ifnull(pauses.until, 0), at
FROM requests LEFT JOIN pauses USING (credential) ORDER BY at"""
_RUNNING = "UPDATE requests SET at = min(max(at, ?), until) WHERE until IS NOT NULL"
MEMORY = Path(":memory:")
Times = dict[str, list[float]]
# One look at the log: the slot (0: none), the seconds until it begins, and the index of the window
# it waits for (-1: the server asked for a pause).
Look = tuple[int, float, int]
T = TypeVar("T")


def kept(seconds: float) -> float:
    """The length kept to of a window: longer than stated by the lesser of 1 s and 2 %, because
    clocks differ a little.
    """
    return seconds + min(1.0, 0.02 * seconds)


def eighth(windows: Sequence[Window]) -> list[Window]:
    """What a process keeps to that cannot see the others."""
    return [Window(max(1, limit // 8), seconds) for limit, seconds in windows]


class RateLimiter:
    """`acquire` before each request, `settle` after it; from one thread.

    `path` is the log; without one that can be used this process keeps to an eighth of the limits by
    itself. `time` has time, monotonic and sleep.
    """

    def __init__(
        self,
        path: Path,
        windows: Sequence[Window],
        on_note: Note,
        time: Any = time,
    ) -> None:
        self.path, self.windows = path, sorted(windows, key=lambda window: window.seconds)
        self._on_note, self._time = on_note, time
        self._db: sqlite3.Connection | None = None

    def acquire(self, credential: str, *, max_wait: float, hold: float) -> int:
        """Wait for a free slot and return it. RateError, before any waiting, when it would take
        more than `max_wait` seconds. `hold` is the longest the request may run: then a slot that
        nobody settles counts as ended. One that is given up while waiting is such a slot.
        """
        give_up, slot = self._time.monotonic() + max_wait, 0
        while True:
            left = max(0.0, give_up - self._time.monotonic())
            slot, wait, window = self._look(credential, slot, left, hold)
            if wait <= 0:
                return slot
            reason, seconds = "the server asked for a pause", math.ceil(wait)
            if window >= 0:
                reason = "the rate limit ({} per {:g} s)".format(*self.windows[window])
            if wait > left:
                raise RateError(
                    f"The next request may start in {seconds} s, later than --max-wait allows:"
                    f" {reason}.",
                    f"Come back at retry_at, or allow the wait with --max-wait {seconds}.",
                    retryable=True,
                    retry_after_seconds=seconds,
                    retry_at=iso(self._time.time() + wait),
                )
            self._on_note("progress", f"Waiting {seconds} s: {reason}")
            self._time.sleep(min(wait, RECHECK))

    def report(self) -> list[dict[str, Any]]:
        """A row for each credential and window: credential (its digest), limit, window_seconds,
        used, left, next_free and blocked_until (ISO times, or None).
        """
        rows = []
        for credential, (now, until, *ends) in sorted(self._times().items()):
            for limit, seconds in self.windows:
                used = [end for end in ends if end > now - kept(seconds)]
                left = max(0, limit - len(used))
                rows.append(
                    {
                        "credential": credential,
                        "limit": limit,
                        "window_seconds": seconds,
                        "used": len(used),
                        "left": left,
                        "next_free": None if left else iso(used[-limit] + kept(seconds)),
                        "blocked_until": iso(until) if until > now else None,
                    }
                )
        return rows

    def clear(self) -> int:
        """Lift every pause; returns their number."""
        lift = "DELETE FROM pauses WHERE until > ?"
        return self._run(lambda db, now: db.execute(lift, (now,)).rowcount)

    def close(self) -> None:
        """Close the log."""
        if self._db:
            self._db.close()
            self._db = None

    # ---- the SQLite log; another store overrides these

    def _times(self) -> Times:
        """For each credential: now, when its pause ends, and when its requests end, in order."""

        def work(db: sqlite3.Connection, now: float) -> Times:
            found: Times = {}
            for name, until, end in db.execute(_TIMES):
                found.setdefault(name, [now, until]).append(end)
            return found

        return self._run(work)

    def _look(self, credential: str, slot: int, left: float, hold: float) -> Look:
        """Reserve the next slot, or move `slot`, when it is at most `left` seconds away."""

        def work(db: sqlite3.Connection, now: float) -> Look:
            at, why, taken = now, -1, slot
            pause = "SELECT until FROM pauses WHERE credential = ?"
            for (until,) in db.execute(pause, (credential,)):
                at = max(now, until)
            for index, (limit, seconds) in enumerate(self.windows):
                for (newest,) in db.execute(_NTH, (credential, slot or 2**62, limit - 1)):
                    free = newest + kept(seconds)
                    if free > at:
                        at, why = free, index
            if at - now <= left:
                row = (slot or None, credential, at, at + hold, at <= now)
                made = db.execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?)", row)
                taken = made.lastrowid or 0
            return taken, at - now, why

        return self._run(work)

    def settle(self, credential: str, slot: int, pause: float) -> None:
        """The request of this slot has ended, and every process stops for `pause` seconds: an
        earlier pause is never shortened. Raises nothing.
        """
        ended = "UPDATE requests SET at = ?, until = NULL WHERE id = ? AND until IS NOT NULL"
        longer = """INSERT INTO pauses VALUES (?, ?)
            ON CONFLICT (credential) DO UPDATE SET until = max(until, excluded.until)"""

        def work(db: sqlite3.Connection, now: float) -> None:
            db.execute(ended, (now, slot))
            if pause:
                db.execute(longer, (credential, now + pause))

        with suppress(LeadGeniusError):
            self._run(work)

    def _run(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        """`work` in one transaction; in memory when there is no log that can be written to."""
        try:
            with self._db or self._opened() as db:  # commits, or rolls back
                db.execute("BEGIN IMMEDIATE")  # a deferred one fails when two processes meet
                now = self._time.time()  # read under the lock
                db.execute(_RUNNING, (now,))
                return work(db, now)
        except (LocalError, sqlite3.OperationalError) as error:
            problem = str(error)
            if "database is locked" in problem:
                raise RateError(
                    "The shared request log is locked by another process; nothing was sent.",
                    code="limiter_busy",
                    retryable=True,
                ) from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise LocalError(
                f"The request log cannot be used ({error}); nothing was sent.",
                f"Delete {self.path} and run again.",
                code="disk",
            ) from None
        self.close()
        self.path, self.windows = MEMORY, eighth(self.windows)
        self._on_note(
            "warning",
            f"The shared request log cannot be used ({problem}), so this run keeps to an eighth of"
            " the rate limits. Set LGP_STATE_DIR to a folder you can write to.",
        )
        return self._run(work)

    def _opened(self) -> sqlite3.Connection:
        if self.path is not MEMORY:
            os.close(files.open_private(self.path, os.O_RDWR | os.O_CREAT))
        self._db = db = sqlite3.connect(
            self.path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.executescript(_SCHEMA)
        # A day more than this process needs: another one may keep to longer windows.
        forget = "DELETE FROM requests WHERE at + 86400 < ?"
        db.execute(forget, (self._time.time() - self.windows[-1].seconds,))
        return db
