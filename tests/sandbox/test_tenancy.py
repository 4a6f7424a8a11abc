"""A key sees its own company alone, whatever operation it calls and whatever id it gives.

Both demo companies get a record of every kind with a mark of their own in every text; then each
calls every operation, its own ids first and the other's after, and no answer may hold the other's
mark, or any other text that is only theirs.
"""

import json

import pytest

from contract.operations import document, operations
from sandbox.demo import CREDENTIALS

OPERATIONS = operations()
MARKS = {"": "mark-of-fernhill", "other_": "mark-of-kestrel"}
CREATORS = [
    name
    for name in OPERATIONS
    if name.split(".")[-1] in ("create", "create-batch", "report", "request")
]
OF_ALL_COMPANIES = {"admin.companies", "admin.users"}  # what a Master Admin is for
BY_BODY = {
    "leads.delete-batch": "ids",
    "enrichment.trigger": "leadIds",
    "sequences.enroll": "leadIds",
}
LEAD = {"firstName": "Ada", "lastName": "Moss"}
FREE = ("name", "description", "accountName", "platform", "tier", "trigger")
each_side = pytest.mark.parametrize(
    ("whose", "other"), [("", "other_"), ("other_", "")], ids=["first", "second"]
)


def example(name):
    content = OPERATIONS[name].spec.get("requestBody", {}).get("content", {})
    return content["application/json"]["example"] if content else None


def marked(name, mark):
    """The document's example with the mark in every text that may be any text."""
    if name == "leads.create":
        return {**LEAD, "email": f"{mark}@one.example", "companyName": mark, "client_id": mark}
    if name == "leads.create-batch":
        return {"leads": [{**LEAD, "email": f"{mark}@two.example", "companyName": mark}]}
    url = {"url": f"https://{mark}.example/"} if name == "webhooks.create" else {}
    return {field: mark if field in FREE else value for field, value in example(name).items()} | url


@pytest.fixture(scope="module")
def both(make, credential):
    service = make()
    for whose, mark in MARKS.items():
        for name in CREATORS:
            reply = service.operate(name, {}, marked(name, mark), credential(name, whose))
            assert reply.status in (200, 201, 202), (name, reply.raw)
    return service


@pytest.fixture(scope="module")
def only_of(both):
    """Texts that stand in one company's records and nowhere in the other's."""
    texts = {}
    for whose in MARKS:
        tables = ("leads", "records", "source_leads", "jobs")
        queries = [f"SELECT doc FROM {table} WHERE company_id = ?" for table in tables]
        company = CREDENTIALS[whose + "company_id"]
        rows = [json.loads(doc) for query in queries for (doc,) in both.sql(query, company)]
        texts[whose] = {text for text in texts_in(rows) if len(text) > 7 and text[0] != "2"} | {
            company
        }
    words = json.dumps(document(), ensure_ascii=False)  # the document's own examples are nobody's
    both_have = texts[""] & texts["other_"]
    return {
        whose: {text for text in texts[whose] - both_have if text not in words} for whose in MARKS
    }


def texts_in(value):
    if isinstance(value, str):
        return [value]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in below for text in texts_in(one)]


def leaks(reply, foreign, sent=""):
    """What of the other's stands in an answer; what the caller itself sent is no news to it."""
    inside = {mark for mark in MARKS.values() if mark in foreign and mark.encode() in reply.raw}
    return sorted(text for text in ({*texts_in(reply.body)} & foreign) | inside if text not in sent)


@pytest.fixture
def call(both, credential):
    """Calls an operation by the example of its body, with leads of these ids."""

    def run(name, ids, whose, query=""):
        body = {BY_BODY[name]: [ids["lead"]]} if name in BY_BODY else example(name)
        if name == "auth.login":
            body = {field: CREDENTIALS[whose + field] for field in ("email", "password")}
        if OPERATIONS[name].paging == "cursor":
            query = f"?companyId={CREDENTIALS[whose + 'company_id']}"
        return both.operate(name, ids, body, credential(name, whose), query)

    return run


