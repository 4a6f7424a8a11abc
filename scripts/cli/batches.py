"""Changes of many records: sent in batches, and one shape of result whose numbers add up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cli import inputs, jobs, many, request
from cli.context import MANY, Context
from cli.many import FIRST
from cli.text import compact, plain, plural
from contract.operations import Operation
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, LocalError, RefusedError, StillRunningError
from leadgenius.files import check_place, replace_whole
from leadgenius.retry import IDEMPOTENT, Answer

OUTCOMES = ("applied", "skipped", "rejected", "unknown", "not_sent")
DONE = {  # operation → what was done to the records; an answer counts them by its first word
    "leads.create-batch": "created",
    "leads.delete-batch": "deleted",
    "leads.status": "set to {status}",
    "sequences.enroll": "enrolled in {target}",
    "enrichment.trigger": "sent to enrichment",
    "campaigns.archive": "archived",
}
VERBS = {"deletes": "delete", "spends": "enrich (which spends)", "contacts-people": "enrol"}
Key = int | str  # the number of a row to create, from 1, or an id


class Left(NamedTuple):
    """A record of an accepted batch that was not done; `key` None: the server does not say
    which."""

    key: Key | None
    outcome: str
    code: str
    message: str


def run(context: Context) -> int:
    """The command's operation for every id: one request an id, or as few batches as its ceiling
    allows. One positional id answers with the server's body."""
    operation, name = context.operation, context.operation.id_field()
    ids, target = inputs.ids(context), context.typed("path_id")
    flags = {**context.command.defaults, **inputs.flags(context)}
    record = inputs.record_id(context, target) if name and target else None

    def request_of(keys: Sequence[Key]) -> tuple[str, Any]:
        body = {name: keys, **flags} if name else flags if operation.body else None
        return request.path_of(operation, record if name else str(keys[0])), body

    path, body = request_of(ids[:1])
    inputs.check_body(context, body)
    if isinstance(target, list) and len(ids) == 1:
        return request.send(context, path, body=body)
    size = operation.ceiling(name) if name else 1
    return Changes(context, operation, ids, size, request_of).run()


def create_leads(context: Context, rows: list[Any], operation: Operation) -> int:
    """Rows of leads, which were checked before, in batches."""
    size, keys = operation.ceiling("leads"), range(1, len(rows) + 1)

    def request_of(keys: Sequence[Any]) -> tuple[str, Any]:
        return operation.path, {"leads": [rows[key - 1] for key in keys]}

    return Changes(context, operation, keys, size, request_of, rows).run()


