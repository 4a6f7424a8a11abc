"""The client over planned answers: attempts, waits, outcomes, the fence, headers and lists."""

import pytest
from helper_bench import KEY, METHODS, TABLE, failed

from leadgenius.errors import RateError, ServerError, UsageError
from leadgenius.keys import Credential
from leadgenius.scopes import PRODUCTION

ERROR = {"success": False, "error": "no", "code": "VALIDATION_ERROR"}
OUTCOMES = {3: "rejected", 4: "rejected", 5: "rejected", 6: "not_sent", 8: "unknown", 9: "not_sent"}


def limited(seconds, body=ERROR):
    return failed(429, body, Retry_After=str(seconds))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", range(len(TABLE)))
def test_every_row_of_the_table_of_failures(row, method, bench):
    what, again, code = TABLE[row]
    if method != "GET" and (code == 7 or (method, what.status) == ("POST", 303)):
        code = 8
    made = bench([what])
    error = made.error(method)
    attempts = 1 if method not in again else 2 if what.failure == "broken_json" else 3
    assert made.requests == len(made.sent) == len(made.time.slept) + 1 == attempts
    assert made.second("settle") == list(range(1, attempts + 1)), "every attempt has its own slot"
    outcome = made.last_outcome
    assert outcome == (None if method == "GET" else OUTCOMES[code])
    facts = (error.exit_code, error.outcome, error.method, error.path, error.origin, error.attempts)
    assert facts == (code, outcome, method, "/api/agent/campaigns/c1", PRODUCTION, attempts)
    assert KEY not in str(error.as_dict())


@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize("kind", ["connect", "no_answer"])
def test_what_is_sent_again_is_the_same_and_may_have_been_applied_before(kind, method, bench):
    made = bench([failed(kind), {"id": "a"}])
    answer = made.call(method, "/leads/1", body={"a": 1})
    first, second = made.sent
    assert first == second
    assert (first.method, first.body) == (method, {"a": 1})
    assert answer.maybe_applied is (method != "GET" and kind != "connect")
    assert made.last_outcome == (None if method == "GET" else "applied")


@pytest.mark.parametrize(
    ("method", "plan", "options", "left"),
    [
        # once unknown, no later failure makes it known; what never left makes nothing unknown
        ("PUT", [failed("no_answer"), failed(404)], {}, (8, "unknown", 2)),
        ("PUT", [failed("no_answer"), failed("connect")], {}, (8, "unknown", 3)),
        ("PUT", [failed("connect"), failed(409)], {}, (4, "rejected", 2)),
        # no wait is begun that would end too late; two of 40 s pass 75 s together
        ("GET", [limited(80)], {}, (5, None, 1)),
        ("GET", [limited(40)], {}, (5, None, 2)),
        ("GET", [limited(10)], {"end": 1008.0}, (5, None, 1)),
        ("GET", [failed("connect")], {"settings": {"max_wait": 0.0}}, (6, None, 1)),
        ("POST", [{}], {"end": 1000.4}, (5, "not_sent", 0)),
    ],
)
def test_what_is_left_after_several_attempts(method, plan, options, left, bench):
    made = bench(plan, **options)
    error = made.error(method)
    assert (error.exit_code, error.outcome, error.attempts) == left
    assert len(made.sent) == error.attempts


@pytest.mark.parametrize(
    ("slots", "left"), [([], (5, "not_sent", 9, 0)), ([1], (8, "unknown", 9, 1))]
)
def test_a_slot_that_is_too_far_away_sends_nothing_more(slots, left, bench):
    made = bench([failed("no_answer")])
    made.limiter.acquire.side_effect = [*slots, RateError("later", retry_after_seconds=9)]
    error = made.error("PUT")
    assert (error.exit_code, error.outcome, error.retry_after_seconds, error.attempts) == left


def test_a_429_is_waited_for_as_asked_and_stops_everybody(bench):
    made = bench([limited(7), []])
    made.get("/campaigns")
    assert 7 <= made.time.slept[0] <= 8
    calls = made.limiter.settle.call_args_list
    assert [call.args[1:] for call in calls] == [(1, 7), (2, 0)]


