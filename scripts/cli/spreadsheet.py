"""A spreadsheet of leads: csv of any dialect, jsonl or json as rows that can be sent, and the file
line of each problem. Nothing here sends anything.

Our own csv comes back as it was: the `'` before a formula is taken off, read-only columns are left
out.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cli import inputs
from cli.context import Context
from cli.text import cell, plural, reformula, unformula
from contract import validate
from contract.operations import Schema, near, operations
from leadgenius.errors import UsageError

LARGEST_ROW = 40_000  # bytes of JSON: a hundred of them are a body that servers take
PROBLEM = "problem"  # the column that FILE.rejects.csv adds
# Headings that mean a field of another name; they are compared without case, spaces, _ and -.
HEADINGS = {
    "company": "companyName", "jobtitle": "title", "linkedin": "linkedinUrl",
    "mobile": "phoneNumber", "phone": "phoneNumber", "website": "companyDomain",
    "vorname": "firstName", "nachname": "lastName", "firma": "companyName",
    "telefon": "phoneNumber", "mobil": "phoneNumber", "webseite": "companyDomain",
}  # fmt: skip

Lines = list[tuple[int, list[Any]]]  # (line where a row starts, its cells)


class Row(NamedTuple):
    """A row of the file. `line`: where it starts, from 1 (of a json file: which record it is);
    `lead`: what is sent; `problem`: why it cannot be; `id`: of the lead it became."""

    line: int
    cells: list[Any]
    lead: dict[str, Any]
    problem: str = ""
    id: str = ""


class Sheet(NamedTuple):
    """A checked file: the rows to send, the bad ones, and how many were left out because an earlier
    one says the same. `mapping`: the columns of each field."""

    columns: list[str]
    delimiter: str
    mapping: dict[str, list[str]]
    rows: list[Row]
    bad: list[Row]
    doubles: int

    def rejects(self, rows: Sequence[Row]) -> bytes:
        """`rows` with a column `problem`, as a file that can be fixed and imported."""
        width = len(self.columns) - (self.columns[-1] == PROBLEM)
        lines = [[*self.columns[:width], PROBLEM]]
        lines += [[*(row.cells + [""] * width)[:width], row.problem] for row in rows]
        return csv_bytes(lines, self.delimiter)


def csv_bytes(lines: Sequence[Sequence[Any]], delimiter: str = ",") -> bytes:
    """Lines as csv that no spreadsheet runs, with the mark by which it knows UTF-8."""
    text = io.StringIO()
    guarded = [[unformula(cell(value)) for value in line] for line in lines]
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(guarded)
    return text.getvalue().encode("utf-8-sig")


def key_of(lead: dict[str, Any]) -> tuple[str, str]:
    """What makes a double: client and e-mail, the e-mail in any case."""
    return str(lead.get("client_id") or ""), str(lead["email"]).casefold()


def read(context: Context, path: Path) -> Sheet:
    """The file, mapped and checked. UsageError for one that cannot be read as leads at all."""
    text = _text(context, path)
    is_json = path.suffix.lower() in (".json", ".jsonl") or text.lstrip()[:1] in "[{"
    columns, lines, delimiter = _of_json(path, text) if is_json else _of_csv(path, text)
    if not lines:
        raise inputs.invalid(f"{path} has {'a header and no rows' if columns else 'no content'}.")
    sources = _sources(context, columns, operations()["leads.create"].body_fields())
    gaps = {"client_id": context.typed("client_id"), "campaignId": context.typed("campaign_id")}
    rows = []
    for line, cells in lines:
        lead = {**{name: one for name, one in gaps.items() if one}, **_lead(cells, sources)}
        found = [] if context.options.no_check and "email" in lead else _problems(lead)
        if any(cell(one).strip() for one in cells[len(columns) :]):
            found.append(f"has {len(cells)} cells under {plural(len(columns), 'heading')}")
        rows.append(Row(line, cells, lead, "; ".join(found)))
    mapping: dict[str, list[str]] = {}
    for place, names in sources:
        for name in names:
            mapping.setdefault(name, []).append(columns[place])
    _note_columns(context, columns, mapping)
    return Sheet(columns, delimiter, mapping, *_without_doubles(rows))


def _text(context: Context, path: Path) -> str:
    """The file's text: UTF-16 by its mark, else --encoding, else UTF-8."""
    if str(path) == "-" or (path.exists() and not path.is_file()):
        hint = "Save it to a file, then: {lgp} leads import contacts.csv"
        words = "An import goes on by its file, so it takes no standard input, pipe or folder."
        raise inputs.invalid(words, hint)
    raw = inputs.read_bytes(context, str(path), "FILE")
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        hint = "Open it there, save the sheet as “CSV UTF-8”, and import that file."
        raise inputs.invalid(f"{path} is a workbook of a spreadsheet program, not text.", hint)
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if marked else context.typed("encoding") or "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except LookupError as error:
        raise inputs.invalid("--encoding: there is no encoding of that name.") from error
    except UnicodeError as error:
        line = raw.count(b"\n", 0, getattr(error, "start", 0)) + 1
        hint = "Save it as “CSV UTF-8”, or name its encoding, such as --encoding cp1252."
        words = f"{path}, line {line}: not {encoding.removesuffix('-sig').upper()} text."
        raise inputs.invalid(words, hint) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise inputs.invalid(f"{path}, line {line}: binary data, not text.")
    return text


