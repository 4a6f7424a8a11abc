"""stdout and --out: json, jsonl, csv, ids, and tables through cli.terminal. Whole items only, and
no half file."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, Any, Protocol

from cli.rows import TWINS, inside, pick, row_id
from cli.stderr import Notes
from cli.text import Masker, cell, compact, escaped, inert, plural, unformula
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, UsageError
from leadgenius.files import check_place, replace_whole

Row = dict[str, Any]
_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


class Writer(Protocol):
    """A format: rows as they come, then what is said of the list as a whole."""

    def rows(self, rows: Sequence[Any]) -> None: ...
    def end(self, summary: Row) -> None: ...


class JsonRows:
    """`{"data": [...], …}`, written as the rows come."""

    def __init__(self, write: Callable[[str], Any], output: Output, started: bool = False) -> None:
        self._write, self._fields, self._indent, self._started = (
            write,
            output.fields,
            output.indent,
            started,
        )

    def rows(self, rows: Sequence[Any]) -> None:
        for row in rows:
            text = compact(pick(row, self._fields), self._indent)
            start = "," if self._started else '{"data":['
            self._write(
                f"{start}\n  " + text.replace("\n", "\n  ") if self._indent else start + text
            )
            self._started = True

    def end(self, summary: Row) -> None:
        line = "\n" if self._indent else ""
        rest = "".join(
            f",{line}{compact(name)}:{compact(value, self._indent)}"
            for name, value in summary.items()
        )
        self._write(("]" if self._started else '{"data":[]') + rest + line + "}\n")


class JsonLines:
    """A row a line."""

    def __init__(self, write: Callable[[str], Any], output: Output, started: bool = False) -> None:
        self._write, self._fields = write, output.fields

    def rows(self, rows: Sequence[Any]) -> None:
        self._write("".join(compact(pick(row, self._fields)) + "\n" for row in rows))

    def end(self, summary: Row) -> None:
        """Lines hold rows alone."""


class Ids:
    """An id a line."""

    def __init__(self, write: Callable[[str], Any], output: Output, started: bool = False) -> None:
        self._write = write

    def rows(self, rows: Sequence[Any]) -> None:
        self._write("".join(f"{inert(one)}\n" for one in map(row_id, rows) if one))

    def end(self, summary: Row) -> None:
        """Nothing follows the ids."""


class Csv:
    """RFC 4180 with a line feed. Columns: --fields, else the schema's in order; others are counted
    in a note."""

    def __init__(self, write: Callable[[str], Any], output: Output, started: bool = False) -> None:
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
        notes = self._output.notes
        if self._left_out:
            notes(
                "note",
                f"{plural(len(self._left_out), 'field')} unknown to the schema left out: see jsonl.",
            )
        if self._guarded:
            words = f"{plural(self._guarded, 'cell')} like a formula got a ' in front; --csv-raw: unchanged."
            notes("note", words)

    def _lines(self, *lines: list[str]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        if not self._started:
            self._started = True
            text.write("\ufeff" if self._output.options.excel else "")
            writer.writerow(self._columns)
        for line in lines:
            if any(";" in one or "\t" in one for one in line):  # a spreadsheet might split there
                text.write(",".join('"' + one.replace('"', '""') + '"' for one in line) + "\n")
            else:
                writer.writerow(line)
        self._write(text.getvalue())

    def _cell(self, value: Any) -> str:
        text = cell(value)
        if not self._output.options.csv_raw:
            guarded = unformula(text)
            self._guarded += guarded != text
            text = guarded
        return escaped(text)


class Output:
    """Where the data of one run goes. `format` is json, jsonl, csv, table or ids."""

    def __init__(
        self, options: Any, stdout: IO[str], notes: Notes, masker: Masker, *, raw: bool = False
    ) -> None:
        self.options, self.stdout, self.notes, self.masker = options, stdout, notes, masker
        self.terminal = stdout.isatty()
        self.fields: Sequence[str] | None = options.fields
        self.columns: Sequence[str] = ()  # those of the schema
        self.preferred: Sequence[str] = ()  # those a terminal shows first
        self.footnotes: list[str] = []  # printed below a table
        self.format = self._format("json" if raw or not self.terminal or options.out else "table")
        if self.format == "table" and not find_spec("rich"):
            notes("note", "Install the package rich (pip install rich) to see tables.")
            self.format = "json"
        self.indent = 2 if self.terminal and not options.out else None
        self.started = time.monotonic()

    def _format(self, usual: str) -> str:
        out = self.options.out
        by_name = _SUFFIXES.get(out.suffix.lower()) if out else None
        if out and out.suffix.lower() == ".xlsx":
            raise UsageError(
                "An xlsx file cannot be written here.",
                hint=f"--out {out.stem}.csv --excel opens in Excel.",
            )
        if out and not by_name and not self.options.format and out.suffix.lower() != ".html":
            hint = "Let it end in .json, .jsonl or .csv, or give --format too."
            raise UsageError(
                "The name of the --out file does not say its format.",
                code="invalid_input",
                hint=hint,
            )
        if by_name and "format" in self.options.typed and self.options.format != by_name:
            raise UsageError("--format and the name of the --out file contradict each other.")
        return str(by_name or self.options.format or usual)

    def check(self) -> None:
        """LocalError when --out cannot be written: asked before anything is sent."""
        if self.options.out:
            check_place(self.options.out, "--out")

    def writer(self, write: Callable[[str], Any], started: bool = False) -> Writer:
        """The writer of this run's format; `started` when rows stand before what it writes."""
        if self.format == "table":
            from cli.terminal import table_writer

            return table_writer(write, self)
        made: dict[str, Any] = {"json": JsonRows, "jsonl": JsonLines, "csv": Csv, "ids": Ids}
        writer: Writer = made[self.format](write, self, started)
        return writer

    @contextmanager
    def open(self) -> Iterator[Writer]:
        """A writer to stdout, or to the --out file, which is replaced whole when the block ends
        well.

        On an error what stdout got ends after a whole item, and JSON is closed with complete:
        false.
        """
        if self.options.out:
            with replace_whole(self.options.out) as file:
                yield self.writer(lambda text: file.write(self.masked(text)))
            return
        writer = self.writer(self.write)
        try:
            yield writer
        except (LeadGeniusError, KeyboardInterrupt, SystemExit):
            if getattr(writer, "_started", False):
                writer.end({"complete": False})
            raise

    def below(self, text: str) -> None:
        """Say something of a list before its writer ends: in the line below a table, else as a note."""
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
        if sentence and self.format == "table" and not self.options.out and self.fields is None:
            from cli.terminal import print_sentence

            return print_sentence(self.write, self, sentence, record)
        if self.format == "table" and isinstance(record, dict) and not self.options.out:
            from cli.terminal import print_record

            return print_record(self.write, self, record)
        with self._target() as write:
            if self.format == "json":
                write(
                    compact(pick(record, self.fields) if self.fields else value, self.indent) + "\n"
                )
            else:
                writer = self.writer(write)
                writer.rows(record if isinstance(record, list) else [record])
                writer.end({})
        self.receipt(1, requests, True)
        return None

    @contextmanager
    def _target(self) -> Iterator[Callable[[str], Any]]:
        if not self.options.out:
            yield self.write
            return
        with replace_whole(self.options.out) as file:
            yield lambda text: file.write(self.masked(text))

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
        facts = {
            "file": str(path),
            "rows": rows,
            "requests": requests,
            "seconds": seconds,
            "complete": complete,
        }
        self.write(compact({**facts, **more}) + "\n")
