"""The table of failures: what may be sent again, how long to wait first, which exit code is
left.
"""

import pytest
from helper_bench import METHODS, NOW, TABLE, failed
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from leadgenius import retry
from leadgenius.retry import RULES, Answer, Request, asked_wait, error_of, rule_of, wait_before
from leadgenius.scopes import AGENT, LOGIN

OWN = {"success": False, "error": "no"}


def asked(method="GET", scope=AGENT):
    return Request(method, "/x", "https://o.example", "", {}, None, scope, 0)


def limited(headers, body=None):
    return Answer("status", 429, CaseInsensitiveDict(headers), body)


def test_every_row_of_the_rules_is_reached():
    reached = {rule_of(asked(method), what).what for method in METHODS for what, _, _ in TABLE}
    assert reached == {rule.what for rule in RULES.values()}


def test_backoff_is_drawn_between_nothing_and_a_doubling_bound(monkeypatch):
    monkeypatch.setattr(retry, "uniform", lambda *bounds: bounds)
    found = [wait_before(asked(), failed("no_answer"), attempt, NOW) for attempt in (1, 2, 3)]
    assert found == [(0, 1), (0, 2), None]


def test_a_wait_that_is_asked_for_gets_a_little_more_and_never_less(monkeypatch):
    for draw, wait in ((min, 20), (max, 21)):
        monkeypatch.setattr(retry, "uniform", draw)
        assert wait_before(asked("POST"), failed(503, OWN, Retry_After="20"), 1, NOW) == wait


DATE = "Thu, 01 Jan 2026 00:10:00 GMT"  # the server's clock, ten minutes ahead of NOW
SOON, LATER = f"{NOW + 40:.0f}", f"{NOW + 640:.0f}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": "12", "X-RateLimit-Reset": SOON}, 12),
        ({"Retry-After": "86401"}, 86_400),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30),
        ({"Retry-After": "Thu, 01 Jan 2026 00:10:30 GMT", "Date": DATE}, 30),
        ({"X-RateLimit-Reset": SOON}, 40),
        ({"X-RateLimit-Reset": LATER, "Date": DATE}, 40),
        ({"Retry-After": "-1", "X-RateLimit-Reset": SOON}, 40),
        ({"Retry-After": DATE, "X-RateLimit-Reset": LATER, "Date": LATER}, 600),
        ({"Retry-After": "soon", "X-RateLimit-Reset": "1e3"}, 15),
        ({}, 15),
    ],
)
def test_what_the_server_names(headers, seconds):
    assert asked_wait(limited(headers), NOW) == seconds


NAMES = st.sampled_from(["Retry-After", "X-RateLimit-Reset", "Date"])
DATES = st.integers(-9, 99_999).map("Thu, {0} Jan {0} {0}:{0}:{0} GMT".format)


@given(st.dictionaries(NAMES, st.text() | st.integers().map(str) | DATES))
def test_no_text_makes_it_raise_or_leave_its_bounds(headers):
    assert 0 <= asked_wait(limited(headers), NOW) <= 86_400
    assert (
        0 <= retry.shared_pause(limited({**headers, "X-RateLimit-Remaining": "0"}), NOW) <= 86_400
    )


@pytest.mark.parametrize(
    ("status", "body", "left", "after", "reset", "seconds"),
    [
        (429, OWN, "0", "7200", SOON, 7200),
        (429, None, "0", "7200", "", 900),  # that of a proxy is 15 minutes at most
        (503, OWN, "9", "7", "", 0),
        (200, [], "1", "", SOON, 0),
        (200, [], "0", "", SOON, 40),
        *((200, [], "0", "", reset, 0) for reset in ("soon", "5", f"{NOW * 1000:.0f}")),
    ],
)
def test_what_stops_everybody(status, body, left, after, reset, seconds):
    headers = {"Retry-After": after, "x-ratelimit-remaining": left, "x-ratelimit-reset": reset}
    found = Answer("status", status, CaseInsensitiveDict(headers), body)
    assert retry.shared_pause(found, NOW) == seconds


def test_an_error_says_when_and_what_the_server_said():
    body = {
        "error": "not now",
        "code": "RATE_LIMITED",
        "details": [{"field": "email", "problem": "taken"}],
        "requestId": "req-1",
    }
    error = error_of(asked(), failed(429, body, Retry_After="6.04"), NOW + 0.0001)
    assert error.as_dict() == {
        "code": "rate_limited",
        "message": "The API accepts no more requests for now (HTTP 429).",
        "hint": "Come back at retry_at, or allow a longer wait with --max-wait.",
        "exit_code": 5,
        "http_status": 429,
        "server_code": "RATE_LIMITED",
        "server_message": "not now",
        "details": [{"field": "email", "problem": "taken"}],
        "request_id": "req-1",
        "retryable": True,
        "retry_after_seconds": 6.0,
        "retry_at": "2026-01-01T00:00:06.041Z",
    }
    assert (
        str(error)
        == "The API accepts no more requests for now (HTTP 429). not now [{'field': 'email', 'problem': 'taken'}]"
    )


@pytest.mark.parametrize(
    ("what", "code", "retryable", "words"),
    [
        (401, "unauthorized", False, "accept the e-mail and password"),
        (403, "forbidden", False, ""),
        (399, "redirected", False, "HTTP 399"),
        (400, "refused", False, ""),
        (499, "refused", False, ""),
        (500, "server_failure", True, "HTTP 500"),
        ("connect", "network", True, "https://o.example: slow."),
        ("tls", "tls", False, ""),
    ],
)
def test_an_error_has_the_code_and_words_of_its_row(what, code, retryable, words):
    failure = failed(what, OWN, Location="https://moved.example")._replace(detail="slow")
    error = error_of(asked(scope=LOGIN), failure, NOW)
    assert (error.code, error.retryable, words in error.message) == (code, retryable, True)
    location = {"location": "https://moved.example"} if code == "redirected" else None
    assert error.details == location


@pytest.mark.parametrize(
    ("method", "harmless", "hint"), [("PUT", True, "run the same"), ("POST", False, "check_change")]
)
def test_an_unknown_outcome_says_whether_sending_again_is_harmless(method, harmless, hint):
    error = retry.unknown(asked(method), {"attempts": 3})
    assert (error.retryable, hint in error.hint, error.attempts) == (harmless, True, 3)
