"""Leads: creating one or many, and whose company the bulk lists are about."""

from __future__ import annotations

from typing import Any

from cli import inputs, lists
from cli.context import Context
from contract.operations import operations
from leadgenius.errors import CredentialError


def bulk(context: Context) -> None:
    """A bulk list. The company: the option, the variable, the stored one, or found through one
    lead."""
    preview = "COMPANY_ID" if context.options.dry_run else ""
    company = context.options.query_companyId or preview
    if not company:
        context.client.keys.find("amplify")  # without it the company would help nobody
        try:
            company = context.client.company_id()
        except CredentialError as error:
            error.hint = "Give --company-id or LGP_COMPANY_ID; an API key would find the company."
            raise
    lists.run(context, companyId=company)


def create(context: Context) -> None:
    """One lead from flags or a JSON object; a JSON list goes in batches of 100."""
    from cli import batches

    given, flags = inputs.data(context), inputs.flags(context)
    many = isinstance(given, list)
    rows = given if many else [given or {}]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise inputs.invalid("--data must be an object or a list of them.")
    rows = [{**row, **flags} for row in rows]
    for row in rows:
        if isinstance(row.get("status"), str):
            row["status"] = row["status"].lower()
    inputs.check_body(context, *rows)
    note_without_client(context, rows)
    if many:
        context.operation = operations()["leads.create-batch"]
    items = [{"sent": row, "row": at, "email": row.get("email")} for at, row in enumerate(rows, 1)]
    batches.Changes(context, items, not many).run()


def note_without_client(context: Context, rows: list[Any]) -> None:
    """Leads without a client are stored, but the web application may not show them."""
    if not all(row.get("client_id") for row in rows):
        words = "The web application may hide leads without a client: give --client-id (client_id)."
        context.notes("warning", words)
