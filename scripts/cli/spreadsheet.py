"""A spreadsheet of leads: csv of any dialect, jsonl or json as rows that can be sent, and the file
line of each problem. Nothing here sends anything.

Our own csv comes back as it was: the `'` before a formula is taken off, read-only columns are left
out.
"""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cli import inputs
from cli.context import Context
from cli.text import cell, plural, reformula, unformula
from contract import validate
from contract.operations import Schema, near, operations
from leadgenius.errors import LocalError, UsageError

LARGEST_ROW = 40_000  # bytes of JSON: a hundred of them are a body that servers take
DELIMITERS = ",;\t|"
# Headings that mean a field of another name; case, spaces, _ and - are left out of them.
HEADINGS = {
    "emailaddress": "email", "company": "companyName", "jobtitle": "title",
    "linkedin": "linkedinUrl", "mobile": "phoneNumber", "phone": "phoneNumber",
    "website": "companyDomain", "vorname": "firstName", "nachname": "lastName",
    "firma": "companyName", "telefon": "phoneNumber", "mobil": "phoneNumber",
    "webseite": "companyDomain", "notizen": "notes",
}  # fmt: skip
PROBLEM = "problem"  # the column that FILE.rejects.csv adds


class Row(NamedTuple):
    """A row of the file. `line`: where it starts, from 1 (of a json file: which record it is);
    `lead`: what is sent; `problem`: why it cannot be."""

    line: int
    cells: list[Any]
    lead: dict[str, Any]
    problem: str = ""


class Sheet(NamedTuple):
    """A checked file. `mapping`: the columns of each field; `doubles`: rows left out because an
    earlier one says the same."""

    columns: list[str]
    rows: list[Row]
    bad: list[Row]
    doubles: int
    mapping: dict[str, list[str]]
    delimiter: str

    def rejects(self, rows: Sequence[Row]) -> bytes:
        """`rows` with a column `problem`, as a file that can be fixed and imported."""
        keep = [place for place, name in enumerate(self.columns) if name != PROBLEM]
        lines = [[self.columns[place] for place in keep] + [PROBLEM]]
        for row in rows:
            cells = dict(enumerate(row.cells))
            lines.append([cell(cells.get(place)) for place in keep] + [row.problem])
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
    text = _text(path, context.typed("encoding"))
    schema = operations()["leads.create"].body_fields()
    objects = path.suffix.lower() in (".json", ".jsonl", ".ndjson") or text.lstrip()[:1] in "[{"
    columns, lines, delimiter = _of_json(path, text) if objects else _of_csv(text, schema)
    if not lines:
        raise inputs.invalid(
            f"{path} has a header and no rows." if columns else f"{path} is empty."
        )
    sources = _sources(context, columns, schema)
    gaps = {"client_id": context.typed("client_id"), "campaignId": context.typed("campaign_id")}
    rows = []
    for line, cells in lines:
        lead = {**{name: one for name, one in gaps.items() if one}, **_lead(cells, sources)}
        found = [] if context.options.no_check else _problems(lead)
        if any(cell(one).strip() for one in cells[len(columns) :]):
            found.append(f"has {len(cells)} cells under {plural(len(columns), 'heading')}")
        rows.append(Row(line, cells, lead, "; ".join(found)))
    mapping: dict[str, list[str]] = {}
    for place, names in sources:
        for name in names:
            mapping.setdefault(name, []).append(columns[place])
    _note_columns(context, columns, mapping, schema)
    return _without_doubles(Sheet(columns, rows, [], 0, mapping, delimiter))


def _text(path: Path, encoding: str | None) -> str:
    """The file's text: UTF-8 or, by its mark, UTF-16; else `encoding`."""
    if str(path) == "-" or (path.exists() and not stat.S_ISREG(path.stat().st_mode)):
        raise inputs.invalid(
            "An import is resumed by its file: standard input, a pipe or a folder cannot be one.",
            "Save it to a file, then: {lgp} leads import contacts.csv",
        )
    try:
        with path.open("rb") as file:
            raw = file.read(inputs.LARGEST_INPUT + 1)
    except (FileNotFoundError, ValueError) as error:
        raise inputs.invalid(f"There is no file {path}.", "Check its path.") from error
    except OSError as error:
        raise LocalError(f"{path} cannot be read: {error.strerror}.", code="permission") from error
    if len(raw) > inputs.LARGEST_INPUT:
        raise inputs.invalid(f"{path} is longer than 50 MB.", "Import it in parts.")
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise inputs.invalid(
            f"{path} is a workbook of a spreadsheet program, which is not read here.",
            "Open it there, save the sheet as “CSV UTF-8”, and import that file.",
        )
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    marked = next((name for mark, name in marks.items() if raw.startswith(mark)), None)
    return _decoded(path, raw, marked or encoding or "utf-8")