def test_waiting_for_a_slot_counts_towards_the_bound(bench):
    made = bench([limited(20), []])
    made.limiter.acquire.side_effect = lambda *_, **__: made.time.sleep(50) or 1
    made.get("/campaigns")
    first, second = [call.kwargs["max_wait"] for call in made.limiter.acquire.call_args_list]
    assert (first, second) == (75, pytest.approx(75 - 50 - made.time.slept[1]))


def test_a_login_has_no_slot_and_its_429_holds_nobody_up(bench):
    made = bench([limited(1)])
    assert made.error("POST", "/epsimo-auth", {}).retry_after_seconds == 1
    assert (len(made.sent), made.limiter.mock_calls) == (1, [])


def test_an_attempt_ends_with_max_time(bench):
    made = bench([{}], end=1002.0)
    made.get("/campaigns")
    assert made.transport.timeouts == [2.0]
    assert made.limiter.acquire.call_args.kwargs == {"max_wait": 1.5, "hold": 5.0}


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [
        ([KeyboardInterrupt()], "not_sent"),
        ([failed("no_answer"), KeyboardInterrupt()], "unknown"),
    ],
)
def test_an_interrupt_leaves_the_outcome_with_the_client(plan, outcome, bench):
    made = bench(plan)
    with pytest.raises(KeyboardInterrupt):
        made.call("PUT", "/leads/1", body={})
    assert (made.last_outcome, len(made.second("settle"))) == (outcome, len(plan))


@pytest.mark.parametrize(
    ("endpoint", "name", "value"),
    [
        ("/leads", "X-API-Key", KEY),
        ("/enrich-leads/list", "x-api-key", "da2-canary"),
        ("/epsimo-auth", "", ""),
    ],
)
def test_one_request_carries_one_credential(endpoint, name, value, bench):
    made = bench([{}], {"user_id": "u1"})
    made.get(endpoint)
    common = {"User-Agent": "me", "Accept": "application/json"}
    own = {name: value, "X-User-Id": "u1"} if name else {}
    assert made.sent[0].headers == {**common, **own}
    identity = made.identity(Credential("agent", value, ""))
    calls = made.limiter.acquire.call_args_list
    assert [call.args for call in calls] == ([(identity,)] if name else [])
    assert (len(identity), KEY in identity) == (32, False)


def test_parameters_are_encoded_and_those_of_the_endpoint_kept(bench):
    made = bench([{}])
    made.get("/leads?a=1", {"b": "ä&c", "no": None, "many": ["x", "y"]})
    made.get("/leads")
    urls = [sent.url.removeprefix(f"{PRODUCTION}/api/agent/leads") for sent in made.sent]
    assert urls == ["?a=1&b=%C3%A4%26c&many=x&many=y", ""]


# ---- the fence


def test_read_only_sends_nothing_but_reads_and_logins(bench):
    made = bench([[]], {"read_only": True})
    for method in ("POST", "PUT", "DELETE"):
        error = made.error(method)
        assert (error.code, error.exit_code, error.outcome) == ("read_only", 2, "not_sent")
        with pytest.raises(UsageError):
            made.plan(method, "/leads")
    made.get("/leads")
    made.post("/epsimo-auth", {})
    assert len(made.sent) == 2


def test_records_are_counted_from_the_body_over_the_whole_life_of_a_client(bench):
    made = bench([{}], {"max_changes": 5})
    made.get("/leads")
    for body in ({"ids": ["a", "b"]}, {"leads": [{}]}, {"status": "new"}):
        made.post("/leads/batch", body)
    made.check_changes(1)
    for body in ({"leadIds": ["a", "b"]}, {"leads": [{}, {}]}):
        error = made.error("POST", body=body)
        assert (error.code, error.exit_code) == ("too_many_changes", 2)
    made.plan("PUT", "/leads/1")
    made.call("PUT", "/leads/1")
    with pytest.raises(UsageError):
        made.check_changes(1)
    assert len(made.sent) == 5


