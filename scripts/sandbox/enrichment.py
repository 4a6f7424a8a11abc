"""Enrichment: trigger, follow, and the services behind it. Reports are followed by the same path."""

from __future__ import annotations

from sandbox import checks, jobs, records, technographics
from sandbox.answers import Answer, not_found, ok
from sandbox.pages import Page
from sandbox.routes import Call, route

LARGEST_TRIGGER = 500
BODY = {
    "leadIds": checks.items(checks.text, least=1),
    "enrichmentType": checks.one_of(*technographics.TYPES),
    "priority": checks.one_of("low", "normal", "high"),
}
SERVICES = [
    {"key": "technographic", "name": "Technology stack", "kind": "third_party", "available": True},
    {"key": "firmographic", "name": "Company size and industry", "kind": "third_party", "available": True},
    {"key": "contact", "name": "Contact verification", "kind": "third_party", "available": True},
    {"key": "ai-summary", "name": "Account summary", "kind": "ai", "available": True},
    {"key": "ai-scoring", "name": "Lead scoring", "kind": "ai", "available": False},
]


@route("POST", "/api/agent/enrichment/trigger", "enrichment.trigger")
def trigger(call: Call) -> Answer:
    """202 with jobId. An id given twice is one task; an unknown one becomes a failed task, not a refusal."""
    checks.batch(call.body, "leadIds", LARGEST_TRIGGER)
    body = records.checked(call, checks.record(BODY, ["leadIds"]))
    kind, priority = body.get("enrichmentType", "technographic"), body.get("priority", "normal")
    job = jobs.start(call, kind, list(dict.fromkeys(body["leadIds"])), priority=priority)
    return ok(job, 202, jobId=job["jobId"])


@route("GET", "/api/agent/enrichment/status/{jobId}", "enrichment.status")
def status(call: Call) -> Answer:
    """The job in `data`; jobId and status are repeated at the top level."""
    job = jobs.get(call, call.path["jobId"])
    if job is None:
        raise not_found("job")
    return ok(job, jobId=job["jobId"], status=job["status"])


@route("GET", "/api/agent/enrichment/services", "enrichment.services")
def services(call: Call) -> Answer:
    return Page.of(call.query).cut(SERVICES)
