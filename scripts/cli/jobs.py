"""Jobs: printed and kept the moment they are known, then followed to their end.

Starting a job may cost money, so the hint of what can be tried again is the status command.
"""

import contextlib
import csv
import io
import json
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
TASKS = ("completedTasks", "totalTasks")
_FILE = "jobs.jsonl"


def note(context: Context, job_id: str) -> None:
    """Print and keep the id of a job just started. UnknownOutcomeError when the job cannot be
    followed."""
    try:
        check_id(job_id)
    except UsageError as error:
        raise UnknownOutcomeError(
            "A job was started that cannot be followed: the server gave it no usable id.",
            hint="check_change",
            outcome="applied",
        ) from error
    context.notes("note", f"Job {plain(job_id)} was started; to follow it: {command(job_id)}")
    context.append(_FILE, jobId=job_id, operation=context.operation.id, status="started")


def command(job_id: str) -> str:
    """What one types to follow a job."""
    return f"{{lgp}} jobs status {plain(job_id, 'JOB')} --wait"


def started_here(context: Context) -> None:
    """`jobs list`: the jobs of this service started from this machine, the newest first, each as it
    was last seen."""
    client, found = context.client, dict[str, Any]()
    for line in read_private(client.state / _FILE).splitlines():
        with contextlib.suppress(ValueError, LookupError, TypeError):  # a line of a full disk
            row = json.loads(line)
            if row["origin"] == client.origin:
                found.setdefault(row["jobId"], {}).update(row)
    context.output.listing([*found.values()][::-1])


def watch(context: Context, job_id: str) -> tuple[Any, LeadGeniusError | None]:
    """The last answer about a job, and what is wrong: it runs on after --wait-time, it failed,
    tasks of it did, or there is no answer. Looks once; with --wait or --out until it has ended."""
    path, options = request.path_of(operations()["enrichment.status"], job_id), context.options
    end, pauses = 0.0, iter(PAUSES)
    if options.wait or options.out:  # the same for all jobs; a second before --max-time
        usual = WAIT_TIME[context.notes.terminal]
        seconds = usual if options.wait_time is None else options.wait_time
        end = min(context.output.started + seconds, context.end - 1.0)
    again = context.notes.go_on = command(job_id)
    while True:
        sleep(max(min(next(pauses, LATER), end - monotonic()), 0.0))
        try:
            body = context.client.get(path)
        except LeadGeniusError as error:
            if error.retryable:
                error.hint = again
            return None, error
        state = state_of(body)
        if state in ENDED or monotonic() >= end:
            break
        tasks = [answers.dig(body, f"data.{name}", name) for name in TASKS]
        done, total = (one if type(one) is int else 0 for one in tasks)
        context.notes.progress(f"{done:,} of {plural(total, 'task')}", done, total or None)
    context.append(_FILE, jobId=job_id, status=state)
    report = answers.dig(body, "data.result", "result")
    content = answers.dig(report, "content")
    if content and not options.out:  # of any length
        report["content"] = f"{len(str(content)):,} characters; --out FILE writes them"
    return body, verdict(job_id, body) if end or state in ENDED else None


def verdict(job_id: str, body: Any) -> LeadGeniusError | None:
    """What is wrong with a job: it runs on, it failed, or tasks of it did."""
    job, state = f"The job {plain(job_id)}", state_of(body)
    if state not in ENDED:
        return StillRunningError(f"{job} is still running.", command(job_id), retryable=True)
    if state == "completed" and not answers.dig(body, "data.failedTasks", "failedTasks"):
        return None
    return RefusedError(
        f"{job} is {state}, and tasks of it failed.",
        "Read the reasons first; leads enrich --todo-out FILE keeps the ids.",
        code="job_failed",
    )


def state_of(body: Any) -> str:
    """queued, running, completed or failed; "" where the server does not say."""
    return answers.text(body, "data.status", "status") or ""


def status(context: Context) -> None:
    """`jobs status`, `enrichment status`: one or several jobs, followed with --wait or --out. Exit
    4 when a job or task failed, 10 when one still runs after waiting."""
    request.read_ids(context, lambda one: finish(context, one), lambda one: watch(context, one))


def finish(context: Context, job_id: str) -> None:
    """What became of a job, followed with --wait or --out: the answer, or its report in --out, in
    the format that the file's name says."""
    out, output = context.options.out, context.output
    body, error = watch(context, job_id)
    content = answers.dig(body, "data.result.content", "result.content")
    if out and error:
        raise error
    if out and content:
        output.columns = ()  # those of its rows
        with contextlib.suppress(ValueError, TypeError):  # parsed already, or csv
            content = json.loads(content)
        if isinstance(content, str):
            content = list(csv.DictReader(io.StringIO(content)))
        body = content
    if body:
        output.document(body)
    if error:
        raise error
