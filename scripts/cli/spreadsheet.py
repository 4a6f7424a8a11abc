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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cli import inputs
from cli.context import Context
from cli.ledger import digest
from cli.text import cell, reformula, unformula
from contract import validate
from contract.operations import operations
from leadgenius import answers

CREATE = operations()["leads.create"]
LARGEST_ROW = 40_000  # bytes of JSON: a hundred of them are a body that servers take
PROBLEM = "problem"  # the column that FILE.rejects.csv adds


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


# What a heading means, compared without case, spaces, _ and -: a field by its name, or by these.
FIELDS = {_plain(name): name for name in CREATE.body_fields()} | {
    "company": "companyName", "jobtitle": "title", "linkedin": "linkedinUrl",
    "mobile": "phoneNumber", "phone": "phoneNumber", "website": "companyDomain",
}  # fmt: skip
Sources = dict[int, list[str]]  # place of a column → the fields it gives
Lines = list[tuple[int, list[Any]]]  # (line where a row starts, its cells)


class Row(NamedTuple):
    """A row of the file. `line`: where it starts, from 1 (of a json list: which record it is);
    `lead`: what is sent; `problem`: why it cannot be; `outcome` and `id`: what it became."""

    line: int
    cells: list[Any]
    lead: dict[str, Any]
    problem: str = ""
    outcome: str = "rejected"
    id: str = ""

    @property
    def email(self) -> Any:
        return self.lead.get("email")


class Sheet(NamedTuple):
    """A checked file: its rows, and how many were left out because an earlier one says the same.
    `mapping`: the columns of each field."""

    columns: list[str]
    mapping: dict[str, list[str]]
    rows: list[Row]
    doubles: int


def csv_bytes(lines: Iterable[Sequence[Any]]) -> bytes:
    """A csv that no spreadsheet runs, with the mark by which it knows UTF-8."""
    text = io.StringIO()
    guarded = ([unformula(cell(value)) for value in line] for line in lines)
    csv.writer(text, lineterminator="\n").writerows(guarded)
    return text.getvalue().encode("utf-8-sig")


def key_of(lead: Any) -> str:
    """What makes a double, as a digest: client and e-mail, the e-mail in any case."""
    client, email = answers.dig(lead, "client_id"), answers.dig(lead, "email")
    return digest([client or "", str(email).casefold()])


def read(context: Context, path: Path) -> Sheet:
    """The file, mapped and checked. UsageError for one that cannot be read as leads at all."""
    text = _text(context, path)
    is_json = text.lstrip().startswith(("[", "{"))
    columns, lines = (_of_json if is_json else _of_csv)(path, text)
    if not lines:
        raise inputs.invalid(f"{path} has no rows.")
    sources = _sources(context, columns)
    mapping = _mapping(columns, sources)
    used = [name for given in mapping.values() for name in given]
    _note_columns(context, [name for name in columns if name not in used], mapping)
    gaps = {"client_id": context.typed("client_id"), "campaignId": context.typed("campaign_id")}
    given = {name: one for name, one in gaps.items() if one}
    first: dict[str, Row] = {}
    rows = []
    for line, cells in lines:
        lead = {**given, **_lead(cells, sources)}
        row = Row(line, cells, lead, "" if context.options.no_check else _problem(lead))
        if any(cells[len(columns) :]):
            row = row._replace(problem=f"has {len(cells)} cells, and {len(columns)} have a heading")
        earlier = row if row.problem else first.setdefault(key_of(lead), row)
        if {**earlier.lead, "email": 0} != {**lead, "email": 0}:  # which is the same in any case
            row = row._replace(problem=f"email is that of line {earlier.line}, with other values")
        if row.problem or earlier is row:
            rows.append(row)
    return Sheet(columns, mapping, rows, len(lines) - len(rows))


def _text(context: Context, path: Path) -> str:
    """The file's text: UTF-16 by its mark, else --encoding, else UTF-8."""
    if not path.is_file():
        hint = "Save it to a file, then: {lgp} leads import contacts.csv"
        words = f"There is no file {path}: an import takes no standard input, pipe or folder."
        raise inputs.invalid(words, hint)
    raw = inputs.read_bytes(context, str(path), "FILE")
    if raw.startswith(b"PK\x03\x04"):
        hint = "Open it there, save the sheet as “CSV UTF-8”, and import that file."
        raise inputs.invalid(f"{path} is a workbook of a spreadsheet program, not text.", hint)
    encoding = context.typed("encoding") or "UTF-8"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "UTF-16"
    try:
        text = raw.decode(encoding).removeprefix("\ufeff")
        if "\0" in text:
            raise UnicodeError("binary data")
    except (LookupError, UnicodeError) as error:
        line = raw.count(b"\n", 0, getattr(error, "start", raw.find(b"\0"))) + 1
        hint = "Save it as “CSV UTF-8”, or name its encoding, such as --encoding cp1252."
        raise inputs.invalid(f"{path}, line {line}: not {encoding} text.", hint) from error
    return text


