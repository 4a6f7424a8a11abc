"""Analytics: the pipeline of a period, its trends, and reports. The counting is in `funnel`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sandbox import checks, funnel, jobs, records, reports
from sandbox.answers import Answer, Refusal, ok, said
from sandbox.routes import Call, route
from sandbox.times import span

MOST_PERIODS = 1000
GRANULARITY = checks.one_of("day", "week", "month")
DATES = {"startDate": checks.day, "endDate": checks.day}
REPORT = {"reportType": checks.one_of(*reports.TYPES), "format": checks.one_of("json", "csv"), **DATES}


@route("GET", "/api/agent/analytics/pipeline", "analytics.pipeline")
def pipeline(call: Call) -> Answer:
    """The funnel of the leads created in the period; without dates, of the last 30 days."""
    start, end = _period(call, checks.query_of(call.query, DATES), "INVALID_PARAMETER")
    return ok(reports.pipeline(call, start, end))


@route("GET", "/api/agent/analytics/trends", "analytics.trends")
def trends(call: Call) -> Answer:
    """One entry for each day, ISO week or month of the period, also the empty ones; a lead counts where it began."""
    query = checks.query_of(call.query, {"granularity": GRANULARITY, **DATES})
    granularity = query.get("granularity", "day")
    start, end = _period(call, query, "INVALID_PARAMETER")
    periods: dict[str, list[sqlite3.Row]] = {day.isoformat(): [] for day in _periods(start, end, granularity)}
    for row in funnel.of_period(call, start, end):
        periods[_first(date.fromisoformat(row["created_at"][:10]), granularity).isoformat()].append(row)
    series = [_entry(day, rows) for day, rows in periods.items()]
    return ok({"granularity": granularity, "period": reports.period(start, end), "series": series})


def _entry(day: str, rows: Sequence[sqlite3.Row]) -> dict[str, Any]:
    counts = funnel.counted(rows)
    return {"periodStart": day, **counts, "conversionRate": funnel.rate(counts["converted"], counts["new"])}


def _first(day: date, granularity: str) -> date:
    """The first day of the period that holds the day."""
    if granularity == "month":
        return day.replace(day=1)
    return day - timedelta(days=min(day.weekday(), day.toordinal() - 1)) if granularity == "week" else day


def _periods(start: date, end: date, granularity: str) -> list[date]:
    found = [_first(start, granularity)]
    try:
        while len(found) <= MOST_PERIODS and (after := _after(found[-1], granularity)) <= end:
            found.append(after)
    except OverflowError:
        pass  # the last day of the calendar has none after it
    if len(found) > MOST_PERIODS:
        problem = f"gives more than {MOST_PERIODS} periods; take a coarser one or a shorter span"
        raise Refusal("INVALID_PARAMETER", "The span is too long for this granularity", [("granularity", problem)])
    return found


def _after(day: date, granularity: str) -> date:
    # 32 days after a first of the month lies in the next month, whatever the month.
    return _first(day + timedelta(days={"day": 1, "week": 7, "month": 32}[granularity]), granularity)


@route("POST", "/api/agent/analytics/reports", "analytics.report")
def report(call: Call) -> Answer:
    """202 with jobId; the report is the job's `result` {format, rows, content} once it is completed."""
    body = records.checked(call, checks.record(REPORT, ["reportType", "format"]))
    period = _period(call, body, "VALIDATION_ERROR") if {"startDate", "endDate"} & body.keys() else None
    outcome = reports.written(call, body["reportType"], body["format"], period)
    job = jobs.start(call, "report", [], outcome=outcome)
    return said(202, jobId=job["jobId"], data=job)


def _period(call: Call, given: dict[str, str], code: str) -> tuple[date, date]:
    ends = [date.fromisoformat(given[name]) if name in given else None for name in DATES]
    start, end = span(ends[0], ends[1], call.now)
    if start > end:
        raise Refusal(code, "The dates are the wrong way round", [("endDate", "is before startDate")])
    return start, end
