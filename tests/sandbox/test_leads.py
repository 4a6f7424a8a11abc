"""Leads: the search and its depth, creation, batches, status, bulk extraction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo import CREDENTIALS

COMPANY = CREDENTIALS["company_id"]
LEAD = {"firstName": "Ada", "lastName": "Moss", "email": "ada@moss.example"}


@pytest.fixture(scope="module")
def large(make_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The demo data in its usual size, where the depth of the search shows. Nothing here changes it."""
    return make_in(tmp_path_factory.mktemp("large"), demo_leads=1500)


def found(service: Any, query: str = "") -> list[dict[str, Any]]:
    """All pages of a search."""
    rows: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        body = service.get(f"/leads?pageSize=100&page={page}{query}").body
        rows, page, pages = rows + body["data"], page + 1, body["pagination"]["totalPages"]
    return rows


def stored(service: Any, where: str, *values: str) -> list[str]:
    query = f"SELECT id FROM leads WHERE {where} ORDER BY created_at DESC, seq DESC"
    return [row[0] for row in service.sql(query, *values)]


def test_the_search_merges_the_newest_thousand_of_two_indexes(large: Any) -> None:
    (admin,) = large.sql("SELECT owner FROM leads WHERE id = 'lead_1'")[0]
    expected = {*stored(large, "company_id = ?", COMPANY)[:1000], *stored(large, "owner = ?", admin)[:1000]}
    ids = [row["id"] for row in found(large)]
    assert 1000 < len(ids) < 1500
    assert len(ids) == len(set(ids))
    assert ids == [lead for lead in stored(large, "company_id = ?", COMPANY) if lead in expected]


def test_a_filter_comes_after_the_merge_and_misses_older_leads(large: Any) -> None:
    rows = found(large, "&status=qualified")
    assert [row["id"] for row in rows] == [row["id"] for row in found(large) if row["status"] == "qualified"]
    assert len(rows) < len(stored(large, "company_id = ? AND status = 'qualified'", COMPANY))


def test_the_index_of_the_owner_is_cut_at_a_thousand_and_holds_leads_without_a_company(
    make: Callable[..., Any],
) -> None:
    service = make(demo_leads=1500)
    (admin,) = service.sql("SELECT owner FROM leads WHERE id = 'lead_1'")[0]
    service.sql("UPDATE leads SET owner = ?, company_id = NULL WHERE company_id = ?", admin, COMPANY)
    assert service.get("/leads").body["pagination"]["totalItems"] == 1000
    assert service.put("/leads/lead_1/status", {"status": "qualified"}).status == 200


def test_a_lead_of_another_company_is_never_shown_to_its_owner(service: Any) -> None:
    lead = service.lead()["id"]
    service.sql("UPDATE leads SET company_id = ? WHERE id = ?", CREDENTIALS["other_company_id"], lead)
    assert lead not in [row["id"] for row in found(service)]
    assert service.put(f"/leads/{lead}/status", {"status": "qualified"}).status == 404


