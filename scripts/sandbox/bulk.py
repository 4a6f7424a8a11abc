"""Bulk extraction (system scope): one index walked straight through by an opaque cursor, without a depth limit."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import Any

from sandbox import checks
from sandbox.answers import Answer, Refusal, said
from sandbox.pages import count
from sandbox.routes import Call, route
from sandbox.store import unpack

DEFAULT_LIMIT, LARGEST_LIMIT = 1000, 5000
EVERY_CLIENT = (None, "ALL", "DEFAULT")
CHECKS = {**dict.fromkeys(("companyId", "clientId", "nextToken", "fields"), checks.text), "limit": count}
Rows = list[dict[str, Any]]


@route("GET", "/api/enrich-leads/list", "enrich-leads.list", needs="system")
def enriched(call: Call) -> Answer:
    return _walk(call, "leads")


@route("GET", "/api/source-leads/list", "source-leads.list", needs="system")
def source(call: Call) -> Answer:
    return _walk(call, "source_leads")


def _walk(call: Call, table: str) -> Answer:
    """One page in storing order: data, nextToken (null on the last page), meta. companyId must be the key's own."""
    query = checks.query_of({"companyId": "", **call.query}, CHECKS)
    if query["companyId"] != call.company:
        raise Refusal("FORBIDDEN", "This key is not of that company", [("companyId", "is not the company of the key")])
    client = query.get("clientId")
    client = None if client in EVERY_CLIENT else client
    limit = min(query.get("limit", DEFAULT_LIMIT), LARGEST_LIMIT)
    after = _read_cursor(query["nextToken"], table, client) if "nextToken" in query else 0
    found, last = _read(call, table, client, after, limit)
    rows = [_only(row, query.get("fields")) for row in found]
    return said(data=rows, nextToken=last and _cursor(table, client, last), meta=_meta(found, client))


def _read(call: Call, table: str, client: str | None, after: int, limit: int) -> tuple[Rows, int | None]:
    """The rows after a row number, and the number to go on from, None at the end."""
    where = "company_id = ? AND seq > ?" + ("" if client is None else " AND client_id = ?")
    values = (call.company, after, *([] if client is None else [client]), limit + 1)
    query = f"SELECT seq, doc FROM {table} WHERE {where} ORDER BY seq LIMIT ?"  # noqa: S608
    rows = call.db.execute(query, values).fetchall()
    return unpack(rows[:limit]), rows[limit - 1]["seq"] if len(rows) > limit else None


def _meta(rows: Rows, client: str | None) -> dict[str, Any]:
    clients = Counter(row.get("client_id") or "unassigned" for row in rows)
    index = "company_id-GSI" if client is None else "client_id-GSI"
    return {"totalReturned": len(rows), "queryMethod": index, "clientSummary": dict(clients)}


def _only(row: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """The asked-for fields; id is always among them, unknown names are ignored."""
    wanted = {"id", *(name.strip() for name in fields.split(","))} if fields else row.keys()
    return {name: value for name, value in row.items() if name in wanted}


def _cursor(table: str, client: str | None, seq: int) -> str:
    """Bound to its query, so that it cannot continue another one by mistake."""
    return base64.urlsafe_b64encode(json.dumps([table, client, seq]).encode()).decode().rstrip("=")


def _read_cursor(token: str, table: str, client: str | None) -> int:
    try:
        if re.fullmatch("[A-Za-z0-9_-]{1,4096}", token):
            found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            if isinstance(found, list) and found[:2] == [table, client] and _is_row_number(found[2:]):
                return int(found[2])
    except (ValueError, RecursionError):
        pass
    raise Refusal("INVALID_PARAMETER", "This nextToken is not of this query", [("nextToken", "is not of this query")])


def _is_row_number(rest: list[Any]) -> bool:
    return len(rest) == 1 and type(rest[0]) is int and 0 < rest[0] < 2**62
