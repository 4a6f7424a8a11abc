"""What all records of a company share: who made them, when, and that they stay with the company."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.answers import Answer, Refusal, not_found, ok
from sandbox.checks import Check, body_of
from sandbox.pages import list_records
from sandbox.routes import Call
from sandbox.store import add_records, get_record, set_record
from sandbox.times import iso


def refuse_foreign(call: Call, body: Any, under: str = "") -> None:
    """`owner` and `company_id` come from the key (references/api_reference.md#tenancy); others are IMMUTABLE_FIELD."""
    mine = {"owner": call.caller.user, "company_id": call.company}
    given = body if isinstance(body, dict) else {}
    found = [(under + name, "is set from the key") for name in mine if given.get(name) not in (None, mine[name])]
    if found:
        raise Refusal("IMMUTABLE_FIELD", "owner and company_id cannot be chosen", found)


def checked(call: Call, check: Check) -> dict[str, Any]:
    """The checked body of a call that makes or changes a record."""
    refuse_foreign(call, call.body)
    clean: dict[str, Any] = body_of(check, call.body)
    return clean


def stamped(call: Call, fields: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """A new record: id, the fields, defaults for the others, tenancy and times."""
    fields = {**fields, **{name: value for name, value in defaults.items() if name not in fields}}
    tenancy = {"company_id": call.company, "owner": call.caller.user}
    return {"id": str(uuid.uuid4()), **fields, **tenancy, "createdAt": iso(call.now), "updatedAt": iso(call.now)}


def add(call: Call, kind: str, fields: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """Store a new record of the fields, with the defaults for those that were not given."""
    record = stamped(call, fields, **defaults)
    add_records(call.db, kind, [record])
    return record


def created(record: dict[str, Any]) -> Answer:
    """201; the id stands at the top level too, because clients read it there."""
    return ok(record, 201, id=record["id"])


def get(call: Call, kind: str) -> dict[str, Any]:
    """The record that the path names. Raises Refusal NOT_FOUND, also for another company's."""
    record = get_record(call.db, kind, call.company, call.path["id"])
    if record is None:
        raise not_found(kind)
    return record


def change(call: Call, kind: str, record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """The record with the fields set; None takes a field away."""
    changed = {**record, **fields, "updatedAt": iso(call.now)}
    changed = {name: value for name, value in changed.items() if value is not None or name not in fields}
    set_record(call.db, kind, changed)
    return changed


def listed(call: Call, kind: str, **filters: Any) -> Answer:
    page, rows, total = list_records(call.db, kind, call.company, call.query, **filters)
    return page.envelope(rows, total)
