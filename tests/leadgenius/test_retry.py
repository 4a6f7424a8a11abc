"""The table of failures: what may be sent again, how long to wait first, which exit code is
left.
"""

from __future__ import annotations

import math

import pytest
from helper_bench import NOW, failed
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from leadgenius import retry
from leadgenius.retry import RULES, Failure, Request, asked_wait, error_of, rule_of, wait_before
from leadgenius.scopes import AGENT, LOGIN

METHODS = ("GET", "PUT", "DELETE", "POST")
ALL, SAFE, NONE = set(METHODS), {"GET", "PUT", "DELETE"}, set()
EIGHT = {"GET": 7, "PUT": 8, "DELETE": 8, "POST": 8}
OWN = {"success": False, "error": "no"}


def same(code):
    return dict.fromkeys(METHODS, code)


# what happened, who may send again after the first attempt, the exit code by method
TABLE = [
    (failed("connect"), ALL, same(6)),
    (failed("tls"), NONE, same(9)),
    (failed("no_answer"), SAFE, EIGHT),
    (failed("body", 200), SAFE, EIGHT),
    (failed("not_json", 200), NONE, EIGHT),
    (failed("broken_json", 200), SAFE, EIGHT),
    (failed("too_large", 200), NONE, EIGHT),
    (failed("unusable", 200), NONE, EIGHT),
    (failed("status", 401), NONE, same(3)),
    (failed("status", 403), NONE, same(3)),
    (failed("status", 400), NONE, same(4)),
    (failed("status", 404), NONE, same(4)),
    (failed("status", 409), NONE, same(4)),
    (failed("status", 413, Retry_After="1"), NONE, same(4)),
    (failed("status", 200, OWN), NONE, same(4)),
    (failed("status", 303), NONE, {**same(4), "POST": 8}),
    (failed("status", 308, Retry_After="1"), NONE, same(4)),
    (failed("status", 429, Retry_After="3"), ALL, same(5)),
    (failed("status", 503), SAFE, EIGHT),
    (failed("status", 503, Retry_After="soon"), SAFE, EIGHT),
    (failed("status", 503, Retry_After="-1"), SAFE, EIGHT),
    (failed("status", 503, Retry_After="0"), SAFE, EIGHT),
    (failed("status", 503, {"page": "of a proxy"}, Retry_After="3"), SAFE, EIGHT),
    (failed("status", 503, OWN, Retry_After="0"), ALL, EIGHT),
    (failed("status", 500), SAFE, EIGHT),
    (failed("status", 500, OWN, Retry_After="3"), SAFE, EIGHT),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", range(len(TABLE)))
def test_every_row_of_the_table(row, method):
    what, again, codes = TABLE[row]
    request = Request(method, "/api/agent/leads")
    waits = [wait_before(request, what, attempt, NOW) for attempt in (1, 2, 3)]
    assert (waits[0] is not None) is (method in again)
    assert (waits[1] is not None) is (method in again and what.kind != "broken_json")
    assert waits[2] is None
    error = error_of(request, what, 1, False, NOW)
    assert error.exit_code == codes[method]
    outcomes = {6: "not_sent", 9: "not_sent", 8: "unknown"}
    assert error.outcome == (None if method == "GET" else outcomes.get(codes[method], "rejected"))


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
        ({"Retry-After": " 12 "}, None, 12),
        ({"retry-after": "1.5"}, None, 1.5),
        ({"Retry-After": "12", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, HOUR, 12),
        ({"Retry-After": "86401"}, None, 86_400),
        ({"Retry-After": "9" * 6000}, None, 86_400),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}, None, 30),
        ({"Retry-After": "Thu, 01 Jan 2026 00:10:30 GMT", "Date": DATE}, None, 30),
        ({"Retry-After": "Fri, 01 Jan 9999 00:00:00 GMT"}, None, 86_400),
        ({"X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({"X-RateLimit-Reset": f"{NOW + 640:.0f}", "Date": DATE}, None, 40),
        ({"Retry-After": "-1", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({"Retry-After": "nan", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({"X-RateLimit-Reset": f"{NOW + 40:.0f}"}, HOUR, 40),
        ({}, HOUR, 3600),
        ({"Date": DATE}, HOUR, 3000),
        ({"Date": DATE}, DAY, 85_800),
    ],
)
def test_what_the_server_names(headers, body, seconds):
    assert asked_wait(Failure("status", 429, CaseInsensitiveDict(headers), body), 1, NOW) == seconds


@pytest.mark.parametrize("body", [None, [], "hour", {"error": None}, {"error": "Today"}])
@pytest.mark.parametrize(
    "text", ["", "-5", "soon", "nan", "inf", "1e3", "1_0", "0x10", "٣", "²", "+5", "5 s", "\x00"]
)
def test_a_wait_that_is_not_named_grows_by_attempt(text, body):
    what = failed("status", 429, body, Retry_After=text, X_RateLimit_Reset=text)
    assert [asked_wait(what, attempt, NOW) for attempt in (1, 2, 3, 4)] == [5, 15, 45, 45]


@given(
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "X-RateLimit-Reset", "Date"]),
        st.one_of(
            st.text(),
            st.integers().map(str),
            st.integers(-9, 99_999).map("Thu, {0} Jan {0} {0}:{0}:{0} GMT".format),
        ),
    ),
    body=st.one_of(
        st.none(), st.text(), st.dictionaries(st.just("error"), st.one_of(st.text(), st.integers()))
    ),
)
def test_no_text_makes_it_raise_or_leave_its_bounds(headers, body):
    seconds = asked_wait(Failure("status", 503, CaseInsensitiveDict(headers), body), 1, NOW)
    assert math.isfinite(seconds)
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


@pytest.mark.parametrize("status", [404, 409, 429, 401])
def test_after_a_lost_attempt_no_answer_makes_the_outcome_known(status):
    error = error_of(Request("DELETE", "/x"), failed("status", status), 2, True, NOW)
    assert (error.exit_code, error.code, error.outcome) == (8, "outcome_unknown", "unknown")
    assert error.hint == "Sending the same again is harmless: run the same command again."
    assert error_of(Request("POST", "/x"), failed("no_answer"), 1, False, NOW).hint == "check_change"
