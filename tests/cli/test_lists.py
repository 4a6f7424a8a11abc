"""Lists: one page, every page, filters and counts, and the truth about what is left out."""

import json
from collections import Counter

import pytest

from cli import lists
from sandbox.answers import Answer

FAILED = Answer(500, b'{"success": false}')


@pytest.fixture
def bulk(lgp):
    """Every enriched lead of the demo company."""
    rows = lgp("enrich-leads list --all").rows
    assert len(rows) == 60
    return rows


@pytest.fixture
def answered(lgp, serve):
    """`answered(call, *words)`: a run whose answers `call(query, ask)` makes."""

    def run(call, *words):
        served = serve(rate_limit=False)
        served.around(lambda environ, ask: call(environ["RAW_URI"], lambda: ask(environ)))
        return lgp(*words, "--max-wait", "0", sandbox=False, environ=served.environ)

    return run


def test_a_list_prints_a_page_with_what_the_server_says_beside_it(lgp):
    reply = lgp("leads list")
    assert (reply.code, len(reply.json["data"])) == (0, 20)
    assert reply.json["pagination"]["page"] == 1
    assert "\n" not in reply.out.rstrip("\n")  # compact off a terminal
    assert reply.notes == ["20 of 60 rows; --all for every row."]
    assert "data is not real" in reply.lines[0]["message"]


def test_pages_follow_each_other_and_every_row_comes_once(lgp):
    whole = lgp("leads list --all")
    pages = [lgp("leads list --page-size 25 --page", page) for page in "1239"]
    assert [row for page in pages for row in page.rows] == whole.rows
    assert len({row["id"] for row in whole.rows}) == whole.json["rows"] == 60
    assert whole.json["complete"] is True  # the small demo lies within the search depth
    assert [len(page.notes) for page in pages] == [1, 1, 0, 0]


@pytest.mark.parametrize("totals", [(4, 3), (3, 4), (4, 4)])
def test_rows_that_shift_while_they_are_read_come_once_and_the_shift_is_said(answered, totals):
    def growing(query, ask):
        number = int(query.partition("page=")[2][0])
        pagination = {"totalItems": totals[number - 1], "totalPages": 2}
        body = {"data": [{"id": number}, {"id": number + 1}], "pagination": pagination}
        return Answer(200, json.dumps(body).encode())

    reply = answered(growing, "campaigns list --all")
    assert (reply.rows, reply.json["complete"]) == ([{"id": 1}, {"id": 2}, {"id": 3}], False)
    assert any("changed while it was read" in note for note in reply.notes)


@pytest.mark.parametrize("group", ["leads", "enrich-leads"])
def test_max_items_stops_and_says_so(lgp, group):
    reply = lgp(f"{group} list --max-items 5")
    assert (len(reply.rows), reply.json["complete"], reply.json["requests"]) == (5, False, 1)
    assert "--all for every row" in reply.notes[-1]
    assert lgp(f"{group} list --max-items 500").json["complete"] is True
    words = "list --where status!=nothing --max-items 20 --page-size 20"
    facts = {"rows": 20, "matched": 20, "rows_read": 20, "complete": False}
    found = lgp(f"{group} {words}").json
    assert found == {**found, **facts}


@pytest.mark.parametrize("group", ["leads", "enrich-leads"])
def test_where_filters_exactly_over_every_page(lgp, group):
    rows = [row for row in lgp(f"{group} list --all").rows if row["status"] == "qualified"]
    expected = [{"id": row["id"]} for row in rows if "a" in row["companyName"].lower()]
    words = ["--where", "status=Qualified", "--where", "companyName~A", "--fields", "id", "--all"]
    reply = lgp(group, "list", *words)  # what is filtered on is fetched though not printed
    assert reply.rows == expected
    assert (reply.json["matched"], reply.json["complete"]) == (len(expected), True)
    assert 0 < len(expected) < len(rows)


def test_where_prints_the_first_twenty_and_counts_the_rest(lgp):
    reply = lgp("enrich-leads list --where status!=nothing")
    assert (len(reply.rows), reply.json["matched"], reply.json["rows_read"]) == (20, 60, 60)
    assert reply.notes == ["20 of 60 rows that match (60 read); --all for every row."]


