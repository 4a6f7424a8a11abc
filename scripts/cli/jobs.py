"""Jobs: printed and kept the moment they are known, then followed to their end.

Starting a job may cost money, so whatever goes wrong afterwards, the hint is the status command.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

from cli import inputs, many, request
from cli.context import Context
from cli.rows import row_id
from cli.text import compact, plain, plural
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, StillRunningError, UsageError
from leadgenius.files import read_private
from leadgenius.scopes import check_id

sleep, monotonic = time.sleep, time.monotonic
PAUSES = (2.0, 4.0, 8.0, 15.0)  # seconds before each look, then
LATER = 30.0
WAIT_TIME = (100.0, 600.0)  # off a terminal, where shells of agents end at 120 s, and on one
ENDED = ("completed", "failed", "cancelled")
_FILE = "jobs.jsonl"
_LARGEST = 16 * 1024 * 1024  # bytes of jobs.jsonl


def note(context: Context, job_id: str | None, operation: str) -> bool:
    """Print and keep the id of a job just started; False, with a warning, when it cannot be
    followed. A person is not shown how where --wait follows it itself."""
    try:
        known = check_id(job_id or "", "job id")
    except UsageError:
        words = "A job was started that cannot be followed: the server gave it no id to ask for."
        context.notes("warning", f"{words} Starting it again would be another job.")
        return False
    if not (context.options.wait and context.notes.terminal):
        context.notes("note", f"Job {plain(known)} was started; to follow it: {command([known])}")
    context.append(_FILE, jobId=known, operation=operation)
    return True


def command(ids: Sequence[str]) -> str:
    """What one types to follow jobs."""
    return f"{{lgp}} jobs status {' '.join(plain(one, 'JOB') for one in ids)} --wait"


def started_here(context: Context) -> int:
    """`jobs list`: the jobs of this service started from this machine, the newest first."""
    client, output, rows = context.client, context.output, []
    content = read_private(client.state / _FILE, _LARGEST) if client.state else b""
    for line in reversed(content.splitlines()):
        with contextlib.suppress(ValueError):  # half a line of a full disk
            rows.append(json.loads(line))
    output.columns = ["jobId", "operation", "time", "origin"]
    output.listing([row for row in rows if row["origin"] == client.origin])
    return 0


def end_of_waiting(context: Context) -> float:
    """When following stops, as a time of `monotonic`: --wait-time, or a second before
    --max-time."""
    end = monotonic() + (context.options.wait_time or WAIT_TIME[context.notes.terminal])
    return end if context.end is None else min(end, context.end - 1.0)


def watch(context: Context, job_id: str, end: float, just_started: bool = True) -> Any:
    """The last answer about a job: that of its end, or of the moment `end`. Looks at least once; at
    one just started never at once."""
    context.notes.go_on = context.notes.go_on or command([job_id])
    path = request.path_of(operations()["enrichment.status"], job_id)
    for pause in chain(PAUSES if just_started else (0.0, *PAUSES), repeat(LATER)):
        sleep(max(min(pause, end - monotonic()), 0.0))
        try:
            body = context.client.call("GET", path).body
        except LeadGeniusError as error:
            if not isinstance(error, RefusedError):
                error.hint = command([job_id])
            raise
        job = answers.record(body)
        if state(job) in ENDED or monotonic() >= end:
            break
        done, total = _number(job, "completedTasks", "failedTasks"), _number(job, "totalTasks")
        context.notes.progress(f"{done:,} of {plural(total, 'task')}", done, total or None)
    return body


def follow(context: Context, job_id: str) -> Any:
    """The record of a job just started, when it has ended well; else what `verdict` says."""
    job = answers.record(watch(context, job_id, end_of_waiting(context)))
    if error := verdict(job_id, job):
        raise error
    return job


def verdict(job_id: str, job: Any) -> LeadGeniusError | None:
    """What is wrong with a job: it runs on, it failed, or tasks of it did."""
    name, failed = plain(job_id), failures(job)
    if state(job) not in ENDED:
        message = f"The job {name} is still running."
        return StillRunningError(message, hint=command([job_id]), retryable=True)
    if state(job) == "completed" and not failed:
        return None
    message = f"{plural(len(failed), 'task')} of the job {name} failed; it is {state(job)}."
    details = [{"leadId": lead, "reason": why} for lead, why in failed if lead][: many.FIRST]
    hint = "Read the reasons first; leads enrich --todo-out FILE keeps the ids."
    return RefusedError(message, code="job_failed", hint=hint, details=details or None)


def failures(job: Any) -> list[tuple[str | None, str]]:
    """(id, reason) of each failed task; the id is None where the server only counts them."""
    errors = answers.dig(job, "errors")
    found = errors if isinstance(errors, list) else []
    named = [(row_id(one), str(answers.dig(one, "reason") or "It failed.")) for one in found]
    return named + [(None, "It failed.")] * (_number(job, "failedTasks") - len(named))


def state(job: Any) -> str:
    """queued, running, completed or failed; "" where the server does not say."""
    return str(answers.dig(job, "status") or "").lower()


def _number(job: Any, *names: str) -> int:
    """The sum of some counts; no job has more than 10,000 tasks."""
    found = [answers.dig(job, name) for name in names]
    return sum(min(max(one, 0), 10_000) for one in found if type(one) is int)


def status(context: Context) -> int:
    """`jobs status`, `enrichment status`: one or several jobs, followed with --wait or --out. Exit
    4 when a job or task failed, 10 when one still runs after waiting."""
    inputs.check_fields(context, context.options.fields or (), "--fields")
    ids, out = inputs.ids(context), context.options.out
    if context.options.dry_run:
        path = request.path_of(context.operation, ids[0])
        return many.preview(context, path, None, len(ids), len(ids))
    waits = context.options.wait or out
    end = end_of_waiting(context) if waits else 0.0
    context.notes.go_on = command(ids)

    def read(one: str) -> tuple[Any, LeadGeniusError | None]:
        body = watch(context, one, end, just_started=False)
        job = answers.record(body)
        return body, verdict(one, job) if waits or state(job) in ENDED else None

    def shown(one: str) -> tuple[Any, LeadGeniusError | None]:
        body, error = read(one)
        return answers.record(hidden(body)), error

    if len(ids) > 1:
        return many.show(context, ids, shown)
    body, error = read(ids[0])
    job = answers.record(body)
    if out and not error and answers.dig(job, "result.content") is not None:
        return write_report(context, job)
    if not (out and error):
        request.show(context, hidden(body))
    if error:
        raise error
    return 0


def hidden(body: Any) -> Any:
    """`body` with the size of a report in the place of its content, which can be of any length."""
    job = answers.record(body)
    content = answers.dig(job, "result.content")
    if content is None:
        return body
    size = len(content if isinstance(content, str) else compact(content))
    words = f"{size:,} characters; --out FILE writes them"
    shown = {**job, "result": {**job["result"], "content": words}}
    return shown if job is body else {**body, "data": shown}


def write_report(context: Context, job: Any) -> int:
    """Write the report of a job to --out: csv with guarded cells, anything else as JSON. UsageError
    when the file's name says another format; RefusedError when the job has no report."""
    output, content = context.output, answers.dig(job, "result.content")
    if content is None:
        raise RefusedError("The job ended without a report.", hint="{lgp} jobs list")
    form = plain(answers.dig(job, "result.format") or "json", "json")
    if form != output.format:
        raise UsageError(f"The report is {form}: let the name of --out end in .{form}.")
    output.fields = None  # they are of the job
    if form == "csv":
        reader = csv.DictReader(io.StringIO(str(content), newline=""), restkey="")
        rows, output.columns = list(reader), list(reader.fieldnames or ())
        output.listing(rows, context.client.requests)
        return 0
    with contextlib.suppress(ValueError, TypeError):  # parsed already, or a text that is no JSON
        content = json.loads(content)
    output.document(content, context.client.requests)
    return 0
