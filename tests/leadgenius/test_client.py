"""The client over planned answers: attempts, waits, outcomes, the fence, headers and lists."""

import pytest
from helper_bench import KEY, METHODS, TABLE, failed, ok, throw

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
    attempts = 1 if method not in again else 2 if what.kind == "broken_json" else 3
    assert made.client.requests == len(made.transport.sent) == len(made.time.slept) + 1 == attempts
    assert made.limiter.settled == list(range(1, attempts + 1)), "every attempt has its own slot"
    outcome = made.client.last_outcome
    assert outcome == (None if method == "GET" else OUTCOMES[code])
    facts = (error.exit_code, error.outcome, error.method, error.path, error.origin, error.attempts)
    assert facts == (code, outcome, method, "/api/agent/campaigns/c1", PRODUCTION, attempts)
    assert KEY not in str(error.as_dict())


@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize("kind", ["connect", "no_answer"])
def test_what_is_sent_again_is_the_same_and_may_have_been_applied_before(kind, method, bench):
    made = bench([failed(kind), ok({"id": "a"})])
    answer = made.client.call(method, "/leads/1", body={"a": 1})
    first, second = made.transport.sent
    assert first == second
    assert (first.method, first.body) == (method, {"a": 1})
    assert answer.maybe_applied is (method != "GET" and kind != "connect")
    assert made.client.last_outcome == (None if method == "GET" else "applied")


def test_after_a_lost_attempt_a_later_failure_leaves_the_outcome_unknown(bench):
    for then in (failed(404), failed("connect")):
        error = bench([failed("no_answer"), then]).error("PUT")
        assert (error.exit_code, error.outcome) == (8, "unknown")
    made = bench([failed("no_answer")])
    made.limiter.acts[2] = throw(RateError("later", retry_after_seconds=9))
    error = made.error("DELETE")
    assert (error.exit_code, error.outcome, error.retry_after_seconds) == (8, "unknown", 9)
    made = bench([failed("connect"), failed(409)])
    assert made.error("PUT").exit_code == 4, "what never left makes nothing unknown"


def test_an_unknown_outcome_says_whether_sending_again_is_harmless(bench):
    for method, harmless, hint in (("PUT", True, "run the same"), ("POST", False, "check_change")):
        error = bench([failed(500)]).error(method)
        assert (error.retryable, hint in error.hint) == (harmless, True)


def test_a_429_is_waited_for_as_asked_and_stops_everybody(bench):
    made = bench([limited(7), ok([])])
    made.client.get("/campaigns")
    assert 7 <= made.time.slept[0] <= 8
    assert made.limiter.pauses == [7]
    for body, pause in ((ERROR, 7200), (None, 900)):
        made = bench([limited(7200, body)])
        made.error()
        assert made.limiter.pauses == [pause], "that of a proxy is 15 minutes at most"


def test_a_wait_past_the_bound_is_not_begun(bench):
    error = bench([limited(80)]).error()
    assert (error.exit_code, error.attempts, error.retry_after_seconds) == (5, 1, 80)
    assert error.retry_at.startswith("2026-01-01T00:01:2")
    made = bench([limited(40)])
    assert made.error().exit_code == 5
    assert len(made.time.slept) == 1, "two waits of 40 s pass 75 s together"
    assert bench([failed("connect")], {"max_wait": 0.0}).error().attempts == 1


def test_waiting_for_a_slot_counts_towards_the_bound(bench):
    made = bench([limited(20), ok([])])
    made.limiter.acts[1] = lambda: made.time.sleep(50)
    made.client.get("/campaigns")
    waits = [wait for _, wait in made.limiter.acquired]
    assert waits == [75, pytest.approx(75 - 50 - made.time.slept[1])]
    made = bench([ok()])
    made.limiter.acts[1] = throw(RateError("later"))
    error = made.error("POST")
    assert (error.exit_code, error.outcome, made.transport.sent) == (5, "not_sent", [])


