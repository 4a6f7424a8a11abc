"""Leads: the search and its depth, creation, batches, status, bulk extraction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo import CREDENTIALS
from sandbox_fixtures import Service, running

LEADS = "/api/agent/leads"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as found:
        yield found


def stored(service: Service) -> list[dict[str, Any]]:
    """Every lead of the database, newest first."""
    with closing(sqlite3.connect(service.app.database)) as db:
        rows = db.execute("SELECT doc FROM leads ORDER BY created_at DESC, seq DESC").fetchall()
    return [json.loads(doc) for (doc,) in rows]


def found(service: Service, query: str = "") -> list[dict[str, Any]]:
    """All pages of a search."""
    rows: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        body = service.get(f"{LEADS}?pageSize=100&page={page}{query}").body
        rows, page, pages = rows + body["data"], page + 1, body["pagination"]["totalPages"]
    return rows


def test_the_search_merges_the_newest_thousand_of_two_indexes(service: Service) -> None:
    leads, company = stored(service), CREDENTIALS["company_id"]
    admin = next(one["owner"] for one in leads if one["id"] == "lead_1")
    by_company = [one for one in leads if one.get("company_id") == company][:1000]
    by_owner = [one for one in leads if one.get("owner") == admin][:1000]
    expected = {one["id"] for one in by_company + by_owner}
    rows = found(service)
    assert len(rows) == len({row["id"] for row in rows})
    assert {row["id"] for row in rows} == expected
    assert 1000 < len(rows) < 1512
    assert [row["createdAt"] for row in rows] == sorted((row["createdAt"] for row in rows), reverse=True)
    assert any("company_id" not in row for row in rows), "the agent's own leads without a company are found"


def test_the_owner_index_is_cut_at_a_thousand_too(service: Service) -> None:
    admin = next(one["owner"] for one in stored(service) if one["id"] == "lead_1")
    with closing(sqlite3.connect(service.app.database)) as db, db:
        # All leads are the admin's own and without a company, so that only the owner index finds any.
        db.execute(
            "UPDATE leads SET owner = ?, company_id = NULL WHERE company_id = ?", (admin, CREDENTIALS["company_id"])
        )
    assert service.get(LEADS).body["pagination"]["totalItems"] == 1000


def test_a_filter_comes_after_the_merge_and_misses_older_leads(service: Service) -> None:
    everything = [one for one in stored(service) if one.get("company_id") == CREDENTIALS["company_id"]]
    qualified = {one["id"] for one in everything if one["status"] == "qualified"}
    rows = found(service, "&status=qualified")
    assert {row["status"] for row in rows} == {"qualified"}
    missed = qualified - {row["id"] for row in rows}
    assert missed
    assert {row["id"] for row in rows} == {row["id"] for row in found(service) if row["status"] == "qualified"}


def test_a_lead_of_another_company_is_never_shown_to_its_owner(service: Service) -> None:
    lead = service.lead()
    with closing(sqlite3.connect(service.app.database)) as db, db:
        other = (CREDENTIALS["other_company_id"], lead["id"])
        db.execute("UPDATE leads SET company_id = ? WHERE id = ?", other)
    assert lead["id"] not in [row["id"] for row in service.get(LEADS).body["data"]]
    assert service.put(f"{LEADS}/{lead['id']}/status", {"status": "qualified"}).status == 404


def test_filters_are_exact_and_fold_case_for_email_and_company(service: Service) -> None:
    lead = service.lead(email="Zoë.Ämilia@Firma.example", companyName="Österreich Süd", client_id="client_a")
    for query in (
        "email=ZO%C3%8B.%C3%A4milia%40firma.EXAMPLE",
        "companyName=%C3%96STERREICH%20s%C3%BCd",
        "companyName=%C3%96STERREICH+s%C3%BCd",
        "client_id=client_a",
        "client_id=client_a&status=new",
    ):
        assert [row["id"] for row in service.get(f"{LEADS}?{query}").body["data"]] == [lead["id"]], query
    for query in ("client_id=CLIENT_A", "companyName=sterreich", "client_id=client_a&status=qualified"):
        assert service.get(f"{LEADS}?{query}").body["pagination"]["totalItems"] == 0, query


@pytest.mark.parametrize(
    ("query", "page", "size", "rows"),
    [("", 1, 20, 20), ("?pageSize=500", 1, 100, 24), ("?pageSize=10&page=3", 3, 10, 4), ("?page=99", 99, 20, 0)],
)
def test_pages_are_clamped_silently(service: Service, query: str, page: int, size: int, rows: int) -> None:
    body = service.get(f"/api/agent/target-accounts{query}").body
    assert len(body["data"]) == rows
    told = {"page": page, "pageSize": size, "totalItems": 24, "totalPages": -(-24 // size)}
    assert body["pagination"] == told


def test_a_new_lead_is_filled_up_and_found_at_once(service: Service) -> None:
    lead = service.lead(title="Buyer")
    assert lead["fullName"] == lead["contactName"] == "Test Person"
    assert (lead["status"], lead["lead_id"], lead["createdAt"]) == ("new", lead["id"], "2026-06-15T12:00:00.000Z")
    assert service.get(LEADS).body["data"][0] == lead


def test_the_same_email_is_a_duplicate_within_a_client_only(service: Service) -> None:
    service.lead(client_id="a")
    again = {"firstName": "X", "lastName": "Y", "email": "TEST@person.example", "client_id": "a"}
    assert service.post(LEADS, again).code == "DUPLICATE_DETECTED"
    assert service.post(LEADS, {**again, "client_id": "b"}).status == 201
    assert service.post(LEADS, again, "other_api_key").status == 201


def test_a_validation_error_names_every_field(service: Service) -> None:
    reply = service.post(LEADS, {"firstName": "", "email": "nobody", "title": 3, "status": "lost", "notes": None})
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert sorted(reply.fields) == ["email", "firstName", "lastName", "status", "title"]


def test_a_batch_stores_good_rows_and_tells_of_the_others(service: Service) -> None:
    good = [{"firstName": "A", "lastName": str(number), "email": f"{number}@batch.example"} for number in range(3)]
    rows = [good[0], {"firstName": "B"}, good[1], good[0], "no row", good[2]]
    body = service.post(f"{LEADS}/batch", {"leads": rows}).body
    assert body["created"] == len(body["createdIds"]) == 3
    assert [(one["index"], one["email"]) for one in body["skipped"]] == [(1, None), (3, "0@batch.example"), (4, None)]
    assert body["skipped"][1]["reason"].startswith("duplicate")
    assert [row["id"] for row in service.get(f"{LEADS}?pageSize=3").body["data"]] == body["createdIds"][::-1]


@pytest.mark.parametrize(
    ("method", "path", "name", "most"),
    [
        ("POST", "leads/batch", "leads", 100),
        ("DELETE", "leads/batch", "ids", 100),
        ("POST", "enrichment/trigger", "leadIds", 500),
        ("POST", "sequences/{}/enroll", "leadIds", 500),
    ],
)
def test_batches_have_ceilings(service: Service, method: str, path: str, name: str, most: int) -> None:
    path = "/api/agent/" + path.format(service.get("/api/agent/sequences").body["data"][0]["id"])
    assert service.call(method, path, {name: ["x"] * most}).status < 300
    for bad, code in (([], "VALIDATION_ERROR"), ("x", "VALIDATION_ERROR"), (["x"] * (most + 1), "BATCH_TOO_LARGE")):
        reply = service.call(method, path, {name: bad})
        assert (reply.status, reply.code, reply.fields) == (400, code, [name])


def test_a_status_change_is_recorded_once(service: Service) -> None:
    path = f"{LEADS}/lead_1/status"
    for status in ("QUALIFIED", "qualified", "new", "Converted"):
        service.clock.now += 60
        assert service.put(path, {"status": status}).body["data"]["status"] == status.lower()
    assert service.put(path, {"status": "sold"}).fields == ["status"]
    with closing(sqlite3.connect(service.app.database)) as db:
        query = "SELECT c.status FROM status_changes c JOIN leads ON seq = lead WHERE id = 'lead_1' ORDER BY at"
        assert [row[0] for row in db.execute(query)] == ["new", "qualified", "new", "converted"]


def test_a_deleted_lead_leaves_nothing_behind(service: Service) -> None:
    lead = service.lead()
    sequence = service.get("/api/agent/sequences").body["data"][0]["id"]
    service.post(f"/api/agent/sequences/{sequence}/enroll", {"leadIds": [lead["id"]]})
    before = service.get("/api/agent/sequences").body["data"][0]["enrolledCount"]
    assert service.call("DELETE", f"{LEADS}/batch", {"ids": [lead["id"]]}).body["deleted"] == 1
    assert service.call("DELETE", f"{LEADS}/batch", {"ids": [lead["id"]]}).body["notFound"] == [lead["id"]]
    assert service.get("/api/agent/sequences").body["data"][0]["enrolledCount"] == before - 1


def bulk(service: Service, path: str, query: str = "") -> dict[str, Any]:
    reply = service.get(f"/api/{path}/list?companyId={CREDENTIALS['company_id']}{query}", "amplify_api_key")
    assert reply.status == 200, reply.raw
    return dict(reply.body)


@pytest.mark.parametrize(("path", "total"), [("enrich-leads", 1500), ("source-leads", 2000)])
def test_bulk_walks_everything_once(service: Service, path: str, total: int) -> None:
    ids, query, pages = [], "&limit=700", 0
    while query:
        body = bulk(service, path, query)
        ids += [row["id"] for row in body["data"]]
        query = body["nextToken"] and f"&limit=700&nextToken={body['nextToken']}"
        pages += 1
    assert (len(ids), len(set(ids)), pages) == (total, total, 3)


def test_bulk_limits_default_and_clamp(service: Service) -> None:
    assert len(bulk(service, "source-leads")["data"]) == 1000
    body = bulk(service, "source-leads", "&limit=999999999")
    assert (len(body["data"]), body["nextToken"]) == (2000, None)
    # The last page is known as the last, even when it is full.
    assert bulk(service, "source-leads", "&limit=2000")["nextToken"] is None


def test_bulk_counts_clients_and_picks_fields(service: Service) -> None:
    body = bulk(service, "enrich-leads", "&clientId=client_aurora&fields=email,nonsense&limit=7")
    assert all(row.keys() == {"id", "email"} for row in body["data"])
    summary = {"client_aurora": 7}
    assert body["meta"] == {"totalReturned": 7, "queryMethod": "client_id-GSI", "clientSummary": summary}
    for name in ("ALL", "DEFAULT"):
        meta = bulk(service, "enrich-leads", f"&clientId={name}")["meta"]
        assert (meta["queryMethod"], sum(meta["clientSummary"].values())) == ("company_id-GSI", 1000)


def test_a_cursor_continues_its_own_query_only(service: Service) -> None:
    token = bulk(service, "enrich-leads", "&limit=1")["nextToken"]
    base = f"companyId={CREDENTIALS['company_id']}&nextToken="
    for path in (
        f"/api/source-leads/list?{base}{token}",
        f"/api/enrich-leads/list?{base}{token}&clientId=client_aurora",
        f"/api/enrich-leads/list?{base}nonsense",
        f"/api/enrich-leads/list?{base}%00",
        f"/api/enrich-leads/list?{base}WyJsZWFkcyIsbnVsbCwxZTk5OV0",  # ["leads",null,1e999]
    ):
        reply = service.get(path, "amplify_api_key")
        assert (reply.code, reply.fields) == ("INVALID_PARAMETER", ["nextToken"])
