"""Jobs: work that is accepted now and done by the clock. Nothing runs in the background.

A job is queued for half a second and then runs a second and a hundredth for each task. Its state is computed when
it is read; its effects are applied once, by the first request of anybody's after its end.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from typing import Any

from sandbox import leadstore, technographics
from sandbox.routes import Call
from sandbox.store import pack, transaction
from sandbox.times import iso

QUEUED_SECONDS, BASE_SECONDS, TASK_SECONDS = 0.5, 1.0, 0.01
HIDDEN = ("started", "leadIds", "user", "company_id", "outcome")  # the job's own notes, never shown

Job = dict[str, Any]


def start(call: Call, kind: str, leads: list[str], **notes: Any) -> Job:
    """Accept a job: one task for each lead, or a single one without leads.

    `notes` become fields of the job; `outcome` among them is kept back and shown as `result` when the job is done.
    """
    tasks = len(leads) or 1
    job = {
        "jobId": str(uuid.uuid4()),
        "type": kind,
        "status": "queued",
        "totalTasks": tasks,
        "completedTasks": 0,
        "failedTasks": 0,
        "errors": [],
        "createdAt": iso(call.now),
        "updatedAt": iso(call.now),
        "finishedAt": None,
        **notes,
        "started": call.now,
        "leadIds": leads,
        "user": call.caller.user,
        "company_id": call.company,
    }
    query = "INSERT INTO jobs(id, company_id, due, doc) VALUES (?, ?, ?, ?)"
    call.db.execute(query, (job["jobId"], call.company, _end(job), pack(job)))
    return shown(job)


def shown(job: Job) -> Job:
    return {name: value for name, value in job.items() if name not in HIDDEN}


def get(call: Call, job_id: str) -> Job | None:
    """The job as it stands now, or None: also when it is another company's."""
    query = "SELECT doc, due FROM jobs WHERE id = ? AND company_id = ?"
    row = call.db.execute(query, (job_id, call.company)).fetchone()
    if row is None:
        return None
    job: Job = json.loads(row["doc"])
    return shown(job if row["due"] is None else {**job, **_progress(call, job)})


def _end(job: Job) -> float:
    return float(job["started"]) + QUEUED_SECONDS + BASE_SECONDS + TASK_SECONDS * int(job["totalTasks"])


def _progress(call: Call, job: Job) -> Job:
    began = job["started"] + QUEUED_SECONDS
    if call.now < began:
        return {"status": "queued"}
    # Until it is settled the last task is still at work.
    share = min(1.0, (call.now - began) / (_end(job) - began))
    done = min(int(job["totalTasks"] * share), job["totalTasks"] - 1)
    errors = _failures(call.db, job, job["leadIds"][:done])
    counts = {"completedTasks": done - len(errors), "failedTasks": len(errors), "errors": errors}
    return {"status": "running", "updatedAt": iso(call.now), **counts}


def _failures(db: sqlite3.Connection, job: Job, leads: list[str]) -> list[dict[str, str]]:
    unknown = [lead for lead in leads if leadstore.get(db, job["company_id"], job["user"], lead) is None]
    return [{"leadId": lead, "reason": "no such lead"} for lead in unknown]


def settle(db: sqlite3.Connection, now: float) -> None:
    """Finish every job whose time has come. Looks first without a lock: mostly there is nothing to do."""
    query = "SELECT doc FROM jobs WHERE due <= ?"
    if db.execute(query, (now,)).fetchone() is None:
        return
    with transaction(db):
        for row in db.execute(query, (now,)).fetchall():
            _finish(db, json.loads(row["doc"]))


def _finish(db: sqlite3.Connection, job: Job) -> None:
    errors = _failures(db, job, job["leadIds"])
    end = iso(_end(job))
    _enrich(db, job, end)
    job |= {
        "status": "failed" if len(errors) == job["totalTasks"] else "completed",
        "completedTasks": job["totalTasks"] - len(errors),
        "failedTasks": len(errors),
        "errors": errors,
        "updatedAt": end,
        "finishedAt": end,
    }
    if "outcome" in job:
        job["result"] = job.pop("outcome")
    db.execute("UPDATE jobs SET due = NULL, doc = ? WHERE id = ?", (pack(job), job["jobId"]))


def _enrich(db: sqlite3.Connection, job: Job, at: str) -> None:
    for lead_id in job["leadIds"]:
        found = leadstore.get(db, job["company_id"], job["user"], lead_id)
        if found is not None:
            leadstore.save(db, {**found[1], **technographics.found(job["type"], found[1]), "updatedAt": at})
