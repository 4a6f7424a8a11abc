"""Analytics: the stages that leads pass, counted from leads and their recorded status changes.

A cohort is a set of leads. A stage counts those that ever reached it or a later one; unqualified
stands apart (references/api_reference.md#analytics).
"""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone

from leadgenius.settings import iso
from sandbox import jobs, resources
from sandbox.answers import Answer, Refusal, reply
from sandbox.leads import VISIBLE
from sandbox.routes import Call, check_dates, handles
from sandbox.store import Record, unpack

STAGES = ("new", "qualified", "contacted", "converted")
DEFAULT_DAYS, MOST_PERIODS = 30, 1000
WITHIN = "created_at BETWEEN :startDate AND :endDate || 'T23:59:59.999Z'"
# One row for each lead: when it was created, its status now, and the days until each stage (null:
# never reached).
COHORT = f"""SELECT created_at, leads.status AS status,
    julianday(min(CASE WHEN c.status IN ('qualified', 'contacted', 'converted') THEN at END))
        - julianday(created_at) AS qualified,
    julianday(min(CASE WHEN c.status IN ('contacted', 'converted') THEN at END))
        - julianday(created_at) AS contacted,
    julianday(min(CASE WHEN c.status = 'converted' THEN at END))
        - julianday(created_at) AS converted
    FROM leads JOIN status_changes c ON c.lead = leads.seq
    WHERE {VISIBLE} AND {{}} GROUP BY leads.seq"""  # noqa: S608

Period = dict[str, str]  # startDate, endDate: whole UTC days, both included
Cohort = Sequence[sqlite3.Row]


def _whose(call: Call, **more: str) -> dict[str, str]:
    return {"company": call.company, "user": call.caller.user, **more}


def _of_period(call: Call, period: Period) -> Cohort:
    return call.db.execute(COHORT.format(WITHIN), _whose(call, **period)).fetchall()


def counted(cohort: Cohort) -> dict[str, int]:
    """How many leads reached each stage."""
    reached = {stage: sum(row[stage] is not None for row in cohort) for stage in STAGES[1:]}
    return {"new": len(cohort), **reached}


def rate(part: int, whole: int) -> float | None:
    """A share from 0 to 1, null where there is nothing to share."""
    return round(part / whole, 4) if whole else None


def _average_days(cohort: Cohort, stage: str) -> float | None:
    """Mean days from creation to the stage, over the leads that reached it."""
    days = [row[stage] for row in cohort if row[stage] is not None]
    return round(sum(days) / len(days), 2) if days else None


# A campaign's metrics


@handles("campaigns.metrics")
def metrics(call: Call) -> Answer:
    """Counts of all leads of the campaign, not only of those a search would see."""
    return reply(data=measured(call, resources.find(resources.KINDS["campaigns"], call)))


def measured(call: Call, campaign: Record) -> Record:
    """Counts (ever reached the stage or a later one), rate, and money.

    pipelineValue is the deal value of all qualified leads, roi is (deal value of the converted ones
    − spend) / spend; null without the campaign's own `spend` and `averageDealValue`, and where a
    number grows out of range.
    """
    query = COHORT.format("campaign_id = :campaign")
    counts = counted(call.db.execute(query, _whose(call, campaign=campaign["id"])).fetchall())
    total = counts.pop("new")
    spend, deal = campaign.get("spend"), campaign.get("averageDealValue")
    return {
        "leads": total,
        **counts,
        "conversionRate": rate(counts["converted"], total),
        "spend": spend,
        "pipelineValue": _money(deal, counts["qualified"]),
        "roi": _return(spend, _money(deal, counts["converted"])),
        "asOf": iso(call.now),
    }


def _money(deal: float | None, leads: int) -> float | None:
    return deal * leads if deal is not None and deal < 1e300 else None


def _return(spend: float | None, value: float | None) -> float | None:
    if not spend or value is None or spend >= 1e300:
        return None
    gain = (value - spend) / spend
    return round(gain, 4) if math.isfinite(gain) else None


# The funnel of a period, and its trends


@handles("analytics.pipeline")
def pipeline(call: Call) -> Answer:
    """The funnel of the leads created in the period; without dates, of the last 30 days."""
    return reply(data=_funnel(call, _period(call, call.query, "INVALID_PARAMETER")))


