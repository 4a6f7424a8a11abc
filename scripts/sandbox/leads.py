"""Leads.

Search and its depth, creation, batches, status, bulk extraction of leads and source leads.
"""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from contract.operations import operations
from contract.validate import problems
from leadgenius.settings import iso
from sandbox.accounts import digest
from sandbox.answers import Answer, Refusal, not_found, reply
from sandbox.routes import HANDLERS, Call, handles, known
from sandbox.store import Record, get_record, pack, unpack

INDEX_DEPTH = 1000  # what a search reads from each index: references/api_reference.md#search-depth
# Who may see a lead: its company, and its owner when no company is recorded.
VISIBLE = "(company_id = :company OR (company_id IS NULL AND owner = :user))"
COLUMN_OF_FILTER = {
    "status": "status",
    "campaignId": "campaign_id",
    "client_id": "client_id",
    "email": "email",
    "companyName": "company_name",
}
DEFAULT_LIMIT, LARGEST_LIMIT = 1000, 5000
FOLDED = ("status", "email", "companyName")  # compared in any case

Changes = Sequence[tuple[str, str]]  # (status, time)


# Storing


def folded(value: str | None) -> str | None:
    """How e-mails and company names are compared."""
    return None if value is None else value.casefold()


def add(db: sqlite3.Connection, leads: Iterable[tuple[Record, Changes]]) -> None:
    """Store leads, each with its status changes, the first one at its creation."""
    (last,) = db.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'leads'"
    ).fetchone()
    rows, changes = [], []
    for seq, (lead, passed) in enumerate(leads, last + 1):
        rows.append(
            (*_columns(lead), seq, lead["company_id"], lead["owner"], lead["createdAt"], lead["id"])
        )
        changes += [(seq, status, at) for status, at in passed]
    query = """INSERT INTO leads(client_id, campaign_id, status, email, company_name, doc,
        seq, company_id, owner, created_at, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
    db.executemany(query, rows)
    db.executemany("INSERT INTO status_changes(lead, status, at) VALUES (?, ?, ?)", changes)


def save(db: sqlite3.Connection, lead: Record) -> None:
    """Store a lead again that has changed."""
    query = """UPDATE leads SET client_id = ?, campaign_id = ?, status = ?, email = ?,
        company_name = ?, doc = ? WHERE id = ?"""
    db.execute(query, (*_columns(lead), lead["id"]))


def _columns(lead: Record) -> tuple[Any, ...]:
    names = folded(lead["email"]), folded(lead.get("companyName"))
    return (lead.get("client_id"), lead.get("campaignId"), lead["status"], *names, pack(lead))


def get(db: sqlite3.Connection, company: str, user: str, lead: str) -> tuple[int, Record] | None:
    """The lead's row number and record, or None: also when it is another company's."""
    query = f"SELECT seq, doc FROM leads WHERE id = :lead AND {VISIBLE}"  # noqa: S608
    row = db.execute(query, {"lead": lead, "company": company, "user": user}).fetchone()
    return (row["seq"], json.loads(row["doc"])) if row else None


# The agent's calls


@handles("leads.list")
def search(call: Call) -> Answer:
    """What LeadService finds: the newest 1,000 of each of two indexes, merged, then filtered,
    newest first.

    So a filter misses older leads. A lead of another company is never shown, whoever owns it.

    """
    columns = {name: column for name, column in COLUMN_OF_FILTER.items() if name in call.query}
    found = {
        row["seq"]: row
        for row in _newest(call, ["seq", "created_at", "company_id", *columns.values()])
    }
    rows = [row for row in found.values() if row["company_id"] in (None, call.company)]
    for name, column in columns.items():
        wanted = call.query[name].casefold() if name in FOLDED else call.query[name]
        rows = [row for row in rows if row[column] == wanted]
    rows.sort(key=lambda row: (row["created_at"], row["seq"]), reverse=True)
    query = "SELECT doc FROM leads WHERE seq = ?"
    page = [call.db.execute(query, (row["seq"],)).fetchone() for row in call.page.cut(rows)]
    return call.page.answer(unpack(page), len(rows))


def _newest(call: Call, columns: Sequence[str]) -> list[sqlite3.Row]:
    """The newest rows of the company's index and of the owner's; many are in both."""
    rows: list[sqlite3.Row] = []
    for index, value in (("company_id", call.company), ("owner", call.caller.user)):
        query = f"""SELECT {", ".join(columns)} FROM leads WHERE {index} = ? AND created_at <= ?
            ORDER BY created_at DESC, seq DESC LIMIT {INDEX_DEPTH}"""  # noqa: S608
        rows += call.db.execute(query, (value, call.newest))
    return rows


@handles("leads.create")
def create(call: Call) -> Answer:
    """201; 409 when the e-mail is already stored within the client."""
    if found := _problems(call, call.body):
        code = "DUPLICATE_DETECTED" if found[0][0] == "email" else "VALIDATION_ERROR"
        raise Refusal(code, "This lead cannot be stored", found)
    lead = _store(call, call.body)
    return reply(201, id=lead["id"], data=lead)


@handles("leads.create-batch")
def create_batch(call: Call) -> Answer:
    """201 with created, createdIds and skipped [{index, email, reason}].

    Bad rows do not stop good ones.
    """
    schema = operations()["leads.create-batch"].body_fields()["leads"]["items"]
    ids, skipped = [], []
    for index, row in enumerate(call.body["leads"]):
        found = [one[:2] for one in problems(row, schema)] or _problems(call, row)
        if found:
            email = row.get("email") if isinstance(row, dict) else None
            reason = "; ".join(" ".join(pair).strip() for pair in found)
            skipped.append({"index": index, "email": email, "reason": reason})
        else:
            ids.append(_store(call, known(row, schema))["id"])
    return reply(201, created=len(ids), createdIds=ids, skipped=skipped)


def _problems(call: Call, lead: Record) -> list[tuple[str, str]]:
    """(field, problem) for what no schema can say."""
    campaign = lead.get("campaignId")
    if campaign and get_record(call.db, "campaign", call.company, campaign) is None:
        return [("campaignId", "names no campaign of this company")]
    query = "SELECT 1 FROM leads WHERE company_id = ? AND email = ? AND client_id IS ?"
    values = (call.company, folded(lead["email"]), lead.get("client_id"))
    if not call.allow_duplicates and call.db.execute(query, values).fetchone():
        return [("email", "is a duplicate: this client has a lead with it")]
    return []


def _store(call: Call, fields: Record) -> Record:
    name = f"{fields['firstName']} {fields['lastName']}"
    identity, at = str(uuid.uuid4()), iso(call.now)
    lead = {
        "id": identity,
        "lead_id": identity,
        "fullName": name,  # without these two the vendor's web application shows blank rows
        "contactName": name,
        **fields,
        "status": fields.get("status", "new").lower(),
        "company_id": call.company,
        "owner": call.caller.user,
        "createdAt": at,
        "updatedAt": at,
    }
    add(call.db, [(lead, [(lead["status"], at)])])
    return lead


@handles("leads.delete-batch")
def delete_batch(call: Call) -> Answer:
    """200 with deleted and notFound; another company's ids are among the latter."""
    ids = dict.fromkeys(call.body["ids"])
    query = f"DELETE FROM leads WHERE id = :lead AND {VISIBLE}"  # noqa: S608
    values = {"company": call.company, "user": call.caller.user}
    missing = [
        lead for lead in ids if not call.db.execute(query, {**values, "lead": lead}).rowcount
    ]
    return reply(deleted=len(ids) - len(missing), notFound=missing)


