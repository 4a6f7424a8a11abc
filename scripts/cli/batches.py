"""Changes of many records: sent in batches, and one shape of result whose numbers add up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cli import inputs, jobs, many, request
from cli.context import MANY, Context
from cli.many import FIRST
from cli.parser import flags_of
from cli.rows import row_id
from cli.text import compact, plain, plural
from contract.operations import Operation
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, LocalError, RefusedError, StillRunningError
from leadgenius.files import check_place, replace_whole
from leadgenius.retry import IDEMPOTENT, Answer

# The outcomes of a record, as a person reads them.
OUTCOMES = {"applied": "", "skipped": "skipped", "rejected": "refused", "unknown": "unknown"}
OUTCOMES["not_sent"] = "not sent"
DONE = {  # operation → what was done to the records
    "leads.create-batch": "created",
    "leads.delete-batch": "deleted",
    "leads.status": "set to {status}",
    "sequences.enroll": "enrolled in {target}",
    "enrichment.trigger": "sent to enrichment",
    "campaigns.archive": "archived",
}
# Where the answer of a batch counts what was done.
COUNTED = {
    "leads.create-batch": "created",
    "leads.delete-batch": "deleted",
    "sequences.enroll": "enrolled",
}
VERBS = {"deletes": "delete", "spends": "enrich (which spends)", "contacts-people": "enrol"}
Key = int | str  # the number of a row to create, from 1, or an id


class Part(NamedTuple):
    """One request of several: the records it is about, its path and its body."""

    keys: Sequence[Key]
    path: str
    body: Any


class Left(NamedTuple):
    """A record of an accepted part that was not done; `key` None: the server does not say which."""

    key: Key | None
    outcome: str
    code: str
    message: str


class Result:
    """What became of every record. Each has exactly one outcome, so the numbers add up."""

    def __init__(self, keys: Iterable[Key], rows: Sequence[Any] = ()) -> None:
        self.outcomes: dict[Key, str] = dict.fromkeys(keys, "not_sent")
        self.rows = rows  # those to create
        self.created: list[str] = []
        self.unnamed: set[Key] = set()  # of these the server only counts what it did
        self.problems: list[dict[str, Any]] = []
        self.jobs: list[tuple[dict[str, Any], Part]] = []
        self.errors: list[LeadGeniusError] = []

    def fail(self, part: Part, error: LeadGeniusError) -> None:
        """A part that was refused or not sent, or whose outcome is unknown."""
        self.errors.append(error)
        self.outcomes |= dict.fromkeys(part.keys, error.outcome or "not_sent")
        self.problems += [many.problem(error, **self._name(key)) for key in part.keys]

    def accept(self, part: Part, left: Sequence[Left]) -> None:
        """A part that the server took, but for what is `left`."""
        self.outcomes |= dict.fromkeys(part.keys, "applied")
        named = {one.key for one in left if one.key is not None}
        others = [key for key in part.keys if key not in named]
        for one in left:
            facts = {name: value for name, value in one._asdict().items() if name != "key"}
            self.problems.append({**self._name(one.key), **facts})
            key = one.key
            if key is None and others:
                self.unnamed |= set(part.keys) - named
                key = others.pop()
            if key is not None:
                self.outcomes[key] = one.outcome

    def _name(self, key: Key | None) -> dict[str, Any]:
        if not isinstance(key, int):
            return {"id": key}
        row = self.rows[key - 1]
        return {"row": key, "email": row.get("email") if isinstance(row, dict) else None}

    def keys(self, *outcomes: str) -> list[Key]:
        """The records with one of these outcomes, as far as the server names them."""
        found = [key for key, outcome in self.outcomes.items() if outcome in outcomes]
        return [key for key in found if key not in self.unnamed]

    def ids(self, *outcomes: str) -> list[str]:
        """The ids of those records; of rows to create, the ids that were made."""
        return self.created if self.rows else [str(key) for key in self.keys(*outcomes)]

    def as_dict(self, sandbox: bool) -> dict[str, Any]:
        """What is printed."""
        counts, ids = Counter(self.outcomes.values()), self.ids("applied")
        return {
            "requested": len(self.outcomes),
            **{name: counts[name] for name in OUTCOMES},
            "ids": ids[:FIRST],
            "ids_total": len(ids),
            "jobs": [job for job, _ in self.jobs],
            "problems": self.problems[:FIRST],
            "problems_total": len(self.problems),
            "sandbox": sandbox,
        }


def run(context: Context) -> int:
    """The command's operation for every id: one request an id, or as few batches as its ceiling
    allows. One positional id answers with the server's body."""
    operation, name = context.operation, context.operation.id_field()
    ids, target = inputs.ids(context), context.typed("path_id")
    body = {**context.command.defaults, **inputs.flags(context)}
    if name:
        path = request.path_of(operation, inputs.record_id(context, target) if target else None)
        size = operation.ceiling(name)
        chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
        parts = [Part(chunk, path, {name: chunk, **body}) for chunk in chunks]
    else:
        sent = body if operation.body else None
        parts = [Part([one], request.path_of(operation, one), sent) for one in ids]
    inputs.check_body(context, parts[0].body)
    if isinstance(target, list) and len(ids) == 1:
        return request.send(context, parts[0].path, body=parts[0].body)
    return _run(context, operation, parts, Result(ids))


