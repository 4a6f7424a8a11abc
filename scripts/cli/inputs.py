"""What goes into a request: the body from --data and flags, filters, ids; all checked before
anything is sent."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cli.context import Context
from cli.parser import flags_of
from cli.rows import row_id
from cli.text import plain, plural
from contract import validate
from contract.operations import Operation, near, operations, resolve
from contract.validate import Problem
from leadgenius.errors import LocalError, UsageError
from leadgenius.scopes import check_id

LARGEST_INPUT = 50 * 1024 * 1024  # bytes of --data or --ids-from
_ID_COLUMNS = ("id", "leadId", "lead_id")


def invalid(message: str, hint: str = "", **facts: Any) -> UsageError:
    """The error of a value, body or file that cannot be sent."""
    return UsageError(message, code="invalid_input", hint=hint, **facts)


def body(context: Context) -> dict[str, Any]:
    """The body: --data with the flags laid over it, or flags over the command's defaults.
    Checked."""
    given = data(context)
    if given is not None and not isinstance(given, dict):
        raise invalid("--data must be a JSON object here.", context.command.example)
    made = {**(context.command.defaults if given is None else given), **flags(context)}
    if not made and context.operation.method == "PUT":
        fields = ", ".join(
            flags_of(context.command, name)[0] for name in context.operation.body_fields()
        )
        raise invalid(f"Nothing to change was given; there are {fields}.", context.command.example)
    check_body(context, made)
    return made


def data(context: Context) -> Any:
    """The value of --data, None when it was not typed. Only --data understands @FILE and - for
    stdin."""
    text = context.typed("data")
    if text is None:
        return None
    if text == "-" or text.startswith("@"):
        return parse_json(read_text(context, text.removeprefix("@"), "--data"), text, "")
    return parse_json(text, "--data", "Quote the JSON for the shell, or use --data @FILE.")


def parse_json(text: str, name: str, hint: str) -> Any:
    """JSON of a user's text. UsageError with line and column for broken JSON."""
    try:
        return valid_text(json.loads(text, parse_constant=_refuse_constant), name)
    except json.JSONDecodeError as error:
        raise invalid(
            f"{name} is not valid JSON: line {error.lineno}, column {error.colno}.", hint
        ) from error
    except (RecursionError, ValueError) as error:
        raise invalid(
            f"{name} is not JSON that can be sent: nested too deeply, or a number out of range."
        ) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def valid_text(value: Any, name: str) -> Any:
    """`value`; UsageError when a text in it is no text (bytes of the command line that are not
    UTF-8)."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError) as error:
        raise invalid(f"{name} is not valid text.") from error
    return value


def read_text(context: Context, name: str, option: str) -> str:
    """The UTF-8 text of a file, or of standard input for `-`; at most 50 MB."""
    shown = "standard input" if name == "-" else name
    try:
        if name == "-":
            if context.stdin.isatty():
                context.notes("note", f"Reading {option} from the keyboard; end with Ctrl-D.")
            stream = getattr(context.stdin, "buffer", None)
            raw = (
                stream.read(LARGEST_INPUT + 1)
                if stream
                else context.stdin.read(LARGEST_INPUT + 1).encode()
            )
        else:
            with Path(name).open("rb") as file:
                raw = file.read(LARGEST_INPUT + 1)
    except (FileNotFoundError, IsADirectoryError, ValueError) as error:
        raise invalid(f"{option}: there is no file {shown}.", "Check its path.") from error
    except OSError as error:
        raise LocalError(
            f"{option}: {shown} cannot be read: {error.strerror}.", code="permission"
        ) from error
    if len(raw) > LARGEST_INPUT:
        raise invalid(f"{option}: {shown} is longer than 50 MB.", "Send it in parts.")
    try:
        return str(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise invalid(
            f"{option}: {shown} is not UTF-8 text.", "For a spreadsheet: {lgp} leads import FILE"
        ) from error


def flags(context: Context, operation: Operation | None = None) -> dict[str, Any]:
    """The body fields given as flags, each as its schema's type. UsageError names every wrong flag
    at once."""
    made: dict[str, Any] = {}
    wrong: list[Problem] = []
    for name, schema in (operation or context.operation).body_fields().items():
        typed = context.typed(f"body_{name}")
        if typed is not None:
            try:
                made[name] = _value(typed, schema)
            except ValueError as error:
                wrong.append(Problem(flags_of(context.command, name)[0], f"must be {error}"))
    refuse(context, wrong)
    valid_text(made, "A flag")
    return made


def _value(typed: Any, schema: dict[str, Any]) -> Any:
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if isinstance(typed, list):
        return [part for word in typed for part in word.split(",") if part]
    if kind in ("integer", "number"):
        if not re.fullmatch(
            r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?" if kind == "number" else r"[+-]?[0-9]{1,15}", typed
        ):
            raise ValueError("a whole number" if kind == "integer" else "a number")
        return int(typed) if kind == "integer" or "." not in typed else float(typed)
    if kind == "boolean":
        if typed.lower() not in ("true", "false"):
            raise ValueError("true or false")
        return typed.lower() == "true"
    if kind in ("object", "array"):
        return parse_json(typed, "A flag that takes JSON", "")
    return _as_listed(typed, schema)


def _as_listed(typed: str, schema: dict[str, Any]) -> str:
    """`Qualified` as `qualified`, where the schema lists its values in lower case."""
    return typed.lower() if typed.lower() in schema.get("enum", ()) else typed


def check_body(context: Context, made: Any, operation: Operation | None = None) -> None:
    """UsageError listing every problem of a body, unless --no-check; a breach of an assumed rule is
    a note."""
    operation = operation or context.known_operation
    if context.options.no_check or operation is None or operation.body is None:
        return
    found = [
        *validate.problems(made, operation.body),
        *validate.unknown_fields(made, operation.body),
    ]
    if not context.typed("data") and context.command.operation == operation.id:
        fields = operation.body_fields()
        found = [
            one._replace(path=f"{one.path} ({flags_of(context.command, one.path)[0]})")
            if one.path in fields
            else one
            for one in found
        ]
    refuse(context, found)


def refuse(context: Context, found: list[Problem]) -> None:
    """UsageError with all stated breaches; assumed ones are noted and let pass."""
    stated = [problem for problem in found if not problem.assumed]
    for problem in [] if stated else found:
        context.notes(
            "note",
            f"{problem.path} {problem.problem} (undocumented rule; the request is sent anyway).",
        )
    if stated:
        changing = context.known_operation is not None and context.known_operation.changing
        raise invalid(
            f"The input cannot be sent: {stated[0].path or 'the body'} {stated[0].problem}.",
            context.command.example,
            details=[{"field": one.path, "problem": one.problem} for one in stated[:50]]
            if len(stated) > 1
            else None,
            outcome="not_sent" if changing else None,
        )


def filters(context: Context) -> dict[str, Any]:
    """The query parameters typed as flags. Checked like a body, unless --no-check."""
    made: dict[str, Any] = {}
    found: list[Problem] = []
    for name, parameter in context.operation.filters().items():
        typed = context.typed(f"query_{name}")
        if typed is None:
            continue
        schema = {"x-assumed": parameter.get("x-assumed", False), **resolve(parameter["schema"])}
        made[name] = _as_listed(typed, schema)
        if not context.options.no_check:
            problems = validate.problems(made[name], schema)
            found += [one._replace(path=flags_of(context.command, name)[0]) for one in problems]
    refuse(context, found)
    valid_text(made, "A flag")
    return made


def check_fields(
    context: Context, names: Iterable[str], option: str, known: Sequence[str] = ()
) -> None:
    """UsageError for a field name that neither the record nor the answer has, or that is not in
    `known`, unless --no-check."""
    operation = context.known_operation
    if context.options.no_check or operation is None or not operation.columns():
        return
    fields = [*operation.columns(), *operation.answer.get("properties", {})]
    known = list(known or dict.fromkeys(fields))
    for name in names:
        if name.split(".")[0] not in known:
            like = near(name.split(".")[0], known, least=0.6)
            words = f"did you mean {like}?" if like else "there are: " + ", ".join(known)
            hint = "--no-check lets a field pass that our schema does not know."
            raise invalid(
                f"{option}: there is no field {plain(name, 'of that name')}; {words}", hint
            )


def ids(context: Context) -> list[str]:
    """The ids given, each once, in their order; `name=…` looked up. UsageError for none."""
    in_path = context.typed("path_id")
    words = in_path if isinstance(in_path, list) and context.operation.id_field() is None else []
    words = [record_id(context, word) for word in words]
    words += [part for word in context.typed("ids") or () for part in word.split(",")]
    if context.typed("ids_from"):
        words += ids_from(read_text(context, context.typed("ids_from"), "--ids-from"))
    given = [word.strip() for word in words if word.strip()]
    found = list(dict.fromkeys(given))
    if not found:
        raise invalid("No ids were given.", context.command.example)
    if len(found) < len(given):
        context.notes(
            "note", f"{plural(len(given) - len(found), 'repeated id')} left out: each is sent once."
        )
    return [check_id(one, "id") for one in found]


def record_id(context: Context, word: str) -> str:
    """The id that a word names: itself, or the one record of its list whose field has the value
    after `=`."""
    field, equals, value = word.partition("=")
    if not equals or field not in ("name", "accountName"):
        return word
    group = context.command.words.split()[0]
    listing = operations()[f"{group}.list"]
    found = [
        row
        for page in context.client.pages(listing.path, collection=listing.collection)
        for row in page.items
        if isinstance(row, dict) and str(row.get(field, "")).casefold() == value.strip().casefold()
    ]
    if len(found) != 1:
        matches = " ".join(plain(row_id(row)) for row in found[:10])
        message = (
            f"{len(found)} records have this {field}: {matches}."
            if found
            else f"No record has this {field}."
        )
        raise invalid(
            message, f"{{lgp}} {group} list --all" if not found else "Give one of these ids."
        )
    return row_id(found[0]) or word


def ids_from(text: str) -> list[str]:
    """The ids of a file: lines, a JSON array, JSON or jsonl of records, csv with a column id,
    leadId or lead_id."""
    stripped = text.strip()
    if stripped.startswith(("[", "{")):
        return _ids_of_json(stripped)
    lines = [line.strip() for line in stripped.splitlines() if line.strip()]
    header = re.split(r"[,;\t]", lines[0].replace('"', "")) if lines else []
    if len(header) > 1 or header[:1] and header[0] in _ID_COLUMNS:
        delimiter = max(",;\t", key=lines[0].count)
        rows = list(csv.DictReader(io.StringIO(stripped), delimiter=delimiter))
        column = next((name for name in _ID_COLUMNS if name in header), None)
        if column is None:
            raise invalid(
                "--ids-from: the csv file has no column id, leadId or lead_id.",
                "One id a line works too.",
            )
        return [row[column] for row in rows if row.get(column)]
    odd = next(
        (number for number, line in enumerate(lines, 1) if re.search(r"[\s@,;]", line)), None
    )
    if odd:
        hint = "One id a line. The id of an address: {lgp} leads list --email ADDRESS --format ids"
        raise invalid(f"--ids-from: line {odd} is no id.", hint)
    return lines


def _ids_of_json(text: str) -> list[str]:
    try:
        whole = json.loads(text)
    except ValueError:
        whole = [parse_json(line, "--ids-from", "") for line in text.splitlines() if line.strip()]
    if isinstance(whole, dict):
        whole = next(
            (whole[name] for name in ("data", "ids") if isinstance(whole.get(name), list)), [whole]
        )
    found = [row_id(row) for row in whole]
    if not all(found):
        raise invalid("--ids-from: a row has no id, leadId or lead_id.", "One id a line works too.")
    return [one for one in found if one]