@handles("leads.status")
def set_status(call: Call) -> Answer:
    """Any order is allowed.

    A change is recorded with its time; the status it already has records nothing.
    """
    found = get(call.db, call.company, call.caller.user, call.id)
    if found is None:
        raise not_found("lead")
    seq, lead = found
    status = call.body["status"].lower()
    if status != lead["status"]:
        lead |= {"status": status, "updatedAt": iso(call.now)}
        save(call.db, lead)
        query = "INSERT INTO status_changes(lead, status, at) VALUES (?, ?, ?)"
        call.db.execute(query, (seq, status, iso(call.now)))
    return reply(data=lead)


# Bulk extraction: one index walked straight through by an opaque cursor, without a depth limit


def _walk(table: str, call: Call) -> Answer:
    """One page in storing order.

    Data, nextToken (null on the last page), meta. companyId must be the key's own.
    """
    if call.query["companyId"] != call.company:
        raise Refusal(
            "FORBIDDEN",
            "This key is not of that company",
            [("companyId", "is not the company of the key")],
        )
    client = call.query.get("clientId")
    client = None if client in ("ALL", "DEFAULT") else client
    limit = min(call.query.get("limit", DEFAULT_LIMIT), LARGEST_LIMIT)
    after = _read_cursor(call.query["nextToken"], table, client) if "nextToken" in call.query else 0
    of_client = "" if client is None else " AND client_id = :client"
    query = f"""SELECT seq, doc FROM {table} WHERE company_id = :company{of_client} AND seq > :after
        AND created_at <= :newest ORDER BY seq LIMIT :limit"""  # noqa: S608
    values = {
        "company": call.company,
        "client": client,
        "after": after,
        "newest": call.newest,
        "limit": limit + 1,
    }
    rows = call.db.execute(query, values).fetchall()
    last = rows[limit - 1]["seq"] if len(rows) > limit else None
    return _bulk_page(call, unpack(rows[:limit]), client, last and _cursor(last, table, client))


HANDLERS["enrich-leads.list"] = partial(_walk, "leads")
HANDLERS["source-leads.list"] = partial(_walk, "source_leads")


def _bulk_page(call: Call, rows: list[Record], client: str | None, cursor: str | None) -> Answer:
    """The rows with the asked-for fields: id is always among them, unknown names are ignored."""
    summary = Counter(row.get("client_id") or "unassigned" for row in rows)
    index = "company_id-GSI" if client is None else "client_id-GSI"
    meta = {"totalReturned": len(rows), "queryMethod": index, "clientSummary": dict(summary)}
    if "fields" in call.query:
        wanted = {"id", *(name.strip() for name in call.query["fields"].split(","))}
        rows = [{name: value for name, value in row.items() if name in wanted} for row in rows]
    return reply(data=rows, nextToken=cursor, meta=meta)


def _cursor(seq: int | str, table: str, client: str | None) -> str:
    """The row to go on after, bound to its query, so that it cannot continue another one by
    mistake.
    """
    return f"{seq}-{digest(f'{table} {client}')[:16]}"


def _read_cursor(token: str, table: str, client: str | None) -> int:
    seq = token.partition("-")[0]
    if not re.fullmatch("[1-9][0-9]{0,17}", seq) or token != _cursor(seq, table, client):
        details = [("nextToken", "is not of this query")]
        raise Refusal("INVALID_PARAMETER", "This nextToken is not of this query", details)
    return int(seq)