def create_leads(context: Context, rows: list[Any], operation: Operation) -> int:
    """Rows of leads, which were checked before, in batches."""
    size, parts = operation.ceiling("leads"), []
    for start in range(0, len(rows), size):
        chunk = rows[start : start + size]
        keys = range(start + 1, start + len(chunk) + 1)
        parts.append(Part(keys, operation.path, {"leads": chunk}))
    return _run(context, operation, parts, Result(range(1, len(rows) + 1), rows))


def _run(context: Context, operation: Operation, parts: list[Part], result: Result) -> int:
    client, effect, count = context.client, operation.effect, len(result.outcomes)
    needs_yes = effect == "deletes" or (effect in VERBS and count > MANY)
    for flag in ("--ids-out", "--todo-out"):
        if file := _file(context, flag):
            check_place(file, flag)
    known = list(result.as_dict(False))
    inputs.check_fields(context, context.options.fields or (), "--fields", known)
    client.check_changes(count)
    if context.options.dry_run:
        fields = (parts[0].body or {}).items()
        body = {name: one[:2] if isinstance(one, list) else one for name, one in fields} or None
        return many.preview(context, parts[0].path, body, count, len(parts), needs_yes)
    if needs_yes:
        where = " in the sandbox" if context.options.sandbox else f" at {client.origin}"
        context.confirm(count, VERBS[effect], [str(key) for key in result.outcomes], where)
    try:
        _send(context, operation, parts, result)
        _follow(context, result)
    except (KeyboardInterrupt, SystemExit):
        context.notes.go_on = context.notes.go_on or _again(context)
        raise
    finally:
        _report(context, operation, parts[0].path, result)
    return _conclude(context, operation, result)


def _file(context: Context, flag: str) -> Path | None:
    typed = context.typed(flag[2:].replace("-", "_"))
    return Path(typed) if typed else None


def _send(context: Context, operation: Operation, parts: Sequence[Part], result: Result) -> None:
    """Send the parts in order. A refusal does not stop it; whatever else goes wrong does."""
    client, total, done = context.client, len(result.outcomes), 0
    for part in parts:
        client.last_outcome = "not_sent"
        try:
            answer = client.call(operation.method, part.path, body=part.body)
            result.accept(part, left_undone(operation, part.keys, answer))
            _keep(context, operation, part, answer.body, result)
        except RefusedError as error:
            result.fail(part, error)
        except LeadGeniusError as error:
            return result.fail(part, error)
        except (KeyboardInterrupt, SystemExit):
            outcome = client.last_outcome or "not_sent"
            result.outcomes |= dict.fromkeys(part.keys, outcome)
            raise
        done += len(part.keys)
        words = f"{done:,} of {plural(total, 'record')}, {plural(client.requests, 'request')}"
        context.notes.progress(words, done, total)
    return None


