"""What a failed attempt means: whether to send again, how long to wait first, and the error that is
left.

Two words carry it: *idempotent* (GET, PUT, DELETE) decides whether to send again; *changing* (all
but GET) decides between exit 7 and exit 8. Nothing here has a clock or sleeps.
"""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Any, NamedTuple

from leadgenius.answers import dig, text
from leadgenius.errors import LeadGeniusError, UnknownOutcomeError
from leadgenius.scopes import LOGIN, Scope
from leadgenius.settings import iso

Headers = Mapping[str, str]
MAX_ATTEMPTS = 3
IDEMPOTENT = ("GET", "PUT", "DELETE")
LONGEST_WAIT = 86_400.0
NEVER = -math.inf  # a wait that no header names
FALLBACK_WAIT = 15.0  # after a 429 that names no time
PROXY_PAUSE = 900.0  # longest pause after a 429 that is not the API's own, but a proxy's


class Rule(NamedTuple):
    """One row of the table of failures. `again`: always, idempotent, once (idempotent, one time),
    wait (as long as the server asks) or never. `exit_code` is the one that is left; 7 of a change
    becomes 8, because it may have been applied.
    """

    what: str
    again: str
    exit_code: int
    message: str
    hint: str = "Run it again later; nothing was changed."
    code: str | None = None


RULES = {
    "connect": Rule(
        "name not resolved, refused, connect timeout, proxy refused (nothing sent)", "always",
        6, "No connection to {request.origin}: {answer.detail}. Nothing was sent.",
        "Check the network and the base URL, then run it again."),
    "tls": Rule(
        "TLS not trusted", "never", 9,
        "The server's certificate is not trusted; nothing was sent.",
        "Name a certificate file that exists in REQUESTS_CA_BUNDLE or SSL_CERT_FILE.", "tls"),
    "proxy": Rule(
        "a proxy variable that is no http URL", "never", 9,
        "A proxy variable is no http URL; nothing was sent.",
        "Set it to a URL such as http://proxy.example:3128, or unset it."),
    "no_answer": Rule(
        "read timeout, reset, or closed before the end of the answer", "idempotent", 7,
        "The connection ended before the answer did: {answer.detail}."),
    "not_json": Rule(
        "2xx that is not JSON", "never", 7, "The answer is not JSON (HTTP {answer.status})."),
    "broken_json": Rule(
        "2xx with broken JSON", "once", 7,
        "The answer is broken JSON (HTTP {answer.status})."),
    "401": Rule(
        "401", "never", 3, "The server does not accept {request.source}.",
        "log_in", "unauthorized"),
    "403": Rule(
        "403", "never", 3, "The server does not allow this for {request.source}.",
        "Use a key of the right company; admin calls need one of a Master Admin.", "forbidden"),
    "404": Rule(
        "404", "never", 4, "There is no such record or path (HTTP 404).",
        "Check the id: another company's id is 404 too.", "not_found"),
    "409": Rule(
        "409", "never", 4, "The record already exists (HTTP 409).", "There is nothing to do.",
        "duplicate"),
    "refused": Rule(
        "other 4xx, success: false", "never", 4,
        "The API refused the request (HTTP {answer.status}).",
        "Fix what the server names, then run it again."),
    "redirect": Rule(
        "3xx", "never", 4,
        "The server redirects (HTTP {answer.status}); redirects are not followed.",
        "If the API has moved, set its new origin as the base URL; details.location names it.",
        "redirected"),
    "429": Rule(
        "429", "wait", 5, "The API accepts no more requests for now (HTTP 429).",
        "Come back at retry_at, or allow a longer wait with --max-wait."),
    "unavailable": Rule(
        "503 with Retry-After (POST: only as the API's own JSON error)", "wait", 7,
        "The server is not available (HTTP 503)."),
    "server": Rule(
        "other 5xx; 303 after a POST", "idempotent", 7,
        "The server failed (HTTP {answer.status})."),
    "too_large": Rule(
        "body over 64 MiB", "never", 7, "The answer is larger than 64 MiB.",
        "Ask for less at once, with filters or smaller pages."),
}  # fmt: skip
_ERRORS = {one.exit_code: one for one in LeadGeniusError.__subclasses__()}


class Answer(NamedTuple):
    """How an attempt ended. `failure` is "" for a success: any 2xx whose body is JSON, or empty
    (None); `status` for any other whole answer; else a key of RULES.

    `headers` are found in any case. `detail` says in words what failed. `maybe_applied`: an earlier
    attempt of this change had no answer, so it may have been applied too.
    """

    failure: str = ""
    status: int | None = None
    headers: Headers = {}  # noqa: RUF012 (a Mapping)
    body: Any = None
    detail: str = ""
    maybe_applied: bool = False


class Request(NamedTuple):
    """One request. `changes` counts the records it may change; `source` is what it proves itself
    with, `counted` the name of that in the request log.
    """

    method: str
    path: str
    origin: str
    url: str
    headers: Headers
    body: Any
    scope: Scope
    changes: int
    source: str = "the e-mail and password"
    counted: str = ""


