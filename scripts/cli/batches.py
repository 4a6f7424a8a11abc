"""Changes of many records: sent in batches, and one shape of result whose numbers add up."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from cli import inputs, jobs, request
from cli.context import MANY, Context
from cli.text import compact, plural
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError
from leadgenius.files import check_safe, write_private
from leadgenius.retry import IDEMPOTENT, Answer

OUTCOMES = ("applied", "skipped", "rejected", "unknown", "not_sent")
SILENT = "The server does not say why."
ABSENT = "There is no such lead."
NAMED = {"notFound": "not_found", "skipped": "refused", "errors": "task_failed"}
BEFORE = r"already|duplicate|\bexists\b|not say"  # the reason of one that was there before
# A record: what is `sent` of it; id, or row and email; outcome; code and message of a problem.
Item = dict[str, Any]


def run(context: Context) -> None:
    """The command's operation for every id: one request an id, or as few batches as its ceiling
    allows. One positional id answers with the server's body."""
    items = [{"sent": one, "id": one} for one in inputs.ids(context)]
    single = len(items) == 1 and not (context.typed("ids") or context.typed("ids_from"))
    changes = Changes(context, items, single)
    inputs.check_body(context, changes.request(items[:1])[1] or {})
    changes.run()


class Changes:
    """The command's operation on many records, each with exactly one outcome.

    What is sent of an item stands in `field` of a body or, without one, in the path of a request of
    its own. `record` stands in the path, `flags` in every body. `single`: it answers with the
    server's body.
    """

    answer: Any = None  # the server's latest body

    def __init__(self, context: Context, items: list[Item], single: bool) -> None:
        operation, target = context.operation, context.typed("path_id")
        self.context, self.items, self.single = context, items, single
        self.creates = operation.id.startswith("leads.create")
        self.field = operation.id_field()
        self.record = inputs.record_id(context, target) if self.field and target else None
        self.flags = {**context.command.defaults, **inputs.flags(context)}
        for item in items:
            item["outcome"] = "not_sent"
        size = operation.body_fields()[self.field]["maxItems"] if self.field else 1
        self.batches = [items[start : start + size] for start in range(0, len(items), size)]
        names = ("ids_out", "todo_out")
        self.files = {name: Path(context.typed(name)) for name in names if context.typed(name)}
        self.jobs: list[tuple[Item, list[Item]]] = []
        self.errors: list[LeadGeniusError] = []
        flag = "--data @FILE" if self.creates else "--ids-from FILE"
        again = f"{{lgp}} {context.command.words} {flag}   (FILE: that of --todo-out)"
        self.again = again if "todo_out" in self.files else ""  # what is still to do

    def request(self, items: list[Item]) -> tuple[str, Any]:
        """Path and body of a request about some records."""
        sent = [item["sent"] for item in items]
        path = request.path_of(self.context.operation, self.record or sent[0])
        if self.creates and not self.field:
            return path, sent[0]
        body = {self.field: sent, **self.flags} if self.field else self.flags
        return path, body or None

    def run(self) -> None:
        """Everything is checked, then sent; what was done is printed, however that ends."""
        context, effect, count = self.context, self.context.operation.effect, len(self.items)
        heavy = count > MANY and effect in ("spends", "contacts-people")
        needs_yes = heavy or effect == "deletes"
        for file in self.files.values():
            check_safe(file)
        if len({*self.files.values()}) < len(self.files):
            raise inputs.invalid("--ids-out and --todo-out name the same file.", "Give two files.")
        inputs.check_fields(context, () if self.single else [*self.as_dict()])
        context.client.check_changes(count)
        path, body = self.request(self.batches[0][:2])
        if context.options.dry_run:
            context.preview(
                context.operation.method, path, body=body, requests=len(self.batches),
                needs_yes=needs_yes, records=count,
            )  # fmt: skip
            return
        if needs_yes:
            context.confirm(context.command.words.split()[-1], self.known("id", "not_sent"))
        try:
            self.send()
            if context.options.wait:
                self.follow()
        finally:
            rejected = self.report(path)
        if rejected:
            again = "" if self.jobs else self.again  # a job again would be paid again
            keeps = "" if "todo_out" in self.files else "; --todo-out FILE keeps the ids"
            error = RefusedError(
                f"Refused: {rejected:,} of {plural(count, 'record')}.",
                hint=again or f"The result gives each reason{keeps}.",
                code="job_failed" if self.jobs else None,
                outcome="rejected",
            )
            self.errors.append(error)
        request.conclude(self.errors)

    def send(self) -> None:
        """Send the batches in order. A refusal does not stop it; whatever else goes wrong does."""
        context, total, done = self.context, len(self.items), 0
        client, notes = context.client, context.notes
        notes.go_on = self.again
        for items in self.batches:
            client.last_outcome = "not_sent"
            path, body = self.request(items)
            try:
                self.accept(items, request.call(context, path, body))
            except LeadGeniusError as error:
                self.errors.append(error)
                for item in items:
                    item.update(request.problem(error), outcome=error.outcome or "not_sent")
                if error.exit_code in (4, 5, 6):
                    error.hint = self.again or error.hint
                if not isinstance(error, RefusedError):
                    return
            except KeyboardInterrupt:
                for item in items:
                    item["outcome"] = client.last_outcome
                raise
            done += len(items)
            notes.progress(f"{done:,} of {plural(total, 'record')}", done, total)

    def accept(self, items: list[Item], answer: Answer) -> None:
        """A batch that the server took: what it did and left undone, made and started."""
        body, starts = answer.body, self.context.operation.id == "enrichment.trigger"
        self.answer = body
        # What is said of one record, or of tasks not begun yet, counts nothing.
        settle(items, body if self.field and not starts else {})
        if self.creates and not self.field:
            items[0]["id"] = answers.new_id(body, "lead")
        if answer.maybe_applied:  # a delete: what is absent now was deleted before
            for item in items:
                item["outcome"] = "applied"
                if "code" in item:
                    item["code"] = "deleted_or_absent"
        if starts:
            job_id = jobs.note(self.context, answers.job_id(body))
            job = {"jobId": job_id, "status": "queued", "requested": len(items), "failed": 0}
            self.jobs.append((job, items))

    def follow(self) -> None:
        """Every job to its end. Its failed tasks are rejected records; all, if it failed itself."""
        for job, items in self.jobs:
            answer, error = jobs.watch(self.context, job["jobId"])
            if error and error.code != "job_failed":  # its records are rejected, which is an error
                self.errors.append(error)
            job["status"] = jobs.state(answer) or job["status"]
            if job["status"] in jobs.ENDED:
                if job["status"] == "failed":
                    answer["completedTasks"] = 0
                settle(items, answer)
                job["failed"] = sum(item["outcome"] == "rejected" for item in items)

    def known(self, field: str, *outcomes: str) -> list[Any]:
        """`id` or `sent` of the records with one of these outcomes, as far as they are known."""
        found = [item for item in self.items if item["outcome"] in outcomes]
        return [item[field] for item in found if item.get(field)]

    def as_dict(self) -> dict[str, Any]:
        """What is printed."""
        counts = Counter(item["outcome"] for item in self.items)
        ids = self.known("id", "applied")
        wrong = [item for item in self.items if "code" in item]
        problems = [{**item} for item in wrong[: request.FIRST]]
        for problem in problems:
            del problem["sent"]
        return {
            "requested": len(self.items),
            **{name: counts[name] for name in OUTCOMES},
            "ids": ids[: request.FIRST],
            "ids_total": len(ids),
            "jobs": [job for job, _ in self.jobs],
            "problems": problems,
            "problems_total": len(wrong),
            "sandbox": self.context.client.sandbox,
        }

    def report(self, path: str) -> int:
        """The line in changes.jsonl, the files of ids, and the result on stdout, unless nothing was
        sent. Returns how many were rejected."""
        context, output, document = self.context, self.context.output, self.as_dict()
        counts, made = {name: document[name] for name in OUTCOMES}, self.known("id", "applied")
        if counts["applied"] or counts["unknown"]:
            outcome = "unknown" if counts["unknown"] else "applied"
            changed = self.known("id", "applied", "unknown")
            context.record_change(path, changed, **counts, outcome=outcome)
        unclear = "unknown" if context.operation.method in IDEMPOTENT else ""  # harmless twice
        todo = self.known("sent", "rejected", "not_sent", unclear)
        lines = {"ids_out": made, "todo_out": [compact(todo)] if self.creates else todo}
        try:
            for name, file in self.files.items():
                write_private(file, "".join(f"{line}\n" for line in lines[name]))
        finally:
            if self.single:
                if self.answer is not None:
                    request.show(context, self.answer)
            elif output.format == "ids":
                output.listing(made)
            elif counts["not_sent"] < len(self.items):
                output.columns = list(document)
                request.show(context, document, self.sentence(counts))
        return int(counts["rejected"])

    def sentence(self, counts: dict[str, int]) -> str:
        """`289 leads enrolled in First touch; 1 skipped: already enrolled.`"""
        context = self.context
        noun = "campaign" if context.operation.id == "campaigns.archive" else "lead"
        ended = self.jobs and all(job["status"] in jobs.ENDED for job, _ in self.jobs)
        done = "enriched" if ended else request.done(context)
        words = f"{plural(counts['applied'], noun)} {done}"
        if self.record:
            words += f" in {context.typed('path_id').rpartition('=')[2]}"
        for name in OUTCOMES[1:]:
            reasons = {one.get("message", "") for one in self.items if one["outcome"] == name}
            if reasons:
                words += f"; {counts[name]:,} {name.replace('_', ' ')}"
                words += f": {reasons.pop().rstrip('.')}" if len(reasons) == 1 else ""
        return words.removesuffix(": ") + "."


