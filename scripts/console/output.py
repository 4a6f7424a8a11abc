"""stdout, and --out: chooses the form, writes whole items, and leaves no half file behind."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
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
from leadgenius.files import destination, is_regular, keep_mode, known_flags, local_error, new_mode

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
    target, found = destination(path, option)
    if not is_regular(found):
        return  # whether a pipe has a reader is seen when it is opened, and only once
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise LocalError(
            f"The directory of {option} is not there, or may not be written: {target.parent}.",
            code="permission",
            hint=f"Make it, or choose another {option}. Nothing was sent.",
        )


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A text stream beside PATH that becomes PATH at the end: the old file stays until the new one is whole.

    A device or pipe is written to as it is. LocalError (disk, permission) when it cannot be written; the part is
    removed then.
    """
    target, found = destination(path)
    try:
        with _replacing(target, found) if is_regular(found) else _writing_to(path) as stream:
            yield stream
    except OSError as error:
        raise local_error(path, "written", error) from error


@contextmanager
def _replacing(target: Path, found: os.stat_result | None) -> Iterator[IO[str]]:
    # A name that nobody can guess and that must be new: in a shared directory a link may lie under any other.
    part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | known_flags("O_CLOEXEC", "O_BINARY")
    descriptor = os.open(part, flags, new_mode(found))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            keep_mode(descriptor, found)
            yield stream
            stream.flush()
            os.fsync(descriptor)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _writing_to(path: Path) -> Iterator[IO[str]]:
    """/dev/null, a terminal, a pipe. One without a reader is refused, because opening it would wait for one."""
    descriptor = os.open(path, os.O_WRONLY | known_flags("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
        if stat.S_ISBLK(os.fstat(descriptor).st_mode):
            raise PermissionError(errno.EPERM, "it is a disk")
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(descriptor, True)
        yield stream
