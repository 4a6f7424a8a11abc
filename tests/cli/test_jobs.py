"""Jobs: kept the moment they are known, followed to their end, reports written."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from cli import jobs
from leadgenius.scopes import PRODUCTION

KEY = "lgp_" + "5" * 64
AGENT = f"{PRODUCTION}/api/agent"
ENRICH, STATUS = f"{AGENT}/enrichment/trigger", f"{AGENT}/enrichment/status"
REPORT = "analytics report --report-type leads --report-format csv"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of a run, which cost no time."""
    made: list[float] = []
    monkeypatch.setattr(jobs, "sleep", lambda pause: made.append(pause) if pause else None)
    monkeypatch.setattr(jobs, "monotonic", lambda: sum(made))
    return made


@pytest.fixture
def real(lgp: Any) -> Iterator[Callable[..., Any]]:
    """A run against planned answers."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as planned:

        def run(*words: str) -> Any:
            return lgp(*words, sandbox=False, environ={"LGP_API_KEY": KEY, "LGP_MAX_WAIT": "0"})

        run.planned = planned  # type: ignore[attr-defined]
        yield run


def started(run: Any, *states: Any, job_id: str = "job-1") -> None:
    """A job that is started, and what each look at it shows: a state, or (state, more)."""
    run.planned.post(ENRICH, status=202, json={"success": True, "jobId": job_id})
    for one in states:
        state, more = one if isinstance(one, tuple) else (one, {})
        body = {"success": True, "data": {"jobId": job_id, "status": state, **more}}
        run.planned.get(f"{STATUS}/{job_id}", json=body)


def enrich(run: Any, *words: str) -> Any:
    return run("leads", "enrich", "--ids", "a", "b", "c", *words)


def test_a_job_is_printed_and_kept_before_anything_can_go_wrong(real: Any, state: Path) -> None:
    started(real)
    reply = enrich(real)
    assert (reply.code, reply.json["applied"]) == (0, 3)
    assert reply.json["jobs"] == [
        {"jobId": "job-1", "status": "queued", "requested": 3, "failed": 0}
    ]
    assert "jobs status job-1 --wait" in reply.notes[0]
    kept = json.loads((state / "jobs.jsonl").read_text())
    assert (kept["jobId"], kept["origin"]) == ("job-1", PRODUCTION)
    assert stat.S_IMODE((state / "jobs.jsonl").stat().st_mode) == 0o600


def test_a_job_that_runs_on_is_asked_for_less_and_less_often(real: Any, waits: list[float]) -> None:
    started(real, "running")
    reply = enrich(real, "--wait")
    assert waits == [2, 4, 8, 15, 30, 30, 11]  # 100 s off a terminal
    assert (reply.code, reply.error["code"]) == (10, "still_running")
    assert reply.error["hint"].endswith("jobs status job-1 --wait")
    assert reply.json["jobs"][0]["status"] == "running"
    waits.clear()
    assert enrich(real, "--wait", "--wait-time", "5").code == 10
    assert waits == [2, 3]


def test_failed_tasks_are_rejected_records_with_the_server_s_reason(
    real: Any, waits: list[float]
) -> None:
    errors = [{"leadId": "b", "reason": "no such lead"}]
    started(real, "running", ("completed", {"failedTasks": 2, "errors": errors}))
    reply = enrich(real, "--wait")
    assert (waits, reply.code, reply.error["code"]) == ([2, 4], 4, "job_failed")
    assert (reply.json["applied"], reply.json["rejected"], reply.json["ids"]) == (1, 2, [])
    assert reply.json["problems"][0] == {
        "id": "b", "outcome": "rejected", "code": "task_failed", "message": "no such lead",
    }  # fmt: skip
    assert reply.json["problems"][1]["id"] is None
    assert reply.json["jobs"][0] | {"failed": 2, "status": "completed"} == reply.json["jobs"][0]


def test_a_job_that_failed_as_a_whole_counts_each_of_its_records(
    real: Any, waits: list[float], home: Path
) -> None:
    started(real, "failed")
    reply = enrich(real, "--wait", "--todo-out", "left.txt")
    assert (reply.code, reply.json["applied"], reply.json["rejected"]) == (4, 0, 3)
    assert (home / "left.txt").read_text().split() == ["a", "b", "c"]


def test_whatever_fails_while_following_leads_to_the_status_command(
    real: Any, waits: list[float]
) -> None:
    started(real)
    real.planned.get(f"{STATUS}/job-1", status=500, json={})
    reply = enrich(real, "--wait")
    assert (reply.code, reply.json["applied"]) == (7, 3)
    assert reply.error["hint"].endswith("jobs status job-1 --wait")


@pytest.mark.parametrize("job_id", ["../x", "a b", "\u202ex", "", None])
def test_an_id_that_cannot_be_asked_for_is_a_warning_and_kept_nowhere(
    real: Any, state: Path, job_id: Any, waits: list[float]
) -> None:
    real.planned.post(ENRICH, status=202, json={"success": True, "jobId": job_id})
    reply = enrich(real)
    assert (reply.code, reply.json["applied"]) == (0, 3)
    assert "cannot be followed" in reply.notes[0]
    assert not (state / "jobs.jsonl").exists()
    assert enrich(real, "--wait").code == 10


def test_jobs_started_here_are_listed_the_newest_first(lgp: Any, state: Path) -> None:
    for one in ("lead_1", "lead_2"):
        lgp("leads", "enrich", "--ids", one)
    kept = state / "sandbox" / "jobs.jsonl"
    ids = [json.loads(line)["jobId"] for line in kept.read_text().splitlines()]
    other = json.dumps({"jobId": "x", "origin": "https://other.example"})
    kept.write_text(kept.read_text() + other + '\n{"jobId": "ha')
    reply = lgp("jobs", "list")
    assert [row["jobId"] for row in reply.rows] == ids[::-1]
    assert lgp("jobs", "list", "--format", "ids").out.split() == ids[::-1]


def test_several_jobs_are_read_together_and_what_failed_counts(
    real: Any, waits: list[float]
) -> None:
    started(real, "failed", job_id="f")
    started(real, "running", "running", "completed", job_id="c")
    assert real("jobs", "status", "c").json["data"]["status"] == "running"
    reply = real("jobs", "status", "f", "c", "--wait")
    assert (reply.code, reply.error["code"], waits) == (4, "job_failed", [2])
    rows = [(row["jobId"], row["status"]) for row in reply.json["data"]]
    assert rows == [("f", "failed"), ("c", "completed")]
    assert [one["id"] for one in reply.json["problems"]] == ["f"]


def ended(run: Any, content: Any, form: str, job_id: str = "r1") -> None:
    result = {"format": form, "rows": 1, "content": content}
    job = {"jobId": job_id, "type": "report", "status": "completed", "result": result}
    run.planned.get(f"{STATUS}/{job_id}", json={"success": True, "data": job})


def test_a_report_is_written_with_guarded_cells_and_never_printed(real: Any, home: Path) -> None:
    ended(real, 'name,note,id\r\n=1+1,"a;b\nc",x\r\n', "csv")
    shown = real("jobs", "status", "r1")
    assert shown.json["data"]["result"]["content"] == "30 characters; --out FILE writes them"
    assert "1+1" not in real("jobs", "status", "r1", "--format", "csv").out
    reply = real("jobs", "status", "r1", "--out", "report.csv")
    assert (reply.code, reply.json["rows"], reply.json["complete"]) == (0, 1, True)
    assert (home / "report.csv").read_text() == """name,note,id\n"'=1+1","a;b\nc","x"\n"""
    wrong = real("jobs", "status", "r1", "--out", "report.json")
    assert (wrong.code, "csv" in wrong.error["message"]) == (2, True)
    assert not (home / "report.json").exists()


def test_a_report_in_json_is_written_as_it_is(real: Any, home: Path) -> None:
    ended(real, [{"id": "a", "n": 1}], "json")
    assert real("jobs", "status", "r1", "--out", "report.json").json["rows"] == 1
    assert json.loads((home / "report.json").read_text()) == [{"id": "a", "n": 1}]


def test_a_report_asked_for_with_out_is_waited_for(lgp: Any, home: Path) -> None:
    job_id = lgp(*REPORT.split()).json["jobId"]
    reply = lgp("jobs", "status", job_id, "--out", "report.csv", "--wait-time", "0.01")
    assert (reply.code, (home / "report.csv").exists()) == (10, False)
