"""What a failed attempt means: whether to send again, how long to wait first, and the error that is
left.

Two words carry it: *idempotent* (GET, PUT, DELETE) decides whether to send again; *changing* (all
but GET) decides between exit 7 and exit 8. Nothing here has a clock or sleeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Any, NamedTuple

from leadgenius import errors
from leadgenius.scopes import AGENT, LOGIN, Scope
from leadgenius.settings import iso

MAX_ATTEMPTS = 3
IDEMPOTENT = ("GET", "PUT", "DELETE")
LONGEST_WAIT = 86_400.0
FALLBACK_WAITS = (5.0, 15.0, 45.0)  # after a 429 that names no time, by attempt
LATER = "Run it again later; nothing was changed."
FIX = "Fix what the server names, then run it again."


class Rule(NamedTuple):
    """One row of the table of failures. `again`: always, idempotent, once (idempotent, one time),
    wait (as long as the server asks) or never. `read` and `change` are the exit codes that are
    left.
    """

    what: str
    again: str
    read: int
    change: int
    code: str | None
    message: str
    hint: str


RULES = {
    "connect": Rule(
        "name not resolved, refused, connect timeout, proxy refused (nothing sent)", "always",
        6, 6, None, "No connection to {origin}: {detail}. Nothing was sent.",
        "Check the network and the base URL, then run it again."),
    "tls": Rule(
        "TLS not trusted", "never", 9, 9, "tls",
        "The server's certificate is not trusted; nothing was sent.",
        "Name your certificate file in REQUESTS_CA_BUNDLE."),
    "no_answer": Rule(
        "read timeout, reset, or closed before an answer", "idempotent", 7, 8, None,
        "The connection ended without an answer: {detail}.", LATER),
    "body": Rule(
        "reset, stall or truncation in the body", "idempotent", 7, 8, None,
        "The answer broke off: {detail}.", LATER),
    "not_json": Rule(
        "2xx that is not JSON", "never", 7, 8, None, "The answer is not JSON (HTTP {status}).",
        LATER),
    "broken_json": Rule(
        "2xx with broken JSON", "once", 7, 8, None,
        "The answer is broken JSON (HTTP {status}).", LATER),
    "401": Rule(
        "401", "never", 3, 3, "unauthorized",
        "The server does not accept the credential{source}.", "check_credentials"),
    "login": Rule(
        "401 or 403 to a login", "never", 3, 3, "unauthorized",
        "The e-mail and password do not match an account.", "log_in"),
    "403": Rule(
        "403", "never", 3, 3, "forbidden", "The credential{source} may not do this.",
        "Use a key of the right company; admin calls need one of a Master Admin."),
    "404": Rule(
        "404", "never", 4, 4, "not_found", "There is no such record or path (HTTP 404).",
        "Check the id: another company's id is 404 too."),
    "409": Rule(
        "409", "never", 4, 4, "duplicate", "The record already exists (HTTP 409).",
        "There is nothing to do."),
    "refused": Rule(
        "other 4xx, success: false", "never", 4, 4, "refused",
        "The API refused the request (HTTP {status}).", FIX),
    "redirect": Rule(
        "3xx", "never", 4, 4, "redirected",
        "The server redirects (HTTP {status}); redirects are not followed.",
        "If the API has moved, set its new origin as the base URL; details.location names it."),
    "303": Rule(
        "303 to a POST", "never", 4, 8, None, "", ""),
    "rate": Rule(
        "429", "wait", 5, 5, "rate_limited",
        "The API accepts no more requests for now (HTTP 429).",
        "Come back at retry_at, or allow a longer wait with --max-wait."),
    "unavailable": Rule(
        "503 with Retry-After (POST: only as the API's own JSON error)", "wait", 7, 8, None,
        "The server is not available (HTTP 503).", LATER),
    "server": Rule(
        "other 5xx", "idempotent", 7, 8, None, "The server failed (HTTP {status}).", LATER),
    "too_large": Rule(
        "body over 64 MiB or 2 million values", "never", 7, 8, None,
        "The answer is larger than 64 MiB, or than 2 million values.",
        "Ask for less at once, with filters or smaller pages."),
    "unusable": Rule(
        "body nested too deeply, or with a number out of range", "never", 7, 8, None,
        "The answer is nested too deeply, or has a number out of range.", LATER),
}  # fmt: skip
_ERRORS = {one.exit_code: one for one in errors.LeadGeniusError.__subclasses__()}


class Answer(NamedTuple):
    """A success: any 2xx whose body is JSON, or empty (None). `headers` are found in any case.

    `maybe_applied`: an earlier attempt of this change had no answer, so it may have been applied
    too.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    maybe_applied: bool = False


class Failure(NamedTuple):
    """A failed attempt. `kind` is `status`, for any answer that is no success, or a key of
    RULES.
    """

    kind: str
    status: int | None = None
    headers: Mapping[str, str] = {}
    body: Any = None
    detail: str = ""


class Request(NamedTuple):
    """One request. `changes` counts the records it may change; `source` is where its credential
    came from, `counted` its name in the request log.
    """

    method: str
    path: str
    origin: str = ""
    url: str = ""
    headers: Mapping[str, str] = {}
    body: Any = None
    scope: Scope = AGENT
    changes: int = 0
    source: str = ""
    counted: str = ""

    def facts(self, attempts: int) -> dict[str, Any]:
        """What every error says about it."""
        facts = {"method": self.method, "path": self.path, "origin": self.origin}
        return {**facts, "attempts": attempts}


