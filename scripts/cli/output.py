"""stdout and --out: json, jsonl, csv, ids, and tables through cli.terminal. Whole items only, and
no half file."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, Any, Protocol, cast

from cli.rows import TWINS, inside, pick, row_id
from cli.stderr import Notes
from cli.text import Masker, cell, compact, escaped, inert, plural, unformula
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, UsageError
from leadgenius.files import check_place, replace_whole

Row = dict[str, Any]
Write = Callable[[str], Any]
_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


class Writer(Protocol):
    """A format: rows as they come, then what is said of the list as a whole."""

    def rows(self, rows: Sequence[Any]) -> None: ...
    def end(self, summary: Row) -> None: ...


class JsonRows:
    """`{"data": [...], …}`, written as the rows come."""

    def __init__(self, write: Write, output: Output, started: bool = False) -> None:
        self._write, self._output, self._started = write, output, started

    def rows(self, rows: Sequence[Any]) -> None:
        indent = self._output.indent
        texts = [compact(row, indent) for row in self._output.picked(rows)]
        if indent:
            texts = ["\n  " + text.replace("\n", "\n  ") for text in texts]
        if texts:
            self._write(("," if self._started else '{"data":[') + ",".join(texts))
            self._started = True

    def end(self, summary: Row) -> None:
        indent = self._output.indent
        line = "\n" if indent else ""
        rest = [f",{line}{compact(name)}:{compact(one, indent)}" for name, one in summary.items()]
        self._write(("]" if self._started else '{"data":[]') + "".join(rest) + line + "}\n")


class Lines:
    """A row a line: as JSON, or its id."""

    def __init__(self, write: Write, output: Output, started: bool = False) -> None:
        self._write, self._output = write, output

    def rows(self, rows: Sequence[Any]) -> None:
        if self._output.format == "ids":
            lines = [inert(one) for one in map(row_id, rows) if one]
        else:
            lines = list(map(compact, self._output.picked(rows)))
        self._write("".join(line + "\n" for line in lines))

    def end(self, summary: Row) -> None:
        """Lines hold rows alone."""


class Csv:
    """RFC 4180 with a line feed. Columns: --fields, else the schema's in order; others are counted
    in a note."""

    def __init__(self, write: Write, output: Output, started: bool = False) -> None:
        self._write, self._output, self._started = write, output, started
        known = [name for name in output.columns if TWINS.get(name) not in output.columns]
        self._columns = output.fields or known
        self._left_out: set[str] = set()
        self._guarded = 0

    def rows(self, rows: Sequence[Any]) -> None:
        made = [row if isinstance(row, dict) else {"value": row} for row in rows]
        if not self._columns and made:
            self._columns = list(made[0])
        if self._output.fields is None:
            for row in made:
                self._left_out |= row.keys() - set(self._columns) - set(TWINS)
        self._lines(*([self._cell(inside(row, name)) for name in self._columns] for row in made))

    def end(self, summary: Row) -> None:
        self._lines()
        if self._left_out:
            fields = plural(len(self._left_out), "field")
            self._output.notes("note", f"{fields} unknown to the schema left out: see jsonl.")
        if self._guarded:
            cells = plural(self._guarded, "cell")
            words = f"{cells} like a formula got a ' in front; --csv-raw: unchanged."
            self._output.notes("note", words)

    def _lines(self, *lines: list[str]) -> None:
        text = io.StringIO()
        if not self._started:
            self._started = True
            text.write("\ufeff" if self._output.options.excel else "")
            lines = (list(self._columns), *lines)
        plain = csv.writer(text, lineterminator="\n")
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for line in lines:
            splits = any(";" in one or "\t" in one for one in line)  # in some spreadsheets
            (quoted if splits else plain).writerow(line)
        self._write(text.getvalue())

    def _cell(self, value: Any) -> str:
        text = cell(value)
        if self._output.options.csv_raw:
            return escaped(text)
        guarded = unformula(text)
        self._guarded += guarded != text
        return escaped(guarded)


class Output:
    """Where the data of one run goes. `format` is json, jsonl, csv, table or ids."""

    def __init__(
        self, options: Any, stdout: IO[str], notes: Notes
    ) -> None:
        self.options, self.stdout, self.notes, self.masker = options, stdout, notes, notes.masker
        self.terminal = stdout.isatty()
        self.fields: Sequence[str] | None = options.fields
        self.columns: Sequence[str] = ()  # those of the schema
        self.preferred: Sequence[str] = ()  # those a terminal shows first
        self.footnotes: list[str] = []  # printed below a table
        self.format = self._format("json" if not self.terminal or options.out else "table")
        if self.format == "table" and not find_spec("rich"):
            notes("note", "Install the package rich (pip install rich) to see tables.")
            self.format = "json"
        self.indent = 2 if self.terminal and not options.out else None
        self.started = time.monotonic()

    def _format(self, usual: str) -> str:
        out, typed = self.options.out, self.options.format
        suffix = out.suffix.lower() if out else ""
        by_name = _SUFFIXES.get(suffix)
        if suffix == ".xlsx":
            hint = f"--out {out.stem}.csv --excel opens in Excel."
            raise UsageError("An xlsx file cannot be written here.", hint=hint)
        if out and not by_name and not typed and suffix != ".html":
            hint = "Let it end in .json, .jsonl or .csv, or give --format too."
            raise UsageError("The name of the --out file does not say its format.", hint=hint)
        if by_name and "format" in self.options.typed and typed != by_name:
            raise UsageError("--format and the name of the --out file contradict each other.")
        return str(by_name or typed or usual)

    def picked(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows with the fields of --fields alone."""
        return rows if self.fields is None else [pick(row, self.fields) for row in rows]

    def check(self) -> None:
        """LocalError when --out cannot be written: asked before anything is sent."""
        if self.options.out:
            check_place(self.options.out, "--out")

    def writer(self, write: Write, started: bool = False) -> Writer:
        """The writer of this run's format; `started` when rows stand before what it writes."""
        if self.format == "table":
            from cli.terminal import table_writer

            return table_writer(write, self)
        made: Any = {"json": JsonRows, "csv": Csv}.get(self.format, Lines)
        return cast(Writer, made(write, self, started))

    @contextmanager
    def open(self) -> Iterator[Writer]:
        """A writer to stdout, or to the --out file, which is replaced whole when the block ends
        well. On an error what stdout got ends after a whole item, and JSON is closed with complete:
        false.
        """
        with self._target() as write:
            writer = self.writer(write)
            try:
                yield writer
            except (LeadGeniusError, KeyboardInterrupt, SystemExit):
                if not self.options.out and getattr(writer, "_started", False):
                    writer.end({"complete": False})
                raise

    @contextmanager
    def _target(self) -> Iterator[Write]:
        if not self.options.out:
            yield self.write
            return
        with replace_whole(self.options.out) as file:
            yield lambda text: file.write(self.masked(text))

    def listing(self, rows: Sequence[Any], requests: int = 0, **more: Any) -> None:
        """A whole list that is at hand, and its receipt."""
        with self.open() as writer:
            writer.rows(rows)
            writer.end({})
        self.receipt(len(rows), requests, True, **more)

    def below(self, text: str) -> None:
        """Say something of a list: in the line below a table, else as a note."""
        if self.format == "table":
            self.footnotes.append(text)
        else:
            self.notes("note", text)

    def write(self, text: str) -> None:
        """Write to stdout as it is, secrets masked unless --show."""
        self.notes.end_progress()
        self.stdout.write(self.masked(text))

    def masked(self, text: str) -> str:
        return text if self.masker.show else self.masker.mask(text)

    def document(self, value: Any, requests: int = 0, sentence: str = "") -> None:
        """One answer that is no list: the whole body as JSON, its record in the other formats.

        `sentence` is what a person at a terminal reads instead.
        """
        record = answers.record(value)
        if self.format == "table" and isinstance(record, dict) and not self.options.out:
            from cli import terminal

            if sentence and self.fields is None:
                return terminal.print_sentence(self.write, self, sentence, record)
            return terminal.print_record(self.write, self, record)
        with self._target() as write:
            if self.format == "json":
                (shown,) = self.picked([record]) if self.fields else [value]
                write(compact(shown, self.indent) + "\n")
            else:
                writer = self.writer(write)
                writer.rows(record if isinstance(record, list) else [record])
                writer.end({})
        self.receipt(len(record) if isinstance(record, list) else 1, requests, True)
        return None

    def receipt(self, rows: int, requests: int, complete: bool, **more: Any) -> None:
        """What --out wrote: file, rows, requests, seconds, complete. Nothing without --out."""
        if not self.options.out:
            return
        path, seconds = self.options.out, round(time.monotonic() - self.started, 1)
        if self.terminal:
            size = f"{path.stat().st_size / 1024:,.0f} KB" if path.is_file() else ""
            incomplete = "" if complete else "; incomplete"
            self.write(f"{path}: {plural(rows, 'row')}, {size}, {seconds:g} s{incomplete}\n")
            return
        facts = {"file": str(path), "rows": rows, "requests": requests, "seconds": seconds}
        self.write(compact({**facts, "complete": complete, **more}) + "\n")
