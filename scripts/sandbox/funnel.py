"""The stages that leads pass, counted from stored leads and their recorded status changes.

A cohort is a set of leads. A stage counts those that ever reached it or a later one; unqualified stands apart.
(references/api_reference.md#analytics)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from typing import Any

from sandbox.routes import Call
from sandbox.times import LAST_MOMENT

STAGES = ("new", "qualified", "contacted", "converted")

# Who may see a lead: its company, and its owner when no company is recorded.
VISIBLE = "(leads.company_id = :company OR (leads.company_id IS NULL AND leads.owner = :user))"

# One row for each lead: when it was created, its status now, and the days until each stage (null: never reached).
COHORT = f"""SELECT created_at, leads.status AS status,
    julianday(min(CASE WHEN c.status IN ('qualified', 'contacted', 'converted') THEN at END)) - julianday(created_at)
        AS qualified,
    julianday(min(CASE WHEN c.status IN ('contacted', 'converted') THEN at END)) - julianday(created_at) AS contacted,
    julianday(min(CASE WHEN c.status = 'converted' THEN at END)) - julianday(created_at) AS converted
    FROM leads JOIN status_changes c ON c.lead = leads.seq WHERE {VISIBLE}"""  # noqa: S608


def whose(call: Call) -> dict[str, Any]:
    return {"company": call.company, "user": call.caller.user}


def of_campaign(call: Call, campaign: str) -> list[sqlite3.Row]:
    query = f"{COHORT} AND leads.campaign_id = :campaign GROUP BY leads.seq"
    return call.db.execute(query, {**whose(call), "campaign": campaign}).fetchall()


def of_period(call: Call, start: date, end: date) -> list[sqlite3.Row]:
    """Leads created in whole UTC days, both included."""
    query = f"{COHORT} AND created_at >= :start AND created_at <= :end GROUP BY leads.seq"
    values = {**whose(call), "start": start.isoformat(), "end": end.isoformat() + LAST_MOMENT}
    return call.db.execute(query, values).fetchall()


def counted(cohort: Sequence[sqlite3.Row]) -> dict[str, int]:
    """How many leads reached each stage."""
    reached = {stage: sum(row[stage] is not None for row in cohort) for stage in STAGES[1:]}
    return {"new": len(cohort), **reached}


def rate(part: int, whole: int) -> float | None:
    """A share from 0 to 1, null where there is nothing to share."""
    return round(part / whole, 4) if whole else None


def average_days(cohort: Sequence[sqlite3.Row], stage: str) -> float | None:
    """Mean days from creation to the stage, over the leads that reached it."""
    days = [row[stage] for row in cohort if row[stage] is not None]
    return round(sum(days) / len(days), 2) if days else None
