"""Analytics: periods are whole UTC days, both included; half a period is completed to thirty days."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import Run, Sent


def period(sent: list[Sent]) -> tuple[str, str]:
    query = parse_qs(urlsplit(sent[-1].target).query)
    return query["startDate"][0], query["endDate"][0]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--start", "2026-01-01", "--end", "2026-02-08"), ("2026-01-01", "2026-02-08")),
        (("--start-date", "2026-01-01", "--end-date", "2026-01-01"), ("2026-01-01", "2026-01-01")),
        (("--start", "2026-01-01"), ("2026-01-01", "2026-01-30")),
        (("--end", "2026-01-30"), ("2026-01-01", "2026-01-30")),
        (("--end", "2024-03-01"), ("2024-02-01", "2024-03-01")),
    ],
)
def test_periods(lgp: Run, sandboxed: Path, sent: list[Sent], argv: tuple[str, ...], expected: tuple[str, str]) -> None:
    ran = lgp("pipeline", *argv)
    assert period(sent) == expected
    told = ran.json()["data"]["period"]
    assert (told["startDate"], told["endDate"]) == expected


def test_without_dates_the_last_thirty_days(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    lgp("pipeline")
    start, end = map(date.fromisoformat, period(sent))
    assert end - start == timedelta(days=29)
    assert abs(end - datetime.now(timezone.utc).date()) <= timedelta(days=1)  # a test may run over midnight


@pytest.mark.parametrize(
    "argv",
    [
        ("--start", "2026-02-30"), ("--start", "today"), ("--end", "2026-1-1"), ("--start", "20260101"),
        ("--start", "2026-02-02", "--end", "2026-02-01"), ("--start", ""), ("--start", "9999-12-31"),
        ("--end", "0001-01-01"), ("--end", "٢٠٢٦-٠١-٠١"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [("pipeline",), ("analytics", "trends"), ("analytics", "report")])
def test_what_is_no_period_is_exit_2(
    lgp: Run, sandboxed: Path, sent: list[Sent], argv: tuple[str, ...], command: tuple[str, ...]
) -> None:
    more = ("--type", "leads", "--report-format", "csv") if command[-1] == "report" else ()
    ran = lgp(*command, *more, *argv)
    assert (ran.code, sent) == (2, [])
    assert ran.error["exit_code"] == 2


def test_a_short_interval_of_both_includes_both_days(lgp: Run, sandboxed: Path) -> None:
    """Each day alone adds up to the days together."""

    def count(start: str, end: str) -> int:
        return int(lgp("pipeline", "--start", start, "--end", end).json()["data"]["totals"]["leads"])

    days = [f"2026-01-{day:02}" for day in range(10, 15)]
    assert count(days[0], days[-1]) == sum(count(day, day) for day in days) > 0


def test_on_a_terminal_the_funnel_is_drawn(lgp: Run, sandboxed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = lgp("pipeline", "--start", "2026-01-01", "--end", "2026-02-08", "--format", "table")
    stages = [line.split()[0] for line in ran.out.splitlines() if "█" in line]
    assert stages == ["new", "qualified", "contacted", "converted"]
    assert "of the stage before" in ran.out
    assert "On average qualified after" in ran.out


def test_a_report_is_followed_to_its_content(lgp: Run, sandboxed: Path, clock: object) -> None:
    ran = lgp("analytics", "report", "--type", "leads", "--report-format", "csv", "--start", "2026-01-01", "--wait")
    assert ran.code == 0
    result = ran.json()["data"]["result"]
    assert (result["format"], result["rows"]) == ("csv", result["content"].count("\r\n") - 1)
    assert result["content"].startswith("id,")


def test_trends_ask_for_the_servers_own_period_unless_told(lgp: Run, sandboxed: Path, sent: list[Sent]) -> None:
    lgp("analytics", "trends", "--granularity", "month")
    assert sent[-1].target == "/api/agent/analytics/trends?granularity=month"
    lgp("analytics", "trends", "--granularity", "day", "--end", "2026-01-30")
    assert period(sent) == ("2026-01-01", "2026-01-30")
