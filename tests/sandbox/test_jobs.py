"""Jobs by the clock, and what enrichment brings."""

from __future__ import annotations

from typing import Any

import pytest


def test_an_enrichment_runs_by_the_clock_and_applies_once(service: Any) -> None:
    began = service.now
    leads = ["lead_1", *[f"unknown_{number}" for number in range(49)], "lead_2", "lead_1"]
    reply = service.post("/enrichment/trigger", {"leadIds": leads})
    job = reply.body["jobId"]
    assert (reply.status, reply.data) == (202, service.job(job))
    assert reply.data == {
        "jobId": job,
        "type": "technographic",
        "status": "queued",
        "totalTasks": 51,
        "completedTasks": 0,
        "failedTasks": 0,
        "errors": [],
        "createdAt": "2026-06-15T12:00:00.000Z",
        "updatedAt": "2026-06-15T12:00:00.000Z",
        "finishedAt": None,
    }
    service.now += 0.5 + 1.51 / 2
    halfway = service.job(job)
    assert (halfway["status"], halfway["completedTasks"], halfway["failedTasks"]) == ("running", 1, 24)
    assert len(halfway["errors"]) == 24
    assert "technologies" not in service.get("/leads").data[0]
    service.now = began + 2.02
    # The effect does not wait for anybody to ask for the job.
    assert service.get("/leads").data[0]["technologies"]
    done = service.job(job)
    assert (done["status"], done["completedTasks"], done["failedTasks"]) == ("completed", 2, 49)
    assert done["errors"][0] == {"leadId": "unknown_0", "reason": "no such lead"}
    assert done["finishedAt"].startswith("2026-06-15T12:00:02.01")
    service.put("/leads/lead_1/status", {"status": "contacted"})
    service.now += 60
    assert service.job(job) == done
    assert service.get("/leads").data[0]["status"] == "contacted"


def test_a_job_fails_only_when_every_task_failed(service: Any) -> None:
    bodies = [{"leadIds": leads, "enrichmentType": "contact", "priority": "high"} for leads in (["no"], ["no", "lead_1"])]
    jobs = [service.post("/enrichment/trigger", body).body["jobId"] for body in bodies]
    service.now += 10
    assert [service.job(job)["status"] for job in jobs] == ["failed", "completed"]
    body = service.get(f"/enrichment/status/{jobs[0]}").body
    assert (body["jobId"], body["status"]) == (jobs[0], "failed")


@pytest.mark.parametrize(
    ("kind", "fields"), [("firmographic", ["employeeCount", "industry"]), ("contact", ["emailStatus"])]
)
def test_each_enrichment_brings_its_fields(service: Any, kind: str, fields: list[str]) -> None:
    service.post("/enrichment/trigger", {"leadIds": ["lead_2"], "enrichmentType": kind})
    service.now += 10
    lead = service.get("/leads").data[1]
    assert [name for name in ("technologies", "employeeCount", "industry", "emailStatus") if name in lead] == fields


def test_services_are_a_paged_list(shared: Any) -> None:
    body = shared.get("/enrichment/services?pageSize=2&page=3").body
    assert [one["key"] for one in body["data"]] == ["ai-scoring"]
    assert body["pagination"]["totalItems"] == 5
