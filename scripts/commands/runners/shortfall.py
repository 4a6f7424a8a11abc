"""Records inside an accepted part that the server did not take: what it names, and what its counts leave out.

Servers differ in what they tell: a list with reasons, a number, or only how many they took.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.catalog import Operation
from leadgenius.errors import RefusedError

if TYPE_CHECKING:
    from leadgenius.transport import Answer

Problem = dict[str, Any]
_DONE = {"leads.create-batch": "created", "leads.delete-batch": "deleted", "sequences.enroll": "enrolled"}
_HARMLESS = ("duplicate", "skipped")  # counted, not errors: there before, or left out for a reason that is not told
_WORDS = {
    "leads.create-batch": "of the rows were not stored",
    "leads.delete-batch": "of the ids were not there: deleted before, or never there",
    "sequences.enroll": "of the leads were not enrolled",
}


_LEFT_OUT = {"id": None, "code": "unexplained", "message": "The server does not count it as done, nor says why."}


def of(operation: Operation, records: Sequence[str], answer: Answer) -> list[Problem]:
    """The problems of an accepted part; `outcome` is rejected, or deleted_or_absent after an unanswered delete."""
    if operation.id not in _DONE:
        return []
    body = answer.body if isinstance(answer.body, dict) else {}
    named = _missing(records, body) if operation.id == "leads.delete-batch" else _skipped(records, body)
    rest = _rest(len(records), body.get(_DONE[operation.id]))
    named = named[: len(records) if rest is None else rest]
    named += [_LEFT_OUT] * ((rest or 0) - len(named))
    found = [{"outcome": "rejected", "http_status": answer.status, **one} for one in named]
    if answer.doubted and operation.id == "leads.delete-batch":
        gone = {"outcome": "deleted_or_absent", "message": "Deleted by the attempt before, or never there."}
        return [{**one, **gone} for one in found]
    return found


def judge(operation: Operation, problems: Sequence[Problem]) -> None:
    """RefusedError when records were not taken, duplicates aside."""
    count = sum(one["outcome"] == "rejected" and one["code"] not in _HARMLESS for one in problems)
    if count and operation.id in _WORDS:
        code = "not_found" if operation.id == "leads.delete-batch" else "refused"
        hint = "The result's problems name them: mend those and send them alone."
        raise RefusedError(
            f"{count} {_WORDS[operation.id]}.", code=code, hint=hint, outcome="rejected", http_status=200
        )


def _missing(records: Sequence[str], body: dict[str, Any]) -> list[Problem]:
    listed = body.get("notFound")
    absent = {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()
    told = {"code": "not_found", "message": "There was no such lead to delete."}
    return [{"id": one, **told} for one in records if one in absent]


def _skipped(records: Sequence[str], body: dict[str, Any]) -> list[Problem]:
    skipped = body.get("skipped")
    if isinstance(skipped, int) and not isinstance(skipped, bool):
        told = {"code": "skipped", "message": "Skipped; the server does not say which one or why."}
        return [{"id": None, **told}] * min(max(skipped, 0), len(records))
    named = [one for one in skipped if isinstance(one, dict)] if isinstance(skipped, list) else []
    return [_skip(records, one) for one in named]


def _skip(records: Sequence[str], told: dict[str, Any]) -> Problem:
    """One skipped record: a row by its index, a lead by its id, and whether it was there before."""
    index, lead, reason = told.get("index"), told.get("leadId"), str(told.get("reason", "")).lower()
    name = records[index] if isinstance(index, int) and 0 <= index < len(records) else None
    name = lead if isinstance(lead, str) and lead in records else name
    if any(word in reason for word in ("duplicate", "already", "exist")):
        return {"id": name, "code": "duplicate", "message": "It was there before."}
    if not reason:
        return {"id": name, "code": "skipped", "message": "The server skipped it and does not say why."}
    return {"id": name, "code": "refused", "message": "The server skipped it; its part's answer says why."}


def _rest(records: int, done: Any) -> int | None:
    """How many records the server's own count leaves undone; None when it gives no count that can be."""
    if not isinstance(done, int) or isinstance(done, bool) or not 0 <= done <= records:
        return None
    return records - done
