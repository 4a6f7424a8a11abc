"""Workflows, integrations and webhooks."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlsplit

from sandbox import checks, records
from sandbox.answers import Answer, ok
from sandbox.checks import Bad
from sandbox.pages import list_records
from sandbox.routes import Call, route

EVENTS = ("new_source_lead", "new_enrich_lead", "enrichment_completed", "lead_status_changed")
HANDOFF = {"from": checks.text, "to": checks.text, "at": checks.moment, "note": checks.text}
WORKFLOW = {
    "name": checks.text,
    "trigger": checks.text,
    "steps": checks.items(checks.anything),
    "status": checks.text,
    "handoffs": checks.items(checks.record(HANDOFF)),
}
INTEGRATION = {"platform": checks.text, "config": checks.mapping, "status": checks.text}


def https_url(value: Any) -> str:
    try:
        parts = urlsplit(checks.text(value))
        if parts.scheme == "https" and parts.hostname:
            return str(value)
    except ValueError:
        pass
    raise Bad("must be an https URL")


WEBHOOK = {
    "url": https_url,
    "events": checks.items(checks.one_of(*EVENTS), least=1),
    "active": checks.boolean,
}


@route("GET", "/api/agent/workflows", "workflows.list")
def list_workflows(call: Call) -> Answer:
    return records.listed(call, "workflow")


@route("POST", "/api/agent/workflows", "workflows.create")
def create_workflow(call: Call) -> Answer:
    fields = records.checked(call, checks.record(WORKFLOW, ["name"]))
    return records.created(records.add(call, "workflow", fields, status="draft", steps=[], handoffs=[]))


@route("GET", "/api/agent/integrations", "integrations.list")
def list_integrations(call: Call) -> Answer:
    return records.listed(call, "integration")


@route("POST", "/api/agent/integrations", "integrations.create")
def create_integration(call: Call) -> Answer:
    """`config` is write-only: it is checked, and neither stored nor echoed, since nothing here would use it."""
    fields = records.checked(call, checks.record(INTEGRATION, ["platform"]))
    fields.pop("config", None)
    return records.created(records.add(call, "integration", fields, status="connected", lastSyncAt=None))


@route("GET", "/api/agent/webhooks", "webhooks.list")
def list_webhooks(call: Call) -> Answer:
    """Without the signing secrets."""
    page, rows, total = list_records(call.db, "webhook", call.company, call.query)
    return page.envelope([{name: row[name] for name in row if name != "secret"} for row in rows], total)


@route("POST", "/api/agent/webhooks", "webhooks.create")
def create_webhook(call: Call) -> Answer:
    """201; `data.secret` signs deliveries and is shown this once."""
    fields = records.checked(call, checks.record(WEBHOOK, ["url", "events"]))
    fields["events"] = list(dict.fromkeys(fields["events"]))
    fields["secret"] = "whsec_" + secrets.token_hex(16)
    webhook = records.add(call, "webhook", fields, active=True)
    return ok(webhook, 201, id=webhook["id"])
