"""A key sees its own company alone, whatever operation it calls and whatever id it gives.

Both demo companies get a record of every kind with a mark of their own in every text; then each calls every operation,
its own ids first and the other's after, and no answer may hold the other's mark, or any other text that is only theirs.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from contract import BULK, OPERATIONS, SPEC, Desk, Reply, demo_ids, filled, path_id, real_body
from sandbox.demo import CREDENTIALS

MARKS = {"": "mark-of-fernhill", "other_": "mark-of-kestrel"}
CREATORS = [name for name in OPERATIONS if name.split(".")[-1] in ("create", "create-batch", "report", "request")]
OF_ALL_COMPANIES = ("admin.companies", "admin.users")  # what a Master Admin is for
BY_PATH = [name for name, (_, path, _) in OPERATIONS.items() if "{" in path]
BY_BODY = {"leads.delete-batch": "ids", "enrichment.trigger": "leadIds", "sequences.enroll": "leadIds"}
LEAD = {"firstName": "Ada", "lastName": "Moss"}
each_side = pytest.mark.parametrize("whose", ["", "other_"], ids=["first company", "second company"])


@pytest.fixture(scope="module")
def desk(demo_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    database = tmp_path_factory.mktemp("tenancy") / "sandbox.sqlite3"
    shutil.copy(demo_state / "sandbox" / "sandbox.sqlite3", database)
    made = Desk(database)
    for whose, mark in MARKS.items():
        for name in CREATORS:
            reply = made.ask(*OPERATIONS[name][:2], marked(name, mark), who=made.credential_of(name, whose))
            assert reply.status in (200, 201, 202), (name, reply.raw)
    return made


def marked(name: str, mark: str) -> Any:
    """The document's example with the mark in every text that may be any text."""
    if name == "leads.create":
        return {**LEAD, "email": f"{mark}@one.example", "companyName": mark, "notes": mark, "client_id": mark}
    if name == "leads.create-batch":
        return {"leads": [{**LEAD, "email": f"{mark}@two.example", "companyName": mark}]}
    free = ("name", "description", "accountName", "platform", "tier", "trigger")
    body = real_body(name, {"LEAD_ID": "", "CAMPAIGN_ID": ""})
    body = {field: mark if field in free else value for field, value in body.items()}
    return {**body, "url": f"https://{mark}.example/"} if name == "webhooks.create" else body


def ids_of(desk: Desk, whose: str) -> dict[str, str]:
    found = demo_ids(desk.app.database, whose + "company_id")
    if found["JOB_ID"] == "no-job":
        found["JOB_ID"] = desk.ask(
            "POST", "/api/agent/enrichment/trigger", {"leadIds": [found["LEAD_ID"]]}, who=whose + "api_key"
        ).body["jobId"]
    return found


@cache
def only_of(desk: Desk, whose: str) -> set[str]:
    """Texts that stand in this company's records and nowhere in the other's: ids, addresses, names, the mark."""
    texts: dict[str, set[str]] = {}
    with closing(sqlite3.connect(desk.app.database)) as db:
        for side in MARKS:
            company = CREDENTIALS[side + "company_id"]
            rows = [
                row[0]
                for table in ("leads", "records", "source_leads", "jobs")
                for row in db.execute(f"SELECT doc FROM {table} WHERE company_id = ?", (company,))
            ]
            texts[side] = {text for row in rows for text in texts_in(json.loads(row))}
            texts[side] |= {CREDENTIALS[side + "email"], company}
    (other,) = set(MARKS) - {whose}
    words = json.dumps(SPEC, ensure_ascii=False)  # the document's own words and examples are nobody's
    return {text for text in texts[whose] - texts[other] if len(text) > 7 and text not in words and text[0] != "2"}


def texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in below for text in texts_in(one)]


def leaks(reply: Reply, foreign: set[str], sent: str = "") -> list[str]:
    """What of the other's stands in an answer; what the caller itself sent is no news to it."""
    told = set(texts_in(reply.body)) | set(reply.headers.values())
    inside = {mark for mark in MARKS.values() if mark in foreign and mark.encode() in reply.raw}
    return sorted(text for text in (told & foreign) | inside if text not in sent)


