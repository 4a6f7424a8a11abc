"""What goes into a request: the body from --data and flags, filters, ids; all of it checked before anything is sent."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from commands.runners.parsing import flags_of
from commands.runners.rows import Call
from console import catalog, checks
from console.catalog import Schema, near, resolve
from console.checks import Problem
from console.rendering import row_id
from leadgenius.errors import UsageError
from leadgenius.files import local_error, read_input

T = TypeVar("T")

_ID_COLUMNS = ("id", "leadId", "lead_id")
LARGEST_INPUT = 50 * 1024 * 1024  # bytes of --data or --ids-from
_LONGEST_PIPE = 30.0  # seconds that a pipe named as a file may take to its end


def body(call: Call) -> dict[str, Any]:
    """The body: --data with the flags laid over it, or flags over the row's defaults. Checked."""
    given = data(call)
    if given is not None and not isinstance(given, dict):
        raise UsageError("--data must be a JSON object here.", code="invalid_input", hint=call.row.example)
    made = {**(given if given is not None else call.row.defaults), **flags(call)}
    if not made and given is None and call.operation.method == "PUT":
        fields = ", ".join(flags_of(call.row, name)[0] for name in call.operation.body_fields())
        raise UsageError(
            f"Nothing to change was given; there are {fields}.", code="invalid_input", hint=call.row.example
        )
    check_body(call, made)
    return made


def data(call: Call) -> Any:
    """The value of --data, None when it was not typed. Only --data understands @FILE and - for stdin."""
    text = call.typed("data")
    if text is None:
        return None
    return parse_json(read_data(call, text), "--data")


def read_data(call: Call, text: str) -> str:
    """The text of `--data JSON`, `--data @FILE` or `--data -`."""
    if text == "-":
        return read_stdin(call, "--data")
    return read_file(call, text[1:], "--data") if text.startswith("@") else text


def parse_json(text: str, name: str) -> Any:
    """JSON of a user's text. UsageError with line and column for broken JSON."""
    try:
        return as_text(json.loads(text, parse_constant=_no_constant), name)
    except json.JSONDecodeError as error:
        message = f"{name} is not valid JSON: line {error.lineno}, column {error.colno}."
        raise UsageError(
            message, code="invalid_input", hint="Quote the JSON for the shell, or use --data @FILE."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} holds a number or a nesting that JSON cannot carry.", code="invalid_input") from error


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def as_text(value: T, name: str) -> T:
    """`value` itself, once all text in it can be sent: UsageError for half a character.

    Bytes of a command line that are not UTF-8 come as such halves, and so would half of an escaped pair in JSON;
    what goes out for them names another record than the one meant.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{name} holds bytes that are not UTF-8 text.", code="invalid_input") from error
    return value


def read_stdin(call: Call, option: str) -> str:
    """Standard input, at most 50 MB of UTF-8 text. UsageError for more: what is cut off may leave half an id."""
    stream = call.session.stdin
    try:
        raw = getattr(stream, "buffer", stream).read(LARGEST_INPUT + 1)
        # Bytes where there are any: a locale may make text of everything, and of some bytes wrong text.
        return _within(raw if isinstance(raw, bytes) else raw.encode(), "Standard input", option)
    except UnicodeError as error:
        raise UsageError(f"Standard input is not UTF-8 text ({option}).", code="invalid_input") from error


def read_file(call: Call, name: str, option: str) -> str:
    """The text of a file, at most 50 MB of UTF-8. LocalError or UsageError names the option, not the content."""
    path, end = Path(name), call.session.end
    wait = _LONGEST_PIPE if end is None else min(_LONGEST_PIPE, end - time.monotonic())
    try:
        return _within(read_input(path, limit=LARGEST_INPUT, wait=wait), "The file", option)
    except FileNotFoundError as error:
        raise UsageError(f"The file of {option} is not there.", code="invalid_input", hint="Check its path.") from error
    except IsADirectoryError as error:
        raise UsageError(f"{option} names a directory.", code="invalid_input", hint="Give a file.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The file of {option} is not UTF-8 text.", code="invalid_input") from error
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"The file name of {option} cannot be used.", code="invalid_input") from error
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT):
            raise local_error(path, "read", error) from error
        raise UsageError(
            f"The file of {option} is a device, or a pipe that nobody closes.",
            code="invalid_input",
            hint=f"Give a file, or `{option} -` and pipe it in.",
        ) from error


def _within(raw: bytes, what: str, option: str) -> str:
    if len(raw) > LARGEST_INPUT:
        raise UsageError(f"{what} of {option} is longer than 50 MB.", code="invalid_input", hint="Send it in parts.")
    return raw.decode("utf-8-sig")


def flags(call: Call) -> dict[str, Any]:
    """The body fields given as flags, each as its schema's type. UsageError names every flag that is wrong at once."""
    made: dict[str, Any] = {}
    wrong: list[Problem] = []
    for name, schema in call.operation.body_fields().items():
        typed = call.typed(f"body_{name}")
        if typed is not None:
            try:
                made[name] = _typed_value(typed, schema)
            except ValueError as error:
                wrong.append(Problem(flags_of(call.row, name)[0], f"must be {error}"))
    refuse(call, wrong)
    return as_text(made, "A flag")


