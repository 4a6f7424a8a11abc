"""Metrics, the pipeline, trends and reports, computed by hand."""

import csv
import io
import json

import pytest

DAY, HUGE = 86400.0, 10**400
MARCH = 1898553600.0  # 2030-03-01T00:00:00Z


def passing(service, began, ways, who="api_key", **fields):
    """Leads that are created so many seconds after `began` and change their status days later."""
    for place, (after, changes) in enumerate(ways):
        service.now = began + after
        lead = service.lead(who, email=f"{place}@way.example", **fields)["id"]
        for days, status in changes:
            service.now = began + after + days * DAY
            service.put(f"/leads/{lead}/status", {"status": status}, who)


def test_metrics_count_every_stage_ever_reached(service):
    body = {"name": "Four", "campaignType": "abm", "spend": 100, "averageDealValue": 250}
    campaign = service.post("/campaigns", body).body["id"]
    contacted = [(1, "contacted"), (2, "unqualified")]
    ways = [(0, []), (0, [(1, "qualified")]), (0, [(1, "converted")]), (0, contacted)]
    passing(service, service.now, ways, campaignId=campaign)
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


def analytics(service, query):
    return service.get(f"/analytics/{query}", "other_api_key").data


@pytest.fixture
def march(service):
    """Four leads of the second company at the ends of the first of March 2030; one a day later."""
    ways = [
        (0, []),
        (0, [(2, "qualified")]),
        (0.5, [(4, "converted")]),
        (DAY - 0.001, [(1, "unqualified")]),
    ]
    passing(service, MARCH, [*ways, (DAY, [])], "other_api_key")
    return service


def test_the_pipeline_is_a_cohort_of_whole_days(march):
    assert analytics(march, "pipeline?startDate=2030-03-01&endDate=2030-03-01") == {
        "period": {"startDate": "2030-03-01", "endDate": "2030-03-01"},
        "stages": [
            {"stage": "new", "count": 4, "conversionRate": None},
            {"stage": "qualified", "count": 2, "conversionRate": 0.5},
            {"stage": "contacted", "count": 1, "conversionRate": 0.5},
            {"stage": "converted", "count": 1, "conversionRate": 1.0},
        ],
        "velocity": {
            "averageDaysToQualify": 3.0,
            "averageDaysToContact": 4.0,
            "averageDaysToConvert": 4.0,
        },
        "totals": {"leads": 4, "converted": 1, "unqualified": 1, "conversionRate": 0.25},
    }
    empty = analytics(march, "pipeline?startDate=2031-01-01&endDate=2031-01-01")
    rates = [stage["conversionRate"] for stage in empty["stages"]]
    assert [*rates, *empty["velocity"].values()] == [None] * 7


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("", "2026-05-17", "2026-06-15"),
        ("?startDate=2026-01-01", "2026-01-01", "2026-01-30"),
        ("?endDate=2026-01-30", "2026-01-01", "2026-01-30"),
        ("?endDate=0001-01-01", "0001-01-01", "0001-01-01"),
        ("?startDate=9999-12-31", "9999-12-31", "9999-12-31"),
    ],
)
def test_a_period_is_thirty_days_where_a_date_is_missing(shared, query, start, end):
    assert analytics(shared, "pipeline" + query)["period"] == {"startDate": start, "endDate": end}
    assert shared.get("/analytics/trends" + query).status == 200


@pytest.mark.parametrize(
    ("granularity", "starts", "rates"),
    [
        ("day", ["2030-02-27", "2030-02-28", "2030-03-01", "2030-03-02"], [None, None, 0.25, 0.0]),
        ("week", ["2030-02-25"], [0.2]),
        ("month", ["2030-02-01", "2030-03-01"], [None, 0.2]),
    ],
)
def test_trends_cover_every_period_and_add_up(march, granularity, starts, rates):
    query = f"trends?startDate=2030-02-27&endDate=2030-03-02&granularity={granularity}"
    series = analytics(march, query)["series"]
    assert [one["periodStart"] for one in series] == starts
    assert [one["conversionRate"] for one in series] == rates
    stages = ("new", "qualified", "contacted", "converted")
    assert [sum(one[name] for one in series) for name in stages] == [5, 2, 1, 1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("trends?startDate=0001-01-01&endDate=9999-12-31", "granularity"),
        ("pipeline?startDate=2026-02-02&endDate=2026-02-01", "endDate"),
    ],
)
def test_bad_periods_are_refused(shared, query, field):
    assert shared.get(f"/analytics/{query}").error == (400, "INVALID_PARAMETER", [field])


def shown(value):
    """A value as a csv cell: lists and objects as JSON."""
    plain = "" if value is None else str(value)
    return json.dumps(value) if isinstance(value, (list, dict)) else plain


@pytest.mark.parametrize(("kind", "rows"), [("campaigns", 6), ("pipeline", 4), ("leads", 60)])
def test_a_report_is_a_job_with_a_result(service, kind, rows):
    bodies = [{"reportType": kind, "format": form} for form in ("csv", "json")]
    jobs = [service.post("/analytics/reports", body).body["jobId"] for body in bodies]
    assert "result" not in service.get(f"/enrichment/status/{jobs[0]}").data
    table, made = [service.job(job)["result"] for job in jobs]
    content = made["content"]
    assert table["rows"] == made["rows"] == len(content) == rows
    cells = csv.DictReader(io.StringIO(table["content"]))
    assert [{name: row[name] for name in one} for row, one in zip(cells, content, strict=True)] == [
        {name: shown(value) for name, value in one.items()} for one in content
    ]


def test_a_report_takes_a_period(service):
    body = {"reportType": "leads", "format": "json", "startDate": "2026-01-01"}
    job = service.post("/analytics/reports", {**body, "endDate": "2026-01-31"}).body["jobId"]
    assert {row["createdAt"][:7] for row in service.job(job)["result"]["content"]} == {"2026-01"}
    refused = service.post("/analytics/reports", {**body, "endDate": "2025-01-01"})
    assert refused.error == (400, "VALIDATION_ERROR", ["endDate"])


@pytest.mark.parametrize(
    ("money", "found"),
    [
        ({}, (0, None, None, None, None)),
        ({"spend": 0, "averageDealValue": 5}, (0, None, 0, 0, None)),
        ({"spend": 8, "averageDealValue": 5}, (0, None, 8, 0, -1.0)),
        ({"spend": HUGE, "averageDealValue": HUGE}, (0, None, HUGE, None, None)),
    ],
)
def test_metrics_without_leads(service, money, found):
    made = service.post("/campaigns", {"name": "Empty", "campaignType": "abm", **money}).body["id"]
    data = service.get(f"/campaigns/{made}/metrics").data
    names = ("leads", "conversionRate", "spend", "pipelineValue", "roi")
    assert tuple(data[name] for name in names) == found