def _of_csv(path: Path, text: str) -> tuple[list[str], Lines]:
    """The header and the rows. The delimiter is the one that the header has most of."""
    delimiter = max(",;\t|", key=text.lstrip("\r\n").partition("\n")[0].count)
    csv.field_size_limit(inputs.LARGEST_INPUT)
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
    (_, columns), *lines = rows or [(line, [])]
    return columns, lines


def _of_json(path: Path, text: str) -> tuple[list[str], Lines]:
    """The same of a list of objects, of `{"data": [...]}`, or of an object a line."""
    rows = inputs.json_rows(text, str(path))
    for line, one in enumerate(rows, 1):
        if not isinstance(one, dict):
            raise inputs.invalid(f"{path}: line or record {line} is not a JSON object.")
    columns = list(dict.fromkeys(name for one in rows for name in one))
    return columns, list(enumerate(([one.get(name) for name in columns] for one in rows), 1))


def _sources(context: Context, columns: list[str]) -> Sources:
    """The fields that columns give: those of --map first, then those that match by name."""
    sources: Sources = {}
    for text in context.typed("map") or ():
        column, _, target = text.rpartition("=")
        places = [place for place, one in enumerate(columns) if _plain(one) == _plain(column)]
        if not places:
            words = f"--map takes COLUMN=FIELD; the columns are {', '.join(columns)}."
            raise inputs.invalid(words, 'Such as --map "Work Email=email".')
        names = [FIELDS.get(_plain(one), one) for one in target.split("+")]
        unknown = validate.unknown_fields(dict.fromkeys(names), CREATE.body or {})
        inputs.refuse(context, unknown)
        sources |= dict.fromkeys(places, names)
    for place, heading in enumerate(columns):
        if name := FIELDS.get(_plain(heading)):
            sources.setdefault(place, [name])
    return sources


def _mapping(columns: list[str], sources: Sources) -> dict[str, list[str]]:
    """Field → its columns. UsageError when nothing gives a required field."""
    mapping: dict[str, list[str]] = {}
    for place, names in sources.items():
        for name in names:
            mapping.setdefault(name, []).append(columns[place])
    if missing := [name for name in CREATE.required if name not in mapping]:
        words = f"No column gives {', '.join(missing)}; the columns are {', '.join(columns)}."
        hint = f'Such as --map "COLUMN={missing[0]}", or --map "Name=firstName+lastName".'
        raise inputs.invalid(words, hint)
    return mapping


def _note_columns(context: Context, left: list[str], mapping: dict[str, list[str]]) -> None:
    """Say once what several columns give, and what is not imported."""
    for name, given in mapping.items():
        if len(given) > 1:
            words = f"{' and '.join(given)} give {name}: the first that is not empty is taken."
            context.notes("note", words)
    quiet = {PROBLEM, *map(_plain, operations()["enrich-leads.list"].columns())}
    if named := [one for one in left if _plain(one) not in quiet]:
        words = f'Not imported: {", ".join(named)}. To import one: --map "{named[0]}=FIELD".'
        context.notes("note", words)


def _lead(cells: Sequence[Any], sources: Sources) -> dict[str, Any]:
    """What a row's cells give; empty ones are left out. For two fields: split at the last space."""
    lead: dict[str, Any] = {}
    for place, names in sources.items():
        value = cells[place] if place < len(cells) else ""
        if text := cell(value).strip():
            parts = text.rsplit(maxsplit=1) if len(names) > 1 else [value]
            for name, part in zip(names, parts, strict=False):
                lead.setdefault(name, text if name == "email" else part)
    return lead


def _problem(lead: dict[str, Any]) -> str:
    found = validate.problems(lead, CREATE.body or {})
    words = [f"{one.path} {one.problem}" for one in found if not one.assumed]
    if len(json.dumps(lead)) > LARGEST_ROW:
        words.append(f"is larger than {LARGEST_ROW:,} bytes")
    return "; ".join(words)
