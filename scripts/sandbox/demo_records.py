"""The demo records beside leads: campaigns, accounts, sequences, automation, maintenance, finished jobs."""

from __future__ import annotations

import random
import sqlite3
import uuid
from typing import Any

from sandbox.names import COMPANIES, domain
from sandbox.store import add_records, pack
from sandbox.technographics import INDUSTRIES
from sandbox.times import day, iso

DAY = 86400.0

Record = dict[str, Any]

CAMPAIGNS: list[Record] = [
    {"name": "Spring ABM", "campaignType": "abm", "status": "active", "spend": 18500, "averageDealValue": 9200},
    {"name": "Logistics Demand Wave", "campaignType": "demand_gen", "status": "active", "spend": 7400},
    {"name": "Dormant Accounts Nurture", "campaignType": "nurture", "status": "paused", "averageDealValue": 4100},
    {"name": "Année fiscale – relance", "campaignType": "nurture", "status": "completed", "spend": 2600.5},
    {"name": "Healthcare Pilot", "campaignType": "abm", "status": "draft"},
    {"name": "Trade Fair Follow-up", "campaignType": "demand_gen", "status": "archived"},
]
SEQUENCES: list[Record] = [
    {"name": "First touch", "channel": "email", "status": "active"},
    {"name": "Executive outreach", "channel": "multi", "status": "active"},
    {"name": "Warm network", "channel": "linkedin", "status": "draft"},
]
WORKFLOWS: list[Record] = [
    {"name": "Research to outreach", "trigger": "enrichment_completed", "status": "active"},
    {"name": "Reply triage", "trigger": "lead_status_changed", "status": "paused"},
]
INTEGRATIONS: list[Record] = [
    {"platform": "salesforce", "status": "connected"},
    {"platform": "hubspot", "status": "connected"},
    {"platform": "mailchimp", "status": "error"},
]
WEBHOOKS: list[Record] = [
    {"url": "https://hooks.fernhill.example/leads", "events": ["new_source_lead", "new_enrich_lead"], "active": True},
    {"url": "https://hooks.fernhill.example/jobs", "events": ["enrichment_completed"], "active": False},
]
BUGS = ["Enrichment fails on LinkedIn URLs with a trailing slash", "Metrics show a stale spend after an update"]
ENHANCEMENTS = ["Add support for Google Maps leads", "Let a sequence pause on public holidays"]
STEPS = [
    {"day": 0, "channel": "email", "template": "introduction"},
    {"day": 3, "channel": "email", "template": "case study"},
    {"day": 7, "channel": "linkedin", "template": "short note"},
]


def fill(db: sqlite3.Connection, rng: random.Random, today: float, company: str, owner: str) -> list[str]:
    """The first company's records; returns the ids of its campaigns."""

    def add(kind: str, records: list[Record], oldest: float, ages: float) -> list[Record]:
        made = _stamped(rng, records, today, company, owner, oldest, ages)
        add_records(db, kind, made)
        return made

    campaigns = add("campaign", [_campaign(one, rng, today) for one in CAMPAIGNS], 380, 60)
    add("target account", [_account(rng, name) for name in COMPANIES[:24]], 200, 8)
    add("sequence", [{**one, "steps": STEPS} for one in SEQUENCES], 150, 30)
    add("workflow", [_workflow(one, today) for one in WORKFLOWS], 140, 40)
    add("integration", [{**one, "lastSyncAt": iso(today - 4 * 3600)} for one in INTEGRATIONS], 300, 60)
    add("webhook", [{**one, "secret": f"whsec_{rng.getrandbits(128):032x}"} for one in WEBHOOKS], 90, 20)
    for kind, texts in (("bug", BUGS), ("enhancement", ENHANCEMENTS)):
        add(kind, [{"description": text, "userEmail": "your@email.com", "status": "open"} for text in texts], 40, 15)
    return [one["id"] for one in campaigns]


