"""Metrics, the pipeline, trends and reports, computed by hand."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

DAY = 86400.0
MARCH = 1898553600.0  # 2030-03-01T00:00:00Z


def campaign_of_four(service: Any, **money: float) -> str:
    """A campaign of one new, one qualified, one converted outright, and one that was contacted and then unqualified."""
    made = service.post("/campaigns", {"name": "Four", "campaignType": "abm", **money}).body["id"]
    noon, ways = service.now, [[], ["qualified"], ["converted"], ["contacted", "unqualified"]]
    leads = [service.lead(email=f"{place}@four.example", campaignId=made)["id"] for place in range(4)]
    for days in (1, 2):
        service.now = noon + days * DAY
        for lead, way in zip(leads, ways, strict=True):
            if len(way) >= days:
                service.put(f"/leads/{lead}/status", {"status": way[days - 1]})
    return str(made)


def test_metrics_count_every_stage_ever_reached(service: Any) -> None:
    campaign = campaign_of_four(service, spend=100, averageDealValue=250)
    assert service.get(f"/campaigns/{campaign}/metrics").data == {
        "leads": 4,
        "qualified": 3,
        "contacted": 2,
        "converted": 1,
        "conversionRate": 0.25,
        "spend": 100,
        "pipelineValue": 750,
        "roi": 1.5,
        "asOf": "2026-06-17T12:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("money", "pipeline", "roi"),
    [
        ({}, None, None),
        ({"spend": 0, "averageDealValue": 5}, 0, None),
        ({"spend": 8, "averageDealValue": 5}, 0, -1.0),
        ({"spend": 1e-300, "averageDealValue": 1e299}, 0, -1.0),
        ({"spend": 10**400, "averageDealValue": 10**400}, None, None),
    ],
)
def test_metrics_without_leads_or_in_absurd_amounts(service: Any, money: Any, pipeline: Any, roi: Any) -> None:
    made = service.post("/campaigns", {"name": "Empty", "campaignType": "abm", **money}).body["id"]
    found = service.get(f"/campaigns/{made}/metrics").data
    assert (found["leads"], found["conversionRate"], found["spend"]) == (0, None, money.get("spend"))
    assert (found["pipelineValue"], found["roi"]) == (pipeline, roi)


def analytics(service: Any, query: str) -> Any:
    return service.get(f"/analytics/{query}", "other_api_key").data


@pytest.fixture
def march(service: Any) -> Any:
    """Four leads of the second company, which has none in 2030, at the ends of the first of March; one a day later."""
    ways = [(0.0, []), (0.0, [(2, "qualified")]), (0.5, [(4, "converted")]), (DAY - 0.001, [(1, "unqualified")])]
    for place, (after, changes) in enumerate(ways):
        service.now = MARCH + after
        lead = service.lead("other_api_key", email=f"{place}@march.example")["id"]
        for days, status in changes:
            service.now = MARCH + after + days * DAY
            service.put(f"/leads/{lead}/status", {"status": status}, "other_api_key")
    service.now = MARCH + DAY
    service.lead("other_api_key", email="next@day.example")
    return service


def test_the_pipeline_is_a_cohort_of_whole_days(march: Any) -> None:
    assert analytics(march, "pipeline?startDate=2030-03-01&endDate=2030-03-01") == {
        "period": {"startDate": "2030-03-01", "endDate": "2030-03-01"},
        "stages": [
            {"stage": "new", "count": 4, "conversionRate": None},
            {"stage": "qualified", "count": 2, "conversionRate": 0.5},
            {"stage": "contacted", "count": 1, "conversionRate": 0.5},
            {"stage": "converted", "count": 1, "conversionRate": 1.0},
        ],
        "velocity": {"averageDaysToQualify": 3.0, "averageDaysToContact": 4.0, "averageDaysToConvert": 4.0},
        "totals": {"leads": 4, "converted": 1, "unqualified": 1, "conversionRate": 0.25},
    }
    empty = analytics(march, "pipeline?startDate=2031-01-01&endDate=2031-01-01")
    assert [stage["conversionRate"] for stage in empty["stages"]] == [None] * 4
    assert set(empty["velocity"].values()) == {None}


def test_the_pipeline_defaults_to_thirty_days_and_completes_one_date(shared: Any) -> None:
    for query, period in (
        ("", ["2026-05-17", "2026-06-15"]),
        ("?startDate=2026-01-01", ["2026-01-01", "2026-01-30"]),
        ("?endDate=2026-01-30", ["2026-01-01", "2026-01-30"]),
        ("?endDate=0001-01-01", ["0001-01-01", "0001-01-01"]),
        ("?startDate=9999-12-31", ["9999-12-31", "9999-12-31"]),
    ):
        assert list(analytics(shared, "pipeline" + query)["period"].values()) == period


@pytest.mark.parametrize(
    ("granularity", "starts", "rates"),
    [
        ("day", ["2030-02-27", "2030-02-28", "2030-03-01", "2030-03-02"], [None, None, 0.25, 0.0]),
        ("week", ["2030-02-25"], [0.2]),
        ("month", ["2030-02-01", "2030-03-01"], [None, 0.2]),
    ],
)
def test_trends_cover_every_period_and_add_up(march: Any, granularity: str, starts: list[str], rates: Any) -> None:
    query = f"trends?startDate=2030-02-27&endDate=2030-03-02&granularity={granularity}"
    data = analytics(march, query)
    assert [one["periodStart"] for one in data["series"]] == starts
    stages = ("new", "qualified", "contacted", "converted")
    assert [sum(one[name] for one in data["series"]) for name in stages] == [5, 2, 1, 1]
    assert [one["conversionRate"] for one in data["series"]] == rates
    assert (data["granularity"], data["period"]["endDate"]) == (granularity, "2030-03-02")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("trends?granularity=year", "granularity"),
        ("trends?startDate=0001-01-01&endDate=9999-12-31", "granularity"),
        ("pipeline?startDate=2026-02-02&endDate=2026-02-01", "endDate"),
        ("pipeline?startDate=yesterday", "startDate"),
        ("pipeline?startDate=20260101", "startDate"),
    ],
)
def test_bad_periods_are_refused(shared: Any, query: str, field: str) -> None:
    assert shared.get(f"/analytics/{query}").error == (400, "INVALID_PARAMETER", [field])


@pytest.mark.parametrize("query", ["granularity=month&endDate=9999-12-31", "granularity=week&startDate=0001-01-01"])
def test_the_ends_of_the_calendar_are_served(shared: Any, query: str) -> None:
    assert shared.get(f"/analytics/trends?{query}").status == 200


@pytest.mark.parametrize(("kind", "rows"), [("campaigns", 6), ("pipeline", 4), ("leads", 60)])
def test_a_report_is_a_job_with_a_result(service: Any, kind: str, rows: int) -> None:
    made = {}
    for form in ("csv", "json"):
        reply = service.post("/analytics/reports", {"reportType": kind, "format": form})
        assert reply.status == 202
        assert "result" not in service.job(reply.body["jobId"])
        service.now += 10
        made[form] = service.job(reply.body["jobId"])["result"]
    assert {made["csv"]["rows"], made["json"]["rows"], len(made["json"]["content"])} == {rows}
    parsed = list(csv.DictReader(io.StringIO(made["csv"]["content"])))
    assert len(parsed) == rows
    for cells, row in zip(parsed, made["json"]["content"], strict=True):
        for name, value in row.items():
            nested = isinstance(value, (list, dict))
            assert cells[name] == (json.dumps(value) if nested else "" if value is None else str(value)) or name == "asOf"


def test_a_report_takes_a_period(service: Any) -> None:
    body = {"reportType": "leads", "format": "json", "startDate": "2026-01-01", "endDate": "2026-01-31"}
    job = service.post("/analytics/reports", body).body["jobId"]
    service.now += 10
    assert {row["createdAt"][:7] for row in service.job(job)["result"]["content"]} == {"2026-01"}
    refused = service.post("/analytics/reports", {**body, "endDate": "2025-01-01"})
    assert refused.error == (400, "VALIDATION_ERROR", ["endDate"])
