"""Changes of many records: sent in batches, and one shape of result whose numbers add up."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from cli import inputs, jobs, request
from cli.context import MANY, Context
from cli.text import compact, plain, plural, row_id
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError
from leadgenius.files import check_safe, write_private
from leadgenius.retry import Answer

OUTCOMES = ("applied", "skipped", "rejected", "unknown", "not_sent")
FILES = ("ids_out", "todo_out")
SILENT = "The server does not say why."
ABSENT = "There is no record with this id."
CODES = {"notFound": "not_found", "skipped": "refused", "errors": "task_failed"}
BEFORE = r"(?i)already|duplicate|\bexists\b|not say"  # the reason of one that was there before
# A record: id, or row and email, where known; its outcome; code and message of a problem.
Item = dict[str, Any]


def run(context: Context) -> None:
    """The command's operation for every id: one request an id, or as few batches as its ceiling
    allows. One positional id answers with the server's body, unless its outcome is to be kept."""
    ids = inputs.ids(context)
    changes = Changes(context, [{"id": one} for one in ids], ids)
    path, body, _ = changes.requests[0]
    inputs.check_body(context, body or {})
    if len(ids) > 1 or any(map(context.typed, ("ids", "ids_from", *FILES))):
        changes.run()
    else:
        request.send(context, path, body)


def create(context: Context) -> None:
    """One lead, or many from a JSON list in --data: in batches of 100, as is one whose outcome is
    to be kept."""
    given = inputs.data(context)
    many = isinstance(given, list) and len(given) > 0
    rows = [
        inputs.body(context, one, f"row {at}: " * many)
        for at, one in enumerate(given if many else [given], 1)
    ]
    inputs.note_without_client(context, rows)
    if not (many or any(map(context.typed, FILES))):
        request.send(context, context.operation.path, rows[0])
        return
    context.operation = operations()["leads.create-batch"]
    items = [{"row": at, "email": row.get("email")} for at, row in enumerate(rows, 1)]
    Changes(context, items, rows).run()


