"""leads import: a spreadsheet into leads, resumable at any moment, each row sent once.

The order that makes it so: the ledger says `sent` before a batch goes out, and its outcome after
it. What is `sent` without an outcome is looked for among the newest leads before it is sent again.
"""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli import inputs, leads, many, spreadsheet
from cli.context import MANY, Context
from cli.ledger import Entry, Ledger, account_of, digest
from cli.output import row_id
from cli.spreadsheet import Row, Sheet, csv_bytes, key_of
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
from leadgenius.settings import iso

SINGLE, BATCH = operations()["leads.create"].path, operations()["leads.create-batch"].path
PAUSES = (0.0, 2.0, 4.0, 8.0, 16.0)  # before each try to read a lead back: 30 s in all
LOOK_AGAIN = 60.0  # seconds after a row was sent until it may count as not stored
EARLIER = 600.0  # a lead so much older than what was sent was certainly created before it
MOST_LOST = 3  # requests without an answer until a run gives up
STATES = ("created", "existing", "rejected", "changed", "unknown", "not_sent")
ABOUT_THE_ROW = (400, 409, 413, 422)  # statuses by which a single lead is refused

sleep, monotonic, now = time.sleep, time.monotonic, time.time


def run(context: Context) -> int:
    """Check every row, then send what is not done. Exit 4 when rows were rejected."""
    path = Path(context.typed("file"))
    sheet = spreadsheet.read(context, path)
    if sheet.bad:
        _refuse_bad(context, path, sheet)
    ledger = Ledger(path.with_name(f"{path.name}.lgp-ledger"), _account(context))
    work = Import(context, path, sheet, ledger)
    if context.options.dry_run:
        ledger.read()
        return work.preview()
    context.notes.go_on = "{lgp} " + shlex.join(one for one in sys.argv[1:] if one != "--sandbox")
    with ledger.opened():
        work.check()
        return work.run()


def _account(context: Context) -> dict[str, Any]:
    try:
        return account_of(context.client)
    except CredentialError:
        if not context.options.dry_run:
            raise
        return {"origin": context.client.origin, "company": "", "keys": []}


def _refuse_bad(context: Context, path: Path, sheet: Sheet) -> None:
    """Write the bad rows to FILE.rejects.csv; UsageError, unless the others are to be sent."""
    rejects = _beside(path, "rejects")
    write_private(rejects, sheet.rejects(sheet.bad))
    count = plural(len(sheet.bad), "row")
    if context.typed("skip_invalid"):
        return context.notes("warning", f"{count} cannot be sent: see {rejects}.")
    raise inputs.invalid(
        f"{count} cannot be sent, so nothing was; they are in {rejects} too.",
        "Fix them in the file, or add --skip-invalid to send the other rows.",
        details=[{"line": row.line, "problem": row.problem} for row in sheet.bad[: many.FIRST]],
        outcome="not_sent",
    )


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{name}.csv")


