"""Jobs and enrichment: work that is accepted now and done by the clock. Nothing runs in the
background.

A job is queued for half a second and then runs a second and a hundredth for each task. Its state is
computed when it is read; its effects are applied once, by the first request after its end, whoever
sends it.
"""

from __future__ import annotations

import json
import random
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from leadgenius.settings import iso
from sandbox import leads
from sandbox.answers import Answer, not_found, reply
from sandbox.routes import Call, handles
from sandbox.store import Record, pack, transaction

QUEUED_SECONDS, BASE_SECONDS, TASK_SECONDS = 0.5, 1.0, 0.01
# Names, companies, records, and what an enrichment may find.
INVENTED: dict[str, Any] = json.loads(
    Path(__file__).with_name("invented.json").read_text(encoding="utf-8")
)
TYPES = ("technographic", "firmographic", "contact")


@handles("enrichment.services")
def services(call: Call) -> Answer:
    rows = INVENTED["services"]
    return call.page.answer(call.page.cut(rows), len(rows))


@handles("enrichment.trigger")
def trigger(call: Call) -> Answer:
    """202 with jobId.

    An id given twice is one task; an unknown one becomes a failed task, not a refusal.
    """
    kind = call.body.get("enrichmentType", TYPES[0])
    job = start(call, kind, list(dict.fromkeys(call.body["leadIds"])))
    return reply(202, jobId=job["jobId"], data=job)


@handles("enrichment.status")
def status(call: Call) -> Answer:
    """The job in `data`.

    JobId and status are repeated at the top level. Reports are followed here too.
    """
    query = "SELECT * FROM jobs WHERE id = ? AND company_id = ?"
    row = call.db.execute(query, (call.id, call.company)).fetchone()
    if row is None:
        raise not_found("job")
    job = json.loads(row["doc"])
    if row["due"] is not None:
        job |= _progress(call, job, json.loads(row["work"]), row["due"])
    return reply(jobId=job["jobId"], status=job["status"], data=job)


def start(call: Call, kind: str, lead_ids: Sequence[str], result: Any = None) -> Record:
    """Accept a job.

    One task for each lead, or a single one without leads. `result` shows when the job is done.
    """
    tasks = len(lead_ids) or 1
    job: Record = {
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
    }
    work = {"leads": lead_ids, "company": call.company, "user": call.caller.user, "result": result}
    due = call.now + QUEUED_SECONDS + BASE_SECONDS + TASK_SECONDS * tasks
    query = "INSERT INTO jobs(id, company_id, due, doc, work) VALUES (?, ?, ?, ?, ?)"
    call.db.execute(query, (job["jobId"], call.company, due, pack(job), pack(work)))
    return job


def _progress(call: Call, job: Record, work: Record, due: float) -> Record:
    tasks = job["totalTasks"]
    began = due - BASE_SECONDS - TASK_SECONDS * tasks
    if call.now < began:
        return {}
    # Until it is settled the last task is still at work.
    done = min(int(tasks * (call.now - began) / (due - began)), tasks - 1)
    counts = _counts(call.db, work, done, work["leads"][:done])
    return {"status": "running", "updatedAt": iso(call.now), **counts}


def _counts(db: sqlite3.Connection, work: Record, done: int, lead_ids: Sequence[str]) -> Record:
    """How so many finished tasks, those of these leads, ended."""
    company, user = work["company"], work["user"]
    unknown = [lead for lead in lead_ids if leads.get(db, company, user, lead) is None]
    errors = [{"leadId": lead, "reason": "no such lead"} for lead in unknown]
    failed = len(errors)
    return {"completedTasks": done - failed, "failedTasks": failed, "errors": errors}


def settle(db: sqlite3.Connection, now: float) -> None:
    """Finish every job whose time has come.

    Looks first without a lock: mostly there is nothing to do.
    """
    query = "SELECT * FROM jobs WHERE due <= ?"
    if db.execute(query, (now,)).fetchone() is None:
        return
    with transaction(db):
        for row in db.execute(query, (now,)).fetchall():
            _finish(db, json.loads(row["doc"]), json.loads(row["work"]), iso(row["due"]))


def _finish(db: sqlite3.Connection, job: Record, work: Record, at: str) -> None:
    tasks = job["totalTasks"]
    counts = _counts(db, work, tasks, work["leads"])
    for lead_id in work["leads"]:
        if found := leads.get(db, work["company"], work["user"], lead_id):
            leads.save(db, {**found[1], **enriched(job["type"], found[1]), "updatedAt": at})
    status = "failed" if counts["failedTasks"] == tasks else "completed"
    job |= {"status": status, **counts, "updatedAt": at, "finishedAt": at}
    if work["result"] is not None:
        job["result"] = work["result"]
    db.execute(
        "UPDATE jobs SET due = NULL, doc = ?, work = '' WHERE id = ?", (pack(job), job["jobId"])
    )


def enriched(kind: str, lead: Mapping[str, Any]) -> Record:
    """The fields that an enrichment of this kind sets.

    Invented, and the same for the same lead each time.
    """
    company = str(lead.get("companyName") or lead["id"])
    if kind == "technographic":
        found = {_pick("technologies", f"{company} {place}") for place in range(4)}
        return {"technologies": sorted(found)}
    if kind == "firmographic":
        return {
            "employeeCount": _pick("employee_counts", company),
            "industry": _pick("industries", company),
        }
    return {"emailStatus": _pick("email_statuses", lead["email"])}


@cache
def _pick(name: str, seed: str) -> Any:
    return random.Random(f"{name} {seed}").choice(INVENTED[name])
