"""Lists: one page, every page, filters and counts, and the truth about what is left out."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox.answers import Answer


def bulk(lgp: Any) -> list[dict[str, Any]]:
    """Every enriched lead of the demo company."""
    rows: list[dict[str, Any]] = lgp("enrich-leads", "list", "--all").rows
    return rows


def test_a_list_prints_a_page_with_what_the_server_says_beside_it(lgp: Any) -> None:
    reply = lgp("leads", "list")
    assert reply.code == 0
    assert len(reply.json["data"]) == 20
    assert reply.json["pagination"]["page"] == 1
    assert "\n" not in reply.out.rstrip("\n")  # compact off a terminal
    assert any("--all for every row" in note for note in reply.notes)


def test_a_sandbox_answer_says_that_it_is_not_real(lgp: Any) -> None:
    reply = lgp("campaigns", "list", "--quiet")
    assert [line["level"] for line in reply.lines] == ["warning"]
    assert "not real" in reply.lines[0]["message"]


def test_pages_follow_each_other_without_a_gap(lgp: Any) -> None:
    first = lgp("leads", "list", "--page-size", "7").rows
    second = lgp("leads", "list", "--page-size", "7", "--page", "2").rows
    both = lgp("leads", "list", "--page-size", "14").rows
    assert first + second == both


def test_every_row_comes_once_with_all(lgp: Any) -> None:
    reply = lgp("leads", "list", "--all")
    ids = [row["id"] for row in reply.rows]
    assert len(ids) == len(set(ids)) == reply.json["rows"]
    assert reply.json["complete"] is True  # the small demo lies within the search depth
    assert {"lead_1", "lead_2"} <= set(ids)


def test_max_items_stops_and_says_so(lgp: Any) -> None:
    reply = lgp("enrich-leads", "list", "--max-items", "5")
    assert len(reply.rows) == 5
    assert reply.json["complete"] is False
    assert any("--max-items" in note for note in reply.notes)
    whole = lgp("campaigns", "list", "--max-items", "500")
    assert whole.json["complete"] is True


@pytest.mark.parametrize("group", ["leads", "enrich-leads"])
def test_where_filters_exactly_over_every_page(lgp: Any, group: str) -> None:
    expected = [
        row["id"] for row in lgp(group, "list", "--all").rows if row["status"] == "qualified"
    ]
    reply = lgp(group, "list", "--where", "status=Qualified", "--all")
    assert [row["id"] for row in reply.rows] == expected
    assert reply.json["matched"] == len(expected) > 0
    assert reply.json["complete"] is True


def test_where_prints_the_first_twenty_and_counts_the_rest(lgp: Any) -> None:
    reply = lgp("enrich-leads", "list", "--where", "status!=nothing")
    assert len(reply.rows) == 20
    assert reply.json["matched"] == reply.json["rows_read"] > 20
    assert any("--all for every row" in note for note in reply.notes)


def test_conditions_must_all_hold_and_are_fetched_though_not_printed(lgp: Any) -> None:
    expected = [
        row["id"]
        for row in bulk(lgp)
        if row["status"] == "qualified" and "a" in row["companyName"].lower()
    ]
    words = ["--where", "status=qualified", "--where", "companyName~A", "--fields", "id", "--all"]
    reply = lgp("enrich-leads", "list", *words)
    assert reply.rows == [{"id": one} for one in expected]


def test_count_is_exact_and_says_by_which_way(lgp: Any) -> None:
    rows = bulk(lgp)
    reply = lgp("enrich-leads", "list", "--count")
    assert (reply.json["count"], reply.json["complete"]) == (len(rows), True)
    assert reply.json["method"] == "all_pages"
    new = lgp("enrich-leads", "list", "--where", "status=new", "--count")
    assert new.json["count"] == sum(row["status"] == "new" for row in rows)
    campaigns = lgp("campaigns", "list", "--count").json
    assert campaigns["method"] == "server_total"
    assert campaigns["count"] == len(lgp("campaigns", "list", "--all").rows)


def test_count_by_adds_up_with_absent_values_as_null(lgp: Any) -> None:
    expected = Counter((row["status"], row.get("notes")) for row in bulk(lgp))
    reply = lgp("enrich-leads", "list", "--count-by", "status,notes")
    found = {(one["status"], one["notes"]): one["n"] for one in reply.json["by"]}
    assert found == expected
    assert reply.json["count"] == sum(expected.values())
    assert reply.json["values_total"] == len(expected)
    assert any(notes is None for _, notes in expected)


def test_rows_that_cannot_be_compared_are_counted_and_make_the_answer_incomplete(lgp: Any) -> None:
    reply = lgp("enrich-leads", "list", "--where", "status>5", "--count")
    assert reply.json["count"] == 0
    assert reply.json["not_comparable"] == len(bulk(lgp))
    assert reply.json["complete"] is False


def test_the_server_filters_too_where_it_means_the_same(lgp: Any, serve: Any) -> None:
    seen: list[str] = []
    served = serve()

    def watched(environ: dict[str, Any], ask: Any) -> Answer:
        seen.append(environ["RAW_URI"])
        return ask(environ)

    served.around(watched)
    words = ["--where", "status=Qualified", "--where", "title~a", "--where", "campaignId=X"]
    reply = lgp("leads", "list", *words, sandbox=False, environ=served.environ)
    assert reply.code == 0
    assert "status=qualified" in seen[0]
    assert "title" not in seen[0] and "campaignId" not in seen[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "statsu=new"], "did you mean status"),
        (["--where", "status"], "Quote it"),
        (["--count-by", "clientid"], "client_id"),
        (["--fields", "emial"], "did you mean email"),
        (["--status", "quallified"], "must be one of"),
    ],
)
def test_a_field_or_value_that_is_not_there_is_refused_before_anything_is_sent(
    lgp: Any, words: list[str], said: str
) -> None:
    reply = lgp("leads", "list", *words)
    assert reply.code == 2
    assert reply.out == ""
    assert said in json.dumps(reply.error)


def test_no_check_lets_an_unknown_field_pass(lgp: Any) -> None:
    reply = lgp("leads", "list", "--fields", "id,leadGrade", "--no-check", "--page-size", "1")
    assert reply.rows[0].keys() == {"id", "leadGrade"}
    assert reply.rows[0]["leadGrade"] is None


def test_a_filtered_search_carries_the_note_of_its_depth(lgp: Any) -> None:
    assert any("newest 1,000" in note for note in lgp("leads", "list", "--status", "new").notes)
    assert not any("newest 1,000" in note for note in lgp("leads", "list").notes)
    both = lgp("leads", "list", "--email", "x@x.example", "--client-id", "c")
    assert not any("newest 1,000" in note for note in both.notes)


def test_a_search_beyond_its_depth_is_not_complete(lgp: Any, serve: Any) -> None:
    served = serve(demo_leads=1200, rate_limit=False)
    counted = lgp("leads", "list", "--count", sandbox=False, environ=served.environ)
    assert counted.json["complete"] is False
    assert any("enrich-leads list" in note for note in counted.notes)
    exact = lgp("enrich-leads", "list", "--count", sandbox=False, environ=served.environ)
    assert exact.json == {**exact.json, "count": 1200, "complete": True, "sandbox": True}


def test_the_hint_to_the_exact_way_says_which_key_is_missing(lgp: Any, serve: Any) -> None:
    served = serve()
    environ = {name: value for name, value in served.environ.items() if "AMPLIFY" not in name}
    reply = lgp("leads", "list", "--status", "new", sandbox=False, environ=environ)
    assert any("needs the Amplify key" in note for note in reply.notes)


def test_the_company_of_bulk_lists_is_found_through_one_lead_and_kept(lgp: Any, serve: Any) -> None:
    served = serve()
    environ = {name: value for name, value in served.environ.items() if name != "LGP_COMPANY_ID"}
    reply = lgp("enrich-leads", "list", "--count", sandbox=False, environ=environ)
    assert reply.json["count"] == 60


def test_csv_has_the_schemas_columns_without_twins(lgp: Any) -> None:
    reply = lgp("leads", "list", "--format", "csv", "--page-size", "3")
    rows = list(csv.DictReader(io.StringIO(reply.out)))
    assert len(rows) == 3
    assert {"id", "email", "fullName", "technologies"} <= set(rows[0])
    assert not {"lead_id", "contactName", "other"} & set(rows[0])


def test_jsonl_and_ids_are_a_row_a_line(lgp: Any) -> None:
    ids = lgp("leads", "list", "--format", "ids", "--page-size", "4").out.splitlines()
    rows = [
        json.loads(line)
        for line in lgp("leads", "list", "--format", "jsonl", "--page-size", "4").out.splitlines()
    ]
    assert ids == [row["id"] for row in rows]
    assert len(ids) == 4


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv"])
def test_out_writes_a_file_by_its_name_and_prints_a_receipt(
    lgp: Any, home: Path, suffix: str
) -> None:
    reply = lgp("campaigns", "list", "--out", f"c.{suffix}")
    receipt = reply.json
    assert receipt == {**receipt, "file": f"c.{suffix}", "complete": True, "sandbox": True}
    text = (home / f"c.{suffix}").read_text()
    count = {"json": lambda: len(json.loads(text)["data"]), "jsonl": lambda: text.count("\n")}
    assert (
        count.get(suffix, lambda: len(list(csv.reader(io.StringIO(text)))) - 1)() == receipt["rows"]
    )


def test_excel_gets_its_byte_order_mark(lgp: Any, home: Path) -> None:
    lgp("campaigns", "list", "--out", "c.csv", "--excel")
    assert (home / "c.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_out_keeps_the_old_file_when_the_list_fails(lgp: Any, home: Path, serve: Any) -> None:
    (home / "c.csv").write_text("old")
    served = serve(faults=["GET /campaigns=500*9"])
    reply = lgp(
        "campaigns",
        "list",
        "--out",
        "c.csv",
        "--max-wait",
        "0",
        sandbox=False,
        environ=served.environ,
    )
    assert reply.code == 7
    assert (home / "c.csv").read_text() == "old"
    assert [
        path.name for path in home.iterdir() if path.is_file() and path.name.startswith("c.")
    ] == ["c.csv"]


def test_a_list_that_fails_midway_ends_after_a_whole_row_and_says_that_it_is_not_complete(
    lgp: Any, serve: Any
) -> None:
    served = serve()

    def failing(environ: dict[str, Any], ask: Any) -> Answer:
        if "page=2" in environ["RAW_URI"]:
            return Answer(500, b'{"success": false}')
        return ask(environ)

    served.around(failing)
    words = ["leads", "list", "--all", "--page-size", "20", "--max-wait", "0"]
    reply = lgp(*words, sandbox=False, environ=served.environ)
    assert reply.code == 7
    assert len(reply.json["data"]) == 20
    assert reply.json["complete"] is False


def test_dry_run_prints_the_request_and_sends_nothing(lgp: Any) -> None:
    words = ["leads", "list", "--status", "new", "--page-size", "5", "--dry-run"]
    reply = lgp(*words, sandbox=False, environ={"LGP_BASE_URL": "http://127.0.0.1:9"})
    assert reply.code == 0
    assert reply.json["method"] == "GET"
    assert reply.json["url"] == "http://127.0.0.1:9/api/agent/leads?status=new&page=1&pageSize=5"
    assert reply.json["headers"]["X-API-Key"] == "***"
    assert reply.json["effect"] == "reads"


def test_a_page_beyond_the_last_is_said(lgp: Any) -> None:
    reply = lgp("leads", "list", "--page", "99")
    assert reply.rows == []
    assert any("no page 99" in note for note in reply.notes)


def test_an_answer_without_rows_is_the_servers_fault(lgp: Any, serve: Any) -> None:
    served = serve()

    def odd(environ: dict[str, Any], ask: Any) -> Answer:
        return Answer(200, b'{"success": true, "note": "nothing here"}')

    served.around(odd)
    for words in (["campaigns", "list"], ["campaigns", "list", "--all"]):
        reply = lgp(*words, sandbox=False, environ=served.environ)
        assert reply.code == 7
        assert reply.out in ("", '{"data":[],"complete":false}\n')
