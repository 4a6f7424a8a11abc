"""The WSGI application: raw path → operation → caller → rate limit → body → handler → envelope."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from contract.operations import Operation
from leadgenius.settings import iso
from sandbox import accounts, analytics, demo, jobs, leads, resources, routes, store
from sandbox.answers import Answer, Refusal
from sandbox.faults import PHRASES, Fault, segments_of
from sandbox.limits import Allowance, Limits
from sandbox.routes import Call, Caller

HANDLING = (accounts, analytics, jobs, leads, resources)  # importing them fills routes.HANDLERS
LARGEST_BODY = 5 * 1024 * 1024  # bytes; the sandbox's own choice, the vendor states none
BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

Environ = Mapping[str, Any]


class Sandbox:
    """The service over one database file, which is made with demo data if it is absent.

    `limits` is the grammar of `sandbox.limits` (default: LGP_RATE_LIMITS, else the documented limits) and `faults`
    that of `sandbox.faults`; a malformed one raises ValueError. Without `rate_limit` calls are neither counted nor
    answered with limit headers. `clock` gives epoch seconds. `allow_duplicates` takes an e-mail twice within a
    client. `demo_leads` is the size of the main company when the database is made. Raises OSError and sqlite3.Error
    when it cannot be.

    As WSGI it reads `environ["RAW_URI"]`, the undecoded request target, where a server supplies it: PATH_INFO cannot
    tell `/leads/a%2Fb` from `/leads/a/b`. A fault that needs a socket is given to `environ["sandbox.drop"]`, a
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
        allow_duplicates: bool = False,
        demo_leads: int | None = None,
    ) -> None:
        self.database = Path(database)
        self.clock = clock
        self.limits = Limits(limits or os.environ.get("LGP_RATE_LIMITS", "")) if rate_limit else None
        self.faults = [Fault(text) for text in faults]
        self.allow_duplicates = allow_duplicates
        self.is_new = demo.make(self.database, clock(), demo_leads)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = self._answer(environ)
        if answer.drop and "sandbox.drop" in environ:
            environ["sandbox.drop"](answer.drop)
        elif answer.drop:
            answer = Refusal("SERVICE_UNAVAILABLE", "The connection was to break here").answer()
        content = self.send(answer, start_response)
        return [b""] if environ.get("REQUEST_METHOD") == "HEAD" else content

    def send(self, answer: Answer, start_response: Callable[..., Any]) -> list[bytes]:
        """Start the response with the headers that every answer carries; returns its body."""
        headers = dict([*self._marks(None), *answer.headers])
        length = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        status = f"{answer.status} {PHRASES.get(answer.status, 'Unknown')}"
        start_response(status, [*length.items(), *headers.items()])
        return [answer.body]

    def _marks(self, allowance: Allowance | None) -> list[tuple[str, str]]:
        """That this is the sandbox, and what is left of the limits."""
        if self.limits and allowance is None:
            allowance = self.limits.untouched(self.clock())
        return [("X-LeadGenius-Sandbox", "1"), *(allowance.headers() if allowance else ())]

    def _answer(self, environ: Environ) -> Answer:
        """The answer, or what a fault makes of it."""
        try:
            path, query = _target(environ)

            def perform(keep: bool = True, lag: float = 0.0) -> Answer:
                return self._perform(environ, path, query, keep, lag)

            for fault in self.faults:
                if fault.take(environ["REQUEST_METHOD"], segments_of(path)):
                    return fault.answer(perform)
            return perform()
        except Exception:
            # A defect of ours: whole on the server's own log, and for the client a bare 500.
            traceback.print_exc(file=environ.get("wsgi.errors", sys.stderr))
            return Refusal("INTERNAL", "The sandbox failed; its own log says why").answer()

    def _perform(self, environ: Environ, path: str, query: str, keep: bool, lag: float) -> Answer:
        now, allowance = self.clock(), None
        try:
            operation, record = routes.find(environ["REQUEST_METHOD"], _segments(path))
            with closing(store.connect(self.database)) as db:
                caller = Caller()
                if not routes.needs_no_credential(operation):
                    caller = accounts.identify(db, environ, now)
                    allowance = self._count(db, caller, now)
                routes.admit(operation, caller, allowance)
                given = routes.clean_query(operation, _pairs(query))
                body = _body(environ, operation, caller)
                newest = iso(now - lag) if lag else "9"
                call = Call(db, now, caller, record, given, body, newest, self.allow_duplicates)
                answer = _run(operation, call, keep)
        except Refusal as refusal:
            answer = refusal.answer()
        return answer._replace(headers=[*self._marks(allowance), *answer.headers])

    def _count(self, db: sqlite3.Connection, caller: Caller, now: float) -> Allowance | None:
        if self.limits is None:
            return None
        with store.transaction(db):
            return self.limits.take(db, caller.credential, now)


