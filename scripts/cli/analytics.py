"""Analytics: the funnel of a period, trends, reports. A period is whole UTC days, both included."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.text import rows_in, shown
from contract import validate
from leadgenius import answers

PERIOD_DAYS = 30
_DAYS = ("startDate", "endDate")
_FUNNEL = ("count", "conversionRate")
_TREND = ("new", "qualified", "contacted", "converted", "conversionRate")
_SPEED = {"Qualify": "qualified", "Contact": "contacted", "Convert": "converted"}


def today() -> date:
    """The day it is, UTC."""
    return datetime.now(timezone.utc).date()


def set_period(context: Context, place: str = "query", always: bool = True) -> dict[str, str]:
    """startDate and endDate of what was typed; put in its place as dates, for what reads it next.

    None at all: the last 30 days if `always`, else nothing. A start alone goes until today, an end
    alone begins 29 days before. UsageError for no date, a start in the future or after the end.
    """
    typed = {name: context.typed(f"{place}_{name}") for name in _DAYS}
    if not always and not any(typed.values()):
        return {}
    try:
        start, end = (None if text is None else _day(context, text) for text in typed.values())
        end = end or today()
        start = start or end - timedelta(days=PERIOD_DAYS - 1)
    except OverflowError as error:
        raise inputs.invalid("This date is too far away.") from error
    if start > today():
        raise inputs.invalid("--start is in the future: there are no figures yet.")
    if start > end:
        raise inputs.invalid("--start is after --end.", "Swap the two dates.")
    made = dict(zip(_DAYS, (start.isoformat(), end.isoformat()), strict=True))
    for name, text in made.items():
        setattr(context.arguments, f"{place}_{name}", text)
    return made


def _day(context: Context, text: str) -> date:
    if text in ("today", "yesterday"):
        return today() - timedelta(days=text == "yesterday")
    if ago := re.fullmatch(r"([0-9]{1,6})d", text, re.ASCII):
        return today() - timedelta(days=int(ago[1]) - 1)
    if not validate.is_date(text):
        words = "A date is YYYY-MM-DD, today, yesterday, or 30d for the last 30 days."
        raise inputs.invalid(words, context.command.example)
    return date.fromisoformat(text)


def pipeline(context: Context) -> int:
    """The funnel; drawn as bars on a terminal."""
    return _run(context, "stages", _draw_funnel)


def trends(context: Context) -> int:
    """A series over a period; a bar for each point on a terminal."""
    return _run(context, "series", _draw_trend)


def _run(context: Context, series: str, draw: Callable[[Context, Any], None]) -> int:
    inputs.check_fields(context, context.options.fields or (), "--fields")
    period = set_period(context)
    params, path = inputs.filters(context), context.operation.path
    if context.options.dry_run:
        return context.preview("GET", path, params=params)
    body = context.client.call("GET", path, params=params).body
    output, record = context.output, answers.record(body)
    rows = answers.dig(record, series)
    if not rows_in(rows) or output.format == "json" or output.fields:
        if isinstance(record, dict) and "period" not in record:
            record["period"] = period
        output.document(body, context.client.requests)
    elif output.format == "table" and output.terminal:
        draw(context, {"period": period, **record})
    else:
        output.columns = output.preferred = list(rows[0])
        output.document(rows, context.client.requests)
    return 0


def figure(row: Any, name: str) -> float:
    """A number of an answer; 0 where there is none."""
    value = answers.dig(row, name)
    return value if isinstance(value, (int, float)) else 0


def days(record: Any) -> str:
    """`2026-01-01 to 2026-02-08`."""
    return " to ".join(shown("", answers.dig(record, f"period.{name}")) for name in _DAYS)


def funnel_words(record: Any) -> str:
    """What the bars of a funnel do not show: the whole way, who left it, and how long it takes."""
    leads, converted, left, rate = (
        shown(name, answers.dig(record, f"totals.{name}"))
        for name in ("leads", "converted", "unqualified", "conversionRate")
    )
    speed = ", ".join(
        f"{stage} after {figure(record, f'velocity.averageDaysTo{name}'):,.1f} days"
        for name, stage in _SPEED.items()
        if answers.dig(record, f"velocity.averageDaysTo{name}") is not None
    )
    words = f"{converted} of {leads} leads converted ({rate or 'none'}); {left} unqualified."
    return f"{words} On average {speed}." if speed else words


def _draw_funnel(context: Context, record: dict[str, Any]) -> None:
    from cli.terminal import print_bars

    most = max(figure(row, "count") for row in record["stages"]) or 1
    bars = [
        (shown("", row.get("stage")), figure(row, "count") / most, *_cells(row, _FUNNEL))
        for row in record["stages"]
    ]
    heads = ["stage", "leads", "of the stage before"]
    print_bars(context.output, f"Pipeline {days(record)}", heads, bars, funnel_words(record))


def _draw_trend(context: Context, record: dict[str, Any]) -> None:
    from cli.terminal import print_bars

    rows, granularity = record["series"], shown("", record.get("granularity"))
    start = str(answers.dig(record, "period.startDate"))
    most = max(figure(row, "new") for row in rows) or 1
    bars = [
        (shown("", row.get("periodStart"))
         + " *" * (is_running(row, granularity) or str(row.get("periodStart")) < start),
         figure(row, "new") / most, *_cells(row, _TREND))
        for row in rows
    ]  # fmt: skip
    bars.append(("total", 0, *_cells(total(rows), _TREND)))
    words = "A lead counts in the period in which it was created; * is not a whole one."
    title = f"Trend by {granularity}, {days(record)}"
    print_bars(context.output, title, ["from", *_TREND], bars, words)


def _cells(row: Any, names: Sequence[str]) -> list[str]:
    return [shown(name, row.get(name)) for name in names]


def total(rows: list[Any]) -> dict[str, float]:
    """The sums of a trend, and the conversion of all of it."""
    sums = {name: sum(figure(row, name) for row in rows) for name in _TREND[:-1]}
    return {**sums, "conversionRate": round(sums["converted"] / (sums["new"] or 1), 4)}


def is_running(row: Any, granularity: str) -> bool:
    """Whether the period that begins with this point is not over yet."""
    start = str(row.get("periodStart"))
    if granularity == "month" or not validate.is_date(start):
        return start[:7] == today().isoformat()[:7]
    span = timedelta(days=7 if granularity == "week" else 1)
    return today() < date.fromisoformat(start) + span


def report(context: Context) -> int:
    """Start a report, which is a job; --wait follows it, and --out writes what it says."""
    from cli import jobs

    set_period(context, "body", False)
    operation, options = context.operation, context.options
    body = inputs.body(context)
    if options.dry_run:
        return context.preview(operation.method, operation.path, body=body)
    answer = context.client.call(operation.method, operation.path, body=body).body
    job_id = answers.job_id(answer) or ""
    context.record_change(operation.path, [job_id], outcome="applied")
    options.wait = options.wait or options.out
    if not jobs.note(context, job_id, operation.id) or not options.wait:
        request.show(context, answer)
        return 0
    job = jobs.follow(context, job_id)
    if options.out:
        return jobs.write_report(context, job)
    request.show(context, jobs.hidden(job))
    return 0
