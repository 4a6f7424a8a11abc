"""What goes into a request: the body from --data and flags, filters, ids; all checked before
anything is sent."""

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import cache
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Any, NamedTuple

from cli.context import Context
from cli.options import parts
from cli.text import cell, inside, row_id
from contract import validate
from contract.operations import operations
from contract.validate import Problem
from leadgenius import answers
from leadgenius.errors import UsageError
from leadgenius.scopes import check_id

_ORDER = {">": gt, "<": lt, ">=": ge, "<=": le}


def invalid(message: str, hint: str = "", **facts: Any) -> UsageError:
    """The error of a value, body or file that cannot be sent."""
    return UsageError(message, code="invalid_input", hint=hint, **facts)


def body(context: Context, given: Any = None, row: str = "") -> dict[str, Any]:
    """A body: `given` or what --data gives, else the command's defaults, and the flags laid over
    it. Checked; `row` stands before its problems. A status is sent in lower case."""
    given = data(context) if given is None else given
    given = context.command.defaults if given is None else given
    if not isinstance(given, dict):
        raise invalid("--data must be a JSON object; for leads create also a list of them.")
    made = {**given, **flags(context)}
    if "status" in made:
        made["status"] = str(made["status"]).lower()
    if not made and context.operation.method == "PUT":
        raise invalid("Nothing to change was given.", f"{{lgp}} {context.command.words} --help")
    check_body(context, made, row)
    return made


def data(context: Context) -> Any:
    """The value of --data, None when it was not typed. Only --data understands @FILE and - for
    stdin."""
    text = context.typed("data")
    if text is None:
        return None
    if text == "-" or text.startswith("@"):
        text = read_text(text.removeprefix("@"), "--data")
    return parse_json(text, "--data")


def parse_json(text: str, name: str) -> Any:
    """JSON of a user's text. UsageError with line and column for what is none, and for what a
    request cannot hold: NaN, text that is no text, or too deep a nest."""
    try:
        made = json.loads(text)
        json.dumps(made, allow_nan=False, ensure_ascii=False).encode()
    except (RecursionError, ValueError) as error:
        hint = "On a command line put it in single quotes, or in a file."
        raise invalid(f"{name} is not valid JSON: {error}.", hint) from error
    return made


def json_rows(text: str, name: str) -> list[Any]:
    """The rows of a JSON list, of an answer that holds one, or of an object a line."""
    if re.search(r"\}[ \t\r]*\n\s*\{", text):
        lines = enumerate(text.split("\n"), 1)
        return [parse_json(line, f"{name}, line {at},") for at, line in lines if line.strip()]
    whole = parse_json(text, name)
    rows = answers.rows(whole, "ids")
    return [whole] if rows is None else rows


