"""When a request is sent again, how long to wait before that, and how a failure ends: rules without clock or sleep.

The rules stand in references/api_reference.md#rate-limits-and-retries. Two words carry them: *retryable* (GET, PUT,
DELETE: twice does what once does) decides whether to send again; *changing* (all but GET) decides the exit code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any

MAX_ATTEMPTS = 3
LONGEST_WAIT = 86_400.0
LADDER = (5.0, 15.0, 45.0)  # seconds after a 429 that says nothing about time, by attempt
JITTER = 1.0  # seconds added at most to a wait that the server named, so that waiting processes do not come back as one
RETRYABLE = frozenset({"GET", "PUT", "DELETE"})

KINDS = ("connect", "tls", "no_answer", "body", "not_json", "broken_json", "status", "too_large")


@dataclass(frozen=True)
class Failure:
    """What went wrong with one attempt.

    `kind`: connect (nothing was sent), tls (not trusted), no_answer (timeout, reset or close before a status line),
    body (reset, stall or truncation inside the body), not_json (2xx of another type), broken_json (2xx that says JSON
    and is not), status (a status that is not success, or `success: false` under 2xx), too_large.
    `headers` must find names in any case (requests' CaseInsensitiveDict); `body` is the parsed JSON, if any;
    `detail` says in our own words what broke, for people.
    """

    kind: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:  # a misspelt one would be judged as something else
            raise ValueError(f"not a kind of failure: {self.kind}")


def delay(
    method: str, failure: Failure, attempt: int, *, now: float, uniform: Callable[[float, float], float]
) -> float | None:
    """Seconds to wait before sending again; None: do not send again.

    `attempt` counts from 1; `now` is epoch seconds; `uniform(a, b)` draws a number between both. The caller holds
    the wait against `--max-wait`, and does not ask for a login's 429, which is never sent again.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    if failure.kind == "status" and _asks_for_pause(failure, now):
        return retry_after(failure.headers, failure.body, attempt, now=now) + uniform(0.0, JITTER)
    if not _may_send_again(method, failure, attempt):
        return None
    return uniform(0.0, min(8.0, 0.5 * 2.0**attempt))


def exit_code(method: str, failure: Failure) -> int:
    """The exit code once no further attempt follows: 3, 4, 5, 6, 7, 8 or 9 (meanings: references, exit codes)."""
    if failure.kind == "connect":
        return 6
    if failure.kind == "tls":
        return 9
    if failure.kind == "status" and (verdict := _verdict(method, failure.status or 0)):
        return verdict
    return 7 if method == "GET" else 8


def retry_after(headers: Mapping[str, str], body: Any, attempt: int, *, now: float) -> float:
    """Seconds that a 429 or 503 asks us to stay away, 0 to 86,400, without jitter. Never raises, whatever they wrote.

    Retry-After (seconds or a date), else X-RateLimit-Reset (epoch seconds), else to the end of the hour or day that
    the error sentence names, else 5, 15, 45 s by attempt. `now` is epoch seconds; times are measured against the
    answer's own `Date` where it has one, because its clock and ours differ.
    """
    there = _their_time(headers, now)
    for found in (_named(headers, there), _reset(headers, there), _window_end(body, there)):
        if found is not None:
            return min(found, LONGEST_WAIT)
    return LADDER[max(0, min(attempt, len(LADDER)) - 1)]


def _asks_for_pause(failure: Failure, now: float) -> bool:
    """429, and 503 with a usable Retry-After: refused at the door, before any handler, so even a POST may return."""
    if failure.status == 503:
        return _named(failure.headers, _their_time(failure.headers, now)) is not None
    return failure.status == 429


def _may_send_again(method: str, failure: Failure, attempt: int) -> bool:
    if failure.kind == "connect":
        return True
    if method not in RETRYABLE:
        return False
    if failure.kind == "broken_json":
        return attempt == 1
    return failure.kind in ("no_answer", "body") or (failure.kind == "status" and _is_server_fault(failure.status))


def _is_server_fault(status: int | None) -> bool:
    return status is not None and 500 <= status <= 599


def _verdict(method: str, status: int) -> int | None:
    """The exit code of a status that tells the outcome; None where it tells nothing (5xx and unheard-of ones)."""
    if status in (401, 403):
        return 3
    if status == 429:
        return 5
    if status == 303 and method == "POST":
        return 8  # "see the result over there": the change was probably made
    return 4 if 200 <= status <= 499 else None


def _their_time(headers: Mapping[str, str], now: float) -> float:
    date = _date(headers, "Date")
    return now if date is None else date


def _named(headers: Mapping[str, str], there: float) -> float | None:
    seconds = _number(headers, "Retry-After")
    return _until(_date(headers, "Retry-After"), there) if seconds is None else seconds


def _reset(headers: Mapping[str, str], there: float) -> float | None:
    return _until(_number(headers, "X-RateLimit-Reset"), there)


def _until(moment: float | None, there: float) -> float | None:
    """None as well for a moment that has passed: it says nothing about how long to stay away."""
    return None if moment is None or moment < there else moment - there


def _window_end(body: Any, there: float) -> float | None:
    """Rate limit exceeded (hour window): to the end of that window, counted from the epoch as fixed windows are."""
    sentence = body.get("error") if isinstance(body, dict) else None
    found = re.search(r"\b(?:(hour)|(day))\b", sentence, re.IGNORECASE) if isinstance(sentence, str) else None
    if not found:
        return None
    window = 3600.0 if found[1] else 86_400.0
    return window - there % window


def _text(headers: Mapping[str, str], name: str) -> str:
    value: Any = headers.get(name, "")
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip()


def _number(headers: Mapping[str, str], name: str) -> float | None:
    """ASCII digits only: int() and float() also take `nan`, `1_0` and digits of other scripts."""
    text = _text(headers, name)
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None


def _date(headers: Mapping[str, str], name: str) -> float | None:
    try:
        moment = parsedate_to_datetime(_text(headers, name)[:64])
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
        return None  # parsedate_to_datetime lets several kinds through, by Python version
    return seconds if math.isfinite(seconds) else None
