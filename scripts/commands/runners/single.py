"""One request, one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commands.runners import inputs, jobs, rehearsal
from commands.runners.rows import Call
from console.catalog import Operation
from console.text import compact
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, LocalError
from leadgenius.scopes import segment


def run(call: Call) -> int:
    """Send the row's request and print the server's body; with --wait the job that it starts, when that has ended."""
    operation = call.operation
    call.session.refuse_change(operation)
    inputs.check_fields(call)
    path = path_of(operation, call.typed("path_id"))
    params = inputs.filters(call)
    body = inputs.body(call) if operation.body else None
    return send(call, path, params, body)


def send(call: Call, path: str, params: dict[str, Any] | None = None, body: Any = None) -> int:
    """The last step of `run`, for rows that make their own body."""
    operation, session = call.operation, call.session
    if operation.changing:
        session.check_changes(1)
    if session.settings.dry_run:
        return rehearsal.show(session, operation, path, params=params, body=body)
    answer = session.client.call(operation.method, path, params=params, body=body).body
    if call.row.waits:
        answer = jobs.started(call, answer)
    show(call, answer)
    return 0


def show(call: Call, answer: Any, columns: Sequence[str] | None = None) -> None:
    """Print an answer; `columns` are those of its record, the operation's unless given.

    When --out fails after a change, the error says that it was applied, and the answer, which may be one that cannot
    be had again, goes to stdout.
    """
    output = call.session.output
    try:
        known = call.operation.columns() if columns is None else columns
        output.document(answer, known, call.row.table, call.session.client.requests)
        output.stdout.flush()
    except LeadGeniusError as error:
        if call.operation.changing:
            error.facts["outcome"] = "applied"
            output.stdout.write(compact(answer) + "\n")
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"The output could not be written: {error.strerror or 'unknown'}."
        raise LocalError(message, code="disk", outcome="applied" if call.operation.changing else None) from error


def path_of(operation: Operation, record_id: str | None) -> str:
    """The path with its id in place, percent-encoded whole. UsageError for an id that would change the path."""
    for name in operation.parameters("path"):
        return operation.path.replace(f"{{{name}}}", segment(record_id or "", "id"))
    return operation.path


def new_id(answer: Any, operation: Operation) -> str | None:
    """The id of the record that `answer` says was made."""
    return answers.new_id(answer, operation.collection.rstrip("s"))
