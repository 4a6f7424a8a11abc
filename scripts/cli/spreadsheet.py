"""A spreadsheet of leads: csv of any dialect, jsonl or json as rows that can be sent, and the file
line of each problem. Nothing here sends anything.

Our own csv comes back as it was: the `'` before a formula is taken off, read-only columns are not
imported.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

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


# What a heading means, compared without case, spaces, _ and -: a field by its name, or by these.
FIELDS = {
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

    state = "not_sent"  # or created, existing, rejected, changed, unknown, doubles
    at = 0.0  # when it was sent, epoch seconds
    was = id = note = ""  # `note`: why it was rejected, or is unknown
    sent = False  # by this run

    def __init__(self, line: int, cells: list[str], lead: dict[str, Any]) -> None:
        self.line, self.cells, self.lead = line, cells, lead
        self.key, self.digest, self.email = key_of(lead), digest(lead), lead.get("email", "")


def read(context: Context, path: Path) -> tuple[list[str], dict[str, str], list[Row]]:
    """The file, mapped and checked: its headings; the fields that each gives, as in --map; its
    rows, those that cannot be sent `rejected`, those that say the same as an earlier one `doubles`.
    UsageError for one that cannot be read as leads at all."""
    (_, headings), *lines = _lines(path, _text(context, path))
    columns = _columns(context, headings)
    given = {headings[place]: fields for place, fields in columns}
    mapping = dict.fromkeys(headings, "not imported") | given
    context.notes("note", f"Columns (the first that is not empty counts): {compact(mapping)}")
    gaps = {"client_id": context.typed("client_id"), "campaignId": context.typed("campaign_id")}
    usual = {name: one for name, one in gaps.items() if one}
    rows, first = [], dict[str, Row]()
    for line, cells in lines:
        row = Row(line, cells, {**usual, **_lead(cells, columns)})
        row.note = _problems(row, len(headings), context.options.no_check)
        earlier = row if row.note else first.setdefault(row.key, row)
        if earlier.lead | {"email": ""} != row.lead | {"email": ""}:  # the same but for its case
            row.note = f"email is that of line {earlier.line}, with other values"
        if row.note:
            row.state = "rejected"
        elif row is not earlier:
            row.state = "doubles"
        rows.append(row)
    doubles = [str(row.line) for row in rows if row.state == "doubles"]
    if doubles:
        numbers = ", ".join(doubles[:50])
        context.notes("note", f"Left out, because an earlier row says the same: line {numbers}.")
    return headings, mapping, rows


def _text(context: Context, path: Path) -> str:
    """The file's text: UTF-16 by its mark, else --encoding, else UTF-8."""
    encoding = context.typed("encoding") or "UTF-8"
    try:
        if not path.is_file():
            raise OSError("there is no such file")
        raw = path.read_bytes()
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            encoding = "UTF-16"
        return raw.decode(encoding).removeprefix("\ufeff")
    except (OSError, LookupError, UnicodeError) as error:
        raise inputs.invalid(
            f"{path} is no file of {encoding} text: {error}.",
            "Save it to a file as “CSV UTF-8” (a workbook is no text, and standard input no file),"
            " or add such as --encoding cp1252.",
        ) from error


def _lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """(line where a row starts, its cells), the headings first. The delimiter of csv is the one
    that the first line has most of."""
    lines, line = [], 1
    if text.lstrip().startswith(("[", "{")):
        records = inputs.json_rows(text, str(path))
        headings = list(
            dict.fromkeys(name for one in records if isinstance(one, dict) for name in one)
        )
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
                f"{path}, line {line}: no csv from there on, as where a quotation mark is not"
                f" closed ({error})."
            ) from error
    if len(lines) < 2:
        raise inputs.invalid(f"{path} has no rows.")
    return lines


def _columns(context: Context, headings: list[str]) -> Columns:
    """The columns that give fields, those of --map first. UsageError for a wrong --map, and when
    nothing gives a required field."""
    folded, mapped = [_folded(one) for one in headings], dict[str, str]()
    for text in context.typed("map") or ():
        heading, _, fields = text.rpartition("=")
        inputs.refuse(
            context, validate.unknown_fields(dict.fromkeys(fields.split("+")), CREATE.body)
        )
        mapped[_folded(heading)] = fields
    named = FIELDS | mapped
    columns = [(place, named[one]) for place, one in enumerate(folded) if named.get(one)]
    given = "+".join(fields for _, fields in columns).split("+")
    missing = [field for field in CREATE.body["required"] if field not in given]
    if missing or not mapped.keys() <= {*folded}:
        what = f"No column gives {', '.join(missing)}" if missing else "--map takes COLUMN=FIELD"
        raise inputs.invalid(
            f"{what}; the columns are {', '.join(headings)}.",
            'Such as --map "Work Email=email", or --map "Name=firstName+lastName".',
        )
    return sorted(columns, key=lambda column: folded[column[0]] not in mapped)


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
