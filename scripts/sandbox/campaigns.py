"""Campaigns."""

from __future__ import annotations

from typing import Any

from sandbox import checks, funnel, records
from sandbox.answers import Answer, Refusal, ok
from sandbox.routes import Call, route
from sandbox.times import iso

STATUSES = checks.one_of("draft", "active", "paused", "completed", "archived")
TYPES = checks.one_of("abm", "demand_gen", "nurture")
GOALS = ("targetAccounts", "targetEngagement", "targetPipeline")
FIELDS = {
    "name": checks.text,
    "campaignType": TYPES,
    "description": checks.text,
    "status": STATUSES,
    "startDate": checks.day,
    "endDate": checks.day,
    "goals": checks.record(dict.fromkeys(GOALS, checks.number)),
    "client_id": checks.text,
    "spend": checks.number,
    "averageDealValue": checks.number,
}
REQUIRED = ("name", "campaignType")


@route("GET", "/api/agent/campaigns", "campaigns.list")
def list_campaigns(call: Call) -> Answer:
    """Newest first; filters status and campaignType."""
    return records.listed(call, "campaign", **checks.query_of(call.query, {"status": STATUSES, "campaignType": TYPES}))


@route("POST", "/api/agent/campaigns", "campaigns.create")
def create(call: Call) -> Answer:
    """201; status draft unless given."""
    fields = records.checked(call, checks.record(FIELDS, REQUIRED))
    _check_dates(fields)
    return records.created(records.add(call, "campaign", fields, status="draft"))


@route("GET", "/api/agent/campaigns/{id}", "campaigns.get")
def get(call: Call) -> Answer:
    return ok(records.get(call, "campaign"))


@route("PUT", "/api/agent/campaigns/{id}", "campaigns.update")
def update(call: Call) -> Answer:
    """Partial: fields that are absent stay, null takes an optional field away."""
    campaign = records.get(call, "campaign")
    fields = records.checked(call, checks.record({**FIELDS, "status": STATUSES}, (*REQUIRED, "status"), partial=True))
    _check_dates({**campaign, **fields})
    return ok(records.change(call, "campaign", campaign, fields), id=campaign["id"])


@route("DELETE", "/api/agent/campaigns/{id}", "campaigns.archive")
def archive(call: Call) -> Answer:
    """Keeps the record and sets its status to archived."""
    campaign = records.get(call, "campaign")
    return ok(records.change(call, "campaign", campaign, {"status": "archived"}), id=campaign["id"])


@route("GET", "/api/agent/campaigns/{id}/metrics", "campaigns.metrics")
def metrics(call: Call) -> Answer:
    """Counts of all leads of the campaign, not only of those a search would see."""
    return ok(measured(call, records.get(call, "campaign")))


def measured(call: Call, campaign: dict[str, Any]) -> dict[str, Any]:
    """The campaign's counts (ever reached the stage or a later one), rate (0–1) and money.

    Money is null without the campaign's own `spend` and `averageDealValue`: pipelineValue is the deal value of all
    qualified leads, roi is (deal value of the converted ones − spend) / spend.
    """
    counts = funnel.counted(funnel.of_campaign(call, campaign["id"]))
    spend, deal = campaign.get("spend"), campaign.get("averageDealValue")
    return {
        "leads": counts["new"],
        "qualified": counts["qualified"],
        "contacted": counts["contacted"],
        "converted": counts["converted"],
        "conversionRate": funnel.rate(counts["converted"], counts["new"]),
        "spend": spend,
        "pipelineValue": None if deal is None else deal * counts["qualified"],
        "roi": round((deal * counts["converted"] - spend) / spend, 4) if spend and deal is not None else None,
        "asOf": iso(call.now),
    }


def _check_dates(campaign: dict[str, Any]) -> None:
    if (campaign.get("startDate") or "") > (campaign.get("endDate") or "9999"):
        raise Refusal("VALIDATION_ERROR", "The dates are the wrong way round", [("endDate", "is before startDate")])
