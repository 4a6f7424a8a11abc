"""Many records against a server that fails: what was applied, what is unknown, what is still to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import faults
from conftest import Run
from faults import FaultServer, Step, answer, applied, close_before, ok, reset_before, status

IDS = [f"id-{number}" for number in range(1203)]
KEY = "lgp_" + "5" * 64


@pytest.fixture
def listed(tmp_path: Path) -> str:
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{one}\n" for one in IDS), "utf-8")
    return str(path)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    return tmp_path / "left.txt"


@contextmanager
def server(monkeypatch: pytest.MonkeyPatch, *plan: Step) -> Iterator[FaultServer]:
    with FaultServer(plan) as found:
        monkeypatch.setenv("LGP_BASE_URL", found.origin)
        monkeypatch.setenv("LGP_API_KEY", KEY)
        yield found


def job(number: int) -> Step:
    return answer(202, {"success": True, "jobId": f"job-{number}", "data": {"jobId": f"job-{number}"}})


UNKNOWN = [reset_before(), close_before(), status(500), faults.html(200), faults.broken_json(), faults.html(502)]


@pytest.mark.parametrize("fault", UNKNOWN, ids=["reset", "close", "500", "html", "broken json", "502"])
def test_a_part_with_unknown_outcome_stops_the_run(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, left: Path, fault: Step
) -> None:
    with server(monkeypatch, job(1), applied(fault), job(3)) as found:
        ran = lgp("leads", "enrich", "--ids-from", listed, "--ids-out", str(left), "--max-wait", "0")
    assert len(found.requests) == 2
    assert (ran.code, ran.error["outcome"]) == (8, "unknown")
    told = ran.json()
    assert [told[name] for name in ("requested", "applied", "rejected", "unknown", "not_sent")] == [
        1203, 500, 0, 500, 203,
    ]  # fmt: skip
    assert [part["outcome"] for part in told["parts"]] == ["applied", "unknown"]
    assert told["parts"][1]["ids"] == IDS[500:1000]
    assert left.read_text("utf-8").split() == IDS[1000:], "starting a job again would bill again"


def test_what_may_be_sent_again_without_harm_is_still_to_do(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, left: Path
) -> None:
    deleted = answer(body={"success": True, "deleted": 100, "notFound": []})
    with server(monkeypatch, deleted, applied(reset_before())):
        ran = lgp("leads", "delete", "--ids-from", listed, "--ids-out", str(left), "--yes", "--max-wait", "0")
    assert ran.code == 8
    assert left.read_text("utf-8").split() == IDS[100:]


def test_an_unreachable_server_leaves_stdout_empty_and_everything_to_do(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, left: Path
) -> None:
    monkeypatch.setenv("LGP_BASE_URL", faults.closed_port())
    monkeypatch.setenv("LGP_API_KEY", KEY)
    ran = lgp("leads", "enrich", "--ids-from", listed, "--ids-out", str(left), "--max-wait", "0")
    assert (ran.code, ran.out, ran.error["outcome"]) == (6, "", "not_sent")
    assert left.read_text("utf-8").split() == IDS


def test_a_refused_part_does_not_stop_the_others(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, left: Path
) -> None:
    with server(monkeypatch, job(1), status(400), job(3)) as found:
        ran = lgp("leads", "enrich", "--ids-from", listed, "--ids-out", str(left))
    assert len(found.requests) == 3
    assert (ran.code, ran.error["outcome"]) == (4, "rejected")
    told = ran.json()
    assert (told["applied"], told["rejected"], told["problems_total"], len(told["problems"])) == (703, 500, 500, 50)
    assert left.read_text("utf-8") == ""


def test_a_refused_key_stops_the_run_and_its_ids_are_still_to_do(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, left: Path
) -> None:
    with server(monkeypatch, job(1), status(401), job(3)) as found:
        ran = lgp("leads", "enrich", "--ids-from", listed, "--ids-out", str(left))
    assert len(found.requests) == 2
    assert ran.code == 3
    assert left.read_text("utf-8").split() == IDS[500:]


def test_a_long_pause_asked_for_leaves_the_rest_to_do(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, left: Path
) -> None:
    with server(monkeypatch, job(1), faults.too_many(3600)):
        ran = lgp("leads", "enrich", "--ids-from", listed, "--ids-out", str(left))
    assert (ran.code, ran.json()["applied"], ran.json()["rejected"], ran.json()["not_sent"]) == (5, 500, 500, 203)
    assert ran.error["retry_after_seconds"]
    assert left.read_text("utf-8").split() == IDS[500:]


def test_the_worst_outcome_is_the_exit_code(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    good = answer(body={"success": True, "data": {"id": "a", "status": "new"}})
    with server(monkeypatch, status(404), good, status(403), good):
        ran = lgp("leads", "status", "--ids", "a", "b", "c", "d", "--status", "new")
    assert ran.code == 3
    assert [part["outcome"] for part in ran.json()["parts"]] == ["rejected", "applied", "rejected"]
    assert ran.json()["not_sent"] == 1


def test_one_record_that_fails_leaves_stdout_empty(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(monkeypatch, applied(reset_before())):
        ran = lgp("leads", "enrich", "--ids", "a")
    assert (ran.code, ran.out, ran.error["outcome"]) == (8, "", "unknown")


@pytest.mark.parametrize(
    ("skipped", "rejected"),
    [(3, 3), (0, 0), (9**9, 5), (-1, 0), ([{"index": 1, "reason": "duplicate"}], 1), ([{}] * 9, 5),
     ([{"index": 99}], 1), ([1, 2, 3], 0), (None, 0), ("x", 0), (True, 0)],
)  # fmt: skip
def test_skipped_may_be_a_number_or_a_list_or_anything(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, skipped: Any, rejected: int
) -> None:
    rows = [{"firstName": "A", "lastName": "B", "email": f"{number}@b.example"} for number in range(5)]
    with server(monkeypatch, answer(201, {"success": True, "created": 5 - rejected, "skipped": skipped})):
        ran = lgp("leads", "create", "--data", json.dumps(rows))
    told = ran.json()
    assert (told["applied"], told["rejected"], told["problems_total"]) == (5 - rejected, rejected, rejected)
    assert ran.code == 0
    assert any("not stored" in note["message"] for note in ran.notes()) is bool(rejected)


def test_a_row_skipped_for_another_reason_is_exit_4_and_named(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"firstName": "A", "lastName": "B", "email": f"{number}@b.example"} for number in range(5)]
    skipped = [{"index": 1, "reason": "duplicate"}, {"index": 3, "reason": "names no campaign"}]
    with server(monkeypatch, answer(201, {"success": True, "created": 3, "skipped": skipped})):
        ran = lgp("leads", "create", "--data", json.dumps(rows))
    assert (ran.code, ran.error["outcome"]) == (4, "rejected")
    assert [(one["id"], one["code"]) for one in ran.json()["problems"]] == [
        ("row 2", "duplicate"),
        ("row 4", "refused"),
    ]


def test_a_job_id_is_kept_even_when_a_later_part_fails(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, listed: str, own_world: Path
) -> None:
    with server(monkeypatch, job(1), applied(reset_before())):
        lgp("leads", "enrich", "--ids-from", listed, "--wait", "--max-wait", "0", "--wait-time", "0.001")
    kept = (own_world / ".local" / "state" / "leadgenius" / "jobs.jsonl").read_text("utf-8")
    assert [json.loads(line)["jobId"] for line in kept.splitlines()] == ["job-1"]


def test_reads_of_many_go_on_after_a_failure_of_one(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    good = answer(body={"success": True, "data": {"id": "a"}})
    with server(monkeypatch, good, status(404), good):
        ran = lgp("campaigns", "get", "a", "b", "c")
    assert (ran.code, ran.json()["applied"], ran.json()["rejected"]) == (4, 2, 1)


def test_ids_out_that_cannot_be_written_is_told(lgp: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with server(monkeypatch, ok()):
        ran = lgp("leads", "status", "--ids", "a", "b", "--status", "new", "--ids-out", str(tmp_path / "no" / "x"))
    assert ran.code == 9
