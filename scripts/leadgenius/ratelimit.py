"""Keep all processes of one machine together under the rate limit.

The rule (references/api_reference.md#rate-limits-and-retries): a sliding log stamped at *completion*. Whatever the
server counts with (fixed windows of any phase, a sliding log, a full token bucket), it counted a request before that
request ended; so waiting one window from the stamp is always enough. Windows are a little longer than stated.

The log is one SQLite file (request_log.py); what its rows mean stands in slots.py. It never holds a credential, only
`identity(origin, credential)`.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from leadgenius.errors import LeadGeniusError, RateError
from leadgenius.request_log import RequestLog
from leadgenius.slots import DAY, SCHEMA, Slots, credentials, forget_servers
from leadgenius.windows import DEFAULT_WINDOWS, Windows, iso

__all__ = ["DEFAULT_WINDOWS", "RateLimiter", "Windows", "identity"]

PROXY_PAUSE = 900.0  # the longest pause believed from a 429 that is not the API's own
STEP = 5.0  # the longest sleep before looking again: a pause may have been cleared, an earlier place given up
GRACE = 10.0  # how late a sleeper may wake before its place counts as abandoned
FAR = 1e10  # seconds: no wait of ours is as long, so the log must be damaged
LONE_SHARE = 8  # without a shared log each process takes this part of the limits


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
        self._windows = windows.divided(share)
        self._lone_windows = windows.divided(max(share, LONE_SHARE))
        self._monotonic, self._sleep, self._notes = monotonic, sleep, notes
        self._log = RequestLog(path, SCHEMA, clock=clock, lock_timeout=lock_timeout, lost=self._log_lost, notes=notes)
        self._flying: dict[int, tuple[str, float]] = {}  # slot: credential id and time of start, until settled
        self._swept = False

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
        except BaseException:  # Ctrl-C too
            self._withdraw(credential_id, slot)
            raise

    def settle(self, slot: int, headers: Mapping[str, str]) -> None:
        """The request of this slot has ended, well or badly; call it once the last byte is there.

        `headers` are those of the answer (empty without one). X-RateLimit headers tighten the limit where the server
        counted more than we did, never loosen it; absurd ones are ignored. Raises nothing: the request is done, and
        with a log that is locked now the slot counts until it expires.
        """
        credential_id, sent = self._flying.pop(slot, ("", 0.0))
        if credential_id:
            with contextlib.suppress(RateError):
                self._log.run(self._settle, credential_id, slot, sent, headers)

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
        return self._log.run(forget_servers)

    # ---- decisions: each runs in one transaction, `now` being read under its lock

    def _slots(self, db: sqlite3.Connection, now: float, credential_id: str) -> Slots:
        return Slots(db, now, credential_id, self._log.owner, self._windows)

    def _look(
        self, db: sqlite3.Connection, now: float, credential_id: str, slot: int, left: float, hold: float
    ) -> _Verdict:
        """Go if free; else take or keep a place in the queue; else, the wait being too long, leave it."""
        slots = self._slots(db, now, credential_id)
        self._clean(slots)
        slot = slots.mine(slot)
        at, reason = slots.earliest(slot)
        wait = max(0.0, at - now)
        if wait > FAR:
            raise ValueError("a time that nobody wrote")
        if not wait:  # first, because `left` is below nothing once the time allowed is used up
            return _Verdict(slots.write(slot, "flying", now, now + hold), 0.0, now, reason)
        if wait > left:
            slots.drop(slot)
            return _Verdict(0, wait, at, reason)
        return _Verdict(slots.write(slot, "reserved", at, now + min(wait, STEP) + GRACE), wait, at, reason)

    def _clean(self, slots: Slots) -> None:
        slots.tidy()
        if not self._swept:
            slots.sweep()
            self._swept = True

    def _settle(
        self,
        db: sqlite3.Connection,
        now: float,
        credential_id: str,
        slot: int,
        sent: float,
        headers: Mapping[str, str],
    ) -> None:
        """Also a slot that others took for abandoned, or that a lost log knew, counts from now."""
        slots = self._slots(db, now, credential_id)
        slots.write(slots.mine(slot), "settled", now, None)
        slots.listen(headers, sent)

    def _block(self, db: sqlite3.Connection, now: float, credential_id: str, seconds: float) -> None:
        self._slots(db, now, credential_id).block(seconds)

    def _leave(self, db: sqlite3.Connection, now: float, credential_id: str, slot: int) -> None:
        self._slots(db, now, credential_id).drop(slot)

    def _report(self, db: sqlite3.Connection, now: float) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for credential_id in credentials(db):
            slots = self._slots(db, now, credential_id)
            slots.tidy()
            rows += [slots.line(window) for window in self._windows]
        return rows

    # ---- beside the log

    def _tell(self, verdict: _Verdict) -> bool:
        if verdict.wait > 1.0:
            self._notes("note", f"waiting {math.ceil(verdict.wait)} s: {verdict.reason}")
        return verdict.wait > 1.0

    def _withdraw(self, credential_id: str, slot: int) -> None:
        """Best effort: the others give up an abandoned place after a while, and a flying one expires."""
        if slot and slot not in self._flying:
            with contextlib.suppress(LeadGeniusError, sqlite3.Error):
                self._log.run(self._leave, credential_id, slot)

    def _log_lost(self) -> None:
        self._windows = self._lone_windows


def _too_long(verdict: _Verdict) -> RateError:
    seconds = math.ceil(verdict.wait)
    return RateError(
        f"{verdict.reason}: the next request may start in {seconds} s, later than allowed",
        hint=f"run it again in {seconds} s, or allow the wait with --max-wait {seconds}",
        retryable=True,
        retry_after_seconds=seconds,
        retry_at=iso(verdict.at),
    )
