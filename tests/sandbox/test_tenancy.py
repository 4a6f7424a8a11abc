"""A key sees its own company alone, whatever operation it calls and whatever id it gives.

Both demo companies get a record of every kind with a mark of their own in every text; then each calls every operation,
its own ids first and the other's after, and no answer may hold the other's mark, or any other text that is only theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from contract.operations import document, operations
from sandbox.demo import CREDENTIALS

OPERATIONS = operations()
MARKS = {"": "mark-of-fernhill", "other_": "mark-of-kestrel"}
CREATORS = [name for name in OPERATIONS if name.split(".")[-1] in ("create", "create-batch", "report", "request")]
OF_ALL_COMPANIES = ("admin.companies", "admin.users")  # what a Master Admin is for
BY_PATH = [name for name, one in OPERATIONS.items() if "{" in one.path]
BY_BODY = {"leads.delete-batch": "ids", "enrichment.trigger": "leadIds", "sequences.enroll": "leadIds"}
LEAD = {"firstName": "Ada", "lastName": "Moss"}
each_side = pytest.mark.parametrize(("whose", "other"), [("", "other_"), ("other_", "")], ids=["first", "second"])
Call = Callable[..., Any]


def example(name: str) -> Any:
    content = OPERATIONS[name].spec.get("requestBody", {}).get("content", {})
    return content["application/json"]["example"] if content else None


def marked(name: str, mark: str) -> Any:
    """The document's example with the mark in every text that may be any text."""
    if name == "leads.create":
        return {**LEAD, "email": f"{mark}@one.example", "companyName": mark, "notes": mark, "client_id": mark}
    if name == "leads.create-batch":
        return {"leads": [{**LEAD, "email": f"{mark}@two.example", "companyName": mark}]}
    free = ("name", "description", "accountName", "platform", "tier", "trigger")
    body = {field: mark if field in free else value for field, value in example(name).items()}
    return {**body, "url": f"https://{mark}.example/"} if name == "webhooks.create" else body


@pytest.fixture(scope="module")
def both(make_in: Call, whose_credential: Call, tmp_path_factory: pytest.TempPathFactory) -> Any:
    service = make_in(tmp_path_factory.mktemp("tenancy"))
    for whose, mark in MARKS.items():
        for name in CREATORS:
            reply = service.post(OPERATIONS[name].path, marked(name, mark), whose_credential(name, whose))
            assert reply.status in (200, 201, 202), (name, reply.raw)
    return service


@pytest.fixture(scope="module")
def only_of(both: Any) -> dict[str, set[str]]:
    """Texts that stand in one company's records and nowhere in the other's: ids, addresses, names, the mark."""
    texts = {}
    for whose in MARKS:
        company = CREDENTIALS[whose + "company_id"]
        tables = ("leads", "records", "source_leads", "jobs")
        rows = [row for table in tables for row in both.sql(f"SELECT doc FROM {table} WHERE company_id = ?", company)]
        texts[whose] = {text for (doc,) in rows for text in texts_in(json.loads(doc))} | {company}
    words = json.dumps(document(), ensure_ascii=False)  # the document's own words and examples are nobody's
    return {
        whose: {text for text in texts[whose] - texts[other] if len(text) > 7 and text not in words and text[0] != "2"}
        for whose, other in (("", "other_"), ("other_", ""))
    }


def texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in below for text in texts_in(one)]


def leaks(reply: Any, foreign: set[str], sent: str = "") -> list[str]:
    """What of the other's stands in an answer; what the caller itself sent is no news to it."""
    inside = {mark for mark in MARKS.values() if mark in foreign and mark.encode() in reply.raw}
    return sorted(text for text in ({*texts_in(reply.body)} & foreign) | inside if text not in sent)


@pytest.fixture
def call(both: Any, whose_credential: Call) -> Call:
    """Calls an operation by the example of its body, with leads of these ids."""

    def run(name: str, ids: dict[str, str], whose: str, more: str = "", body: Any = None) -> Any:
        sent = body or example(name)
        if name == "auth.login":
            sent = {"email": CREDENTIALS[whose + "email"], "password": CREDENTIALS[whose + "password"]}
        elif name in BY_BODY and not body:
            sent = {BY_BODY[name]: [ids["lead"]]}
        query = f"?companyId={CREDENTIALS[whose + 'company_id']}" if OPERATIONS[name].paging == "cursor" else more
        return both.call(OPERATIONS[name].method, both.path(name, ids) + query, sent, whose_credential(name, whose))

    return run


