"""Leads as they are stored, and LeadService: the search that reads two indexes and merges them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.funnel import VISIBLE
from sandbox.routes import Call
from sandbox.store import INDEX_DEPTH, pack

Lead = dict[str, Any]

# The newest of each index; UNION drops what both found. Filters and the page come after the merge, so an older lead
# that would match is not found: references/api_reference.md#search-depth. A lead of another company is never shown.
MERGED = f"""(
    SELECT leads.* FROM leads WHERE seq IN (
        SELECT seq FROM (SELECT seq FROM leads WHERE company_id = :company
            ORDER BY created_at DESC, seq DESC LIMIT {INDEX_DEPTH})
        UNION
        SELECT seq FROM (SELECT seq FROM leads WHERE owner = :user
            ORDER BY created_at DESC, seq DESC LIMIT {INDEX_DEPTH}))
    AND {VISIBLE}) AS leads"""  # noqa: S608
COLUMN_OF_FILTER = {
    "status": "status",
    "campaignId": "campaign_id",
    "client_id": "client_id",
    "email": "email",
    "companyName": "company_name",
}


def folded(value: str | None) -> str | None:
    """How e-mails and company names are compared."""
    return None if value is None else value.casefold()


def search(filters: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """LeadService as SQL: a source to page through, and the values of its filters (exact; two fold case)."""
    folding = ("email", "companyName")
    values = {f"by_{name}": value.casefold() if name in folding else value for name, value in filters.items()}
    where = "".join(f" AND {COLUMN_OF_FILTER[name]} = :by_{name}" for name in filters)
    return f"{MERGED} WHERE 1{where}", values


def add(db: sqlite3.Connection, leads: Iterable[tuple[Lead, Sequence[tuple[str, str]]]]) -> None:
    """Store leads, each with its status changes as (status, time) pairs, the first one at its creation."""
    query = """INSERT INTO leads(id, company_id, owner, client_id, campaign_id, status, email, company_name,
        created_at, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
    changes = []
    for lead, passed in leads:
        seq = db.execute(query, (lead["id"], lead.get("company_id"), lead.get("owner"), *_columns(lead))).lastrowid
        changes += [(seq, status, at) for status, at in passed]
    db.executemany("INSERT INTO status_changes(lead, status, at) VALUES (?, ?, ?)", changes)


def _columns(lead: Lead) -> tuple[Any, ...]:
    found = (lead.get("client_id"), lead.get("campaignId"), lead["status"], folded(lead["email"]))
    return (*found, folded(lead.get("companyName")), lead["createdAt"], pack(lead))


def save(db: sqlite3.Connection, lead: Lead) -> None:
    query = """UPDATE leads SET client_id = ?, campaign_id = ?, status = ?, email = ?, company_name = ?,
        created_at = ?, doc = ? WHERE id = ?"""
    db.execute(query, (*_columns(lead), lead["id"]))


def get(db: sqlite3.Connection, company: str, user: str, lead: str) -> tuple[int, Lead] | None:
    """The lead's row number and record, or None: also when it is another company's."""
    query = f"SELECT seq, doc FROM leads WHERE id = :lead AND {VISIBLE}"  # noqa: S608
    row = db.execute(query, {"lead": lead, "company": company, "user": user}).fetchone()
    return (row["seq"], json.loads(row["doc"])) if row else None


def is_stored(call: Call, email: str, client: str | None) -> bool:
    """Whether the company has this e-mail within the client."""
    query = "SELECT 1 FROM leads WHERE company_id = ? AND email = ? AND client_id IS ?"
    return call.db.execute(query, (call.company, folded(email), client)).fetchone() is not None


def remove(call: Call, lead: str) -> bool:
    """Delete one lead with its changes and enrolments; False if the caller has none of this id."""
    query = f"DELETE FROM leads WHERE id = :lead AND {VISIBLE}"  # noqa: S608
    values = {"lead": lead, "company": call.company, "user": call.caller.user}
    return call.db.execute(query, values).rowcount == 1
