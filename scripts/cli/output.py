"""stdout and --out: json, jsonl, csv, ids, and tables through cli.terminal. Whole items only, and
no half file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import IO, Any

from cli.stderr import Notes
from cli.text import TWINS, cell, compact, inert, inside, pick, plural, row_id, unformula
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

    def __init__(self, write: Write, output: Output) -> None:
        self.write, self.output = write, output

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
    """RFC 4180 with a line feed. Columns: --fields, else the schema's in order; others are counted
    in a note."""

    def __init__(self, write: Write, output: Output) -> None:
        super().__init__(write, output)
        self._columns = output.fields or [
            name for name in output.columns if TWINS.get(name) not in output.columns
        ]
        self._guarded, self._names = 0, set[str]()  # cells, and the fields of all rows

    def rows(self, rows: Sequence[Any]) -> None:
        made = [row if isinstance(row, dict) else {"value": row} for row in rows]
        self._columns = self._columns or [name for row in made[:1] for name in row]
        lines = [[self._cell(inside(row, name)) for name in self._columns] for row in made]
        self._names.update(*made)
        if not self.started:
            lines.insert(0, list(self._columns))
            self.write("\ufeff" * bool(self.output.options.excel))
        self.started = True
        self.write("".join(map(_csv_line, lines)))

    def end(self, summary: Row) -> None:
        self.rows([])
        notes, left_out = self.output.notes, self._names - {*self._columns, *TWINS}
        if left_out and self.output.fields is None:
            fields = plural(len(left_out), "field")
            notes("note", f"{fields} unknown to the schema left out: see jsonl.")
        if self._guarded:
            cells = plural(self._guarded, "cell")
            notes("note", f"{cells} like a formula got a ' in front; --csv-raw: unchanged.")

    def _cell(self, value: Any) -> str:
        text = cell(value)
        guarded = text if self.output.options.csv_raw else unformula(text)
        self._guarded += guarded != text
        return inert(guarded, keep="\n\t")


def _csv_line(cells: list[str]) -> str:
    """All cells quoted or none: spreadsheets that split at semicolons or tabs look for a quote at
    the start of a line."""
    if re.search(r'[",;\t\r\n]', "".join(cells)) or cells == [""]:
        cells = ['"' + one.replace('"', '""') + '"' for one in cells]
    return ",".join(cells) + "\n"


class Output:
    """Where the data of one run goes. `format` is json, jsonl, csv, table or ids. LocalError when
    --out cannot be written: asked before anything is sent."""

    def __init__(self, options: Any, stdout: IO[str], notes: Notes) -> None:
        self.options, self.notes, self.file = options, notes, stdout
        self.terminal = stdout.isatty()
        self.fields: Sequence[str] | None = options.fields
        self.columns: Sequence[str] = ()  # those of the schema
        self.preferred: Sequence[str] = ()  # those a terminal shows first
        self.footnote = ""  # what is said below a list
        self.format = _format(options, self.terminal)
        self.indent = 2 if self.terminal and not options.out else None
        self.started = time.monotonic()
        self.facts: Callable[[], Row] = dict  # requests and sandbox, for receipts
        if self.format == "table" and not find_spec("rich"):
            notes("note", "Install the package rich (pip install rich) to see tables.")
            self.format = "json"
        if options.out:
            check_safe(options.out, "--out")

    def writer(self, write: Write) -> Any:
        """The writer of this run's format."""
        if self.format == "table":
            from cli.terminal import TableWriter

            return TableWriter(write, self)
        return {"json": JsonRows, "csv": Csv}.get(self.format, Lines)(write, self)

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
        if self.footnote and self.format != "table":
            self.notes("note", self.footnote)

    def write(self, text: str) -> None:
        """Write to stdout, or to --out while it is open, secrets masked unless --show."""
        self.notes.end_progress()
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
        """One answer that is no list: the whole body as JSON, its record in the other formats.

        `sentence` is what a person at a terminal reads instead.
        """
        record = answers.record(value)
        rows = record if isinstance(record, list) else [record]
        if self.format == "json":
            shown = pick(record, self.fields) if self.fields else value
            with self.open():
                self.write(compact(shown, self.indent) + "\n")
            self.receipt(len(rows))
        elif self.format == "table" and isinstance(record, dict) and not self.options.out:
            from cli import terminal

            if sentence and not self.fields:
                terminal.print_sentence(self, sentence, record)
            else:
                terminal.print_record(self, record)
        else:
            self.listing(rows)

    def receipt(self, rows: int, complete: bool = True, **more: Any) -> None:
        """What --out wrote: file, rows, requests, seconds, complete. Nothing without --out."""
        path, seconds = self.options.out, round(time.monotonic() - self.started, 1)
        if not path:
            return
        facts = {"file": str(path), "rows": rows, **self.facts(), "seconds": seconds}
        text = compact({**facts, "complete": complete, **more})
        if self.terminal:
            size = f"{path.stat().st_size / 1024:,.0f} KB, {seconds:g} s"
            text = f"{path}: {plural(rows, 'row')}, {size}" + "; incomplete" * (not complete)
        self.write(text + "\n")


def _format(options: Any, terminal: bool) -> str:
    """What the name of the --out file says, else what is typed, else the usual one."""
    typed: str = options.format
    if not options.out:
        return typed or ("table" if terminal else "json")
    by_name = _SUFFIXES.get(options.out.suffix.lower(), typed)
    if not by_name:
        hint = "Let it end in .json, .jsonl or .csv (--excel: for Excel), or give --format too."
        raise UsageError("The name of the --out file does not say its format.", hint=hint)
    if "format" in options.typed and typed != by_name:
        words = "--format and the name of the --out file contradict each other."
        raise UsageError(words, hint="Give one of them.")
    return by_name
