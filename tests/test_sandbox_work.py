"""Campaigns, enrichment jobs, analytics by hand, reports, and the other records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox_fixtures import NOON, Service, running

API = "/api/agent"
DAY = 86400.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as found:
        yield found


def job_of(service: Service, job: str) -> dict[str, Any]:
    body = service.get(f"{API}/enrichment/status/{job}").body
    assert (body["jobId"], body["status"]) == (body["data"]["jobId"], body["data"]["status"])
    return dict(body["data"])


def test_a_campaign_lives_and_is_archived(service: Service) -> None:
    made = service.post(f"{API}/campaigns", {"name": "Q3", "campaignType": "abm", "goals": {"targetPipeline": 5}})
    path = f"{API}/campaigns/{made.body['id']}"
    assert (made.status, made.body["data"]["status"]) == (201, "draft")
    assert service.put(path, {"description": "x", "status": "active"}).body["data"]["name"] == "Q3"
    assert "description" not in service.put(path, {"description": None}).body["data"]
    assert service.put(path, {"name": None, "goals": {"targetAccounts": -1}}).fields == ["name", "goals.targetAccounts"]
    assert service.call("DELETE", path).body["data"]["status"] == "archived"
    assert service.get(path).body["data"]["status"] == "archived"
    listed = service.get(f"{API}/campaigns?status=archived&campaignType=abm").body["data"]
    assert [one["id"] for one in listed] == [made.body["id"]]


def test_campaigns_come_in_every_status_newest_first(service: Service) -> None:
    rows = service.get(f"{API}/campaigns").body["data"]
    assert {row["status"] for row in rows} == {"draft", "active", "paused", "completed", "archived"}
    assert [row["createdAt"] for row in rows] == sorted((row["createdAt"] for row in rows), reverse=True)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "campaignType"]),
        ({"name": "", "campaignType": "spam", "spend": True}, ["name", "campaignType", "spend"]),
        ({"name": "x", "campaignType": "abm", "startDate": "2026-02-30"}, ["startDate"]),
        ({"name": "x", "campaignType": "abm", "startDate": "2026-02-02", "endDate": "2026-02-01"}, ["endDate"]),
        ({"name": "x", "campaignType": "abm", "spend": 1e300}, ["spend"]),
        ({"name": "x", "campaignType": "abm", "averageDealValue": 10**400}, ["averageDealValue"]),
    ],
)
def test_a_bad_campaign_names_its_fields(service: Service, body: dict[str, Any], fields: list[str]) -> None:
    reply = service.post(f"{API}/campaigns", body)
    assert (reply.code, reply.fields) == ("VALIDATION_ERROR", fields)


def campaign_of_four(service: Service, **money: float) -> str:
    """A campaign of one new, one qualified, one converted outright, and one that was contacted and then unqualified."""
    made = service.post(f"{API}/campaigns", {"name": "Four", "campaignType": "abm", **money}).body["id"]
    ways = [[], ["qualified"], ["converted"], ["contacted", "unqualified"]]
    leads = [service.lead(email=f"{place}@four.example", campaignId=made) for place in range(4)]
    for days in (1, 2):
        service.clock.now = NOON + days * DAY
        for lead, way in zip(leads, ways, strict=True):
            if len(way) >= days:
                service.put(f"{API}/leads/{lead['id']}/status", {"status": way[days - 1]})
    return str(made)


def test_metrics_count_every_stage_ever_reached(service: Service) -> None:
    campaign = campaign_of_four(service, spend=100, averageDealValue=250)
    found = service.get(f"{API}/campaigns/{campaign}/metrics").body["data"]
    assert found == {
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


def test_metrics_without_leads_or_money_are_null(service: Service) -> None:
    made = service.post(f"{API}/campaigns", {"name": "Empty", "campaignType": "abm"}).body["id"]
    found = service.get(f"{API}/campaigns/{made}/metrics").body["data"]
    assert [found[name] for name in ("leads", "conversionRate", "spend", "pipelineValue", "roi")] == [0, *[None] * 4]


def pipeline(service: Service, query: str) -> Any:
    return service.get(f"{API}/analytics/{query}", "other_api_key").body["data"]


def funnel_of_four(service: Service) -> None:
    """Four leads of the second company, which has none in 2030: created on the first of March 2030, at its ends."""
    first = 1898553600.0  # 2030-03-01T00:00:00Z
    ways = [(0.0, []), (0.0, [(2, "qualified")]), (0.5, [(4, "converted")]), (DAY - 0.001, [(1, "unqualified")])]
    for place, (after, changes) in enumerate(ways):
        service.clock.now = first + after
        lead = service.lead("other_api_key", email=f"{place}@march.example")
        for days, status in changes:
            service.clock.now = first + after + days * DAY
            service.put(f"{API}/leads/{lead['id']}/status", {"status": status}, "other_api_key")
    service.clock.now = first + DAY
    service.lead("other_api_key", email="next@day.example")


def test_the_pipeline_is_a_cohort_of_whole_days(service: Service) -> None:
    funnel_of_four(service)
    assert pipeline(service, "pipeline?startDate=2030-03-01&endDate=2030-03-01") == {
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
    empty = pipeline(service, "pipeline?startDate=2031-01-01&endDate=2031-01-01")
    assert [stage["conversionRate"] for stage in empty["stages"]] == [None] * 4
    assert set(empty["velocity"].values()) == {None}


def test_the_pipeline_defaults_to_thirty_days_and_completes_one_date(service: Service) -> None:
    def period(query: str) -> list[str]:
        return list(pipeline(service, "pipeline" + query)["period"].values())

    assert period("") == ["2026-05-17", "2026-06-15"]
    assert period("?startDate=2026-01-01") == ["2026-01-01", "2026-01-30"]
    assert period("?endDate=2026-01-30") == ["2026-01-01", "2026-01-30"]
    assert period("?endDate=0001-01-01") == ["0001-01-01", "0001-01-01"]
    assert period("?startDate=9999-12-31") == ["9999-12-31", "9999-12-31"]


def test_the_documented_period_and_the_default_show_a_funnel(service: Service) -> None:
    for query in ("?startDate=2026-01-01&endDate=2026-02-08", ""):
        data = service.get(f"{API}/analytics/pipeline{query}").body["data"]
        counts = [stage["count"] for stage in data["stages"]]
        assert counts == sorted(counts, reverse=True)
        assert counts[-1] > 3


@pytest.mark.parametrize(
    ("granularity", "starts"),
    [
        ("day", ["2030-02-27", "2030-02-28", "2030-03-01", "2030-03-02"]),
        ("week", ["2030-02-25"]),
        ("month", ["2030-02-01", "2030-03-01"]),
    ],
)
def test_trends_cover_every_period_and_add_up(service: Service, granularity: str, starts: list[str]) -> None:
    funnel_of_four(service)
    query = f"trends?startDate=2030-02-27&endDate=2030-03-02&granularity={granularity}"
    series = pipeline(service, query)["series"]
    assert [one["periodStart"] for one in series] == starts
    assert [sum(one[name] for one in series) for name in ("new", "qualified", "contacted", "converted")] == [5, 2, 1, 1]
    rates = [one["conversionRate"] for one in series]
    assert rates == {"day": [None, None, 0.25, 0.0], "week": [0.2], "month": [None, 0.2]}[granularity]


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
def test_bad_periods_are_refused(service: Service, query: str, field: str) -> None:
    reply = service.get(f"{API}/analytics/{query}")
    assert (reply.status, reply.code, reply.fields) == (400, "INVALID_PARAMETER", [field])
    assert service.get(f"{API}/analytics/trends?granularity=month&endDate=9999-12-31").status == 200
    assert service.get(f"{API}/analytics/trends?granularity=week&startDate=0001-01-01").status == 200


def test_an_enrichment_runs_by_the_clock_and_applies_once(service: Service) -> None:
    leads = ["lead_1", *[f"unknown_{number}" for number in range(49)], "lead_2", "lead_1"]
    reply = service.post(f"{API}/enrichment/trigger", {"leadIds": leads, "priority": "high"})
    job = reply.body["jobId"]
    assert (reply.status, job_of(service, job)["status"], job_of(service, job)["totalTasks"]) == (202, "queued", 51)
    service.clock.now += 0.5 + 1.51 / 2
    halfway = job_of(service, job)
    assert (halfway["status"], halfway["completedTasks"], halfway["failedTasks"]) == ("running", 1, 24)
    assert len(halfway["errors"]) == 24
    before = {row["id"]: row for row in service.get(f"{API}/leads").body["data"]}
    assert "technologies" not in before["lead_1"]
    service.clock.now = NOON + 2.01
    # The effect does not wait for anybody to ask after the job.
    after = {row["id"]: row for row in service.get(f"{API}/leads").body["data"]}
    assert after["lead_1"]["technologies"]
    done = job_of(service, job)
    assert (done["status"], done["completedTasks"], done["failedTasks"]) == ("completed", 2, 49)
    assert done["errors"][0] == {"leadId": "unknown_0", "reason": "no such lead"}
    assert done["finishedAt"] == "2026-06-15T12:00:02.010Z"
    service.put(f"{API}/leads/lead_1/status", {"status": "contacted"})
    service.clock.now += 60
    assert job_of(service, job) == done
    assert service.get(f"{API}/leads").body["data"][0]["status"] == "contacted"


def test_a_job_fails_only_when_every_task_failed(service: Service) -> None:
    jobs = [
        service.post(f"{API}/enrichment/trigger", {"leadIds": leads, "enrichmentType": "contact"}).body["jobId"]
        for leads in (["no"], ["no", "lead_1"])
    ]
    service.clock.now += 10
    assert [job_of(service, job)["status"] for job in jobs] == ["failed", "completed"]


@pytest.mark.parametrize(
    ("kind", "fields"), [("firmographic", ["employeeCount", "industry"]), ("contact", ["emailStatus"])]
)
def test_each_enrichment_brings_its_fields(service: Service, kind: str, fields: list[str]) -> None:
    service.post(f"{API}/enrichment/trigger", {"leadIds": ["lead_2"], "enrichmentType": kind})
    service.clock.now += 10
    lead = next(row for row in service.get(f"{API}/leads").body["data"] if row["id"] == "lead_2")
    present = [name for name in ("technologies", "employeeCount", "industry", "emailStatus") if name in lead]
    assert present == fields


@pytest.mark.parametrize(("kind", "rows"), [("campaigns", 6), ("pipeline", 4), ("leads", 1512)])
def test_a_report_is_a_job_with_a_result(service: Service, kind: str, rows: int) -> None:
    made = {}
    for form in ("csv", "json"):
        reply = service.post(f"{API}/analytics/reports", {"reportType": kind, "format": form})
        assert reply.status == 202
        assert not {"result", "outcome"} & job_of(service, reply.body["jobId"]).keys()
        service.clock.now += 10
        made[form] = job_of(service, reply.body["jobId"])["result"]
    assert {made["csv"]["rows"], made["json"]["rows"], len(made["json"]["content"])} == {rows}
    parsed = list(csv.DictReader(io.StringIO(made["csv"]["content"])))
    assert len(parsed) == rows
    first = made["json"]["content"][0]
    assert next(iter(parsed[0].values())) == str(next(iter(first.values())))


def test_a_report_takes_a_period(service: Service) -> None:
    body = {"reportType": "leads", "format": "json", "startDate": "2026-01-01", "endDate": "2026-01-31"}
    job = service.post(f"{API}/analytics/reports", body).body["jobId"]
    service.clock.now += 10
    months = {row["createdAt"][:7] for row in job_of(service, job)["result"]["content"]}
    assert months == {"2026-01"}
    assert service.post(f"{API}/analytics/reports", {**body, "endDate": "2025-01-01"}).code == "VALIDATION_ERROR"


def test_scores_are_whole_numbers_to_a_hundred(service: Service) -> None:
    made = service.post(f"{API}/target-accounts", {"accountName": "Firma", "fitScore": 50})
    path = f"{API}/target-accounts/{made.body['id']}/score"
    scored = service.put(path, {"intentScore": 100, "engagementScore": 0}).body["data"]
    assert [scored[f"{name}Score"] for name in ("intent", "engagement", "fit")] == [100, 0, 50]
    for bad in (101, -1, 1.5, "7", True):
        assert service.put(path, {"intentScore": bad}).fields == ["intentScore"]
    assert service.put(path, {}).fields == ["intentScore", "engagementScore", "fitScore"]


def test_enrolling_twice_is_skipped(service: Service) -> None:
    step = {"day": 0, "channel": "email", "template": "hello"}
    made = service.post(f"{API}/sequences", {"name": "New", "steps": [step, {**step, "day": -1}]})
    assert made.fields == ["steps[1].day"]
    path = f"{API}/sequences/{service.post(f'{API}/sequences', {'name': 'New', 'steps': [step]}).body['id']}/enroll"
    assert service.post(path, {"leadIds": ["lead_1"]}).body["enrolled"] == 1
    again = service.post(path, {"leadIds": ["lead_1", "lead_2", "nobody"]}).body
    reasons = {one["leadId"]: one["reason"] for one in again["skipped"]}
    assert (again["enrolled"], reasons) == (1, {"lead_1": "already enrolled", "nobody": "no such lead"})
    assert service.get(f"{API}/sequences").body["data"][0]["enrolledCount"] == 2


def test_secrets_of_webhooks_and_integrations_stay_inside(service: Service) -> None:
    hook = {"url": "https://hook.example/x", "events": ["new_source_lead", "new_source_lead"]}
    made = service.post(f"{API}/webhooks", hook)
    assert made.body["data"]["secret"].startswith("whsec_")
    assert made.body["data"]["events"] == ["new_source_lead"]
    assert b"whsec_" not in service.get(f"{API}/webhooks").raw
    for url in ("http://hook.example", "https://", "https://[", "hook"):
        assert service.post(f"{API}/webhooks", {**hook, "url": url}).fields == ["url"]
    assert service.post(f"{API}/webhooks", {**hook, "events": []}).fields == ["events"]
    config = {"platform": "hubspot", "config": {"token": "hush-hush"}}
    assert b"hush" not in service.post(f"{API}/integrations", config).raw
    assert b"hush" not in service.get(f"{API}/integrations").raw


def test_workflows_keep_their_handoffs(service: Service) -> None:
    handoff = {"from": "a", "to": "b", "at": "2026-06-15T12:00:00Z", "note": "n"}
    made = service.post(f"{API}/workflows", {"name": "W", "handoffs": [handoff]})
    assert made.body["data"]["handoffs"] == [handoff]
    refused = service.post(f"{API}/workflows", {"handoffs": [{**handoff, "at": "soon"}]})
    assert refused.fields == ["name", "handoffs[0].at"]


@pytest.mark.parametrize(("path", "kind"), [("bugs", "bug"), ("enhancements", "enhancement")])
def test_maintenance_reports_are_kept(service: Service, path: str, kind: str) -> None:
    made = service.post(f"{API}/maintenance/{path}", {"description": "d", "userEmail": None})
    assert made.status == 201
    facts = [made.body[kind][name] for name in ("description", "userEmail", "status")]
    assert facts == ["d", None, "open"]
    assert service.get(f"{API}/maintenance/{path}").body["data"][0]["id"] == made.body[kind]["id"]
    assert service.post(f"{API}/maintenance/{path}", {"userEmail": "x"}).fields == ["description", "userEmail"]
