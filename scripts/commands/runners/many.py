"""Many records in one process: parts sent one after another, and one shape of result whatever their number."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands.runners import inputs, jobs, rehearsal, shortfall, single
from commands.runners.rows import Call
from console.catalog import Operation
from console.output import Receipt, check_place, whole_file
from console.rendering import row_id
from console.session import LARGE_ENROLMENT
from console.text import plain_id
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, LocalError, RefusedError, StillRunningError
from leadgenius.retry import RETRYABLE

FIRST_PROBLEMS = 50
WORST = (8, 9, 7, 6, 5, 3, 4, 10)  # the exit code of a result is that of its worst part
_RANK = {code: rank for rank, code in enumerate(WORST)}


@dataclass(frozen=True)
class Part:
    """One request of several: the records it is about, its path and its body."""

    records: Sequence[str]
    path: str
    body: Any = None


@dataclass
class Result:
    """What became of every record. `fail` and `apply` keep requested = applied + rejected + unknown + not_sent."""

    requested: int
    applied: int = 0
    rejected: int = 0
    unknown: int = 0
    not_sent: int = 0
    brief: bool = False  # parts are one record each and their answers tell nothing new: the counts are what matters
    problems: list[dict[str, Any]] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    errors: list[LeadGeniusError] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)

    def apply(self, part: Part, status: int, answer: Any, refused: Sequence[dict[str, Any]] = ()) -> None:
        """A part that the server took; `refused` are the records in it that it did not, or had done before."""
        rejected = sum(problem["outcome"] == "rejected" for problem in refused)
        self.applied += len(part.records) - rejected
        self.rejected += rejected
        self.problems += refused
        self._add(part, "applied", {"http_status": status} if self.brief else {"http_status": status, "answer": answer})

    def fail(self, part: Part, outcome: str, error: LeadGeniusError, again: bool) -> None:
        """A part that was rejected, not sent, or whose outcome is unknown; `again`: its records are still to do."""
        setattr(self, outcome, getattr(self, outcome) + len(part.records))
        self.errors.append(error)
        told = {"outcome": outcome, "http_status": error.facts.get("http_status")}
        told |= {"code": error.code, "message": error.message}
        self.problems += [{"id": record, **told} for record in part.records]
        ids = {"ids": list(part.records)} if len(part.records) > 1 else {}
        self._add(part, outcome, {"http_status": told["http_status"], "error": error.code, **ids})
        self.to_do += part.records if again else []

    def leave(self, parts: Sequence[Part]) -> None:
        """Parts that were not begun."""
        for part in parts:
            self.not_sent += len(part.records)
            self.to_do += part.records

    def _add(self, part: Part, outcome: str, more: dict[str, Any]) -> None:
        name = {"id": part.records[0]} if len(part.records) == 1 else {}
        self.parts.append({**name, "requested": len(part.records), "outcome": outcome, **more})

    def worst(self) -> LeadGeniusError | None:
        """The error whose exit code is to be the command's."""
        return min(self.errors, key=lambda error: _RANK.get(error.exit_code, len(WORST)), default=None)

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"requested": self.requested, "applied": self.applied, "rejected": self.rejected}
        told |= {"unknown": self.unknown, "not_sent": self.not_sent, "problems": self.problems[:FIRST_PROBLEMS]}
        parts = self.parts[:FIRST_PROBLEMS] if self.brief else self.parts
        return {**told, "problems_total": len(self.problems), "parts": parts, "parts_total": len(self.parts)}


def run(call: Call) -> int:
    """The row's operation for every id: one request an id, or as few batches as the ceiling allows."""
    session, operation = call.session, call.operation
    session.refuse_change(operation)
    inputs.check_fields(call)
    ids = inputs.ids(call)
    parts = _parts(call, ids)
    _permit(call, ids)
    if call.typed("ids_out"):
        check_place(Path(call.typed("ids_out")), "--ids-out")
    if session.settings.dry_run:
        return rehearsal.many(call, parts[0].path, _first_two(operation, parts[0].body), len(ids), len(parts))
    if len(ids) == 1:
        return _one(call, parts[0])
    result = Result(len(ids), brief=operation.changing and operation.id_field() is None)
    send(call, parts, result)
    return conclude(call, result)


