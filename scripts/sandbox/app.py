"""The WSGI application: raw path → operation → caller → rate limit → body → handler → envelope."""

from __future__ import annotations

import json
import os
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from contract.operations import Operation
from leadgenius.settings import iso
from sandbox import accounts, analytics, demo, jobs, leads, resources, routes, store
from sandbox.answers import Answer, Refusal
from sandbox.faults import PHRASES, Fault, segments_of
from sandbox.limits import Limits
from sandbox.routes import Call, Caller

HANDLING = (accounts, analytics, jobs, leads, resources)  # importing them fills routes.HANDLERS
LARGEST_BODY = 5 * 1024 * 1024  # bytes; the sandbox's own choice, the vendor states none
# No type at all counts as JSON.
JSON_TYPE = re.compile(
    r'(\s*application/([\w.+-]+\+)?json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?)?', re.IGNORECASE
)
BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

Environ = Mapping[str, Any]


class Sandbox:
    """The service over one database file, which is made with demo data if it is absent.

    `limits` is the grammar of `sandbox.limits` (default: LGP_RATE_LIMITS, else the documented
    limits) and `faults` that of `sandbox.faults`; a malformed one raises ValueError. Without
    `rate_limit` calls are neither counted nor answered with limit headers. `clock` gives epoch
    seconds. `allow_duplicates` takes an e-mail twice within a client. `demo_leads` is the size of
    the main company when the database is made. Raises OSError and sqlite3.Error when it cannot be.

    It is a WSGI application that reads `RAW_URI`, the undecoded request target: PATH_INFO cannot
    separate `/leads/a%2Fb` from `/leads/a/b`. A fault that needs a socket is the `drop` of what
    `answer` returns; through WSGI it is a 503.
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
        self.limits = (
            Limits(limits or os.environ.get("LGP_RATE_LIMITS", "")) if rate_limit else None
        )
        self.faults = [Fault(text) for text in faults]
        self.allow_duplicates = allow_duplicates
        self.is_new = demo.make(self.database, clock(), demo_leads)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        answer = self.answer(environ)
        if answer.drop:
            answer = self.marked(
                Refusal("SERVICE_UNAVAILABLE", "The connection was to break here").answer()
            )
        start_response(
            f"{answer.status} {PHRASES.get(answer.status, 'Unknown')}", list(answer.headers)
        )
        return [answer.body]

    def answer(self, environ: Environ) -> Answer:
        """The answer to a request, or what a fault makes of it."""
        try:
            path, query = _target(environ["RAW_URI"])

            def perform(keep: bool = True, lag: float = 0.0) -> Answer:
                return self._perform(environ, path, query, keep, lag)

            method, parts = environ["REQUEST_METHOD"], segments_of(path)
            fault = next((one for one in self.faults if one.take(method, parts)), None)
            answer = fault.answer(perform) if fault else perform()
        except Exception:
            # A defect of ours: whole on the server's own log, and for the client a bare 500.
            traceback.print_exc()
            answer = Refusal("INTERNAL", "The sandbox failed; its own log says why").answer()
        answer = self.marked(answer)
        return answer._replace(body=b"") if environ["REQUEST_METHOD"] == "HEAD" else answer

    def marked(self, answer: Answer) -> Answer:
        """The answer with the headers that every answer carries.

        Limits are untouched where no call was counted.
        """
        limits = self.limits.untouched(self.clock()).headers() if self.limits else ()
        own = {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(answer.body)),
        }
        headers = {**own, "X-LeadGenius-Sandbox": "1", **dict(limits), **dict(answer.headers)}
        return answer._replace(headers=list(headers.items()))

    def _perform(self, environ: Environ, path: str, query: str, keep: bool, lag: float) -> Answer:
        now, allowance = self.clock(), None
        try:
            operation, record = routes.find(environ["REQUEST_METHOD"], path)
            with closing(store.connect(self.database)) as db:
                caller = Caller()
                if operation.id != routes.OPEN:
                    caller = accounts.identify(db, environ, now)
                    if self.limits:
                        with store.transaction(db):
                            allowance = self.limits.take(db, caller.credential, now)
                routes.admit(operation, caller, allowance)
                given = routes.clean_query(operation, _pairs(query))
                body = _body(environ, operation, caller)
                newest = iso(now - lag) if lag else "9"
                call = Call(
                    db,
                    now,
                    caller,
                    _decoded(record, "path"),
                    given,
                    body,
                    newest,
                    self.allow_duplicates,
                )
                answer = _run(operation, call, keep)
        except Refusal as refusal:
            answer = refusal.answer()
        limits = allowance.headers() if allowance else ()
        return answer._replace(headers=[*limits, *answer.headers])


def _run(operation: Operation, call: Call, keep: bool) -> Answer:
    jobs.settle(call.db, call.now)
    mode = "DEFERRED" if operation.method == "GET" else "IMMEDIATE"
    with store.transaction(call.db, mode, keep):
        return routes.HANDLERS[operation.id](call)


# Reading a request off the WSGI environ. Whatever is malformed is refused with a 4xx.


def _target(raw: str) -> tuple[str, str]:
    """The undecoded path and query of a request target, which may be a path or a whole URL."""
    if not raw.startswith("/"):
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query


def _pairs(query: str) -> dict[str, str]:
    """The parameters of the query.

    One that is doubled or empty is a caller's mistake, and guessing would hide it.
    """
    found: dict[str, str] = {}
    for part in filter(None, query.replace("+", " ").split("&")):
        name, _, value = (_decoded(one, "query") for one in part.partition("="))
        if name in found or not value:
            problem = "is given twice" if name in found else "must not be empty"
            raise Refusal("INVALID_PARAMETER", f"A parameter {problem}", [(name, problem)])
        found[name] = value
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
    """The accepted JSON body.

    Raises Refusal: 411 without a length, 413, 415, INVALID_JSON, and what is wrong in it.
    """
    if not operation.body:
        return {}
    length = _length(environ)
    if not JSON_TYPE.fullmatch(environ.get("CONTENT_TYPE", "")):
        raise Refusal("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in UTF-8")
    raw = environ["wsgi.input"].read(length)
    try:
        if len(raw) < length:
            raise ValueError("cut short")
        body = json.loads(raw.decode("utf-8"))
        routes.check_encodable(body)
    except (ValueError, RecursionError):
        raise Refusal(
            "INVALID_JSON", "The body is not valid JSON in UTF-8 of the stated length"
        ) from None
    return routes.clean_body(operation, caller, body)


def _length(environ: Environ) -> int:
    stated = str(environ.get("CONTENT_LENGTH") or "")
    if not re.fullmatch("[0-9]+", stated) or environ.get("HTTP_TRANSFER_ENCODING"):
        raise Refusal("LENGTH_REQUIRED", "Send the body with a Content-Length that is a number")
    if len(stated) > 15 or int(stated) > LARGEST_BODY:
        raise Refusal("PAYLOAD_TOO_LARGE", f"A body may have at most {LARGEST_BODY} bytes")
    return int(stated)
