"""Jobs: kept the moment they are known, followed to their end, reports written."""

import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import jobs
from leadgenius.scopes import PRODUCTION

AGENT = f"{PRODUCTION}/api/agent"
ENRICH, STATUS = f"{AGENT}/enrichment/trigger", f"{AGENT}/enrichment/status"


@pytest.fixture
def waits(monkeypatch):
    """The pauses of a run, which cost no time."""
    made = []
    monkeypatch.setattr(jobs, "sleep", lambda pause: made.append(pause) if pause else None)
    monkeypatch.setattr(jobs, "monotonic", lambda: 1.0 + sum(made))
    monkeypatch.setattr("cli.output.time", SimpleNamespace(monotonic=lambda: 1.0))
    return made


@pytest.fixture
def look(real):
    """Plans what the next looks at a job show."""

    def plan(*states, job_id="job-1", **more):
        for one in states:
            job = {"jobId": job_id, "status": one, **more}
            real.planned.get(f"{STATUS}/{job_id}", json={"data": job})

    return plan


@pytest.fixture
def enrich(real):
    """The enrichment of three leads, which starts a job."""

    def run(*words, job_id="job-1"):
        real.planned.post(ENRICH, status=202, json={"success": True, "jobId": job_id})
        return real("leads enrich --ids a b c", *words)

    return run


def test_a_job_is_printed_and_kept_before_anything_can_go_wrong(enrich, state):
    reply, kept = enrich(), state / "jobs.jsonl"
    assert (reply.code, reply.json["applied"]) == (0, 3)
    job = {"jobId": "job-1", "status": "queued", "requested": 3, "failed": 0}
    assert reply.json["jobs"] == [job]
    assert "jobs status job-1 --wait" in reply.notes[0]
    assert json.loads(kept.read_text())["jobId"] == "job-1"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "pauses"),
    [([], [2, 4, 8, 15, 30, 30, 11]), (["--wait-time", "5"], [2, 3]),  # 100 s off a terminal
     (["--wait-time", "0"], [])],
)  # fmt: skip
def test_a_job_that_runs_on_is_asked_for_less_and_less_often(look, enrich, waits, words, pauses):
    look("running")
    reply = enrich("--wait", *words)
    assert (waits, reply.code, reply.error["code"]) == (pauses, 10, "still_running")
    assert reply.error["hint"].endswith("jobs status job-1 --wait")
    assert (reply.json["jobs"][0]["status"], reply.json["applied"]) == ("running", 3)


def test_following_ends_a_second_before_the_time_allowed(look, enrich):
    look("running")
    assert enrich("--wait", "--max-time", "1.5").code == 10


@pytest.mark.parametrize(
    ("end", "tasks", "rejected", "left"),
    [
        ("completed", {"completedTasks": 1, "failedTasks": 2}, 2, "b"),
        ("completed", {"completedTasks": 2, "failedTasks": 1}, 1, "b"),
        ("failed", {"completedTasks": 2, "failedTasks": 1}, 3, "a b c"),
    ],
)
def test_failed_tasks_are_rejected_records_with_the_server_s_reason(
    look, enrich, waits, end, tasks, rejected, left
):
    errors = [{"leadId": "b", "reason": "no such lead"}]
    look("running", end, **tasks, errors=errors)
    reply = enrich("--wait", "--todo-out", "left")
    assert (waits, reply.code, reply.error["code"]) == ([2], 4, "job_failed")
    assert "lgp.py" not in reply.error["hint"]  # bills again
    assert (reply.json["applied"], reply.json["rejected"]) == (3 - rejected, rejected)
    assert {
        "id": "b", "outcome": "rejected", "code": "task_failed", "message": "no such lead",
    } in reply.json["problems"]  # fmt: skip
    assert (reply.json["jobs"][0]["failed"], reply.json["jobs"][0]["status"]) == (rejected, end)
    assert Path("left").read_text().split() == left.split()


