"""Administration: what a Master Admin sees of all companies."""

from __future__ import annotations

from commands.runners.rows import Row

ROWS = (
    Row(
        ("admin", "companies"),
        "admin.companies",
        "{lgp} admin companies",
        table=("id", "name", "owner", "memberCount", "leadCount"),
    ),
    Row(("admin", "users"), "admin.users", "{lgp} admin users", table=("id", "email", "role", "status", "company_id")),
)
