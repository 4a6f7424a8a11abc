"""Jobs by the clock, and what enrichment brings."""

import pytest


def trigger(service, leads, **more):
    return service.post("/enrichment/trigger", {"leadIds": leads, **more})


def test_an_enrichment_runs_by_the_clock_and_applies_once(service):
    reply = trigger(service, ["lead_1", *map(str, range(49)), "lead_2", "lead_1"])
    job = reply.body["jobId"]
    path = f"/enrichment/status/{job}"
    queued = {"jobId": job, "type": "technographic", "status": "queued", "totalTasks": 51}
    queued |= {"completedTasks": 0, "failedTasks": 0, "errors": [], "finishedAt": None}
    times = dict.fromkeys(("createdAt", "updatedAt"), "2026-06-15T12:00:00.000Z")
    assert (reply.status, reply.data) == (202, {**queued, **times})
    assert service.get(path).data == reply.data
    service.now += 0.5 + 1.51 / 2
    assert facts(service.get(path).data) == ("running", 1, 24)
    assert "technologies" not in service.get("/leads").data[0]
    service.now += 1.51 / 2 + 0.01
    # The effect does not wait for anybody to ask for the job.
    lead = service.get("/leads").data[0]
    assert lead["technologies"]
    assert lead["updatedAt"].startswith("2026-06-15T12:00:02.01")
    done = service.job(job)
    assert facts(done) == ("completed", 2, 49)
    assert done["errors"][0] == {"leadId": "0", "reason": "no such lead"}
    assert done["finishedAt"].startswith("2026-06-15T12:00:02.01")
    service.put("/leads/lead_1/status", {"status": "contacted"})
    assert service.job(job) == done
    assert service.get("/leads").data[0]["status"] == "contacted"


def test_a_job_fails_only_when_every_task_failed(service):
    jobs = [trigger(service, leads).body["jobId"] for leads in (["no"], ["no", "lead_1"])]
    found = [service.job(job) for job in jobs]
    assert list(map(facts, found)) == [("failed", 0, 1), ("completed", 1, 1)]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("firmographic", ["employeeCount", "industry"]), ("contact", ["emailStatus"])],
)
def test_each_enrichment_brings_its_fields(service, kind, fields):
    before = service.get("/leads").data[1]
    service.job(trigger(service, ["lead_2"], enrichmentType=kind).body["jobId"])
    assert sorted(service.get("/leads").data[1].keys() - before.keys()) == fields


def facts(job):
    return job["status"], job["completedTasks"], job["failedTasks"]
