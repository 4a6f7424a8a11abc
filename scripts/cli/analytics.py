"""Analytics: the funnel of a period, trends, reports. A period is whole UTC days, both included."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.text import in_words, rows_in, shown
from leadgenius import answers

FUNNEL = ["stage", "count", "conversionRate"]
TREND = "periodStart new qualified contacted converted conversionRate".split()  # noqa: SIM905


def today() -> date:
    """The day it is, UTC."""
    return datetime.now(timezone.utc).date()


def set_period(context: Context, place: str = "query") -> dict[str, str]:
    """startDate and endDate of what was typed; put in its place as dates, for what reads it next.

    None at all: the last 30 days. A start alone goes until today, an end alone begins 29 days
    before. UsageError for no date, a start in the future or after the end.
    """
    first, last = context.typed(f"{place}_startDate"), context.typed(f"{place}_endDate")
    try:
        end = today() if last is None else _day(last)
        start = end - timedelta(days=29) if first is None else _day(first)
        if start > min(end, today()):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise inputs.invalid(
            "--start and --end take YYYY-MM-DD, today, yesterday, or 30d for the last 30 days;"
            " the start may be neither in the future nor after the end."
        ) from error
    period = {"startDate": start.isoformat(), "endDate": end.isoformat()}
    for name, text in period.items():
        setattr(context.options, f"{place}_{name}", text)
    return period


def _day(text: str) -> date:
    """A date, or the first of so many days until today. ValueError, OverflowError for neither."""
    text = {"today": "1d", "yesterday": "2d"}.get(text, text)
    if days := re.fullmatch(r"([0-9]{1,6})d", text):
        return today() - timedelta(days=int(days[1]) - 1)
    return date.fromisoformat(text)


def run(context: Context) -> None:
    """`pipeline` and `analytics trends`: the figures of a period. Their stages or series are the
    rows of csv and jsonl, and drawn as bars on a terminal."""
    inputs.check_fields(context)
    period, output = set_period(context), context.output
    params, path = inputs.filters(context), context.operation.path
    if context.options.dry_run:
        context.preview("GET", path, params)
        return
    body = context.client.get(path, params)
    record = answers.record(body)
    if isinstance(record, dict):
        record.setdefault("period", period)
    rows = answers.dig(record, "stages", "series")
    if rows_in(rows) and output.format != "json" and not output.fields:
        if output.format == "table":
            names, rows, below = drawing(record)
            for row in rows:
                row["share"] = "█" * round(12 * row["share"])
            output.preferred = [*names, "share"]
            output.footnote = f"From {' to '.join(period.values())}. {below}"
        output.columns, body = (), rows  # the columns are those of the rows
    output.document(body)


def drawing(record: Any) -> tuple[list[str], list[dict[str, Any]], str]:
    """Of a funnel or trend the columns, the rows with their shares, and what is said below them. A
    star stands behind the start of the period that is not over yet."""
    series = with_shares(answers.dig(record, "series"), "new")
    if not series:
        stages = with_shares(answers.dig(record, "stages"), "count")
        totals, velocity = answers.dig(record, "totals"), answers.dig(record, "velocity")
        words = f"in all: {shown('', totals)}; velocity: {shown('', velocity)}."
        return FUNNEL, stages, in_words(words).capitalize()
    days = {"week": 6, "month": today().day - 1}.get(str(record.get("granularity")), 0)
    since = (today() - timedelta(days=days)).isoformat()
    sums = {name: sum(figure(row, name) for row in series) for name in TREND[1:-1]}
    for row in series:
        start = str(row.get("periodStart", ""))
        row["periodStart"] = start + " *" * (start >= since)
    words = "a lead counts in the period in which it was created; * is not over yet"
    return TREND, series, f"In all: {shown('', sums)}; {words}."


def with_shares(rows: Any, name: str) -> list[dict[str, Any]]:
    """Copies of rows, each with its `share` of the highest number in a column, from 0 to 1. Empty
    for what is no list of records."""
    rows = rows if rows_in(rows) else []
    most = max((figure(row, name) for row in rows), default=0) or 1
    return [{**row, "share": figure(row, name) / most} for row in rows]


def figure(row: dict[str, Any], name: str) -> float:
    """A number of an answer; 0 where there is none."""
    value = row.get(name)
    return value if isinstance(value, (int, float)) else 0


def report(context: Context) -> None:
    """Start a report, which is a job; --wait follows it, and --out writes what it says."""
    from cli import jobs

    if context.typed("body_startDate") or context.typed("body_endDate"):
        set_period(context, "body")
    path, options, body = context.operation.path, context.options, inputs.body(context)
    if options.dry_run:
        context.preview("POST", path, body=body)
        return
    answer = context.client.post(path, body)
    job_id = answers.job_id(answer) or ""
    context.record_change(path, [job_id])
    jobs.note(context, job_id)
    if options.wait or options.out:
        jobs.finish(context, job_id)
    else:
        request.show(context, answer, "Report started.")
