"""The table of operations: openapi.json says what each takes, `@handles` says what is done.

A body and a query are accepted exactly when their schemas accept them, before any handler runs.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from contract.operations import Operation, Schema, operations
from contract.validate import problems
from sandbox.answers import Answer, Page, Refusal, encode
from sandbox.limits import Allowance

MASTER_ADMIN = "master_admin"
CREDENTIALS = {
    "agent": "an agent key (lgp_…) as X-API-Key",
    "admin": "the agent key of a Master Admin as X-API-Key",
    "system": "an Amplify key as x-api-key",
    "root": "a token of /api/epsimo-auth as Authorization: Bearer",
}
OPEN = "auth.login"  # takes no credential
CLAMPED = ("page", "pageSize", "limit")  # too large is reduced, not refused
ROW_BY_ROW = {
    "leads.create-batch": "leads"
}  # a bad row of these is skipped and does not refuse the others


class Caller(NamedTuple):
    """`kind` is the scope that its credential opens.

    `credential` is what calls are counted under.
    """

    kind: str = ""
    credential: str = ""
    company: str = ""
    user: str = ""  # a system key has none
    role: str = ""


class Call(NamedTuple):
    """What a handler works on.

    `db` is inside a transaction, a writing one unless the method is GET. `query` and `body` are
    accepted ones, without fields that their schemas do not know.
    """

    db: sqlite3.Connection
    now: float  # epoch seconds
    caller: Caller
    id: str  # of the record that the path names
    query: dict[str, Any]
    body: dict[str, Any]
    newest: str = "9"  # lists show records created up to this time; see the fault `lag`
    allow_duplicates: bool = False  # of an e-mail within a client

    @property
    def company(self) -> str:
        return self.caller.company

    @property
    def page(self) -> Page:
        return Page.of(self.query)


Handler = Callable[[Call], Answer]
HANDLERS: dict[str, Handler] = {}


def handles(operation: str) -> Callable[[Handler], Handler]:
    """Make the decorated function the handler of an operation of openapi.json."""
    return lambda handler: HANDLERS.setdefault(operation, handler)


@cache
def _patterns() -> list[tuple[re.Pattern[str], Operation]]:
    """Every operation with a pattern of its raw path; literal paths before those with an id."""
    ordered = sorted(operations().values(), key=lambda one: "{" in one.path)
    return [(re.compile(re.sub(r"\{\w+\}", "([^/]+)", one.path)), one) for one in ordered]


def find(method: str, path: str) -> tuple[Operation, str]:
    """The operation of an undecoded path, and the id in it, undecoded too; empty where there is
    none.

    Raises Refusal NOT_FOUND, METHOD_NOT_ALLOWED.

    """
    matches = [(one, found) for words, one in _patterns() if (found := words.fullmatch(path))]
    if not matches:
        raise Refusal("NOT_FOUND", "There is no such path")
    allowed = sorted(one.method for one, _ in matches if one.path == matches[0][0].path)
    for one, found in matches:
        if one.method == method and method in allowed:
            return one, "".join(found.groups())
    words = ", ".join(allowed)
    raise Refusal("METHOD_NOT_ALLOWED", f"This path takes {words}", headers=[("Allow", words)])


def admit(operation: Operation, caller: Caller, allowance: Allowance | None) -> None:
    """Let the caller in, or raise Refusal: RATE_LIMITED, UNAUTHORIZED, ADMIN_REQUIRED.

    Limiters stand in front of everything that a credential opens, so a refused call has done
    nothing.
    """
    if allowance and allowance.blocked_by:
        wait = [("Retry-After", str(allowance.retry_after))]
        raise Refusal(
            "RATE_LIMITED", f"Rate limit exceeded ({allowance.blocked_by} window)", headers=wait
        )
    if operation.id == OPEN:
        return
    if caller.kind != operation.scope.replace("admin", "agent"):
        raise Refusal("UNAUTHORIZED", f"This path takes {CREDENTIALS[operation.scope]}")
    if operation.scope == "admin" and caller.role != MASTER_ADMIN:
        raise Refusal("ADMIN_REQUIRED", "This path is for Master Admins")


def clean_query(operation: Operation, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters that the operation knows, numbers as int.

    Refusal INVALID_PARAMETER names every bad one.
    """
    found: list[tuple[str, str]] = []
    clean: dict[str, Any] = {}
    for name, parameter in operation.parameters().items():
        schema = parameter["schema"]
        if parameter["in"] == "path":
            continue
        if name in CLAMPED:
            schema = {**schema, "maximum": float("inf")}
        if name in given:
            clean[name] = text = given[name]
            if schema.get("type") == "integer" and re.fullmatch("-?[0-9]{1,4000}", text):
                clean[name] = int(text)
            found += [(one.path, one.problem) for one in problems(clean[name], schema, name)]
        elif parameter.get("required"):
            found.append((name, "is required"))
    if found:
        raise Refusal("INVALID_PARAMETER", "Parameters of the query are missing or wrong", found)
    return clean


