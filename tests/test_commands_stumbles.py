"""What newcomers stumbled over, each kept from coming back."""

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