def test_a_login_has_no_slot_and_its_429_holds_nobody_up(bench):
    made = bench([limited(1)])
    assert made.error("POST", "/epsimo-auth", {}).retry_after_seconds == 1
    assert (len(made.transport.sent), made.limiter.acquired, made.limiter.pauses) == (1, [], [])


def test_nothing_is_begun_or_slept_past_the_end_of_max_time(bench):
    made = bench([ok()], end=1000.4)
    error = made.error("POST")
    facts = error.exit_code, error.code, error.outcome, made.transport.sent
    assert facts == (5, "out_of_time", "not_sent", [])
    made = bench([limited(10)], end=1008.0)
    assert (made.error().exit_code, made.time.slept, made.limiter.acquired[0][1]) == (5, [], 7.5)
    made = bench([ok()], end=1002.0)
    made.client.get("/campaigns")
    assert made.transport.timeouts == [2.0]


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
        made.client.call("PUT", "/leads/1", body={})
    assert (made.client.last_outcome, len(made.limiter.settled)) == (outcome, len(plan))


@pytest.mark.parametrize(
    ("endpoint", "name", "value"),
    [
        ("/leads", "X-API-Key", KEY),
        ("/admin/users", "X-API-Key", KEY),
        ("/enrich-leads/list", "x-api-key", "da2-canary"),
        ("/epsimo-auth", "", ""),
    ],
)
def test_one_request_carries_one_credential(endpoint, name, value, bench):
    made = bench([ok()], {"user_id": "u1"})
    made.client.get(endpoint)
    common = {"User-Agent": "me", "Accept": "application/json"}
    own = {name: value, "X-User-Id": "u1"} if name else {}
    assert made.transport.sent[0].headers == {**common, **own}
    identity = made.client.identity(Credential("agent", value, ""))
    assert [one for one, _ in made.limiter.acquired] == ([identity] if name else [])
    assert (len(identity), KEY in identity) == (32, False)


def test_parameters_are_encoded_and_those_of_the_endpoint_kept(bench):
    made = bench([ok()])
    made.client.get("/leads?a=1", {"b": "ä&c", "no": None, "many": ["x", "y"]})
    made.client.get("/leads")
    urls = [sent.url.removeprefix(f"{PRODUCTION}/api/agent/leads") for sent in made.transport.sent]
    assert urls == ["?a=1&b=%C3%A4%26c&many=x&many=y", ""]


# ---- the fence


def test_read_only_sends_nothing_but_reads_and_logins(bench):
    made = bench([ok([])], {"read_only": True})
    for method in ("POST", "PUT", "DELETE", "delete"):
        error = made.error(method)
        assert (error.code, error.exit_code, error.outcome) == ("read_only", 2, "not_sent")
        with pytest.raises(UsageError):
            made.client.plan(method, "/leads")
    made.client.get("/leads")
    made.client.post("/epsimo-auth", {})
    assert len(made.transport.sent) == 2


def test_records_are_counted_from_the_body_over_the_whole_life_of_a_client(bench):
    made = bench([ok()], {"max_changes": 5})
    for body in ({"ids": ["a", "b"]}, {"leads": [{}]}, {"status": "new"}):
        made.client.post("/leads/batch", body)
    made.client.check_changes(1)
    for body in ({"leadIds": ["a", "b"]}, {"leads": [{}, {}]}):
        error = made.error("POST", body=body)
        assert (error.code, error.exit_code) == ("too_many_changes", 2)
    made.client.plan("PUT", "/leads/1")
    made.client.call("PUT", "/leads/1")
    with pytest.raises(UsageError):
        made.client.check_changes(1)
    assert len(made.transport.sent) == 4


