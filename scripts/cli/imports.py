"""leads import: a spreadsheet into leads, resumable at any moment, each row sent once.

The order makes it so: the ledger says `unknown` before a batch goes out, and what came of it after.
What has no certain outcome is looked for among the newest leads before it is sent again.
"""

from __future__ import annotations

import csv
import shlex
import sys
import time
from pathlib import Path
from typing import IO, Any

from cli import batches, inputs, leads, ledger, lists, request, spreadsheet
from cli.context import MANY, Context
from cli.spreadsheet import CREATE, Row, key_of
from cli.text import compact, plural, row_id, unformula
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, UnknownOutcomeError
from leadgenius.files import replace_whole
from leadgenius.retry import Answer
from leadgenius.settings import iso

OUTCOMES = ("created", "existing", "rejected", "changed", "unknown", "not_sent")
RESULT = (
    "rows", *OUTCOMES, "doubles", "sent", "ids", "ids_total", "problems", "problems_total",
    "files", "sandbox",
)  # fmt: skip
REASONS = {  # of those that are problems; the server says why it rejected a row
    "rejected": "",
    "changed": "imported before with other values, and this API cannot update a lead",
    "unknown": "sent, and it is not known whether it was stored",
}
FILES = {"created": "ids", "existing": "existing", "rejected": "rejects"}
UNCLEAR = "The answer does not say which rows were stored."
LOOKS = (0, 3, 15, 60)  # seconds after rows were sent when they are looked for
CLOCKS = 2.0  # seconds that a server's clock may be behind ours
EARLIER = 600.0  # a lead so much older than what was sent was certainly stored before it
MOST_UNANSWERED = 3  # requests without an answer until a run gives up


