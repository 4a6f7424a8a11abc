"""Leads: what a search can know, batches, ids from everywhere, deletes, and jobs that are followed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Clock, Run, Sent
from sandbox.demo import CREDENTIALS


@pytest.fixture
def leads(sandboxed: Path) -> list[str]:
    """Ids of 1,203 leads of the company."""
    with closing(sqlite3.connect(sandboxed / "sandbox.sqlite3")) as db:
        query = "SELECT id FROM leads WHERE company_id = ? ORDER BY seq LIMIT 1203"
        return [row[0] for row in db.execute(query, (CREDENTIALS["company_id"],))]


def lines(path: Path, words: list[str]) -> str:
    path.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return str(path)


# Search and its depth


def test_a_filtered_list_says_that_it_may_be_cut(lgp: Run, sandboxed: Path) -> None:
    ran = lgp("leads", "list", "--status", "qualified")
    assert any("newest 1,000" in note["message"] and "campaigns metrics" in note["message"] for note in ran.notes())
    assert not any("newest 1,000" in note["message"] for note in lgp("leads", "list").notes())


@pytest.mark.parametrize("option", ["--count", "--all"])
def test_a_search_of_a_large_company_is_never_called_complete(lgp: Run, sandboxed: Path, option: str) -> None:
    ran = lgp("leads", "list", "--status", "qualified", option, "--quiet")
    assert ran.code == 0
    told = ran.json()
    assert told["complete"] is False
    (warning,) = (note["message"] for note in ran.notes() if "newest" in note["message"])
    assert "campaigns metrics ID" in warning
    assert "enrich-leads list" in warning


def test_a_small_company_is_counted_exactly(lgp: Run, sandboxed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.loads((sandboxed / "credentials.json").read_text("utf-8"))
    stored["origins"] = {}
    text = json.dumps(stored).replace(stored["api_key"], CREDENTIALS["other_api_key"])
    (sandboxed / "credentials.json").write_text(text, "utf-8")
    ran = lgp("leads", "list", "--count")
    assert ran.json() == {"count": 40, "complete": True, "method": "pagination.totalItems"}


def test_metrics_and_the_bulk_list_agree_where_the_search_cannot(lgp: Run, sandboxed: Path) -> None:
    (campaign, *_) = lgp("campaigns", "list", "--format", "ids").out.split()[-1:]
    exact = lgp("campaigns", "metrics", campaign).json()["data"]["leads"]
    ran = lgp("enrich-leads", "list", "--all", "--fields", "id,campaignId", "--format", "jsonl")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert sum(row["campaignId"] == campaign for row in rows) == exact
    searched = lgp("leads", "list", "--campaign-id", campaign, "--count").json()
    assert searched["count"] < exact
    assert searched["complete"] is False


def test_all_pages_have_each_lead_once(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    told = lgp("leads", "list", "--all").json()
    found = [row["id"] for row in told["data"]]
    assert len(found) == len(set(found)) == told["rows"] > 1000
    assert all("pageSize=100" in one.target for one in sent[:-1])


def test_max_items_takes_no_more_and_says_so(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("leads", "list", "--max-items", "130")
    assert len(ran.json()["data"]) == 130
    assert ran.json()["complete"] is False
    assert len(sent) == 2
    assert any("--max-items" in note["message"] for note in ran.notes())


# Enrichment: parts and jobs


def test_many_ids_become_as_many_jobs_as_the_ceiling_makes(
    lgp: Run, leads: list[str], sandboxed: Path, sent: list[Sent], tmp_path: Path
) -> None:
    ran = lgp("leads", "enrich", "--ids-from", lines(tmp_path / "ids.txt", leads))
    assert ran.code == 0
    assert [len(one.body["leadIds"]) for one in sent] == [500, 500, 203]
    assert {one.body["enrichmentType"] for one in sent} == {"technographic"}
    told = ran.json()
    assert (told["requested"], told["applied"], told["problems_total"]) == (1203, 1203, 0)
    jobs = [part["answer"]["jobId"] for part in told["parts"]]
    assert len(set(jobs)) == 3
    assert [note["message"].split()[1] for note in ran.notes() if note["message"].startswith("Job ")] == jobs
    kept = [json.loads(line) for line in (sandboxed / "jobs.jsonl").read_text("utf-8").splitlines()]
    assert [line["jobId"] for line in kept] == jobs
    assert kept[0]["operation"] == "enrichment.trigger"


def test_wait_follows_every_job_to_its_end(
    lgp: Run, leads: list[str], clock: Clock, sent: list[Sent], tmp_path: Path
) -> None:
    ran = lgp("leads", "enrich", "--ids-from", lines(tmp_path / "ids.txt", leads), "--wait")
    assert ran.code == 0
    assert [part["job"]["status"] for part in ran.json()["parts"]] == ["completed"] * 3
    assert [part["job"]["completedTasks"] for part in ran.json()["parts"]] == [500, 500, 203]
    assert clock.slept[:3] == [2, 4, 8]
    assert [one.method for one in sent].count("POST") == 3


def test_some_failures_are_success_with_the_failures(lgp: Run, sandboxed: Path, clock: Clock) -> None:
    ran = lgp("leads", "enrich", "--ids", "lead_1", "no-such-lead", "--wait")
    assert ran.code == 0
    (part,) = ran.json()["parts"]
    assert (part["job"]["completedTasks"], part["job"]["failedTasks"]) == (1, 1)
    assert [one["leadId"] for one in part["job"]["errors"]] == ["no-such-lead"]


@pytest.mark.parametrize("ids", [["no-such-lead"], ["no-such-1", "no-such-2"]])
def test_all_failed_is_exit_4(lgp: Run, sandboxed: Path, clock: Clock, ids: list[str]) -> None:
    ran = lgp("leads", "enrich", "--ids", *ids, "--wait")
    assert (ran.code, ran.error["code"]) == (4, "job_failed")
    assert [one["leadId"] for one in ran.error["details"]] == ids


@pytest.mark.parametrize("ids", [["lead_1"], ["lead_1", "lead_2"]])
def test_still_running_is_exit_10_and_names_the_status_command(
    lgp: Run, sandboxed: Path, clock: Clock, sent: list[Sent], ids: list[str]
) -> None:
    ran = lgp("leads", "enrich", "--ids", *ids, "--wait", "--wait-time", "1")
    assert (ran.code, ran.error["code"]) == (10, "still_running")
    job = json.loads((sandboxed / "jobs.jsonl").read_text("utf-8"))["jobId"]
    assert ran.error["hint"] == f"python3 scripts/lgp.py enrichment status {job} --wait"
    followed = lgp(*ran.error["hint"].split()[2:])
    assert followed.code == 0
    assert followed.json()["data"]["status"] == "completed"
    assert [one.method for one in sent].count("POST") == 1, "starting again bills again"


def test_a_failure_while_following_still_names_the_status_command(
    lgp: Run, sandboxed: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functools import partial

    from console import embedding

    broken = partial(embedding.Sandbox, faults=["GET /enrichment/status/*=404"])
    monkeypatch.setattr(embedding, "Sandbox", broken)
    ran = lgp("leads", "enrich", "--ids", "lead_1", "--wait")
    assert ran.code == 4
    assert " enrichment status " in ran.error["hint"]


def test_status_of_several_jobs_is_one_shape(lgp: Run, sandboxed: Path, clock: Clock) -> None:
    jobs = [lgp("leads", "enrich", "--ids", lead).json()["jobId"] for lead in ("lead_1", "lead_2")]
    told = lgp("enrichment", "status", *jobs, "--wait").json()
    assert (told["requested"], told["applied"]) == (2, 2)
    assert [part["job"]["status"] for part in told["parts"]] == ["completed", "completed"]


# Ids: from everywhere, each once


def test_ids_with_commas_and_doubles_are_sent_once(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    lgp("leads", "enrich", "--ids", "lead_1,lead_2", "lead_1", "--ids", "lead_2,lead_3")
    assert sent[0].body["leadIds"] == ["lead_1", "lead_2", "lead_3"]


FILES = {
    "lines": "lead_1\n\n lead_2 \nlead_1\n",
    "windows": "\ufefflead_1\r\nlead_2\r\n",
    "array": '["lead_1", "lead_2"]',
    "records": '[{"id": "lead_1"}, {"leadId": "lead_2", "x": 1}]',
    "list answer": '{"data": [{"id": "lead_1"}, {"lead_id": "lead_2"}], "pagination": {}}',
    "jsonl": '{"id": "lead_1", "n": {"id": "x"}}\n{"id": "lead_2"}\n',
    "csv": 'fullName,id\n"Moss, Ada",lead_1\n,lead_2\n',
    "one column": "id\nlead_1\nlead_2\n",
    "lead_id column": '"lead_id","email"\nlead_1,a@b.example\nlead_2,c@d.example\n',
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_ids_from(lgp: Run, sandboxed: Path, sent: list[Sent], tmp_path: Path, form: str, way: str) -> None:
    path = tmp_path / "ids"
    path.write_text(FILES[form], encoding="utf-8")
    text = FILES[form].removeprefix("\ufeff")
    ran = lgp("leads", "enrich", "--ids-from", "-" if way == "stdin" else str(path), stdin=text)
    assert ran.code == 0, ran.err
    assert sent[0].body["leadIds"] == ["lead_1", "lead_2"]


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "ids"])
def test_our_own_output_is_taken_as_ids(lgp: Run, sandboxed: Path, sent: list[Sent], form: str) -> None:
    listed = lgp("leads", "list", "--max-items", "3", "--format", form).out
    ids = lgp("leads", "list", "--max-items", "3", "--format", "ids").out.split()
    sent.clear()
    assert lgp("leads", "enrich", "--ids-from", "-", stdin=listed).code == 0
    assert sent[0].body["leadIds"] == ids


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        (["--ids-from", "-"], ""), (["--ids-from", "-"], "\n \n"), (["--ids-from", "-"], "[]"), ([], ""),
        (["--ids", " "], ""), (["--ids", ","], ""), (["--ids-from", "-"], '[{"name": "no id"}]'),
        (["--ids-from", "-"], "a,b\n1,2\n"), (["--ids-from", "-"], "[1, "), (["--ids-from", "/no/such/file"], ""),
        (["--ids-from", "-"], '{"id": "a"}\n{"id": \n'), (["--ids-from", "-"], "[null]"), (["--ids"], ""),
    ],
)  # fmt: skip
def test_no_ids_and_bad_ids_are_exit_2(
    lgp: Run, sandboxed: Path, sent: list[Sent], argv: list[str], stdin: str
) -> None:
    ran = lgp("leads", "enrich", *argv, stdin=stdin)
    assert ran.code == 2
    assert ran.error["hint"]
    assert sent == []


# One id and several


def test_one_id_answers_with_the_servers_body_and_several_with_one_shape(lgp: Run, sandboxed: Path) -> None:
    one = lgp("leads", "status", "--ids", "lead_1", "--status", "Qualified").json()
    assert (one["success"], one["data"]["id"], one["data"]["status"]) == (True, "lead_1", "qualified")
    several = lgp("leads", "status", "--ids", "lead_1", "lead_2", "--status", "contacted").json()
    assert list(several) == [
        "requested", "applied", "rejected", "unknown", "not_sent", "problems", "problems_total", "parts",
        "parts_total",
    ]  # fmt: skip
    assert [(part["id"], part["outcome"]) for part in several["parts"]] == [
        ("lead_1", "applied"),
        ("lead_2", "applied"),
    ]
    rows = lgp("leads", "list", "--status", "contacted", "--max-items", "2", "--format", "ids").out.split()
    assert sorted(rows) == ["lead_1", "lead_2"]


def test_an_id_that_is_not_there_does_not_hold_up_the_others(lgp: Run, sandboxed: Path, tmp_path: Path) -> None:
    left = tmp_path / "left.txt"
    ran = lgp("leads", "status", "--ids", "lead_1", "gone", "lead_2", "--status", "new", "--ids-out", str(left))
    assert (ran.code, ran.error["code"]) == (4, "not_found")
    told = ran.json()
    assert (told["applied"], told["rejected"], told["not_sent"]) == (2, 1, 0)
    assert [(one["id"], one["outcome"], one["http_status"]) for one in told["problems"]] == [("gone", "rejected", 404)]
    assert left.read_text("utf-8") == ""


# Creating


def lead(number: int) -> dict[str, Any]:
    return {"firstName": "Ada", "lastName": "Moss", "email": f"new.{number}@moss.example"}


def test_a_list_goes_in_batches_and_duplicates_are_counted(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    rows = [lead(number) for number in range(248)] + [lead(3), lead(200)]
    ran = lgp("leads", "create", "--data", json.dumps(rows))
    assert ran.code == 0
    assert [(one.target, len(one.body["leads"])) for one in sent] == [
        ("/api/agent/leads/batch", 100),
        ("/api/agent/leads/batch", 100),
        ("/api/agent/leads/batch", 50),
    ]
    told = ran.json()
    assert (told["requested"], told["applied"], told["rejected"]) == (250, 248, 2)
    assert [one["id"] for one in told["problems"]] == ["row 249", "row 250"]
    again = lgp("leads", "create", "--data", json.dumps(rows))
    assert again.code == 0
    assert (again.json()["applied"], again.json()["rejected"]) == (0, 250)
    assert len(again.json()["problems"]) == 50
    assert again.json()["problems_total"] == 250


def test_flags_are_laid_over_every_row(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    lgp("leads", "create", "--data", json.dumps([lead(1), lead(2)]), "--client-id", "client_x", "--status", "new")
    assert [(row["client_id"], row["status"]) for row in sent[0].body["leads"]] == [("client_x", "new")] * 2


def test_every_problem_of_every_row_is_told_and_nothing_sent(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    rows = [lead(1), {"firstName": "", "email": "x"}, {**lead(3), "phone": "1"}, 7]
    ran = lgp("leads", "create", "--data", json.dumps(rows))
    assert (ran.code, ran.error["outcome"], sent) == (2, "not_sent", [])
    paths = [one["path"] for one in ran.error["details"]]
    assert paths == ["[1].lastName", "[1].firstName", "[1].email", "[2].phone", "[3]"]
    assert "phoneNumber" in ran.error["details"][3]["problem"]


def test_a_duplicate_lead_is_exit_4(lgp: Run, sandboxed: Path) -> None:
    argv = ("leads", "create", "--first-name", "A", "--last-name", "B", "--email", "a@b.example")
    assert lgp(*argv).code == 0
    ran = lgp(*argv)
    assert (ran.code, ran.error["server_code"], ran.error["outcome"]) == (4, "DUPLICATE_DETECTED", "rejected")


# Deleting


def test_a_delete_names_count_and_ids_and_wants_yes(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    ran = lgp("leads", "delete", "--ids", "lead_1", "lead_2")
    assert (ran.code, ran.error["code"], ran.error["outcome"]) == (2, "needs_yes", "not_sent")
    assert "2 records" in ran.error["message"]
    assert "lead_1 lead_2" in ran.error["message"]
    assert sent == []
    assert lgp("leads", "delete", "--ids", "lead_1", "lead_2", "--yes").code == 0
    assert sent[0].body == {"ids": ["lead_1", "lead_2"]}


def test_a_delete_of_many_goes_in_hundreds(lgp: Run, leads: list[str], sent: list[Sent], tmp_path: Path) -> None:
    ran = lgp("leads", "delete", "--ids-from", lines(tmp_path / "ids", leads[:250]), "--yes")
    assert [len(one.body["ids"]) for one in sent] == [100, 100, 50]
    assert (ran.code, ran.json()["applied"]) == (0, 250)


@pytest.mark.parametrize(("ids", "applied"), [(["gone"], None), (["gone", "lead_1"], 1)])
def test_deleting_what_is_not_there_is_exit_4(lgp: Run, sandboxed: Path, ids: list[str], applied: int | None) -> None:
    ran = lgp("leads", "delete", "--ids", *ids, "--yes")
    assert (ran.code, ran.error["code"]) == (4, "not_found")
    if applied is not None:
        assert (ran.json()["applied"], ran.json()["problems"][0]["id"]) == (applied, "gone")


@pytest.mark.parametrize(
    "argv",
    [
        ("leads", "enrich", "--ids", "a", "b", "c"),
        ("leads", "status", "--ids", "a", "b", "c", "--status", "new"),
        ("leads", "delete", "--ids", "a", "b", "c", "--yes"),
        ("leads", "create", "--data", json.dumps([lead(1), lead(2), lead(3)])),
        ("sequences", "enroll", "s", "--ids", "a", "b", "c"),
        ("campaigns", "archive", "a", "b", "c"),
    ],
    ids=lambda argv: " ".join(argv[:2]),
)
def test_max_changes_caps_what_one_command_may_change(
    lgp: Run, sandboxed: Path, sent: list[Sent], monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LGP_MAX_CHANGES", "2")
    ran = lgp(*argv)
    assert (ran.code, ran.error["code"], sent) == (2, "too_many_changes", [])
    monkeypatch.setenv("LGP_MAX_CHANGES", "3")
    lgp(*argv)
    assert sent


def test_max_changes_holds_for_single_changes_too(
    lgp: Run, api_call: Run, sandboxed: Path, sent: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGP_MAX_CHANGES", "0")
    assert lgp("campaigns", "create", "--name", "x").error["code"] == "too_many_changes"
    assert lgp("keys", "create", "--name", "x").error["code"] == "too_many_changes"
    assert api_call("POST", "/campaigns", "--data", '{"name": "x", "campaignType": "abm"}').code == 2
    assert sent == []
    assert lgp("leads", "list").code == 0
