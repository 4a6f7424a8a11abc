"""Data in the five forms: json, jsonl, csv, table, ids. Pure writers over a text stream; they never choose the form."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from console.text import cell, compact, escaped, fit, inert, width

Row = dict[str, Any]
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]+)?%?")
_PHONE = re.compile(r"\+[0-9][0-9 ()./-]{4,24}")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # a spreadsheet takes the wide ones too
_WIDEST = 32
_ID = re.compile(r"(^id|_id|Id)$")


@dataclass
class Shape:
    """How rows are to look: the columns asked for, the schema's, those a table prefers, and the room there is."""

    fields: tuple[str, ...] | None = None
    schema: Sequence[str] = ()
    preferred: Sequence[str] = ()
    indent: int | None = None
    width: int = 80
    csv_raw: bool = False
    told: list[str] = field(default_factory=list)  # what the reader should know of what was written
    changed: int = 0  # CSV cells that got a ' in front


def pick(row: Any, fields: tuple[str, ...] | None) -> Any:
    """`row` with `fields` alone, in their order; `a.b` reads inside. Null where there is nothing."""
    if fields is None or not isinstance(row, dict):
        return row
    return {name: _inside(row, name) for name in fields}


def _inside(row: Any, name: str) -> Any:
    if isinstance(row, dict) and name in row:
        return row[name]
    for word in name.split("."):
        if isinstance(row, list):
            row = row[int(word)] if word.isdecimal() and int(word) < len(row) else None
        else:
            row = row.get(word) if isinstance(row, dict) else None
    return row


class Writer(Protocol):
    """A form of output: rows as they come, then what is said of the list as a whole.

    Made over a stream and a Shape; `written` tells how many rows stand before what it writes, None for none begun.
    """

    def rows(self, rows: Sequence[Any]) -> None: ...
    def end(self, rest: dict[str, Any]) -> None: ...


class JsonRows:
    """`{"data": [...], …}` written as the rows come; what is said of the list as a whole follows them."""

    def __init__(self, stream: IO[str], shape: Shape, written: int | None = None) -> None:
        self._stream, self._shape = stream, shape
        self._count = written or 0

    def rows(self, rows: Sequence[Any]) -> None:
        line = "\n  " if self._shape.indent else ""
        for row in rows:
            self._stream.write(('{"data":[' if not self._count else ",") + line)
            text = compact(pick(row, self._shape.fields), self._shape.indent)
            self._stream.write(text.replace("\n", "\n  ") if self._shape.indent else text)
            self._count += 1

    def end(self, rest: dict[str, Any]) -> None:
        line = "\n" if self._shape.indent else ""
        self._stream.write("]" if self._count else '{"data":[]')
        for name, value in rest.items():
            self._stream.write(f",{line}{compact(name)}:{compact(value, self._shape.indent)}")
        self._stream.write(f"{line}}}\n")


class JsonLines:
    """A row a line."""

    def __init__(self, stream: IO[str], shape: Shape, written: int | None = None) -> None:
        self._stream, self._shape = stream, shape

    def rows(self, rows: Sequence[Any]) -> None:
        self._stream.write("".join(compact(pick(row, self._shape.fields)) + "\n" for row in rows))

    def end(self, rest: dict[str, Any]) -> None:
        """Lines hold rows alone."""


class Ids:
    """An id a line."""

    def __init__(self, stream: IO[str], shape: Shape, written: int | None = None) -> None:
        self._stream = stream

    def rows(self, rows: Sequence[Any]) -> None:
        found = [row_id(row) for row in rows]
        self._stream.write("".join(f"{inert(one)}\n" for one in found if one))

    def end(self, rest: dict[str, Any]) -> None:
        """Nothing follows the ids."""


def row_id(row: Any) -> str | None:
    """The id of a row of ours or of the API's."""
    if not isinstance(row, dict):
        return str(row) if isinstance(row, (str, int)) else None
    found = next((row[name] for name in ("id", "leadId", "lead_id", "jobId", "key") if row.get(name)), None)
    return None if found is None else str(found)


