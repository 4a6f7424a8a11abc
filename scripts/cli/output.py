"""stdout and --out: json, jsonl, csv, ids, and tables through cli.terminal. Whole items only, and
no half file."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import IO, Any

from cli.stderr import Notes
from cli.text import (
    TWINS,
    cell,
    compact,
    inert,
    inside,
    listed,
    pick,
    plural,
    row_id,
    shown,
    unformula,
    wrapped,
)
from leadgenius import answers
from leadgenius.errors import UsageError
from leadgenius.files import check_safe, replace_whole

Row = dict[str, Any]
Write = Callable[[str], Any]
_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


class Lines:
    """A format: rows as they come, then what is said of the list as a whole. This one is a row a
    line, as JSON or its id."""

    started = False  # whether rows stand before what it writes

    def __init__(self, write: Write, output: "Output") -> None:
        self.write, self.output, self.kept = write, output, list[Row]()

    def rows(self, rows: Sequence[Any]) -> None:
        if self.output.format == "ids":
            lines = [inert(one) for one in map(row_id, rows) if one]
        else:
            lines = [compact(pick(row, self.output.fields)) for row in rows]
        self.write("".join(line + "\n" for line in lines))

    def end(self, summary: Row) -> None:
        """Lines hold rows alone."""


class JsonRows(Lines):
    """`{"data": [...], …}`, written as the rows come."""

    def rows(self, rows: Sequence[Any]) -> None:
        output, line = self.output, "\n" if self.output.indent else ""
        texts = [line + compact(pick(row, output.fields), output.indent) for row in rows]
        if texts:
            self.write(("," if self.started else '{"data":[') + ",".join(texts))
            self.started = True

    def end(self, summary: Row) -> None:
        start = "]" if self.started else '{"data":[]'
        rest = compact(summary, self.output.indent).removeprefix("{")
        self.write(f"{start}{',' if summary else ''}{rest}\n")


class Csv(Lines):
    """RFC 4180 with a line feed. Columns: --fields, else the schema's in order."""

    columns: Sequence[str] = ()

    def rows(self, rows: Sequence[Any]) -> None:
        made, output = as_records(rows), self.output
        if not self.columns:
            names = [one for one in output.columns if TWINS.get(one) not in output.columns]
            self.columns = output.fields or names or [name for row in made[:1] for name in row]
        lines = [[inside(row, name) for name in self.columns] for row in made]
        if not self.started:
            lines.insert(0, [*self.columns])
            self.write("\ufeff" * bool(output.options.excel))
        self.started = True
        self.write("".join(map(self._line, lines)))
        if output.fields is None and set().union(*made) - {*self.columns, *TWINS}:
            words = "csv has the fields of the schema, or of the first row: jsonl has all."
            output.notes("note", words)

    def end(self, summary: Row) -> None:
        self.rows([])

    def _line(self, values: list[Any]) -> str:
        """All cells quoted or none: spreadsheets that split at semicolons or tabs look for a quote
        at the start of a line."""
        raw = self.output.options.csv_raw
        texts = [cell(value) if raw else unformula(cell(value)) for value in values]
        cells = [inert(text, keep="\n\t") for text in texts]
        if re.search(r'[",;\t\r\n]', "".join(cells)) or cells == [""]:
            cells = ['"' + one.replace('"', '""') + '"' for one in cells]
        return ",".join(cells) + "\n"


class TableRows(Lines):
    """A table for a person, printed at the end: its columns suit all rows."""

    def rows(self, rows: Sequence[Any]) -> None:
        self.kept += as_records(rows)

    def end(self, summary: Row) -> None:
        """The table; the footnote says how many, what comes next, and how to see the rest."""
        from cli.terminal import print_table

        note = print_table(self.write, self.output, self.kept)
        words = self.output.footnote or f"{plural(len(self.kept), 'row')}."
        self.output.footnote = words + note


def as_records(rows: Sequence[Any]) -> list[Row]:
    """Rows as tables and csv have them: what is no record has the one column `value`."""
    return [row if isinstance(row, dict) else {"value": row} for row in rows]


