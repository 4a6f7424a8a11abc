"""Automation: workflows with their hand-offs, integrations, webhooks."""

from __future__ import annotations

from commands.runners.rows import Row

ROWS = (
    Row(("workflows", "list"), "workflows.list", "{lgp} workflows list", table=("id", "name", "trigger", "status")),
    Row(("workflows", "create"), "workflows.create", '{lgp} workflows create --name "Hand over hot leads"'),
    Row(
        ("integrations", "list"),
        "integrations.list",
        "{lgp} integrations list",
        table=("id", "platform", "status", "lastSyncAt"),
    ),
    Row(
        ("integrations", "create"),
        "integrations.create",
        '{lgp} integrations create --platform hubspot --config \'{"portal": "demo"}\'',
    ),
    Row(("webhooks", "list"), "webhooks.list", "{lgp} webhooks list", table=("id", "url", "events", "active")),
    Row(
        ("webhooks", "create"),
        "webhooks.create",
        "{lgp} webhooks create --url https://hooks.example/leadgenius --events enrichment_completed",
    ),
)
MISSING = {
    ("workflows", "run"): "{lgp} workflows list   (workflows start by their trigger)",
    ("webhooks", "delete"): "{lgp} webhooks list   (removing one is only possible in the web application)",
    ("integrations", "delete"): "{lgp} integrations list   (removing one is only possible in the web application)",
}