def test_the_marks_would_be_found(both, call, only_of):
    """Each side's own lists show its own texts: else no test here could fail."""
    for whose in MARKS:
        assert len(only_of[whose]) > 150
        for name in (
            "campaigns.list",
            "leads.list",
            "webhooks.list",
            "maintenance.bugs.list",
            "enrich-leads.list",
        ):
            assert leaks(call(name, both.ids(whose), whose), only_of[whose]), name


@each_side
@pytest.mark.parametrize("name", sorted({*OPERATIONS} - OF_ALL_COMPANIES))
def test_no_answer_holds_anything_of_the_other_company(both, call, only_of, name, whose, other):
    theirs, own = both.ids(other), call(name, both.ids(whose), whose, "?pageSize=100")
    assert own.status in (200, 201, 202, 409)
    for reply in (own, call(name, theirs, whose)):
        assert leaks(reply, only_of[other], sent=json.dumps(theirs)) == []


def dump(service, whose):
    """Every row of a company, its leads' changes and enrolments too, after every job has ended."""
    service.now += 10
    service.get("/campaigns")
    queries = [
        f"SELECT * FROM {table} WHERE company_id = ? ORDER BY 1"
        for table in ("leads", "records", "jobs")
    ]
    joined = "SELECT {0}.* FROM {0} JOIN leads ON seq = lead WHERE company_id = ? ORDER BY 1, 2, 3"
    queries += [joined.format(table) for table in ("status_changes", "enrolments")]
    return [service.sql(query, CREDENTIALS[whose + "company_id"]) for query in queries]


@each_side
@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if "{" in one.path])
def test_the_others_id_in_a_path_is_404(both, call, name, whose, other):
    theirs, before = both.ids(other), dump(both, other)
    reply, missing = (
        call(name, theirs, whose),
        call(name, dict.fromkeys(theirs, "no-such-id"), whose),
    )
    assert reply.error == (404, "NOT_FOUND", [])
    assert {**reply.body, "requestId": ""} == {**missing.body, "requestId": ""}, "existence shows"
    assert dump(both, other) == before


@each_side
@pytest.mark.parametrize("name", BY_BODY)
def test_the_others_leads_in_a_body_do_not_exist(both, credential, name, whose, other):
    lead, before = both.ids(other)["lead"], dump(both, other)
    body = both.operate(
        name, both.ids(whose), {BY_BODY[name]: [lead]}, credential(name, whose)
    ).body
    if name == "enrichment.trigger":
        job = both.job(body["jobId"], whose + "api_key")
        assert (job["status"], job["failedTasks"], job["completedTasks"]) == ("failed", 1, 0)
    else:
        refused = body.get("notFound") or [one["leadId"] for one in body["skipped"]]
        assert (refused, body.get("deleted", body.get("enrolled"))) == ([lead], 0)
    assert dump(both, other) == before


@each_side
def test_reports_and_refusals_reveal_nothing_of_the_other(both, only_of, whose, other):
    who, mark = whose + "api_key", MARKS[other]
    for kind in ("leads", "campaigns"):
        started = both.post("/analytics/reports", {"reportType": kind, "format": "json"}, who)
        both.now += 10
        reply = both.get(f"/enrichment/status/{started.body['jobId']}", who)
        assert MARKS[whose].encode() in reply.raw
        assert leaks(reply, only_of[other]) == []
    lead = {**LEAD, "email": "a@named.example", "campaignId": both.ids(other)["campaign"]}
    assert both.post("/leads", lead, who).error == (400, "VALIDATION_ERROR", ["campaignId"])
    # A refusal as a duplicate would reveal whom the other company knows.
    lead = {**LEAD, "email": f"{mark}@one.example", "client_id": mark}
    assert both.post("/leads", lead, who).status == 201
