"""The plain resources: a row each. How they are listed, made and changed follows from openapi.json.

A new plain endpoint is an entry there, and a row of KINDS here unless its resource has one.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from contract.operations import document, operations
from leadgenius.settings import iso
from sandbox import leads
from sandbox.answers import Answer, not_found, reply
from sandbox.routes import HANDLERS, Call, check_dates, handles
from sandbox.store import Record, add_records, get_record, set_record, unpack


class Kind(NamedTuple):
    """`name` is that of the records in the store, `schema` that of openapi.json.

    Answers hold its fields.
    """

    name: str
    schema: str
    defaults: Mapping[str, Any] = {}  # of a new record that gives none
    answers_as: str = (
        ""  # the field that holds a new record, where it is not `data` with `id` beside it
    )
    secret: str = ""  # a field that is generated, shown when the record is made, and never again
    write_only: str = ""  # a field that is accepted and not stored, since nothing here would use it


REPORTED = {"userEmail": None, "status": "open"}
KINDS = {
    "campaigns": Kind("campaign", "Campaign", {"status": "draft"}),
    "target-accounts": Kind("target account", "TargetAccount"),
    "sequences": Kind("sequence", "Sequence", {"channel": "email", "status": "draft", "steps": []}),
    "workflows": Kind("workflow", "Workflow", {"status": "draft", "steps": [], "handoffs": []}),
    "integrations": Kind(
        "integration",
        "Integration",
        {"status": "connected", "lastSyncAt": None},
        write_only="config",
    ),
    "webhooks": Kind("webhook", "Webhook", {"active": True}, secret="secret"),  # noqa: S106 (the name of a field)
    "maintenance.bugs": Kind("bug", "Report", REPORTED, answers_as="bug"),
    "maintenance.enhancements": Kind("enhancement", "Report", REPORTED, answers_as="enhancement"),
}


def list_records(kind: Kind, call: Call) -> Answer:
    """Newest first; the operation's own parameters are exact values of fields."""
    filters = {
        name: value for name, value in call.query.items() if name not in ("page", "pageSize")
    }
    source = "FROM records WHERE kind = :kind AND company_id = :company AND created_at <= :newest"
    source += "".join(f" AND json_extract(doc, '$.{name}') = :{name}" for name in filters)
    cut = {"size": call.page.size, "start": call.page.start}
    values = {"kind": kind.name, "company": call.company, "newest": call.newest, **filters, **cut}
    (total,) = call.db.execute(f"SELECT count(*) {source}", values).fetchone()
    query = f"SELECT doc {source} ORDER BY created_at DESC, seq DESC LIMIT :size OFFSET :start"
    rows = unpack(call.db.execute(query, values))
    return call.page.answer([_shown(call, kind, row) for row in rows], total)


def _shown(call: Call, kind: Kind, record: Record) -> Record:
    fields = document()["components"]["schemas"][kind.schema]["properties"].keys() - {kind.secret}
    shown = {name: value for name, value in record.items() if name in fields}
    if kind.name == "sequence":
        query = "SELECT count(*) FROM enrolments WHERE sequence_id = ?"
        (shown["enrolledCount"],) = call.db.execute(query, (record["id"],)).fetchone()
    return shown


def create(kind: Kind, call: Call) -> Answer:
    """201; the id stands at the top level too, because clients read it there."""
    check_dates(call.body)
    fields = {name: value for name, value in call.body.items() if name != kind.write_only}
    at = iso(call.now)
    tenancy = {"company_id": call.company, "owner": call.caller.user}
    times = {"createdAt": at, "updatedAt": at}
    record = {"id": str(uuid.uuid4()), **kind.defaults, **fields, **tenancy, **times}
    generated = {kind.secret: "whsec_" + secrets.token_hex(16)} if kind.secret else {}
    add_records(call.db, kind.name, [{**record, **generated}])
    shown = {**_shown(call, kind, record), **generated}
    if kind.answers_as:
        return reply(201, **{kind.answers_as: shown})
    return reply(201, id=record["id"], data=shown)


def find(kind: Kind, call: Call) -> Record:
    """The record that the path names. Refusal NOT_FOUND, also for another company's."""
    record = get_record(call.db, kind.name, call.company, call.id)
    if record is None:
        raise not_found(kind.name)
    return record


def get(kind: Kind, call: Call) -> Answer:
    return reply(data=_shown(call, kind, find(kind, call)))


def update(kind: Kind, call: Call) -> Answer:
    """Fields that are absent stay."""
    record = {**find(kind, call), **call.body}
    check_dates(record)
    return _saved(kind, call, record)


def archive(kind: Kind, call: Call) -> Answer:
    """Keeps the record and sets its status."""
    return _saved(kind, call, {**find(kind, call), "status": "archived"})


def _saved(kind: Kind, call: Call, record: Record) -> Answer:
    record["updatedAt"] = iso(call.now)
    set_record(call.db, kind.name, record)
    return reply(data=_shown(call, kind, record))


VERBS = {
    "list": list_records,
    "create": create,
    "report": create,
    "request": create,
    "get": get,
    "update": update,
    "score": update,
    "archive": archive,
}


# Every operation of a plain resource gets its handler.
for operation in operations():
    resource, _, verb = operation.rpartition(".")
    if resource in KINDS and verb in VERBS:
        HANDLERS[operation] = partial(VERBS[verb], KINDS[resource])


@handles("sequences.enroll")
def enroll(call: Call) -> Answer:
    """200 with enrolled and skipped [{leadId, reason}].

    Unknown leads and those that are enrolled already.
    """
    sequence = find(KINDS["sequences"], call)["id"]
    reasons = [(lead, _enrol(call, sequence, lead)) for lead in call.body["leadIds"]]
    skipped = [{"leadId": lead, "reason": reason} for lead, reason in reasons if reason]
    return reply(enrolled=len(reasons) - len(skipped), skipped=skipped)


def _enrol(call: Call, sequence: str, lead: str) -> str:
    """Enrol one lead; the reason why not, or nothing."""
    found = leads.get(call.db, call.company, call.caller.user, lead)
    if found is None:
        return "no such lead"
    query = "INSERT OR IGNORE INTO enrolments(sequence_id, lead, at) VALUES (?, ?, ?)"
    is_new = call.db.execute(query, (sequence, found[0], iso(call.now))).rowcount
    return "" if is_new else "already enrolled"
