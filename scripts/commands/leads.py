"""Leads: the agent's own list and changes, the two bulk lists, and the jobs that enrich."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from commands.runners import inputs, listing, many, rehearsal, single
from commands.runners.many import Part, Result
from commands.runners.rows import Call, Row
from console import catalog
from leadgenius import answers
from leadgenius.errors import UsageError

SEARCH_DEPTH = 1000  # records of each of two indexes; references/api_reference.md#search-depth
_EXACT = "exact ways: campaigns metrics ID, or enrich-leads list --company-id ID --all"


def search(call: Call, params: dict[str, Any] | None = None) -> int:
    """`leads list`: the newest of each index alone are searched, and nothing in an answer shows a cut."""
    settings = call.session.settings
    filtered = bool(params or inputs.filters(call))
    exact = settings.all or settings.count
    if filtered and not exact and not settings.dry_run:
        call.session.notes(
            "note",
            f"Only the newest {SEARCH_DEPTH:,} leads of each index are searched; older ones may be missing; {_EXACT}.",
        )
    return listing.run(call, params, complete=lambda: _is_whole(call) if exact else True)


def _is_whole(call: Call) -> bool:
    """One more request, without filter, for one row: under the depth, no index was cut."""
    body = call.session.client.call("GET", call.operation.path, params={"page": 1, "pageSize": 1}).body
    total = answers.total(body)
    whole = total is not None and total < SEARCH_DEPTH
    if not whole:
        call.session.notes(
            "warning",
            f"The search reads only the newest {SEARCH_DEPTH:,} leads of each index, and there may be more; {_EXACT}.",
        )
    return whole


def create(call: Call) -> int:
    """One lead from flags or a JSON object; a JSON list goes in batches."""
    given = inputs.data(call)
    if not isinstance(given, list):
        call.session.refuse_change(call.operation)
        inputs.check_fields(call)
        if given is not None and not isinstance(given, dict):
            raise UsageError(
                "--data must be a JSON object or a list of them.", code="invalid_input", hint=call.row.example
            )
        body = {**(given or {}), **inputs.flags(call)}
        inputs.check_body(call, body)
        return single.send(call, call.operation.path, body=body)
    return _create_many(replace(call, row=replace(call.row, operation="leads.create-batch")), given)


def _create_many(call: Call, rows: list[Any]) -> int:
    session, operation = call.session, call.operation
    session.refuse_change(operation)
    rows = _checked(call, rows)
    size = operation.ceiling("leads")
    names = [f"row {number}" for number in range(1, len(rows) + 1)]
    starts = range(0, len(rows), size)
    parts = [Part(names[at : at + size], operation.path, {"leads": rows[at : at + size]}) for at in starts]
    session.check_changes(len(rows))
    if session.settings.dry_run:
        return rehearsal.many(call, operation.path, {"leads": rows[:2]}, len(rows), len(parts))
    result = Result(len(rows))
    many.send(call, parts, result)
    if result.rejected:
        told = f"{result.rejected} of {result.requested} rows were not stored; problems tells of them."
        session.notes("warning", told)
    return many.conclude(call, result)


def _checked(call: Call, rows: list[Any]) -> list[Any]:
    """The rows with the flags laid over each. UsageError for none, or with every problem of every row."""
    if not rows:
        raise UsageError("--data holds an empty list.", code="invalid_input", hint=call.row.example)
    single_lead = catalog.operations()["leads.create"]
    flags = inputs.flags(replace(call, row=replace(call.row, operation=single_lead.id)))
    rows = [{**row, **flags} if isinstance(row, dict) else row for row in rows]
    if not call.session.settings.no_check:
        schema = single_lead.body or {}
        found = [one for number, row in enumerate(rows) for one in _row_problems(row, schema, f"[{number}]")]
        inputs.refuse(call, found)
    return rows


def _row_problems(row: Any, schema: catalog.Schema, path: str) -> list[Any]:
    from console import checks

    return [*checks.problems(row, schema, path), *checks.unknown_fields(row, schema, f"{path}.")]


def bulk(call: Call) -> int:
    """A bulk list: whose company, the option, the variable or the stored account says."""
    company = call.typed("query_companyId") or call.session.company_id()
    if not company:
        raise UsageError(
            "Which company? A bulk list needs --company-id.",
            code="invalid_input",
            hint="{lgp} " + call.row.name + " --company-id COMPANY_ID   (or: export LGP_COMPANY_ID=COMPANY_ID)",
        )
    return listing.run(call, {"companyId": company})


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--restart", action="store_true", default=None, help="with --all --out: begin the export anew")
    parser.add_argument(
        "--continue-old", action="store_true", default=None, help="go on from a checkpoint older than a day"
    )


_LEAD_COLUMNS = ("id", "fullName", "companyName", "status", "title", "email")
ROWS = (
    Row(("leads", "list"), "leads.list", "{lgp} leads list --status qualified", table=_LEAD_COLUMNS, run=search),
    Row(
        ("leads", "create"),
        "leads.create",
        "{lgp} leads create --first-name Mara --last-name Okafor --email mara@brightwell.example",
        help="Create a lead, or many with a JSON list in --data",
        run=create,
    ),
    Row(
        ("leads", "status"),
        "leads.status",
        "{lgp} leads status --ids lead_1 lead_2 --status qualified",
        ids="flag",
        data=False,
    ),
    Row(("leads", "delete"), "leads.delete-batch", "{lgp} leads delete --ids lead_1 lead_2 --yes", data=False),
    Row(
        ("leads", "enrich"),
        "enrichment.trigger",
        "{lgp} leads enrich --ids lead_1 lead_2",
        defaults={"enrichmentType": "technographic"},
        data=False,
        waits=True,
    ),
    Row(
        ("enrich-leads", "list"),
        "enrich-leads.list",
        "{lgp} enrich-leads list --company-id COMPANY_ID --all --out leads.jsonl",
        table=_LEAD_COLUMNS,
        arguments=_export_arguments,
        run=bulk,
    ),
    Row(
        ("source-leads", "list"),
        "source-leads.list",
        "{lgp} source-leads list --company-id COMPANY_ID",
        table=("id", "rawName", "companyName", "source", "importedAt", "email"),
        arguments=_export_arguments,
        run=bulk,
    ),
    Row(("enrichment", "status"), "enrichment.status", "{lgp} enrichment status JOB_ID --wait", ids="many", waits=True),
    Row(("enrichment", "services"), "enrichment.services", "{lgp} enrichment services"),
)
MISSING = {
    ("leads", "get"): "{lgp} leads list --email ADDRESS",
    ("leads", "find"): "{lgp} leads list --email ADDRESS   (or --company-name NAME)",
    ("leads", "search"): "{lgp} leads list --email ADDRESS   (or --company-name NAME)",
    ("leads", "qualify"): "{lgp} leads status --ids LEAD_ID --status qualified",
    ("leads", "update"): "{lgp} leads status --ids LEAD_ID --status qualified   (only the status can be changed)",
    ("leads", "import"): "{lgp} leads create --data @leads.json   (a JSON list goes in batches of 100)",
    ("leads", "export"): "{lgp} enrich-leads list --company-id COMPANY_ID --all --out leads.jsonl",
    (
        "enrichment",
        "list",
    ): "{lgp} enrichment status JOB_ID   (jobs started here stand in jobs.jsonl in the state directory)",
    ("enrichment", "cancel"): "{lgp} enrichment status JOB_ID   (a job that was started cannot be stopped)",
    ("enrichment", "trigger"): "{lgp} leads enrich --ids lead_1 lead_2",
}