def _typed_value(typed: Any, schema: Schema) -> Any:
    kind = schema.get("type")
    if isinstance(typed, list):
        return [part for word in typed for part in word.split(",") if part]
    if kind == "integer":
        return _number(typed, int, "a whole number")
    if kind == "number":
        return _number(typed, float, "a number")
    if kind == "boolean":
        if typed.lower() not in ("true", "false"):
            raise ValueError("true or false")
        return typed.lower() == "true"
    if kind in ("object", "array"):
        return parse_json(typed, "A flag that takes JSON")
    return _as_listed(typed, schema)


def _as_listed(typed: str, schema: Schema) -> str:
    """`Qualified` as `qualified`, where the schema lists its values in lower case."""
    return typed.lower() if typed.lower() in schema.get("enum", ()) else typed


def _number(text: str, kind: type[int] | type[float], words: str) -> int | float:
    try:
        if not text.isascii() or "_" in text or len(text) > 30:
            raise ValueError
        value = kind(text)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError
    except ValueError:
        raise ValueError(words) from None
    return value


def check_body(call: Call, made: Any) -> None:
    """UsageError listing every problem of a body, unless --no-check; a breach of an assumed rule is a note.

    Whatever it says of passwords and keys is known from here on, and blotted out of what is told.
    """
    call.session.notes.masker.learn_from(made)
    if call.session.settings.no_check or call.operation.body is None:
        return
    schema = call.operation.body
    found = [*checks.problems(made, schema), *checks.unknown_fields(made, schema)]
    refuse(call, [_with_flag(call, problem) for problem in found])


def _with_flag(call: Call, problem: Problem) -> Problem:
    if problem.path in call.operation.body_fields() and call.row.operation and not call.typed("data"):
        return Problem(f"{problem.path} ({flags_of(call.row, problem.path)[0]})", problem.problem, problem.assumed)
    return problem


def refuse(call: Call, found: list[Problem]) -> None:
    """UsageError with all stated breaches; assumed ones are told as notes and let pass."""
    stated = [problem for problem in found if not problem.assumed]
    for problem in found:
        if problem.assumed and not stated:
            call.session.notes("note", f"{problem.path} {problem.problem}, as far as we assume; sent all the same.")
    if not stated:
        return
    many = f" (problem 1 of {len(stated)}; details lists them all)" if len(stated) > 1 else ""
    raise UsageError(
        f"The input cannot be sent: {stated[0].path or 'the body'} {stated[0].problem}{many}.",
        code="invalid_input",
        hint=call.row.example,
        details=[problem.as_dict() for problem in stated[:50]],
        outcome="not_sent" if call.row.operation and call.operation.changing else None,
    )


def filters(call: Call) -> dict[str, Any]:
    """The query parameters typed as flags. Checked like a body, unless --no-check."""
    made: dict[str, Any] = {}
    found: list[Problem] = []
    for name, parameter in call.operation.filters().items():
        typed = call.typed(f"query_{name}")
        if typed is None:
            continue
        schema = {**resolve(parameter["schema"]), "x-assumed": parameter.get("x-assumed", False)}
        made[name] = typed = _as_listed(typed, schema)
        flag = flags_of(call.row, name)[0]
        if not call.session.settings.no_check:
            found += [Problem(flag, one.problem, one.assumed) for one in checks.problems(typed, schema)]
    refuse(call, found)
    return as_text(made, "A flag")


