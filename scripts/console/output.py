"""stdout, and --out: chooses the form, writes whole items, and leaves no half file behind."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from console.notes import Notes
from console.options import Settings
from console.rendering import WRITERS, Row, Shape, details, pick
from console.text import compact
from leadgenius import answers
from leadgenius.errors import LeadGeniusError, LocalError, UsageError
from leadgenius.files import local_error, resolved

_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


@dataclass
class Receipt:
    """What --out tells on stdout about the file it wrote."""

    rows: int = 0
    columns: list[str] | None = None
    complete: bool = True
    clients: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def count(self, rows: Iterable[Any]) -> None:
        for row in rows:
            self.rows += 1
            if isinstance(row, dict) and "client_id" in row:
                name = str(row["client_id"])
                self.clients[name] = self.clients.get(name, 0) + 1

    def as_dict(self, path: Path, requests: int) -> Row:
        told: Row = {"file": str(path), "rows": self.rows, "columns": self.columns, "requests": requests}
        told["seconds"] = round(time.monotonic() - self.began, 3)
        return {**told, "complete": self.complete, "rows_by_client": self.clients or None}


class Output:
    """Where the data of one run goes. `form` is json, jsonl, csv, table or ids."""

    def __init__(self, settings: Settings, stdout: IO[str], notes: Notes, *, always_json: bool = False) -> None:
        self.settings, self.stdout, self.notes = settings, stdout, notes
        self.terminal = stdout.isatty()
        self.form = self._form("json" if always_json or not self.terminal or settings.out else "table")

    def _form(self, usual: str) -> str:
        suffix = self.settings.out.suffix.lower() if self.settings.out else ""
        by_name = _SUFFIXES.get(suffix)
        if self.settings.out and not by_name and not self.settings.format:
            raise UsageError(
                "The name of the --out file does not tell its form.",
                code="invalid_input",
                hint="Let it end in .json, .jsonl or .csv, or give --format too.",
            )
        if by_name and "format" in self.settings.given and self.settings.format != by_name:
            raise UsageError("--format and the name of the --out file contradict each other.")
        return by_name or self.settings.format or usual

    def check(self) -> None:
        """LocalError when --out cannot be written: asked before anything is sent, because an answer may come once."""
        if self.settings.out is not None:
            check_place(self.settings.out, "--out")

    def shape(self, columns: Iterable[str] = (), preferred: Iterable[str] = ()) -> Shape:
        indent = 2 if self.terminal and not self.settings.out else None
        room = shutil.get_terminal_size((100, 24)).columns
        return Shape(self.settings.fields, list(columns), list(preferred), indent, room, self.settings.csv_raw)

    def document(
        self, value: Any, columns: Iterable[str] = (), preferred: Iterable[str] = (), requests: int = 0
    ) -> None:
        """One answer that is no list: the whole body as JSON, its record in the other forms."""
        shape = self.shape(columns, preferred)
        receipt = Receipt(columns=list(shape.fields or shape.schema) or None)
        with self._target() as stream:
            self._write_document(stream, value, shape, receipt)
        self.tell(shape)
        self._receipt(receipt, requests)

    def _write_document(self, stream: IO[str], value: Any, shape: Shape, receipt: Receipt) -> None:
        record = answers.record(value)
        receipt.count([record])
        if self.form == "json":
            shown = pick(record, shape.fields) if shape.fields else value
            stream.write(compact(shown, shape.indent) + "\n")
        elif self.form == "table" and isinstance(record, dict):
            details(stream, record, shape)
        else:
            writer = WRITERS[self.form](stream, shape)
            writer.rows(record if isinstance(record, list) else [record])
            writer.end({})

    def listing(self, pages: Iterator[list[Any]], closing: Row, shape: Shape, receipt: Receipt) -> None:
        """Rows as they come. `closing` is read after the last page: what JSON says of the list as a whole.

        When a page fails midway, what was written ends after a whole item and JSON is closed with complete: false.
        """
        first = next(pages, [])  # nothing is written, and no file touched, before the first page is here
        receipt.columns = list(shape.fields or shape.schema) or None
        with self._target() as stream:
            writer = WRITERS[self.form](stream, shape)
            try:
                self._write_pages(writer, first, pages, receipt)
            except (LeadGeniusError, KeyboardInterrupt, SystemExit):
                if not self.settings.out:
                    writer.end({"complete": False})
                    stream.flush()
                raise
            writer.end(closing)
        self.tell(shape)

    def _write_pages(self, writer: Any, first: list[Any], pages: Iterator[list[Any]], receipt: Receipt) -> None:
        rows: list[Any] | None = first
        while rows is not None:
            receipt.count(rows)
            writer.rows(rows)
            rows = next(pages, None)

    def receipt(self, receipt: Receipt, requests: int) -> None:
        """After `listing`: what was written to --out."""
        self._receipt(receipt, requests)

    def _receipt(self, receipt: Receipt, requests: int) -> None:
        if self.settings.out:
            self.stdout.write(
                compact(receipt.as_dict(self.settings.out, requests), 2 if self.terminal else None) + "\n"
            )

    def tell(self, shape: Shape) -> None:
        """What the reader should know of what was written."""
        for message in shape.told:
            self.notes("note", message)

    @contextmanager
    def _target(self) -> Iterator[IO[str]]:
        if self.settings.out is None:
            yield self.stdout
            return
        with whole_file(self.settings.out) as stream:
            yield stream


def check_place(path: Path, option: str) -> None:
    """LocalError naming `option` when a file at `path` could not be written."""
    try:
        target = resolved(path)
        is_directory, writable = target.is_dir(), os.access(target.parent, os.W_OK | os.X_OK)
    except OSError as error:  # a name that is too long, a path through a file
        raise local_error(path, f"written ({option})", error) from error
    if is_directory:
        raise LocalError(f"{option} names a directory.", code="disk", hint="Give a file name, such as leads.jsonl.")
    if not writable:
        raise LocalError(
            f"The directory of {option} is not there, or may not be written: {target.parent}.",
            code="permission",
            hint=f"Make it, or choose another {option}. Nothing was sent.",
        )


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A text stream beside PATH that becomes PATH at the end: the old file stays until the new one is whole.

    LocalError (disk, permission) when it cannot be written; the part is removed then.
    """
    target = resolved(path)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    if target.is_dir():
        raise LocalError("--out names a directory.", code="disk", hint="Give a file name, such as leads.jsonl.")
    try:
        stream = part.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise local_error(path, "written", error) from error
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise local_error(path, "written", error) from error
        raise
