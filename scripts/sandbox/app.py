"""The WSGI application: raw path → route → caller → rate limit → body → handler → envelope."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sandbox import (
    access,
    admin,
    analytics,
    automation,
    bulk,
    campaigns,
    demo,
    enrichment,
    jobs,
    keys,
    leads,
    maintenance,
    outreach,
    routes,
    store,
    wire,
)
from sandbox.answers import Answer, Refusal
from sandbox.faults import parse_all, segments_of
from sandbox.limits import DEFAULT, Allowance, Limits
from sandbox.routes import ROUTES, Call, Route

__all__ = ["HANDLERS", "ROUTES", "Sandbox", "default_database"]

# Importing these fills ROUTES.
HANDLERS = (access, admin, analytics, automation, bulk, campaigns, enrichment, leads, maintenance, outreach)
PHRASES = {status.value: status.phrase for status in HTTPStatus}


def default_database(environ: Mapping[str, str] = os.environ) -> Path:
    """`sandbox/sandbox.sqlite3` in LGP_STATE_DIR, else $XDG_STATE_HOME/leadgenius, else ~/.local/state/leadgenius."""
    state = environ.get("LGP_STATE_DIR")
    if not state:
        above = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "state")
        state = str(Path(above) / "leadgenius")
    return Path(state) / "sandbox" / "sandbox.sqlite3"


class Sandbox:
    """The service over one database file, which is made with demo data if it is absent.

    `limits` is the grammar of `sandbox.limits` (default: LGP_RATE_LIMITS, else the documented limits) and `faults`
    that of `sandbox.faults`; a malformed one raises ValueError. `clock` gives epoch seconds. Raises OSError and
    sqlite3.Error when the database cannot be made.

    As WSGI it reads `environ["RAW_URI"]`, the undecoded request target, where a server supplies it: PATH_INFO cannot
    tell `/leads/a%2Fb` from `/leads/a/b`. A fault that needs a socket is handed to `environ["sandbox.drop"]`, a
    function of one word (reset, close, stall, truncate); without one the answer is 503.
    """

    def __init__(
        self,
        database: Path,
        *,
        limits: str | None = None,
        rate_limit: bool = True,
        faults: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = Path(database)
        self.clock = clock
        self.rate_limit = rate_limit
        self.limits = Limits.parse(limits or os.environ.get("LGP_RATE_LIMITS") or DEFAULT)
        self.faults = parse_all(faults)
        demo.make(self.database, clock())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = self._answer(environ)
        if answer.drop and "sandbox.drop" in environ:
            environ["sandbox.drop"](answer.drop)
        elif answer.drop:
            answer = Refusal("INTERNAL", "The connection was to break here", status=503).answer()
        if environ.get("REQUEST_METHOD") == "HEAD":
            self.answer(answer, start_response)
            return [b""]
        return self.answer(answer, start_response)

    def answer(self, answer: Answer, start_response: Callable[..., Any]) -> list[bytes]:
        """Send an answer; one that no operation marked gets the sandbox's headers here."""
        if not any(name == "X-LeadGenius-Sandbox" for name, _ in answer.headers):
            answer.headers += _marks(self.limits.untouched(self.clock()))
        length = ("Content-Length", str(len(answer.body)))
        headers = [("Content-Type", answer.content_type), length, *answer.headers]
        start_response(f"{answer.status} {PHRASES.get(answer.status, 'Unknown')}", headers)
        return [answer.body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        """The answer, or what a fault of `--fault` makes of it."""
        try:
            path, query = wire.target(environ)
            for fault in self.faults:
                if fault.take(environ["REQUEST_METHOD"], segments_of(path)):
                    return fault.strike(lambda: self._perform(environ, path, query))
            return self._perform(environ, path, query)
        except Exception:
            return _internal(environ)

    def _perform(self, environ: dict[str, Any], path: str, query: str) -> Answer:
        now = self.clock()
        allowance = self.limits.untouched(now)
        try:
            route, names = routes.find(environ["REQUEST_METHOD"], wire.segments(path))
            with closing(store.connect(self.database)) as db:
                caller = routes.NOBODY
                if route.needs != "nothing":
                    caller = keys.identify(db, wire.credentials(environ), now)
                    allowance = self._count(db, caller, now)
                routes.admit(route, caller, allowance)
                body = wire.body(environ) if route.takes_body else None
                answer = _run(db, route, Call(db, now, caller, names, wire.pairs(query), body))
        except Refusal as refusal:
            answer = refusal.answer()
        except Exception:
            answer = _internal(environ)
        answer.headers += _marks(allowance)
        return answer

    def _count(self, db: sqlite3.Connection, caller: keys.Caller, now: float) -> Allowance:
        if not self.rate_limit:
            return self.limits.untouched(now)
        with store.transaction(db):
            return self.limits.take(db, caller.credential, now)


def _marks(allowance: Allowance) -> list[tuple[str, str]]:
    return [("X-LeadGenius-Sandbox", "1"), *allowance.headers()]


def _run(db: sqlite3.Connection, route: Route, call: Call) -> Answer:
    jobs.settle(db, call.now)
    with store.transaction(db, "DEFERRED" if route.method == "GET" else "IMMEDIATE"):
        return route.handler(call)


def _internal(environ: Mapping[str, Any]) -> Answer:
    """A defect of ours: told in full on the server's own log, and to the client as a bare 500."""
    traceback.print_exc(file=environ.get("wsgi.errors", sys.stderr))
    return Refusal("INTERNAL", "The sandbox failed; its own log says why").answer()
