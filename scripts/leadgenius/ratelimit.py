"""Rate limits shared by every process on this machine, through one SQLite file.

A request counts from the moment it *ends*: whatever the server counts with, it has counted it by
then. While it waits or runs it counts as happening now; if its process dies, it counts from the
last moment it could have ended. The log holds no credential, only `identity(origin, credential)`.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from leadgenius import files
from leadgenius.errors import LeadGeniusError, LocalError, RateError
from leadgenius.retry import LONGEST_WAIT, reset_wait
from leadgenius.settings import Window, iso

RECHECK = 5.0  # seconds; longest sleep before looking again, because a pause may have been lifted
PROXY_PAUSE = 900.0  # longest pause accepted from a 429 that is not the API's own
LOCK_SECONDS = 2.0
SHARE = 8  # a process that cannot see the others keeps to this part of the limits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests
  (id INTEGER PRIMARY KEY, credential TEXT, at REAL, until REAL, started INTEGER);
CREATE INDEX IF NOT EXISTS by_time ON requests (credential, at, started);
CREATE INDEX IF NOT EXISTS open ON requests (until) WHERE until IS NOT NULL;
CREATE TABLE IF NOT EXISTS pauses (credential TEXT PRIMARY KEY, until REAL);
"""
T = TypeVar("T")


def identity(origin: str, credential: str) -> str:
    """The name of a credential in the log; it does not lead back to the credential."""
    return hashlib.sha256(f"{origin}\0{credential}".encode("utf-8", "surrogatepass")).hexdigest()[
        :32
    ]


def guarded(windows: Sequence[Window]) -> list[Window]:
    """The windows kept to: longer than stated by the lesser of 1 s and 2 %, because clocks differ a
    little.
    """
    return [Window(limit, seconds + min(1.0, 0.02 * seconds)) for limit, seconds in windows]


