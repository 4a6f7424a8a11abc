"""What the request log holds, and the rule that decides from it when the next request may start."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadgenius.windows import Window, Windows, iso

DAY = 86_400.0

# slots: one row per request, in the order of asking (id). `stamp` is when it counts: the completion when settled, the
# moment of looking while flying, the planned start while reserved. `made` is when the row was last written: later than
# now means that the clock was set back. `expires` is set until the row is settled, because its process may die.
# The index holds all columns the search reads, so ten thousand rows of the day window are walked without the table.
# blocks: a pause that a 429 asked for. said: the server's last word, for people. caps: at most `most` requests in the
# window of `span` seconds for now, because the server counted some that we know nothing of.
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS slots (id INTEGER PRIMARY KEY, credential TEXT NOT NULL, owner TEXT NOT NULL,
       state TEXT NOT NULL, stamp REAL NOT NULL, made REAL NOT NULL, expires REAL)""",
    "CREATE INDEX IF NOT EXISTS by_stamp ON slots (credential, stamp, state)",
    "CREATE INDEX IF NOT EXISTS alive ON slots (expires) WHERE expires IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS blocks (credential TEXT PRIMARY KEY, until REAL NOT NULL, made REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS said (credential TEXT PRIMARY KEY, most INT, remaining INT, reset INT, at REAL)",
    """CREATE TABLE IF NOT EXISTS caps (credential TEXT PRIMARY KEY, span REAL NOT NULL, most INT NOT NULL,
       until REAL NOT NULL, made REAL NOT NULL)""",
)