def is_api_error(body: Any) -> bool:
    """Whether the API itself wrote this refusal, and no proxy before it."""
    return isinstance(body, dict) and ("error" in body or "success" in body)


def rule_of(request: Request, failure: Failure) -> Rule:
    """The row of the table for one failure."""
    status, post = failure.status or 0, request.method not in IDEMPOTENT
    name = str(status)
    if failure.kind != "status":
        name = failure.kind
    elif status == 429:
        name = "rate"
    elif request.scope == LOGIN and status in (401, 403):
        name = "login"
    elif not 200 <= status < 500:
        waits = status == 503 and _retry_after(failure.headers, 0.0) is not None
        name = "unavailable" if waits and (is_api_error(failure.body) or not post) else "server"
    elif name not in RULES or (name == "303" and not post):
        name = "redirect" if 300 <= status < 400 else "refused"
    return RULES[name]


def wait_before(request: Request, failure: Failure, attempt: int, now: float) -> float | None:
    """Seconds to wait before sending again; None: do not. `attempt` counts from 1, `now` is epoch
    seconds.
    """
    again = rule_of(request, failure).again
    if attempt >= MAX_ATTEMPTS or again == "never" or (again == "once" and attempt > 1):
        return None
    if again == "wait":
        login = request.scope == LOGIN
        return None if login else asked_wait(failure, attempt, now) + uniform(0.0, 1.0)
    if again != "always" and request.method not in IDEMPOTENT:
        return None
    return uniform(0.0, 0.5 * 2.0**attempt)


def asked_wait(failure: Failure, attempt: int, now: float) -> float:
    """Seconds that a 429 or 503 asks for, 0 to 86,400: Retry-After, X-RateLimit-Reset, the end of
    the window that its sentence names, else 5, 15, 45. Measured against the answer's own Date.
    Never raises.
    """
    headers = failure.headers
    there = _date(headers.get("Date")) or now
    found = _retry_after(headers, there)
    if found is None:
        found = reset_wait(headers, now)
    sentence = str(failure.body.get("error")) if isinstance(failure.body, dict) else ""
    window = re.search(r"\b(hour|day)\b", sentence, re.IGNORECASE)
    if found is None and window:
        length = 3600.0 if window[1].lower() == "hour" else 86_400.0
        found = length - there % length
    return FALLBACK_WAITS[min(attempt, 3) - 1] if found is None else min(found, LONGEST_WAIT)


def reset_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until X-RateLimit-Reset; None without one, or when it has passed."""
    reset, there = _number(headers.get("X-RateLimit-Reset")), _date(headers.get("Date")) or now
    return None if reset is None or reset < there else reset - there


def error_of(
    request: Request, failure: Failure, attempts: int, maybe_applied: bool, now: float
) -> errors.LeadGeniusError:
    """The error that is left.

    `maybe_applied`: an earlier attempt of this change may have been applied. Then no later answer
    makes the outcome known: a 404 after a lost DELETE may be that DELETE's own work.
    """
    rule, status, headers = rule_of(request, failure), failure.status, failure.headers
    exit_code = 8 if maybe_applied else rule.read if request.method == "GET" else rule.change
    body = failure.body if isinstance(failure.body, dict) else {}
    facts = request.facts(attempts) | {"http_status": status, "details": body.get("details")}
    said = {
        "server_code": body.get("code"),
        "server_message": body.get("error") or body.get("message"),
        "request_id": body.get("requestId") or headers.get("X-Request-Id"),
    }
    facts |= {name: str(value) for name, value in said.items() if value}
    facts["sandbox"] = bool(headers.get("X-LeadGenius-Sandbox")) or None
    if status and 300 <= status < 400:
        facts["details"] = {"location": headers.get("Location")}
    if rule.again == "wait":
        wait = asked_wait(failure, attempts, now)
        facts |= {"retry_after_seconds": round(wait, 1), "retry_at": iso(now + wait)}
    if exit_code == 8:
        return unknown(request, **facts)
    if request.method != "GET":
        facts["outcome"] = "not_sent" if exit_code in (6, 9) else "rejected"
    words = {"origin": request.origin, "detail": failure.detail, "status": status}
    words["source"] = f" (from {request.source})" if request.source else ""
    message, retryable = rule.message.format(**words), exit_code in (5, 6, 7)
    return _ERRORS[exit_code](message, code=rule.code, hint=rule.hint, retryable=retryable, **facts)


def unknown(request: Request, **facts: Any) -> errors.UnknownOutcomeError:
    """The error of a change without a clear answer."""
    harmless = request.method in IDEMPOTENT
    hint = "Sending the same again is harmless: run the same command again."
    return errors.UnknownOutcomeError(
        "The change may or may not have been applied: no clear answer came.",
        hint=hint if harmless else "check_change",  # the command line knows which list shows it
        **facts | {"outcome": "unknown", "retryable": harmless},
    )


def _retry_after(headers: Mapping[str, str], there: float) -> float | None:
    text = headers.get("Retry-After")
    seconds, date = _number(text), _date(text)
    return seconds if seconds is not None or date is None or date < there else date - there


def _number(text: Any) -> float | None:
    """ASCII digits only: float() also takes `nan`, `1_0` and digits of other scripts."""
    return float(text) if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", str(text), re.ASCII) else None


def _date(text: Any) -> float | None:
    try:
        return parsedate_to_datetime(str(text)[:64]).timestamp()
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
        return None