def _parts(call: Call, ids: list[str]) -> list[Part]:
    operation, name = call.operation, call.operation.id_field()
    if name is None:
        body = inputs.body(call) if operation.body else None
        return [Part([one], single.path_of(operation, one), body) for one in ids]
    others = {**call.row.defaults, **inputs.flags(call)}
    size = operation.ceiling(name)
    chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
    inputs.check_body(call, {name: chunks[0], **others})
    path = single.path_of(operation, call.typed("path_id"))
    return [Part(chunk, path, {name: chunk, **others}) for chunk in chunks]


def _permit(call: Call, ids: list[str]) -> None:
    operation, session = call.operation, call.session
    if operation.changing:
        session.check_changes(len(ids))
    if operation.effect == "deletes":
        session.demand_yes(len(ids), "deletes", ids)
    if operation.effect == "contacts-people" and len(ids) > LARGE_ENROLMENT:
        session.demand_yes(len(ids), "enrols, and so contacts,", ids)


def _first_two(operation: Operation, body: Any) -> Any:
    name = operation.id_field()
    return {**body, name: body[name][:2]} if name else body


def _one(call: Call, part: Part) -> int:
    """One id answers with the server's body."""
    operation, session = call.operation, call.session
    answer = session.client.call(operation.method, part.path, body=part.body)
    body = answer.body
    if operation.id == "enrichment.status":
        body = _watched(call, part.records[0], body)
    elif call.row.waits:
        body = jobs.started(call, body)
    single.show(call, body)
    shortfall.judge(operation, shortfall.of(operation, part.records, answer))
    return 0


def _watched(call: Call, job_id: str, body: Any) -> Any:
    """`enrichment status --wait`: look at once, and only then by the schedule."""
    if not call.session.settings.wait:
        return body
    return _ended(call, job_id, body, jobs.last_moment(call))


def _ended(call: Call, job_id: str, body: Any, end: float) -> Any:
    """The job's last answer: `body` itself if that shows its end, else what comes until `end`."""
    return jobs.judged(body, job_id) if jobs.has_ended(answers.record(body)) else jobs.followed(call, job_id, end)


def send(call: Call, parts: Sequence[Part], result: Result) -> None:
    """Send the parts in order into `result`. What cannot be known or sent stops the run; a refusal does not."""
    operation, client = call.operation, call.session.client
    for position, part in enumerate(parts):
        try:
            answer = client.call(operation.method, part.path, body=part.body)
        except LeadGeniusError as error:
            outcome = _outcome(operation, error)
            # A refused key or a full window says nothing of the records: they are still to do.
            untried = outcome == "not_sent" or (outcome == "rejected" and not isinstance(error, RefusedError))
            again = untried or (outcome == "unknown" and operation.method in RETRYABLE | {"GET"})
            result.fail(part, outcome, error, again)
            if not isinstance(error, RefusedError):
                return result.leave(parts[position + 1 :])
        except (KeyboardInterrupt, SystemExit) as stop:
            _interrupted(call, result, part, parts[position + 1 :], stop)
            raise
        else:
            result.apply(part, answer.status, answer.body, shortfall.of(operation, part.records, answer))
            _tell_job(call, answer.body)
        call.session.notes.progress(f"{position + 1} of {len(parts)} requests, {result.applied} records done")
    return None


def _outcome(operation: Operation, error: LeadGeniusError) -> str:
    told = error.facts.get("outcome")
    if told:
        return str(told)
    return {4: "rejected", 3: "rejected", 7: "unknown"}.get(error.exit_code, "not_sent")


def _tell_job(call: Call, body: Any) -> None:
    job_id = answers.job_id(body) if call.row.waits and call.operation.changing else None
    if job_id:
        jobs.note(call, job_id)


