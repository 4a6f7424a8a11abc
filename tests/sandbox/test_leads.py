"""Leads: the search and its depth, creation, batches, status, bulk extraction."""

import pytest

from sandbox.demo import CREDENTIALS

COMPANY, OTHER = CREDENTIALS["company_id"], CREDENTIALS["other_company_id"]
LEAD = {"firstName": "Ada", "lastName": "Moss", "email": "ada@moss.example"}


@pytest.fixture(scope="module")
def large(make):
    """The demo data in its usual size, where the depth of the search shows; not changed."""
    return make(demo_leads=1500)


def found(service, query=""):
    """The ids on all pages of a search."""
    pages = range(1, 2 + service.total(f"/leads?{query}") // 100)
    return [
        row["id"]
        for page in pages
        for row in service.get(f"/leads?pageSize=100&page={page}&{query}").data
    ]


def stored(service, where, *values):
    query = f"SELECT id FROM leads WHERE {where} ORDER BY created_at DESC, seq DESC"
    return [row[0] for row in service.sql(query, *values)]


def test_the_search_merges_the_newest_thousand_of_two_indexes(large):
    own, ids = stored(large, "company_id = ?", COMPANY), found(large)
    mine = stored(large, "owner = (SELECT owner FROM leads WHERE id = 'lead_1')")
    assert ids == [lead for lead in own if lead in {*own[:1000], *mine[:1000]}]
    assert 1000 < len(ids) < 1500


def test_a_filter_comes_after_the_merge_and_misses_older_leads(large):
    qualified = stored(large, "company_id = ? AND status = 'qualified'", COMPANY)
    seen = set(found(large))
    assert (
        found(large, "status=qualified")
        == [lead for lead in qualified if lead in seen]
        != qualified
    )


def test_the_index_of_the_owner_is_cut_too_and_holds_leads_without_a_company(make):
    service = make(demo_leads=1500)
    query = (
        "UPDATE leads SET owner = (SELECT owner FROM leads WHERE id = 'lead_1'), company_id = NULL"
    )
    service.sql(query + " WHERE company_id = ?", COMPANY)
    assert service.total("/leads") == 1000
    assert service.put("/leads/lead_1/status", {"status": "qualified"}).status == 200


def test_a_lead_of_another_company_is_never_shown_to_its_owner(service):
    lead = service.lead()["id"]
    service.sql("UPDATE leads SET company_id = ? WHERE id = ?", OTHER, lead)
    assert lead not in found(service)
    assert service.put(f"/leads/{lead}/status", {"status": "qualified"}).status == 404


def test_filters_are_exact_and_fold_case_for_email_and_company(service):
    texts = {"email": "zoë.ämilia@firma.example", "companyName": "Österreich Süd"}
    lead = service.lead(**texts, client_id="client_a")["id"]
    for query, ids in (
        ("email=ZO%C3%8B.%C3%A4milia%40firma.EXAMPLE", [lead]),
        ("companyName=%C3%96STERREICH+s%C3%BCd", [lead]),
        ("client_id=client_a&status=NEW", [lead]),
        ("client_id=CLIENT_A", []),
        ("companyName=sterreich", []),
        ("client_id=client_a&status=qualified", []),
    ):
        assert found(service, query) == ids, query


def test_the_same_email_is_a_duplicate_within_a_client_only(make):
    service, again = make(), {**LEAD, "email": "ADA@moss.example", "client_id": "a"}
    service.lead(client_id="a")
    assert service.post("/leads", again).error == (409, "DUPLICATE_DETECTED", ["email"])
    assert service.post("/leads", {**again, "client_id": "b"}).status == 201
    assert service.post("/leads", again, "other_api_key").status == 201
    lenient = make(allow_duplicates=True)
    assert lenient.post("/leads/batch", {"leads": [LEAD, LEAD]}).body["created"] == 2
    assert lenient.post("/leads", LEAD).status == 201


def test_a_batch_stores_good_rows_and_reports_the_others(service):
    good = [{**LEAD, "email": f"{number}@batch.example", "extra": 1} for number in range(3)]
    foreign = {**LEAD, "campaignId": service.ids("other_")["campaign"]}
    bad = [{"firstName": "B"}, good[0], "no row", foreign]
    body = service.post("/leads/batch", {"leads": [good[0], *bad, *good[1:]]}).body
    skipped = [(one["index"], one["email"], one["reason"].split()[0]) for one in body["skipped"]]
    expected = [(1, None, "lastName"), (2, "0@batch.example", "email"), (3, None, "must")]
    assert skipped == [*expected, (4, LEAD["email"], "campaignId")]
    rows = service.get("/leads?pageSize=3").data
    assert [row["id"] for row in rows] == body["createdIds"][::-1]
    assert (body["created"], "extra" in rows[0]) == (3, False)


@pytest.mark.parametrize(
    ("name", "field", "most"),
    [("leads.create-batch", "leads", 100), ("sequences.enroll", "leadIds", 500)],
)
def test_batches_have_ceilings(shared, name, field, most):
    ids = shared.ids()
    assert shared.operate(name, ids, {field: ["x"] * most}).status < 300
    for bad, code in (([], "VALIDATION_ERROR"), (["x"] * (most + 1), "BATCH_TOO_LARGE")):
        assert shared.operate(name, ids, {field: bad}).error == (400, code, [field])


def test_a_status_is_taken_in_any_case_and_recorded_once(service):
    for status in ("QUALIFIED", "qualified", "new", "Converted"):
        service.now += 60
        reply = service.put("/leads/lead_1/status", {"status": status})
        assert reply.data["status"] == status.lower()
    query = "SELECT c.status FROM status_changes c JOIN leads ON seq = lead WHERE id = 'lead_1'"
    assert [row[0] for row in service.sql(query)] == ["new", "qualified", "new", "converted"]
    assert service.lead(status="Contacted")["status"] == "contacted"


@pytest.mark.parametrize(("path", "total"), [("enrich-leads", 1500), ("source-leads", 2000)])
def test_bulk_walks_everything_once(large, path, total):
    ids, query, sizes = [], "&limit=700", []
    while query:
        body = large.bulk(path, query)
        ids += [row["id"] for row in body["data"]]
        query = body["nextToken"] and f"&limit=700&nextToken={body['nextToken']}"
        sizes.append(len(body["data"]))
    assert (len(set(ids)), sizes) == (total, [700, 700, total - 1400])
    for query, size in (("", 1000), ("&limit=2000", total), ("&limit=999999999", total)):
        body = large.bulk(path, query)  # the last page is known as the last, even when it is full
        assert (len(body["data"]), body["nextToken"] is None) == (size, size == total)


def test_bulk_counts_clients_and_picks_fields(service):
    service.lead()
    body = service.bulk(query="&clientId=client_aurora&fields=email,nonsense&limit=7")
    assert all(row.keys() == {"id", "email"} for row in body["data"])
    summary = {"client_aurora": 7}
    meta = {"totalReturned": 7, "queryMethod": "client_id-GSI", "clientSummary": summary}
    assert body["meta"] == meta
    for query in ("", "&clientId=ALL", "&clientId=DEFAULT"):
        meta = service.bulk(query=query)["meta"]
        counts = meta["clientSummary"]
        assert (meta["queryMethod"], sum(counts.values())) == ("company_id-GSI", 61)
        assert counts["unassigned"] == 1


def test_a_cursor_continues_its_own_query_only(shared):
    token = shared.bulk(query="&limit=1")["nextToken"]
    for path, query in (
        ("source-leads", token),
        ("enrich-leads", token + "&clientId=client_aurora"),
        ("enrich-leads", token + "0"),
        ("enrich-leads", "9" * 19 + token[1:]),
        ("enrich-leads", "%00"),
    ):
        body = shared.bulk(path, f"&nextToken={query}")
        assert (body["code"], body["details"][0]["field"]) == ("INVALID_PARAMETER", "nextToken")
