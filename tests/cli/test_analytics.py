"""Analytics: periods are whole UTC days, both included; the answer carries its period; reports."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from cli import analytics

REPORT = ["analytics", "report", "--report-type", "leads", "--report-format", "csv"]
TODAY = date(2026, 11, 24)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 24 November 2026."""
    monkeypatch.setattr(analytics, "today", lambda: TODAY)


def planned(lgp: Any, *words: str) -> Any:
    """The period of the request that would go out."""
    url = lgp(*words, "--dry-run").json["url"]
    return re.findall(r"(?:start|end)Date=([\d-]+)", url)


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize("command", [["pipeline"], ["analytics", "trends"]])
@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("", "2026-10-26", "2026-11-24"),
        ("--start 2026-01-01 --end 2026-02-08", "2026-01-01", "2026-02-08"),
        ("--start-date 2026-01-01 --end-date 2026-01-01", "2026-01-01", "2026-01-01"),
        ("--start 2026-01-01", "2026-01-01", "2026-11-24"),
        ("--end 2026-01-30", "2026-01-01", "2026-01-30"),
        ("--end 2024-03-01", "2024-02-01", "2024-03-01"),
        ("--start yesterday", "2026-11-23", "2026-11-24"),
        ("--start 30d --end yesterday", "2026-10-26", "2026-11-23"),
        ("--start today --end today", "2026-11-24", "2026-11-24"),
    ],
)
def test_a_period(lgp: Any, command: list[str], words: str, start: str, end: str) -> None:
    assert planned(lgp, *command, *words.split()) == [start, end]


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize("command", [["pipeline"], ["analytics", "trends"], REPORT])
@pytest.mark.parametrize(
    "words",
    [
        "--start 2026-02-30", "--start 20260101", "--end 2026-1-1", "--start tomorrow",
        "--start -3d",
        "--start 2026-02-02 --end 2026-02-01", "--start=", "--end 0001-01-01", "--start 999999d",
        "--start 2026-11-25", "--start 2026-11-25 --end 2026-12-01", "--end ٢٠٢٦-٠١-٠١",
    ],
)  # fmt: skip
def test_what_is_no_period_is_exit_2(lgp: Any, command: list[str], words: str) -> None:
    reply = lgp(*command, *words.split())
    assert (reply.code, reply.out, reply.error["exit_code"]) == (2, "", 2)


def test_today_is_the_day_in_utc() -> None:
    assert abs(analytics.today() - datetime.now(timezone.utc).date()) <= timedelta(days=1)


def test_the_answer_is_the_servers_and_carries_its_period(lgp: Any, serve: Any) -> None:
    words = ["--start", "2026-01-01", "--end", "2026-02-08"]
    reply = lgp("pipeline", *words)
    assert reply.json["data"]["period"] == {"startDate": "2026-01-01", "endDate": "2026-02-08"}
    query = "/analytics/pipeline?startDate=2026-01-01&endDate=2026-02-08"
    assert lgp("GET", query, script="api_call").json == reply.json
    trends = lgp("analytics", "trends", *words).json["data"]
    assert trends["period"] == {"startDate": "2026-01-01", "endDate": "2026-02-08"}


def test_each_day_alone_adds_up_to_the_days_together(lgp: Any) -> None:
    def leads(start: date, end: date) -> int:
        words = ["--start", start.isoformat(), "--end", end.isoformat()]
        return int(lgp("pipeline", *words).json["data"]["totals"]["leads"])

    end = analytics.today() - timedelta(days=1)
    days = [end - timedelta(days=number) for number in range(5)]
    assert leads(days[-1], end) == sum(leads(day, day) for day in days) > 0


def test_in_csv_and_jsonl_the_series_is_the_rows(lgp: Any) -> None:
    stages = lgp("pipeline").json["data"]["stages"]
    assert lgp("pipeline", "--format", "jsonl").rows == stages
    rows = list(csv.DictReader(io.StringIO(lgp("pipeline", "--format", "csv").out)))
    assert [row["stage"] for row in rows] == ["new", "qualified", "contacted", "converted"]
    assert list(rows[0]) == ["stage", "count", "conversionRate"]
    reply = lgp("analytics", "trends", "--out", "t.csv")
    assert reply.json["rows"] == len(Path("t.csv").read_text().splitlines()) - 1 == 30
    assert "█" not in lgp("pipeline", "--format", "table").out