class Changes:
    """The command's operation on many records, each with exactly one outcome.

    What is sent of them stands in a field of a body or, without one, in the path of a request of
    its own. Flags stand in every body.
    """

    def __init__(self, context: Context, items: list[Item], sent: list[Any]) -> None:
        operation, typed = context.operation, context.typed
        self.context, self.items, self.sent = context, items, sent
        self.field = field = operation.id_field()
        self.creates = field == "leads"
        self.jobs: list[tuple[Item, list[Item]]] = []
        self.errors: list[LeadGeniusError] = []
        self.files = {name: check_safe(Path(typed(name))) for name in FILES if typed(name)}
        if len({*self.files.values()}) < len(self.files):
            raise inputs.invalid("--ids-out and --todo-out name the same file.", "Give two files.")
        rest = "the file of --todo-out has" if "todo_out" in self.files else "--todo-out FILE keeps"
        self.rest = f"The result gives each reason; {rest} what was not done."
        for item in items:
            item["outcome"] = "not_sent"
        record = inputs.record_id(context, typed("path_id") or "") if field else ""
        flags = {**context.command.defaults, **inputs.flags(context)}
        size = operation.body_fields()[field]["maxItems"] if field else 1
        self.requests: list[Any] = []  # path, body, its records
        for start in range(0, len(items), size):
            part = sent[start : start + size]
            body = {field: part, **flags} if field else flags or None
            path = request.path_of(operation, record or part[0])
            self.requests.append((path, body, items[start : start + size]))

    def run(self) -> None:
        """Everything is checked, then sent; what was done is printed, however that ends."""
        context, effect, count = self.context, self.context.operation.effect, len(self.items)
        needs_yes = effect != "writes" and (count > MANY or effect == "deletes")
        inputs.check_fields(context, [*self.as_dict()])
        context.client.check_changes(count)
        if context.options.dry_run:
            path, body, _ = self.requests[0]
            if self.field:
                del body[self.field][2:]
            context.preview(
                context.operation.method, path, body=body, requests=len(self.requests),
                needs_yes=needs_yes, records=count,
            )  # fmt: skip
            return
        if needs_yes:
            context.confirm(self.sent)
        try:
            self.send()
            if context.options.wait:
                self.follow()
        finally:
            self.report()
        rejected = self.as_dict()["rejected"]
        if rejected:
            error = RefusedError(
                f"Refused: {rejected:,} of {plural(count, 'record')}.",
                hint=self.rest,
                code="job_failed" if self.jobs else None,
                outcome="rejected",
            )
            self.errors.append(error)
        request.conclude(self.errors)

    def send(self) -> None:
        """Send the requests in order. A refusal does not stop it; whatever else goes wrong does."""
        context, total, done = self.context, len(self.items), 0
        client, context.notes.go_on = context.client, self.rest
        for path, body, items in self.requests:
            try:
                answer = client.call(context.operation.method, path, body=body)
            except LeadGeniusError as error:
                self.errors.append(error)
                for item in items:
                    item.update(request.problem(error))
                if error.exit_code == 4 or (done and error.exit_code != 8):
                    error.hint = self.rest  # not all of it again
                if error.exit_code != 4:
                    return
                continue
            finally:
                for item in items:
                    item["outcome"] = client.last_outcome
            self.accept(items, answer)
            done += len(items)
            context.notes.progress(f"{done:,} of {plural(total, 'record')}", done, total)

    def accept(self, items: list[Item], answer: Answer) -> None:
        """A batch that the server took: what it left undone, or the job that does it."""
        if self.context.operation.id == "enrichment.trigger":
            job_id = answers.job_id(answer.body) or ""
            try:
                jobs.note(self.context, job_id)
            except LeadGeniusError as error:
                for item in items:
                    item.update(request.problem(error))
                raise
            job = {"jobId": job_id, "status": "queued", "requested": len(items), "failed": 0}
            self.jobs.append((job, items))
        elif self.field:
            settle(items, answer.body)
        again = answer.maybe_applied and self.context.operation.method == "DELETE"
        for item in items:
            if again and item.get("code") in ("not_found", "unexplained"):  # deleted before
                item.update(outcome="applied", code="deleted_or_absent")

    def follow(self) -> None:
        """Every job to its end. Its failed tasks are rejected records; all, if it failed itself."""
        for job, items in self.jobs:
            body, error = jobs.watch(self.context, job["jobId"])
            job["status"] = jobs.state_of(body) or job["status"]
            if error and error.code != "job_failed":  # its records are rejected, which is an error
                self.errors.append(error)
                continue
            if job["status"] == "failed":
                body["completedTasks"] = 0
            settle(items, body)
            job["failed"] = sum(item["outcome"] == "rejected" for item in items)

    def known(self, field: str, *outcomes: str) -> list[Any]:
        """A field of the records with one of these outcomes, as far as it is known."""
        return [
            item[field] for item in self.items if item["outcome"] in outcomes and item.get(field)
        ]

    def as_dict(self) -> dict[str, Any]:
        """What is printed."""
        counts = Counter(item["outcome"] for item in self.items)
        ids = self.known("id", "applied")
        problems = [item for item in self.items if "code" in item]
        return {
            "requested": len(self.items),
            **{name: counts[name] for name in OUTCOMES},
            "ids": ids[: request.FIRST],
            "ids_total": len(ids),
            "jobs": [job for job, _ in self.jobs],
            "problems": problems[: request.FIRST],
            "problems_total": len(problems),
            "sandbox": self.context.client.sandbox,
        }

    def report(self) -> None:
        """The line in changes.jsonl, the files of ids, and the result on stdout, unless nothing was
        sent."""
        context, output, result = self.context, self.context.output, self.as_dict()
        counts, made = {name: result[name] for name in OUTCOMES}, self.known("id", "applied")
        any_sent = counts["not_sent"] < len(self.items)
        if any_sent:
            outcome = next(name for name in ("unknown", *OUTCOMES) if counts[name])
            changed = self.known("id", "applied", "unknown")
            context.record_change(self.requests[0][0], changed, outcome, **counts)
        unclear = "unknown" if context.operation.method != "POST" else ""  # harmless twice
        todo = self.known("row" if self.creates else "id", "rejected", "not_sent", unclear)
        if self.creates:
            todo = [compact([self.sent[row - 1] for row in todo])]
        lines = {"ids_out": made, "todo_out": todo}
        try:
            for name, file in self.files.items():
                write_private(file, "".join(f"{line}\n" for line in lines[name]))
        finally:
            if output.format == "ids":
                output.listing(made)
            elif any_sent:
                context.result(result, self.sentence(counts))

    def sentence(self, counts: dict[str, int]) -> str:
        """`289 leads enrolled in First touch; 1 skipped: already enrolled.`"""
        context = self.context
        noun = "campaign" if context.operation.id == "campaigns.archive" else "lead"
        ended = self.jobs and all(job["status"] in jobs.ENDED for job, _ in self.jobs)
        done = "enriched" if ended else request.done(context)
        words = f"{plural(counts['applied'], noun)} {done}"
        if isinstance(target := context.typed("path_id"), str):
            words += f" in {target.rpartition('=')[2]}"
        for name in OUTCOMES[1:]:
            if counts[name]:
                words += f"; {counts[name]:,} {name.replace('_', ' ')}"
                reasons = {
                    one["message"]
                    for one in self.items
                    if one["outcome"] == name and "message" in one
                }
                words += f": {reasons.pop().rstrip('.')}" if len(reasons) == 1 else ""
        return words + "."


def settle(items: list[Item], body: Any) -> bool:
    """The outcome of each record of a batch, from the answer to it or from the job that it started,
    which has ended. Servers differ: a list with reasons, a number, or only how many were done.

    Returns whether they name each that was not done. Where they do not, and it may be any of
    several, nothing is known of these but their number.
    """
    said = answers.rest(body, [])
    known: dict[Any, Item] = {item.get("id", str(place)): item for place, item in enumerate(items)}
    unmatched = 0  # not done, and none of these by its name
    for name, code in CODES.items():
        for one in answers.rows(said.get(name)) or ():
            reason = answers.text(one, "reason") or (ABSENT if name == "notFound" else SILENT)
            before = name == "skipped" and re.search(BEFORE, reason)
            item = known.get(row_id(one), known.get(str(answers.dig(one, "index"))))
            if item is None:
                unmatched += 1
                continue
            item["outcome"] = "skipped" if before else "rejected"
            item.update(code="duplicate" if before else code, message=reason)
    done = answers.dig(said, "created", "deleted", "enrolled", "completedTasks")
    outcome = "skipped" if isinstance(said.get("skipped") or [], int) else "rejected"
    others = [item for item in items if "code" not in item]
    left = len(others) - done if type(done) is int else unmatched
    for place, item in enumerate(others):
        if 0 < left < len(others):
            item.clear()
        item["outcome"] = "applied"
        if place < left:
            item.update(outcome=outcome, code="unexplained", message=SILENT)
    made, applied = said.get("createdIds"), [one for one in items if one["outcome"] == "applied"]
    if isinstance(made, list) and len(made) == len(applied):
        for item, created in zip(applied, made, strict=True):
            item["id"] = plain(created or "", "")
    return left <= 0