class Output:
    """Where the data of one run goes. `format` is json, jsonl, csv, table or ids. LocalError when
    --out cannot be written: asked before anything is sent."""

    columns: Sequence[str] = ()  # those of the schema
    preferred: Sequence[str] = ()  # those a terminal shows first: see commands.py
    footnote = ""  # what is said below a list
    facts: Callable[[], Row]  # requests and sandbox, for receipts

    def __init__(self, options: Any, stdout: IO[str], notes: Notes) -> None:
        self.options, self.notes, self.file = options, notes, stdout
        self.terminal = stdout.isatty()
        self.fields: Sequence[str] | None = options.fields
        self.format = _format(options, self.terminal)
        self.indent = 2 if self.terminal and not options.out else None
        self.started = time.monotonic()
        if self.format == "table" and not find_spec("rich"):
            notes("note", "Install the package rich (pip install rich) to see tables.")
            self.format = "json"
        if options.out:
            check_safe(options.out)

    def writer(self, write: Write) -> Any:
        """The writer of this run's format."""
        formats = {"json": JsonRows, "csv": Csv, "table": TableRows}
        return formats.get(self.format, Lines)(write, self)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A writer to stdout, or to the --out file, which is replaced whole when the block ends
        well. On an error what stdout got ends after a whole item, and JSON is closed with complete:
        false."""
        out = self.options.out
        stdout = self.file
        with replace_whole(out) if out else nullcontext(stdout) as self.file:
            writer = self.writer(self.write)
            try:
                yield writer
            except BaseException:
                if writer.started:
                    writer.end({"complete": False})
                raise
            finally:
                self.file = stdout
        if self.footnote:
            self.notes("note", self.footnote)

    def write(self, text: str) -> None:
        """Write to stdout, or to --out while it is open, secrets masked unless --show."""
        self.notes.write()  # over the live line
        self.file.write(self.masked(text))
        self.file.flush()  # what stands below it, on stderr, must not come before it

    def masked(self, text: str) -> str:
        masker = self.notes.masker
        return text if masker.show else masker.mask(text)

    def listing(self, rows: Sequence[Any]) -> None:
        """A whole list that is at hand, and its receipt."""
        with self.open() as writer:
            writer.rows(rows)
            writer.end({})
        self.receipt(len(rows))

    def document(self, value: Any, sentence: str = "") -> None:
        """One answer: the whole body as JSON, its record or rows in the other formats.

        `sentence` is what a person at a terminal reads instead.
        """
        found, fields = answers.rows(value), self.fields
        rows = [answers.record(value)] if found is None else found
        if self.format == "json" and (found is None or not fields):
            with self.open():
                self.write(compact(pick(rows[0] if fields else value, fields), self.indent) + "\n")
            self.receipt(len(rows))
        elif found is not None or self.format != "table" or self.options.out:
            self.listing(rows)
        elif sentence and not fields:
            self._print_sentence(sentence, *as_records(rows))
        else:
            from cli.terminal import print_record

            print_record(self, *as_records(rows))

    def _print_sentence(self, sentence: str, record: Row) -> None:
        """What was done; then the reasons that need action, or the ids made; a few of them."""
        name = next((one for one in ("problems", "files") if record.get(one)), "ids")
        known = record.get(name) or row_id(record) or []
        lines = [sentence, *listed(known, record.get(f"{name}_total"))]
        for name in ("secret", "key"):  # no later answer has them
            if record.get(name):
                lines.append(f"  {name} (shown only now, keep it): {record[name]}")
        self.write(wrapped(map(self.masked, lines)))

    def receipt(self, rows: int, complete: bool = True, **more: Any) -> None:
        """What --out wrote: file, rows, requests, seconds, complete. Nothing without --out."""
        if self.options.out:
            seconds = round(time.monotonic() - self.started, 1)
            facts = {"file": str(self.options.out), "rows": rows, **self.facts()}
            facts |= {"seconds": seconds, "complete": complete, **more}
            self.write((shown("", facts) if self.terminal else compact(facts)) + "\n")


def _format(options: Any, terminal: bool) -> str:
    """What the name of the --out file says, else what is typed, else the usual one."""
    typed: str = options.format
    if not options.out:
        return typed or ("table" if terminal else "json")
    by_name = _SUFFIXES.get(options.out.suffix.lower(), typed)
    if not by_name or by_name == "table" or ("format" in options.typed and typed != by_name):
        words = "--format and the name of the --out file do not say one format."
        hint = "Let it end in .json, .jsonl or .csv (--excel: for Excel), or give --format alone."
        raise UsageError(words, hint=hint)
    return by_name