def _funnel(call: Call, period: Period) -> Record:
    """period, stages with the rate from the stage before, velocity in days, totals."""
    cohort = _of_period(call, period)
    counts = counted(cohort)
    before = [None, *list(counts.values())[:-1]]
    stages = [
        {
            "stage": stage,
            "count": count,
            "conversionRate": None if above is None else rate(count, above),
        }
        for (stage, count), above in zip(counts.items(), before, strict=True)
    ]
    return {
        "period": period,
        "stages": stages,
        "velocity": {
            "averageDaysToQualify": _average_days(cohort, "qualified"),
            "averageDaysToContact": _average_days(cohort, "contacted"),
            "averageDaysToConvert": _average_days(cohort, "converted"),
        },
        "totals": {
            "leads": counts["new"],
            "converted": counts["converted"],
            "unqualified": sum(row["status"] == "unqualified" for row in cohort),
            "conversionRate": rate(counts["converted"], counts["new"]),
        },
    }


def _period(call: Call, given: Mapping[str, str], code: str) -> Period:
    """The days asked for: 30 of them when one end or both are missing."""
    check_dates(given, code)
    today = datetime.fromtimestamp(call.now, timezone.utc).date().isoformat()
    start, end = given.get("startDate"), given.get("endDate")
    if start is None:
        end = end or today
        start = _moved(end, 1 - DEFAULT_DAYS)
    return {"startDate": start, "endDate": end or _moved(start, DEFAULT_DAYS - 1)}


def _moved(day: str, days: int) -> str:
    """The day so many days later, within the calendar."""
    number = date.fromisoformat(day).toordinal() + days
    return date.fromordinal(min(max(1, number), date.max.toordinal())).isoformat()


@handles("analytics.trends")
def trends(call: Call) -> Answer:
    """One entry for each day, ISO week or month of the period.

    A lead counts where it was created.
    """
    granularity = call.query.get("granularity", "day")
    period = _period(call, call.query, "INVALID_PARAMETER")
    found: dict[str, list[sqlite3.Row]] = {day: [] for day in _starts(period, granularity)}
    for row in _of_period(call, period):
        found[_first(row["created_at"][:10], granularity)].append(row)
    series = []
    for day, rows in found.items():
        counts = counted(rows)
        share = rate(counts["converted"], counts["new"])
        series.append({"periodStart": day, **counts, "conversionRate": share})
    return reply(data={"granularity": granularity, "period": period, "series": series})


def _first(day: str, granularity: str) -> str:
    """The first day of the day's own week or month."""
    if granularity == "week":
        return _moved(day, -date.fromisoformat(day).weekday())
    return day[:8] + "01" if granularity == "month" else day


def _starts(period: Period, granularity: str) -> list[str]:
    # 32 days after a first of the month lies in the next month, whatever the month.
    step = {"day": 1, "week": 7, "month": 32}[granularity]
    found: list[str] = []
    after = _first(period["startDate"], granularity)
    while after <= period["endDate"] and after not in found[-1:]:
        found.append(after)
        after = _first(_moved(after, step), granularity)
        if len(found) > MOST_PERIODS:
            details = [
                ("granularity", f"gives more than {MOST_PERIODS} points; take a coarser one")
            ]
            raise Refusal("INVALID_PARAMETER", "The span is too long for this granularity", details)
    return found


# Reports


@handles("analytics.report")
def report(call: Call) -> Answer:
    """202 with jobId; the job's `result` is {format, rows, content} once it is completed.

    Without a period: every lead and campaign, or the pipeline of the last 30 days.
    """
    dated = {"startDate", "endDate"} & call.body.keys()
    period = _period(call, call.body, "VALIDATION_ERROR") if dated else None
    rows = _rows(call, call.body["reportType"], period)
    form = call.body["format"]
    content = _csv(rows) if form == "csv" else rows
    result = {"format": form, "rows": len(rows), "content": content}
    return reply(202, jobId=jobs.start(call, "report", [], result)["jobId"])


def _rows(call: Call, kind: str, period: Period | None) -> list[Record]:
    if kind == "pipeline":
        return list(_funnel(call, period or _period(call, {}, ""))["stages"])
    values = _whose(call, **(period or {"startDate": "", "endDate": "9999-12-31"}))
    source = f"leads WHERE {VISIBLE}"
    if kind == "campaigns":
        source = "records WHERE kind = 'campaign' AND company_id = :company"
    query = f"SELECT doc FROM {source} AND {WITHIN} ORDER BY created_at DESC, seq DESC"  # noqa: S608
    rows = unpack(call.db.execute(query, values))
    if kind == "campaigns":
        rows = [{"id": one["id"], "name": one["name"], **measured(call, one)} for one in rows]
    return rows


def _csv(rows: Sequence[Record]) -> str:
    """Columns in the order in which the rows bring them up; lists and objects as JSON."""
    out = io.StringIO()
    writer = csv.DictWriter(out, dict.fromkeys(name for row in rows for name in row))
    writer.writeheader()
    for row in rows:
        nested = {
            name: json.dumps(cell) for name, cell in row.items() if isinstance(cell, (list, dict))
        }
        writer.writerow(row | nested)
    return out.getvalue()
