"""The table of failures: what may be sent again, how long to wait first, which exit code is
left.
"""

import pytest
from helper_bench import METHODS, NOW, TABLE, failed
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from leadgenius import retry
from leadgenius.retry import RULES, Failure, Request, asked_wait, error_of, rule_of, wait_before
from leadgenius.scopes import AGENT, LOGIN

OWN = {"success": False, "error": "no"}


def test_every_row_of_the_rules_is_reached():
    requests = [Request(method, "/x", scope=one) for method in METHODS for one in (AGENT, LOGIN)]
    reached = {rule_of(request, what).what for request in requests for what, _, _ in TABLE}
    assert reached == {rule.what for rule in RULES.values()}


def test_backoff_is_drawn_between_nothing_and_a_doubling_bound(monkeypatch):
    monkeypatch.setattr(retry, "uniform", lambda *bounds: bounds)
    request, lost = Request("GET", "/x"), failed("no_answer")
    assert [wait_before(request, lost, attempt, NOW) for attempt in (1, 2)] == [(0, 1), (0, 2)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_asked_for_gets_a_little_more_and_never_less(status, monkeypatch):
    what = failed("status", status, OWN, Retry_After="20")
    for draw, wait in ((min, 20), (max, 21)):
        monkeypatch.setattr(retry, "uniform", draw)
        assert wait_before(Request("POST", "/x"), what, 1, NOW) == wait


DATE = "Thu, 01 Jan 2026 00:10:00 GMT"  # the server's clock, ten minutes ahead of NOW
HOUR = {"error": "Rate limit exceeded (hour window)"}
DAY = {"error": "Rate limit exceeded (day window)"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": " 1.5 "}, None, 1.5),
        ({"Retry-After": "12", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, HOUR, 12),
        ({"Retry-After": "86401"}, None, 86_400),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}, None, 30),
        ({"Retry-After": "Thu, 01 Jan 2026 00:10:30 GMT", "Date": DATE}, None, 30),
        ({"X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({"X-RateLimit-Reset": f"{NOW + 640:.0f}", "Date": DATE}, None, 40),
        ({"Retry-After": "-1", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({}, HOUR, 3600),
        ({"Retry-After": "soon", "X-RateLimit-Reset": "1e3"}, {"error": "Today"}, 5),
        ({"Date": DATE}, HOUR, 3000),
        ({"Date": DATE}, DAY, 85_800),
    ],
)
def test_what_the_server_names(headers, body, seconds):
    assert asked_wait(Failure("status", 429, CaseInsensitiveDict(headers), body), 1, NOW) == seconds


NUMBERS = st.integers().map(str)
DATES = st.integers(-9, 99_999).map("Thu, {0} Jan {0} {0}:{0}:{0} GMT".format)
NAMES = st.sampled_from(["Retry-After", "X-RateLimit-Reset", "Date"])


@given(st.dictionaries(NAMES, st.text() | NUMBERS | DATES), st.text() | st.none() | st.integers())
def test_no_text_makes_it_raise_or_leave_its_bounds(headers, text):
    for body in (text, {"error": text}):
        failure = Failure("status", 503, CaseInsensitiveDict(headers), body)
        seconds = asked_wait(failure, 1, NOW)
        assert 0 <= seconds <= 86_400


def test_an_error_says_where_when_and_what_the_server_said():
    body = {
        "error": "not now",
        "code": "RATE_LIMITED",
        "details": [{"field": "email", "problem": "taken"}],
        "requestId": "req-1",
    }
    request = Request("PUT", "/api/agent/leads/1", "https://o.example", source="LGP_API_KEY")
    refused = failed("status", 429, body, X_LeadGenius_Sandbox="1", Retry_After="6.04")
    error = error_of(request, refused, 3, False, NOW + 0.0001)
    assert error.as_dict() == {
        "code": "rate_limited",
        "message": "The API accepts no more requests for now (HTTP 429).",
        "hint": "Come back at retry_at, or allow a longer wait with --max-wait.",
        "exit_code": 5,
        "method": "PUT",
        "path": "/api/agent/leads/1",
        "origin": "https://o.example",
        "attempts": 3,
        "http_status": 429,
        "server_code": "RATE_LIMITED",
        "server_message": "not now",
        "details": [{"field": "email", "problem": "taken"}],
        "request_id": "req-1",
        "retryable": True,
        "sandbox": True,
        "retry_after_seconds": 6.0,
        "retry_at": "2026-01-01T00:00:06.041Z",
        "outcome": "rejected",
    }
    assert str(error) == "The API accepts no more requests for now (HTTP 429). not now email: taken"


def test_a_429_that_names_no_time_waits_longer_each_time():
    bare = failed("status", 429)
    assert [asked_wait(bare, attempt, NOW) for attempt in (1, 2, 3, 4)] == [5, 15, 45, 45]


@pytest.mark.parametrize(
    ("scope", "status", "exit_code", "code"),
    [(LOGIN, 401, 3, "unauthorized"), (LOGIN, 403, 3, "unauthorized"), (AGENT, 403, 3, "forbidden"),
     (AGENT, 300, 4, "redirected"), (AGENT, 399, 4, "redirected"), (AGENT, 400, 4, "refused")],
)  # fmt: skip
def test_the_borders_of_the_statuses(scope, status, exit_code, code):
    what = failed("status", status, OWN, Location="https://moved.example")
    error = error_of(Request("GET", "/x", scope=scope), what, 1, False, NOW)
    assert (error.exit_code, error.code) == (exit_code, code)
    assert error.details == ({"location": "https://moved.example"} if status < 400 else None)


@pytest.mark.parametrize(
    ("what", "retryable"),
    [(failed("status", 500), True), (failed("connect"), True), (failed("status", 429), True),
     (failed("status", 404), False), (failed("tls"), False)],
)  # fmt: skip
def test_what_may_be_tried_again_later_says_so(what, retryable):
    assert error_of(Request("GET", "/x"), what, 3, False, NOW).retryable is retryable
