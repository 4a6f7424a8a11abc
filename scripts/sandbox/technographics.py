"""What an enrichment finds out about a lead: the same for the same lead each time, invented otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

TECHNOLOGIES = ("PostgreSQL", "Kubernetes", "Snowflake", "React", "Terraform", "Kafka", "Django", "Redis", "dbt", "Go")
INDUSTRIES = ("Software", "Logistics", "Manufacturing", "Healthcare", "Energy", "Retail", "Finance", "Education")
EMAIL_STATUSES = ("valid", "valid", "valid", "risky", "unknown")
SIZES = (12, 35, 80, 140, 260, 420, 900, 1800, 5200)
TYPES = ("technographic", "firmographic", "contact")


def found(kind: str, lead: Mapping[str, Any]) -> dict[str, Any]:
    """The fields an enrichment of this kind sets: technologies; employeeCount and industry; emailStatus."""
    by_company = _number(str(lead.get("companyName") or lead["id"]))
    if kind == "technographic":
        return {"technologies": [TECHNOLOGIES[(by_company + 3 * step) % 10] for step in range(2 + by_company % 4)]}
    if kind == "firmographic":
        return {"employeeCount": SIZES[by_company % len(SIZES)], "industry": INDUSTRIES[by_company % len(INDUSTRIES)]}
    if kind == "contact":
        return {"emailStatus": EMAIL_STATUSES[_number(lead["email"]) % len(EMAIL_STATUSES)]}
    return {}


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
