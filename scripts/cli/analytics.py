"""Analytics: the funnel of a period, trends, reports. A period is whole UTC days, both included."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.text import plural, rows_in, shown
from contract import validate
from contract.operations import resolve
from leadgenius import answers
from leadgenius.errors import UsageError

PERIOD_DAYS = 30
_FLAGS = {"startDate": "--start", "endDate": "--end"}
_SPEED = {"Qualify": "qualified", "Contact": "contacted", "Convert": "converted"}


def today() -> date:
    """The day it is, UTC."""
    return datetime.now(timezone.utc).date()


def set_period(context: Context, place: str = "query", *, always: bool = True) -> dict[str, str]:
    """startDate and endDate of what was typed; put in its place as dates, for what reads it next.

    None at all: the last 30 days if `always`, else nothing. A start alone goes until today, an end
    alone begins 29 days before. UsageError for no date, a start in the future or after the end.
    """
    typed = {name: context.typed(f"{place}_{name}") for name in _FLAGS}
    if not always and not any(typed.values()):
        return {}
    try:
        days = {name: _day(context, name, text) for name, text in typed.items() if text is not None}
        end = days.get("endDate") or today()
        start = days.get("startDate") or end - timedelta(days=PERIOD_DAYS - 1)
    except OverflowError as error:
        raise inputs.invalid("This date is too far away.") from error
    if start > today():
        raise inputs.invalid("--start is in the future: there are no figures yet.")
    if start > end:
        raise inputs.invalid("--start is after --end.", "Swap the two dates.")
    made = {"startDate": start.isoformat(), "endDate": end.isoformat()}
    for name, text in made.items():
        setattr(context.arguments, f"{place}_{name}", text)
    return made


def _day(context: Context, name: str, text: str) -> date:
    if text in ("today", "yesterday"):
        return today() - timedelta(days=text == "yesterday")
    if ago := re.fullmatch(r"([0-9]{1,6})d", text, re.ASCII):
        return today() - timedelta(days=int(ago[1]))
    if not validate.is_date(text):
        words = "a date that exists, as YYYY-MM-DD, or today, yesterday, 30d (30 days ago)"
        raise inputs.invalid(f"{_FLAGS[name]} takes {words}.", context.command.example)
    return date.fromisoformat(text)


def pipeline(context: Context) -> int:
    """The funnel; drawn as bars on a terminal."""
    return _run(context, "stages", _draw_funnel)


def trends(context: Context) -> int:
    """A series over a period; a bar for each point on a terminal."""
    return _run(context, "series", _draw_trend)


def _run(context: Context, series: str, draw: Any) -> int:
    inputs.check_fields(context, context.options.fields or (), "--fields")
    period = set_period(context)
    params, path = inputs.filters(context), context.operation.path
    if context.options.dry_run:
        return context.preview("GET", path, params=params)
    body = context.client.call("GET", path, params=params).body
    record, output = answers.record(body), context.output
    if not isinstance(record, dict) or not rows_in(record.get(series)):
        output.document(body, context.client.requests)
        return 0
    record["period"] = record.get("period") or period
    rows = record[series]
    if output.format == "json" or output.fields:
        output.document(body, context.client.requests)
    elif output.format == "table" and output.terminal and not context.options.out:
        draw(context, record, rows)
    else:
        item = resolve(resolve(context.operation.record()["properties"][series])["items"])
        output.columns = output.preferred = list(item["properties"])
        with output.open() as writer:
            writer.rows(rows)
            writer.end({})
        output.receipt(len(rows), context.client.requests, True)
    return 0


def count(row: Any, name: str) -> float:
    """A figure of an answer; 0 for what is none, so that an odd answer can be drawn too."""
    value = answers.dig(row, name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def title(words: str, record: Any) -> str:
    """`Pipeline 2026-01-01 to 2026-02-08`."""
    start, end = (shown("", answers.dig(record, f"period.{name}")) for name in _FLAGS)
    return f"{words} {start} to {end}"


def funnel_words(record: Any) -> str:
    """What the bars of a funnel do not show: the whole way, those who left it, and how long it takes."""
    totals, velocity = answers.dig(record, "totals"), answers.dig(record, "velocity")
    words = f"{shown('', count(totals, 'converted'))} of {plural(int(count(totals, 'leads')), 'lead')}"
    rate = shown("conversionRate", count(totals, "conversionRate"))
    days = [
        f"{done} after {count(velocity, f'averageDaysTo{name}'):,.1f} days"
        for name, done in _SPEED.items()
        if answers.dig(velocity, f"averageDaysTo{name}") is not None
    ]
    speed = f" On average {', '.join(days)}." if days else ""
    return f"{words} converted ({rate}); {shown('', count(totals, 'unqualified'))} unqualified.{speed}"


def _draw_funnel(context: Context, record: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    from cli.terminal import print_bars

    most = max(count(row, "count") for row in rows) or 1
    lines = [
        (shown("", row.get("stage")), count(row, "count") / most,
         [shown("", row.get("count")), shown("conversionRate", row.get("conversionRate"))])
        for row in rows
    ]  # fmt: skip
    heads = ["leads", "of the stage before"]
    words = title("Pipeline", record)
    print_bars(context.output.write, context.output, words, heads, lines, funnel_words(record))


def _draw_trend(context: Context, record: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    from cli.terminal import print_bars

    heads = ["new", "qualified", "contacted", "converted"]
    sums = {name: sum(count(row, name) for row in rows) for name in heads}
    sums["conversionRate"] = sums["converted"] / sums["new"] if sums["new"] else 0
    most = max(count(row, "new") for row in rows) or 1
    running = is_running(rows[-1], str(record.get("granularity")))
    lines = [
        (shown("", row.get("periodStart")) + (" *" if running and row is rows[-1] else ""),
         count(row, "new") / most, [shown(name, row.get(name)) for name in (*heads, "conversionRate")])
        for row in rows
    ]  # fmt: skip
    lines.append(("total", 0, [shown(name, sums[name]) for name in (*heads, "conversionRate")]))
    words = title(f"Trend by {shown('', record.get('granularity'))},", record)
    below = "A lead counts in the period in which it was created." + (
        " * not over yet." if running else ""
    )
    output = context.output
    print_bars(output.write, output, words, [*heads, "conversion"], lines, below)


def is_running(row: Any, granularity: str) -> bool:
    """Whether the period that begins with this point is not over yet."""
    start = str(answers.dig(row, "periodStart"))[:10]
    if not validate.is_date(start):
        return False
    days = {"day": 1, "week": 7}.get(granularity)
    over = date.fromisoformat(start) + timedelta(days=days) if days else None
    return today() < over if over else start[:7] == today().isoformat()[:7]


def report(context: Context) -> int:
    """Start a report, which is a job; with --out wait for it and write what it says."""
    from cli import jobs

    set_period(context, "body", always=False)
    body = inputs.body(context)
    if context.options.out and not context.options.dry_run:
        return jobs.write_report(context, jobs.follow(context, body))
    return request.send(context, context.operation.path, body=body)