def _interrupted(call: Call, result: Result, part: Part, rest: Sequence[Part], stop: BaseException) -> None:
    """The result so far is data even now: what was done cannot be told later."""
    outcome = getattr(stop, "outcome", None) or "not_sent"
    error = LeadGeniusError("Stopped while this was in flight.", code="interrupted", outcome=outcome)
    if outcome == "applied":
        result.apply(part, 200, None)
    else:
        result.fail(part, outcome, error, outcome == "not_sent" or call.operation.method in RETRYABLE)
    result.leave(rest)
    stop.hint = _go_on_hint(call, result)  # type: ignore[attr-defined]
    if result.applied or outcome != "not_sent":
        call.session.output.document(result.as_dict())
    with contextlib.suppress(LocalError):  # the signal is what this run ends by
        _write_to_do(call, result)


def _go_on_hint(call: Call, result: Result) -> str:
    """How to do what is left: with the file of --ids-out when there is one."""
    name = call.typed("ids_out")
    if not (name and result.to_do):
        return "The result on stdout says what was done before."
    return f"{{lgp}} {call.row.name} --ids-from {name} …   (the ids that are still to do)"


def conclude(call: Call, result: Result) -> int:
    """Follow the jobs, print the result, write --ids-out; then raise the worst error, whose exit code counts."""
    try:
        if call.session.settings.wait:
            _follow(call, result)
    except (KeyboardInterrupt, SystemExit):
        call.session.output.document(result.as_dict())  # the jobs have been started all the same
        raise
    if result.applied or result.rejected or result.unknown:  # else nothing came of it at all: stdout stays empty
        _print(call, result)
    try:
        _write_to_do(call, result)
    except LocalError as error:
        result.errors.append(error)
    worst = result.worst()
    if worst:
        if result.to_do and call.typed("ids_out"):
            worst.hint = _go_on_hint(call, result)
        raise worst
    shortfall.judge(call.operation, result.problems)
    return 0


def _print(call: Call, result: Result) -> None:
    output, operation = call.session.output, call.operation
    if operation.method == "GET" and output.form != "json":
        rows = [answers.record(part["answer"]) for part in result.parts if "answer" in part]
        shape, receipt = output.shape(operation.columns(), call.row.table), Receipt(complete=not result.problems)
        output.listing(iter([rows]), {}, shape, receipt)
        output.receipt(receipt, call.session.client.requests)
        return
    told = result.as_dict()
    single.show(call, told, list(told))


def _follow(call: Call, result: Result) -> None:
    """Each part's job to its end. Jobs that run on, or failed, are errors of the result; the others are looked at."""
    end = jobs.last_moment(call)
    for part in result.parts:
        job_id = part.get("id") if call.operation.id == "enrichment.status" else answers.job_id(part.get("answer"))
        if job_id is None or part["outcome"] != "applied":
            continue
        try:
            part["job"] = answers.record(_ended(call, job_id, part["answer"], end))
            _tell_failures(call, result, job_id, part["job"])
        except (StillRunningError, RefusedError) as error:
            part["job"] = {"jobId": job_id, "status": "failed" if error.code == "job_failed" else "running"}
            part["job"] |= {"errors": error.facts.get("details")} if error.facts.get("details") else {}
            result.errors.append(error)
        except LeadGeniusError as error:
            part["job"] = {"jobId": job_id, "status": "unknown", "error": error.code}
            result.errors.append(error)


def _tell_failures(call: Call, result: Result, job_id: str, job: Any) -> None:
    """Tasks that failed in a job that did not: no error, but not to be overlooked either."""
    failed = job.get("errors") if isinstance(job, dict) else None
    if not isinstance(failed, list) or not failed:
        return
    told = {
        "outcome": "task_failed",
        "http_status": None,
        "code": "task_failed",
        "message": "Its task in the job failed.",
    }
    result.problems += [{"id": row_id(one), **told} for one in failed]
    call.session.notes(
        "warning", f"{len(failed)} tasks of the job {plain_id(job_id)} failed; problems and parts name them."
    )


def _write_to_do(call: Call, result: Result) -> None:
    name = call.typed("ids_out")
    if not name:
        return
    with whole_file(Path(name)) as file:
        file.write("".join(f"{one}\n" for one in result.to_do))
    if result.to_do:
        call.session.notes("note", f"{len(result.to_do)} ids are still to do; they stand in the file of --ids-out.")
