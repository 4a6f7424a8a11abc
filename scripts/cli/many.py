"""What commands over many records share: reading one after another, problems, the worst error, the
preview."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.rows import row_id
from cli.text import plain, plural
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, StillRunningError

FIRST = 50  # ids and problems printed
WORST = (1, 2, 8, 9, 7, 6, 5, 3, 10, 4)  # exit codes
Read = Callable[[str], tuple[Any, "LeadGeniusError | None"]]


def conclude(errors: Sequence[LeadGeniusError]) -> int:
    """0 without errors; else the one raised whose exit code is the command's."""
    if errors:
        raise min(errors, key=lambda error: WORST.index(error.exit_code))
    return 0


def problem(error: LeadGeniusError, **name: Any) -> dict[str, Any]:
    """A row of `problems`: the record's name, the outcome of a change, the server's own reason."""
    outcome = {"outcome": error.outcome} if error.outcome else {}
    return {**name, **outcome, "code": error.code, "message": error.server_message or error.message}


def preview(
    context: Context, path: str, body: Any, records: int, requests: int, needs_yes: bool = False,
    **more: Any,
) -> int:  # fmt: skip
    """--dry-run of many: the first request, how many there are, and the least time the limits
    allow."""
    full = [(requests - 1) // one.limit * one.seconds for one in context.client.windows]
    more |= {"records": records, "requests": requests, "least_seconds": max(full, default=0.0)}
    method = context.operation.method
    return context.preview(method, path, body=body, needs_yes=needs_yes, more=more)


def get(context: Context) -> int:
    """`campaigns get` and `metrics`: one id answers with the server's body, several with rows."""
    fields = [name for name in context.options.fields or () if name != "id"]
    inputs.check_fields(context, fields, "--fields")
    ids, client, output = inputs.ids(context), context.client, context.output
    paths = {one: request.path_of(context.operation, one) for one in ids}
    named = context.command.words == "campaigns metrics" and output.format == "table"
    if len(ids) == 1 and not named:
        return request.send(context, paths[ids[0]])
    if context.options.dry_run:
        return preview(context, paths[ids[0]], None, len(ids), len(ids))
    names: dict[str | None, Any] = {}
    if named:
        rows = client.rows("/campaigns")
        names = {row_id(row): {"name": answers.dig(row, "name")} for row in rows}
    output.columns = list(dict.fromkeys(["id", *output.columns]))

    def read(one: str) -> tuple[Any, None]:
        record = answers.record(client.call("GET", paths[one]).body)
        fields = record if isinstance(record, dict) else {}
        return {"id": one, **names.get(one, {}), **fields}, None

    if len(ids) == 1:
        output.document(read(ids[0])[0], client.requests)
        return 0
    return show(context, ids, read)


def show(context: Context, ids: Sequence[str], read: Read) -> int:
    """`{"data": [record, …], "problems": […]}`, or rows in the other formats.

    `read` returns a record and what is wrong with it. A refusal of one does not stop the others;
    the worst error is raised when everything has been printed.
    """
    output, errors, problems, rows = context.output, [], [], 0
    not_read = {"code": "not_sent", "message": "Not asked for."}
    with output.open() as writer:
        for done, one in enumerate(ids, 1):
            try:
                record, error = read(one)
                writer.rows([record])
                rows += 1
            except LeadGeniusError as found:
                error = found
            context.notes.progress(f"{done} of {plural(len(ids), 'record')}", done, len(ids))
            if error:
                errors.append(error)
                problems.append(problem(error, id=one))
            if error and not isinstance(error, (RefusedError, StillRunningError)):
                problems += [{"id": other, **not_read} for other in ids[done:]]
                break
        writer.end({"problems": problems, **context.mark()})
    output.receipt(rows, context.client.requests, not problems)
    if problems and output.format != "json":
        listed = " ".join(plain(one["id"]) for one in problems[:FIRST])
        context.notes("warning", f"{plural(len(problems), 'problem')}: {listed}")
    return conclude(errors)