def is_api_error(body: Any) -> bool:
    """Whether the API itself wrote this refusal, and no proxy before it."""
    return dig(body, "error", "success") is not None


def rule_of(request: Request, found: Answer) -> Rule:
    """The row of the table for one failure."""
    status, post = found.status or 0, request.method not in IDEMPOTENT
    if found.failure != "status":
        return RULES[found.failure]
    waits = status == 503 and "Retry-After" in found.headers
    if waits and not (post and not is_api_error(found.body)):
        return RULES["unavailable"]
    if status >= 500 or (status == 303 and post):
        return RULES["server"]
    if 300 <= status < 400:
        return RULES["redirect"]
    return RULES.get(str(status), RULES["refused"])


def outcome_of(request: Request, found: Answer, before: str | None) -> str | None:
    """What became of a change; None for a read. Once unknown (`before`), no later failure makes it
    known: a 404 after a lost DELETE may be that DELETE's own work.
    """
    if request.method == "GET":
        return None
    if not found.failure:
        return "applied"
    exit_code = rule_of(request, found).exit_code
    if exit_code == 7 or before == "unknown":
        return "unknown"
    return "not_sent" if exit_code in (6, 9) else "rejected"


def wait_before(request: Request, found: Answer, attempt: int, now: float) -> float | None:
    """Seconds to wait before sending again; None: do not. `attempt` counts from 1."""
    again = rule_of(request, found).again
    if attempt == MAX_ATTEMPTS or (again == "once" and attempt > 1):
        return None
    if again == "wait" and request.scope != LOGIN:
        return asked_wait(found, now) + uniform(0.0, 1.0)
    if again == "always" or (again in ("idempotent", "once") and request.method in IDEMPOTENT):
        return uniform(0.0, 0.5 * 2.0**attempt)
    return None


def asked_wait(found: Answer, now: float) -> float:
    """Seconds that a 429 or 503 asks for, 0 to 86,400: Retry-After, X-RateLimit-Reset, else 15.
    `now` is epoch seconds. Never raises.
    """
    after = found.headers.get("Retry-After")
    date = _date(after, NEVER) - _date(found.headers.get("Date"), now)
    waits = _number(after), date, _reset_wait(found, now), FALLBACK_WAIT
    return min(next(wait for wait in waits if wait >= 0), LONGEST_WAIT)


def shared_pause(found: Answer, now: float) -> float:
    """Seconds for which nobody may use the credential after this answer: what a 429 asks for; else,
    when nothing is left because another machine uses the key too, until the limit is reset.
    """
    if found.status == 429:
        longest = LONGEST_WAIT if is_api_error(found.body) else PROXY_PAUSE
        return min(asked_wait(found, now), longest)
    reset = _reset_wait(found, now)
    empty = found.headers.get("X-RateLimit-Remaining") == "0"
    return reset if empty and 0 < reset <= LONGEST_WAIT else 0.0


def _reset_wait(found: Answer, now: float) -> float:
    """Seconds until X-RateLimit-Reset, by the server's clock, which its Date shows; negative
    without one, or when it has passed.
    """
    headers = found.headers
    return _number(headers.get("X-RateLimit-Reset")) - _date(headers.get("Date"), now)


def error_of(request: Request, found: Answer, now: float) -> LeadGeniusError:
    """The error that is left, unless the outcome of a change is unknown."""
    rule, body = rule_of(request, found), found.body
    facts = {
        "http_status": found.status,
        "server_code": text(body, "code"),
        "server_message": text(body, "error.message", "error", "message"),
        "details": dig(body, "details"),
        "request_id": text(body, "requestId"),
        "retryable": rule.exit_code in (5, 6, 7),
    }
    if rule.code == "redirected":
        facts["details"] = {"location": found.headers.get("Location")}
    if rule.again == "wait":
        asked = asked_wait(found, now)
        facts |= {"retry_after_seconds": round(asked, 1), "retry_at": iso(now + asked)}
    message = rule.message.format(request=request, answer=found)
    return _ERRORS[rule.exit_code](message, code=rule.code, hint=rule.hint, **facts)


def unknown(request: Request, facts: Mapping[str, Any]) -> UnknownOutcomeError:
    """The error of a change without a clear answer."""
    harmless = request.method in IDEMPOTENT
    hint = "Sending the same again is harmless: run the same command again."
    return UnknownOutcomeError(
        "The change may or may not have been applied: no clear answer came.",
        hint=hint if harmless else "check_change",  # the command line knows which list shows it
        **{**facts, "retryable": harmless},
    )


def _number(value: Any) -> float:
    """ASCII digits only: float() also takes `nan`, `1_0` and digits of other scripts."""
    return float(value) if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", str(value)) else NEVER


def _date(value: Any, otherwise: float) -> float:
    try:
        return parsedate_to_datetime(str(value)).timestamp()
    except Exception:  # whatever a server may write
        return otherwise
