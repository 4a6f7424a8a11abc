"""A spreadsheet of leads: csv of any dialect, jsonl or json as rows that can be sent, and the file
line of each problem. Nothing here sends anything.

Our own csv comes back as it was: the `'` before a formula is taken off, read-only columns are left
out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from cli import inputs
from cli.context import Context
from cli.text import cell, compact, inside, reformula
from contract import validate
from contract.operations import operations
from leadgenius import answers

CREATE = operations()["leads.create"]
Columns = list[tuple[int, str]]  # (place of a column, the fields it gives as in --map)


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


# What a heading means, compared without case, spaces, _ and -: nothing where it is a read-only
# column of an export or that of FILE.rejects.csv; a field by its name; a field by these.
FIELDS = {
    **dict.fromkeys(map(_folded, ["problem", *operations()["enrich-leads.list"].columns()]), ""),
    **{_folded(name): name for name in CREATE.body_fields()},
    "company": "companyName", "jobtitle": "title", "linkedin": "linkedinUrl",
    "mobile": "phoneNumber", "phone": "phoneNumber", "website": "companyDomain",
}  # fmt: skip


def digest(value: Any) -> str:
    """A name for a JSON value that does not show it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def key_of(lead: Any) -> str:
    """What makes a double, as a digest: client and e-mail, the e-mail in any case."""
    email = str(answers.dig(lead, "email")).casefold()
    return digest([answers.dig(lead, "client_id") or "", email])


class Row:
    """A row of the file, and what became of it. `line`: where it starts, from 1 (of json: which
    record it is); `lead`: what is sent; `digest` of that, and `was`, of what was sent before."""

    state = "not_sent"  # or created, existing, rejected, changed, unknown
    at = 0.0  # when it was sent, epoch seconds
    was = id = note = ""  # `note`: why it was rejected, or is unknown
    sent = False  # by this run

    def __init__(self, line: int, cells: list[str], lead: dict[str, Any]) -> None:
        self.line, self.cells, self.lead = line, cells, lead
        self.key, self.digest, self.email = key_of(lead), digest(lead), lead.get("email", "")


class Sheet(NamedTuple):
    """A checked file: its rows, those that cannot be sent `rejected`; how many `doubles` say the
    same as an earlier row. `mapping`: heading → fields, as in --map."""

    headings: list[str]
    mapping: dict[str, str]
    rows: list[Row]
    doubles: int


def read(context: Context, path: Path) -> Sheet:
    """The file, mapped and checked. UsageError for one that cannot be read as leads at all."""
    (_, headings), *lines = _lines(path, _text(context, path))
    columns = _columns(context, headings)
    left = {one: "not imported" for one in headings if _folded(one) not in FIELDS}
    mapping = left | {headings[place]: fields for place, fields in columns}
    context.notes("note", f"Columns (the first that is not empty counts): {compact(mapping)}")
    gaps = {"client_id": context.typed("client_id"), "campaignId": context.typed("campaign_id")}
    given = {name: one for name, one in gaps.items() if one}
    first: dict[str, Row] = {}
    rows, doubles = [], []
    for line, cells in lines:
        row = Row(line, cells, {**given, **_lead(cells, columns)})
        row.note = _problems(row, len(headings), context.options.no_check)
        earlier = row if row.note else first.setdefault(row.key, row)
        if earlier.lead | {"email": ""} != row.lead | {"email": ""}:  # the same but for its case
            row.note = f"email is that of line {earlier.line}, with other values"
        if row.note:
            row.state = "rejected"
        if row.note or row is earlier:
            rows.append(row)
        else:
            doubles.append(str(line))
    if doubles:
        numbers = ", ".join(doubles[:50])
        context.notes("note", f"Left out, because an earlier row says the same: line {numbers}.")
    return Sheet(headings, mapping, rows, len(doubles))


def _text(context: Context, path: Path) -> str:
    """The file's text: UTF-16 by its mark, else --encoding, else UTF-8."""
    if not path.is_file():
        raise inputs.invalid(
            f"There is no file {path}: an import takes no standard input, pipe or folder.",
            "Save it to a file, then: {lgp} leads import contacts.csv",
        )
    raw = path.read_bytes()
    encoding = context.typed("encoding") or "UTF-8"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "UTF-16"
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except (LookupError, UnicodeError) as error:
        line = raw.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise inputs.invalid(
            f"{path}, line {line}: not {encoding} text.",
            "Save it as “CSV UTF-8” (a workbook is no text), or add such as --encoding cp1252.",
        ) from error


def _lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """(line where a row starts, its cells), the headings first. The delimiter of csv is the one
    that the first line has most of."""
    lines, line = [], 1
    if text.lstrip().startswith(("[", "{")):
        records = inputs.json_rows(text, str(path))
        names = (name for one in records if isinstance(one, dict) for name in one)
        headings = list(dict.fromkeys(names))
        rows = ([cell(inside(one, name)) for name in headings] for one in records)
        lines = list(enumerate([headings, *rows]))
    else:
        delimiter = max(",;\t|", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if any(map(str.strip, row)):
                    lines.append((line, list(map(reformula, row))))
                line = reader.line_num + 1
        except csv.Error as error:
            raise inputs.invalid(
                f"{path}, line {line}: the row that starts there is no csv ({error}).",
                "Look for a quotation mark that is not closed.",
            ) from error
    if len(lines) < 2:
        raise inputs.invalid(f"{path} has no rows.")
    return lines


def _columns(context: Context, headings: list[str]) -> Columns:
    """The columns that give fields, those of --map first. UsageError for a wrong --map, and when
    nothing gives a required field."""
    mapped: dict[str, str] = {}
    for text in context.typed("map") or ():
        heading, _, target = text.rpartition("=")
        fields = [FIELDS.get(_folded(one)) or one for one in target.split("+")]
        inputs.refuse(context, validate.unknown_fields(dict.fromkeys(fields), CREATE.body))
        mapped[_folded(heading)] = "+".join(fields)
    named, folded = FIELDS | mapped, [_folded(one) for one in headings]
    columns = [(place, named[one]) for place, one in enumerate(folded) if named.get(one)]
    columns.sort(key=lambda column: folded[column[0]] not in mapped)
    given = "+".join(fields for _, fields in columns).split("+")
    missing = [field for field in CREATE.required if field not in given]
    if missing or not mapped.keys() <= {*folded}:
        what = f"No column gives {', '.join(missing)}" if missing else "--map takes COLUMN=FIELD"
        raise inputs.invalid(
            f"{what}; the columns are {', '.join(headings)}.",
            'Such as --map "Work Email=email", or --map "Name=firstName+lastName".',
        )
    return columns


def _lead(cells: list[str], columns: Columns) -> dict[str, Any]:
    """What a row's cells give; empty ones are left out. For two fields: split at the last space."""
    lead: dict[str, Any] = {}
    for place, fields in columns:
        text = cells[place] if place < len(cells) else ""
        parts = text.rsplit(maxsplit=1) if "+" in fields else [text]
        for field, part in zip(fields.split("+"), parts, strict=False):
            if part.strip():
                clean = {"email": part.strip(), "status": part.lower()}
                lead.setdefault(field, clean.get(field, part))
    return lead


def _problems(row: Row, width: int, no_check: bool) -> str:
    """Why a row cannot be sent; `width`: how many columns have a heading."""
    found = [] if no_check else validate.problems(row.lead, CREATE.body)
    words = [f"{one.path} {one.problem}" for one in found if not one.assumed]
    if any(row.cells[width:]):
        words.append(f"has {len(row.cells)} cells, and {width} have a heading")
    return "; ".join(words)