def test_a_dry_run_plans_without_a_credential_and_sends_nothing(bench):
    made = bench([ok()], dry_run=True)
    plan = made.client.plan("post", "/leads", {"x": 1}, {"a": 1})
    url = f"{PRODUCTION}/api/agent/leads?x=1"
    found = plan.method, plan.url, plan.body, plan.headers["X-API-Key"]
    assert found == ("POST", url, {"a": 1}, "***")
    assert made.client.plan("GET", "/agent-api-keys").headers["Authorization"] == "Bearer ***"
    assert (made.error("GET").code, made.transport.sent) == ("dry_run", [])


# ---- lists


def numbered(rows, total=None, pages=None):
    return ok({"data": rows, "pagination": {"totalItems": total, "totalPages": pages}})


@pytest.mark.parametrize(
    ("plan", "first", "found"),
    [
        # a short page is not the last, an empty one is
        ([numbered([1, 2]), numbered([3]), numbered([])], 1, [[1, 2], [3], []]),
        ([numbered([1], 3, 2), numbered([2], 3, 2)], 1, [[1], [2]]),
        ([numbered([3], 3, 3)], 3, [[3]]),
        ([ok([1, 2])], 1, [[1, 2]]),  # the same again: this list has no pages
    ],
)
def test_numbered_pages_end_with_the_last_or_an_empty_one(plan, first, found, bench):
    made = bench(plan)
    pages = [(page.number, page.items) for page in made.client.pages("/x", {"page": first})]
    assert pages == list(enumerate(found, first))
    assert f"page={pages[-1][0]}&pageSize=100" in made.transport.sent[len(found) - 1].url


def bulk(bench, plan, **params):
    made = bench([ok({"data": rows, "nextToken": token}) for rows, token in plan])
    return made, made.client.pages("/enrich-leads/list", params, bulk=True)


def test_a_bulk_list_follows_its_cursor_past_empty_pages(bench):
    plan = [([1], "a" * 4096), ([], "b"), ([2], None)]
    made, found = bulk(bench, plan, companyId="c")
    assert [(page.items, page.cursor) for page in found] == plan
    assert made.transport.sent[2].url.endswith("?limit=5000&companyId=c&nextToken=b")


@pytest.mark.parametrize("token", ["a", "b", "x" * 4097, "new\nline"])
def test_a_cursor_that_cannot_be_used_is_an_error_before_its_page(token, bench):
    _, found = bulk(bench, [([1], "b"), ([2], token)], nextToken="a")
    assert next(found).items == [1]
    with pytest.raises(ServerError):
        next(found)


@pytest.mark.parametrize("body", [None, {}, {"data": {}}, {"data": "x"}])
def test_an_answer_without_rows_is_no_page_of_a_list(body, bench):
    with pytest.raises(ServerError):
        list(bench([ok(body)]).client.pages("/campaigns"))


def test_rows_follow_any_list_and_fill_in_the_company(bench):
    lead = ok({"data": [{"id": "1", "company_id": "company-1"}]})
    made = bench([lead, ok({"leads": [1], "nextToken": "n"}), ok({"data": [2]})])
    assert list(made.client.rows("/enrich-leads/list", {"clientId": "x"})) == [1, 2]
    first, second = [sent.url.partition("/api")[2] for sent in made.transport.sent[:2]]
    assert first == "/agent/leads?pageSize=1"
    assert second == "/enrich-leads/list?limit=5000&clientId=x&companyId=company-1"
    assert list(bench([ok({"campaigns": [1, 2]})]).client.rows("campaigns?status=x")) == [1, 2]
    with pytest.raises(UsageError, match="company id"):
        bench([ok([])]).client.company_id()
    made = bench([ok([])], {"company_id": "mine"})
    assert list(made.client.rows("/source-leads/list")) == []
    assert "companyId=mine" in made.transport.sent[0].url


def test_only_an_answer_of_a_sandbox_makes_a_client_one_of_a_sandbox(bench):
    made = bench([failed(404), failed(404, X_LeadGenius_Sandbox="1")])
    for sandbox in (None, True, True):
        assert made.error().sandbox is sandbox
    assert [level for level, _ in made.notes if level != "attempt"] == ["warning"]
