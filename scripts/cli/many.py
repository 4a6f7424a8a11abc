"""What commands over many records share: reading one after another, problems, the worst error, the
preview."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.rows import row_id
from cli.text import plain, plural
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, StillRunningError

FIRST = 50  # ids and problems printed
WORST = {8: 1, 9: 2, 7: 3, 6: 4, 5: 5, 3: 6, 10: 7, 4: 8}  # exit code → rank


def worst(errors: Iterable[LeadGeniusError]) -> LeadGeniusError | None:
    """The error whose exit code is the command's; None without any."""
    return min(errors, key=lambda error: WORST.get(error.exit_code, 0), default=None)


def problem(error: LeadGeniusError, **name: Any) -> dict[str, Any]:
    """A row of `problems`: the record's name, the outcome of a change, the server's own reason."""
    outcome = {"outcome": error.outcome} if error.outcome else {}
    message = error.facts.get("server_message") or error.message
    return {**name, **outcome, "code": error.code, "message": message}


def preview(
    context: Context,
    path: str,
    body: Any,
    records: int,
    requests: int,
    needs_yes: bool = False,
    **more: Any,
) -> int:
    """--dry-run of many: the first request, how many there are, and the least time the limits
    allow."""
    full = [(requests - 1) // one.limit * one.seconds for one in context.client.windows]
    counts: dict[str, Any] = {"records": records, "requests": requests}
    counts["least_seconds"] = max(full, default=0.0)
    method = context.operation.method
    return context.preview(method, path, body=body, needs_yes=needs_yes, **counts, **more)


def get(context: Context) -> int:
    """`campaigns get` and `metrics`: one id answers with the server's body, several with rows."""
    fields = [name for name in context.options.fields or () if name != "id"]
    inputs.check_fields(context, fields, "--fields")
    ids = inputs.ids(context)
    paths = {one: request.path_of(context.operation, one) for one in ids}
    if len(ids) == 1:
        return request.send(context, paths[ids[0]])
    if context.options.dry_run:
        return preview(context, paths[ids[0]], None, len(ids), len(ids))
    names = _names(context)
    first = ["id", "name"] if names else ["id"]
    context.output.columns = list(dict.fromkeys([*first, *context.output.columns]))

    def read(one: str) -> Any:
        record = answers.record(context.client.call("GET", paths[one]).body)
        name = {"name": names[one]} if one in names else {}
        return {"id": one, **name, **(record if isinstance(record, dict) else {})}

    return show(context, ids, read)


def _names(context: Context) -> dict[str, str]:
    """The campaigns' names, for a person who reads their metrics."""
    if context.command.words != "campaigns metrics" or context.output.format != "table":
        return {}
    rows = context.client.rows("/campaigns")
    return {row_id(row) or "": str(row.get("name")) for row in rows if isinstance(row, dict)}


def show(
    context: Context,
    ids: Sequence[str],
    read: Callable[[str], Any],
    check: Callable[[str, Any], LeadGeniusError | None] = lambda one, record: None,
) -> int:
    """`{"data": [record, …], "problems": […]}`, or rows in the other formats.

    `check` says what is wrong with a record that was read. A refusal of one does not stop the
    others; the worst error is raised when everything has been printed.
    """
    output, done, rows = context.output, 0, 0
    errors: dict[str, LeadGeniusError] = {}
    with output.open() as writer:
        for done, one in enumerate(ids, 1):
            try:
                record = read(one)
                writer.rows([record])
                rows += 1
                error = check(one, record)
            except LeadGeniusError as found:
                if done == 1 and not isinstance(found, RefusedError):
                    raise
                error = found
            context.notes.progress(f"{done} of {plural(len(ids), 'record')}", done, len(ids))
            if error:
                errors[one] = error
            if error and not isinstance(error, (RefusedError, StillRunningError)):
                break
        problems = [problem(error, id=one) for one, error in errors.items()]
        not_read = {"code": "not_sent", "message": "Not asked for."}
        problems += [{"id": one, **not_read} for one in ids[done:]]
        writer.end({"problems": problems, **context.mark()})
    output.receipt(rows, context.client.requests, not problems, **context.mark())
    error = worst(errors.values())
    if error and output.format != "json":
        listed = " ".join(plain(one["id"]) for one in problems[:FIRST])
        context.notes("warning", f"{plural(len(problems), 'problem')}: {listed}")
    if error:
        raise error
    return 0
