"""What goes into a request: the body from --data and flags, filters, ids; all checked before
anything is sent."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.context import Context
from cli.parser import flags_of
from cli.rows import Condition, row_id
from cli.text import plain, plural
from contract import validate
from contract.operations import near, operations, resolve
from contract.validate import Problem
from leadgenius import answers
from leadgenius.errors import LocalError, UsageError
from leadgenius.scopes import check_id

LARGEST_INPUT = 50 * 1024 * 1024  # bytes of --data or --ids-from


def invalid(message: str, hint: str = "", **facts: Any) -> UsageError:
    """The error of a value, body or file that cannot be sent."""
    return UsageError(message, code="invalid_input", hint=hint, **facts)


def body(context: Context) -> dict[str, Any]:
    """The body: --data with the flags laid over it, or flags over the command's defaults.
    Checked."""
    command, given = context.command, data(context)
    if given is not None and not isinstance(given, dict):
        raise invalid("--data must be a JSON object here.", command.example)
    made = {**(command.defaults if given is None else given), **flags(context)}
    if not made and context.operation.method == "PUT":
        raise invalid("Nothing to change was given.", f"{{lgp}} {command.words} --help")
    check_body(context, made)
    return made


def data(context: Context) -> Any:
    """The value of --data, None when it was not typed. Only --data understands @FILE and - for
    stdin."""
    text = context.typed("data")
    if text is None:
        return None
    if text == "-" or text.startswith("@"):
        text = read_text(context, text.removeprefix("@"), "--data")
    return parse_json(text, "--data", "Quote the JSON for the shell, or use --data @FILE.")


def parse_json(text: str, name: str, hint: str) -> Any:
    """JSON of a user's text. UsageError with line and column for broken JSON."""
    try:
        made = json.loads(text)
        json.dumps(made, allow_nan=False, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        words = f"{name} is not valid JSON: line {error.lineno}, column {error.colno}."
        raise invalid(words, hint) from error
    except (RecursionError, ValueError) as error:
        words = "nested too deeply, a number out of range, or text that is no text"
        raise invalid(f"{name} cannot be sent: {words}.") from error
    return made


def read_text(context: Context, name: str, option: str) -> str:
    """The UTF-8 text of a file, or of standard input for `-`; at most 50 MB."""
    try:
        return read_bytes(context, name, option).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "For a spreadsheet: {lgp} leads import FILE"
        raise invalid(f"{option}: {name} is not UTF-8 text.", hint) from error


def read_bytes(context: Context, name: str, option: str) -> bytes:
    """The content of a file, or of standard input for `-`; at most 50 MB."""
    try:
        if name == "-":
            raw: bytes = context.stdin.buffer.read(LARGEST_INPUT + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(LARGEST_INPUT + 1)
    except FileNotFoundError as error:
        raise invalid(f"{option}: there is no file {name}.", "Check its path.") from error
    except OSError as error:
        words = f"{option}: {name} cannot be read: {error.strerror}."
        raise LocalError(words, code="permission") from error
    if len(raw) > LARGEST_INPUT:
        raise invalid(f"{option}: {name} is longer than 50 MB.", "Send it in parts.")
    return raw


def flags(context: Context) -> dict[str, Any]:
    """The body fields given as flags, each as its schema's type; what is none stays a text, which
    the check then refuses."""
    made: dict[str, Any] = {}
    for name, schema in context.operation.body_fields().items():
        typed = context.typed(f"body_{name}")
        if isinstance(typed, list):
            made[name] = [part for word in typed for part in word.split(",") if part]
        elif typed is not None:
            made[name] = _as_listed(typed, schema)
            if "string" not in schema.get("type", "string"):
                with contextlib.suppress(ValueError):
                    made[name] = json.loads(typed)
    return made


def _as_listed(typed: str, schema: dict[str, Any]) -> str:
    """`Qualified` as `qualified`, where the schema lists its values in lower case."""
    return typed.lower() if typed.lower() in schema.get("enum", ()) else typed


def check_body(context: Context, made: Any) -> None:
    """UsageError listing every problem of a body, unless --no-check; a breach of an assumed rule is
    a note."""
    operation = context.known_operation
    if operation and operation.body:
        found = validate.problems(made, operation.body)
        refuse(context, found + validate.unknown_fields(made, operation.body))


def refuse(context: Context, found: list[Problem]) -> None:
    """UsageError with all stated breaches, unless --no-check; assumed ones are noted and let
    pass."""
    stated = [problem for problem in found if not problem.assumed]
    if context.options.no_check:
        return
    if stated:
        operation, details = context.known_operation, None
        if len(stated) > 1:
            details = [{"field": one.path, "problem": one.problem} for one in stated[:50]]
        words = f"The input cannot be sent: {stated[0].path or 'the body'} {stated[0].problem}."
        outcome = "not_sent" if operation and operation.changing else None
        raise invalid(words, context.command.example, details=details, outcome=outcome)
    for path, problem, _ in found:
        words = f"{path} {problem} (undocumented rule; the request is sent anyway)."
        context.notes("note", words)


def filters(context: Context) -> dict[str, Any]:
    """The query parameters typed as flags. Checked like a body, unless --no-check."""
    made: dict[str, Any] = {}
    found: list[Problem] = []
    for name, parameter in context.operation.filters().items():
        typed = context.typed(f"query_{name}")
        if typed is not None:
            schema = resolve(parameter["schema"])
            made[name] = _as_listed(typed, schema)
            found += validate.problems(made[name], schema, flags_of(context.command, name)[0])
    refuse(context, found)
    return made


def check_fields(
    context: Context, names: Sequence[str], option: str, known: Sequence[str] = ()
) -> None:
    """UsageError for a field name that neither the record nor the answer has, or that is not in
    `known`, unless --no-check."""
    operation = context.known_operation
    if not names or context.options.no_check or operation is None:
        return
    beside = {} if operation.paging else operation.answer["properties"]
    known = list(known or {**operation.record()["properties"], **beside})
    for name in names:
        first = name.split(".")[0]
        if first not in known:
            like = near(first, known, least=0.6)
            words = f"did you mean {like}?" if like else "there are: " + ", ".join(known)
            words = f"{option}: there is no field {plain(name, 'of that name')}; {words}"
            raise invalid(words, "--no-check lets a field pass that our schema does not know.")


def ids(context: Context) -> list[str]:
    """The ids given, each once, in their order; `name=…` looked up. UsageError for none."""
    in_path = context.typed("path_id")
    words = in_path if isinstance(in_path, list) else []
    words = [record_id(context, word) for word in words]
    words += [part for word in context.typed("ids") or () for part in word.split(",")]
    if context.typed("ids_from"):
        words += ids_from(read_text(context, context.typed("ids_from"), "--ids-from"))
    given = [word.strip() for word in words if word.strip()]
    found = list(dict.fromkeys(given))
    if not found:
        raise invalid("No ids were given.", context.command.example)
    if len(found) < len(given):
        doubles = plural(len(given) - len(found), "repeated id")
        context.notes("note", f"{doubles} left out: each is sent once.")
    return [check_id(one, "id") for one in found]


def record_id(context: Context, word: str) -> str:
    """The id that a word names: itself, or the one record of its list whose field has the value
    after `=`."""
    field, equals, value = word.partition("=")
    if not equals or field not in ("name", "accountName"):
        return word
    if context.options.dry_run:
        context.notes("note", f"{field}=… is looked up in the real run.")
        return "ID"
    group = context.command.words.split()[0]
    same = Condition(field, "=", value.strip())
    rows = context.client.rows(operations()[f"{group}.list"].path)
    found = [row_id(row) or "" for row in rows if same.holds(row)]
    if len(found) != 1:
        matches = f": {' '.join(map(plain, found[:10]))}" if found else ""
        words = f"{plural(len(found), 'record')} with this {field}{matches}."
        raise invalid(words, f"{{lgp}} {group} list --all   (then give one id)")
    return found[0]


def ids_from(text: str) -> list[str]:
    """The ids of a file: lines, a JSON array, JSON or jsonl of records, csv with a column id,
    leadId or lead_id."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    header = re.split(r"[,;\t]", lines[0].replace('"', "")) if lines else []
    rows: list[Any] = lines
    if lines and lines[0].startswith(("[", "{")):
        rows = _json_rows(text, lines)
    elif len(header) > 1 or {"id", "leadId", "lead_id"} & set(header):
        import csv

        rows = list(csv.DictReader(lines, delimiter=max(",;\t", key=lines[0].count)))
    for number, row in enumerate(rows, 1):
        if not row_id(row) or re.search(r"[\s@,;]", str(row_id(row))):
            words = f"--ids-from: line {number} is no id, and has no column id, leadId or lead_id."
            raise invalid(words, "One id a line. For addresses: {lgp} leads list --email ADDRESS")
    return [str(row_id(row)) for row in rows]


def _json_rows(text: str, lines: list[str]) -> list[Any]:
    try:
        whole = json.loads(text)
    except ValueError:
        return [parse_json(line, "--ids-from", "") for line in lines]
    rows = whole if isinstance(whole, list) else answers.dig(whole, "data", "ids")
    return rows if isinstance(rows, list) else [whole]
