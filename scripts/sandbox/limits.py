"""Rate limits: how many calls a credential has left. The log lies in the database, so it holds over processes.

Grammar: `60/60,1000/3600,10000/86400`, requests/seconds, a sliding log of admitted calls. `fixed:` in front makes
them fixed windows counted from the epoch. Refused calls are not counted (references/api_reference.md#rate-limits).
"""

from __future__ import annotations

import math
import re
import sqlite3
from dataclasses import dataclass

DEFAULT = "60/60,1000/3600,10000/86400"
NAMES = {60: "minute", 3600: "hour", 86400: "day"}


@dataclass(frozen=True)
class Window:
    most: int
    seconds: int

    @property
    def name(self) -> str:
        return NAMES.get(self.seconds, f"{self.seconds} second")


@dataclass(frozen=True)
class Allowance:
    """What is left of the shortest window after this call; `blocked_by` names the window that refuses the call."""

    limit: int
    remaining: int
    reset: int  # epoch seconds
    retry_after: int = 0
    blocked_by: str = ""

    def headers(self) -> list[tuple[str, str]]:
        return [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Reset", str(self.reset)),
        ]


@dataclass(frozen=True)
class Limits:
    windows: tuple[Window, ...]  # shortest first
    fixed: bool = False

    @classmethod
    def parse(cls, words: str) -> Limits:
        """Raises ValueError with a sentence that names the grammar."""
        fixed = words.strip().startswith("fixed:")
        parts = [part.strip() for part in words.strip().removeprefix("fixed:").split(",")]
        if not all(re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", part) for part in parts):
            raise ValueError(f"rate limits must look like {DEFAULT} (requests/seconds), or the same after fixed:")
        windows = [Window(*map(int, part.split("/"))) for part in parts]
        if any(window.most < 1 or window.seconds < 1 for window in windows):
            raise ValueError("rate limits: requests and seconds must both be 1 or more")
        return cls(tuple(sorted(windows, key=lambda window: window.seconds)), fixed)

    def untouched(self, now: float) -> Allowance:
        """The allowance told to a caller whose calls are not counted: nobody yet, or limits are off."""
        first = self.windows[0]
        return Allowance(first.most, first.most, math.ceil(now + first.seconds))

    def take(self, db: sqlite3.Connection, credential: str, now: float) -> Allowance:
        """Admit and record this call, or say when to come back. Runs inside a writing transaction."""
        # Rows from the future are left by a clock that was set back; they must not block anybody.
        longest = self.windows[-1].seconds
        query = "DELETE FROM calls WHERE credential = ? AND (at <= ? OR at > ?)"
        db.execute(query, (credential, now - longest, now + 60))
        ends = [self._full_until(db, credential, window, now) for window in self.windows]
        until = max(ends)
        if until <= now:
            db.execute("INSERT INTO calls(credential, at) VALUES (?, ?)", (credential, now))
            return self._left(db, credential, now)
        left = self._left(db, credential, now)
        window = self.windows[ends.index(until)]
        wait = max(1, math.ceil(until - now))
        return Allowance(left.limit, left.remaining, left.reset, wait, window.name)

    def _start(self, window: Window, now: float) -> float:
        return now // window.seconds * window.seconds if self.fixed else now - window.seconds

    def _full_until(self, db: sqlite3.Connection, credential: str, window: Window, now: float) -> float:
        """When the window has room again; in the past, or 0, if it has room now."""
        query = "SELECT at FROM calls WHERE credential = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
        row = db.execute(query, (credential, window.most - 1)).fetchone()
        if row is None:
            return 0.0
        start = self._start(window, now)
        if self.fixed:
            return start + window.seconds if row["at"] >= start else 0.0
        return float(row["at"]) + window.seconds

    def _left(self, db: sqlite3.Connection, credential: str, now: float) -> Allowance:
        first = self.windows[0]
        start = self._start(first, now)
        since = "at >= ?" if self.fixed else "at > ?"
        query = f"SELECT count(*) AS used, min(at) AS oldest FROM calls WHERE credential = ? AND {since}"  # noqa: S608
        row = db.execute(query, (credential, start)).fetchone()
        reset = (start if self.fixed else (row["oldest"] or now)) + first.seconds
        return Allowance(first.most, max(0, first.most - row["used"]), math.ceil(reset))