def test_a_dry_run_plans_without_a_credential_and_sends_nothing(bench):
    made = bench([{}], dry_run=True)
    plan = made.plan("POST", "/leads", {"x": 1}, {"a": 1})
    url = f"{PRODUCTION}/api/agent/leads?x=1"
    found = plan.method, plan.url, plan.body, plan.headers["X-API-Key"]
    assert found == ("POST", url, {"a": 1}, "***")
    assert made.plan("GET", "/agent-api-keys").headers["Authorization"] == "Bearer ***"
    assert (made.error("GET").code, made.sent) == ("dry_run", [])


# ---- lists


def numbered(rows, pages=None):
    return {"data": rows, "pagination": {"totalPages": pages}}


@pytest.mark.parametrize(
    ("plan", "first", "found"),
    [
        # a short page is not the last, an empty one is
        ([numbered([1, 2]), numbered([3]), numbered([])], 1, [[1, 2], [3], []]),
        ([numbered([1], 2), numbered([2], 2)], 1, [[1], [2]]),
        ([numbered([3], 3)], 3, [[3]]),
        ([[1, 2]], 1, [[1, 2]]),  # the same again: this list has no pages
    ],
)
def test_numbered_pages_end_with_the_last_or_an_empty_one(plan, first, found, bench):
    made = bench(plan)
    pages = [(page.number, page.items) for page in made.pages("/x", {"page": first})]
    assert pages == list(enumerate(found, first))
    assert f"page={pages[-1][0]}&pageSize=100" in made.sent[len(found) - 1].url
    assert len(made.sent) == len(found) + (plan == [[1, 2]])  # no page too many


def bulk(bench, plan, **params):
    made = bench([{"data": {"items": rows, "nextToken": token}} for rows, token in plan])
    return made, made.pages("/enrich-leads/list", {"companyId": "c", **params})


def test_a_bulk_list_follows_its_cursor_past_empty_pages(bench):
    plan = [([1], "a"), ([], "b"), ([2], None)]
    made, found = bulk(bench, plan, nextToken=None)
    assert [(page.items, page.cursor) for page in found] == plan
    assert made.sent[2].url.endswith("?limit=5000&companyId=c&nextToken=b")


@pytest.mark.parametrize("token", ["a", "b"])
def test_a_cursor_that_came_before_is_an_error_before_its_page(token, bench):
    _, found = bulk(bench, [([1], "b"), ([2], token)], nextToken="a")
    assert next(found).items == [1]
    with pytest.raises(ServerError):
        next(found)


@pytest.mark.parametrize("body", [None, {"data": {}}])
def test_an_answer_without_rows_is_no_page_of_a_list(body, bench):
    with pytest.raises(ServerError):
        list(bench([body]).pages("/campaigns"))


def test_rows_follow_any_list_and_fill_in_the_company(bench):
    lead = {"data": [{"id": "1", "company_id": "company-1"}]}
    made = bench([lead, {"leads": [1], "nextToken": "n"}, {"data": [2]}])
    assert list(made.rows("/enrich-leads/list", {"clientId": "x"})) == [1, 2]
    first, second = [sent.url.partition("/api")[2] for sent in made.sent[:2]]
    assert first == "/agent/leads?page=1&pageSize=1"
    assert second == "/enrich-leads/list?limit=5000&clientId=x&companyId=company-1"
    assert list(bench([{"campaigns": [1, 2]}]).rows("campaigns?status=x")) == [1, 2]
    with pytest.raises(UsageError, match="company id"):
        bench([[]]).company_id()
    made = bench([[]], {"company_id": "mine"})
    assert list(made.rows("/source-leads/list")) == []
    assert "companyId=mine" in made.sent[0].url


def test_only_an_answer_of_a_sandbox_makes_a_client_one_of_a_sandbox(bench):
    made = bench([failed(404), failed(404, X_LeadGenius_Sandbox="1")])
    for sandbox in (None, True, True):
        assert made.error().sandbox is sandbox
    assert [level for level, _ in made.notes if level != "attempt"] == ["warning"]
