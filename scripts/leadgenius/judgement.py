"""What a failure means to the caller: the error with its exit code, outcome, code and next step.

The table stands in references/api_reference.md#rate-limits-and-retries. *retryable* (GET, PUT, DELETE) decides whether
to send again; *changing* (all but GET) decides between exit 7 and exit 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from leadgenius.errors import (
    CredentialError,
    LeadGeniusError,
    LocalError,
    NetworkError,
    RateError,
    RefusedError,
    ServerError,
    UnknownOutcomeError,
)
from leadgenius.retry import RETRYABLE, Failure, exit_code

_CLASSES: dict[int, type[LeadGeniusError]] = {
    3: CredentialError,
    4: RefusedError,
    5: RateError,
    6: NetworkError,
    7: ServerError,
    8: UnknownOutcomeError,
    9: LocalError,
}
_REFUSALS = {404: "not_found", 409: "duplicate"}


@dataclass(frozen=True)
class Asked:
    """The request a verdict is about. `source` is where the credential came from, never its value."""

    method: str
    path: str
    origin: str
    source: str

    @property
    def changing(self) -> bool:
        return self.method != "GET"


def judge(
    asked: Asked, failure: Failure, attempts: int, doubt: bool = False, *, wait: float | None = None, now: float = 0.0
) -> LeadGeniusError:
    """The error of a failure after `attempts`. `wait` is the pause, in seconds, that was longer than allowed.

    `doubt`: an earlier attempt of this change may have been applied. Then nothing that a later one meets makes the
    outcome known: a 404 after a lost DELETE, or a 409 after a lost PUT, may be the first attempt's own work.
    """
    kind = 8 if doubt else exit_code(asked.method, failure)
    message, code, hint = _words(kind, asked, failure)
    facts = _server_facts(failure) | _request_facts(asked, attempts)
    facts["outcome"] = _outcome(kind, asked, failure)
    facts["retryable"] = kind in (5, 6, 7) or (kind == 8 and asked.method in RETRYABLE)
    if wait is not None:
        facts["retry_after_seconds"] = round(wait, 1)
        facts["retry_at"] = moment(now + wait)
    return _CLASSES[kind](message, code=code, hint=hint, **facts)


def later(asked: Asked, error: RateError, attempts: int, doubt: bool) -> LeadGeniusError:
    """The limiter's refusal, told about the request: not sent, unless an earlier attempt leaves it in doubt."""
    facts = {name: value for name, value in error.facts.items() if value is not None} | _request_facts(
        asked, attempts - 1
    )
    if asked.changing:
        facts["outcome"] = "unknown" if doubt else "not_sent"
    facts["retryable"] = True
    if doubt:
        return UnknownOutcomeError(_UNKNOWN, hint=_check_hint(asked), **facts)
    hint = error.hint or "Come back at retry_at, or allow a longer wait with --max-wait."
    return RateError(error.message, code=error.code, hint=hint, **facts)


def unsent_in_time(asked: Asked, attempts: int, doubt: bool) -> LeadGeniusError:
    """--max-time leaves no time for this request."""
    facts = _request_facts(asked, attempts) | {"retryable": True}
    if asked.changing:
        facts["outcome"] = "unknown" if doubt else "not_sent"
    if doubt:
        return UnknownOutcomeError(_UNKNOWN, hint=_check_hint(asked), **facts)
    return RateError(
        "The time allowed by --max-time is over; this request was not sent.",
        code="out_of_time",
        hint="Run the same command again, or with a longer --max-time.",
        **facts,
    )