class Changes:
    """What becomes of every record: each has exactly one outcome, so the numbers add up.

    `request_of` makes path and body of a request about at most `size` records; `rows` are those to
    create.
    """

    def __init__(
        self, context: Context, operation: Operation, keys: Sequence[Key], size: int,
        request_of: Callable[[Sequence[Key]], tuple[str, Any]], rows: Sequence[Any] = (),
    ) -> None:  # fmt: skip
        self.context, self.operation, self.rows = context, operation, rows
        self.noun = "campaign" if operation.id.startswith("campaigns") else "lead"
        self.batches = [keys[start : start + size] for start in range(0, len(keys), size)]
        self.request_of = request_of
        self.outcomes: dict[Key, str] = dict.fromkeys(keys, "not_sent")
        self.created: list[str] = []
        self.unnamed: set[Key] = set()  # of these the server only counts what it did
        self.problems: list[dict[str, Any]] = []
        self.jobs: list[tuple[dict[str, Any], Sequence[Key]]] = []
        self.errors: list[LeadGeniusError] = []

    def run(self) -> int:
        """Everything is checked, then sent; what was done is printed, however that ends."""
        context, client, options = self.context, self.context.client, self.context.options
        effect, count = self.operation.effect, len(self.outcomes)
        needs_yes = effect == "deletes" or (effect in VERBS and count > MANY)
        files = {flag: context.typed(flag) for flag in ("ids_out", "todo_out")}
        for flag in filter(files.get, files):
            check_place(Path(files[flag]), "--" + flag.replace("_", "-"))
        inputs.check_fields(context, options.fields or (), "--fields", [*self.as_dict()])
        client.check_changes(count)
        path, body = self.request_of(self.batches[0][:2])
        if options.dry_run:
            return many.preview(context, path, body, count, len(self.batches), needs_yes)
        if needs_yes:
            ids = [str(key) for key in self.outcomes]
            context.confirm(count, VERBS[effect], ids, f" at {client.origin}", self.noun)
        try:
            self.send()
            if options.wait:
                self.follow()
        finally:
            self.report(path, files)
        if rejected := Counter(self.outcomes.values())["rejected"]:
            was = "was" if rejected == 1 else "were"
            words = f"{rejected:,} of {plural(count, self.noun)} {was} refused."
            hint = self.again() or "The result gives each reason; --todo-out FILE keeps the ids."
            self.errors.append(RefusedError(words, hint=hint, outcome="rejected"))
        return many.conclude(self.errors)

    def send(self) -> None:
        """Send the batches in order. A refusal does not stop it; whatever else goes wrong does."""
        client, notes, done, total = self.context.client, self.context.notes, 0, len(self.outcomes)
        harmless = "Run the same command again: twice does no harm."
        notes.go_on = self.again() or harmless * (self.operation.method in IDEMPOTENT)
        for keys in self.batches:
            client.last_outcome = "not_sent"
            path, body = self.request_of(keys)
            try:
                self.accept(keys, client.call(self.operation.method, path, body=body))
            except LeadGeniusError as error:
                self.fail(keys, error)
                if not isinstance(error, RefusedError):
                    return
            except (KeyboardInterrupt, SystemExit):
                self.outcomes |= dict.fromkeys(keys, client.last_outcome or "not_sent")
                raise
            done += len(keys)
            words = f"{done:,} of {plural(total, 'record')}, {plural(client.requests, 'request')}"
            notes.progress(words, done, total)

    def accept(self, keys: Sequence[Key], answer: Answer) -> None:
        """A batch that the server took: what it did and left undone, made and started."""
        self.settle(keys, left_undone(self.operation, keys, answer))
        made = answers.dig(answer.body, "createdIds", "data.createdIds")
        self.created += map(str, made if isinstance(made, list) else ())
        if self.operation.id == "enrichment.trigger":
            job_id, state = answers.job_id(answer.body), jobs.state(answers.record(answer.body))
            followable = jobs.note(self.context, job_id, self.operation.id)
            state = (state or "queued") if followable else "unknown"
            job = {"jobId": job_id, "status": state, "requested": len(keys), "failed": 0}
            self.jobs.append((job, keys))

    def settle(self, keys: Sequence[Key], left: Sequence[Left]) -> None:
        """All of `keys` are done but for what is `left`."""
        named = {one.key: one.outcome for one in left if one.key is not None}
        others = [one.outcome for one in left if one.key is None]
        rest = [key for key in keys if key not in named]
        self.outcomes |= {**dict.fromkeys(rest, "applied"), **named}
        self.outcomes |= zip(rest, others, strict=False)
        self.unnamed |= set(rest if others else ())
        for facts in (one._asdict() for one in left):
            self.problems.append({**self.name(facts.pop("key")), **facts})

    def fail(self, keys: Sequence[Key], error: LeadGeniusError) -> None:
        """A batch that was refused or not sent, or whose outcome is unknown."""
        self.errors.append(error)
        outcome = error.outcome or "not_sent"
        self.outcomes |= dict.fromkeys(keys, outcome)
        self.problems += [many.problem(error, **self.name(key)) for key in keys]
        if outcome == "unknown" and self.rows:
            email = plain(self.problems[-1]["email"], "ADDRESS")
            error.hint = f"{{lgp}} leads list --email {email}"
        elif error.exit_code in (4, 5, 6) or self.operation.method in IDEMPOTENT:
            error.hint = self.again() or error.hint

    def follow(self) -> None:
        """Every job to its end. Its failed tasks are rejected records."""
        end = jobs.end_of_waiting(self.context)
        self.context.notes.go_on = jobs.command([job["jobId"] for job, _ in self.jobs])
        for job, keys in self.jobs:
            try:
                if job["status"] == "unknown":
                    raise StillRunningError("A job that was started cannot be followed.")
                record = answers.record(jobs.watch(self.context, job["jobId"], end))
            except LeadGeniusError as error:
                self.errors.append(error)
                continue
            left = _failed(keys, record)
            self.settle(keys, left)
            job |= {"status": jobs.state(record), "failed": len(left)}
            verdict = jobs.verdict(job["jobId"], record)
            self.errors += [verdict] if verdict else []

    def name(self, key: Key | None) -> dict[str, Any]:
        """How a problem names a record."""
        if not isinstance(key, int):
            return {"id": key}
        return {"row": key, "email": answers.dig(self.rows[key - 1], "email")}

    def keys(self, *outcomes: str) -> list[Any]:
        """The records with one of these outcomes, as far as the server names them."""
        named = [key for key in self.outcomes if key not in self.unnamed]
        return [key for key in named if self.outcomes[key] in outcomes]

    def ids(self, *outcomes: str) -> list[str]:
        """Their ids; of rows to create, those that were made."""
        return self.created if self.rows else self.keys(*outcomes)

    def as_dict(self) -> dict[str, Any]:
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
            "sandbox": self.context.client.sandbox,
        }

    def again(self) -> str:
        """The command for what is still to do, where a file holds that."""
        if not self.context.typed("todo_out"):
            return ""
        flag = "--data @FILE" if self.rows else "--ids-from FILE"
        words = self.context.command.words
        return f"{{lgp}} {words} {flag}   (the rest as before; FILE is that of --todo-out)"

    def report(self, path: str, files: dict[str, Any]) -> None:
        """The line in changes.jsonl, the files of ids, and the result on stdout, unless nothing was
        sent."""
        context, output, document = self.context, self.context.output, self.as_dict()
        counts, made = {name: document[name] for name in OUTCOMES}, self.ids("applied")
        if counts["applied"] or counts["unknown"]:
            counts["outcome"] = "unknown" if counts["unknown"] else "applied"
            context.record_change(path, self.ids("applied", "unknown"), **counts)
        harmless = ["unknown"] if self.operation.method in IDEMPOTENT else []
        todo = self.keys("rejected", "not_sent", *harmless)
        texts = {"ids_out": _lines(made), "todo_out": _lines(todo)}
        if todo and self.rows:
            texts["todo_out"] = compact([self.rows[key - 1] for key in todo])
        try:
            for flag in filter(files.get, files):
                with replace_whole(Path(files[flag])) as out:
                    out.write(texts[flag])
            output.columns = list(document)
            if output.format == "ids":
                output.listing(made, context.client.requests)
            elif set(self.outcomes.values()) != {"not_sent"}:
                request.show(context, document, self.sentence())
        except LocalError as error:
            self.errors.append(error)

    def sentence(self) -> str:
        """`289 leads enrolled in First touch; 1 skipped: already enrolled.`"""
        counts, typed = Counter(self.outcomes.values()), self.context.typed
        target = str(typed("path_id")).rpartition("=")[2]
        done = DONE[self.operation.id].format(status=typed("body_status"), target=target)
        if self.jobs and all(job["status"] in jobs.ENDED for job, _ in self.jobs):
            done = "enriched"
        words = f"{plural(counts['applied'], self.noun)} {done}"
        for outcome in OUTCOMES[1:]:
            reasons = {one["message"] for one in self.problems if one.get("outcome") == outcome}
            if counts[outcome]:
                words += f"; {counts[outcome]:,} {outcome.replace('_', ' ')}"
                words += f": {reasons.pop().rstrip('.')}" if len(reasons) == 1 else ""
        return words + "."