def call(desk: Desk, name: str, ids: dict[str, str], whose: str, body: Any = None, more: str = "") -> Reply:
    query = f"?companyId={CREDENTIALS[whose + 'company_id']}&limit=5000" if name in BULK else ""
    given = real_body(name, ids) if body is None else body
    if name == "auth.login":
        given = {"email": CREDENTIALS[whose + "email"], "password": CREDENTIALS[whose + "password"]}
    return desk.ask(
        OPERATIONS[name][0], filled(name, ids) + (query or more), given, who=desk.credential_of(name, whose)
    )


def test_the_marks_would_be_found(desk: Desk) -> None:
    """Each side's own lists show its own texts: else no test here could fail."""
    for whose, mark in MARKS.items():
        mine = only_of(desk, whose)
        assert len(mine) > 150
        for name in ("campaigns.list", "leads.list", "webhooks.list", "maintenance.bugs.list", "enrich-leads.list"):
            assert leaks(call(desk, name, ids_of(desk, whose), whose), mine), name
        reply = call(desk, "leads.list", ids_of(desk, whose), whose, more="?client_id=" + mark)
        assert [one["email"] for one in reply.body["data"]] == [f"{mark}@one.example"]


@each_side
@pytest.mark.parametrize("name", sorted({*OPERATIONS} - {*OF_ALL_COMPANIES}))
def test_no_answer_holds_anything_of_the_other_company(desk: Desk, name: str, whose: str) -> None:
    (other,) = set(MARKS) - {whose}
    foreign = only_of(desk, other)
    mine, theirs = ids_of(desk, whose), ids_of(desk, other)
    paged = OPERATIONS[name][2].get("x-paging") == "page"
    pages = [f"?page={number}&pageSize=100" for number in range(1, 17)] if paged else [""]
    replies = [call(desk, name, mine, whose, more=page) for page in pages]
    assert replies[0].status < 300
    replies.append(call(desk, name, theirs, whose))
    for reply in replies:
        assert leaks(reply, foreign, sent=json.dumps(theirs)) == []


@each_side
@pytest.mark.parametrize("name", BY_PATH)
def test_the_others_id_in_a_path_is_404(desk: Desk, name: str, whose: str) -> None:
    (other,) = set(MARKS) - {whose}
    theirs, mine = ids_of(desk, other), ids_of(desk, whose)
    before = dump(desk, other)
    reply = desk.ask(
        OPERATIONS[name][0], filled(name, theirs), real_body(name, mine), who=desk.credential_of(name, whose)
    )
    assert (reply.status, reply.body["code"]) == (404, "NOT_FOUND")
    missing = desk.ask(
        OPERATIONS[name][0],
        filled(name, theirs).replace(path_id(name, theirs), "no-such-id"),
        real_body(name, mine),
        who=desk.credential_of(name, whose),
    )
    assert {**reply.body, "requestId": ""} == {**missing.body, "requestId": ""}, "existence shows"
    assert dump(desk, other) == before


@each_side
@pytest.mark.parametrize("name", BY_BODY)
def test_the_others_leads_in_a_body_are_not_there(desk: Desk, name: str, whose: str) -> None:
    (other,) = set(MARKS) - {whose}
    lead, before = ids_of(desk, other)["LEAD_ID"], dump(desk, other)
    reply = call(desk, name, ids_of(desk, whose), whose, {BY_BODY[name]: [lead]})
    if name == "leads.delete-batch":
        assert (reply.body["deleted"], reply.body["notFound"]) == (0, [lead])
    elif name == "sequences.enroll":
        assert (reply.body["enrolled"], [one["leadId"] for one in reply.body["skipped"]]) == (0, [lead])
    else:
        pass_time(desk)
        job = desk.ask("GET", f"/api/agent/enrichment/status/{reply.body['jobId']}", who=whose + "api_key").body["data"]
        assert (job["status"], job["failedTasks"], job["completedTasks"]) == ("failed", 1, 0)
    assert dump(desk, other) == before


def pass_time(desk: Desk) -> None:
    """Ten seconds on: every job that was started ends with the next request of anybody."""
    now = desk.app.clock() + 10
    desk.app.clock = lambda: now  # type: ignore[method-assign]