def moment(epoch: float) -> str:
    """ISO 8601, UTC, milliseconds, Z: the form of time of the API and of every time we tell."""
    return datetime.fromtimestamp(epoch, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_UNKNOWN = "The change may or may not have been applied: no clear answer came."


def _words(kind: int, asked: Asked, failure: Failure) -> tuple[str, str | None, str]:
    """Message, code and hint. Fixed texts with numbers and plain ids only."""
    status = failure.status
    if kind == 3:
        return _credential_words(asked, failure)
    if kind == 4:
        return _refusal_words(failure)
    if kind == 5:
        return (
            "The API refuses more requests for now (429).",
            "rate_limited",
            "Come back at retry_at, or allow a longer wait with --max-wait.",
        )
    if kind == 6:
        return (
            f"No connection to {asked.origin}: {failure.detail or 'nothing answered'}. Nothing was sent.",
            None,
            "Check the network and --base-url, then run it again. Without a network: add --sandbox.",
        )
    if kind == 7:
        what = f"HTTP {status}" if status and failure.kind == "status" else _KINDS[failure.kind]
        return f"The server failed on this read: {what}.", None, "Run it again later; nothing was changed."
    if kind == 8:
        return _UNKNOWN, None, _check_hint(asked)
    return (
        "The server's certificate is not trusted; nothing was sent.",
        "tls",
        "Name your certificate file in REQUESTS_CA_BUNDLE, or check who answers at this origin.",
    )


_KINDS = {
    "no_answer": "the connection ended without an answer",
    "body": "the answer broke off",
    "not_json": "the answer is not JSON",
    "broken_json": "the answer is broken JSON",
    "too_large": "the answer is larger than 64 MiB",
    "status": "a failure",
}


def _credential_words(asked: Asked, failure: Failure) -> tuple[str, str, str]:
    source = f" (from {asked.source})" if asked.source else ""
    if asked.path.endswith("/epsimo-auth"):
        return "The e-mail and password do not match an account.", "unauthorized", "Check both and log in again."
    if failure.status == 401:
        return f"The server does not accept the credential{source}.", "unauthorized", "{lgp} auth status --check"
    return (
        f"The credential{source} may not do this.",
        "forbidden",
        "Use a key of the right company; admin calls need one of a Master Admin.",
    )


def _refusal_words(failure: Failure) -> tuple[str, str, str]:
    status = failure.status or 0
    if 300 <= status < 400:
        return (
            f"The server redirects elsewhere (HTTP {status}); redirects are not followed, so no key leaves.",
            "redirected",
            "If the API has moved, set its new origin with --base-url; details.location names the target.",
        )
    if status == 404:
        return (
            "There is no such record or path (HTTP 404).",
            "not_found",
            "Check the id: another company's id is 404 too.",
        )
    if status == 409:
        return (
            "The record is there already (HTTP 409).",
            "duplicate",
            "Nothing to do, or change what makes it the same.",
        )
    if 200 <= status < 300:
        return "The API answered that it did not succeed.", "refused", "server_message and details say what to mend."
    return f"The API refused the request (HTTP {status}).", "refused", "server_message and details say what to mend."


# Where to see whether a POST has been applied, by the end of its path; the first that fits.
_LOOK = {
    "/leads": "{lgp} leads list --email ADDRESS",
    "/leads/batch": "{lgp} leads list",
    "/campaigns": "{lgp} campaigns list",
    "/enrichment/trigger": "{lgp} leads list --email ADDRESS, for new fields (this API lists no jobs)",
    "/analytics/reports": "a report can be started again without harm",
    "/target-accounts": "{lgp} target-accounts list",
    "/sequences": "{lgp} sequences list",
    "/enroll": "{lgp} sequences list, for enrolledCount (enrolling twice is skipped by the server)",
    "/workflows": "{lgp} workflows list",
    "/integrations": "{lgp} integrations list",
    "/webhooks": "{lgp} webhooks list",
    "/maintenance/bugs": "{lgp} maintenance bugs list",
    "/maintenance/enhancements": "{lgp} maintenance enhancements list",
    "/agent-api-keys": "{lgp} keys list",
}


def _check_hint(asked: Asked) -> str:
    if asked.method in RETRYABLE:
        return "Sending the same again is harmless: run the same command again."
    look = next((command for end, command in _LOOK.items() if asked.path.endswith(end)), "a list command")
    return f"Look first whether it is there: {look}. Sending the same again could do it twice."


def _outcome(kind: int, asked: Asked, failure: Failure) -> str | None:
    if not asked.changing:
        return None
    if kind == 8:
        return "unknown"
    return "not_sent" if kind in (6, 9) else "rejected"


def _request_facts(asked: Asked, attempts: int) -> dict[str, Any]:
    return {"method": asked.method, "path": asked.path, "attempts": attempts, "origin": asked.origin}


def _server_facts(failure: Failure) -> dict[str, Any]:
    body = failure.body if isinstance(failure.body, dict) else {}
    facts: dict[str, Any] = {"http_status": failure.status}
    facts["server_code"] = _text(body.get("code"))
    facts["server_message"] = _text(body.get("error") or body.get("message"))
    facts["details"] = body.get("details")
    if failure.status and 300 <= failure.status < 400:
        facts["details"] = {"location": _text(failure.headers.get("Location"))}
    facts["request_id"] = _text(body.get("requestId") or failure.headers.get("X-Request-Id"))
    facts["sandbox"] = bool(failure.headers.get("X-LeadGenius-Sandbox")) or None
    return facts


def _text(value: Any) -> str | None:
    """Text of the server, whole: the console masks it before it cuts it, and makes its control characters inert."""
    return None if value is None or value == "" else str(value)
