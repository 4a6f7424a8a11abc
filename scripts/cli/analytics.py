"""Analytics: the funnel of a period, trends, reports. A period is whole UTC days, both included."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.text import in_words, rows_in, shown
from contract.validate import is_date
from leadgenius import answers

# The fields that are drawn, and the head of each; the bar is as long as the second says.
FUNNEL = {"stage": "stage", "count": "leads", "conversionRate": "of the stage before"}
TREND = {
    "periodStart": "from", "new": "new", "qualified": "qualified", "contacted": "contacted",
    "converted": "converted", "conversionRate": "of the new",
}  # fmt: skip


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
    except (ValueError, OverflowError) as error:
        words = "A date is YYYY-MM-DD, today, yesterday, or 30d for the last 30 days."
        raise inputs.invalid(words) from error
    if start > today():
        raise inputs.invalid("--start is in the future: there are no figures yet.")
    if start > end:
        raise inputs.invalid("--start is after --end.", "Swap the two dates.")
    period = {"startDate": start.isoformat(), "endDate": end.isoformat()}
    for name, text in period.items():
        setattr(context.options, f"{place}_{name}", text)
    return period


def _day(text: str) -> date:
    """A date, or the first of so many days until today. ValueError, OverflowError for neither."""
    text = {"today": "1d", "yesterday": "2d"}.get(text, text)
    if days := re.fullmatch(r"([0-9]{1,6})d", text):
        return today() - timedelta(days=int(days[1]) - 1)
    if not is_date(text):
        raise ValueError
    return date.fromisoformat(text)


def run(context: Context) -> None:
    """`pipeline` and `analytics trends`: the figures of a period. Their stages or series are the
    rows of csv and jsonl, and drawn as bars on a terminal."""
    inputs.check_fields(context)
    period, output, client = set_period(context), context.output, context.client
    params, path = inputs.filters(context), context.operation.path
    if context.options.dry_run:
        context.preview("GET", path, params)
        return
    body = client.get(path, params)
    record = answers.record(body)
    if isinstance(record, dict):
        record.setdefault("period", period)
    rows = answers.dig(record, "stages", "series")
    if not rows_in(rows) or output.format == "json" or output.fields:
        output.document(body)
    elif output.format == "table" and not context.options.out:
        from cli.terminal import print_bars

        heads, below = FUNNEL, funnel_words(record)
        if "series" in record:
            heads, below = TREND, trend_words(record)
            rows = marked(rows, record.get("granularity"))
        title, drawn = f"{context.command.words} {' to '.join(period.values())}", list(heads)[1]
        most = highest(rows, drawn)
        bars = [{**row, "share": figure(row, drawn) / most} for row in rows]
        print_bars(output, title.capitalize(), heads, bars, below)
    else:
        output.columns = output.preferred = list(rows[0])
        output.listing(rows)


def figure(row: Any, name: str) -> float:
    """A number of an answer; 0 where there is none."""
    value = answers.dig(row, name)
    return value if isinstance(value, (int, float)) else 0


def highest(rows: list[Any], name: str) -> float:
    """The highest number of a column, that the longest bar stands for; never 0."""
    return max((figure(row, name) for row in rows), default=0) or 1


def funnel_words(record: Any) -> str:
    """What the bars of a funnel do not show: the whole way, who left it, and how long it takes."""
    names = "leads", "converted", "unqualified", "conversionRate"
    leads, converted, left, rate = (
        shown(name, answers.dig(record, f"totals.{name}")) for name in names
    )
    words = f"{converted} of {leads} leads converted ({rate or 'none'}); {left} unqualified."
    velocity = in_words(shown("", answers.dig(record, "velocity")))
    return f"{words} Velocity: {velocity or 'unknown'}."


def trend_words(record: Any) -> str:
    """The totals of a trend, and how to read it."""
    rows = answers.dig(record, "series") or []
    sums = {name: sum(figure(row, name) for row in rows) for name in list(TREND)[1:-1]}
    rate = shown("conversionRate", sums["converted"] / (sums["new"] or 1))
    words = "A lead counts in the period in which it was created; * is not over yet."
    return f"In all: {shown('', sums)} ({rate} of the new). {words}"


def marked(rows: list[Any], granularity: Any) -> list[Any]:
    """The points of a trend, with a star behind the one that is not over yet."""
    days = {"week": 6, "month": today().day - 1}.get(granularity, 0)
    since = (today() - timedelta(days=days)).isoformat()
    starts = [str(answers.dig(row, "periodStart") or "") for row in rows]
    return [
        {**row, "periodStart": f"{start} *"} if start >= since else row
        for row, start in zip(rows, starts, strict=True)
    ]


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
    started = answers.job_id(answer) or ""
    context.record_change(path, [started])
    job_id = jobs.note(context, started)
    if options.wait or options.out:
        jobs.finish(context, job_id)
    else:
        request.show(context, answer, "Report started.")