def _lines(ids: Sequence[Any]) -> str:
    return "".join(f"{one}\n" for one in ids)


def _failed(keys: Sequence[Key], job: Any) -> list[Left]:
    """The failed tasks of a job; every record of one that failed as a whole."""
    reasons = jobs.failures(job)
    if jobs.state(job) in ("failed", "cancelled"):
        known: dict[Any, str] = dict(reasons)
        return [Left(key, "rejected", "job_failed", known.get(key, "It failed.")) for key in keys]
    found = [(key if key in keys else None, reason) for key, reason in reasons]
    return [Left(key, "rejected", "task_failed", reason) for key, reason in found][: len(keys)]


def left_undone(operation: Operation, keys: Sequence[Key], answer: Answer) -> list[Left]:
    """What an accepted batch did not do: what the server names, and what its counts leave out.

    Servers differ: a list with reasons, a number, or only how many were done.
    """
    names = ("notFound", "skipped", DONE[operation.id].split()[0])
    absent, skipped, done = (answers.dig(answer.body, name, f"data.{name}") for name in names)
    gone, other = ("rejected", "not_found", "There is no such lead."), _UNEXPLAINED
    if answer.maybe_applied and operation.id == "leads.delete-batch":
        other = gone = ("applied", "deleted_or_absent", "Deleted before, or never there.")
    left = [Left(key, *gone) for key in keys if isinstance(absent, list) and key in absent]
    if isinstance(skipped, list):
        left += [_skip(keys, one) for one in skipped]
    elif type(skipped) is int:
        left += [Left(None, "skipped", "skipped", _UNNAMED)] * min(skipped, len(keys))
    if type(done) is not int or not 0 <= done <= len(keys):
        return left
    rest = len(keys) - done
    return left[:rest] + [Left(None, *other)] * (rest - len(left))


_UNNAMED = "The server says neither which nor why."
_UNEXPLAINED = ("rejected", "unexplained", "It was not done.")


def _skip(keys: Sequence[Key], one: Any) -> Left:
    """One skipped record: a row by its index, a lead by its id; whether it was there before."""
    index, key, reason = (answers.dig(one, name) for name in ("index", "leadId", "reason"))
    if type(index) is int and 0 <= index < len(keys):
        key = keys[index]
    key, reason = key if key in keys else None, str(reason or "The server does not say why.")
    if re.search(r"already|duplicate|\bexists\b|not say", reason, re.IGNORECASE):
        return Left(key, "skipped", "duplicate", reason)
    return Left(key, "rejected", "refused", reason)