def test_on_a_terminal_the_funnel_is_bars_and_the_whole_way(lgp: Any) -> None:
    data = lgp("pipeline").json["data"]
    text = lgp("pipeline", terminal=True, environ={"NO_COLOR": "1", "COLUMNS": "80"}).out
    lines = text.splitlines()
    period, totals = data["period"], data["totals"]
    assert lines[0] == f"Pipeline {period['startDate']} to {period['endDate']}"
    bars = [line.count("█") for line in lines if "█" in line]
    assert bars == sorted(bars, reverse=True)
    for stage in data["stages"]:
        line = next(line for line in lines if line.startswith(stage["stage"]))
        rate = stage["conversionRate"]
        words = [str(stage["count"])] + ([] if rate is None else [f"{rate:.1%}"])
        assert line.replace("█", "").split()[1:] == words
    below = " ".join(text.split())
    whole, rate = f"{totals['converted']} of {totals['leads']} leads", totals["conversionRate"]
    left = f"{totals['unqualified']} unqualified. On average qualified after"
    assert f"{whole} converted ({rate:.1%}); {left}" in below


@pytest.mark.parametrize("granularity", ["day", "week", "month"])
def test_on_a_terminal_the_trend_has_totals_and_marks_what_is_not_whole(
    lgp: Any, granularity: str
) -> None:
    words = ["analytics", "trends", "--granularity", granularity, "--start", "90d"]
    series = lgp(*words).json["data"]["series"]
    lines = lgp(*words, terminal=True, environ={"NO_COLOR": "1", "COLUMNS": "80"}).out.splitlines()
    points = [line for line in lines if re.match(r"\d{4}-", line)]
    assert [line.split()[0] for line in points] == [row["periodStart"] for row in series]
    since = lgp(*words).json["data"]["period"]["startDate"]
    partial = [row["periodStart"] < since or row is series[-1] for row in series]
    assert [line[:12].endswith(" *") for line in points] == partial
    total = next(line for line in lines if line.startswith("total")).split()
    names = ("new", "qualified", "contacted", "converted")
    sums = [sum(row[name] for row in series) for name in names]
    assert total[1:6] == [*map(str, sums), f"{round(sums[3] / sums[0], 4):.1%}"]
    narrow = lgp(*words, terminal=True, environ={"NO_COLOR": "1", "COLUMNS": "40"}).out
    assert "left out: --format json" in " ".join(narrow.split())


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize(
    ("start", "granularity", "running"),
    [
        ("2026-11-24", "day", True), ("2026-11-23", "day", False), ("2026-11-23", "week", True),
        ("2026-11-18", "week", True), ("2026-11-17", "week", False), ("2026-11-01", "month", True),
        ("2026-10-01", "month", False), ("soon", "week", False),
    ],
)  # fmt: skip
def test_a_period_runs_until_its_last_day_is_over(
    start: str, granularity: str, running: bool
) -> None:
    assert analytics.is_running({"periodStart": start}, granularity) is running


def test_an_answer_that_is_no_funnel_is_printed_as_it_came(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadgenius.client import Client

    real = Client.call
    odd = {"success": True, "data": {"stages": "none today"}}

    def call(self: Any, *words: Any, **named: Any) -> Any:
        return real(self, *words, **named)._replace(body=odd)

    monkeypatch.setattr(Client, "call", call)
    assert "none today" in lgp("pipeline", terminal=True).out
    assert lgp("pipeline").json["data"]["stages"] == "none today"


@pytest.mark.usefixtures("quick_jobs")
def test_a_report_with_out_is_waited_for_and_written_itself(lgp: Any) -> None:
    reply = lgp(*REPORT, "--out", "r.csv", "--start", "30d", "--wait-time", "60s")
    assert reply.code == 0, reply
    rows = list(csv.DictReader(io.StringIO(Path("r.csv").read_text(), newline="")))
    assert (reply.json["rows"], reply.json["file"]) == (len(rows), "r.csv")
    since = (analytics.today() - timedelta(days=29)).isoformat()
    leads = lgp("enrich-leads", "list", "--where", f"createdAt>={since}", "--count").json["count"]
    assert len(rows) == leads > 0


@pytest.mark.usefixtures("quick_jobs")
def test_without_out_a_report_is_a_job_and_its_content_is_never_printed(lgp: Any) -> None:
    started = lgp(*REPORT)
    job = started.json["jobId"]
    assert f"jobs status {job} --wait" in started.err
    followed = lgp(*REPORT, "--wait", "--wait-time", "60s")
    assert "--out FILE writes them" in json.dumps(followed.json)
    assert len(followed.out) < 2000
    assert "firstName" not in followed.out


def test_without_dates_a_report_is_about_everything(lgp: Any) -> None:
    assert "startDate" not in lgp(*REPORT, "--dry-run").json["body"]
    body = json.dumps({"reportType": "leads", "format": "csv", "startDate": "2026-01-01"})
    data = ["analytics", "report", "--data", body, "--dry-run"]
    assert lgp(*data).json["body"]["startDate"] == "2026-01-01"
