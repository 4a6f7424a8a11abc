"""Targeted ABM: target accounts and their scores."""

from __future__ import annotations

from commands.runners.rows import Row

ROWS = (
    Row(
        ("target-accounts", "list"),
        "target-accounts.list",
        "{lgp} target-accounts list",
        table=("id", "accountName", "domain", "tier", "intentScore", "engagementScore", "fitScore"),
    ),
    Row(
        ("target-accounts", "create"),
        "target-accounts.create",
        '{lgp} target-accounts create --account-name "Northwind Traders" --domain northwind.example',
    ),
    Row(
        ("target-accounts", "score"),
        "target-accounts.score",
        "{lgp} target-accounts score ACCOUNT_ID --intent-score 80",
        ids="one",
    ),
)
MISSING = {
    ("target-accounts", "get"): "{lgp} target-accounts list",
    ("target-accounts", "update"): "{lgp} target-accounts score ACCOUNT_ID --intent-score 80",
}