def test_no_list_of_leads_sorts_or_scans(large: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any size: what is read comes out of an index in its order."""
    from sandbox import store

    connect, queries = store.connect, set()

    def traced(database: Path) -> Any:
        db = connect(database)
        db.set_trace_callback(queries.add)
        return db

    monkeypatch.setattr(store, "connect", traced)
    for path in ("/leads", "/leads?status=new&email=a@b.example", "/leads?page=3"):
        assert large.get(path).status == 200
    for table in ("enrich-leads", "source-leads"):
        token = large.bulk(table, "&limit=1")["nextToken"]
        assert large.bulk(table, f"&limit=5&nextToken={token}")["data"]
        assert large.bulk(table, "&clientId=client_aurora")["data"]
    monkeypatch.undo()
    reading = [query for query in queries if "FROM leads" in query or "FROM source_leads" in query]
    assert len(reading) > 8
    for query in reading:
        plan = " ".join(str(row[3]) for row in large.sql("EXPLAIN QUERY PLAN " + query))
        assert plan.startswith("SEARCH"), query
        assert "TEMP B-TREE" not in plan, query


def test_filters_are_exact_and_fold_case_for_email_and_company(service: Any) -> None:
    lead = service.lead(email="zoë.ämilia@firma.example", companyName="Österreich Süd", client_id="client_a")["id"]
    for query, ids in (
        ("email=ZO%C3%8B.%C3%A4milia%40firma.EXAMPLE", [lead]),
        ("companyName=%C3%96STERREICH+s%C3%BCd", [lead]),
        ("client_id=client_a&status=new", [lead]),
        ("client_id=CLIENT_A", []),
        ("companyName=sterreich", []),
        ("client_id=client_a&status=qualified", []),
    ):
        assert [row["id"] for row in found(service, "&" + query)] == ids, query


def test_the_same_email_is_a_duplicate_within_a_client_only(make: Callable[..., Any]) -> None:
    service, again = make(), {**LEAD, "email": "ADA@moss.example", "client_id": "a"}
    service.lead(client_id="a")
    assert service.post("/leads", again).error == (409, "DUPLICATE_DETECTED", ["email"])
    assert service.post("/leads", {**again, "client_id": "b"}).status == 201
    assert service.post("/leads", again, "other_api_key").status == 201
    assert service.delete("/leads/batch", {"ids": [found(service, "&client_id=a")[0]["id"]]}).body["deleted"] == 1
    assert service.post("/leads", again).status == 201
    lenient = make(allow_duplicates=True)
    assert [lenient.post("/leads", LEAD).status for _ in range(2)] == [201, 201]
    assert lenient.post("/leads/batch", {"leads": [LEAD, LEAD]}).body["created"] == 2


def test_what_is_known_to_crash_the_server_is_refused(shared: Any) -> None:
    crashes = ({"lastName": "."}, {"lastName": " "}, {"title": ""}, {"phone": "+44 20 7946 0000"}, {"notes": None})
    for crash in crashes:
        assert shared.post("/leads", {**LEAD, **crash}).error == (400, "VALIDATION_ERROR", [*crash]), crash
    refused = shared.post("/leads", {"firstName": "", "email": "nobody", "title": 3, "status": "lost"})
    assert sorted(refused.error[2]) == ["email", "firstName", "lastName", "status", "title"]


def test_a_batch_stores_good_rows_and_reports_the_others(service: Any) -> None:
    good = [{**LEAD, "email": f"{number}@batch.example", "extra": 1} for number in range(3)]
    theirs = service.ids("other_")["campaign"]
    bad = [{"firstName": "B"}, good[0], "no row", {**LEAD, "campaignId": theirs}, {**LEAD, "status": "sold"}]
    body = service.post("/leads/batch", {"leads": [good[0], *bad, *good[1:]]}).body
    assert body["created"] == len(body["createdIds"]) == 3
    skipped = [(one["index"], one["email"], one["reason"].split()[0]) for one in body["skipped"]]
    email = LEAD["email"]
    assert [row[:2] for row in skipped] == [(1, None), (2, "0@batch.example"), (3, None), (4, email), (5, email)]
    assert [row[2] for row in skipped] == ["lastName", "email", "must", "campaignId", "status"]
    rows = service.get("/leads?pageSize=3").data
    assert [row["id"] for row in rows] == body["createdIds"][::-1]
    assert "extra" not in rows[0]


@pytest.mark.parametrize(
    ("method", "path", "name", "most"),
    [
        ("POST", "/leads/batch", "leads", 100),
        ("DELETE", "/leads/batch", "ids", 100),
        ("POST", "/enrichment/trigger", "leadIds", 500),
        ("POST", "/sequences/{sequence}/enroll", "leadIds", 500),
    ],
)
def test_batches_have_ceilings(shared: Any, method: str, path: str, name: str, most: int) -> None:
    path = path.format_map(shared.ids())
    assert shared.call(method, path, {name: ["x"] * most}).status < 300
    for bad, code in (([], "VALIDATION_ERROR"), ("x", "VALIDATION_ERROR"), (["x"] * (most + 1), "BATCH_TOO_LARGE")):
        assert shared.call(method, path, {name: bad}).error == (400, code, [name])


def test_a_status_is_taken_in_any_case_and_recorded_once(service: Any) -> None:
    for status in ("QUALIFIED", "qualified", "new", "Converted"):
        service.now += 60
        assert service.put("/leads/lead_1/status", {"status": status}).data["status"] == status.lower()
    assert service.put("/leads/lead_1/status", {"status": "sold"}).error == (400, "VALIDATION_ERROR", ["status"])
    query = "SELECT c.status FROM status_changes c JOIN leads ON seq = lead WHERE id = 'lead_1' ORDER BY at"
    assert [row[0] for row in service.sql(query)] == ["new", "qualified", "new", "converted"]
    assert service.lead(status="Contacted")["status"] == "contacted"


def test_a_deleted_lead_leaves_nothing_behind(service: Any) -> None:
    lead = service.lead()["id"]
    service.post("/sequences/{sequence}/enroll".format_map(service.ids()), {"leadIds": [lead]})
    deleted = service.delete("/leads/batch", {"ids": [lead, lead, "nobody"]}).body
    assert (deleted["deleted"], deleted["notFound"]) == (1, ["nobody"])
    for table in ("enrolments", "status_changes"):
        assert service.sql(f"SELECT count(*) FROM {table} WHERE lead NOT IN (SELECT seq FROM leads)") == [(0,)]


@pytest.mark.parametrize(("path", "total"), [("enrich-leads", 1500), ("source-leads", 2000)])
def test_bulk_walks_everything_once(large: Any, path: str, total: int) -> None:
    ids, query, pages = [], "&limit=700", 0
    while query:
        body = large.bulk(path, query)
        ids += [row["id"] for row in body["data"]]
        query = body["nextToken"] and f"&limit=700&nextToken={body['nextToken']}"
        pages += 1
    assert (len(ids), len(set(ids)), pages) == (total, total, 3)


def test_bulk_limits_default_and_clamp(large: Any) -> None:
    assert len(large.bulk("source-leads")["data"]) == 1000
    for limit in (999_999_999, 2000):  # the last page is known as the last, even when it is full
        body = large.bulk("source-leads", f"&limit={limit}")
        assert (len(body["data"]), body["nextToken"]) == (2000, None)


def test_bulk_counts_clients_and_picks_fields(service: Any) -> None:
    service.lead()
    body = service.bulk(query="&clientId=client_aurora&fields=email,nonsense&limit=7")
    assert all(row.keys() == {"id", "email"} for row in body["data"])
    summary = {"client_aurora": 7}
    assert body["meta"] == {"totalReturned": 7, "queryMethod": "client_id-GSI", "clientSummary": summary}
    for query in ("", "&clientId=ALL", "&clientId=DEFAULT"):
        meta = service.bulk(query=query)["meta"]
        assert (meta["queryMethod"], sum(meta["clientSummary"].values())) == ("company_id-GSI", 61)
        assert meta["clientSummary"]["unassigned"] == 1


def test_a_cursor_continues_its_own_query_only(shared: Any) -> None:
    token = shared.bulk(query="&limit=1")["nextToken"]
    for path, more in (("source", ""), ("enrich", "&clientId=client_aurora")):
        reply = shared.bulk(f"{path}-leads", f"&nextToken={token}{more}")
        assert (reply["code"], reply["details"][0]["field"]) == ("INVALID_PARAMETER", "nextToken")
    for bad in ("nonsense", "%00", "WyJsZWFkcyIsbnVsbCwxZTk5OV0"):  # the last is ["leads",null,1e999]
        assert shared.bulk(query=f"&nextToken={bad}")["code"] == "INVALID_PARAMETER"


def test_every_row_is_the_record_as_it_was_stored(shared: Any) -> None:
    docs = {json.loads(doc)["id"]: json.loads(doc) for (doc,) in shared.sql("SELECT doc FROM leads")}
    for row in shared.bulk()["data"]:
        assert row == docs[row["id"]]
