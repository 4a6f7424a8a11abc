"""Maintenance: bug reports and enhancement requests to the vendor."""

from __future__ import annotations

from commands.runners.rows import Row

_COLUMNS = ("id", "status", "createdAt", "description")
_FLAGS = {"description": ("--desc", "--description"), "userEmail": ("--email", "--user-email")}

ROWS = (
    Row(("maintenance", "bugs", "list"), "maintenance.bugs.list", "{lgp} maintenance bugs list", table=_COLUMNS),
    Row(
        ("maintenance", "bugs", "report"),
        "maintenance.bugs.report",
        '{lgp} maintenance bugs report --desc "Enrichment fails on LinkedIn URLs"',
        flags=_FLAGS,
    ),
    Row(
        ("maintenance", "enhancements", "list"),
        "maintenance.enhancements.list",
        "{lgp} maintenance enhancements list",
        table=_COLUMNS,
    ),
    Row(
        ("maintenance", "enhancements", "request"),
        "maintenance.enhancements.request",
        '{lgp} maintenance enhancements request --desc "Add support for Google Maps leads"',
        flags=_FLAGS,
    ),
)