def dump(desk: Desk, whose: str) -> list[Any]:
    """Every row of a company, its leads' changes and enrolments included; no job of its own is left to end."""
    pass_time(desk)
    desk.ask("GET", "/api/agent/campaigns")
    company = CREDENTIALS[whose + "company_id"]
    queries = [f"SELECT * FROM {table} WHERE company_id = ? ORDER BY 1" for table in ("leads", "records", "jobs")]
    queries += [
        f"SELECT {table}.* FROM {table} JOIN leads ON leads.seq = lead WHERE company_id = ? ORDER BY 1, 2, 3"
        for table in ("status_changes", "enrolments")
    ]
    with closing(sqlite3.connect(desk.app.database)) as db:
        return [row for query in queries for row in db.execute(query, (company,)).fetchall()]


@each_side
@pytest.mark.parametrize("kind", ["leads", "campaigns"])
@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_report_is_of_the_own_company(desk: Desk, whose: str, kind: str, form: str) -> None:
    (other,) = set(MARKS) - {whose}
    asked = {"reportType": kind, "format": form}
    reply = desk.ask("POST", "/api/agent/analytics/reports", asked, who=whose + "api_key")
    pass_time(desk)
    job = desk.ask("GET", f"/api/agent/enrichment/status/{reply.body['jobId']}", who=whose + "api_key")
    assert MARKS[whose].encode() in job.raw
    assert [text for text in only_of(desk, other) if text.encode() in job.raw] == []


@each_side
def test_the_others_campaign_cannot_be_named_in_a_lead(desk: Desk, whose: str) -> None:
    (other,) = set(MARKS) - {whose}
    campaign = ids_of(desk, other)["CAMPAIGN_ID"]
    lead = {**LEAD, "email": "a@named.example", "campaignId": campaign}
    assert desk.ask("POST", "/api/agent/leads", lead, who=whose + "api_key").status == 400
    batch = desk.ask("POST", "/api/agent/leads/batch", {"leads": [lead]}, who=whose + "api_key")
    assert (batch.body["created"], len(batch.body["skipped"])) == (0, 1)


@each_side
@pytest.mark.parametrize("name", sorted({*CREATORS} - {"keys.create"}))  # a key takes no owner
def test_a_record_cannot_be_given_to_the_other(desk: Desk, name: str, whose: str) -> None:
    (other,) = set(MARKS) - {whose}
    foreign = {"company_id": CREDENTIALS[other + "company_id"]}
    body = marked(name, "mark-of-nobody")
    body = {"leads": [{**body["leads"][0], **foreign}]} if name == "leads.create-batch" else {**body, **foreign}
    reply = desk.ask(*OPERATIONS[name][:2], body, who=desk.credential_of(name, whose))
    assert (reply.status, reply.body["code"]) == (400, "IMMUTABLE_FIELD")


@each_side
def test_the_others_e_mail_is_no_duplicate(desk: Desk, whose: str) -> None:
    """Or a refusal would tell whom the other company knows."""
    (other,) = set(MARKS) - {whose}
    theirs = f"{MARKS[other]}@one.example"
    lead = {**LEAD, "email": theirs, "client_id": MARKS[other]}
    assert desk.ask("POST", "/api/agent/leads", lead, who=whose + "api_key").status == 201


@pytest.mark.parametrize("name", BULK)
def test_a_bulk_key_opens_its_own_company_alone(desk: Desk, name: str) -> None:
    for key, company in (("amplify_api_key", "other_company_id"), ("other_amplify_api_key", "company_id")):
        reply = desk.ask("GET", f"{OPERATIONS[name][1]}?companyId={CREDENTIALS[company]}", who=key)
        assert (reply.status, reply.body["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("name", OF_ALL_COMPANIES)
@pytest.mark.parametrize("who", ["other_api_key", "user_api_key"])
def test_all_companies_are_for_master_admins(desk: Desk, name: str, who: str) -> None:
    reply = desk.ask("GET", OPERATIONS[name][1], who=who)
    assert (reply.status, reply.body["code"]) == (403, "ADMIN_REQUIRED")
