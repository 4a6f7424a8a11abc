"""ABM campaigns."""

from __future__ import annotations

from commands.runners import single
from commands.runners.rows import Call, Row

_COLUMNS = ("id", "name", "campaignType", "status", "startDate", "endDate")


def create(call: Call) -> int:
    """The documented short line makes an active campaign, which is more than most people mean: it is said."""
    code = single.run(call)
    if call.typed("data") is None and call.typed("body_status") is None:
        call.session.notes("note", "The new campaign's status is active; to prepare a draft add --status draft.")
    return code


ROWS = (
    Row(("campaigns", "list"), "campaigns.list", "{lgp} campaigns list --status active", table=_COLUMNS),
    Row(
        ("campaigns", "create"),
        "campaigns.create",
        '{lgp} campaigns create --name "Q3 Expansion"',
        help="Create a campaign (active, unless --status or --data says otherwise)",
        defaults={"campaignType": "abm", "status": "active"},
        run=create,
    ),
    Row(("campaigns", "get"), "campaigns.get", "{lgp} campaigns get CAMPAIGN_ID", ids="many", table=_COLUMNS),
    Row(("campaigns", "update"), "campaigns.update", "{lgp} campaigns update CAMPAIGN_ID --status paused", ids="one"),
    Row(("campaigns", "archive"), "campaigns.archive", "{lgp} campaigns archive CAMPAIGN_ID", ids="many"),
    Row(("campaigns", "metrics"), "campaigns.metrics", "{lgp} campaigns metrics CAMPAIGN_ID", ids="many"),
)
MISSING = {
    ("campaigns", "show"): "{lgp} campaigns get CAMPAIGN_ID",
    ("campaigns", "delete"): "{lgp} campaigns archive CAMPAIGN_ID   (the record is kept)",
    ("campaigns", "find"): "{lgp} campaigns list --status active",
}