def settle(items: list[Item], body: Any) -> bool:
    """The outcome of each record of a batch, from the answer to it or from the job that it started,
    which has ended. Servers differ: a list with reasons, a number, or only how many were done.

    Returns whether they name each that was not done. Where they do not, and it may be any of
    several, none of these is named.
    """
    said = answers.rest(body, [])
    known = {item.get("id", str(place)): item for place, item in enumerate(items)}
    for name, code in NAMED.items():
        listed = said.get(name)
        for one in listed if isinstance(listed, list) else ():
            reason = str(answers.dig(one, "reason") or (ABSENT if name == "notFound" else SILENT))
            facts = {"outcome": "rejected", "code": code, "message": reason}
            if name == "skipped" and re.search(BEFORE, reason, re.IGNORECASE):
                facts |= {"outcome": "skipped", "code": "duplicate"}
            key = one if isinstance(one, str) else str(answers.dig(one, "index", "leadId"))
            known.get(key, {}).update(facts)
    done = answers.dig(said, "created", "deleted", "enrolled", "completedTasks")
    other = {"outcome": "rejected", "code": "unexplained", "message": "It was not done."}
    if isinstance(said.get("skipped"), int) and said["skipped"]:
        other = {"outcome": "skipped", "code": "skipped", "message": SILENT}
    others = [item for item in items if "code" not in item]
    left = len(others) - done if type(done) is int else 0
    for place, item in enumerate(others):
        item["outcome"] = "applied"
        if place < left:
            item.update(other)
        if 0 < left < len(others):
            item.update(id=None, row=None, email=None, sent=None)
    made, applied = said.get("createdIds"), [one for one in items if one["outcome"] == "applied"]
    if isinstance(made, list) and len(made) == len(applied):
        for item, created in zip(applied, made, strict=True):
            if isinstance(created, str) and re.fullmatch(r"[\w.-]+", created):
                item["id"] = created
    return left <= 0
