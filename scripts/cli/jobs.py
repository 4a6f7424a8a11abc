"""Jobs: printed and kept the moment they are known, then followed to their end.

Starting a job may cost money, so whatever goes wrong afterwards, the hint is the status command.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from functools import cache
from time import monotonic, sleep
from typing import Any

from cli import request
from cli.context import Context
from cli.text import plain, plural
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import (
    LeadGeniusError,
    RefusedError,
    StillRunningError,
    UnknownOutcomeError,
    UsageError,
)
from leadgenius.files import read_private
from leadgenius.scopes import check_id

PAUSES = (0.0, 2.0, 4.0, 8.0, 15.0)  # seconds before each look, then
LATER = 30.0
WAIT_TIME = (100.0, 600.0)  # off a terminal, where shells of agents end at 120 s, and on one
ENDED = ("completed", "failed")
_FILE = "jobs.jsonl"


def note(context: Context, job_id: str | None) -> str:
    """Print and keep the id of a job just started. UnknownOutcomeError when the job cannot be
    followed."""
    try:
        known = check_id(job_id or "")
    except UsageError as error:
        raise UnknownOutcomeError(
            "A job was started that cannot be followed: the server gave it no usable id.",
            hint="check_change",
            outcome="applied",
        ) from error
    if not (context.options.wait and context.notes.terminal):  # a person sees it followed
        context.notes("note", f"Job {plain(known)} was started; to follow it: {command(known)}")
    context.append(_FILE, jobId=known, operation=context.operation.id, status="started")
    return known


def command(job_id: str) -> str:
    """What one types to follow a job."""
    return f"{{lgp}} jobs status {plain(job_id, 'JOB')} --wait"


def started_here(context: Context) -> None:
    """`jobs list`: the jobs of this service started from this machine, the newest first, each as it
    was last seen."""
    client, found = context.client, dict[str, Any]()
    content = read_private(client.state / _FILE, limit=2**24)
    for line in content.splitlines():
        with contextlib.suppress(ValueError):  # half a line of a full disk
            row = json.loads(line)
            if row["origin"] == client.origin:
                found.setdefault(row["jobId"], {}).update(row)
    context.output.listing([*found.values()][::-1])


@cache
def end_of_waiting(context: Context) -> float:
    """When following stops, the same for all jobs of a command, as a time of `monotonic`:
    --wait-time, or a second before --max-time; 0 without --wait."""
    options = context.options
    if not (options.wait or options.out):
        return 0.0
    end = monotonic() + (options.wait_time or WAIT_TIME[context.notes.terminal])
    return min(end, context.end - 1.0)


def watch(context: Context, job_id: str) -> tuple[Any, LeadGeniusError | None]:
    """The last answer about a job, that of its end or of the end of waiting, and what is wrong:
    with the job, or why there is no answer. Looks at least once."""
    path = request.path_of(operations()["enrichment.status"], job_id)
    context.notes.go_on = command(job_id)
    end, pauses = end_of_waiting(context), iter(PAUSES)
    while True:
        sleep(max(min(next(pauses, LATER), end - monotonic()), 0.0))
        try:
            body = context.client.get(path)
        except LeadGeniusError as error:
            if not isinstance(error, RefusedError):
                error.hint = command(job_id)
            return None, error
        if state(body) in ENDED or monotonic() >= end:
            break
        done, total = _number(body, "completedTasks"), _number(body, "totalTasks")
        context.notes.progress(f"{done:,} of {plural(total, 'task')}", done, total or None)
    context.append(_FILE, jobId=job_id, status=state(body))
    return body, verdict(job_id, body) if end or state(body) in ENDED else None


def verdict(job_id: str, body: Any) -> LeadGeniusError | None:
    """What is wrong with a job: it runs on, it failed, or tasks of it did."""
    job, failed = f"job {plain(job_id)}", _number(body, "failedTasks")
    if state(body) not in ENDED:
        hint = command(job_id)
        return StillRunningError(f"The {job} is still running.", hint=hint, retryable=True)
    if state(body) == "completed" and not failed:
        return None
    return RefusedError(
        f"{plural(failed, 'task')} of the {job} failed; it is {state(body)}.",
        code="job_failed",
        hint="Read the reasons first; leads enrich --todo-out FILE keeps the ids.",
    )


def state(body: Any) -> str:
    """queued, running, completed or failed; "" where the server does not say."""
    return str(answers.dig(body, "data.status", "status") or "")


def _number(body: Any, name: str) -> int:
    found = answers.dig(body, f"data.{name}", name)
    return found if type(found) is int else 0


def status(context: Context) -> None:
    """`jobs status`, `enrichment status`: one or several jobs, followed with --wait or --out. Exit
    4 when a job or task failed, 10 when one still runs after waiting."""

    def read(one: str) -> tuple[Any, LeadGeniusError | None]:
        body, error = watch(context, one)
        hide_content(body)
        return answers.record(body), error

    request.read_ids(context, lambda one: finish(context, one), read)


def finish(context: Context, job_id: str) -> None:
    """What became of a job, followed with --wait or --out: the answer, or its report in --out."""
    out = context.options.out
    body, error = watch(context, job_id)
    report = answers.dig(body, "data.result", "result")
    if out and not error and answers.dig(report, "content") is not None:
        write_report(context, report)
    elif body and not (out and error):
        hide_content(body)
        context.output.document(body)
    if error:
        raise error


def hide_content(body: Any) -> None:
    """Put the size of a report in the place of its content, which can be of any length."""
    report = answers.dig(body, "data.result", "result")
    if content := answers.dig(report, "content"):
        report["content"] = f"{len(str(content)):,} characters; --out FILE writes them"


def write_report(context: Context, report: dict[str, Any]) -> None:
    """Write the report of a job to --out, in the format that the file's name says."""
    output, content = context.output, report["content"]
    if report.get("format") == "csv":
        reader = csv.DictReader(io.StringIO(str(content)))
        output.columns = reader.fieldnames or ()
        output.listing(list(reader))
    else:
        output.columns = ()  # those of its rows
        with contextlib.suppress(ValueError, TypeError):  # parsed already, or a text
            content = json.loads(content)
        output.document(content)