def test_count_is_exact_and_says_by_which_way(lgp, bulk):
    facts = {"requests": 1, "complete": True, "sandbox": True, "method": "all_pages"}
    assert lgp("enrich-leads list --count").json == {"count": 60, **facts}
    new = sum(row["status"] == "new" for row in bulk)
    for group in ("leads", "enrich-leads"):
        assert lgp(f"{group} list --where status=new --count").json["count"] == new
        by = lgp(f"{group} list --count-by status --page-size 25").json["by"]
        assert [one["n"] for one in by if one["status"] == "new"] == [new]
    campaigns = len(lgp("campaigns list --all").rows)
    facts["method"] = "server_total"
    assert lgp("campaigns list --count").json == {"count": campaigns, **facts}
    assert f"\n{campaigns}," in lgp("campaigns list --count --format csv").out


def test_count_by_adds_up_with_absent_values_as_null(lgp, bulk, monkeypatch):
    expected = Counter((row["status"], row.get("notes")) for row in bulk)
    words = "enrich-leads list --count-by status,notes"
    reply = lgp(words).json
    assert {(one["status"], one["notes"]): one["n"] for one in reply["by"]} == expected
    assert [one["n"] for one in reply["by"]] == [count for _, count in expected.most_common()]
    assert (reply["count"], reply["values_total"]) == (60, len(expected))
    assert any(notes is None for _, notes in expected)
    monkeypatch.setattr(lists, "TOP", 2)
    assert lgp(words, "--format", "csv").out.count("\n") == 3
    monkeypatch.setattr(lists, "LARGEST_GROUPS", len(expected) - 1)
    assert (lgp(words).code, lgp(words).out) == (2, "")


def test_rows_that_cannot_be_compared_are_counted_and_make_the_answer_incomplete(lgp):
    reply = lgp("enrich-leads list --where status>5 --count").json
    assert reply == {**reply, "count": 0, "not_comparable": 60, "complete": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "statsu=new"], "did you mean status"),
        (["--where", "status"], "Quote it"),
        (["--count-by", "clientid"], "client_id"),
        (["--fields", "emial"], "did you mean email"),
        (["--fields", "leadGrade"], "--no-check"),
        (["--status", "quallified"], "must be one of"),
    ],
)
def test_a_field_or_value_that_is_not_there_is_refused_before_anything_is_sent(lgp, words, said):
    environ = {"LGP_BASE_URL": "http://127.0.0.1:9", "LGP_API_KEY": "lgp_" + "0" * 64}
    reply = lgp("leads list", *words, sandbox=False, environ=environ)
    assert (reply.code, reply.out) == (2, "")
    assert said in json.dumps(reply.error)


def test_no_check_lets_an_unknown_field_pass(lgp):
    reply = lgp("leads list --fields leadGrade --no-check --page-size 1")
    assert reply.rows == [{"leadGrade": None}]


def test_a_filtered_search_carries_the_note_of_its_depth(lgp):
    lead = lgp("leads list --page-size 1").rows[0]
    client, email = ("--client-id", lead["client_id"]), ("--email", lead["email"])
    nobody = ("--email", "nobody@x.example", *client)
    for words, noted in ((client, True), ((), False), (email + client, False), (nobody, True)):
        notes = lgp("leads list", *words).notes
        assert any("newest 1,000" in note for note in notes) is noted


def test_a_search_beyond_its_depth_is_not_complete(lgp, serve):
    environ = serve(demo_leads=1200, rate_limit=False).environ
    for words in (
        ("--count",),
        ("--max-items", "1"),
        ("--status", "new", "--all"),
        ("--email=a@b.example", "--out=l.csv"),
    ):
        reply = lgp("leads list", *words, sandbox=False, environ=environ)
        assert reply.json["complete"] is False
        assert any("Amplify key: enrich-leads list --count" in note for note in reply.notes)
    person = lgp("leads list --count", sandbox=False, environ=environ, terminal=True)
    assert person.out.startswith("At least 1,")
    exact = lgp("enrich-leads list --count", sandbox=False, environ=environ).json
    assert exact == {**exact, "count": 1200, "complete": True}


