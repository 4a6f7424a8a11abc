"""Analytics: periods are whole UTC days, both included; the answer carries its period; reports."""

import csv
import io
import json
import re
from datetime import date
from pathlib import Path

import pytest

from cli import analytics

REPORT = ("analytics", "report", "--report-type", "leads", "--report-format", "csv")
TRENDS = ("analytics", "trends")
PERIOD = ("--start", "2026-01-01", "--end", "2026-02-08")


@pytest.fixture
def today(monkeypatch):
    """It is 24 November 2026."""
    monkeypatch.setattr(analytics, "today", lambda: date(2026, 11, 24))


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize("command", [("pipeline",), TRENDS])
@pytest.mark.parametrize(
    ("words", "period"),
    [
        ("", "2026-10-26 2026-11-24"),
        ("--start 2026-01-01 --end 2026-02-08", "2026-01-01 2026-02-08"),
        ("--start 2026-01-01", "2026-01-01 2026-11-24"),
        ("--end 2024-03-01", "2024-02-01 2024-03-01"),
        ("--start yesterday", "2026-11-23 2026-11-24"),
        ("--start 30d --end yesterday", "2026-10-26 2026-11-23"),
    ],
)
def test_a_period(lgp, command, words, period):
    url = lgp(*command, *words.split(), "--dry-run").json["url"]
    assert re.findall(r"(?:start|end)Date=([\d-]+)", url) == period.split()


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize("command", [("pipeline",), TRENDS, REPORT])
@pytest.mark.parametrize(
    "words",
    [
        "--start 2026-02-30", "--start tomorrow", "--start=",
        "--start 2026-02-02 --end 2026-02-01", "--end 0001-01-01", "--start 999999d",
        "--start 2026-11-25 --end 2026-12-01", "--end ٢٠٢٦-٠١-٠١",
    ],
)  # fmt: skip
def test_what_is_no_period_is_exit_2(lgp, command, words):
    reply = lgp(*command, *words.split())
    assert (reply.code, reply.out, reply.error["exit_code"]) == (2, "", 2)


def test_the_answer_is_the_servers_and_carries_its_period(lgp):
    reply = lgp("pipeline", *PERIOD).json
    assert reply["data"]["period"] == {"startDate": PERIOD[1], "endDate": PERIOD[3]}
    query = f"/analytics/pipeline?startDate={PERIOD[1]}&endDate={PERIOD[3]}"
    assert lgp("GET", query, script="api_call").json == reply
    assert lgp(*TRENDS, *PERIOD).json["data"]["period"] == reply["data"]["period"]


def test_in_csv_and_jsonl_the_series_is_the_rows(lgp):
    stages = lgp("pipeline").json["data"]["stages"]
    assert lgp("pipeline", "--format", "jsonl").rows == stages
    head, *rows = csv.reader(io.StringIO(lgp("pipeline", "--format", "csv").out))
    assert head == ["stage", "count", "conversionRate"]
    assert len(rows) == len(stages)
    assert len(lgp(*TRENDS, "--format", "jsonl").rows) == 30


def drawn(lgp, *words):
    """The lines of a terminal."""
    reply = lgp(*words, terminal=True, environ={"NO_COLOR": "1"})
    return (reply.out + reply.err).splitlines()


def test_on_a_terminal_the_funnel_is_bars_and_the_whole_way(lgp):
    data, lines = lgp("pipeline").json["data"], drawn(lgp, "pipeline")
    period, totals = data["period"], data["totals"]
    bars = [line.count("█") for line in lines if "█" in line]
    assert bars == sorted(bars, reverse=True) and len(bars) > 1
    text = " ".join(" ".join(lines).replace("█", "").split())
    for stage in data["stages"][1:]:
        assert f"{stage['stage']} {stage['count']} {stage['conversionRate']:.1%} " in text
    whole = f"In all: leads {totals['leads']}, converted {totals['converted']}, unqualified"
    assert (
        f"{whole} {totals['unqualified']}, conversion rate {totals['conversionRate']:.1%};" in text
    )
    assert f"From {period['startDate']} to {period['endDate']}." in text
    assert f"average days to qualify {data['velocity']['averageDaysToQualify']}, " in text


@pytest.mark.parametrize("granularity", ["day", "month"])
def test_on_a_terminal_the_trend_has_totals_and_marks_what_is_not_over(lgp, granularity):
    words = (*TRENDS, "--granularity", granularity, "--start", "90d")
    series, lines = lgp(*words).json["data"]["series"], drawn(lgp, *words)
    points = [line[:12].strip() for line in lines if re.match(r"\d{4}-", line)]
    starts = [row["periodStart"] for row in series]
    assert points == [*starts[:-1], f"{starts[-1]} *"]
    new, converted = (sum(row[name] for row in series) for name in ("new", "converted"))
    assert f"In all: new {new}, qualified" in " ".join(lines)
    assert f"converted {converted}; a lead counts in" in " ".join(lines)


@pytest.mark.usefixtures("today")
@pytest.mark.parametrize(
    ("start", "granularity", "running"),
    [
        ("2026-11-24", "day", True), ("2026-11-23", "day", False), ("2026-11-18", "week", True),
        ("2026-11-17", "week", False), ("2026-11-01", "month", True),
    ],
)  # fmt: skip
def test_a_period_runs_until_its_last_day_is_over(start, granularity, running):
    record = {"granularity": granularity, "series": [{"periodStart": start}]}
    _, (row,), _ = analytics.drawing(record)
    assert row["periodStart"] == start + " *" * running


def test_an_answer_that_is_no_funnel_is_printed_as_it_came(lgp, monkeypatch):
    odd = {"success": True, "data": {"stages": "none today"}}
    monkeypatch.setattr("leadgenius.client.Client.get", lambda *words: odd)
    assert "none today" in lgp("pipeline", terminal=True).out
    assert set(lgp("pipeline").json["data"]) == {"stages", "period"}


@pytest.mark.usefixtures("quick_jobs")
def test_a_report_with_out_is_waited_for_and_written_itself(lgp):
    reply = lgp(*REPORT, "--out", "r.csv", "--start", "30d", "--wait-time", "60s")
    rows = list(csv.reader(io.StringIO(Path("r.csv").read_text())))
    leads = lgp("pipeline", "--start", "30d").json["data"]["totals"]["leads"]
    assert len(rows) - 1 == reply.json["rows"] == leads > 0


@pytest.mark.usefixtures("quick_jobs")
def test_without_out_a_report_is_a_job_and_its_content_is_never_printed(lgp, state):
    started = lgp(*REPORT)
    assert f"jobs status {started.json['jobId']} --wait" in started.err
    assert started.json["jobId"] in (state / "sandbox" / "changes.jsonl").read_text()
    followed = lgp(*REPORT, "--wait", "--wait-time", "60s")
    assert "--out FILE writes them" in followed.out
    assert len(followed.out) < 2000 and "firstName" not in followed.out


def test_without_dates_a_report_is_about_everything(lgp):
    assert "startDate" not in lgp(*REPORT, "--dry-run").json["body"]
    body = {"reportType": "leads", "format": "csv", "startDate": "2026-01-01"}
    words = ("analytics", "report", "--data", json.dumps(body), "--dry-run")
    assert lgp(*words).json["body"] == body
