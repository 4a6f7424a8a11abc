"""Campaigns: the documented short line, bodies from everywhere, and every problem of a body at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, Sent


def test_the_short_line_makes_an_active_abm_campaign_and_says_so(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("campaigns", "create", "--name", "Q3 Expansion")
    assert sent[0].body == {"campaignType": "abm", "status": "active", "name": "Q3 Expansion"}
    assert any("active" in note["message"] and "--status draft" in note["message"] for note in ran.notes())
    assert ran.json()["data"]["status"] == "active"


def test_with_data_no_default_is_added(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("campaigns", "create", "--data", '{"name": "x", "campaignType": "nurture"}')
    assert sent[0].body == {"name": "x", "campaignType": "nurture"}
    assert not any("--status draft" in note["message"] for note in ran.notes())


@pytest.mark.parametrize("way", ["text", "file", "stdin"])
def test_data_comes_from_anywhere_and_flags_win(
    lgp: Run, sandboxed: Path, sent: list[Sent], tmp_path: Path, way: str
) -> None:
    text = json.dumps({"name": "from data", "campaignType": "abm", "spend": 1})
    (tmp_path / "body.json").write_text(text, "utf-8")
    data = {"text": text, "file": f"@{tmp_path / 'body.json'}", "stdin": "-"}[way]
    lgp("campaigns", "create", "--data", data, "--name", "from flag", "--spend", "12.5", stdin=text)
    assert sent[0].body == {"name": "from flag", "campaignType": "abm", "spend": 12.5}


def test_only_data_understands_a_file(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    lgp("campaigns", "create", "--name", "@/etc/passwd", "--description", "-")
    assert (sent[0].body["name"], sent[0].body["description"]) == ("@/etc/passwd", "-")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"name": }', ["line 1", "column 10"]),
        ('{\n  "name": "x",\n}', ["line ", "column "]),  # newer Pythons point at the comma, older ones behind it
        ("", ["line 1"]),
        ('{"spend": NaN}', ["cannot carry"]),
        ("[" * 100_000, ["cannot carry"]),
        ("[1]", ["JSON object"]),
        ("@/no/such/file", ["not there"]),
        ("@/etc", ["directory"]),
    ],
    ids=["value", "comma", "empty", "nan", "deep", "array", "no file", "folder"],
)
def test_bad_data_is_told_with_its_place(
    lgp: Run, sandboxed: Path, sent: list[Sent], data: str, words: list[str]
) -> None:
    ran = lgp("campaigns", "create", "--data", data)
    assert ran.code == 2
    assert [word for word in words if word not in ran.error["message"]] == []
    assert sent == []


def test_all_problems_of_a_body_are_told_at_once(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    body = {"campaignType": "spam", "startDate": "2026-02-30", "goals": {"targetAccounts": "many"}, "nmae": "x"}
    ran = lgp("campaigns", "create", "--data", json.dumps(body))
    assert (ran.code, ran.error["outcome"], sent) == (2, "not_sent", [])
    told = {one["path"]: one["problem"] for one in ran.error["details"]}
    assert list(told) == ["name", "campaignType", "startDate", "goals.targetAccounts", "nmae"]
    assert "name" in told["nmae"]
    assert "4 more" in ran.error["message"] or "5" in ran.error["message"]


def test_all_wrong_flags_are_told_at_once(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("campaigns", "create", "--name", "x", "--spend", "much", "--average-deal-value", "1e999")
    assert [one["path"] for one in ran.error["details"]] == ["--spend", "--average-deal-value"]
    assert sent == []


def test_no_check_sends_what_the_schema_does_not_know(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    body = {"name": "x", "campaignType": "abm", "colour": "red"}
    assert lgp("campaigns", "create", "--data", json.dumps(body)).code == 2
    assert lgp("campaigns", "create", "--data", json.dumps(body), "--no-check").code == 0
    assert sent[0].body == body


def test_a_breach_of_an_assumed_rule_is_a_note_and_goes_out(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("leads", "enrich", "--ids", "lead_1", "--enrichment-type", "psychographic")
    assert sent[0].body["enrichmentType"] == "psychographic"
    assert any("as far as we assume" in note["message"] for note in ran.notes())
    assert ran.code == 4  # the sandbox follows the assumption


def test_a_stated_enum_blocks(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("leads", "enrich", "--ids", "lead_1", "--priority", "urgent")
    assert (ran.code, sent) == (2, [])
    assert "low, normal, high" in ran.error["details"][0]["problem"]


def test_list_sends_no_filter_unless_asked(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    lgp("campaigns", "list")
    lgp("campaigns", "list", "--status", "active", "--campaign-type", "abm", "--page-size", "5", "--page", "2")
    assert [one.target for one in sent] == [
        "/api/agent/campaigns",
        "/api/agent/campaigns?status=active&campaignType=abm&page=2&pageSize=5",
    ]


def test_archiving_keeps_the_record_and_wants_no_yes(lgp: Run, sandboxed: Path) -> None:
    ids = lgp("campaigns", "list", "--format", "ids").out.split()[:2]
    ran = lgp("campaigns", "archive", *ids)
    assert (ran.code, ran.json()["applied"]) == (0, 2)
    assert [lgp("campaigns", "get", one).json()["data"]["status"] for one in ids] == ["archived"] * 2


def test_several_campaigns_as_rows(lgp: Run, sandboxed: Path) -> None:
    ids = lgp("campaigns", "list", "--format", "ids").out.split()[:3]
    told = lgp("campaigns", "get", *ids).json()
    assert [part["answer"]["data"]["id"] for part in told["parts"]] == ids
    ran = lgp("campaigns", "metrics", *ids, "--format", "jsonl", "--fields", "leads,conversionRate")
    assert [set(json.loads(line)) for line in ran.out.splitlines()] == [{"leads", "conversionRate"}] * 3


@pytest.mark.parametrize("name", ["a/b", "../x", "é ü", "a?b=1", "%2e%2e"])
def test_an_id_stays_one_segment_of_the_path(lgp: Run, sandboxed: Path, sent: list[Sent], name: str) -> None:
    ran = lgp("campaigns", "get", name)
    assert ran.code in (2, 4)
    for one in sent:
        assert one.target.count("/") == 4
        assert "?" not in one.target


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_refused(lgp: Run, sandboxed: Path, sent: list[Sent], name: str) -> None:
    assert lgp("campaigns", "get", name).code == 2
    assert lgp("campaigns", "update", name, "--status", "paused").code == 2
    assert sent == []


@pytest.mark.parametrize(
    ("fields", "near"),
    [("nmae", "name"), ("id,Campaigntype", "campaignType"), ("goals.x,spent", "spend"), ("zzz", "there are:")],
)
def test_an_unknown_field_is_exit_2_with_near_ones(
    lgp: Run, sandboxed: Path, sent: list[Sent], fields: str, near: str
) -> None:
    ran = lgp("campaigns", "list", "--fields", fields)
    assert (ran.code, sent) == (2, [])
    assert near in ran.error["message"]
    assert lgp("campaigns", "list", "--fields", fields, "--no-check").code == 0


def test_fields_are_exactly_these_in_this_order(lgp: Run, sandboxed: Path) -> None:
    rows: list[dict[str, Any]] = lgp("campaigns", "list", "--fields", "status,id,goals.targetPipeline").json()["data"]
    assert {tuple(row) for row in rows} == {("status", "id", "goals.targetPipeline")}
