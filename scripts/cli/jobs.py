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
from datetime import datetime, timezone
from itertools import chain, repeat
from typing import Any

from cli import inputs, many, request
from cli.context import Context
from cli.rows import row_id
from cli.text import compact, plain, plural
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, StillRunningError, UsageError
from leadgenius.files import read_private, replace_whole
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
    followed."""
    client = context.client
    try:
        usable = check_id(job_id or "", "job id") not in client.secrets()
    except UsageError:
        usable = False
    if not usable or job_id is None:
        words = "A job was started that cannot be followed: the server gave it no id to ask for."
        context.notes("warning", f"{words} Starting it again would be another job.")
        return False
    context.notes("note", f"Job {plain(job_id)} was started; to follow it: {command([job_id])}")
    if client.state is not None:
        at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        line = {"time": at, "jobId": job_id, "operation": operation, "origin": client.origin}
        context.append(client.state / _FILE, line)
    return True


def command(ids: Sequence[str]) -> str:
    """What one types to follow jobs."""
    return f"{{lgp}} jobs status {' '.join(plain(one, 'JOB') for one in ids)} --wait"


def started_here(context: Context) -> int:
    """`jobs list`: the jobs of this service started from this machine, the newest first."""
    client, output, rows = context.client, context.output, []
    content = read_private(client.state / _FILE, _LARGEST)[0] if client.state else b""
    for line in reversed(content.decode("utf-8", "replace").splitlines()):
        try:
            row = json.loads(line)
        except ValueError:
            continue  # half a line of a full disk
        if isinstance(row, dict) and row.get("origin") == client.origin:
            rows.append(row)
    output.columns = output.preferred = ["jobId", "operation", "time", "origin"]
    output.listing(rows)
    return 0


def end_of_waiting(context: Context) -> float:
    """When following stops, as a time of `monotonic`: --wait-time, or a second before
    --max-time."""
    ends = [monotonic() + (context.options.wait_time or WAIT_TIME[context.notes.terminal])]
    return min(ends if context.end is None else [*ends, context.end - 1.0])


def look(context: Context, job_id: str) -> Any:
    """The server's answer about a job."""
    path = request.path_of(operations()["enrichment.status"], job_id)
    try:
        return context.client.call("GET", path).body
    except LeadGeniusError as error:
        if not isinstance(error, RefusedError):
            error.hint = command([job_id])
        raise


def watch(context: Context, job_id: str, end: float) -> Any:
    """The last answer about a job: that of its end, or of the moment `end`. Looks at least once,
    and never at once."""
    notes, before = context.notes, context.notes.go_on
    notes.go_on = before or command([job_id])
    for pause in chain(PAUSES, repeat(LATER)):
        sleep(max(min(pause, end - monotonic()), 0.0))
        body = look(context, job_id)
        job = answers.record(body)
        if state(job) in ENDED or monotonic() >= end:
            break
        total = _number(job, "totalTasks")
        done = _number(job, "completedTasks") + _number(job, "failedTasks")
        words = f"Job {plain(job_id)}: {done:,} of {plural(total, 'task')}"
        notes.progress(words, done, total or None)
    notes.go_on = before
    return body


def follow(context: Context, job_id: str) -> Any:
    """The record of a job just started, when it has ended well. StillRunningError, or RefusedError
    when tasks of it failed."""
    job = answers.record(watch(context, job_id, end_of_waiting(context)))
    error = verdict(job_id, job)
    if error:
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
    tasks = plural(max(_number(job, "totalTasks"), len(failed)), "task")
    message = f"{len(failed):,} of {tasks} of the job {name} failed; it is {plain(state(job))}."
    details = [{"leadId": lead, "reason": why} for lead, why in failed if lead][: many.FIRST]
    hint = "Correct what the reasons name, and start a new job with those ids alone."
    return RefusedError(message, code="job_failed", hint=hint, details=details or None)


def failures(job: Any) -> list[tuple[str | None, str]]:
    """(id, reason) of each failed task; the id is None where the server only counts them."""
    errors = answers.dig(job, "errors")
    found = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    named = [(row_id(one), str(one.get("reason") or "It failed.")) for one in found]
    unnamed = min(_number(job, "failedTasks"), 10_000) - len(named)
    return named + [(None, "It failed.")] * unnamed


def state(job: Any) -> str:
    """queued, running, completed or failed; "" where the server does not say."""
    return str(answers.dig(job, "status") or "").lower()


def _number(job: Any, name: str) -> int:
    found = answers.dig(job, name)
    return found if type(found) is int and found > 0 else 0


def status(context: Context) -> int:
    """`jobs status`, `enrichment status`: one or several jobs, followed with --wait. Exit 4 when a
    job or task failed, 10 when one still runs after waiting."""
    inputs.check_fields(context, context.options.fields or (), "--fields")
    ids = inputs.ids(context)
    paths = [request.path_of(context.operation, one) for one in ids]
    if context.options.dry_run:
        return many.preview(context, paths[0], None, len(ids), len(ids))
    end = end_of_waiting(context)
    context.notes.go_on = command(ids) if context.options.wait else ""

    def waits(job: Any) -> bool:
        return bool(context.options.wait or (context.options.out and _is_report(job)))

    def read(one: str) -> Any:
        body = look(context, one)
        job = answers.record(body)
        follows = waits(job) and state(job) not in ENDED
        return watch(context, one, end) if follows else body

    def check(one: str, job: Any) -> LeadGeniusError | None:
        return verdict(one, job) if waits(job) or state(job) in ENDED else None

    if len(ids) > 1:
        return many.show(context, ids, lambda one: answers.record(hidden(read(one))), check)
    body = read(ids[0])
    job = answers.record(body)
    error = check(ids[0], job)
    if not (context.options.out and _is_report(job)):
        request.show(context, hidden(body))
    if error:
        raise error
    return write_report(context, job) if context.options.out and _is_report(job) else 0


def _is_report(job: Any) -> bool:
    content = answers.dig(job, "result.content")
    return content is not None or answers.dig(job, "type") == "report"


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
    form = str(answers.dig(job, "result.format") or "json")
    if form != output.format:
        word = plain(form, "json")
        raise UsageError(f"The report is {word}: let the name of --out end in .{word}.")
    output.fields = None  # they are of the job
    if form == "csv":
        reader = csv.DictReader(io.StringIO(str(content), newline=""), restkey="")
        rows, output.columns = list(reader), list(reader.fieldnames or ())
        output.listing(rows, context.client.requests, **context.mark())
        return 0
    made = content
    with contextlib.suppress(ValueError, RecursionError):  # a text that is no JSON stays one
        made = json.loads(content) if isinstance(content, str) else content
    with replace_whole(context.options.out) as file:
        file.write(output.masked(compact(made) + "\n"))
    count = len(made) if isinstance(made, list) else 1
    output.receipt(count, context.client.requests, True, **context.mark())
    return 0