def _run(operation: Operation, call: Call, keep: bool) -> Answer:
    jobs.settle(call.db, call.now)
    mode = "DEFERRED" if operation.method == "GET" else "IMMEDIATE"
    with store.transaction(call.db, mode, keep):
        return routes.HANDLERS[operation.id](call)


# Reading a request off the WSGI environ. Whatever is malformed is refused with a 4xx.


def _target(environ: Environ) -> tuple[str, str]:
    """The undecoded path and query. RAW_URI may be a path or a whole URL; without it PATH_INFO has to do."""
    raw: str | None = environ.get("RAW_URI")
    if raw is None:
        path = quote(environ.get("PATH_INFO", "").encode("latin-1", "replace"))
        return path, environ.get("QUERY_STRING", "")
    if not raw.startswith("/"):
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query


def _segments(path: str) -> list[str]:
    """The path's segments, split before they are decoded, so that `a%2Fb` is one."""
    return [_decoded(part, "path") for part in path.removeprefix("/").split("/")]


def _pairs(query: str) -> dict[str, str]:
    """The parameters of the query. One that is doubled or empty is a caller's mistake, and guessing would hide it."""
    found: dict[str, str] = {}
    problems = []
    for part in filter(None, query.split("&")):
        raw_name, _, raw_value = part.replace("+", " ").partition("=")
        name = _decoded(raw_name, "query")
        if name in found:
            problems.append((name, "is given twice"))
        found[name] = _decoded(raw_value, name)
        if not found[name]:
            problems.append((name, "must not be empty"))
    if problems:
        raise Refusal("INVALID_PARAMETER", "Parameters of the query are doubled or empty", problems)
    return found


def _decoded(text: str, where: str) -> str:
    try:
        if not BAD_ESCAPE.search(text):
            return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        pass
    problem = "is not percent-encoded UTF-8"
    raise Refusal("INVALID_PARAMETER", f"The URL {problem}", [(where, problem)])


def _body(environ: Environ, operation: Operation, caller: Caller) -> dict[str, Any]:
    """The accepted JSON body. Raises Refusal: 411 without a length, 413, 415, INVALID_JSON, and what is wrong in it."""
    if operation.body is None:
        return {}
    length = _length(environ)
    _check_type(environ.get("CONTENT_TYPE", ""))
    raw = environ["wsgi.input"].read(length)
    try:
        if len(raw) < length:
            raise ValueError("cut short")
        body = json.loads(raw.decode("utf-8"))
        routes.check_encodable(body)
    except (ValueError, RecursionError):
        raise Refusal("INVALID_JSON", "The body is not valid JSON in UTF-8 of the stated length") from None
    return routes.clean_body(operation, caller, body)


def _length(environ: Environ) -> int:
    stated = str(environ.get("CONTENT_LENGTH") or "")
    if not re.fullmatch("[0-9]+", stated) or environ.get("HTTP_TRANSFER_ENCODING"):
        raise Refusal("LENGTH_REQUIRED", "Send the body with a Content-Length that is a number")
    if len(stated) > 15 or int(stated) > LARGEST_BODY:
        raise Refusal("PAYLOAD_TOO_LARGE", f"A body may have at most {LARGEST_BODY} bytes")
    return int(stated)


def _check_type(value: str) -> None:
    """No type at all counts as JSON."""
    kind, _, rest = value.lower().partition(";")
    charset = re.search(r'charset\s*=\s*"?([^";\s]*)', rest)
    json_like = not kind.strip() or re.fullmatch(r"application/([\w.+-]+\+)?json", kind.strip())
    if not json_like or (charset and charset[1] not in ("utf-8", "utf8")):
        raise Refusal("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in UTF-8")