def fill_small(db: sqlite3.Connection, rng: random.Random, today: float, company: str, owner: str) -> None:
    """One record of each kind that others could try to reach."""
    kinds: dict[str, Record] = {
        "campaign": _campaign(CAMPAIGNS[1], rng, today),
        "target account": _account(rng, COMPANIES[-1]),
        "sequence": {**SEQUENCES[0], "steps": STEPS[:1]},
        "bug": {"description": "Export lists a client twice", "userEmail": None, "status": "open"},
    }
    for kind, record in kinds.items():
        add_records(db, kind, _stamped(rng, [record], today, company, owner, 60, 1))


def follow_up(db: sqlite3.Connection, rng: random.Random, today: float, company: str, owner: str) -> None:
    """What needs leads to be there: enrolments and two finished jobs, one of them with failures."""
    query = "SELECT seq, id FROM leads WHERE company_id = ? AND status = 'qualified' ORDER BY seq DESC LIMIT 60"
    leads = db.execute(query, (company,)).fetchall()
    query = "SELECT id FROM records WHERE kind = 'sequence' AND company_id = ? ORDER BY seq LIMIT 2"
    for place, (sequence,) in enumerate(db.execute(query, (company,)).fetchall()):
        rows = [(sequence, lead["seq"], iso(today - DAY)) for lead in leads[: 40 - 25 * place]]
        db.executemany("INSERT INTO enrolments(sequence_id, lead, at) VALUES (?, ?, ?)", rows)
    done = [lead["id"] for lead in leads[:20]]
    _job(db, rng, today - 3 * DAY, company, owner, done, [])
    _job(db, rng, today - 2 * DAY, company, owner, done[:8], ["lead_gone_1", "lead_gone_2"])


def _stamped(
    rng: random.Random, records: list[Record], today: float, company: str, owner: str, oldest: float, apart: float
) -> list[Record]:
    """The records with ids and tenancy, the first one `oldest` days old and each `apart` days younger."""
    made = []
    for place, record in enumerate(records):
        at = iso(today - max(1.0, oldest - place * apart) * DAY)
        identity = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        made.append({"id": identity, **record, "company_id": company, "owner": owner, "createdAt": at, "updatedAt": at})
    return made


def _campaign(record: Record, rng: random.Random, today: float) -> Record:
    start = today - rng.randrange(60, 200) * DAY
    goals = {"targetAccounts": rng.randrange(20, 80), "targetPipeline": rng.randrange(50, 400) * 1000}
    dates = {"startDate": day(start).isoformat(), "endDate": day(start + 240 * DAY).isoformat()}
    return {**record, "description": f"{record['name']} for the demo", **dates, "goals": goals}


def _account(rng: random.Random, name: str) -> Record:
    scores = {score: rng.randrange(5, 100) for score in ("intentScore", "engagementScore", "fitScore")}
    tier = rng.choice(("A", "B", "C"))
    return {"accountName": name, "domain": domain(name), "industry": rng.choice(INDUSTRIES), "tier": tier, **scores}


def _workflow(record: Record, today: float) -> Record:
    steps = [{"agent": "researcher", "task": "collect"}, {"agent": "writer", "task": "draft"}]
    note = {"from": "researcher", "to": "writer", "at": iso(today - DAY), "note": "Stack and budget holder are known"}
    return {**record, "steps": steps, "handoffs": [note]}


def _job(
    db: sqlite3.Connection, rng: random.Random, at: float, company: str, owner: str, good: list[str], bad: list[str]
) -> None:
    job = {
        "jobId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "type": "technographic",
        "status": "completed",
        "totalTasks": len(good) + len(bad),
        "completedTasks": len(good),
        "failedTasks": len(bad),
        "errors": [{"leadId": lead, "reason": "no such lead"} for lead in bad],
        "createdAt": iso(at),
        "updatedAt": iso(at + 2),
        "finishedAt": iso(at + 2),
        "priority": "normal",
        "started": at,
        "leadIds": [*good, *bad],
        "user": owner,
        "company_id": company,
    }
    db.execute("INSERT INTO jobs(id, company_id, due, doc) VALUES (?, ?, NULL, ?)", (job["jobId"], company, pack(job)))