class Import:
    """One run over one file. Rows go by the digest of client and e-mail, as in the ledger."""

    def __init__(self, context: Context, path: Path, sheet: Sheet, ledger: Ledger) -> None:
        self.context, self.client = context, context.client
        self.path, self.sheet, self.ledger = path, sheet, ledger
        self.rows = {digest(key_of(row.lead)): row for row in sheet.rows}
        self.digests = {key: digest(row.lead) for key, row in self.rows.items()}
        self.endpoint = SINGLE if context.typed("one_by_one") else BATCH
        self.size = (
            1 if self.endpoint == SINGLE else operations()["leads.create-batch"].ceiling("leads")
        )
        self.sent: set[str] = set()  # by this run
        self.lost = 0  # requests without an answer

    def state(self, key: str) -> str:
        """One of STATES."""
        entry = self.ledger.entries.get(key)
        if entry is None or entry.state == "open":
            return "not_sent"
        same = entry.digest == self.digests[key]
        if entry.state == "rejected":
            return "rejected" if same else "not_sent"
        if entry.state in ("created", "existing"):
            return entry.state if same else "changed"
        return "unknown"

    def keys(self, *states: str) -> list[str]:
        return [key for key in self.rows if self.state(key) in states]

    def preview(self) -> int:
        """--dry-run: what goes where, and two rows as they would go."""
        keys = self.keys("not_sent", "unknown")
        self.client.check_changes(len(keys))
        rows = [self.rows[key].lead for key in keys[:2]]
        return many.preview(
            self.context, self.endpoint,
            rows[0] if self.size == 1 and rows else {"leads": rows},
            records=len(keys), requests=-(-len(keys) // self.size),
            needs_yes=len(keys) > MANY, columns=self.sheet.mapping,
        )  # fmt: skip

    def check(self) -> None:
        """The fence, the question and the warning, before anything is sent."""
        keys = self.keys("not_sent", "unknown")
        if not keys:
            return
        self.client.check_changes(len(keys))
        chosen = [self.rows[key] for key in keys]
        if len(keys) > MANY:
            if self.context.notes.terminal and not self.context.options.yes:
                columns = [f"{' and '.join(c)} → {name}" for name, c in self.sheet.mapping.items()]
                self.context.notes("note", f"Columns: {'; '.join(columns)}.")
                for row in chosen[:2]:
                    self.context.notes("note", f"Line {row.line}: {compact(row.lead)}")
            lines = [f"line {row.line}" for row in chosen]
            self.context.confirm(len(keys), "import", lines, f" to {self.client.origin}")
        leads.note_without_client(self.context, [row.lead for row in chosen])

    def run(self) -> int:
        """Send, in batches; report whatever happens."""
        notes = self.context.notes
        try:
            queue = self.keys("not_sent") + self.settle(
                self.keys(*STATES), self.context.typed("resend_unknown")
            )
            while queue:
                batch, queue = queue[: self.size], queue[self.size :]
                self.send(batch)
                queue += self.settle(batch)
                done = len(self.rows) - len(queue)
                notes.progress(f"{done:,} of {plural(len(self.rows), 'row')}", done, len(self.rows))
        except (KeyboardInterrupt, SystemExit):
            kept = plural(len(self.keys("created", "existing")), "row")
            notes(
                "warning",
                f"{kept} of {len(self.rows):,} are done, and {self.ledger.path} knows them.",
            )
            self.save()
            raise
        except LeadGeniusError as error:
            if error.exit_code in (5, 6, 7) or self.lost >= MOST_LOST:
                error.hint = notes.go_on
            files = self.save()
            if self.sent:
                self.show(files)
            raise
        return self.show(self.save())

    # ---- sending

    def note(self, keys: Sequence[str], state: str, **more: Any) -> None:
        """The same state for some rows, in the ledger."""
        self.ledger.write({key: self.entry(key)._replace(state=state, **more) for key in keys})

    def entry(self, key: str) -> Entry:
        return self.ledger.entries.get(key) or Entry(self.digests[key], "open")

    def send(self, keys: list[str]) -> None:
        """One request, its outcome noted. An answer that does not come leaves its rows `sent`."""
        rows = [self.rows[key].lead for key in keys]
        fresh = {key: Entry(self.digests[key], "sent", now()) for key in keys}
        self.ledger.write(fresh)
        self.sent |= fresh.keys()
        try:
            body = self.client.call(
                "POST", self.endpoint, body=rows[0] if self.size == 1 else {"leads": rows}
            ).body
        except UnknownOutcomeError:
            self.lost += 1
            if self.lost >= MOST_LOST:
                raise
            return
        except RefusedError as error:
            if self.size > 1 or error.facts.get("http_status") not in ABOUT_THE_ROW:
                self.note(keys, "open")
                error.hint = "Run it again with --one-by-one: it finds the rows that are refused."
                raise
            reason = str(error.facts.get("server_message") or error.message)
            self.note(
                keys, "existing" if error.facts["http_status"] == 409 else "rejected", note=reason
            )
            return
        except LeadGeniusError as error:
            if error.outcome in ("not_sent", "rejected"):
                self.note(keys, "open")
            raise
        proved = self.endpoint in self.ledger.proved
        found = _outcomes(
            body, len(keys), Entry("", "created" if proved else "unproved", note=self.endpoint)
        )
        if not found:
            return self.note(keys, "unknown")
        entries = zip(keys, found, strict=True)
        return self.ledger.write(
            {key: one._replace(digest=self.digests[key], at=fresh[key].at) for key, one in entries}
        )

    # ---- looking at the server

    def settle(self, keys: Sequence[str], resend: bool = False) -> list[str]:
        """Prove a first batch, look for what has no outcome. Returns the rows to send again."""
        states = {key: self.entry(key).state for key in keys}
        unproved = [key for key, state in states.items() if state == "unproved"]
        if unproved:
            self.prove(unproved)
        lost = [key for key, state in states.items() if state in ("sent", "unknown")]
        return self.look_up(lost, resend) if lost else []

    def prove(self, keys: list[str]) -> None:
        """Read one lead of the first batch back. UnknownOutcomeError, its rows open to be looked
        for again, when that fails: this server has been seen to answer 201 and store nothing."""
        entry, lead = self.entry(keys[0]), self.rows[keys[0]].lead
        for pause in PAUSES:
            self.wait(pause)
            body = self.client.get(SINGLE, {"email": lead["email"], "pageSize": 100})
            if any(
                _email(row) == _email(lead) and (row_id(row) == entry.id or _since(row, entry))
                for row in answers.items(body, "leads")
            ):
                self.note(keys, "created")
                return self.ledger.prove(entry.note)
        self.note(keys, "sent")
        message = f"The server said that {plural(len(keys), 'lead')} were created, but none of them can be read back."
        hint = "Run it again with --one-by-one: one request a row."
        if entry.note == SINGLE:
            hint = (
                '{lgp} maintenance bugs report --desc "Leads that were created cannot be read back"'
            )
        raise UnknownOutcomeError(message, hint=hint, outcome="unknown")

    def look_up(self, keys: list[str], resend: bool) -> list[str]:
        """Look twice for rows without an outcome: found ones are done. Of the others those are to
        be sent again that were never answered and would have been seen."""
        sent = max(self.entry(key).at for key in keys)
        for pause in (0.0, LOOK_AGAIN):
            self.wait(min(pause, sent + pause - now()))
            found, whole = self.newest(keys)
            for key, row in found.items():
                state = "created" if _since(row, self.entry(key)) else "existing"
                self.note([key], state, id=row_id(row) or "")
            keys = [key for key in keys if key not in found]
            if not keys:
                return []
        again = [key for key in keys if resend or (whole and self.entry(key).state == "sent")]
        self.note(again, "open")
        left = len(keys) - len(again)
        if left:
            raise UnknownOutcomeError(
                f"{plural(left, 'row')} may or may not be stored: they were sent, and are not among the leads that a search shows.",
                hint="Look in the web application; --resend-unknown sends them again.",
                outcome="unknown",
            )
        return again

    def newest(self, keys: Sequence[str]) -> tuple[dict[str, Any], bool]:
        """Rows → their leads, of the newest ones; and whether a row not found is certainly not
        stored: everything there is was seen, or something from before the rows were sent was."""
        wanted: dict[str, list[str]] = {}
        for key in keys:
            wanted.setdefault(_email(self.rows[key].lead), []).append(key)
        before = iso(min(self.entry(key).at for key in keys) - EARLIER)
        known = {entry.id for entry in self.ledger.entries.values() if entry.id}
        found: dict[str, Any] = {}
        seen = 0
        for page in self.client.pages(SINGLE, collection="leads"):
            seen += len(page.items)
            for row in page.items:
                for key in wanted.get(_email(row), ()):
                    if self.rows[key].lead.get("client_id") in (
                        None,
                        answers.dig(row, "client_id"),
                    ):
                        found.setdefault(key, row)
            times = [str(answers.dig(row, "createdAt")) for row in page.items]
            past = times and times[-1] < before or known & set(map(row_id, page.items))
            if len(found) == len(keys) or (past and times == sorted(times, reverse=True)):
                return found, True
        return found, seen < leads.SEARCH_DEPTH and not page.short

    def wait(self, seconds: float) -> None:
        """Sleep, unless --max-time ends before."""
        if seconds <= 0:
            return
        end = self.context.end
        if end is not None and monotonic() + seconds > end:
            message = "Leads that were sent have to be looked for, which takes longer than --max-time allows."
            raise RateError(message, code="out_of_time", retry_after_seconds=seconds)
        self.context.notes.progress(f"Looking for the leads again in {seconds:.0f} s")
        sleep(seconds)

    # ---- reporting

    def save(self) -> list[str]:
        """Write FILE.ids.csv, FILE.existing.csv, FILE.rejects.csv and the line in changes.jsonl.
        Returns the files' names."""
        written = []
        for name, state in (("ids", "created"), ("existing", "existing"), ("rejects", "rejected")):
            keys = self.keys(state)
            rows = [self.rows[key]._replace(problem=self.entry(key).note) for key in keys]
            lines = [
                [row.line, row.lead["email"], self.entry(key).id]
                for row, key in zip(rows, keys, strict=True)
            ]
            data = csv_bytes([["line", "email", "id"], *lines])
            if name == "rejects":
                rows = [*self.sheet.bad, *rows]
                data = self.sheet.rejects(rows)
            if rows:
                written.append(str(_beside(self.path, name)))
                write_private(_beside(self.path, name), data)
        if self.sent:
            made = [self.entry(key).id for key in self.keys("created") if key in self.sent]
            self.context.record_change(self.endpoint, made, file=str(self.path), **self.counts())
        return written

    def counts(self) -> dict[str, int]:
        """How many rows of the file are in which state; they add up to `rows`."""
        found = Counter(map(self.state, self.rows))
        found["rejected"] += len(self.sheet.bad)
        rows = len(self.rows) + len(self.sheet.bad) + self.sheet.doubles
        return {
            "rows": rows,
            **{name: found[name] for name in STATES},
            "doubles": self.sheet.doubles,
        }

    def problems(self) -> list[dict[str, Any]]:
        """The rows that need somebody's action, in the order of the file."""
        words = {
            "changed": "imported before with other values, and this API cannot update a lead",
            "unknown": "sent, and it is not known whether it was stored",
        }
        found = [
            (row.line, row.lead.get("email"), "rejected", row.problem) for row in self.sheet.bad
        ]
        for key in self.keys("rejected", *words):
            state, row = self.state(key), self.rows[key]
            reason = words.get(state) or self.entry(key).note
            found.append((row.line, row.lead["email"], state, reason))
        names = ("line", "email", "outcome", "message")
        return [dict(zip(names, one, strict=True)) for one in sorted(found, key=lambda one: one[0])]

    def show(self, files: list[str]) -> int:
        """The result, and what of it needs action."""
        counts, problems, output = self.counts(), self.problems(), self.context.output
        made = [self.entry(key).id for key in self.keys("created")]
        if output.format == "ids":
            with output.open() as writer:
                writer.rows(made)
        else:
            output.document(
                {
                    **counts, "sent": len(self.sent), "ids": made[: many.FIRST], "ids_total": len(made),
                    "problems": problems[: many.FIRST], "problems_total": len(problems),
                    "files": files, **many.mark(self.context),
                },
                self.client.requests,
                self.sentence(counts, files),
            )  # fmt: skip
        if counts["changed"]:
            words = f"{plural(counts['changed'], 'row')} imported before with other values: not sent, since this API cannot update a lead."
            self.context.notes("warning", words)
        if counts["existing"] and not counts["created"]:
            words = "What was there before was not changed: neither its campaign nor its fields."
            self.context.notes("note", words)
        return 4 if counts["rejected"] else 0

    def sentence(self, counts: dict[str, int], files: list[str]) -> str:
        """What a person reads."""
        made = f"{plural(counts['created'], 'lead')} created"
        there = f", {counts['existing']:,} were there before" if counts["existing"] else ""
        others = [name for name in ("rejected", "changed", "unknown", "not_sent") if counts[name]]
        rest = [f"{counts[name]:,} {name.replace('_', ' ')}" for name in others]
        done = "" if self.sent else "Nothing was left to send. "
        see = f": see {', '.join(files)}" if files else ""
        return f"{done}{'; '.join([made + there, *rest])}{see}."


def _outcomes(body: Any, count: int, created: Entry) -> list[Entry] | None:
    """What an answer says of each row: `created` with its id, existing or rejected; None where it
    leaves that open."""
    one = answers.new_id(body, "lead") if count == 1 else None
    ids = answers.dig(body, "createdIds", "data.createdIds") or ([one] if one else None)
    skipped = answers.dig(body, "skipped", "data.skipped") or []
    if not isinstance(ids, list) or not isinstance(skipped, list):
        return None
    reasons = {answers.dig(one, "index"): str(answers.dig(one, "reason") or "") for one in skipped}
    places = [place for place in range(count) if place not in reasons]
    if len(places) != len(ids) or len(places) + len(reasons) != count:
        return None
    names = dict(zip(places, map(str, ids), strict=True))
    return [
        created._replace(id=names[place]) if place in names else _left_out(reasons[place])
        for place in range(count)
    ]


def _left_out(reason: str) -> Entry:
    there = re.search("duplicate|exist|already", reason, re.IGNORECASE)
    return Entry("", "existing" if there else "rejected", note=reason)


def _email(row: Any) -> str:
    return str(answers.dig(row, "email") or "").casefold()


def _since(row: Any, entry: Entry) -> bool:
    """Whether a lead was created when the row was sent, not before; clocks may differ a little."""
    return str(answers.dig(row, "createdAt") or "9") >= iso(entry.at - 2.0)