def _keep(context: Context, operation: Operation, part: Part, body: Any, result: Result) -> None:
    """The ids of what was made, or the job that was started."""
    made = answers.dig(body, "createdIds", "data.createdIds")
    if result.rows and isinstance(made, list):
        result.created += [one for one in map(row_id, made) if one][: len(part.keys)]
    if operation.id != "enrichment.trigger":
        return
    job_id = answers.job_id(body)
    followable = jobs.note(context, job_id, operation.id)
    status = (jobs.state(answers.record(body)) or "queued") if followable else "unknown"
    job = {"jobId": job_id, "status": status, "requested": len(part.keys), "failed": 0}
    result.jobs.append((job, part))


def _follow(context: Context, result: Result) -> None:
    """With --wait: every job to its end. Its failed tasks are rejected records."""
    if not context.options.wait:
        return
    end, notes = jobs.end_of_waiting(context), context.notes
    notes.go_on = jobs.command([job["jobId"] for job, _ in result.jobs])
    for job, part in result.jobs:
        try:
            if job["status"] == "unknown":
                raise StillRunningError("A job that was started cannot be followed.")
            record = answers.record(jobs.watch(context, job["jobId"], end))
        except LeadGeniusError as error:
            result.errors.append(error)
            continue
        left = _failed(part.keys, record)
        result.accept(part, left)
        job |= {"status": jobs.state(record), "failed": len(left)}
        verdict = jobs.verdict(job["jobId"], record)
        result.errors += [verdict] if verdict else []
    notes.go_on = ""


def _failed(keys: Sequence[Key], job: Any) -> list[Left]:
    """The failed tasks of a job; every record of one that failed as a whole."""
    found = jobs.failures(job)
    reasons: dict[Key | None, str] = {key: reason for key, reason in found if key in keys}
    left = [Left(key, "rejected", "task_failed", reason) for key, reason in reasons.items()]
    if jobs.state(job) in ("failed", "cancelled"):
        rest = [key for key in keys if key not in reasons]
        return left + [Left(key, "rejected", "job_failed", "The job failed.") for key in rest]
    unnamed = Left(None, "rejected", "task_failed", "The server does not say which.")
    return left + [unnamed] * (min(len(found), len(keys)) - len(left))


def left_undone(operation: Operation, keys: Sequence[Key], answer: Answer) -> list[Left]:
    """What an accepted batch did not do: what the server names, and what its counts leave out.

    Servers differ: a list with reasons, a number, or only how many were done.
    """
    if operation.id not in COUNTED:
        return []
    absent, skipped, done = (
        answers.dig(answer.body, name, f"data.{name}")
        for name in ("notFound", "skipped", COUNTED[operation.id])
    )
    gone = ("rejected", "not_found", "There is no such lead.")
    if answer.maybe_applied and operation.id == "leads.delete-batch":
        gone = ("applied", "deleted_or_absent", "Deleted by an attempt before, or never there.")
    left = [Left(key, *gone) for key in keys if isinstance(absent, list) and key in absent]
    if isinstance(skipped, list):
        left += [_skip(keys, one) for one in skipped if isinstance(one, dict)]
    elif type(skipped) is int:
        bare = Left(None, "skipped", "skipped", "The server says neither which nor why.")
        left += [bare] * min(max(skipped, 0), len(keys))
    if type(done) is not int or not 0 <= done <= len(keys):
        return left
    other, rest = ("rejected", "unexplained", "It was not done."), len(keys) - done
    other = gone if gone[0] == "applied" else other
    return left[:rest] + [Left(None, *other)] * (rest - len(left))


def _skip(keys: Sequence[Key], one: dict[str, Any]) -> Left:
    """One skipped record: a row by its index, a lead by its id; whether it was there before."""
    index, key, reason = one.get("index"), one.get("leadId"), str(one.get("reason") or "")
    if type(index) is int and 0 <= index < len(keys):
        key = keys[index]
    key = key if key in keys else None
    if not reason or re.search(r"already|duplicate|\bexists\b", reason, re.IGNORECASE):
        return Left(key, "skipped", "duplicate", reason or "The server does not say why.")
    return Left(key, "rejected", "refused", reason)