def check_fields(call: Call) -> None:
    """UsageError for a --fields name that neither the record nor the answer has, unless --no-check."""
    settings = call.session.settings
    if not settings.fields or settings.no_check:
        return
    known = list(dict.fromkeys([*call.operation.columns(), *call.operation.answer.get("properties", {})]))
    for name in settings.fields:
        if name.split(".")[0] not in known:
            like = near(name, known)
            words = f"did you mean {like}?" if like else "there are: " + ", ".join(known)
            raise UsageError(
                f"--fields: the record has no field {name if name.isidentifier() else 'of that name'}; {words}",
                code="invalid_input",
                hint="--no-check lets a field pass that our schema does not know.",
            )


def ids(call: Call) -> list[str]:
    """The ids given, each once, in their order. UsageError for none, or for a file that has none to read.

    They are those of the path, unless the body lists them: then the path's one is the record they are added to.
    """
    in_path = [] if call.operation.id_field() else call.typed("path_id") or []
    words = [in_path] if isinstance(in_path, str) else list(in_path)
    words += [part for word in call.typed("ids") or () for part in word.split(",")]
    if call.typed("ids_from"):
        words += _ids_from(call, call.typed("ids_from"))
    given = [word.strip() for word in words if word.strip()]
    found = list(dict.fromkeys(given))
    if not found:
        raise UsageError("No ids were given.", code="invalid_input", hint=call.row.example)
    if len(found) < len(given):
        call.session.notes("note", f"{len(given) - len(found)} ids were given more than once; each is sent once.")
    return as_text(found, "An id")


def _ids_from(call: Call, name: str) -> list[str]:
    text = read_stdin(call, "--ids-from") if name == "-" else read_file(call, name, "--ids-from")
    stripped = text.strip()
    if stripped.startswith("["):
        return _ids_of(parse_json(stripped, "--ids-from"))
    if stripped.startswith("{"):
        return _ids_of_objects(stripped)
    lines = [line.strip() for line in stripped.splitlines() if line.strip()]
    if lines and _is_header(lines[0]):
        return _ids_of_csv(stripped)
    odd = next((number for number, line in enumerate(lines, 1) if re.search(r"[\s@,;]", line)), None)
    if odd:
        raise UsageError(
            f"--ids-from: line {odd} is no id.",
            code="invalid_input",
            hint="One id a line. The id of an address: {lgp} leads list --email ADDRESS --format ids",
        )
    return lines


def _is_header(line: str) -> bool:
    """Whether a first line names csv columns: several words, or one that is a field of a lead."""
    words = re.split(r"[,;\t]", line.replace('"', ""))
    return len(words) > 1 or words[0] in (*_ID_COLUMNS, *catalog.schemas()["Lead"]["properties"])


def _ids_of_objects(text: str) -> list[str]:
    """One object (a list answer of ours) or one a line."""
    lines = text.splitlines()
    try:
        whole = json.loads(text)
    except ValueError:
        return _ids_of(
            [parse_json(line, f"--ids-from, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
        )
    rows = whole.get("data")
    return _ids_of(rows if isinstance(rows, list) else [whole])


def _ids_of(rows: Iterable[Any]) -> list[str]:
    found = [row_id(row) for row in rows]
    if not all(found):
        raise UsageError(
            "--ids-from: a row has no id, leadId or lead_id.", code="invalid_input", hint="One id a line works as well."
        )
    return [one for one in found if one]


def _ids_of_csv(text: str) -> list[str]:
    header = text.splitlines()[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    column = next((name for name in _ID_COLUMNS if name in (rows.fieldnames or ())), None)
    if column is None:
        raise UsageError(
            "--ids-from: the csv file has no column id, leadId or lead_id.",
            code="invalid_input",
            hint="One id a line works as well.",
        )
    return [row[column] for row in rows if row.get(column)]
