"""One request, one answer."""

from __future__ import annotations

from typing import Any

from cli import inputs
from cli.context import Context
from cli.rows import row_id
from cli.text import plain
from contract.operations import Operation
from leadgenius import answers
from leadgenius.errors import LocalError, UnknownOutcomeError
from leadgenius.scopes import segment

# What a person reads after a change: the operation → a sentence; {name} is the record's name.
DONE = {
    "campaigns.create": "Campaign {name} created; it is {status}.",
    "campaigns.update": "Campaign {name} changed; it is {status}.",
    "campaigns.archive": "Campaign {name} archived.",
    "target-accounts.create": "Account {name} created.",
    "target-accounts.score": "Account {name} scored.",
    "sequences.create": "Sequence {name} created.",
    "workflows.create": "Workflow {name} created.",
    "integrations.create": "Integration {name} created.",
    "webhooks.create": "Webhook {name} created.",
    "leads.create": "Lead {name} created.",
    "analytics.report": "Report started.",
    "maintenance.bugs.report": "Bug reported.",
    "maintenance.enhancements.request": "Enhancement requested.",
}


def run(context: Context) -> int:
    """Send the command's request and print the server's body."""
    operation = context.operation
    inputs.check_fields(context, context.options.fields or (), "--fields")
    record = context.typed("path_id")
    body = inputs.body(context) if operation.body else None
    path = path_of(operation, inputs.record_id(context, record) if record else None)
    return send(context, path, params=inputs.filters(context), body=body)


def send(
    context: Context, path: str, *, params: dict[str, Any] | None = None, body: Any = None
) -> int:
    """The last step of `run`, for commands that make their own body."""
    operation = context.operation
    if context.options.dry_run:
        return context.preview(operation.method, path, params=params, body=body)
    try:
        answer = context.client.call(operation.method, path, params=params, body=body).body
    except UnknownOutcomeError as error:
        error.hint = _look_up(context, body) or error.hint
        raise
    if operation.changing:
        made = row_id(answers.record(answer)) or context.typed("path_id") or ""
        context.record_change(path, [str(made)] if made else [], outcome="applied")
    show(context, answer)
    return 0


def _look_up(context: Context, body: Any) -> str:
    """The command that finds the record of a create whose answer was lost; empty without a name."""
    group = context.command.words.rpartition(" ")[0]
    for field in ("email", "name", "accountName", "url") if isinstance(body, dict) else ():
        value = plain(body.get(field, ""), "")
        if value and context.operation.method == "POST":
            return f"{{lgp}} {group} list --where {field}={value}"
    return ""


def create_campaign(context: Context) -> int:
    """The documented short line makes an active campaign, which is more than most people mean: it
    is said."""
    code = run(context)
    if not (context.typed("data") or context.typed("body_status") or context.options.dry_run):
        words = "The new campaign's status is active; to prepare a draft add --status draft."
        context.notes("note", words)
    return code


def show(context: Context, answer: Any, words: str = "") -> None:
    """Print an answer; `words` is what a person reads instead. When that fails after a change, the
    error says that the change was applied."""
    output = context.output
    try:
        words = words or sentence(context.operation, answer)
        output.document(answer, context.client.requests, words)
        output.stdout.flush()
    except (LocalError, OSError) as error:
        if isinstance(error, BrokenPipeError) or not context.operation.changing:
            raise
        message = f"The change was applied; its answer could not be written: {error}"
        raise LocalError(message, code="disk", outcome="applied") from error


def sentence(operation: Operation, answer: Any) -> str:
    """What a person reads after a change; empty where the record itself is what is wanted."""
    record = answers.record(answer)
    if operation.id not in DONE or not isinstance(record, dict):
        return ""
    names = ("name", "accountName", "fullName", "platform", "url", "email")
    name = next((str(record[one]) for one in names if record.get(one)), "")
    return DONE[operation.id].format(name=name, status=record.get("status", "unknown"))


def path_of(operation: Operation, record_id: str | None) -> str:
    """The path with its id in place, percent-encoded whole. UsageError for an id that would change
    the path."""
    for name in operation.parameters("path"):
        return operation.path.replace(f"{{{name}}}", segment(record_id or ""))
    return operation.path