def _decoded(path: Path, raw: bytes, encoding: str) -> str:
    try:
        text = raw.decode(encoding)
    except LookupError as error:
        raise inputs.invalid("--encoding: there is no encoding of that name.") from error
    except UnicodeError as error:
        line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        raise inputs.invalid(
            f"{path}, line {line}: not {encoding.upper().removesuffix('-SIG')} text.",
            "Save it as “CSV UTF-8”, or name its encoding, such as --encoding cp1252.",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise inputs.invalid(f"{path}, line {line}: binary data, no text.")
    return text


def _of_csv(text: str, schema: Schema) -> tuple[list[str], list[tuple[int, list[Any]]], str]:
    """The header, the rows with the line where each starts, and the delimiter: the one that makes
    most of the header."""
    csv.field_size_limit(max(len(text), csv.field_size_limit()))

    def fit(delimiter: str) -> tuple[int, int]:
        header = next(
            csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter), []
        )
        return sum(_field(name, schema) is not None for name in header), len(header)

    delimiter = max(DELIMITERS, key=fit)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[Any]]] = []
    line = 1
    try:
        for cells in reader:
            if any(one.strip() for one in cells):
                rows.append((line, [reformula(one) for one in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise inputs.invalid(
            f"The row that starts in line {line} cannot be read as csv: {error}.",
            "Look for a quotation mark that is not closed.",
        ) from error
    return rows[0][1] if rows else [], rows[1:], delimiter


def _of_json(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[Any]]], str]:
    """The same of a list of objects, of `{"data": [...]}`, or of an object a line."""
    try:
        whole = inputs.parse_json(text, str(path), "")
        whole = whole.get("data", [whole]) if isinstance(whole, dict) else whole
        objects = list(enumerate(whole if isinstance(whole, list) else [whole], 1))
    except UsageError:
        if text.lstrip()[:1] == "[":
            raise
        lines = [one for one in enumerate(text.split("\n"), 1) if one[1].strip()]
        objects = [
            (line, inputs.parse_json(one, f"{path}, line {line},", "")) for line, one in lines
        ]
    for line, one in objects:
        if not isinstance(one, dict):
            raise inputs.invalid(f"{path}: line or record {line} is not a JSON object.")
    columns = list(dict.fromkeys(name for _, one in objects for name in one))
    return columns, [(line, [one.get(name) for name in columns]) for line, one in objects], ","


def _plain(name: Any) -> str:
    return re.sub(r"[\W_]+", "", str(name).casefold())


def _field(name: str, schema: Schema) -> str | None:
    """The field that a heading means, None for none."""
    return {_plain(one): one for one in schema}.get(_plain(name)) or HEADINGS.get(_plain(name))


def _sources(context: Context, columns: list[str], schema: Schema) -> list[tuple[int, list[str]]]:
    """(place of a column, the fields it gives): those of --map first, then those that match by
    name. UsageError when a required field has no column."""
    typed: list[tuple[int, list[str]]] = []
    for text in context.typed("map") or ():
        name, equals, target = text.rpartition("=")
        fields = [_field(one, schema) or one.strip() for one in target.split("+")]
        places = [place for place, one in enumerate(columns) if _plain(one) == _plain(name)]
        if not equals or not places or len(fields) > 2:
            words = f"--map takes COLUMN=FIELD; the columns are {', '.join(columns)}."
            raise inputs.invalid(words, 'Such as --map "Work Email=email".')
        for one in fields:
            if one not in schema and not context.options.no_check:
                raise inputs.invalid(
                    f"--map: there is no field of that name; near: {near(one, list(schema), 0)}."
                )
        typed += [(place, fields) for place in places]
    taken = {place for place, _ in typed}
    matched = [(place, _field(name, schema)) for place, name in enumerate(columns)]
    sources = typed + [(place, [name]) for place, name in matched if name and place not in taken]
    given = {name for _, names in sources for name in names}
    missing = [name for name in operations()["leads.create"].required if name not in given]
    if missing and not (context.options.no_check and "email" in given):
        raise inputs.invalid(
            f"No column gives {', '.join(missing)}; the columns are {', '.join(columns)}.",
            f'Name it, such as --map "COLUMN={missing[0]}" or --map "Name=firstName+lastName".',
        )
    return sources


def _note_columns(
    context: Context, columns: list[str], mapping: dict[str, list[str]], schema: Schema
) -> None:
    for name, given in mapping.items():
        if len(given) > 1:
            words = f"{' and '.join(given)} give {name}: the first that is not empty is taken."
            context.notes("note", words)
    used = {one for given in mapping.values() for one in given}
    own = {_plain(one) for one in [*operations()["enrich-leads.list"].columns(), PROBLEM]}
    left = [
        name.strip() or f"column {place}"
        for place, name in enumerate(columns, 1)
        if name not in used and _plain(name) not in own - set(map(_plain, schema))
    ]
    if left:
        words = f'Not imported: {", ".join(left)}. To import one: --map "{left[0]}=FIELD".'
        context.notes("note", words)


def _lead(cells: Sequence[Any], sources: Sequence[tuple[int, list[str]]]) -> dict[str, Any]:
    """What a row's cells give; empty ones are left out. Two fields: split at the last space."""
    lead: dict[str, Any] = {}
    for place, names in sources:
        value = cells[place] if place < len(cells) else None
        if not cell(value).strip():
            continue
        parts = cell(value).rsplit(maxsplit=1) if len(names) == 2 else [value]
        for name, part in zip(names, parts, strict=False):
            lead.setdefault(name, part)
    for name in ("email", "status"):
        if isinstance(lead.get(name), str):
            lead[name] = lead[name].strip().lower() if name == "status" else lead[name].strip()
    return lead


def _problems(lead: dict[str, Any]) -> list[str]:
    found = validate.problems(lead, operations()["leads.create"].body or {})
    words = [f"{one.path} {one.problem}" for one in found if not one.assumed]
    size = len(json.dumps(lead))
    return [*words, f"is larger than {LARGEST_ROW:,} bytes"] if size > LARGEST_ROW else words


def _without_doubles(sheet: Sheet) -> Sheet:
    """`sheet` with the bad rows apart, and of rows for the same client and e-mail the first."""
    first: dict[tuple[str, str], Row] = {}
    bad = []
    doubles = 0
    for row in sheet.rows:
        earlier = row if row.problem else first.setdefault(key_of(row.lead), row)
        if row.problem:
            bad.append(row)
        elif earlier is not row and earlier.lead == row.lead:
            doubles += 1
        elif earlier is not row:
            words = f"email is that of line {earlier.line}, with other values"
            bad.append(row._replace(problem=words))
    return sheet._replace(rows=list(first.values()), bad=bad, doubles=doubles)