def _report(context: Context, operation: Operation, path: str, result: Result) -> None:
    """The line in changes.jsonl, the files of ids, and the result on stdout, unless nothing came
    of it."""
    output, client = context.output, context.client
    document = result.as_dict(client.sandbox)
    counts = {name: document[name] for name in OUTCOMES}
    if counts["applied"] or counts["unknown"]:
        outcome = "unknown" if counts["unknown"] else "applied"
        context.record_change(path, result.ids("applied", "unknown"), **counts, outcome=outcome)
    harmless = ["unknown"] if operation.method in IDEMPOTENT else []
    to_do = result.keys("rejected", "not_sent", *harmless)
    rows = [result.rows[int(key) - 1] for key in to_do] if result.rows else []
    texts = {"--ids-out": "".join(f"{one}\n" for one in result.ids("applied"))}
    texts["--todo-out"] = compact(rows) if rows else "".join(f"{key}\n" for key in to_do)
    try:
        for flag, text in texts.items():
            if file := _file(context, flag):
                with replace_whole(file) as out:
                    out.write(text)
        output.columns = list(document)
        if output.format == "ids":
            output.listing(result.ids("applied"), client.requests, **context.mark())
        elif counts["not_sent"] < document["requested"]:
            request.show(context, document, _sentence(context, operation, result))
    except LocalError as error:
        result.errors.append(error)


def _sentence(context: Context, operation: Operation, result: Result) -> str:
    """`289 leads enrolled in First touch; 1 skipped: already enrolled.`"""
    counts = Counter(result.outcomes.values())
    target = str(context.typed("path_id") or "").rpartition("=")[2]
    done = DONE[operation.id].format(status=context.typed("body_status"), target=target)
    noun = "campaign" if operation.id.startswith("campaigns") else "lead"
    parts = [f"{plural(counts['applied'], noun)} {done}"]
    for outcome, word in OUTCOMES.items():
        if word and counts[outcome]:
            reasons = {one["message"] for one in result.problems if one.get("outcome") == outcome}
            reason = f": {reasons.pop().rstrip('.')}" if len(reasons) == 1 else ""
            parts.append(f"{counts[outcome]:,} {word}{reason}")
    return "; ".join(parts) + "."


def _conclude(context: Context, operation: Operation, result: Result) -> int:
    """0, or the worst error raised, with the command that goes on or finds out."""
    rejected = list(result.outcomes.values()).count("rejected")
    if rejected and not any(isinstance(one, RefusedError) for one in result.errors):
        words = f"{rejected:,} of {plural(len(result.outcomes), 'record')} were refused"
        hint = "problems names them; --todo-out FILE keeps what failed."
        result.errors.append(RefusedError(f"{words}.", hint=hint, outcome="rejected"))
    error = many.worst(result.errors)
    if error is None:
        return 0
    if error.exit_code == 8 and operation.method not in IDEMPOTENT:
        error.hint = _find(context, operation, result) or error.hint
    elif error.exit_code in (4, 5, 6, 8) and _file(context, "--todo-out"):
        error.hint = _again(context)
    raise error


def _find(context: Context, operation: Operation, result: Result) -> str:
    """The command that shows whether a change without an answer was applied."""
    if operation.id == "sequences.enroll":
        target = plain(str(context.typed("path_id")).rpartition("=")[2])
        return f"{{lgp}} sequences list --where id={target}   (enrolledCount)"
    if not result.rows:
        return ""
    key = next(key for key, outcome in result.outcomes.items() if outcome == "unknown")
    row = result.rows[int(key) - 1]
    return f"{{lgp}} leads list --email {plain(row.get('email'), 'ADDRESS')}"


def _again(context: Context) -> str:
    """The command for what is still to do."""
    if not _file(context, "--todo-out"):
        return "The result on stdout says what was done."
    words, target = context.command.words, context.typed("path_id")
    if words == "leads create":
        return "{lgp} leads create --data @FILE   (FILE is that of --todo-out)"
    flags = [
        f" {flags_of(context.command, name)[0]} {plain(value, 'VALUE')}"
        for name, value in inputs.flags(context).items()
    ]
    target = f" {plain(target)}" if isinstance(target, str) else ""
    return f"{{lgp}} {words}{target} --ids-from FILE{''.join(flags)}   (FILE is that of --todo-out)"
