"""Leads: creating one or many, and whose company the bulk lists are about."""

from __future__ import annotations

from typing import Any

from cli import inputs, lists
from cli.context import Context
from contract import validate
from contract.operations import operations
from leadgenius.errors import CredentialError


def bulk(context: Context) -> int:
    """A bulk list. The company: the option, the variable, the stored one, or found through one
    lead."""
    preview = "COMPANY_ID" if context.options.dry_run else ""
    company = context.typed("query_companyId") or preview
    if not company:
        context.client.keys.find("amplify")  # without it the company would help nobody
        try:
            company = context.client.company_id()
        except CredentialError as error:
            error.hint = "Give --company-id or LGP_COMPANY_ID; an API key would find the company."
            raise
    return lists.run(context, companyId=company)


def create(context: Context) -> int:
    """One lead from flags or a JSON object; a JSON list goes in batches of 100."""
    from cli import batches, request

    given, flags, schema = inputs.data(context), inputs.flags(context), context.operation.body
    rows = given if isinstance(given, list) else [given or {}]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise inputs.invalid("--data must be an object or a list of them.", context.command.example)
    rows, found = [{**row, **flags} for row in rows], []
    for at, row in enumerate(rows, 1):
        where = f"row {at}: " if isinstance(given, list) else ""
        wrong = validate.problems(row, schema) + validate.unknown_fields(row, schema)
        found += [one._replace(path=where + one.path) for one in wrong]
    inputs.refuse(context, found)
    note_without_client(context, rows)
    if not isinstance(given, list):
        return request.send(context, context.operation.path, rows[0])
    context.operation = operations()["leads.create-batch"]
    return batches.Changes(context, rows, "leads").run()


def note_without_client(context: Context, rows: list[Any]) -> None:
    """Leads without a client are stored, but the web application may not show them."""
    if not all(row.get("client_id") for row in rows):
        words = "The web application may hide leads without a client: give --client-id (client_id)."
        context.notes("warning", words)
