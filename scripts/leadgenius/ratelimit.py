"""Rate limits shared by every process on this machine, through one SQLite file.

A request counts from the moment it *ends*: whatever the server counts with, it has counted it by then. While it waits
or runs it counts as happening now; if its process dies, it counts from the last moment it could have ended. The log
holds no credential, only `identity(origin, credential)`.
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
SHARE = 8  # processes that cannot see each other keep to this part of the limits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, credential TEXT, at REAL, until REAL, started INTEGER);
CREATE INDEX IF NOT EXISTS by_time ON requests (credential, at, started);
CREATE INDEX IF NOT EXISTS open ON requests (until) WHERE until IS NOT NULL;
CREATE TABLE IF NOT EXISTS pauses (credential TEXT PRIMARY KEY, until REAL);
"""
T = TypeVar("T")


def identity(origin: str, credential: str) -> str:
    """The name of a credential in the log; it does not lead back to the credential."""
    return hashlib.sha256(f"{origin}\0{credential}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def guarded(windows: Sequence[Window]) -> list[Window]:
    """The windows kept to: longer than stated by the lesser of 1 s and 2 %, because clocks differ a little."""
    return [Window(limit, seconds + min(1.0, 0.02 * seconds)) for limit, seconds in windows]


def shared(windows: Sequence[Window]) -> tuple[Window, ...]:
    """An eighth of the limits."""
    return tuple(Window(max(1, limit // SHARE), seconds) for limit, seconds in windows)


class Look(NamedTuple):
    """One look at the log: the slot (0: none yet), now and the time of the slot, both epoch seconds, and the window
    that it waits for (an index; -1: the server asked for a pause)."""

    slot: int
    now: float
    at: float
    window: int


class Limiter:
    """`acquire` before each request, `settle` after it, `penalize` after a 429. One thread. Stores derive from it."""

    def __init__(
        self,
        windows: Sequence[Window],
        on_note: Callable[[str, str], None] = lambda level, message: None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.windows = tuple(windows)
        self._on_note, self._clock, self._monotonic, self._sleep = on_note, clock, monotonic, sleep

    def acquire(self, credential: str, *, max_wait: float, hold: float) -> int:
        """Wait for a free slot and return it. RateError, before any waiting, when it would take more than `max_wait`
        seconds. `hold` is the longest the request may run: then a slot that nobody settles counts as ended.
        """
        give_up, slot = self._monotonic() + max_wait, 0
        try:
            while True:
                left = max(0.0, give_up - self._monotonic())
                look = self._look(credential, slot, left, hold)
                slot, wait = look.slot or slot, look.at - look.now
                if wait <= 0:
                    return slot
                reason = "the server asked for a pause"
                if look.window >= 0:
                    limit, seconds = self.windows[look.window]
                    reason = f"the rate limit ({limit} per {seconds:g} s)"
                if wait > left:
                    raise _too_long(wait, look.at, reason)
                if wait > 1:
                    self._on_note("progress", f"Waiting {math.ceil(wait)} s: {reason}")
                self._sleep(min(wait, RECHECK))
        except BaseException:  # Ctrl-C too
            if slot:
                with contextlib.suppress(LeadGeniusError):
                    self._withdraw(credential, slot)
            raise

    def settle(self, credential: str, slot: int, headers: Mapping[str, str]) -> None:
        """The request of this slot has ended. `headers` are the answer's: when they say that nothing is left, because
        another machine uses the key, everybody pauses until the limit is reset. Raises nothing.
        """
        with contextlib.suppress(LeadGeniusError):
            self._settle(credential, slot)
        wait = reset_wait(headers, self._clock()) if headers.get("X-RateLimit-Remaining") == "0" else None
        if wait and wait <= max(seconds for _, seconds in self.windows):
            self.penalize(credential, wait)

    def penalize(self, credential: str, seconds: float, proxy: bool = False) -> None:
        """Stop every process for `seconds`; never shortens an earlier pause. `proxy`: the API itself did not ask."""
        with contextlib.suppress(LeadGeniusError):
            self._pause(credential, min(seconds, PROXY_PAUSE if proxy else LONGEST_WAIT))

    def report(self) -> list[dict[str, Any]]:
        """A row for each credential and window: credential (its digest), limit, window_seconds, used, left,
        next_free and blocked_until (ISO times, or None)."""
        raise NotImplementedError

    def clear(self) -> int:
        """Lift every pause; returns their number."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the log."""

    def _look(self, credential: str, slot: int, left: float, hold: float) -> Look:
        """Reserve the next slot when it is at most `left` seconds away."""
        raise NotImplementedError

    def _settle(self, credential: str, slot: int) -> None:
        raise NotImplementedError

    def _withdraw(self, credential: str, slot: int) -> None:
        raise NotImplementedError

    def _pause(self, credential: str, seconds: float) -> None:
        raise NotImplementedError


class RateLimiter(Limiter):
    """The log at `path`. None, or one that cannot be used: this process keeps to an eighth of the limits by itself."""

    def __init__(self, path: Path | None, windows: Sequence[Window], *args: Any, **more: Any) -> None:
        super().__init__(windows, *args, **more)
        self.path = path
        self._alone = False  # nothing is shared
        self._db: sqlite3.Connection | None = None

    def report(self) -> list[dict[str, Any]]:
        return self._run(self._rows)

    def clear(self) -> int:
        def work(db: sqlite3.Connection, now: float) -> int:
            db.execute("DELETE FROM requests WHERE at > ?", (now,))  # of a clock that was set back
            return db.execute("DELETE FROM pauses WHERE until > ?", (now,)).rowcount

        return self._run(work)

    def close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def blocked(self, credential: str) -> float:
        """Seconds until a pause ends, 0 without one."""
        return self._run(lambda db, now: max(0.0, _paused(db, credential) - now))

    def _look(self, credential: str, slot: int, left: float, hold: float) -> Look:
        def work(db: sqlite3.Connection, now: float) -> Look:
            at, window = self._earliest(db, credential, slot, now)
            if at - now > left:
                return Look(slot, now, at, window)
            row = (slot or None, credential, at, at + hold, at <= now)
            made = db.execute("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?)", row).lastrowid
            return Look(made or 0, now, at, window)

        return self._run(work)

    def _earliest(self, db: sqlite3.Connection, credential: str, slot: int, now: float) -> tuple[float, int]:
        """When the next request may start, and what it waits for."""
        at, window = max(now, _paused(db, credential)), -1
        for index, (limit, length) in enumerate(guarded(self.windows)):
            full = db.execute(
                "SELECT at FROM requests WHERE credential = ? AND at > ? AND (started OR id < ?)"
                " ORDER BY at DESC LIMIT 1 OFFSET ?",
                (credential, now - length, slot or 2**62, limit - 1),
            ).fetchone()
            if full and full[0] + length > at:
                at, window = full[0] + length, index
        return at, window

    def _settle(self, credential: str, slot: int) -> None:
        ended = "UPDATE requests SET at = ?, until = NULL WHERE id = ? AND until IS NOT NULL"
        self._run(lambda db, now: db.execute(ended, (now, slot)))

    def _withdraw(self, credential: str, slot: int) -> None:
        self._run(lambda db, now: db.execute("DELETE FROM requests WHERE id = ?", (slot,)))

    def _pause(self, credential: str, seconds: float) -> None:
        longer = "INSERT INTO pauses VALUES (?, ?) ON CONFLICT (credential) DO UPDATE SET until = max(until, excluded.until)"
        self._run(lambda db, now: db.execute(longer, (credential, now + seconds)))

    def _rows(self, db: sqlite3.Connection, now: float) -> list[dict[str, Any]]:
        rows = []
        known = db.execute("SELECT credential FROM requests UNION SELECT credential FROM pauses").fetchall()
        for (credential,) in known:
            until = _paused(db, credential)
            for (limit, seconds), (_, length) in zip(self.windows, guarded(self.windows), strict=True):
                counted = "SELECT count(*), min(at) FROM requests WHERE credential = ? AND at > ?"
                used, oldest = db.execute(counted, (credential, now - length)).fetchone()
                rows.append(usage(credential, limit, seconds, used, (oldest or now) + length, until, now))
        return rows

    def _run(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        """`work` in one transaction, with the time read under its lock."""
        try:
            with self._transaction() as (db, now):
                return work(db, now)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                message = "The shared request log is locked by another process; nothing was sent."
                raise RateError(message, code="limiter_busy", hint="Run it again.", retryable=True) from None
            self._use_memory(str(error))  # a disk that is full or read-only
        except sqlite3.DatabaseError as error:
            message = f"The request log cannot be used ({error}); nothing was sent."
            raise LocalError(message, code="disk", hint=f"Delete {self.path} and run again.") from None
        with self._transaction() as (db, now):
            return work(db, now)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        db = self._db or self._open()
        db.execute("BEGIN IMMEDIATE")  # a deferred one fails at once when two processes meet
        try:
            now = self._clock()
            db.execute("UPDATE requests SET at = min(max(at, ?), until) WHERE until IS NOT NULL", (now,))
            yield db, now
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        if not self._alone:
            try:
                if self.path is None:
                    raise LocalError("there is no folder for it")
                os.close(files.open_private(self.path, os.O_RDWR | os.O_CREAT))
            except LocalError as error:
                self._use_memory(error.message)
        self._db = sqlite3.connect(
            ":memory:" if self._alone else str(self.path), timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA synchronous = OFF")  # a power cut loses seconds of log and nothing else
        self._db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
        self._db.execute("DELETE FROM requests WHERE at < ?", (self._clock() - 90_000,))
        return self._db

    def _use_memory(self, problem: str) -> None:
        self.close()
        self._alone, self.windows = True, shared(self.windows)
        self._on_note(
            "warning",
            f"The shared request log cannot be used ({problem.rstrip('.')}), so this run keeps to an eighth of the"
            " rate limits. Set LGP_STATE_DIR to a folder you can write to.",
        )


def usage(
    credential: str, limit: int, seconds: float, used: int, free: float, until: float, now: float
) -> dict[str, Any]:
    """One row of a report. `free` is when the oldest counted request leaves the window."""
    return {
        "credential": credential,
        "limit": limit,
        "window_seconds": seconds,
        "used": used,
        "left": max(0, limit - used),
        "next_free": iso(free) if used >= limit else None,
        "blocked_until": iso(until) if until > now else None,
    }


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