def eighth(windows: Sequence[Window]) -> list[Window]:
    """What a process keeps to that cannot see the others."""
    return [Window(max(1, limit // SHARE), seconds) for limit, seconds in windows]


class Look(NamedTuple):
    """One look at the log: the slot (0: none), now and the time of the slot, both epoch seconds,
    and the index of the window it waits for (-1: the server asked for a pause).
    """

    slot: int
    now: float
    at: float
    window: int


class RateLimiter:
    """`acquire` before each request, `settle` after it, `penalize` after a 429; from one thread.

    `path` is the log; with None, or a log that cannot be used, this process keeps to an eighth of
    the limits by itself. `time` has time, monotonic and sleep.
    """

    def __init__(
        self,
        path: Path | None,
        windows: Sequence[Window],
        on_note: Callable[[str, str], None],
        time: Any = time,
    ) -> None:
        self.path, self.windows = path, sorted(windows, key=lambda window: window.seconds)
        self._on_note, self._time = on_note, time
        self._alone = False  # nothing is shared
        self._db: sqlite3.Connection | None = None

    def acquire(self, credential: str, *, max_wait: float, hold: float) -> int:
        """Wait for a free slot and return it. RateError, before any waiting, when it would take
        more than `max_wait` seconds. `hold` is the longest the request may run: then a slot that
        nobody settles counts as ended.
        """
        give_up, slot = self._time.monotonic() + max_wait, 0
        try:
            while True:
                left = max(0.0, give_up - self._time.monotonic())
                look = self._look(credential, slot, left, hold)
                slot, wait = look.slot, look.at - look.now
                if wait <= 0:
                    return slot
                reason = self._reason(look.window)
                if wait > left:
                    raise _too_long(wait, look.at, reason)
                if wait > 1:
                    self._on_note("progress", f"Waiting {math.ceil(wait)} s: {reason}")
                self._time.sleep(min(wait, RECHECK))
        except BaseException:  # Ctrl-C too
            with contextlib.suppress(LeadGeniusError):
                self._withdraw(credential, slot)
            raise

    def settle(self, credential: str, slot: int, headers: Mapping[str, str]) -> None:
        """The request of this slot has ended. `headers` are the answer's: when they say that
        nothing is left, because another machine uses the key, everybody pauses until the limit is
        reset. Raises nothing.
        """
        with contextlib.suppress(LeadGeniusError):
            self._settle(credential, slot)
        wait = reset_wait(headers, self._time.time())
        if (
            wait
            and headers.get("X-RateLimit-Remaining") == "0"
            and wait <= self.windows[-1].seconds
        ):
            self.penalize(credential, wait)

    def penalize(self, credential: str, seconds: float, proxy: bool = False) -> None:
        """Stop every process for `seconds`; never shortens an earlier pause. `proxy`: the API
        itself did not ask.
        """
        with contextlib.suppress(LeadGeniusError):
            self._pause(credential, min(seconds, PROXY_PAUSE if proxy else LONGEST_WAIT))

    def report(self) -> list[dict[str, Any]]:
        """A row for each credential and window: credential (its digest), limit, window_seconds,
        used, left, next_free and blocked_until (ISO times, or None).
        """

        def work(db: sqlite3.Connection, now: float) -> list[dict[str, Any]]:
            known = db.execute(
                "SELECT credential FROM requests UNION SELECT credential FROM pauses"
            )
            count = "SELECT count(*), min(at) FROM requests WHERE credential = ? AND at > ?"
            rows = []
            for (name,) in known.fetchall():
                for window, (_, length) in zip(self.windows, guarded(self.windows), strict=True):
                    used, oldest = db.execute(count, (name, now - length)).fetchone()
                    rows.append(usage(name, window, used, oldest, _paused(db, name), now))
            return rows

        return self._run(work)

    def clear(self) -> int:
        """Lift every pause; returns their number."""

        def work(db: sqlite3.Connection, now: float) -> int:
            db.execute("DELETE FROM requests WHERE at > ?", (now,))  # of a clock that was set back
            return db.execute("DELETE FROM pauses WHERE until > ?", (now,)).rowcount

        return self._run(work)

    def close(self) -> None:
        """Close the log."""
        if self._db:
            self._db.close()
            self._db = None

    def _reason(self, window: int) -> str:
        if window < 0:
            return "the server asked for a pause"
        limit, seconds = self.windows[window]
        return f"the rate limit ({limit} per {seconds:g} s)"

    # ---- the SQLite log; another store overrides these four

    def _look(self, credential: str, slot: int, left: float, hold: float) -> Look:
        """Reserve the next slot, or move `slot`, when it is at most `left` seconds away."""

        def work(db: sqlite3.Connection, now: float) -> Look:
            at, window = max(now, _paused(db, credential)), -1
            for index, (limit, length) in enumerate(guarded(self.windows)):
                full = db.execute(
                    "SELECT at FROM requests"
                    " WHERE credential = ? AND at > ? AND (started OR id < ?)"
                    " ORDER BY at DESC LIMIT 1 OFFSET ?",
                    (credential, now - length, slot or 2**62, limit - 1),
                ).fetchone()
                if full and full[0] + length > at:
                    at, window = full[0] + length, index
            if at - now > left:
                return Look(slot, now, at, window)
            row = (slot or None, credential, at, at + hold, at <= now)
            made = db.execute(
                "INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?)", row
            ).lastrowid
            return Look(made or 0, now, at, window)

        return self._run(work)

    def _settle(self, credential: str, slot: int) -> None:
        ended = "UPDATE requests SET at = ?, until = NULL WHERE id = ? AND until IS NOT NULL"
        self._run(lambda db, now: db.execute(ended, (now, slot)))

    def _withdraw(self, credential: str, slot: int) -> None:
        self._run(lambda db, now: db.execute("DELETE FROM requests WHERE id = ?", (slot,)))

    def _pause(self, credential: str, seconds: float) -> None:
        longer = (
            "INSERT INTO pauses VALUES (?, ?)"
            " ON CONFLICT (credential) DO UPDATE SET until = max(until, excluded.until)"
        )
        self._run(lambda db, now: db.execute(longer, (credential, now + seconds)))

    def _run(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        """`work` in one transaction, with the time read under its lock."""
        try:
            with self._transaction() as (db, now):
                return work(db, now)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                message = "The shared request log is locked by another process; nothing was sent."
                raise RateError(
                    message, code="limiter_busy", hint="Run it again.", retryable=True
                ) from None
            self._use_memory(str(error))  # the disk is full or read-only
        except sqlite3.DatabaseError as error:
            message = f"The request log cannot be used ({error}); nothing was sent."
            raise LocalError(
                message, code="disk", hint=f"Delete {self.path} and run again."
            ) from None
        with self._transaction() as (db, now):
            return work(db, now)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        db = self._db or self._open()
        db.execute("BEGIN IMMEDIATE")  # a deferred one fails at once when two processes meet
        try:
            now = self._time.time()
            db.execute(
                "UPDATE requests SET at = min(max(at, ?), until) WHERE until IS NOT NULL", (now,)
            )
            yield db, now
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        try:
            if self.path and not self._alone:
                os.close(files.open_private(self.path, os.O_RDWR | os.O_CREAT))
        except LocalError as error:
            self._use_memory(error.message)
        if not self.path and not self._alone:
            self._use_memory("there is no folder for it")
        place = ":memory:" if self._alone else str(self.path)
        self._db = db = sqlite3.connect(
            place, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.execute("PRAGMA synchronous = OFF")  # a power cut loses seconds of log and nothing else
        db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
        db.execute(
            "DELETE FROM requests WHERE at < ?",
            (self._time.time() - self.windows[-1].seconds - 3600,),
        )
        return db

    def _use_memory(self, problem: str) -> None:
        self.close()
        self._alone, self.windows = True, eighth(self.windows)
        self._on_note(
            "warning",
            f"The shared request log cannot be used ({problem.rstrip('.')}), so this run keeps to"
            " an eighth of the rate limits. Set LGP_STATE_DIR to a folder you can write to.",
        )


def usage(
    credential: str, window: Window, used: int, oldest: float | None, until: float, now: float
) -> dict[str, Any]:
    """One row of a report. `oldest` is the time of the oldest counted request."""
    limit, seconds = window
    free = guarded([window])[0].seconds + (oldest or now)
    facts = {"credential": credential, "limit": limit, "window_seconds": seconds, "used": used}
    next_free, blocked = iso(free) if used >= limit else None, iso(until) if until > now else None
    return facts | {"left": max(0, limit - used), "next_free": next_free, "blocked_until": blocked}


def _paused(db: sqlite3.Connection, credential: str) -> float:
    row = db.execute("SELECT until FROM pauses WHERE credential = ?", (credential,)).fetchone()
    return float(row[0]) if row else 0.0


def _too_long(wait: float, at: float, reason: str) -> RateError:
    seconds = math.ceil(wait)
    return RateError(
        f"The next request may start in {seconds} s, later than --max-wait allows: {reason}.",
        hint=f"Come back at retry_at, or allow the wait with --max-wait {seconds}.",
        retryable=True,
        retry_after_seconds=seconds,
        retry_at=iso(at),
    )
