"""Leads: search, create, batches, status."""

from __future__ import annotations

from typing import Any

from sandbox import checks, leadstore, records
from sandbox.answers import Answer, Refusal, not_found, ok, said
from sandbox.checks import Bad
from sandbox.pages import Page
from sandbox.routes import Call, route
from sandbox.store import get_record
from sandbox.times import iso

LARGEST_BATCH = 100
STATUSES = ("new", "qualified", "contacted", "converted", "unqualified")
STATUS = checks.one_of(*STATUSES, fold=True)
TEXTS = ("fullName", "contactName", "companyName", "companyDomain", "title", "phoneNumber", "linkedinUrl", "notes")
REQUIRED = ("firstName", "lastName", "email")
FIELDS = {
    "firstName": checks.text,
    "lastName": checks.text,
    "email": checks.email,
    **dict.fromkeys(TEXTS, checks.text),
    "campaignId": checks.text,
    "client_id": checks.text,
    "status": STATUS,
}
FILTERS = {
    "status": checks.one_of(*STATUSES),
    **dict.fromkeys(("campaignId", "email", "companyName", "client_id"), checks.text),
}
DUPLICATE = "duplicate: this e-mail is already stored for this client"


@route("GET", "/api/agent/leads", "leads.list")
def list_leads(call: Call) -> Answer:
    """What LeadService finds: the newest 1,000 of each of two indexes, merged, then filtered, newest first."""
    page = Page.of(call.query)
    source, values = leadstore.search(checks.query_of(call.query, FILTERS))
    values = {"company": call.company, "user": call.caller.user, **values}
    return page.select(call.db, source, "created_at DESC, seq DESC", values)


@route("POST", "/api/agent/leads", "leads.create")
def create(call: Call) -> Answer:
    """201; 409 when the e-mail is already stored within the client."""
    fields = records.checked(call, _lead_of(call))
    if leadstore.is_stored(call, fields["email"], fields.get("client_id")):
        sentence = "This e-mail is already stored for this client"
        raise Refusal("DUPLICATE_DETECTED", sentence, [("email", "is a duplicate")])
    return records.created(_store(call, fields))


@route("POST", "/api/agent/leads/batch", "leads.create-batch")
def create_batch(call: Call) -> Answer:
    """201 with created, createdIds and skipped [{index, email, reason}]: bad rows do not hold up good ones."""
    rows = checks.batch(call.body, "leads", LARGEST_BATCH)
    for index, row in enumerate(rows):
        records.refuse_foreign(call, row, f"leads[{index}].")
    ids, skipped, check = [], [], _lead_of(call)
    for index, row in enumerate(rows):
        try:
            ids.append(_batch_row(call, check(row)))
        except Bad as bad:
            given = row.get("email") if isinstance(row, dict) else None
            skipped.append({"index": index, "email": given, "reason": bad.sentence()})
    return said(201, created=len(ids), createdIds=ids, skipped=skipped)


def _batch_row(call: Call, fields: dict[str, Any]) -> str:
    if leadstore.is_stored(call, fields["email"], fields.get("client_id")):
        raise Bad(DUPLICATE)
    return str(_store(call, fields)["id"])


def _lead_of(call: Call) -> checks.Check:
    """The check of one lead, whose campaign must be one of the company's."""

    def campaign(value: Any) -> str:
        if get_record(call.db, "campaign", call.company, checks.text(value)) is None:
            raise Bad("names no campaign of this company")
        return str(value)

    return checks.record({**FIELDS, "campaignId": campaign}, REQUIRED)


def _store(call: Call, fields: dict[str, Any]) -> dict[str, Any]:
    name = f"{fields['firstName']} {fields['lastName']}"
    # Without these two the vendor's web interface shows blank rows.
    lead = records.stamped(call, fields, fullName=name, contactName=name, status="new")
    lead["lead_id"] = lead["id"]
    leadstore.add(call.db, [(lead, [(lead["status"], lead["createdAt"])])])
    return lead


@route("DELETE", "/api/agent/leads/batch", "leads.delete-batch", takes_body=True)
def delete_batch(call: Call) -> Answer:
    """200 with deleted and notFound; another company's ids are among the latter."""
    ids = dict.fromkeys(checks.batch(call.body, "ids", LARGEST_BATCH, checks.text))
    missing = [lead for lead in ids if not leadstore.remove(call, lead)]
    return said(deleted=len(ids) - len(missing), notFound=missing)


@route("PUT", "/api/agent/leads/{id}/status", "leads.status")
def set_status(call: Call) -> Answer:
    """Any order is allowed. A change is recorded with its time; the status it already has records nothing."""
    found = leadstore.get(call.db, call.company, call.caller.user, call.path["id"])
    if found is None:
        raise not_found("lead")
    seq, lead = found
    status = records.checked(call, checks.record({"status": STATUS}, ["status"]))["status"]
    if status != lead["status"]:
        lead = {**lead, "status": status, "updatedAt": iso(call.now)}
        leadstore.save(call.db, lead)
        query = "INSERT INTO status_changes(lead, status, at) VALUES (?, ?, ?)"
        call.db.execute(query, (seq, status, iso(call.now)))
    return ok(lead, id=lead["id"])