def test_whatever_fails_while_following_leads_to_the_status_command(real, enrich, waits):
    real.planned.get(f"{STATUS}/job-1", status=500, json={})
    reply = enrich("--wait")
    assert (reply.code, reply.json["applied"]) == (7, 3)
    assert reply.error["hint"].endswith("jobs status job-1 --wait")


@pytest.mark.parametrize("job_id", ["../x", "a b", "\u202ex", "", None])
def test_an_id_that_cannot_be_asked_for_is_exit_8_and_kept_nowhere(enrich, state, job_id):
    reply = enrich("--wait", job_id=job_id)
    assert (reply.code, reply.json["applied"], reply.error["outcome"]) == (8, 3, "applied")
    assert "cannot be followed" in reply.error["message"]
    assert [one["id"] for one in reply.json["problems"]] == [*"abc"]
    assert not (state / "jobs.jsonl").exists()


def test_jobs_started_here_are_listed_as_last_seen_the_newest_first(lgp, state, quick_jobs):
    first, second = (
        lgp("leads enrich --ids", one).json["jobs"][0]["jobId"] for one in ("lead_1", "lead_2")
    )
    lgp("jobs status", first)
    with (state / "sandbox" / "jobs.jsonl").open("a") as kept:
        kept.write('[]\n{"jobId": "y"}\n')
        kept.write('{"jobId": "x", "origin": "https://other.example"}\n{"jobId": "ha')
    rows = [[row["jobId"], row["operation"], row["status"]] for row in lgp("jobs list").rows]
    trigger = "enrichment.trigger"
    assert rows == [[second, trigger, "started"], [first, trigger, "completed"]]


def test_several_jobs_are_read_together_and_what_failed_counts(real, look, waits):
    look("failed", job_id="f")
    look("running", "running", "completed", job_id="c")
    seen = real("jobs status c")
    assert (seen.code, seen.json) == (0, {"data": {"jobId": "c", "status": "running"}})
    reply = real("jobs status f c --wait")
    assert (reply.code, reply.error["code"], waits) == (4, "job_failed", [2])
    assert [row["status"] for row in reply.json["data"]] == ["failed", "completed"]
    assert [one["id"] for one in reply.json["problems"]] == ["f"]


def test_a_report_is_written_with_guarded_cells_and_never_printed(real, look):
    content = 'name,note,id\r\n=1+1,"a;b\nc",x\r\n'
    look("completed", job_id="r1", result={"format": "csv", "rows": 1, "content": content})
    shown = real("jobs status r1")
    assert shown.json["data"]["result"]["content"] == "30 characters; --out FILE writes them"
    assert "1+1" not in real("jobs status r1 --format csv").out
    reply = real("jobs status r1 --out report.csv")
    assert (reply.code, reply.json["rows"]) == (0, 1)
    assert Path("report.csv").read_text() == """name,note,id\n"'=1+1","a;b\nc","x"\n"""
    assert real("jobs status r1 --out report.jsonl").code == 0
    row = {"name": "=1+1", "note": "a;b\nc", "id": "x"}
    assert json.loads(Path("report.jsonl").read_text()) == row


@pytest.mark.parametrize("content", [[{"id": "a", "n": 1}], '[{"id": "a", "n": 1}]'])
def test_a_report_in_json_is_written_as_it_is(real, look, content):
    look("completed", job_id="r1", result={"format": "json", "content": content})
    assert real("jobs status r1 --out report.json").json["rows"] == 1
    assert json.loads(Path("report.json").read_text()) == [{"id": "a", "n": 1}]
    real("jobs status r1 --out report.csv")
    assert Path("report.csv").read_text() == "id,n\na,1\n"


def test_a_report_asked_for_with_out_is_waited_for(lgp):
    words = "analytics report --report-type leads --report-format csv"
    job_id = lgp(words).json["jobId"]
    reply = lgp("jobs status", job_id, "--out", "report.csv", "--wait-time", "0.01")
    assert (reply.code, Path("report.csv").exists()) == (10, False)
