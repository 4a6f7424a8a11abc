"""Analytics: the funnel of a period, trends, reports. Both ends of a period are whole UTC days, included."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import IO, Any

from commands.runners import inputs, jobs, rehearsal, single
from commands.runners.rows import Call, Row
from console import checks
from console.catalog import resolve
from console.output import Receipt, whole_file
from console.text import cell, compact, fit, inert, width
from leadgenius import answers
from leadgenius.errors import ServerError, UsageError

PERIOD_DAYS = 30
_DRAWABLE = 10**12  # a larger count is no funnel
_BAR = 40  # columns of the longest bar
_DATES = {"startDate": ("--start", "--start-date"), "endDate": ("--end", "--end-date")}


def period(call: Call, place: str = "query", *, always: bool = False) -> dict[str, str]:
    """startDate and endDate as typed. One alone is completed to 30 days; none at all to the last 30 if `always`.

    UsageError for what is no date, and for a start after the end.
    """
    given = {name: call.typed(f"{place}_{name}") for name in _DATES}
    for name, text in given.items():
        if text is not None and not checks.is_date(text):
            raise UsageError(
                f"{_DATES[name][0]} takes a date that exists, as YYYY-MM-DD.",
                code="invalid_input",
                hint=call.row.example,
            )
    if not any(given.values()) and not always:
        return {}
    start, end = _completed(given["startDate"], given["endDate"])
    if start > end:
        raise UsageError("--start is after --end.", code="invalid_input", hint="Swap the two dates.")
    return {"startDate": start.isoformat(), "endDate": end.isoformat()}


def _completed(start: str | None, end: str | None) -> tuple[date, date]:
    span = timedelta(days=PERIOD_DAYS - 1)
    today = datetime.now(timezone.utc).date()
    try:
        if start and end:
            return date.fromisoformat(start), date.fromisoformat(end)
        if start:
            first = date.fromisoformat(start)
            return first, first + span
        last = date.fromisoformat(end) if end else today
        return last - span, last
    except OverflowError as error:
        raise UsageError("This date is too far away.", code="invalid_input") from error


def pipeline(call: Call) -> int:
    """The funnel; drawn as bars on a terminal."""
    inputs.check_fields(call)
    params = {**inputs.filters(call), **period(call, always=True)}
    session, operation = call.session, call.operation
    if session.settings.dry_run:
        return rehearsal.show(session, operation, operation.path, params=params)
    body = session.client.call("GET", operation.path, params=params).body
    output = session.output
    if output.form == "table" and not session.settings.fields and _is_funnel(body) and not session.settings.out:
        draw(output.stdout, answers.record(body), output.shape().width)
        return 0
    return _show_series(call, body, "stages")


def _show_series(call: Call, body: Any, name: str) -> int:
    """The whole body as JSON; in the other forms the rows of its series, which are what one draws or counts."""
    record = answers.record(body)
    rows = record.get(name) if isinstance(record, dict) else None
    output = call.session.output
    if output.form == "json" or call.session.settings.fields or not isinstance(rows, list):
        single.show(call, body)
        return 0
    schema = resolve(call.operation.record()["properties"][name])
    shape, receipt = output.shape(resolve(schema["items"]).get("properties", {})), Receipt()
    output.listing(iter([rows]), {}, shape, receipt)
    output.receipt(receipt, call.session.client.requests)
    return 0


def _is_funnel(body: Any) -> bool:
    """Whether the answer can be drawn: what is odd in it is shown as it came instead."""
    record = answers.record(body)
    if not isinstance(record, dict) or not isinstance(record.get("stages"), list):
        return False
    parts = [record.get(name) or {} for name in ("period", "velocity")]
    return all(isinstance(part, dict) for part in parts) and all(_is_stage(one) for one in record["stages"])


def _is_stage(one: Any) -> bool:
    return isinstance(one, dict) and _is_small(one.get("count")) and _is_small(one.get("conversionRate") or 0)


def _is_small(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _DRAWABLE


def draw(stream: IO[str], funnel: dict[str, Any], columns: int) -> None:
    """A bar a stage: name, count, and the share of the stage before, within `columns`."""
    span = funnel.get("period") or {}
    stream.write(f"Pipeline {inert(cell(span.get('startDate')))} to {inert(cell(span.get('endDate')))}\n\n")
    stages = funnel["stages"]
    longest = max((width(inert(cell(one.get("stage")))) for one in stages), default=0)
    most = max((one["count"] for one in stages), default=0)
    room = max(5, min(_BAR, columns - longest - 38))  # beside the bar stand the count and the share
    for one in stages:
        bar = "█" * round(room * one["count"] / most) if most else ""
        rate = one.get("conversionRate")
        share = (
            f"{rate:.0%} of the stage before" if isinstance(rate, (int, float)) and not isinstance(rate, bool) else ""
        )
        line = f"  {fit(inert(cell(one.get('stage'))), longest)}  {fit(bar, room)}  {one['count']:>6}  {share}"
        stream.write(line.rstrip() + "\n")
    _draw_speed(stream, funnel.get("velocity"))


def _draw_speed(stream: IO[str], velocity: Any) -> None:
    known = {name: value for name, value in (velocity or {}).items() if _is_small(value)}
    words = {
        "averageDaysToQualify": "qualified",
        "averageDaysToContact": "contacted",
        "averageDaysToConvert": "converted",
    }
    told = [f"{words[name]} after {value:.1f} days" for name, value in known.items() if name in words]
    if told:
        stream.write(f"\n  On average {', '.join(told)}.\n")


def trends(call: Call) -> int:
    """A series over a period; the server's default period when no date is given."""
    inputs.check_fields(call)
    params = {**inputs.filters(call), **period(call)}
    session, operation = call.session, call.operation
    if session.settings.dry_run:
        return rehearsal.show(session, operation, operation.path, params=params)
    return _show_series(call, session.client.call("GET", operation.path, params=params).body, "series")


