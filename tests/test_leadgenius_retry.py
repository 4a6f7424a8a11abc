"""The retry policy, every row of the table in references/api_reference.md#rate-limits-and-retries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from leadgenius.retry import KINDS, MAX_ATTEMPTS, Failure, delay, exit_code, retry_after

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
METHODS = ("GET", "PUT", "DELETE", "POST")
ALL, SAFE, NONE = set(METHODS), {"GET", "PUT", "DELETE"}, set()
READ_7 = {"GET": 7, "PUT": 8, "DELETE": 8, "POST": 8}


def same(code):
    return dict.fromkeys(METHODS, code)


def highest(low, high):
    return high


def failure(kind, status=None, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Failure(kind, status=status, headers=CaseInsensitiveDict(named), body=body)


# what happened, who may send again after the first attempt, the exit code by method
TABLE = [
    (failure("connect"), ALL, same(6)),
    (failure("tls"), NONE, same(9)),
    (failure("no_answer"), SAFE, READ_7),
    (failure("body", 200), SAFE, READ_7),
    (failure("not_json", 200), NONE, READ_7),
    (failure("broken_json", 200), SAFE, READ_7),
    (failure("too_large", 200), NONE, READ_7),
    (failure("status", 401), NONE, same(3)),
    (failure("status", 403), NONE, same(3)),
    (failure("status", 400), NONE, same(4)),
    (failure("status", 404), NONE, same(4)),
    (failure("status", 408), NONE, same(4)),
    (failure("status", 409), NONE, same(4)),
    (failure("status", 413, Retry_After="1"), NONE, same(4)),
    (failure("status", 499), NONE, same(4)),
    (failure("status", 498), NONE, same(4)),
    (failure("status", 200, {"success": False}), NONE, same(4)),
    (failure("status", 300), NONE, same(4)),
    (failure("status", 301), NONE, same(4)),
    (failure("status", 302), NONE, same(4)),
    (failure("status", 303), NONE, {**same(4), "POST": 8}),
    (failure("status", 307), NONE, same(4)),
    (failure("status", 308, Retry_After="1"), NONE, same(4)),
    (failure("status", 429), ALL, same(5)),
    (failure("status", 429, Retry_After="3"), ALL, same(5)),
    (failure("status", 503), SAFE, READ_7),
    (failure("status", 503, Retry_After="soon"), SAFE, READ_7),
    (failure("status", 503, Retry_After="-1"), SAFE, READ_7),
    (failure("status", 503, Retry_After="0"), ALL, READ_7),
    (failure("status", 503, Retry_After="3"), ALL, READ_7),
    (failure("status", 500), SAFE, READ_7),
    (failure("status", 500, Retry_After="3"), SAFE, READ_7),
    (failure("status", 502), SAFE, READ_7),
    (failure("status", 599), SAFE, READ_7),
    (failure("status", 101), NONE, READ_7),
    (failure("status", 999), NONE, READ_7),
    (failure("status"), NONE, READ_7),
]
ROWS = [
    pytest.param(
        what, method, method in again, codes[method], id=f"{what.kind}-{what.status}-{dict(what.headers)}-{method}"
    )
    for what, again, codes in TABLE
    for method in METHODS
]


@pytest.mark.parametrize(("what", "method", "again", "code"), ROWS)
def test_every_row_of_the_table(what, method, again, code):
    waits = [delay(method, what, attempt, now=NOW, uniform=highest) for attempt in (1, 2, 3)]
    assert (waits[0] is not None) is again
    assert (waits[1] is not None) is (again and what.kind != "broken_json")
    assert waits[2] is None
    assert exit_code(method, what) == code


def test_the_table_knows_every_kind():
    assert {what.kind for what, _, _ in TABLE} == set(KINDS)


def test_another_kind_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="not a kind"):
        Failure("conect")


def test_three_attempts_at_most():
    assert MAX_ATTEMPTS == 3
    assert [delay("GET", failure("status", 429), at, now=NOW, uniform=highest) is None for at in (3, 4, 99)] == [
        True
    ] * 3


@pytest.mark.parametrize(("attempt", "most"), [(1, 1.0), (2, 2.0)])
def test_backoff_is_drawn_between_nothing_and_a_doubling_bound(attempt, most):
    drawn = []
    assert delay("GET", failure("no_answer"), attempt, now=NOW, uniform=lambda a, b: drawn.append((a, b)) or 0.7) == 0.7
    assert drawn == [(0, most)]


@pytest.mark.parametrize("status", [429, 503])
def test_a_named_wait_gets_jitter_upward_only(status):
    what = failure("status", status, Retry_After="20")
    lowest, most = (delay("POST", what, 1, now=NOW, uniform=draw) for draw in (min, max))
    assert lowest == 20
    assert 20 < most <= 25


DATE = "Thu, 01 Jan 2026 00:10:00 GMT"  # the server's clock, ten minutes ahead of NOW
HOUR = {"error": "Rate limit exceeded (hour window)"}
DAY = {"error": "Rate limit exceeded (day window)"}
MINUTE = {"error": "Rate limit exceeded (minute window)"}
LADDER = [5, 15, 45]


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "0"}, None, 0),
        ({"Retry-After": " 12 "}, None, 12),
        ({"retry-after": "1.5"}, None, 1.5),
        ({"Retry-After": "12", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, HOUR, 12),
        ({"Retry-After": "86401"}, None, 86_400),
        ({"Retry-After": "9" * 6000}, None, 86_400),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}, None, 30),
        ({"Retry-After": "Thursday, 01-Jan-26 00:00:30 GMT"}, None, 30),
        ({"Retry-After": "Thu Jan  1 00:00:30 2026"}, None, 30),
        ({"Retry-After": "Thu, 01 Jan 2026 00:10:30 GMT", "Date": DATE}, None, 30),
        ({"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT", "Date": "today"}, None, 30),
        ({"Retry-After": "Fri, 01 Jan 9999 00:00:00 GMT"}, None, 86_400),
        ({"Retry-After": b"7"}, None, 7),
        ({"X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({"X-RateLimit-Reset": f"{NOW + 640:.0f}", "Date": DATE}, None, 40),
        ({"Retry-After": "-1", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        ({"Retry-After": "nan", "X-RateLimit-Reset": f"{NOW + 40:.0f}"}, None, 40),
        (
            {"Retry-After": "Thu, 01 Jan 2026 00:09:30 GMT", "Date": DATE, "X-RateLimit-Reset": f"{NOW + 640:.0f}"},
            None,
            40,
        ),
        ({"X-RateLimit-Reset": "99999999999999"}, None, 86_400),
        ({"X-RateLimit-Reset": f"{NOW + 40:.0f}"}, HOUR, 40),
        ({}, HOUR, 3600),
        ({"Date": DATE}, HOUR, 3000),
        ({"Date": DATE}, DAY, 85_800),
        ({"X-RateLimit-Reset": f"{NOW - 40:.0f}", "Date": DATE}, {"error": "1000 requests per Hour"}, 3000),
    ],
)
def test_what_the_server_names(headers, body, seconds):
    assert retry_after(CaseInsensitiveDict(headers), body, 1, now=NOW) == seconds


@pytest.mark.parametrize(
    "body", [None, MINUTE, [], "hour", {"error": None}, {"error": {"hour": 1}}, {"error": "Today"}]
)
@pytest.mark.parametrize(
    "text", ["", "-5", "soon", "nan", "inf", "1e3", "1_0", "0x10", "٣", "²", "+5", "5 s", "1.", "\x00"]
)
def test_a_wait_that_is_not_named_grows_by_attempt(text, body):
    headers = CaseInsensitiveDict({"Retry-After": text, "X-RateLimit-Reset": text})
    assert [retry_after(headers, body, attempt, now=NOW) for attempt in (1, 2, 3, 4)] == [*LADDER, 45]


numbers = st.one_of(st.integers(), st.floats(), st.integers(min_value=10**300)).map(str)
digits = st.text("0123456789٠١٢٣۴۵९²½Ⅷ.,-+eE_ ", max_size=30)
dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Thu", "", "Xyz"]),
    st.integers(-1, 99),
    st.sampled_from(["Jan", "Feb", "13", ""]),
    st.integers(-5, 99_999),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.sampled_from(["GMT", "", "-0000", "+9999", "-99999999999", "EST"]),
)
anything = st.one_of(st.text(), st.text().map(lambda text: text.encode("utf-8", "replace")), numbers, digits, dates)


@given(
    headers=st.dictionaries(st.sampled_from(["Retry-After", "X-RateLimit-Reset", "Date"]), anything),
    body=st.one_of(st.none(), st.text(), st.dictionaries(st.just("error"), st.one_of(st.text(), st.integers()))),
    attempt=st.integers(),
)
def test_no_text_makes_it_raise_or_leave_its_bounds(headers, body, attempt):
    seconds = retry_after(CaseInsensitiveDict(headers), body, attempt, now=NOW)
    assert math.isfinite(seconds)
    assert 0 <= seconds <= 86_400
    delay(
        "GET", Failure("status", status=503, headers=CaseInsensitiveDict(headers), body=body), 1, now=NOW, uniform=max
    )