def test_the_company_of_bulk_lists_is_found_through_one_lead(lgp, serve):
    environ = {**serve().environ, "LGP_COMPANY_ID": ""}
    reply = lgp("enrich-leads list --count", sandbox=False, environ=environ).json
    assert (reply["count"], reply["requests"]) == (60, 2)


def test_an_amplify_key_alone_needs_the_company(lgp, serve):
    environ = {**serve().environ, "LGP_COMPANY_ID": "", "LGP_API_KEY": ""}
    reply = lgp("enrich-leads list", sandbox=False, environ=environ)
    assert (reply.code, "--company-id" in reply.error["hint"]) == (3, True)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_out_writes_a_file_by_its_name_and_prints_a_receipt(lgp, home, suffix):
    assert not lgp("campaigns list --page 2 --page-size 3 --out c.json").json["complete"]
    receipt = lgp("leads list --out", f"l.{suffix}").json
    facts = {"file": f"l.{suffix}", "rows": 20, "requests": 1, "complete": False, "sandbox": True}
    assert receipt == {**receipt, **facts}
    text = (home / f"l.{suffix}").read_text()
    assert (text.count('{"id"'), text.count("\n")) == {
        "json": (20, 1), "jsonl": (20, 20), "csv": (0, 21)
    }[suffix]  # fmt: skip


def test_out_keeps_the_old_file_when_the_list_fails(answered, home):
    (home / "c.csv").write_text("old")
    assert answered(lambda *_: FAILED, "campaigns list --out c.csv").code == 7
    assert [path.read_text() for path in home.glob("*c.csv*")] == ["old"]


def test_a_list_that_fails_midway_ends_after_a_whole_row_and_says_that_it_is_not_complete(
    answered,
):
    words = "leads list --all --page-size 20"
    reply = answered(lambda query, ask: FAILED if "page=2" in query else ask(), words)
    assert (reply.code, len(reply.json["data"]), reply.json["complete"]) == (7, 20, False)


@pytest.mark.parametrize(
    ("words", "url"),
    [
        ("leads list --status new --page-size 5", "agent/leads?status=new&page=1&pageSize=5"),
        ("leads list --max-items 9", "agent/leads?page=1&pageSize=9"),
        ("leads list --page 3", "agent/leads?page=3&pageSize=20"),
        ("leads list --where title~a", "agent/leads?page=1&pageSize=100"),
        ("enrich-leads list", "enrich-leads/list?companyId=COMPANY_ID&limit=20"),
        (
            "enrich-leads list --count",
            "enrich-leads/list?companyId=COMPANY_ID&fields=id&limit=5000",
        ),
        (
            "enrich-leads list --where title~a --fields id",
            "enrich-leads/list?companyId=COMPANY_ID&fields=id%2Ctitle&limit=5000",
        ),
    ],
)
def test_dry_run_prints_the_request_and_sends_nothing(lgp, words, url):
    environ = {"LGP_BASE_URL": "http://127.0.0.1:9"}
    reply = lgp(words, "--dry-run", "--out", "x.csv", sandbox=False, environ=environ).json
    header = "x-api-key" if "enrich" in words else "X-API-Key"
    facts = {"dry_run": True, "method": "GET", "effect": "reads"}
    assert reply == {**reply, **facts, "url": f"http://127.0.0.1:9/api/{url}"}
    assert reply["headers"][header] == "***"


def test_a_page_of_a_total_is_not_complete_without_a_number_of_pages(answered):
    body = {"data": [{"id": one} for one in range(20)], "pagination": {"totalItems": 57}}
    page = Answer(200, json.dumps(body).encode())
    receipt = answered(lambda *_: page, "campaigns list --out c.csv").json
    assert (receipt["rows"], receipt["complete"]) == (20, False)


@pytest.mark.parametrize("words", [[], ["--all"]])
def test_an_answer_without_rows_is_the_servers_fault(answered, words):
    odd = Answer(200, b'{"success": true, "note": "nothing here"}')
    reply = answered(lambda *_: odd, "campaigns list", *words)
    assert (reply.code, reply.out.removeprefix('{"data":[],"complete":false}\n')) == (7, "")