def run(context: Context) -> None:
    """Check every row, then send what is not done. Exit 4 when rows were rejected."""
    inputs.check_fields(context, RESULT)
    work, client = Import(context), context.client
    kept = Path(f"{work.path}.lgp-ledger")
    bad = having(work.sheet.rows, "rejected")
    if bad and not context.typed("skip_invalid"):
        raise inputs.invalid(
            f"{plural(len(bad), 'row')} cannot be sent: see {work.write('rejected')}.",
            "Fix them in the file, or add --skip-invalid to send the other rows.",
            details=[{"line": row.line, "problem": row.note} for row in bad[: request.FIRST]],
            outcome="not_sent",
        )
    ledger.read(kept, client, work.rows)
    todo = having(work.rows, "not_sent", "unknown")
    client.check_changes(len(todo))
    if context.options.dry_run:
        context.preview(
            "POST", work.operation.path, body=work.body(todo[:2]),
            requests=-(-len(todo) // work.size), needs_yes=len(todo) > MANY,
            records=len(todo), rejected=len(bad), columns=work.sheet.mapping,
        )  # fmt: skip
        return
    client.keys.find("agent")  # or a CredentialError, before anything is asked or written
    work.ask(todo)
    context.notes.go_on = "{lgp} " + shlex.join(sys.argv[1:])
    with ledger.opened(kept, client, work.rows) as work.file:
        try:
            work.send_all()
        finally:
            rejected = work.report()
    if rejected:
        raise RefusedError(
            f"{plural(rejected, 'row')} rejected: see {work.path}.rejects.csv.",
            hint="Fix what is wrong there, and import that file.",
            outcome="rejected",
        )


def having(rows: list[Row], *states: str) -> list[Row]:
    """The rows with one of these states."""
    return [row for row in rows if row.state in states]


class Import:
    """One run over one file. `rows` are those that can be sent."""

    operation = operations()["leads.create-batch"]
    size: int = operation.body_fields()["leads"]["maxItems"]
    unanswered = 0  # requests
    file: IO[str]  # the ledger, while it is opened

    def __init__(self, context: Context) -> None:
        self.context, self.client, self.path = context, context.client, context.typed("file")
        self.sheet = spreadsheet.read(context, Path(self.path))
        self.rows = having(self.sheet.rows, "not_sent")
        if context.typed("one_by_one"):
            self.operation, self.size = CREATE, 1

    def ask(self, rows: list[Row]) -> None:
        """The question and the warning before anything is sent."""
        notes = self.context.notes
        if len(rows) > MANY:
            for row in rows[:2] if notes.terminal else ():
                notes("note", compact(row.lead))
            self.context.confirm("import", [f"line {row.line}" for row in rows])
        leads.note_without_client(self.context, [row.lead for row in rows])

    # ---- sending

    def send_all(self) -> None:
        """Everything that is not done, after a look for what has no certain outcome."""
        self.settle(self.rows, self.context.typed("resend_unknown"))
        queue = having(self.rows, "not_sent")
        total = len(queue)
        while queue:
            batch, queue = queue[: self.size], queue[self.size :]
            self.send(batch)
            self.settle(batch)
            queue += having(batch, "not_sent")
            done = total - len(queue)
            self.context.notes.progress(f"{done:,} of {plural(total, 'row')}", done, total)

    def body(self, rows: list[Row]) -> Any:
        return rows[0].lead if rows and self.size == 1 else {"leads": [row.lead for row in rows]}

    def mark(self, rows: list[Row], state: str, note: str = "") -> None:
        """Note the same of some rows."""
        for row in rows:
            row.state, row.note = state, note
        ledger.write(self.file, rows)

    def send(self, batch: list[Row]) -> None:
        """One request. Rows of one that is not answered stay `unknown`."""
        at = time.time()  # the same for all: look() takes rows sent earlier for older ones
        for row in batch:
            row.was, row.at, row.id, row.sent = row.digest, at, "", True
        self.mark(batch, "unknown")
        try:
            answer = self.client.call("POST", self.operation.path, body=self.body(batch))
        except LeadGeniusError as error:
            if self.size == 1 and isinstance(error, RefusedError):
                state = "existing" if error.http_status == 409 else "rejected"
                self.mark(batch, state, str(error))
                return
            if error.outcome in ("not_sent", "rejected"):
                self.mark(batch, "not_sent")
            self.unanswered += 1
            if error.outcome != "unknown" or self.unanswered == MOST_UNANSWERED:
                if isinstance(error, RefusedError):
                    error.hint = "Add --one-by-one: it finds the rows that are refused."
                elif isinstance(error, UnknownOutcomeError):
                    error.hint = self.context.notes.go_on
                raise
        except KeyboardInterrupt:
            if self.client.last_outcome == "not_sent":  # it still waited for its turn
                self.mark(batch, "not_sent")
            raise
        else:
            self.record(batch, answer)

    def record(self, batch: list[Row], answer: Answer) -> None:
        """What an answer says of each row. One that it says to be created stays `unknown`, with an
        id, until a lead of this run was seen: this server has been seen to answer 201 and store
        nothing."""
        items: list[dict[str, Any]] = [{} for _ in batch]
        clear = batches.settle(items, answer.body)
        if self.size == 1:
            items[0].setdefault("id", answers.new_id(answer.body, "lead"))
        if not clear or not all(item.get("id") or "code" in item for item in items):
            self.mark(batch, "unknown", UNCLEAR)
            return
        proved = any(row.sent for row in having(self.rows, "created"))
        states = {"applied": "created" if proved else "unknown", "skipped": "existing"}
        for row, item in zip(batch, items, strict=True):
            row.state = states.get(item["outcome"], "rejected")
            row.id, row.note = item.get("id") or "", item.get("message", "")
        ledger.write(self.file, batch)

    # ---- looking at the server

    def settle(self, rows: list[Row], resend: bool = False) -> None:
        """Look for rows without a certain outcome: those that were not answered and are not there
        are to be sent again. One that is found proves all to which the server gave an id.
        UnknownOutcomeError for what stays unknown."""
        lost = having(rows, "unknown")
        if not lost:
            return
        latest, end = max(row.at for row in lost), self.context.end
        for look in LOOKS:
            wait = max(0.0, min(latest + look - time.time(), end - time.monotonic()))
            while wait > 0:  # where --max-time ends before, the next request says so
                self.context.notes.progress(f"Looking in {wait:.0f} s for what was sent")
                time.sleep(min(wait, 1.0))
                wait -= 1.0
            whole = self.look(lost)
            left = having(lost, "unknown")
            proved = len(left) < len(lost)
            late = time.time() > latest + LOOKS[-1]  # later ones would see no more
            if late or (proved and all(row.id for row in left)):
                break
        for row in left:
            if row.id and proved:
                row.state = "created"
            elif row.id:
                row.id = ""
            elif resend or (whole and not row.note):
                row.state = "not_sent"
        ledger.write(self.file, lost)
        if unknown := having(left, "unknown"):
            raise UnknownOutcomeError(
                f"{plural(len(unknown), 'row')} may or may not be stored: sent, and not found.",
                hint="Look in the web application. Then add --one-by-one, or --resend-unknown.",
                outcome="unknown",
            )

    def look(self, lost: list[Row]) -> bool:
        """Find rows among the newest leads. Returns whether the others are certainly not stored:
        the search saw every lead, or one that was there before they were sent."""
        first, seen, wanted = min(row.at for row in lost), 0, {row.key: row for row in lost}
        older = {row.id for row in self.rows if row.at < first} - {""}
        for page in self.client.pages(CREATE.path):
            seen, past = seen + len(page.items), False
            for lead in page.items:
                name, created = str(row_id(lead)), str(answers.dig(lead, "createdAt"))
                past = past or name in older or created < iso(first - EARLIER)
                row = wanted.get(key_of(lead))
                if row and row.state == "unknown":
                    new = created >= iso(row.at - CLOCKS) or name == row.id
                    if new or not row.id:
                        row.state, row.id = "created" if new else "existing", name
            if past or not having(lost, "unknown"):
                return True
        return seen < lists.SEARCH_DEPTH

    # ---- reporting

    def report(self) -> int:
        """Write the files, the record of changes and the result. Returns how many were rejected."""
        context, rows, doubles = self.context, self.sheet.rows, self.sheet.doubles
        counts = {name: len(having(rows, name)) for name in OUTCOMES}
        counts |= {"doubles": doubles, "sent": sum(row.sent for row in rows)}
        files = {name: self.write(name) for name in FILES if counts[name]}
        made = having(rows, "created")
        ids = [row.id for row in made]
        if counts["sent"]:
            sent = [row.id for row in made if row.sent]
            outcome = "unknown" if counts["unknown"] else "applied"
            context.record_change(self.operation.path, sent, outcome, file=self.path, **counts)
        if counts["existing"]:
            context.notes("note", "Neither campaign nor fields of existing leads were changed.")
        problems = [
            {"line": row.line, "email": row.email, "outcome": row.state,
             "message": REASONS[row.state] or row.note}
            for row in having(rows, *REASONS)
        ]  # fmt: skip
        result = {
            "rows": len(rows) + doubles, **counts,
            "ids": ids[: request.FIRST], "ids_total": len(ids),
            "problems": problems[: request.FIRST], "problems_total": len(problems),
            "files": [*files.values()],
        }  # fmt: skip
        earlier = sum(not row.sent for row in made)
        words = f"{plural(len(ids) - earlier, 'lead')} created"
        words += f", {earlier:,} by earlier runs" if earlier else ""
        for name in OUTCOMES[1:]:
            if counts[name]:
                words += f"; {plural(counts[name], 'row')} {name.replace('_', ' ')}"
                words += f": see {files[name]}" if name in files else ""
        words += f"; {plural(doubles, 'double')} left out" if doubles else ""
        if context.output.format == "ids":
            context.output.listing(ids)
        else:
            context.result(result, f"{words}.")
        return counts["rejected"]

    def write(self, state: str) -> str:
        """FILE.ids.csv of the created rows, FILE.existing.csv of those that were there before, or
        FILE.rejects.csv, which can be fixed and imported: a csv that no spreadsheet runs, with the
        mark by which it knows UTF-8."""
        rows = having(self.sheet.rows, state)
        lines = [["line", "email", "id"], *([str(row.line), row.email, row.id] for row in rows)]
        if state == "rejected":
            found = ([f"line {row.line}: {row.note}", *row.cells] for row in rows)
            lines = [["problem", *self.sheet.headings], *found]
        path = f"{self.path}.{FILES[state]}.csv"
        with replace_whole(Path(path)) as file:
            file.write("\ufeff")
            guarded = ([unformula(text) for text in line] for line in lines)
            csv.writer(file, lineterminator="\n").writerows(guarded)
        return path
