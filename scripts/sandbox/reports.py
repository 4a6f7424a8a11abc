"""Reports: rows of leads, campaigns or pipeline stages, as JSON or as CSV text."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

from sandbox import campaigns, funnel
from sandbox.routes import Call
from sandbox.store import unpack
from sandbox.times import LAST_MOMENT, span

Rows = list[dict[str, Any]]
Period = tuple[date, date]
TYPES = ("leads", "campaigns", "pipeline")


def pipeline(call: Call, start: date, end: date) -> dict[str, Any]:
    """period, stages with the rate from the stage before, velocity in days, totals."""
    cohort = funnel.of_period(call, start, end)
    counts = funnel.counted(cohort)
    before = [None, *list(counts.values())[:-1]]
    stages = [
        {"stage": stage, "count": count, "conversionRate": None if above is None else funnel.rate(count, above)}
        for (stage, count), above in zip(counts.items(), before, strict=True)
    ]
    return {
        "period": period(start, end),
        "stages": stages,
        "velocity": {
            "averageDaysToQualify": funnel.average_days(cohort, "qualified"),
            "averageDaysToContact": funnel.average_days(cohort, "contacted"),
            "averageDaysToConvert": funnel.average_days(cohort, "converted"),
        },
        "totals": {
            "leads": counts["new"],
            "converted": counts["converted"],
            "unqualified": sum(row["status"] == "unqualified" for row in cohort),
            "conversionRate": funnel.rate(counts["converted"], counts["new"]),
        },
    }


def period(start: date, end: date) -> dict[str, str]:
    return {"startDate": start.isoformat(), "endDate": end.isoformat()}


def written(call: Call, kind: str, form: str, limits: Period | None) -> dict[str, Any]:
    """`{"format", "rows", "content"}`: rows is their number, content is text for csv and the rows for json.

    Without a period: every lead and campaign, or the pipeline of the last 30 days.
    """
    rows = _rows(call, kind, limits)
    return {"format": form, "rows": len(rows), "content": _csv(rows) if form == "csv" else rows}


def _rows(call: Call, kind: str, limits: Period | None) -> Rows:
    if kind == "pipeline":
        return list(pipeline(call, *(limits or span(None, None, call.now)))["stages"])
    start, end = limits or (date.min, date.max)
    values = {**funnel.whose(call), "start": start.isoformat(), "end": end.isoformat() + LAST_MOMENT}
    return _leads(call, values) if kind == "leads" else _campaigns(call, values)


def _leads(call: Call, values: dict[str, Any]) -> Rows:
    where = f"{funnel.VISIBLE} AND created_at BETWEEN :start AND :end"
    query = f"SELECT doc FROM leads WHERE {where} ORDER BY created_at DESC, seq DESC"  # noqa: S608
    return unpack(call.db.execute(query, values).fetchall())


def _campaigns(call: Call, values: dict[str, Any]) -> Rows:
    query = """SELECT doc FROM records WHERE kind = 'campaign' AND company_id = :company
        AND created_at BETWEEN :start AND :end ORDER BY created_at DESC, seq DESC"""
    found = unpack(call.db.execute(query, values).fetchall())
    return [{"id": one["id"], "name": one["name"], **campaigns.measured(call, one)} for one in found]


def _csv(rows: Rows) -> str:
    """Columns in the order in which the rows bring them up; lists and objects as JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        cells = [row.get(name) for name in columns]
        writer.writerow([json.dumps(cell) if isinstance(cell, (list, dict)) else cell for cell in cells])
    return out.getvalue()
