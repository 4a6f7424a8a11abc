"""Requests: one and its answer, or one after another for several ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from cli import inputs
from cli.context import Context
from cli.text import plain, plural, row_id
from contract.operations import Operation
from leadgenius import answers
from leadgenius.errors import (
    LeadGeniusError,
    RefusedError,
    StillRunningError,
    UnknownOutcomeError,
)
from leadgenius.retry import Answer
from leadgenius.scopes import segment

FIRST = 50  # ids and problems printed
NAMES = ("email", "name", "accountName", "url")  # fields by which a record is found
WORST = (1, 2, 8, 9, 7, 6, 5, 3, 10, 4)  # exit codes


def run(context: Context) -> None:
    """Send the command's request and print the server's body. The documented short line makes an
    active campaign, which is more than most people mean: it is said."""
    operation, typed = context.operation, context.typed
    inputs.check_fields(context)
    record = typed("path_id")
    body = inputs.body(context) if operation.body else None
    path = path_of(operation, inputs.record_id(context, record) if record else None)
    params = inputs.filters(context)
    if context.options.dry_run:
        context.preview(operation.method, path, params, body)
        return
    answer = call(context, path, body, params).body
    if operation.changing:
        made = row_id(answers.record(answer))
        context.record_change(path, [made] if made else [])
    show(context, answer)
    if "status" in context.command.defaults and not (typed("data") or typed("body_status")):
        words = "The new campaign's status is active; to prepare a draft add --status draft."
        context.notes("note", words)


def call(context: Context, path: str, body: Any, params: Any = None) -> Answer:
    """The answer to the command's request. Where that of a create is lost, the hint finds the
    record by its name."""
    try:
        return context.client.call(context.operation.method, path, params, body)
    except UnknownOutcomeError as error:
        group = context.command.words.rpartition(" ")[0]
        for field in NAMES:
            value = plain(answers.dig(body, field) or "", "")
            if value and error.hint == "check_change":  # it may not be sent again
                error.hint = f"{{lgp}} {group} list --where {field}={value}"
        raise


def show(context: Context, answer: Any, words: str = "") -> None:
    """Print an answer; `words`, or what was done, is what a person reads instead of a record."""
    if context.operation.changing and not words:
        noun = context.command.words.split()[-2].removesuffix("s").capitalize()
        name = answers.dig(answers.record(answer), *NAMES)
        words = " ".join(str(one) for one in (noun, name, done(context)) if one) + "."
    context.output.document(answer, words)


def done(context: Context) -> str:
    """What a changing command does, when it is done: `created`."""
    verb = context.command.words.split()[-1]
    others = {"status": f"set to {context.typed('body_status')}", "enrich": "sent to enrichment"}
    return others.get(verb, verb.removesuffix("e") + "ed")


def path_of(operation: Operation, record_id: str | None) -> str:
    """The path with its id in place, percent-encoded whole. UsageError for an id that would change
    the path."""
    return re.sub(r"\{\w+\}", lambda _: segment(record_id or ""), operation.path)


# ---- several ids


def get(context: Context) -> None:
    """`campaigns get` and `metrics`: one id answers with the server's body, several with rows."""
    client, output = context.client, context.output
    output.columns = list(dict.fromkeys(["id", *output.columns]))
    named = context.command.words == "campaigns metrics" and output.format == "table"

    def read(one: str) -> tuple[Any, None]:
        path, record = path_of(context.operation, one), {"id": one}
        if named:
            campaign = answers.record(client.get(path.removesuffix("/metrics")))
            record["name"] = answers.dig(campaign, "name")
        found = answers.record(client.get(path))
        return {**record, **(found if isinstance(found, dict) else {})}, None

    def single(one: str) -> None:
        path = path_of(context.operation, one)
        # For a person the answer lacks name and id.
        output.document(read(one)[0] if named else client.get(path))

    read_ids(context, single, read)


def read_ids(
    context: Context,
    single: Callable[[str], None],
    read: Callable[[str], tuple[Any, LeadGeniusError | None]],
) -> None:
    """One id, or `{"data": [record, …], "problems": […]}` of several, rows in the other formats.

    `read` returns a record and what is wrong with it. A refusal of one does not stop the others;
    the worst error is raised when everything has been printed.
    """
    output, errors, problems, rows = context.output, [], [], 0
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
                record, error = read(one)
            except LeadGeniusError as found:
                record, error = None, found
            if record:
                writer.rows([record])
                rows += 1
            context.notes.progress(f"{done} of {plural(len(ids), 'record')}", done, len(ids))
            if not error:
                continue
            errors.append(error)
            problems.append({"id": one, **problem(error)})
            if not isinstance(error, (RefusedError, StillRunningError)):
                left = {"code": "not_sent", "message": "Not asked for."}
                problems += [{"id": other, **left} for other in ids[done:]]
                break
        writer.end({"problems": problems, **context.mark()})
    output.receipt(rows, not problems)
    if problems and output.format != "json":
        listed = " ".join(plain(one["id"]) for one in problems[:FIRST])
        context.notes("warning", f"{plural(len(problems), 'problem')}: {listed}")
    conclude(errors)


def problem(error: LeadGeniusError) -> dict[str, Any]:
    """What `problems` say of an error: the server's own reason."""
    return {"code": error.code, "message": error.server_message or error.message}


def conclude(errors: Sequence[LeadGeniusError]) -> None:
    """0 without errors; else the one raised whose exit code is the command's."""
    if errors:
        raise min(errors, key=lambda error: WORST.index(error.exit_code))
