"""leads import: a spreadsheet into leads, resumable at any moment, each row sent once.

The order makes it so: the ledger says `sent` before a batch goes out, and what came of it after.
What is `sent` and nothing more is looked for among the newest leads before it is sent again.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli import batches, inputs, leads, many, spreadsheet
from cli.context import MANY, Context
from cli.ledger import Entry, Ledger, account_of, digest
from cli.rows import row_id
from cli.spreadsheet import Row, Sheet
from cli.text import compact, plural
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import (
    CredentialError,
    LeadGeniusError,
    RateError,
    RefusedError,
    UnknownOutcomeError,
)
from leadgenius.files import write_private
from leadgenius.retry import Answer
from leadgenius.settings import iso

CREATE = operations()["leads.create"]
PAUSES = (0.0, 2.0, 4.0, 8.0, 16.0)  # before each try to read a lead back: 30 s in all
LOOK_AGAIN = 60.0  # seconds after a row was sent until it may count as not stored
EARLIER = 600.0  # a lead so much older than what was sent was certainly stored before it
MOST_LOST = 3  # requests without an answer until a run gives up
ABOUT_THE_ROW = (400, 409, 413, 422)  # statuses by which a single lead is refused
STATES = ("created", "existing", "rejected", "changed", "unknown", "not_sent")
REASONS = {
    "changed": "imported before with other values, and this API cannot update a lead",
    "unknown": "sent, and it is not known whether it was stored",
}

sleep, monotonic, now = time.sleep, time.monotonic, time.time


def run(context: Context) -> int:
    """Check every row, then send what is not done. Exit 4 when rows were rejected."""
    path = Path(context.typed("file"))
    sheet = spreadsheet.read(context, path)
    if sheet.bad:
        _refuse_bad(context, path, sheet)
    try:
        account = account_of(context.client)
    except CredentialError:
        if not context.options.dry_run:
            raise
        account = {"origin": context.client.origin, "company": "", "keys": []}
    ledger = Ledger(path.with_name(f"{path.name}.lgp-ledger"), account)
    work = Import(context, path, sheet, ledger)
    if context.options.dry_run:
        ledger.read()
        return work.preview()
    context.notes.go_on = "{lgp} " + shlex.join(one for one in sys.argv[1:] if one != "--sandbox")
    with ledger.opened():
        work.check()
        return work.run()


def _refuse_bad(context: Context, path: Path, sheet: Sheet) -> None:
    """Bad rows go to FILE.rejects.csv; UsageError, unless the others are to be sent."""
    rejects = path.with_name(f"{path.name}.rejects.csv")
    write_private(rejects, sheet.rejects(sheet.bad))
    words = f"{plural(len(sheet.bad), 'row')} cannot be sent: see {rejects}."
    if context.typed("skip_invalid"):
        return context.notes("warning", words)
    details = [{"line": row.line, "problem": row.problem} for row in sheet.bad[: many.FIRST]]
    hint = "Fix them in the file, or add --skip-invalid to send the other rows."
    raise inputs.invalid(f"{words} Nothing was sent.", hint, details=details, outcome="not_sent")


class Import:
    """One run over one file. Rows go by the digest of client and e-mail, as in the ledger."""

    def __init__(self, context: Context, path: Path, sheet: Sheet, ledger: Ledger) -> None:
        self.context, self.client = context, context.client
        self.path, self.sheet, self.ledger = path, sheet, ledger
        self.rows = {digest(spreadsheet.key_of(row.lead)): row for row in sheet.rows}
        self.digests = {key: digest(row.lead) for key, row in self.rows.items()}
        self.operation, self.size = CREATE, 1
        if not context.typed("one_by_one"):
            self.operation = operations()["leads.create-batch"]
            self.size = self.operation.ceiling("leads")
        self.sent: dict[str, None] = {}  # by this run
        self.proved = False  # a lead that this run sent was read back
        self.lost = 0  # requests without an answer

    def entry(self, key: str) -> Entry:
        return self.ledger.entries.get(key) or Entry(self.digests[key])

    def state(self, key: str) -> str:
        """One of STATES."""
        state, same = self.entry(key).state, self.entry(key).digest == self.digests[key]
        if state in ("created", "existing"):
            return state if same else "changed"
        if state == "open" or (state == "rejected" and not same):
            return "not_sent"
        return "rejected" if state == "rejected" else "unknown"

    def todo(self) -> list[str]:
        return [key for key in self.rows if self.state(key) in ("not_sent", "unknown")]

    def preview(self) -> int:
        """--dry-run: what goes where, and two rows as they would go."""
        keys = self.todo()
        self.client.check_changes(len(keys))
        rows = [self.rows[key].lead for key in keys[:2]]
        body = rows[0] if self.size == 1 and rows else {"leads": rows}
        requests, asks = -(-len(keys) // self.size), len(keys) > MANY
        columns = self.sheet.mapping
        return many.preview(
            self.context, self.operation.path, body, len(keys), requests, asks, columns=columns
        )

    def check(self) -> None:
        """The fence, the question and the warning, before anything is sent."""
        context, rows = self.context, [self.rows[key] for key in self.todo()]
        if not rows:
            return
        self.client.check_changes(len(rows))
        if len(rows) > MANY:
            if context.notes.terminal and not context.options.yes:
                for name, columns in self.sheet.mapping.items():
                    context.notes("note", f"{' and '.join(columns)} → {name}")
                for row in rows[:2]:
                    context.notes("note", f"Line {row.line}: {compact(row.lead)}")
            lines = [f"line {row.line}" for row in rows]
            context.confirm(len(rows), "import", lines, f" to {self.client.origin}")
        leads.note_without_client(context, [row.lead for row in rows])

    def run(self) -> int:
        """Send in batches; report whatever happens."""
        notes = self.context.notes
        try:
            self.work()
        except (KeyboardInterrupt, SystemExit):
            self.report(show=False)
            done = (
                f"{len(self.rows) - len(self.todo()):,} of {plural(len(self.rows), 'row')} are done"
            )
            notes("warning", f"{done}, and {self.ledger.path} knows them: nothing is sent twice.")
            raise
        except LeadGeniusError as error:
            if isinstance(error, RefusedError) and self.size > 1:
                error.hint = "Add --one-by-one: it finds the rows that are refused."
            elif error.exit_code in (5, 6, 7) or self.lost == MOST_LOST:
                error.hint = notes.go_on
            self.report(show=bool(self.sent))
            raise
        return self.report()

    def work(self) -> None:
        queue = [key for key in self.rows if self.state(key) == "not_sent"]
        queue += self.settle(self.rows, self.context.typed("resend_unknown"))
        while queue:
            batch, queue = queue[: self.size], queue[self.size :]
            self.send(batch)
            queue += self.settle(batch)
            total, done = len(self.rows), len(self.rows) - len(queue)
            self.context.notes.progress(f"{done:,} of {plural(total, 'row')}", done, total)

    # ---- sending

    def note(self, keys: Iterable[str], state: str, **more: Any) -> None:
        """The same state for some rows, in the ledger."""
        self.ledger.write({key: self.entry(key)._replace(state=state, **more) for key in keys})

    def send(self, keys: list[str]) -> None:
        """One request, and its outcome in the ledger. Rows of one that is not answered stay
        `sent`."""
        rows = [self.rows[key].lead for key in keys]
        fresh = {key: Entry(self.digests[key], "sent", now()) for key in keys}
        self.ledger.write(fresh)
        self.sent |= dict.fromkeys(keys)
        body = rows[0] if self.size == 1 else {"leads": rows}
        try:
            answer = self.client.call("POST", self.operation.path, body=body)
        except UnknownOutcomeError:
            self.lost += 1
            if self.lost == MOST_LOST:
                raise
        except LeadGeniusError as error:
            status = error.facts.get("http_status")
            if self.size == 1 and status in ABOUT_THE_ROW:
                state = "existing" if status == 409 else "rejected"
                return self.note(keys, state, note=str(error))
            if error.outcome in ("not_sent", "rejected"):
                self.note(keys, "open")
            raise
        else:
            self.record(fresh, answer)

    def record(self, fresh: dict[str, Entry], answer: Answer) -> None:
        """What an answer says of each row; `unknown` for all where it leaves that open."""
        left = {one.key: one for one in batches.left_undone(self.operation, [*fresh], answer)}
        made = [key for key in fresh if key not in left]
        ids = answers.dig(answer.body, "createdIds", "data.createdIds")
        if self.size == 1:
            ids = [answers.new_id(answer.body, "lead")]
        if None in left or not isinstance(ids, list) or len(ids) != len(made) or None in ids:
            return self.note(fresh, "unknown")
        created = "created" if self.proved else "unproved"
        entries = {
            key: fresh[key]._replace(state=created, id=str(name))
            for key, name in zip(made, ids, strict=True)
        }
        for key, one in left.items():
            state = "existing" if one.outcome == "skipped" else "rejected"
            entries[str(key)] = fresh[str(key)]._replace(state=state, note=one.message)
        return self.ledger.write(entries)

    # ---- looking at the server

    def settle(self, keys: Iterable[str], resend: bool = False) -> list[str]:
        """Read a first batch back, look for what has no outcome. Returns the rows to send again."""
        states = {key: self.entry(key).state for key in keys}
        unproved = [key for key, state in states.items() if state == "unproved"]
        if unproved:
            self.read_back(unproved)
        lost = [key for key, state in states.items() if state in ("sent", "unknown")]
        return self.look_up(lost, resend) if lost else []

    def read_back(self, keys: list[str]) -> None:
        """Find one lead of a batch by its e-mail: this server has been seen to answer 201 and store
        nothing. UnknownOutcomeError when it is not found; then the next run looks for all."""
        entry, lead = self.entry(keys[0]), self.rows[keys[0]].lead
        asked = {"email": lead["email"], "pageSize": answers.LARGEST_PAGE}
        for pause in PAUSES:
            self.wait(pause)
            found = answers.items(self.client.get(CREATE.path, asked), "leads")
            rows = [row for row in found if _email(row) == _email(lead)]
            if any(row_id(row) == entry.id or _since(row, entry) for row in rows):
                self.proved = keys[0] in self.sent
                return self.note(keys, "created")
        self.note(keys, "sent")
        count = plural(len(keys), "lead")
        message = f"The server said that it created {count}, and none of them can be read back."
        hint = "Run it again with --one-by-one; if that is what you did, report it to the vendor."
        raise UnknownOutcomeError(message, hint=hint, outcome="unknown")

    def look_up(self, keys: list[str], resend: bool) -> list[str]:
        """Look twice for rows without an outcome: found ones are done. Of the others those are sent
        again that had no answer, and would have been seen."""
        latest = max(self.entry(key).at for key in keys)
        for pause in (0.0, LOOK_AGAIN):
            self.wait(min(pause, latest + pause - now()))
            found, whole = self.newest(keys)
            for key, row in found.items():
                state = "created" if _since(row, self.entry(key)) else "existing"
                self.note([key], state, id=row_id(row) or "")
            keys = [key for key in keys if key not in found]
            if not keys:
                return []
        again = [key for key in keys if resend or (whole and self.entry(key).state == "sent")]
        self.note(again, "open")
        if len(again) < len(keys):
            count = plural(len(keys) - len(again), "row")
            message = (
                f"{count} may or may not be stored: sent, and not among the leads of a search."
            )
            hint = "Look in the web application; --resend-unknown sends them again."
            raise UnknownOutcomeError(message, hint=hint, outcome="unknown")
        return again

    def newest(self, keys: list[str]) -> tuple[dict[str, Any], bool]:
        """Rows → their leads among the newest ones; and whether any other is certainly not stored:
        everything there is was seen, or something that was there before the rows were sent."""
        wanted: dict[str, list[str]] = {}
        for key in keys:
            wanted.setdefault(_email(self.rows[key].lead), []).append(key)
        before = iso(min(self.entry(key).at for key in keys) - EARLIER)
        known = {entry.id for entry in self.ledger.entries.values() if entry.id}
        found: dict[str, Any] = {}
        seen = 0
        for page in self.client.pages(CREATE.path, collection="leads"):
            seen += len(page.items)
            for row in page.items:
                for key in wanted.get(_email(row), ()):
                    client = self.rows[key].lead.get("client_id")
                    if client in (None, answers.dig(row, "client_id")):
                        found.setdefault(key, row)
            times = [_created(row) for row in page.items]
            past = any(time < before for time in times) or known & set(map(row_id, page.items))
            if len(found) == len(keys) or (past and times == sorted(times, reverse=True)):
                return found, True
        return found, seen < leads.SEARCH_DEPTH and not page.short

    def wait(self, seconds: float) -> None:
        """Sleep, unless --max-time ends before."""
        end = self.context.end
        if seconds > 0 and end is not None and monotonic() + seconds > end:
            message = "What was sent has to be looked for, which --max-time leaves no time for."
            raise RateError(message, code="out_of_time", retry_after_seconds=seconds)
        if seconds > 0:
            self.context.notes.progress(f"Looking again in {seconds:.0f} s for what was sent")
            sleep(seconds)

    # ---- reporting

    def report(self, show: bool = True) -> int:
        """Write the files and the record of changes, print the result; the exit code."""
        of: dict[str, list[Row]] = {state: [] for state in STATES}
        of["rejected"] += self.sheet.bad
        for key, row in self.rows.items():
            state = self.state(key)
            reason = REASONS.get(state) or self.entry(key).note
            of[state].append(row._replace(problem=reason, id=self.entry(key).id))
        counts = {"rows": 0, **{state: len(rows) for state, rows in of.items()}}
        counts["doubles"] = self.sheet.doubles
        counts = {**counts, "rows": sum(counts.values()), "sent": len(self.sent)}
        if self.sent:
            made = [self.entry(key).id for key in self.sent if self.state(key) == "created"]
            self.context.record_change(self.operation.path, made, file=str(self.path), **counts)
        files = self.write_files(of)
        if show:
            self.print(of, counts, files)
        return 4 if of["rejected"] else 0

    def write_files(self, of: dict[str, list[Row]]) -> list[str]:
        """FILE.ids.csv, FILE.existing.csv and FILE.rejects.csv, as far as they have rows."""
        written = []
        for name, rows in zip(("ids", "existing", "rejects"), of.values(), strict=False):
            path = self.path.with_name(f"{self.path.name}.{name}.csv")
            lines = [[row.line, row.lead.get("email"), row.id] for row in rows]
            data = spreadsheet.csv_bytes([["line", "email", "id"], *lines])
            if rows:
                write_private(path, self.sheet.rejects(rows) if name == "rejects" else data)
                written.append(str(path))
        return written

    def print(self, of: dict[str, list[Row]], counts: dict[str, int], files: list[str]) -> None:
        """The result; a sentence for a person, the ids alone for --format ids."""
        output, ids = self.context.output, [row.id for row in of["created"]]
        if output.format == "ids":
            with output.open() as writer:
                return writer.rows(ids)
        rows = [(row, state) for state in STATES[2:5] for row in of[state]]
        rows.sort(key=lambda one: one[0].line)
        names = ("line", "email", "outcome", "message")
        found = ((row.line, row.lead.get("email"), state, row.problem) for row, state in rows)
        problems = [dict(zip(names, one, strict=True)) for one in found]
        result = {**counts, "ids": ids[: many.FIRST], "ids_total": len(ids)}
        result |= {"problems": problems[: many.FIRST], "problems_total": len(problems)}
        result |= {"files": files, **self.context.mark()}
        words = "" if self.sent else "Nothing was left to send. "
        words += f"{plural(len(ids), 'lead')} created"
        words += f", {len(of['existing']):,} were there before" if of["existing"] else ""
        for state in STATES[2:]:
            words += f"; {len(of[state]):,} {state.replace('_', ' ')}" if of[state] else ""
        words += f": see {', '.join(files)}." if files else "."
        output.document(result, self.client.requests, words)
        if of["changed"]:
            words = f"{plural(len(of['changed']), 'row')} not sent: {REASONS['changed']}."
            self.context.notes("warning", words)
        if of["existing"] and not ids:
            words = "Neither campaign nor fields of what was there before were changed."
            self.context.notes("note", words)
        return None


def _email(row: Any) -> str:
    return str(answers.dig(row, "email")).casefold()


def _created(row: Any) -> str:
    return str(answers.dig(row, "createdAt"))


def _since(row: Any, entry: Entry) -> bool:
    """Whether a lead was created when the row was sent, not before; clocks differ a little."""
    return _created(row) >= iso(entry.at - 2.0)
