"""Requests: one and its answer, or one after another for several ids."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from cli import inputs
from cli.context import Context
from cli.text import plain, plural, row_id
from contract.operations import Operation
from leadgenius import answers
from leadgenius.errors import LeadGeniusError
from leadgenius.scopes import segment

FIRST = 50  # ids and problems printed
WORST = (1, 2, 8, 9, 7, 6, 5, 3, 10, 4)  # exit codes


def run(context: Context) -> None:
    """The command's request, from its arguments."""
    operation, record = context.operation, context.typed("path_id") or ""
    body = inputs.body(context) if operation.body else None
    path = path_of(operation, inputs.record_id(context, record))
    send(context, path, body, inputs.filters(context))


def send(context: Context, path: str, body: Any, params: Any = None) -> None:
    """Send the command's request and print the server's body."""
    operation = context.operation
    inputs.check_fields(context)
    if context.options.dry_run:
        context.preview(operation.method, path, params, body)
        return
    answer = context.client.call(operation.method, path, params, body).body
    if operation.changing:
        made = row_id(answers.record(answer))
        context.record_change(path, [made] if made else [])
    show(context, answer)
    if context.command.defaults and not (context.typed("data") or context.typed("body_status")):
        words = "The new campaign's status is active; to prepare a draft add --status draft."
        context.notes("note", words)  # more than most people mean


def show(context: Context, answer: Any, words: str = "") -> None:
    """Print an answer; `words`, or what was done, is what a person reads instead of a record."""
    if context.operation.changing and not words:
        noun = context.command.words.split()[-2].removesuffix("s").capitalize()
        name = answers.dig(answers.record(answer), "email", "name", "accountName", "url")
        words = " ".join(str(one) for one in (noun, name, done(context)) if one) + "."
    context.output.document(answer, words)


def done(context: Context) -> str:
    """What a changing command does, when it is done: `created`."""
    verb = context.command.words.split()[-1]
    others = {"status": f"set to {context.typed('body_status')}", "enrich": "sent to enrichment"}
    return others.get(verb, verb.removesuffix("e") + "ed")


def path_of(operation: Operation, record_id: str) -> str:
    """The path with its id in place, percent-encoded whole. UsageError for an id that would change
    the path."""
    return re.sub(r"\{\w+\}", lambda _: segment(record_id), operation.path)


# ---- several ids


def get(context: Context) -> None:
    """`campaigns get` and `metrics`: one id answers with the server's body, several with rows."""

    def read(one: str) -> tuple[Any, None]:
        return context.client.get(path_of(context.operation, one)), None

    def single(one: str) -> None:
        answer, _ = read(one)
        record = answers.record(answer)
        if output.format == "table" and isinstance(record, dict):  # metrics do not say of what
            answer = {"id": one, **record}
        output.document(answer)

    output = context.output
    output.columns = list(dict.fromkeys(["id", *output.columns]))
    read_ids(context, single, read)


def read_ids(
    context: Context,
    single: Callable[[str], None],
    read: Callable[[str], tuple[Any, LeadGeniusError | None]],
) -> None:
    """One id, or `{"data": [record, …], "problems": […]}` of several, rows in the other formats.

    `read` returns an answer and what is wrong with it. Refusals and jobs that still run do not stop
    the others, any other error is that of all that follow; the worst is raised when everything has
    been printed.
    """
    output, errors, rows = context.output, dict[str, LeadGeniusError](), 0
    inputs.check_fields(context, output.columns)
    ids = inputs.ids(context)
    if context.options.dry_run:
        path, many = path_of(context.operation, ids[0]), len(ids)
        context.preview("GET", path, requests=many, records=many)
        return
    if len(ids) == 1:
        single(ids[0])
        return
    with output.open() as writer:
        for done, one in enumerate(ids, 1):
            try:
                answer, error = read(one)
            except LeadGeniusError as found:
                answer, error = None, found
            if isinstance(answer, dict):
                writer.rows([{"id": one, **answers.record(answer)}])
                rows += 1
            if error:
                alone = error.exit_code in (4, 10)  # refused, still running
                errors |= dict.fromkeys([one] if alone else ids[done - 1 :], error)
                if not alone:
                    break
            context.notes.progress(f"{done} of {plural(len(ids), 'record')}", done, len(ids))
        problems = [{"id": one, **problem(error)} for one, error in errors.items()]
        writer.end({"problems": problems, **context.mark()})
    output.receipt(rows, not errors)
    if errors and output.format != "json":
        context.notes("warning", f"Problems: {' '.join(map(plain, errors))}")
    conclude(list(errors.values()))


def problem(error: LeadGeniusError) -> dict[str, Any]:
    """What `problems` say of an error: the server's own reason."""
    return {"code": error.code, "message": error.server_message or error.message}


def conclude(errors: Sequence[LeadGeniusError]) -> None:
    """0 without errors; else the one raised whose exit code is the command's."""
    if errors:
        raise min(errors, key=lambda error: WORST.index(error.exit_code))