@dataclass(frozen=True)
class Slots:
    """The rows of one credential, as one connection (`owner`) sees and writes them in one transaction at `now`."""

    db: sqlite3.Connection
    now: float
    credential: str
    owner: str
    windows: Windows

    # ---- the rule

    def earliest(self, slot: int) -> tuple[float, str]:
        """When the request may start, and what it waits for; now or earlier means at once. For planning and going.

        `slot` is its reserved row, 0 for one that asks only now. Call `tidy` first.
        """
        until = self.blocked_until()
        found = (self.now, "") if until is None else (until, "the server asked for a pause")
        for window in self.windows:
            at = self._free(slot, window)
            if at > found[0]:
                found = (at, f"the rate limit ({window.limit} per {window.seconds:g} s)")
        return found

    def _free(self, slot: int, window: Window) -> float:
        at = self._room(slot, window, window.limit)
        sql = "SELECT most, until FROM caps WHERE credential = ? AND span = ?"
        for most, until in self.db.execute(sql, (self.credential, window.seconds)):
            at = max(at, min(until, self._room(slot, window, most)))
        return at

    def _room(self, slot: int, window: Window, limit: int) -> float:
        """When the limit-th newest row leaves the window, so that one more fits; 0 if there are fewer in it.

        Rows count if settled, flying, or reserved by one that asked earlier (ids grow): nobody overtakes, and a
        place that had to be put off stays in front.
        """
        near = self.now - window.guarded - 1.0  # older rows decide nothing; 1.0, so that rounding does not either
        row = self.db.execute(
            """SELECT stamp FROM slots WHERE credential = ? AND stamp > ? AND (state <> 'reserved' OR id < ?)
               ORDER BY stamp DESC LIMIT 1 OFFSET ?""",
            (self.credential, near, slot or 2**62, limit - 1),
        ).fetchone()
        return float(row[0]) + window.guarded if row else 0.0

    # ---- one row's life

    def write(self, slot: int, state: str, stamp: float, expires: float | None) -> int:
        """Write the row (0: a new one) and return its id."""
        row = (slot or None, self.credential, self.owner, state, stamp, self.now, expires)
        written = self.db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return slot or written.lastrowid or 0

    def mine(self, slot: int) -> int:
        """The id if that row is still ours, else 0: the place was given up, or the log has been replaced."""
        sql = "SELECT 1 FROM slots WHERE id = ? AND owner = ?"
        return slot if self.db.execute(sql, (slot, self.owner)).fetchone() else 0

    def drop(self, slot: int) -> None:
        self.db.execute("DELETE FROM slots WHERE id = ? AND owner = ?", (slot, self.owner))

    def tidy(self) -> None:
        """Bring the rows to `now`, so that `stamp` alone decides; drop what no longer counts."""
        now = {"now": self.now}
        self._undo_clock()
        self.db.execute("DELETE FROM blocks WHERE until <= :now", now)
        self.db.execute("DELETE FROM caps WHERE until <= :now", now)
        # nobody settled it in the time it had: its process died, and the request ended then at the latest
        self.db.execute(
            """UPDATE slots SET state = 'settled', stamp = expires, expires = NULL
               WHERE state = 'flying' AND expires <= :now""",
            now,
        )
        self.db.execute("DELETE FROM slots WHERE state = 'reserved' AND expires <= :now", now)
        # in flight, or late in waking: it may reach the server now, so it counts as now
        late = "UPDATE slots SET stamp = :now WHERE expires > :now AND (state = 'flying' OR stamp < :now)"
        self.db.execute(late, now)
        self.db.execute("DELETE FROM slots WHERE credential = ? AND stamp < ?", (self.credential, self._forgotten()))

    def sweep(self) -> None:
        """Drop the old rows of every credential. Reads the whole log, so once per process is enough."""
        self.db.execute("DELETE FROM slots WHERE stamp < ?", (self._forgotten(),))

    def _forgotten(self) -> float:
        """A day ago at least, whatever our own windows are: another process may be told of longer ones."""
        return self.now - max(DAY, self.windows.longest.seconds) - DAY / 24

    def _undo_clock(self) -> None:
        """Rows written later than now: the clock was set back, so they are taken as written now.

        No stamp is older than its `made`, so the index on stamps finds them without reading the others.
        """
        facts = {"now": self.now, "credential": self.credential}
        self.db.execute(
            """UPDATE slots SET stamp = stamp - (made - :now), expires = expires - (made - :now), made = :now
               WHERE credential = :credential AND stamp > :now AND made > :now""",
            facts,
        )
        self.db.execute("UPDATE blocks SET until = until - (made - :now), made = :now WHERE made > :now", facts)
        self.db.execute("UPDATE caps SET until = until - (made - :now), made = :now WHERE made > :now", facts)

    # ---- what the server says

    def block(self, seconds: float) -> None:
        """Nobody starts for so long; an earlier pause is never shortened."""
        self.db.execute(
            """INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT (credential) DO UPDATE
               SET until = excluded.until, made = excluded.made WHERE excluded.until > until""",
            (self.credential, self.now + seconds, self.now),
        )

    def blocked_until(self) -> float | None:
        row = self.db.execute("SELECT until FROM blocks WHERE credential = ?", (self.credential,)).fetchone()
        return float(row[0]) if row else None

    def listen(self, headers: Mapping[str, str], sent: float) -> None:
        """Keep the server's word; if it counted more than we did, cap the shortest window for one window's length.

        Ours are counted as of `sent`: the header's number may be as old as that, and requests that have left our
        window since then were still in the server's.
        """
        most, remaining, reset = (_number(headers, f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))
        if most is not None or remaining is not None:
            row = (self.credential, most, remaining, reset, self.now)
            self.db.execute("INSERT OR REPLACE INTO said VALUES (?, ?, ?, ?, ?)", row)
        if remaining is not None:
            window = self.windows.shortest
            self._cap(window, max(1, remaining + self.counted(window, sent)))

    def _cap(self, window: Window, most: int) -> None:
        """A wider cap never replaces a tighter one before that has run out."""
        if most < window.limit:
            self.db.execute(
                """INSERT INTO caps VALUES (?, ?, ?, ?, ?) ON CONFLICT (credential) DO UPDATE SET span = excluded.span,
                   most = excluded.most, until = excluded.until, made = excluded.made
                   WHERE excluded.most <= most OR excluded.span <> span OR until <= excluded.made""",
                (self.credential, window.seconds, most, self.now + window.guarded, self.now),
            )

    # ---- what people ask

    def counted(self, window: Window, since: float) -> int:
        """Requests, ended or in flight, that are younger at `since` than the window is long."""
        sql = "SELECT count(*) FROM slots WHERE credential = ? AND state <> 'reserved' AND stamp > ?"
        return int(self.db.execute(sql, (self.credential, since - window.guarded)).fetchone()[0])

    def line(self, window: Window) -> dict[str, Any]:
        """One line of RateLimiter.report."""
        waiting = "SELECT count(*) FROM slots WHERE credential = ? AND state = 'reserved'"
        until = self.blocked_until()
        return {
            "credential": self.credential,
            "window_seconds": window.seconds,
            "limit": window.limit,
            "counted": self.counted(window, self.now),
            "waiting": self.db.execute(waiting, (self.credential,)).fetchone()[0],
            "server": self._last_said() if window == self.windows.shortest else None,
            "blocked_until": None if until is None else iso(until),
        }

    def _last_said(self) -> dict[str, Any] | None:
        sql = "SELECT most, remaining, reset, at FROM said WHERE credential = ?"
        row = self.db.execute(sql, (self.credential,)).fetchone()
        return {"limit": row[0], "remaining": row[1], "reset": row[2], "at": iso(row[3])} if row else None


def credentials(db: sqlite3.Connection) -> list[str]:
    """Every credential id that the log knows."""
    sql = "SELECT credential FROM slots UNION SELECT credential FROM blocks UNION SELECT credential FROM said"
    return [row[0] for row in db.execute(sql + " ORDER BY 1")]


def forget_servers(db: sqlite3.Connection, now: float) -> int:
    """Drop pauses, caps and the server's words, of every credential; the number of pauses that were in force."""
    db.execute("DELETE FROM said")
    db.execute("DELETE FROM caps")
    lifted = db.execute("SELECT count(*) FROM blocks WHERE until > ?", (now,)).fetchone()[0]
    db.execute("DELETE FROM blocks")
    return int(lifted)


def _number(headers: Mapping[str, str], name: str) -> int | None:
    """A plain whole number of at most ten ASCII digits; anything else is not worth believing."""
    text = str(headers.get(name, "")).strip()
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None