class Csv:
    """RFC 4180 with a line feed. Columns: those asked for, else the schema's and one `other` (JSON) for all unknown."""

    def __init__(self, stream: IO[str], shape: Shape, written: int | None = None) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._shape = shape
        self.columns = list(shape.fields or [*shape.schema, "other"])
        self._started = written is not None

    def rows(self, rows: Sequence[Any]) -> None:
        self._start()
        self._writer.writerows([self._cells(row if isinstance(row, dict) else {"value": row}) for row in rows])

    def end(self, rest: dict[str, Any]) -> None:
        self._start()
        if self._shape.changed:
            self._shape.told.append(
                f"{self._shape.changed} cells start like a formula and got a ' in front; --csv-raw leaves them alone."
            )

    def _start(self) -> None:
        if not self._started:
            self._writer.writerow(self.columns)
            self._started = True

    def _cells(self, row: Row) -> list[str]:
        if self._shape.fields is None:
            unknown = {name: value for name, value in row.items() if name not in self.columns or name == "other"}
            row = {**row, "other": unknown or None}
        return [escaped(self._guarded(cell(_inside(row, name)))) for name in self.columns]

    def _guarded(self, text: str) -> str:
        if self._shape.csv_raw or not text.startswith(_FORMULA) or text == "-":
            return text
        if _NUMBER.fullmatch(text) or _PHONE.fullmatch(text):
            return text
        self._shape.changed += 1
        return "'" + text


class Table:
    """Columns side by side within the width; ids are never cut, other cells end in … where they are."""

    def __init__(self, stream: IO[str], shape: Shape, written: int | None = None) -> None:
        self._stream, self._shape = stream, shape
        self._columns: list[tuple[str, int]] | None = None
        self._cut = False

    def rows(self, rows: Sequence[Any]) -> None:
        cells = [self._texts(row) for row in rows]
        if self._columns is None and cells:
            self._columns = self._choose(cells)
            self._line({name: name for name, _ in self._columns})
        for one in cells:
            self._line(one)

    def end(self, rest: dict[str, Any]) -> None:
        if self._columns is None:
            self._stream.write("(none)\n")
        elif self._cut:
            told = "Not everything fits the width. See it all with --format json, or choose --fields."
            self._shape.told += [] if told in self._shape.told else [told]

    def _texts(self, row: Any) -> dict[str, str]:
        picked = pick(row if isinstance(row, dict) else {"value": row}, self._shape.fields)
        return {name: inert(cell(value)) for name, value in picked.items()}

    def _choose(self, cells: list[dict[str, str]]) -> list[tuple[str, int]]:
        """Columns and widths from the first page: preferred ones, then the schema's, while there is room."""
        names = list(dict.fromkeys(name for one in cells for name in one))
        if self._shape.fields is None:
            order = list(self._shape.preferred or [*self._shape.schema, *names])
            names = [name for name in dict.fromkeys(order) if any(one.get(name) for one in cells)] or names
        chosen: list[tuple[str, int]] = []
        room = self._shape.width
        for name in names:
            columns = self._width_of(name, cells)
            if chosen and columns + 2 > room and self._shape.fields is None:
                self._cut = True
                continue
            chosen.append((name, columns))
            room -= columns + 2
        return self._widened(chosen, cells, room)

    def _widened(self, chosen: list[tuple[str, int]], cells: list[dict[str, str]], room: int) -> list[tuple[str, int]]:
        """Room that is left goes to the columns that were cut, from the left."""
        made = []
        for name, columns in chosen:
            more = max(0, min(room, max(width(one.get(name, "")) for one in cells) - columns))
            made.append((name, columns + more))
            room -= more
        return made

    def _width_of(self, name: str, cells: list[dict[str, str]]) -> int:
        widest = max(width(name), *(width(one.get(name, "")) for one in cells))
        return widest if _ID.search(name) else min(widest, _WIDEST)

    def _line(self, texts: dict[str, str]) -> None:
        assert self._columns is not None
        parts = []
        for name, columns in self._columns:
            text = texts.get(name, "")
            if _ID.search(name):
                parts.append(text + " " * (columns - width(text)))
                continue
            self._cut = self._cut or width(text) > columns
            parts.append(fit(text, columns))
        self._stream.write("  ".join(parts).rstrip() + "\n")


def details(stream: IO[str], record: Row, shape: Shape) -> None:
    """One record on a terminal: a field a line, what is nested under dotted names, lists of records as tables below."""
    picked = _flat(pick(record, shape.fields))
    tables = {name: value for name, value in picked.items() if _is_rows(value)}
    longest = max((width(inert(name)) for name in picked if name not in tables), default=0)
    for name, value in picked.items():
        if name not in tables and (value is not None or shape.fields):
            stream.write(f"{fit(inert(name), longest)}  {inert(cell(value))}\n")
    for name, rows in tables.items():
        stream.write(f"\n{inert(name)}:\n")
        table = Table(stream, Shape(width=shape.width, told=shape.told))
        table.rows([_flat(row) for row in rows])
        table.end({})


def _flat(record: Row, before: str = "") -> Row:
    made: Row = {}
    for name, value in record.items():
        made |= _flat(value, f"{before}{name}.") if isinstance(value, dict) and value else {before + name: value}
    return made


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


WRITERS: dict[str, Callable[..., Writer]] = {
    "json": JsonRows,
    "jsonl": JsonLines,
    "csv": Csv,
    "table": Table,
    "ids": Ids,
}