def _of_csv(path: Path, text: str) -> tuple[list[str], Lines, str]:
    """The header, the rows, and the delimiter: the one that the header has most of."""
    header = next(io.StringIO(text.lstrip("\r\n")), "")
    delimiter = max(",;\t|", key=header.count)
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: Lines = []
    line = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                rows.append((line, list(map(reformula, cells))))
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "Look for a quotation mark that is not closed."
        words = f"{path}, line {line}: the row that starts there is no csv ({error})."
        raise inputs.invalid(words, hint) from error
    return rows[0][1] if rows else [], rows[1:], delimiter


def _of_json(path: Path, text: str) -> tuple[list[str], Lines, str]:
    """The same of a list of objects, of `{"data": [...]}`, or of an object a line."""
    try:
        whole = inputs.parse_json(text, str(path), "")
        whole = whole.get("data", [whole]) if isinstance(whole, dict) else whole
        objects = list(enumerate(whole if isinstance(whole, list) else [whole], 1))
    except UsageError:
        if text.lstrip()[:1] == "[":
            raise
        lines = [(line, one) for line, one in enumerate(text.split("\n"), 1) if one.strip()]
        objects = [(n, inputs.parse_json(one, f"{path}, line {n},", "")) for n, one in lines]
    for line, one in objects:
        if not isinstance(one, dict):
            raise inputs.invalid(f"{path}: line or record {line} is not a JSON object.")
    columns = list(dict.fromkeys(name for _, one in objects for name in one))
    return columns, [(line, [one.get(name) for name in columns]) for line, one in objects], ","


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _field(heading: str, schema: Schema) -> str | None:
    """The field that a heading means, None for none."""
    word = _plain(heading)
    return next((name for name in schema if _plain(name) == word), HEADINGS.get(word))


def _sources(context: Context, columns: list[str], schema: Schema) -> list[tuple[int, list[str]]]:
    """(place of a column, the fields it gives): those of --map first, then those that match by
    name. UsageError when a required field has no column."""
    sources: list[tuple[int, list[str]]] = []
    for text in context.typed("map") or ():
        column, _, target = text.rpartition("=")
        names = [_field(one, schema) or one.strip() for one in target.split("+")]
        places = [place for place, one in enumerate(columns) if _plain(one) == _plain(column)]
        if not places or len(names) > 2:
            words = f"--map takes COLUMN=FIELD; the columns are {', '.join(columns)}."
            raise inputs.invalid(words, 'Such as --map "Work Email=email".')
        unknown = [one for one in names if one not in schema]
        if unknown and not context.options.no_check:
            like = near(unknown[0], list(schema), least=0)
            raise inputs.invalid(f"--map: there is no field of that name; near: {like}.")
        sources += [(place, names) for place in places]
    mapped = {place for place, _ in sources}
    for place, heading in enumerate(columns):
        name = _field(heading, schema)
        if name and place not in mapped:
            sources.append((place, [name]))
    given = {name for _, names in sources for name in names}
    missing = [name for name in operations()["leads.create"].required if name not in given]
    if missing:
        words = f"No column gives {', '.join(missing)}; the columns are {', '.join(columns)}."
        hint = f'Such as --map "COLUMN={missing[0]}", or --map "Name=firstName+lastName".'
        raise inputs.invalid(words, hint)
    return sources


def _note_columns(context: Context, columns: list[str], mapping: dict[str, list[str]]) -> None:
    """Say once what is taken from several columns, and what is not imported."""
    for name, given in mapping.items():
        if len(given) > 1:
            words = f"{' and '.join(given)} give {name}: the first that is not empty is taken."
            context.notes("note", words)
    quiet = {_plain(one) for one in [*operations()["enrich-leads.list"].columns(), PROBLEM]}
    used = {one for given in mapping.values() for one in given}
    left = [one or "(no name)" for one in columns if one not in used and _plain(one) not in quiet]
    if left:
        words = f'Not imported: {", ".join(left)}. To import one: --map "{left[0]}=FIELD".'
        context.notes("note", words)


def _lead(cells: Sequence[Any], sources: Sequence[tuple[int, list[str]]]) -> dict[str, Any]:
    """What a row's cells give; empty ones are left out. For two fields: split at the last space."""
    lead: dict[str, Any] = {}
    for place, names in sources:
        value = cells[place] if place < len(cells) else None
        if cell(value).strip():
            parts = cell(value).rsplit(maxsplit=1) if len(names) == 2 else [value]
            for name, part in zip(names, parts, strict=False):
                lead.setdefault(name, part)
    for name in ("email", "status"):
        if isinstance(lead.get(name), str):
            lead[name] = lead[name].strip()
    if isinstance(lead.get("status"), str):
        lead["status"] = lead["status"].lower()
    return lead


def _problems(lead: dict[str, Any]) -> list[str]:
    found = validate.problems(lead, operations()["leads.create"].body or {})
    words = [f"{one.path} {one.problem}" for one in found if not one.assumed]
    too_large = len(json.dumps(lead)) > LARGEST_ROW
    return [*words, f"is larger than {LARGEST_ROW:,} bytes"] if too_large else words


def _without_doubles(rows: list[Row]) -> tuple[list[Row], list[Row], int]:
    """The good rows, the bad ones, the number of doubles. Of rows for the same client and e-mail
    the first counts; a later one with other values is bad."""
    first: dict[tuple[str, str], Row] = {}
    bad = []
    for row in rows:
        earlier = row if row.problem else first.setdefault(key_of(row.lead), row)
        if earlier.lead != row.lead:
            row = row._replace(problem=f"email is that of line {earlier.line}, with other values")
        if row.problem:
            bad.append(row)
    return list(first.values()), bad, len(rows) - len(first) - len(bad)
