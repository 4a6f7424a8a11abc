"""leads import: a spreadsheet into leads, resumable at any moment, each row sent once.

The order makes it so: the ledger says `sent` before a batch goes out, and what came of it after.
What has no certain outcome is looked for among the newest leads before it is sent again.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli import batches, inputs, leads, lists, request, spreadsheet
from cli.context import MANY, Context
from cli.ledger import Entry, Ledger, digest
from cli.rows import row_id
from cli.spreadsheet import CREATE, PROBLEM, Row, csv_bytes, key_of
from cli.text import compact, plural
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, RefusedError, UnknownOutcomeError
from leadgenius.files import write_private
from leadgenius.retry import Answer
from leadgenius.settings import iso

COUNTS = ("created", "existing", "rejected", "changed", "unknown", "not_sent")
REASONS = {
    "changed": "imported before with other values, and this API cannot update a lead",
    "unknown": "sent, and it is not known whether it was stored",
}
FILES = {"created": "ids", "existing": "existing", "rejected": "rejects"}
REFUSED = {400: "rejected", 409: "existing", 422: "rejected"}  # statuses about a single lead
# State in the ledger → when such rows are looked for, in seconds after they were sent.
LOOKS = {"unproved": (0, 2, 6, 14, 30), "sent": (0, 60), "unknown": (0, 60)}
NOT_STORED = (
    "created, as the server says, cannot be read back.",
    "Run it again with --one-by-one; if that is what you did, report it to the vendor.",
)
UNCLEAR = (
    "may or may not be stored: sent, and not among the leads of a search.",
    "Look in the web application; --resend-unknown sends them again.",
)
CLOCKS = 2.0  # seconds that a server's clock may be behind ours
EARLIER = 600.0  # a lead so much older than what was sent was certainly stored before it
MOST_LOST = 3  # requests without an answer until a run gives up

sleep, monotonic, now = time.sleep, time.monotonic, time.time


def run(context: Context) -> int:
    """Check every row, then send what is not done. Exit 4 when rows were rejected."""
    work, client = Import(context), context.client
    work.refuse_bad()
    work.ledger.read()
    keys = [key for key in work.rows if work.outcome(key) in ("not_sent", "unknown")]
    client.check_changes(len(keys))
    if context.options.dry_run:
        return work.preview(keys)
    client.keys.find("agent")  # or a CredentialError, before anything is asked or written
    work.ask([work.rows[key] for key in keys])
    context.notes.go_on = "{lgp} " + shlex.join(one for one in sys.argv[1:] if one != "--sandbox")
    with work.ledger.opened():
        try:
            work.send_all()
        except RefusedError as error:
            error.hint = "Add --one-by-one: it finds the rows that are refused."
            raise
        finally:
            rejected = work.report()
    if rejected:
        hint = "Fix what is wrong there, and import that file."
        raise RefusedError(rejected, hint=hint, outcome="rejected")
    return 0


class Import:
    """One run over one file. Rows go by the digest of client and e-mail, as in the ledger."""

    def __init__(self, context: Context) -> None:
        self.context, self.client = context, context.client
        self.path = Path(context.typed("file"))
        self.sheet = spreadsheet.read(context, self.path)
        self.rows = {key_of(row.lead): row for row in self.sheet.rows if not row.problem}
        self.ledger = Ledger(self.beside("lgp-ledger"), context.client)
        self.operation, self.size = CREATE, 1
        if not context.typed("one_by_one"):
            self.operation = operations()["leads.create-batch"]
            self.size = self.operation.body_fields()["leads"]["maxItems"]
        self.sent: set[str] = set()  # by this run
        self.lost = 0  # requests without an answer

    def beside(self, name: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{name}")

    def outcome(self, key: str) -> str:
        """One of COUNTS."""
        entry = self.ledger.entry(key)
        if entry.state in LOOKS:
            return "unknown"
        if entry.state == "not_sent" or entry.digest == digest(self.rows[key].lead):
            return entry.state
        return "not_sent" if entry.state == "rejected" else "changed"

    def refuse_bad(self) -> None:
        """Bad rows go to FILE.rejects.csv; UsageError, unless the others are to be sent."""
        bad = [row for row in self.sheet.rows if row.problem]
        if bad:
            words = f"{len(bad):,} of {plural(len(self.sheet.rows), 'row')} cannot be sent"
            words += f": see {self.write('rejected', bad)}."
            if self.context.typed("skip_invalid"):
                return self.context.notes("warning", words)
            self.note_mapping()
            details = [{"line": row.line, "problem": row.problem} for row in bad[: request.FIRST]]
            hint = "Fix them in the file, or add --skip-invalid to send the other rows."
            raise inputs.invalid(words, hint, details=details, outcome="not_sent")
        return None

    def preview(self, keys: list[str]) -> int:
        """--dry-run: what goes where, and two rows as they would go; a sentence for a person."""
        context, count, requests = self.context, len(keys), -(-len(keys) // self.size)
        if context.output.format == "table":
            self.note_mapping()
            words = f"{plural(count, 'row')} would be imported, in {plural(requests, 'request')}."
            context.output.write(f"{words}\n")
            return 0
        facts = {"columns": self.sheet.mapping, "doubles": self.sheet.doubles}
        body, path = self.body(keys[:2]), self.operation.path
        return request.preview(context, path, body, count, requests, count > MANY, **facts)

    def note_mapping(self) -> None:
        """Which columns give each field: a line each for a person."""
        lines = [f"{name} from {' or '.join(given)}" for name, given in self.sheet.mapping.items()]
        for line in lines if self.context.notes.terminal else [f"Columns: {'; '.join(lines)}."]:
            self.context.notes("note", line)

    def ask(self, rows: list[Row]) -> None:
        """The question and the warning before anything is sent."""
        context = self.context
        if len(rows) > MANY:
            if context.notes.terminal and not context.options.yes:
                self.note_mapping()
                for row in rows[:2]:
                    context.notes("note", compact(row.lead))
            lines = [f"line {row.line}" for row in rows]
            context.confirm(len(rows), "import", lines, f" to {self.client.origin}", "lead")
        leads.note_without_client(context, [row.lead for row in rows])

    # ---- sending

    def send_all(self) -> None:
        """Everything that is not done, after a look for what has no certain outcome."""
        queue = [key for key in self.rows if self.outcome(key) == "not_sent"]
        queue += self.settle(self.rows, self.context.typed("resend_unknown"))
        total = len(self.rows)
        while queue:
            batch, queue = queue[: self.size], queue[self.size :]
            self.send(batch)
            queue += self.settle(batch)
            done = total - len(queue)
            self.context.notes.progress(f"{done:,} of {plural(total, 'row')}", done, total)

    def body(self, keys: list[str]) -> Any:
        rows = [self.rows[key].lead for key in keys]
        return rows[0] if rows and self.size == 1 else {"leads": rows}

    def send(self, keys: list[str]) -> None:
        """One request. Rows of one that is not answered stay `sent`."""
        fresh = {key: Entry(digest(self.rows[key].lead), "sent", now()) for key in keys}
        self.ledger.write(fresh)
        self.sent |= fresh.keys()
        try:
            answer = self.client.call("POST", self.operation.path, body=self.body(keys))
        except UnknownOutcomeError as error:
            self.lost += 1
            if self.lost == MOST_LOST:
                error.hint = self.context.notes.go_on
                raise
        except LeadGeniusError as error:
            if self.size == 1 and error.http_status in REFUSED:
                return self.ledger.note(keys, REFUSED[error.http_status], str(error))
            if error.outcome in ("not_sent", "rejected"):
                self.ledger.note(keys, "not_sent")
            raise
        else:
            self.record(fresh, answer)

    def record(self, fresh: dict[str, Entry], answer: Answer) -> None:
        """What an answer says of each row; `unknown` for all where it leaves that open."""
        items: list[batches.Item] = [{} for _ in fresh]
        named = batches.settle(items, answer.body if self.size > 1 else {})
        rows = [*zip(fresh, items, strict=True)]
        made = [key for key, item in rows if item["outcome"] == "applied"]
        given = answers.dig(answer.body, "createdIds", "data.createdIds")
        ids = [str(one) for one in given or [answers.new_id(answer.body, "lead")] if one]
        if not named or len(ids) != len(made):
            return self.ledger.note(fresh, "unknown")
        proved = any(self.ledger.entry(key).state == "created" for key in self.sent)
        for key, name in zip(made, ids, strict=True):
            fresh[key] = fresh[key]._replace(state="created" if proved else "unproved", id=name)
        for key, item in rows:
            if item["outcome"] != "applied":
                state = "existing" if item["outcome"] == "skipped" else "rejected"
                fresh[key] = fresh[key]._replace(state=state, note=item["message"])
        return self.ledger.write(fresh)

    # ---- looking at the server

    def settle(self, keys: Iterable[str], resend: bool = False) -> list[str]:
        """Look for rows without a certain outcome. Returns those to send again."""
        again: list[str] = []
        for state in LOOKS:
            lost = {key: entry for key in keys if (entry := self.ledger.entry(key)).state == state}
            again += self.look_up(lost, state, resend) if lost else []
        return again

    def look_up(self, lost: dict[str, Entry], state: str, resend: bool) -> list[str]:
        """Note what became of rows of one state; those to send again. One lead that is found proves
        the others of an unproved batch: this server has been seen to answer 201 and store nothing.
        """
        latest, proof = max(entry.at for entry in lost.values()), state == "unproved"
        end = self.context.end or float("inf")
        for seconds in LOOKS[state]:
            pause = max(0.0, min(latest + seconds - now(), end - monotonic()))
            self.context.notes.progress(f"Looking in {pause:.0f} s for what was sent")
            sleep(pause)  # where --max-time ends before, the next request says so
            found, whole = self.newest(lost)
            if len(found) == len(lost) or (found and proof):
                break
        self.ledger.write(found)
        left = [key for key in lost if key not in found]
        after = "not_sent" if resend or (whole and state == "sent") else state
        if proof:
            after = "created" if found else "sent"
        self.ledger.note(left, after)
        if left and after in LOOKS:
            words, hint = NOT_STORED if proof else UNCLEAR
            message = f"{plural(len(left), 'row')} {words}"
            raise UnknownOutcomeError(message, hint=hint, outcome="unknown")
        return left if after == "not_sent" else []

    def newest(self, lost: dict[str, Entry]) -> tuple[dict[str, Entry], bool]:
        """What the newest leads say of rows; and whether all others are certainly not stored: the
        search saw every lead, or one that was there before they were sent."""
        found: dict[str, Entry] = {}
        known, seen, past = {entry.id for entry in self.ledger.entries.values()}, 0, False
        before = iso(min(entry.at for entry in lost.values()) - EARLIER)
        for page in self.client.pages(CREATE.path):
            seen += len(page.items)
            for row in page.items:
                name, created = row_id(row) or "", str(answers.dig(row, "createdAt"))
                past = past or name in known or created < before
                key = key_of(row)
                if key in lost and key not in found:
                    new = created >= iso(lost[key].at - CLOCKS) or name == lost[key].id
                    if new or not lost[key].id:
                        state = "created" if new else "existing"
                        found[key] = lost[key]._replace(state=state, id=name)
            if past or len(found) == len(lost):
                return found, True
        return found, seen < lists.SEARCH_DEPTH

    # ---- reporting

    def report(self) -> str:
        """Write the files, the record of changes and the result. Returns what is said of rejected
        rows."""
        rows = [row if row.problem else self.result(row) for row in self.sheet.rows]
        of = {name: [row for row in rows if row.outcome == name] for name in COUNTS}
        counts = {name: len(found) for name, found in of.items()}
        counts |= {"rows": len(rows) + self.sheet.doubles, "doubles": self.sheet.doubles}
        counts["sent"] = len(self.sent)
        files = {name: self.write(name, of[name]) for name in FILES if of[name]}
        made = [row.id for row in of["created"] if key_of(row.lead) in self.sent]
        if self.sent:
            self.context.record_change(self.operation.path, made, file=str(self.path), **counts)
        if self.sent or not counts["unknown"] + counts["not_sent"]:
            self.show(counts, rows, [*files.values()], self.sentence(counts, len(made), files))
        lost = counts["rejected"]
        words = f"{plural(lost, 'row')} {'was' if lost == 1 else 'were'} not imported: see"
        return f"{words} {files['rejected']}." if lost else ""

    def sentence(self, counts: dict[str, int], made: int, files: dict[str, str]) -> str:
        """`289 leads created, 6 were there before; 3 rejected: see FILE.`; `made` in this run."""
        before, there, lost = (counts[name] for name in ("created", "existing", "rejected"))
        words = f"{plural(made, 'lead')} created"
        if not self.sent:
            words = f"{plural(before, 'lead')} {'was' if before == 1 else 'were'} created before"
            words = f"Nothing left to send: {words}"
        words += f", {there:,} {'was' if there == 1 else 'were'} there before" if there else ""
        words += f"; {lost:,} rejected: see {files['rejected']}" if lost else ""
        return words + "."

    def result(self, row: Row) -> Row:
        """The row with what became of it, and why where that is a problem."""
        key = key_of(row.lead)
        entry, outcome = self.ledger.entry(key), self.outcome(key)
        reason = entry.note if outcome == "rejected" else REASONS.get(outcome, "")
        return row._replace(outcome=outcome, problem=reason, id=entry.id)

    def write(self, outcome: str, rows: list[Row]) -> str:
        """FILE.ids.csv, FILE.existing.csv or FILE.rejects.csv, which can be fixed and imported."""
        lines = [["line", "email", "id"], *([row.line, row.email, row.id] for row in rows)]
        if outcome == "rejected":
            lines = [[PROBLEM, *self.sheet.columns], *([row.problem, *row.cells] for row in rows)]
        path = self.beside(f"{FILES[outcome]}.csv")
        write_private(path, csv_bytes(lines))
        return str(path)

    def show(
        self, counts: dict[str, int], rows: list[Row], files: list[str], sentence: str
    ) -> None:
        """The result; the sentence for a person, the ids alone for --format ids."""
        output, ids = self.context.output, [row.id for row in rows if row.outcome == "created"]
        if output.format == "ids":
            return output.listing(ids)
        problems = [
            {"line": row.line, "email": row.email, "outcome": row.outcome, "message": row.problem}
            for row in rows
            if row.problem
        ]
        person = output.format == "table"  # for whom the ids are in the file
        listed = {} if person else {"ids": ids[: request.FIRST], "ids_total": len(ids)}
        found = {"problems": problems[: request.FIRST], "problems_total": len(problems)}
        result = {**counts, **listed, **found, "files": files, **self.context.mark()}
        output.document(result, self.client.requests, sentence)
        if person:
            self.context.notes("note", f"See {', '.join(files)}.")
        if counts["existing"] and not ids:
            only = "Neither campaign nor fields of what was there before were changed."
            self.context.notes("note", only)
        return None
