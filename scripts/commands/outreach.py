"""Outreach sequences. Enrolling a lead contacts a person, so many at once need --yes."""

from __future__ import annotations

from commands.runners.rows import Row

ROWS = (
    Row(
        ("sequences", "list"),
        "sequences.list",
        "{lgp} sequences list",
        table=("id", "name", "channel", "status", "enrolledCount"),
    ),
    Row(
        ("sequences", "create"),
        "sequences.create",
        '{lgp} sequences create --name "Welcome" --channel email',
    ),
    Row(
        ("sequences", "enroll"),
        "sequences.enroll",
        "{lgp} sequences enroll SEQUENCE_ID --ids lead_1 lead_2",
        ids="one",
        data=False,
    ),
)
MISSING = {
    ("sequences", "get"): "{lgp} sequences list",
    ("sequences", "update"): "{lgp} sequences list   (changing one is only possible in the web application)",
    ("sequences", "unenroll"): "{lgp} sequences list   (removing a lead is only possible in the web application)",
}
