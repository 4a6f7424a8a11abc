"""The log of requests that all processes of one machine share, so that together they stay under the rate limit.

The rule (references/api_reference.md#rate-limits-and-retries): a sliding log stamped at *completion*. Whatever the
server counts with (fixed windows of any phase, a sliding log, a full token bucket), it counted a request before that
request ended; so waiting one window from the stamp is always enough. Windows are a little longer than stated.

State is one SQLite file. It never holds a credential, only `identity(origin, credential)`.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from leadgenius.errors import LeadGeniusError, RateError, UsageError
from leadgenius.request_log import RequestLog

DEFAULT_WINDOWS = "60/60,1000/3600,10000/86400"
DAY = 86_400.0
PROXY_PAUSE = 900.0  # the longest pause believed from a 429 that is not the API's own
STEP = 5.0  # the longest sleep before looking again: a pause may have been cleared, an earlier place given up
GRACE = 10.0  # how late a sleeper may wake before its place counts as abandoned
LONE_SHARE = 8  # without a shared log each process takes this part of the limits

# slots: one row per request, in the order of asking (id). `stamp` is when it counts: the completion when settled, the
# moment of looking while flying, the planned start while reserved. `made` is when the row was last written: later than
# now means that the clock was set back. `expires` is set until a row is settled: its process died, if it comes to that.
# `span` is set on rows that count in the window of that many seconds alone.
# The index holds all columns the search reads, so ten thousand rows of the day window are walked without the table.
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS slots (id INTEGER PRIMARY KEY, credential TEXT NOT NULL, owner TEXT NOT NULL,
       state TEXT NOT NULL, stamp REAL NOT NULL, made REAL NOT NULL, expires REAL, span REAL)""",
    "CREATE INDEX IF NOT EXISTS by_stamp ON slots (credential, stamp, state, span)",
    "CREATE INDEX IF NOT EXISTS alive ON slots (expires) WHERE expires IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS blocks (credential TEXT PRIMARY KEY, until REAL NOT NULL, made REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS said (credential TEXT PRIMARY KEY, most INT, remaining INT, reset INT, at REAL)",
)


class Window(NamedTuple):
    """At most `limit` requests in any `seconds`."""

    limit: int
    seconds: float

    @property
    def guarded(self) -> float:
        """Seconds that we keep to: longer than stated by the lesser of one second and two per cent."""
        return self.seconds + min(1.0, 0.02 * self.seconds)