def report(call: Call) -> int:
    """Start a report, which is a job like any other."""
    call.session.refuse_change(call.operation)
    inputs.check_fields(call)
    settings = call.session.settings
    if settings.out and not settings.wait:
        raise UsageError(
            "A report is a job: what it says is there when the job has ended.",
            hint="With --out add --wait, and the file takes the report itself.",
        )
    made = {**inputs.body(call), **period(call, "body")}
    if settings.out and not settings.dry_run:
        return _report_into_file(call, made)
    return single.send(call, call.operation.path, body=made)


def _report_into_file(call: Call, made: dict[str, Any]) -> int:
    """--wait --out: the file takes the report itself, as the server made it."""
    session, operation = call.session, call.operation
    session.check_changes(1)
    answer = jobs.started(call, session.client.call(operation.method, operation.path, body=made).body)
    job = answers.record(answer)
    result = job.get("result") if isinstance(job, dict) else None
    if not isinstance(result, dict) or result.get("content") is None:
        raise ServerError("The job has ended, but the server's answer holds no report.", hint="Start the report again.")
    content, rows = result["content"], result.get("rows")
    receipt = Receipt(rows=rows if isinstance(rows, int) else 0)
    assert session.settings.out is not None
    with whole_file(session.settings.out) as file:
        file.write(content if isinstance(content, str) else compact(content) + "\n")
    session.output.receipt(receipt, session.client.requests)
    return 0


ROWS = (
    Row(
        ("pipeline",),
        "analytics.pipeline",
        "{lgp} pipeline --start 2026-01-01 --end 2026-02-08",
        flags=_DATES,
        run=pipeline,
    ),
    Row(
        ("analytics", "trends"),
        "analytics.trends",
        "{lgp} analytics trends --granularity week",
        flags=_DATES,
        run=trends,
    ),
    Row(
        ("analytics", "report"),
        "analytics.report",
        "{lgp} analytics report --report-type leads --report-format csv --wait",
        flags={**_DATES, "reportType": ("--report-type", "--type"), "format": ("--report-format",)},
        waits=True,
        run=report,
    ),
)
MISSING = {("analytics", "pipeline"): "{lgp} pipeline --start 2026-01-01 --end 2026-02-08"}
