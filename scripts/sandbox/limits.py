"""Rate limits: how many calls a credential has left. The log lies in the database, so it holds over
processes.

A sliding log of admitted calls, or with `fixed:` in front of the limits, fixed windows counted from
the epoch. Refused calls are not counted (references/api_reference.md#rate-limits).
"""

from __future__ import annotations

import math
import sqlite3
from typing import NamedTuple

from leadgenius.settings import DEFAULT_WINDOWS, Window, windows

NAMES = {60.0: "minute", 3600.0: "hour", 86400.0: "day"}


class Allowance(NamedTuple):
    """What is left of the shortest window after this call.

    `blocked_by` names the window that refuses the call.
    """

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


class Limits:
    """The windows of `60/60,1000/3600` (requests/seconds) or `fixed:60/60,…`.

    Raises ValueError for other texts.
    """

    def __init__(self, text: str = "") -> None:
        text = text.strip() or DEFAULT_WINDOWS
        self.fixed = text.startswith("fixed:")
        try:
            found = windows(text.removeprefix("fixed:"))
        except ValueError as error:
            raise ValueError(
                f"rate limits must look like {DEFAULT_WINDOWS} or fixed:60/60, not {text!r}"
            ) from error
        self.windows = sorted(found, key=lambda window: window.seconds)

    def untouched(self, now: float) -> Allowance:
        """The allowance of a caller whose calls are not counted, as there is no credential."""
        first = self.windows[0]
        return Allowance(first.limit, first.limit, math.ceil(now + first.seconds))

    def take(self, db: sqlite3.Connection, credential: str, now: float) -> Allowance:
        """Admit and record this call, or say when to come back.

        Runs inside a writing transaction.
        """
        # Rows from the future are left by a clock that was set back; they must not block anybody.
        longest = self.windows[-1].seconds
        query = "DELETE FROM calls WHERE credential = ? AND (at <= ? OR at > ?)"
        db.execute(query, (credential, now - longest, now + 60))
        until, name = max(self._room(db, credential, window) for window in self.windows)
        if until <= now:
            db.execute("INSERT INTO calls(credential, at) VALUES (?, ?)", (credential, now))
            return self._left(db, credential, now)
        wait = max(1, math.ceil(until - now))
        return self._left(db, credential, now)._replace(retry_after=wait, blocked_by=name)

    def _end(self, at: float, window: Window) -> float:
        """When a call made then no longer counts in the window."""
        seconds = window.seconds
        return (at // seconds + 1) * seconds if self.fixed else at + seconds

    def _room(self, db: sqlite3.Connection, credential: str, window: Window) -> tuple[float, str]:
        """When the window has room again, in the past if it has room now; and its name."""
        query = "SELECT at FROM calls WHERE credential = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
        row = db.execute(query, (credential, window.limit - 1)).fetchone()
        name = NAMES.get(window.seconds, f"{window.seconds:g} second")
        return (self._end(row["at"], window) if row else 0.0), name

    def _left(self, db: sqlite3.Connection, credential: str, now: float) -> Allowance:
        first = self.windows[0]
        query = "SELECT at FROM calls WHERE credential = ? ORDER BY at DESC LIMIT ?"
        rows = db.execute(query, (credential, first.limit))
        ends = [end for row in rows if (end := self._end(row["at"], first)) > now]
        reset = min(ends, default=self._end(now, first))
        return Allowance(first.limit, first.limit - len(ends), math.ceil(reset))