def read_text(name: str, option: str) -> str:
    """The UTF-8 text of a file, or of standard input for `-`."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise invalid(f"{option}: {name} cannot be read as UTF-8 text: {error}.") from error


def flags(context: Context, place: str = "body") -> dict[str, Any]:
    """The fields of a body, or of a query, given as flags."""
    operation, made = context.operation, {}
    schemas = operation.filters() if place == "query" else operation.body_fields()
    for name, schema in schemas.items():
        typed = context.typed(f"{place}_{name}")
        if typed is not None:
            made[name] = _value(typed, schema)
    return made


def _value(typed: Any, schema: Any) -> Any:
    """A flag's value as its schema's type; what is none stays a text, which the check then refuses.
    `Qualified` is `qualified` where the values are listed in lower case."""
    if isinstance(typed, list):
        return parts(",".join(typed))
    if "string" not in schema.get("type", "string"):
        with contextlib.suppress(UsageError):
            return parse_json(typed, "")
    return typed.lower() if typed.lower() in schema.get("enum", ()) else typed


def filters(context: Context) -> dict[str, Any]:
    """The query parameters given as flags. Checked like a body, unless --no-check."""
    made = flags(context, "query")
    if made:
        refuse(context, validate.problems(made, {"properties": context.operation.filters()}))
    return made


def check_body(context: Context, made: Any, row: str = "") -> None:
    """Refuse a body with everything that is wrong with it."""
    schema = context.operation.body if context.operation else {}
    found = validate.problems(made, schema) + validate.unknown_fields(made, schema)
    refuse(context, [one._replace(path=row + one.path) for one in found])


def check_fields(context: Context, known: Sequence[str] = (), others: Sequence[str] = ()) -> None:
    """UsageError for a name in --fields or `others` that neither the record nor the answer has, or
    that is not in `known`, unless --no-check."""
    operation, names = context.operation, [*(context.options.fields or ()), *others]
    if names and operation:
        fields = (
            dict.fromkeys(known)
            or operation.record()["properties"] | operation.answer["properties"]
        )
        typed = {name.split(".")[0]: None for name in names}
        refuse(context, validate.unknown_fields(typed, {"properties": fields}))


def refuse(context: Context, found: list[Problem]) -> None:
    """UsageError with all stated breaches, unless --no-check; assumed ones are noted and let
    pass."""
    if context.options.no_check:
        return
    stated = [{"field": one.path, "problem": one.problem} for one in found if not one.assumed]
    if stated:
        hint = f"{context.command.example}   (--no-check lets a field pass)"
        first = " ".join(stated[0].values()).strip()
        raise invalid(f"The input cannot be sent: {first}", hint, details=stated[:50])
    for path, problem, _ in found:
        words = f"{path} {problem} (undocumented rule; the request is sent anyway)."
        context.notes("note", words)


def note_without_client(context: Context, rows: Iterable[Any]) -> None:
    """Leads without a client are stored, but the web application may not show them."""
    if not all(row.get("client_id") for row in rows):
        words = "The web application may hide leads without a client: give --client-id (client_id)."
        context.notes("warning", words)


def ids(context: Context) -> list[str]:
    """The ids given, each once, in their order; `name=…` looked up. UsageError for none."""
    in_path, file = context.typed("path_id"), context.typed("ids_from")
    words = [record_id(context, word) for word in in_path] if isinstance(in_path, list) else []
    words += parts(",".join(context.typed("ids") or ()))
    words += ids_from(read_text(file, "--ids-from")) if file else []
    if not words:
        raise invalid("No ids were given.")
    return list(dict.fromkeys(map(check_id, words)))


def record_id(context: Context, word: str) -> str:
    """The id that a word names: itself, or the one record of its list whose field has the value
    after `=`."""
    field, _, value = word.partition("=")
    if field not in ("name", "accountName"):
        return word
    if context.options.dry_run:
        return "ID"
    group, wanted = context.command.words.split()[0], value.strip().casefold()
    listed = operations().get(f"{group}.list")
    if not listed:  # of jobs
        return word
    pages = [*context.client.pages(listed.path)]
    rows = [row for page in pages for row in page.items]
    found = [str(row_id(row)) for row in rows if cell(inside(row, field)).casefold() == wanted]
    total = answers.total(pages[0].body) or len(rows)
    if len(found) != 1 or len(rows) < total:
        words = f"{len(found)} have this {field} in {len(rows)} of {total} records: one in all is"
        words += " needed."
        raise invalid(words, f"{{lgp}} {group} list --all   (then give one id)", details=found[:10])
    return found[0]


def ids_from(text: str) -> list[str]:
    """The ids of a file: lines, a JSON array, JSON or jsonl of records, csv with a column id,
    leadId or lead_id."""
    lines = [line for line in text.splitlines() if line.strip()]
    rows: list[Any] = [line.strip() for line in lines]
    first = rows[0] if rows else ""
    if first.startswith(("[", "{")):
        rows = json_rows(text, "--ids-from")
    elif re.search(r'[,;\t]|^"?(id|leadId|lead_id)"?$', first):
        import csv

        rows = list(csv.DictReader(lines, delimiter=max(",;\t", key=first.count)))
    found = [row_id(row) or "" for row in rows]
    for number, one in enumerate(found, 1):
        if not one or re.search(r"[\s@,;]", one):
            words = f"--ids-from: line {number} is no id, and has no column id, leadId or lead_id."
            raise invalid(words, "One id a line. For addresses: {lgp} leads list --email ADDRESS")
    return found


# ---- --where


class Condition(NamedTuple):
    """`field operator value`, as in `status=qualified`. Text compares without case; an empty value
    is null or absent."""

    field: str
    operator: str
    value: str

    def holds(self, row: Any) -> bool | None:
        """Whether the row fits; None when the two cannot be compared. A null is never more or less
        than anything."""
        found = inside(row, self.field)
        if self.operator in ("=", "!="):
            values = found if isinstance(found, list) else [found]
            equal = _wanted(self.value) in map(_comparable, values)
            return equal is (self.operator == "=")
        if found in (None, ""):
            return False
        if self.operator == "~":
            return self.value.casefold() in cell(found).casefold()
        for read in (_number, _time):
            left, right = read(found), read(self.value)
            if left is not None and right is not None:
                return bool(_ORDER[self.operator](left, right))
        return None


def conditions(texts: Sequence[str]) -> list[Condition]:
    """The conditions typed as --where. UsageError for a text without a field and an operator."""
    made = []
    for text in texts:
        found = re.fullmatch(r"\s*([A-Za-z_][\w.-]*)\s*([!><]=|[=~><])\s*(.*?)\s*", text, re.DOTALL)
        if not found:
            raise UsageError(
                "--where takes FIELD and one of = != ~ > < >= <= and a VALUE.",
                hint="Quote it, as in --where 'status=qualified' or --where 'intentScore>=80'.",
            )
        made.append(Condition(*found.groups()))
    return made


def _comparable(value: Any) -> float | str:
    """What is equal for equal values: a number, else the text without case; null is empty."""
    number = _number(value)
    return cell(value).casefold() if number is None else number


_wanted = cache(_comparable)  # the same for every row


def _number(value: Any) -> float | None:
    text = str(value).strip()
    known = re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]+)?(e[+-][0-9]{1,3})?", text, re.ASCII)
    return float(text) if known else None


def _time(value: Any) -> float | None:
    """Seconds of an ISO time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