class Windows(tuple[Window, ...]):
    """All windows of one rate limit; they are decided together."""

    @classmethod
    def parse(cls, text: str) -> Windows:
        """`60/60,1000/3600` (requests/seconds, the form of LGP_RATE_LIMITS). Raises UsageError on anything else."""
        return cls(cls._window(part, at) for at, part in enumerate(text.split(","), 1))

    @staticmethod
    def _window(part: str, at: int) -> Window:
        # ASCII digits, nine at most: int() takes digits of any script, and refuses thousands of them in its own way
        found = re.fullmatch(r"\s*0*([1-9][0-9]{0,8})\s*/\s*0*([1-9][0-9]{0,8})\s*", part)
        if not found:
            raise UsageError(
                f"LGP_RATE_LIMITS: part {at} is not requests/seconds, two whole numbers from 1 to 999999999",
                hint=f"for example LGP_RATE_LIMITS={DEFAULT_WINDOWS}",
            )
        return Window(int(found[1]), float(found[2]))

    def divided(self, share: int) -> Windows:
        """The part of one among `share` that cannot see each other: at least one request per window."""
        return Windows(Window(max(1, window.limit // share), window.seconds) for window in self)


class _Verdict(NamedTuple):
    """One look at the log: `slot` (0: none), seconds still to `wait` (0: go), the epoch time, and what it is for."""

    slot: int
    wait: float
    at: float
    reason: str


def identity(origin: str, credential: str) -> str:
    """The name of a credential in the log: 32 hex characters that do not lead back to it."""
    return hashlib.sha256(f"{origin}\0{credential}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class RateLimiter:
    """Slots of the shared limit. `acquire` before each request, `settle` after it, `penalize` after a 429.

    `path` is the log's file (None: no state directory); its directory is made if need be. A log that cannot be used
    is replaced by one in memory at an eighth of the limits, with one warning. `share` divides the limits among so
    many machines. `clock` gives epoch seconds, `monotonic` measures waits, `lock_timeout` is in seconds, and `notes`
    takes a level (note, warning) and a sentence. Use it from one thread; a forked child opens its own connection.
    """

    def __init__(
        self,
        path: Path | None,
        windows: Windows,
        *,
        share: int = 1,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        lock_timeout: float = 2.0,
        notes: Callable[[str, str], None] = lambda level, message: None,
    ) -> None:
        self._stated = windows
        self._share, self._windows = share, windows.divided(share)
        self._clock, self._monotonic, self._sleep, self._notes = clock, monotonic, sleep, notes
        self._log = RequestLog(path, SCHEMA, clock=clock, lock_timeout=lock_timeout, lost=self._log_lost, notes=notes)
        self._flying: dict[int, tuple[str, float]] = {}

    def __enter__(self) -> RateLimiter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Slots still in flight stay in it and count until they expire."""
        self._log.close()

    # ---- the three calls around a request

    def acquire(self, credential_id: str, *, max_wait: float, hold: float) -> int:
        """Take the next slot, sleeping up to `max_wait` seconds for it, and return its id for `settle`.

        `hold` is the longest the request may fly, in seconds: a slot that nobody settles counts as ended then.
        Raises RateError: `rate_limited` with `retry_after_seconds` and `retry_at` when the wait would be longer (it
        is not begun), `limiter_busy` when the log stays locked. Nothing was sent then, and no place is kept.
        """
        started, slot, told = self._monotonic(), 0, False
        try:
            while True:
                left = max_wait - (self._monotonic() - started)
                verdict = self._log.run(self._look, credential_id, slot, left, hold)
                slot = verdict.slot
                if not verdict.wait:
                    self._flying[slot] = (credential_id, verdict.at)
                    return slot
                if verdict.wait > left:
                    raise _too_long(verdict)
                told = told or self._tell(verdict)
                self._sleep(min(verdict.wait, STEP))
        except BaseException:
            self._withdraw(slot)
            raise

    def settle(self, slot: int, headers: Mapping[str, str]) -> None:
        """The request of this slot has ended, well or badly; call it once the last byte is there.

        `headers` are those of the answer (empty without one). X-RateLimit headers tighten the log where the server
        counted more than it did, never loosen it; absurd ones are ignored. Raises nothing: the request is done, and
        a log that cannot be written now lets the slot count until it expires.
        """
        credential, sent = self._flying.pop(slot, ("", 0.0))
        if credential:
            with contextlib.suppress(RateError):
                self._log.run(self._settle, slot, credential, sent, headers)

    def penalize(self, credential_id: str, seconds: float, *, proxy: bool) -> None:
        """Keep every process away for `seconds`; `proxy`: the 429 was not the API's own JSON, so 15 minutes at most.

        Never shortens an earlier pause. Raises nothing, for the reason of `settle`.
        """
        if seconds > 0:  # false for nan too
            with contextlib.suppress(RateError):
                self._log.run(self._block, credential_id, min(seconds, PROXY_PAUSE if proxy else DAY))

    # ---- the `limits` command

    def report(self) -> list[dict[str, Any]]:
        """One dict per credential id and window: `credential`, `window_seconds`, `limit`, `counted` (requests of
        ours, ended or in flight), `waiting` (places reserved), `server` (limit, remaining, reset and at as the server
        last told, or None; it speaks of the shortest window), `blocked_until` (ISO 8601 or None).

        Raises RateError `limiter_busy`.
        """
        return self._log.run(self._report)

    def clear(self) -> int:
        """Forget all pauses and all that servers said; requests counted here stay. Returns the pauses lifted.

        Raises RateError `limiter_busy`.
        """
        return self._log.run(self._clear)

    # ---- decisions: each runs in one transaction, with the time read under its lock

    def _look(
        self, db: sqlite3.Connection, now: float, credential: str, slot: int, left: float, hold: float
    ) -> _Verdict:
        """Go if free; else keep (or take) a place in the queue; else, the wait being too long, leave it."""
        _tidy(db, now, credential, self._windows)
        slot = self._still_mine(db, slot)
        at, reason = self._earliest(db, now, credential, slot)
        wait = max(0.0, at - now)
        if wait > left:
            db.execute("DELETE FROM slots WHERE id = ?", (slot,))
            return _Verdict(0, wait, at, reason)
        if not wait:
            return _Verdict(self._write(db, slot, credential, "flying", now, now, now + hold), 0.0, now, reason)
        wake = now + min(wait, STEP)
        return _Verdict(self._write(db, slot, credential, "reserved", at, now, wake + GRACE), wait, at, reason)

    def _still_mine(self, db: sqlite3.Connection, slot: int) -> int:
        """0 when the place was given up (this process slept too long), or the log was replaced meanwhile."""
        mine = "SELECT id FROM slots WHERE id = ? AND owner = ? AND state = 'reserved'"
        found = db.execute(mine, (slot, self._log.owner)).fetchone()
        return slot if found else 0

    def _earliest(self, db: sqlite3.Connection, now: float, credential: str, slot: int) -> tuple[float, str]:
        """When the request may start: now or earlier means at once. The one rule, for planning and for going.

        In each window the limit-th newest row must have left it. Rows count if settled, flying, or reserved by one
        that asked earlier (ids grow), so nobody overtakes and a place pushed back stays in front.
        """
        row = db.execute("SELECT until FROM blocks WHERE credential = ?", (credential,)).fetchone()
        found = (row[0], "the server asked for a pause") if row else (now, "")
        for window in self._windows:
            row = db.execute(
                """SELECT stamp FROM slots WHERE credential = ? AND stamp > ? AND (span IS NULL OR span = ?)
                   AND (state <> 'reserved' OR id < ?) ORDER BY stamp DESC LIMIT 1 OFFSET ?""",
                (credential, now - window.guarded - 1.0, window.seconds, slot or 2**62, window.limit - 1),
            ).fetchone()
            if row and row[0] + window.guarded > found[0]:
                found = (row[0] + window.guarded, f"the rate limit ({window.limit} per {window.seconds:g} s)")
        return found

    def _write(
        self,
        db: sqlite3.Connection,
        slot: int,
        credential: str,
        state: str,
        stamp: float,
        now: float,
        expires: float | None,
    ) -> int:
        row = (slot or None, credential, self._log.owner, state, stamp, now, expires)
        made = db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", row)
        return made.lastrowid or slot

    def _settle(
        self, db: sqlite3.Connection, now: float, slot: int, credential: str, sent: float, headers: Mapping[str, str]
    ) -> None:
        """Also a slot that another process took for abandoned, or that a lost log knew, counts from now."""
        mine = db.execute("SELECT 1 FROM slots WHERE id = ? AND owner = ?", (slot, self._log.owner)).fetchone()
        self._write(db, slot if mine else 0, credential, "settled", now, now, None)
        self._listen(db, now, credential, sent, headers)

    def _listen(
        self, db: sqlite3.Connection, now: float, credential: str, sent: float, headers: Mapping[str, str]
    ) -> None:
        """Requests that the server counted and we did not (another machine's) become rows of the shortest window.

        Ours are counted as of `sent`: the header's number may be as old as that, and requests that have left our
        window since then were still in the server's.
        """
        most, remaining, reset = (_count(headers, f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))
        if most is None and remaining is None:
            return
        db.execute("INSERT OR REPLACE INTO said VALUES (?, ?, ?, ?, ?)", (credential, most, remaining, reset, now))
        if remaining is not None:
            window = min(self._windows, key=lambda window: window.seconds)
            unknown = window.limit - remaining - _counted(db, credential, window, sent)
            row = (credential, now, now, window.seconds)
            sql = "INSERT INTO slots VALUES (NULL, ?, '', 'settled', ?, ?, NULL, ?)"
            db.executemany(sql, [row] * unknown)

    def _leave(self, db: sqlite3.Connection, now: float, slot: int) -> None:
        db.execute("DELETE FROM slots WHERE id = ? AND owner = ?", (slot, self._log.owner))

    def _block(self, db: sqlite3.Connection, now: float, credential: str, seconds: float) -> None:
        db.execute(
            """INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT (credential) DO UPDATE
               SET until = excluded.until, made = excluded.made WHERE excluded.until > until""",
            (credential, now + seconds, now),
        )

    def _report(self, db: sqlite3.Connection, now: float) -> list[dict[str, Any]]:
        every = "SELECT credential FROM slots UNION SELECT credential FROM blocks UNION SELECT credential FROM said"
        rows: list[dict[str, Any]] = []
        for (credential,) in db.execute(every + " ORDER BY 1").fetchall():
            _tidy(db, now, credential, self._windows)
            rows += [self._line(db, now, credential, window) for window in self._windows]
        return rows

    def _line(self, db: sqlite3.Connection, now: float, credential: str, window: Window) -> dict[str, Any]:
        until = db.execute("SELECT until FROM blocks WHERE credential = ?", (credential,)).fetchone()
        waiting = "SELECT count(*) FROM slots WHERE credential = ? AND state = 'reserved'"
        shortest = window == min(self._windows, key=lambda window: window.seconds)
        return {
            "credential": credential,
            "window_seconds": window.seconds,
            "limit": window.limit,
            "counted": _counted(db, credential, window, now, own=True),
            "waiting": db.execute(waiting, (credential,)).fetchone()[0],
            "server": _last_said(db, credential) if shortest else None,
            "blocked_until": _iso(until[0]) if until else None,
        }

    def _clear(self, db: sqlite3.Connection, now: float) -> int:
        db.execute("DELETE FROM said")
        db.execute("DELETE FROM slots WHERE span IS NOT NULL")
        return db.execute("DELETE FROM blocks WHERE until > ?", (now,)).rowcount

    # ---- beside the log

    def _tell(self, verdict: _Verdict) -> bool:
        if verdict.wait > 1.0:
            self._notes("note", f"waiting {math.ceil(verdict.wait)} s: {verdict.reason}")
        return verdict.wait > 1.0

    def _withdraw(self, slot: int) -> None:
        """Best effort: an abandoned place is given up by the others after GRACE, and a flying one expires."""
        if slot and slot not in self._flying:
            with contextlib.suppress(LeadGeniusError, sqlite3.Error):
                self._log.run(self._leave, slot)

    def _log_lost(self) -> None:
        self._windows = self._stated.divided(max(LONE_SHARE, self._share))


def _tidy(db: sqlite3.Connection, now: float, credential: str, windows: Windows) -> None:
    """Bring the rows to `now`, so that `stamp` alone decides; drop what no longer counts."""
    # written later than now: the clock was set back, so take it as written now. (No stamp is older than its `made`,
    # so the index on stamps finds such rows without reading the others.)
    db.execute(
        """UPDATE slots SET stamp = stamp - (made - ?1), expires = expires - (made - ?1), made = ?1
           WHERE credential = ?2 AND stamp > ?1 AND made > ?1""",
        (now, credential),
    )
    db.execute("UPDATE blocks SET until = until - (made - ?1), made = ?1 WHERE made > ?1", (now,))
    db.execute("DELETE FROM blocks WHERE until <= ?", (now,))
    # nobody settled it in the time it had: its process died, and the request ended then at the latest
    ended = (
        "UPDATE slots SET state = 'settled', stamp = expires, expires = NULL WHERE state = 'flying' AND expires <= ?"
    )
    db.execute(ended, (now,))
    db.execute("DELETE FROM slots WHERE state = 'reserved' AND expires <= ?", (now,))
    # in flight, or late in waking: it may reach the server now, so it counts as now
    db.execute("UPDATE slots SET stamp = ?1 WHERE expires > ?1 AND (state = 'flying' OR stamp < ?1)", (now,))
    # a day at least, whatever our own windows are: another process may be told of longer ones
    kept = max([DAY, *(window.guarded for window in windows)]) + DAY / 24
    db.execute("DELETE FROM slots WHERE credential = ? AND stamp < ?", (credential, now - kept))


def _counted(db: sqlite3.Connection, credential: str, window: Window, since: float, *, own: bool = False) -> int:
    """Requests, ended or in flight, that the window ending at `since` or later holds; `own`: only those made here."""
    sql = """SELECT count(*) FROM slots WHERE credential = ? AND state <> 'reserved' AND stamp > ?
             AND (span IS NULL OR (span = ? AND NOT ?))"""
    found = db.execute(sql, (credential, since - window.guarded, window.seconds, own)).fetchone()
    return int(found[0])


def _last_said(db: sqlite3.Connection, credential: str) -> dict[str, Any] | None:
    sql = "SELECT most, remaining, reset, at FROM said WHERE credential = ?"
    row = db.execute(sql, (credential,)).fetchone()
    return dict(zip(("limit", "remaining", "reset", "at"), (*row[:3], _iso(row[3])), strict=True)) if row else None


def _count(headers: Mapping[str, str], name: str) -> int | None:
    """A plain whole number of at most ten ASCII digits; anything else is not worth believing."""
    text = str(headers.get(name, "")).strip()
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None


def _too_long(verdict: _Verdict) -> RateError:
    seconds = math.ceil(verdict.wait)
    return RateError(
        f"{verdict.reason}: the next request may start in {seconds} s, later than allowed",
        hint=f"run it again in {seconds} s, or allow the wait with --max-wait {seconds}",
        retryable=True,
        retry_after_seconds=seconds,
        retry_at=_iso(verdict.at),
    )


def _iso(moment: float) -> str:
    """ISO 8601, UTC, milliseconds rounded up: a time to come back at must not be too early."""
    at = datetime.fromtimestamp(math.ceil(moment * 1000) / 1000, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