def test_the_marks_would_be_found(both: Any, call: Call, only_of: Any) -> None:
    """Each side's own lists show its own texts: else no test here could fail."""
    for whose, mark in MARKS.items():
        assert len(only_of[whose]) > 150
        for name in ("campaigns.list", "leads.list", "webhooks.list", "maintenance.bugs.list", "enrich-leads.list"):
            assert leaks(call(name, both.ids(whose), whose), only_of[whose]), name
        reply = call("leads.list", both.ids(whose), whose, "?client_id=" + mark)
        assert [one["email"] for one in reply.data] == [f"{mark}@one.example"]


@each_side
@pytest.mark.parametrize("name", sorted({*OPERATIONS} - {*OF_ALL_COMPANIES}))
def test_no_answer_holds_anything_of_the_other_company(
    both: Any, call: Call, only_of: Any, name: str, whose: str, other: str
) -> None:
    theirs = both.ids(other)
    own = call(name, both.ids(whose), whose, "?pageSize=100")
    assert own.status in (200, 201, 202, 409)
    for reply in (own, call(name, theirs, whose)):
        assert leaks(reply, only_of[other], sent=json.dumps(theirs)) == []


def dump(service: Any, whose: str) -> list[Any]:
    """Every row of a company, its leads' changes and enrolments included, after every job has ended."""
    service.now += 10
    service.get("/campaigns")
    company = CREDENTIALS[whose + "company_id"]
    queries = [f"SELECT * FROM {table} WHERE company_id = ? ORDER BY 1" for table in ("leads", "records", "jobs")]
    for table in ("status_changes", "enrolments"):
        queries.append(f"SELECT {table}.* FROM {table} JOIN leads ON seq = lead WHERE company_id = ? ORDER BY 1, 2, 3")
    return [row for query in queries for row in service.sql(query, company)]


@each_side
@pytest.mark.parametrize("name", BY_PATH)
def test_the_others_id_in_a_path_is_404(both: Any, call: Call, name: str, whose: str, other: str) -> None:
    theirs, before = both.ids(other), dump(both, other)
    reply = call(name, theirs, whose)
    assert reply.error == (404, "NOT_FOUND", [])
    missing = call(name, dict.fromkeys(theirs, "no-such-id"), whose)
    assert {**reply.body, "requestId": ""} == {**missing.body, "requestId": ""}, "existence shows"
    assert dump(both, other) == before


@each_side
@pytest.mark.parametrize("name", BY_BODY)
def test_the_others_leads_in_a_body_do_not_exist(both: Any, call: Call, name: str, whose: str, other: str) -> None:
    lead, before = both.ids(other)["lead"], dump(both, other)
    body = call(name, both.ids(whose), whose, body={BY_BODY[name]: [lead]}).body
    if name == "enrichment.trigger":
        both.now += 10
        job = both.job(body["jobId"], whose + "api_key")
        assert (job["status"], job["failedTasks"], job["completedTasks"]) == ("failed", 1, 0)
    else:
        refused = body.get("notFound") or [one["leadId"] for one in body["skipped"]]
        assert (refused, body.get("deleted", 0), body.get("enrolled", 0)) == ([lead], 0, 0)
    assert dump(both, other) == before


@each_side
@pytest.mark.parametrize("kind", ["leads", "campaigns"])
def test_a_report_is_of_the_own_company(both: Any, only_of: Any, whose: str, other: str, kind: str) -> None:
    body = {"reportType": kind, "format": "json"}
    job = both.post("/analytics/reports", body, whose + "api_key").body["jobId"]
    both.now += 10
    reply = both.get(f"/enrichment/status/{job}", whose + "api_key")
    assert MARKS[whose].encode() in reply.raw
    assert leaks(reply, only_of[other]) == []


@each_side
def test_nothing_of_the_others_can_be_named_given_or_guessed(both: Any, whose: str, other: str) -> None:
    who, mark, ids = whose + "api_key", MARKS[other], both.ids(other)
    lead = {**LEAD, "email": "a@named.example", "campaignId": ids["campaign"]}
    assert both.post("/leads", lead, who).error == (400, "VALIDATION_ERROR", ["campaignId"])
    assert both.post("/leads/batch", {"leads": [lead]}, who).body["created"] == 0
    # A refusal as a duplicate would reveal whom the other company knows.
    assert both.post("/leads", {**LEAD, "email": f"{mark}@one.example", "client_id": mark}, who).status == 201


@each_side
@pytest.mark.parametrize("name", sorted({*CREATORS} - {"keys.create"}))  # a key takes no owner
def test_a_record_cannot_be_given_to_the_other(both: Any, name: str, whose: str, other: str) -> None:
    foreign, body = {"company_id": CREDENTIALS[other + "company_id"]}, marked(name, "mark-of-nobody")
    body = {"leads": [{**body["leads"][0], **foreign}]} if name == "leads.create-batch" else {**body, **foreign}
    assert both.post(OPERATIONS[name].path, body, whose + "api_key").error[:2] == (400, "IMMUTABLE_FIELD")