def clean_body(operation: Operation, caller: Caller, body: Any) -> dict[str, Any]:
    """The body without unknown fields.

    Refusal: BATCH_TOO_LARGE for a list over its ceiling, IMMUTABLE_FIELD, VALIDATION_ERROR naming
    every bad field.
    """
    schema, fields = operation.body, operation.body_fields()
    given = body if isinstance(body, dict) else {}
    for name, field in fields.items():
        most, value = field.get("maxItems"), given.get(name)
        if most and isinstance(value, list) and len(value) > most:
            details = [(name, f"has {len(value)} entries; at most {most} are allowed")]
            raise Refusal("BATCH_TOO_LARGE", f"A batch takes at most {most} entries", details)
    if operation.scope == "agent":
        _refuse_owner(caller, given, "")
    if rows := ROW_BY_ROW.get(operation.id):
        records = given.get(rows)
        for place, record in enumerate(records if isinstance(records, list) else []):
            _refuse_owner(caller, record, f"{rows}[{place}].")
        schema = {**schema, "properties": {**fields, rows: {**fields[rows], "items": {}}}}
    if found := problems(body, schema):
        details = [(one.path or "body", one.problem) for one in found]
        raise Refusal("VALIDATION_ERROR", "The body has fields that are missing or wrong", details)
    return dict(known(body, schema))


def _refuse_owner(caller: Caller, record: Any, under: str) -> None:
    """`owner` and `company_id` are set from the key (references/api_reference.md#tenancy)."""
    own = {"owner": caller.user, "company_id": caller.company}
    given = record if isinstance(record, dict) else {}
    found = [name for name in own if given.get(name) not in (None, own[name])]
    if found:
        details = [(under + name, "is set from the key") for name in found]
        raise Refusal("IMMUTABLE_FIELD", "owner and company_id cannot be chosen", details)


def known(value: Any, schema: Schema) -> Any:
    """An accepted value without the fields that its schema does not name, at any depth."""
    if isinstance(value, list):
        return [known(one, schema.get("items", {})) for one in value]
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        return {name: known(value[name], fields[name]) for name in fields if name in value}
    return value


def check_dates(record: Mapping[str, Any], code: str = "VALIDATION_ERROR") -> None:
    """Refuse an endDate before the startDate: no schema can."""
    if record.get("startDate", "") > record.get("endDate", "9999-99"):
        raise Refusal(
            code, "The dates are the wrong way round", [("endDate", "is before startDate")]
        )


def check_encodable(body: Any, depth: int = 64) -> None:
    """ValueError for what Python reads and JSON cannot carry, and for deeper nesting.

    That is 1e999, NaN and lone surrogates.
    """
    inner = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    if not depth:
        raise ValueError("nested too deep")
    for one in inner:
        check_encodable(one, depth - 1)
    if depth == 64:
        encode(body)
