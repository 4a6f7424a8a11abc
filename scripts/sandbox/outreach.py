"""Target accounts and their scores, sequences and enrolments."""

from __future__ import annotations

from sandbox import checks, leadstore, records
from sandbox.answers import Answer, Refusal, ok, said
from sandbox.pages import list_records
from sandbox.routes import Call, route
from sandbox.times import iso

LARGEST_ENROLMENT = 500
SCORES = dict.fromkeys(("intentScore", "engagementScore", "fitScore"), checks.whole(0, 100))
ACCOUNT = {**dict.fromkeys(("accountName", "domain", "industry", "tier"), checks.text), **SCORES}
CHANNEL = checks.one_of("email", "linkedin", "multi")
STEP = {"day": checks.whole(0, 3650), "channel": CHANNEL, "template": checks.text}
SEQUENCE = {
    "name": checks.text,
    "channel": CHANNEL,
    "status": checks.text,
    "steps": checks.items(checks.record(STEP)),
}


@route("GET", "/api/agent/target-accounts", "target-accounts.list")
def list_accounts(call: Call) -> Answer:
    return records.listed(call, "target account")


@route("POST", "/api/agent/target-accounts", "target-accounts.create")
def create_account(call: Call) -> Answer:
    fields = records.checked(call, checks.record(ACCOUNT, ["accountName"]))
    return records.created(records.add(call, "target account", fields))


@route("PUT", "/api/agent/target-accounts/{id}/score", "target-accounts.score")
def score(call: Call) -> Answer:
    """Any of the three scores, at least one."""
    account = records.get(call, "target account")
    fields = records.checked(call, checks.record(SCORES))
    if not fields:
        raise Refusal("VALIDATION_ERROR", "A score is missing", [(name, "give at least one score") for name in SCORES])
    return ok(records.change(call, "target account", account, fields), id=account["id"])


@route("GET", "/api/agent/sequences", "sequences.list")
def list_sequences(call: Call) -> Answer:
    """Each with enrolledCount."""
    page, rows, total = list_records(call.db, "sequence", call.company, call.query)
    query = "SELECT count(*) FROM enrolments WHERE sequence_id = ?"
    counts = [call.db.execute(query, (row["id"],)).fetchone()[0] for row in rows]
    return page.envelope([{**row, "enrolledCount": n} for row, n in zip(rows, counts, strict=True)], total)


@route("POST", "/api/agent/sequences", "sequences.create")
def create_sequence(call: Call) -> Answer:
    fields = records.checked(call, checks.record(SEQUENCE, ["name"]))
    sequence = records.add(call, "sequence", fields, channel="email", status="draft", steps=[])
    return ok({**sequence, "enrolledCount": 0}, 201, id=sequence["id"])


@route("POST", "/api/agent/sequences/{id}/enroll", "sequences.enroll")
def enroll(call: Call) -> Answer:
    """200 with enrolled and skipped [{leadId, reason}]: unknown leads and those that are enrolled already."""
    sequence = records.get(call, "sequence")
    leads = checks.batch(call.body, "leadIds", LARGEST_ENROLMENT, checks.text)
    reasons = [(lead, _enrol(call, sequence["id"], lead)) for lead in leads]
    skipped = [{"leadId": lead, "reason": reason} for lead, reason in reasons if reason]
    return said(enrolled=len(leads) - len(skipped), skipped=skipped)


def _enrol(call: Call, sequence: str, lead: str) -> str:
    """Enrol one lead; the reason why not, or nothing."""
    found = leadstore.get(call.db, call.company, call.caller.user, lead)
    if found is None:
        return "no such lead"
    query = "INSERT OR IGNORE INTO enrolments(sequence_id, lead, at) VALUES (?, ?, ?)"
    fresh = call.db.execute(query, (sequence, found[0], iso(call.now))).rowcount
    return "" if fresh else "already enrolled"
