"""Jobs: told the moment they are known, kept in jobs.jsonl, and followed to their end with --wait.

Starting a job may cost money, so whatever goes wrong while following it, the next step named is the status command.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from commands.runners.rows import Call
from console.text import compact, plain_id
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, StillRunningError, UnknownOutcomeError, UsageError
from leadgenius.files import open_own
from leadgenius.judgement import moment
from leadgenius.scopes import segment

_PAUSES = (2.0, 4.0, 8.0, 15.0)
_LATER_PAUSE = 30.0
_ENDED = ("completed", "failed", "cancelled")


def started(call: Call, answer: Any) -> Any:
    """Tell and keep the job that `answer` names; with --wait the answer that shows it ended."""
    job_id = answers.job_id(answer)
    if job_id is None and call.session.settings.wait:
        raise UnknownOutcomeError(
            "The server took the request and named no job, so nothing can be followed.",
            hint="Look in the web application before you start it again.",
            outcome="unknown",
        )
    if job_id is None:
        return answer
    note(call, job_id)
    return followed(call, job_id) if call.session.settings.wait else answer


def note(call: Call, job_id: str) -> None:
    """Say a job's id and write it down, before anything else can go wrong."""
    session = call.session
    session.notes("note", f"Job {plain_id(job_id)} has been started ({command(job_id)} follows it)")
    line = {"at": moment(time.time()), "jobId": job_id, "operation": call.operation.id, "origin": session.origin}
    if session.folder is None:
        return
    try:
        descriptor = open_own(session.folder / "jobs.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(compact(line) + "\n")
    except OSError:
        session.notes("warning", "The job's id could not be written to jobs.jsonl in the state directory.")


def command(job_id: str) -> str:
    """What one types to follow a job. An id that a shell would read as more than a word is left to be filled in."""
    return f"{{lgp}} enrichment status {plain_id(job_id)} --wait"


def last_moment(call: Call) -> float:
    """When following has to stop, as a time of time.monotonic(): after --wait-time, or at the end of --max-time."""
    ends = [time.monotonic() + call.session.settings.wait_time, call.session.end]
    return min(one for one in ends if one is not None)


def followed(call: Call, job_id: str, end: float | None = None) -> Any:
    """The status answer of a job that has ended, at least one of its tasks well. `end` is shared by several jobs.

    StillRunningError when that moment comes first; RefusedError when every task failed.
    """
    try:
        for pause in _schedule(last_moment(call) if end is None else end):
            time.sleep(pause)
            looked = status(call, job_id)
            job = answers.record(looked)
            if has_ended(job):
                return judged(looked, job_id)
            call.session.notes.progress(_progress(job_id, job))
    except (KeyboardInterrupt, SystemExit) as stop:
        stop.hint = f"The job goes on. {command(job_id)}"  # type: ignore[union-attr]
        raise
    raise still_running(job_id)


def status(call: Call, job_id: str) -> Any:
    """The body of one look at a job; the hint of any failure is the status command, never the one that starts."""
    try:
        return call.session.client.call("GET", f"/api/agent/enrichment/status/{segment(job_id)}").body
    except UsageError as error:
        raise StillRunningError(
            "The job has been started, but the server gave it an id that cannot be asked for.",
            hint="Look in the web application; starting it again would be another job.",
        ) from error
    except LeadGeniusError as error:
        error.hint = f"The job has been started and goes on. {command(job_id)}"
        raise


def judged(answer: Any, job_id: str) -> Any:
    """`answer`, or RefusedError (job_failed) when the job failed as a whole."""
    job = answers.record(answer)
    if state_of(job) != "failed":
        return answer
    raise RefusedError(
        f"The job {plain_id(job_id)} failed: every task of it did.",
        code="job_failed",
        hint="details lists the tasks; mend what they name and start a new job with those ids alone.",
        details=job.get("errors"),
    )


def still_running(job_id: str) -> StillRunningError:
    return StillRunningError(f"The job {plain_id(job_id)} is still running.", hint=command(job_id), retryable=True)


def state_of(job: Any) -> str:
    return str(job.get("status", "")) if isinstance(job, dict) else ""


def has_ended(job: Any) -> bool:
    return state_of(job) in _ENDED


def _schedule(end: float) -> Iterator[float]:
    """Pauses before each look: 2, 4, 8, 15, 30, 30 … seconds, the last one cut to what is left."""
    for pause in chain(_PAUSES, repeat(_LATER_PAUSE)):
        left = end - time.monotonic()
        if left <= 0:
            return
        yield min(pause, left)


def _progress(job_id: str, job: Any) -> str:
    done, total = (
        (job.get(name) for name in ("completedTasks", "totalTasks")) if isinstance(job, dict) else (None, None)
    )
    name = plain_id(job_id)
    return f"Job {name}: {done} of {total} tasks done" if total else f"Job {name} is {plain_id(state_of(job))}"
