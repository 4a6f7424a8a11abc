"""leads import: a spreadsheet into leads, resumable at any moment, each row sent once.

The order makes it so: the ledger says `unknown` before a batch goes out, and what came of it after.
What has no certain outcome is looked for among the newest leads before it is sent again.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import IO, Any

from cli import batches, inputs, ledger, lists, request, spreadsheet
from cli.context import MANY, Context
from cli.spreadsheet import CREATE, Row, key_of
from cli.text import plural, row_id, unformula
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, UnknownOutcomeError
from leadgenius.files import locked, replace_whole
from leadgenius.retry import Answer
from leadgenius.settings import iso

OUTCOMES = ("created", "existing", "rejected", "changed", "unknown", "not_sent", "doubles")
RESULT = (
    "rows", *OUTCOMES, "sent", "ids", "ids_total", "problems", "problems_total", "files", "sandbox",
)  # fmt: skip
REASONS = {  # of those that are problems; the server says why it rejected a row
    "rejected": "",
    "changed": "imported before with other values, and this API cannot update a lead",
    "unknown": "sent, and it is not known whether it was stored",
}
FILES = {"created": "ids", "existing": "existing", "rejected": "rejects"}
LOOKS = (0, 3, 15, 60)  # seconds after rows were sent when they are looked for
CLOCKS = 2.0  # seconds that a server's clock may be behind ours
EARLIER = 600.0  # a lead so much older than what was sent was certainly stored before it


def run(context: Context) -> None:
    """Check every row, then send what is not done. Exit 4 when rows were rejected."""
    inputs.check_fields(context, RESULT)
    work, client = Import(context), context.client
    kept = Path(f"{work.path}.lgp-ledger")
    bad = having(work.all, "rejected")
    if bad and not context.typed("skip_invalid"):
        raise inputs.invalid(
            f"{plural(len(bad), 'row')} cannot be sent: see {work.write('rejected')}.",
            'Fix them in the file, name columns as in --map "Work Email=email", or send the other'
            " rows with --skip-invalid.",
            details=[{"line": row.line, "problem": row.note} for row in bad[: request.FIRST]],
            outcome="not_sent",
        )
    ledger.read(kept, client, work.rows)
    todo = having(work.rows, "not_sent", "unknown")
    count = len(todo)
    client.check_changes(count)
    if context.options.dry_run:
        context.preview(
            "POST", work.operation.path, body=work.body(todo[:2]),
            requests=-(-count // work.size), needs_yes=count > MANY,
            records=count, rejected=len(bad), columns=work.mapping,
        )  # fmt: skip
        return
    client.keys.find("agent")  # or a CredentialError, before anything is asked or written
    if count > MANY:
        context.confirm([f"line-{row.line}" for row in todo])
    inputs.note_without_client(context, [row.lead for row in todo])
    context.notes.go_on = "Run the same command again: it sends only what is not done."
    with locked(kept), kept.open("a") as work.file:
        ledger.begin(work.file, client, work.rows)
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
    """One run over one file: `all` its rows, and `rows`, those that can be sent."""

    operation = operations()["leads.create-batch"]
    size: int = operation.body_fields()["leads"]["maxItems"]
    proved = False  # whether a lead that was sent has been seen
    file: IO[str]  # the ledger, while it is opened

    def __init__(self, context: Context) -> None:
        self.context, self.client, self.path = context, context.client, context.typed("file")
        self.headings, self.mapping, self.all = spreadsheet.read(context, Path(self.path))
        self.rows = having(self.all, "not_sent")
        if context.typed("one_by_one"):
            self.operation, self.size = CREATE, 1

    # ---- sending

    def send_all(self) -> None:
        """Everything that is not done, after a look for what has no certain outcome."""
        self.settle(True)
        while left := having(self.rows, "not_sent"):
            self.context.notes.progress(
                f"{plural(len(left), 'row')} to send", len(self.rows) - len(left), len(self.rows)
            )
            self.settle(self.send(left[: self.size]))

    def body(self, rows: list[Row]) -> Any:
        return rows[0].lead if rows and self.size == 1 else {"leads": [row.lead for row in rows]}

    def mark(self, rows: list[Row], state: str, note: str = "") -> None:
        """Note the same of some rows."""
        for row in rows:
            row.state, row.id, row.note = state, "", note
        ledger.write(self.file, rows)

    def send(self, batch: list[Row]) -> bool:
        """One request. Returns whether rows of it that are not found may be sent again: it had no
        answer, for the first time."""
        first, at = not batch[0].sent, time.time()
        for row in batch:  # the same time: look() takes rows sent earlier for older ones
            row.was, row.at, row.sent = row.digest, at, True
        self.mark(batch, "unknown")
        try:
            answer = self.client.call("POST", self.operation.path, body=self.body(batch))
        except (LeadGeniusError, KeyboardInterrupt) as error:
            if isinstance(error, RefusedError) and self.size == 1:
                self.mark(batch, "existing" if error.http_status == 409 else "rejected", str(error))
                return False
            if self.client.last_outcome in ("not_sent", "rejected"):
                self.mark(batch, "not_sent")
            if isinstance(error, UnknownOutcomeError) and first:
                return True
            if isinstance(error, (RefusedError, UnknownOutcomeError)):
                error.hint = (
                    "Run the same command again: it goes on. After a refusal add --one-by-one,"
                    " which finds the rows that are refused."
                )
            raise
        self.record(batch, answer)
        return False

    def record(self, batch: list[Row], answer: Answer) -> None:
        """What an answer says of each row, if it says it. One that it says to be created stays
        `unknown`, with an id, until a lead of this run was seen: this server has been seen to
        answer 201 and store nothing."""
        items: list[dict[str, Any]] = [{} for _ in batch]
        clear = batches.settle(items, answer.body)
        if self.size == 1:
            items[0].setdefault("id", answers.new_id(answer.body, "lead"))
        if clear and all(item.get("id") or "code" in item for item in items):
            states = {"applied": "created" if self.proved else "unknown", "skipped": "existing"}
            for row, item in zip(batch, items, strict=True):
                row.state = states.get(item["outcome"], "rejected")
                row.id, row.note = item.get("id") or "", item.get("message", "")
            ledger.write(self.file, batch)

    # ---- looking at the server

    def settle(self, again: bool) -> None:
        """Look for rows without a certain outcome. One that is found proves all to which the server
        gave an id; with `again` those without one that are not there are to be sent again.
        UnknownOutcomeError for what stays unknown."""
        lost = having(self.rows, "unknown")
        if not lost:
            return
        left, latest = lost, max(row.at for row in lost)
        for look in LOOKS:
            self.context.notes.progress("Looking for what was sent")
            wait = min(latest + look - time.time(), self.context.end - time.monotonic())
            time.sleep(max(0.0, wait))  # where --max-time ends before, the next request says so
            whole = self.look(left)
            left = having(left, "unknown")
            proved = self.proved or bool(having(lost, "created"))
            promised = proved and all(row.id for row in left)
            if not left or promised or time.time() > latest + LOOKS[-1]:  # later ones see no more
                break
        # An earlier run's lead proves its rows, and nothing of what this one is still to send.
        self.proved |= any(row.sent for row in having(lost, "created"))
        for row in left:
            if row.id and proved:
                row.state = "created"
            elif row.id:  # it was not stored: the next run may send it again
                row.id = ""
            elif again and (whole or self.context.typed("resend_unknown")):
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
        older = {row.id for row in self.rows if row.at < first}
        for page in self.client.pages(CREATE.path):
            seen, past = seen + len(page.items), False
            for lead in page.items:
                name, created = str(row_id(lead)), str(answers.dig(lead, "createdAt"))
                row = wanted.get(key_of(lead))
                new = row and (name == row.id or created >= iso(row.at - CLOCKS))
                if row and (new or not row.id):
                    row.state, row.id = "created" if new else "existing", name
                    del wanted[row.key]
                elif name in older or created < iso(first - EARLIER):
                    past = True
            if past or not wanted:  # of one moment they may stand in any order
                return True
        return seen < lists.SEARCH_DEPTH

    # ---- reporting

    def report(self) -> int:
        """Write the files, the record of changes and the result. Returns how many were rejected."""
        context, sent = self.context, [row for row in self.rows if row.sent]
        counts = {name: len(having(self.all, name)) for name in OUTCOMES} | {"sent": len(sent)}
        files = [self.write(name) for name in FILES if counts[name]]
        ids = [row.id for row in having(self.rows, "created")]
        if sent:
            context.record_change(
                self.operation.path,
                [row.id for row in having(sent, "created")],
                "unknown" if counts["unknown"] else "applied",
                file=self.path,
                **counts,
            )
        problems = [
            {"line": row.line, "email": row.email, "outcome": row.state,
             "message": REASONS[row.state] or row.note}
            for row in having(self.all, *REASONS)
        ]  # fmt: skip
        facts = {
            "rows": len(self.all), **counts, "ids": ids[: request.FIRST], "ids_total": len(ids),
            "problems": problems[: request.FIRST], "problems_total": len(problems), "files": files,
        }  # fmt: skip
        found = [f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count]
        if context.output.format == "ids":
            context.output.listing(ids)
        else:
            context.result(facts, f"Rows: {', '.join(found)}. Files: {', '.join(files) or 'none'}.")
        return counts["rejected"]

    def write(self, state: str) -> str:
        """FILE.ids.csv of the created rows, FILE.existing.csv of those that were there before, or
        FILE.rejects.csv, which can be fixed and imported: a csv that no spreadsheet runs, with the
        mark by which it knows UTF-8."""
        rows = having(self.all, state)
        lines = [["line", "email", "id"], *([str(row.line), row.email, row.id] for row in rows)]
        if state == "rejected":
            lines = [
                ["problem", *self.headings],
                *([f"line {row.line}: {row.note}", *row.cells] for row in rows),
            ]
        path = f"{self.path}.{FILES[state]}.csv"
        with replace_whole(Path(path)) as file:
            file.write("\ufeff")
            csv.writer(file, lineterminator="\n").writerows(
                [unformula(text) for text in line] for line in lines
            )
        return path
