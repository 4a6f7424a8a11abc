"""What needs no network: help in three levels, the schema, the request log."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli import options, parser
from cli.commands import COMMANDS, GROUPS, Command
from cli.hints import spelled
from cli.text import plural, prefix
from contract.operations import Operation, at, near, operations, resolve, schemas
from leadgenius.errors import CredentialError, LocalError, UsageError
from leadgenius.keys import Credential

if TYPE_CHECKING:
    from cli.context import Context

_LIMITS = ("format", "minimum", "maximum", "minItems", "maxItems", "pattern")


def show_help(words: Sequence[str], exit_codes: Mapping[int, str]) -> int:
    """Print the help of what the words name: everything, the global options, a group, a command."""
    _, rest = options.global_parser().parse_known_args(list(words))
    named = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
    if not named:
        page = _overview(exit_codes)
    elif named == ["options"]:
        page = _options_page()
    elif parser.is_group(named):
        rows = [(one.words, _title(one)) for one in parser.in_group(" ".join(named))]
        page = _page(_table(rows), [f"options of one: {spelled('{lgp}')} {rows[0][0]} --help"])
    else:
        command = parser.find(named)[0]
        page = command_page(command, parser.parser(command), parser.option_groups(command))
    sys.stdout.write(page)
    return 0


def _overview(exit_codes: Mapping[int, str]) -> str:
    title = f"LeadGenius from the command line. lgp stands for: {spelled('{lgp}')}"
    codes = "; ".join(f"{code} {words}" for code, words in exit_codes.items())
    more = [
        ("lgp GROUP --help", "the commands of a group; lgp COMMAND --help: one command"),
        ("lgp --help options", "options of every command, and the variables"),
        ("api_call.py METHOD PATH", "any request, with the right credential: api_call.py --help"),
    ]
    groups = _table([(f"{title:15}{name}", words) for title, name, words in GROUPS])
    return _page(_wrapped(title), groups, _table(more), _wrapped(f"exit codes: {codes}"))


def _options_page() -> str:
    title = "Before or after the command alike; in brackets the variable that does the same."
    rows = [
        (*_option(one)[:1], one.help + (f" (LGP_{one.dest.upper()})" if one.variable else ""))
        for one in options.OPTIONS
    ]
    variables = (
        "Variables: LGP_API_KEY, LGP_AMPLIFY_API_KEY, LGP_EMAIL, LGP_PASSWORD (each also as …_FILE,"
        " a file whose first line it is), LGP_COMPANY_ID, LGP_USER_ID, LGP_AUTH_FILE,"
        " LGP_STATE_DIR, LGP_RATE_LIMITS, LGP_LIMITER, LGP_MAX_CHANGES, LGP_AGENT_NAME."
    )
    return _page(_wrapped(title), _table(rows), _wrapped(variables))


def command_page(command: Command, made: options.Parser, groups: frozenset[str]) -> str:
    """The help of one command: example on top, its own options, and where the global ones are."""
    operation = parser.operation_of(command)
    top = [f"{command.words}: {_title(command)}", f"example: {spelled(command.example)}"]
    about = operation.description if operation and not command.help else ""
    rows = []
    for one in made._actions:
        value = "" if one.nargs == 0 else f" {one.metavar or one.dest}"
        rows.append(((", ".join(one.option_strings) + value).strip(), one.help or ""))
    own = groups & {"list", "page", "wait", "yes"}
    rows += [_option(one) for one in options.OPTIONS if one.group in own]
    more = ", ".join(one.words for one in parser.in_group(command.words)[1:])
    end = [f"also: {more}"] if more else []
    end.append(f"global options: {spelled('{lgp}')} --help options")
    return _page(_wrapped(*top), _wrapped(about), _table(rows), _wrapped(*end))


def _option(one: options.Option) -> tuple[str, str]:
    return f"--{one.name} {one.metavar}".strip(), one.help


def _title(command: Command) -> str:
    operation = parser.operation_of(command)
    return command.help or (operation.summary if operation else "")


def _page(*blocks: Iterable[str]) -> str:
    """Blocks of lines, with an empty line between."""
    return "\n\n".join(text for text in map("\n".join, blocks) if text) + "\n"


def _wrapped(*texts: str, indent: str = "") -> list[str]:
    """The texts as lines of the terminal's width, broken between words only."""
    wrapper = textwrap.TextWrapper(
        shutil.get_terminal_size((100, 24)).columns,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line for text in texts for line in wrapper.wrap(text)]


def _table(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Two columns; a name too long for the first has a line of its own."""
    longest = min(max((len(name) for name, _ in rows), default=0), 32)
    space = " " * (longest + 4)
    for name, words in rows:
        lines = _wrapped(words, indent=space) or [space]
        if len(name) > longest:
            yield f"  {name}"
        else:
            lines[0] = f"  {name:{longest}}  {lines[0].lstrip()}"
        yield from (line.rstrip() for line in lines)


def schema(context: Context) -> int:
    """All operations, or those of a group, in a line each; one operation or record in full."""
    name = " ".join(context.typed("name") or ())
    listed = [one for one in operations().values() if not name or one.id.startswith(f"{name}.")]
    found = None if not name or (listed and name not in operations()) else _looked_up(name)
    output = context.output
    if found and output.format == "table" and not context.options.out:
        output.write(_readable(found))
    elif found:
        output.document(found)
    else:
        if output.format == "json" and not context.options.format and not context.options.out:
            output.format = "jsonl"  # a line each, as one reads it
        with output.open() as writer:
            writer.rows([_line(one) for one in listed])
            writer.end({})
        output.receipt(len(listed), 0, True)
    return 0


def _line(operation: Operation) -> dict[str, Any]:
    facts = {"operation": operation.id, "method": operation.method, "path": operation.path}
    return {**facts, "effect": operation.effect, "summary": operation.summary}


def _looked_up(name: str) -> dict[str, Any]:
    operation = _operation(name)
    if operation:
        return _described(operation)
    known = {one.lower(): one for one in schemas()}
    if name.lower() in known:
        record = schemas()[known[name.lower()]]
        return {"record": known[name.lower()], **_field(record)}
    like = near(name, [*operations(), *schemas()], least=0.4)
    guess = f" Near: {like}." if like else ""
    raise UsageError(f"There is no operation or record of this name.{guess}", hint="{lgp} schema")


def _operation(name: str) -> Operation | None:
    """By operationId, `METHOD /path` with or without its root, or the command's own words."""
    method, _, path = name.partition(" ")
    if path.startswith("/"):
        found = (at(method.upper(), root + path) for root in ("", "/api/agent", "/api"))
        return next((one for one in found if one), None)
    command = next((one for one in COMMANDS if one.words == name and one.operation), None)
    return operations().get(command.operation if command else name)


def _described(operation: Operation) -> dict[str, Any]:
    commands = [one.words for one in COMMANDS if one.operation == operation.id]
    found = {**_line(operation), "scope": operation.scope, "description": operation.description}
    found |= {"commands": commands, "paging": operation.paging}
    parameters = {**operation.parameters("path"), **operation.parameters()}
    found["parameters"] = {
        name: _field(
            {**one["schema"], "description": one.get("description")}, bool(one.get("required"))
        )
        for name, one in parameters.items()
    }
    if operation.body:
        found["body"] = _field(operation.body)["fields"]
        found["example"] = operation.spec["requestBody"]["content"]["application/json"].get(
            "example"
        )
    found["answers"] = _field(operation.record()).get("fields")
    return {name: value for name, value in found.items() if value}


def _field(given: dict[str, Any], required: bool = False) -> dict[str, Any]:
    """Type, values, limits and words of one field, with the fields inside it."""
    field = resolve(given)
    for one in (*field.get("allOf", ()), *field.get("anyOf", ())):
        field = {**resolve(one), **field, "type": _types(field) + _types(resolve(one))}
    items = resolve(field.get("items", {}))
    found: dict[str, Any] = {"type": " or ".join(dict.fromkeys(_types(field))) or "any"}
    if items:
        found["type"] += " of " + (" or ".join(_types(items)) or "any")
    found |= {"required": True} if required else {}
    found |= {"values": parser.values_of(field)} if parser.values_of(field) else {}
    found |= {name: field[name] for name in _LIMITS if field.get(name, r"\S") != r"\S"}
    if field.get("description"):
        found["description"] = field["description"]
    inner = field.get("properties") or items.get("properties") or {}
    needed = field.get("required") or items.get("required") or ()
    if inner:
        found["fields"] = {name: _field(one, name in needed) for name, one in inner.items()}
    return found


def _types(field: dict[str, Any]) -> list[str]:
    kinds = field.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _readable(found: dict[str, Any]) -> str:
    """A description as lines for a person: facts, then each set of fields as a table."""
    facts, blocks = [], []
    for name, value in found.items():
        if name in ("parameters", "body", "answers", "fields"):
            blocks.append([f"{name}:", *_table(_rows(value))])
        elif name == "example":
            blocks.append(_wrapped(f"example: {json.dumps(value)}"))
        else:
            facts.append(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    return _page(_wrapped(*facts), *blocks)


def _rows(fields: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, field in fields.items():
        values = ", ".join(field.get("values", ()))
        words = [field["type"], "required" if "required" in field else "", values]
        words = [", ".join(word for word in words if word), field.get("description", "")]
        rows.append((before + name, ". ".join(word for word in words if word)))
        rows += _rows(field.get("fields", {}), f"{before}{name}.")
    return rows


def limits(context: Context) -> int:
    """Used, left, when the next is free, for each key and window of the shared request log."""
    names, client = {}, context.client
    for kind in ("agent", "amplify", "jwt"):
        with contextlib.suppress(CredentialError, LocalError):
            found = client.keys.find(kind)
            shown = f"login of {client.keys.owner()}" if kind == "jwt" else prefix(found.value)
            names[client.identity(found)] = shown
    for old in client.file.account().previous_api_keys:
        names[client.identity(Credential("agent", old, ""))] = prefix(old)
    report = client.limiter.report()
    rows = [{"key": names.get(row.pop("credential"), "another key"), **row} for row in report]
    with context.output.open() as writer:
        writer.rows(rows)
        writer.end({})
    context.output.receipt(len(rows), 0, True)
    return 0


def clear(context: Context) -> int:
    """Lift the pauses that a 429 put into the request log; what was counted stays counted."""
    cleared = context.client.limiter.clear()
    context.output.document({"cleared": cleared}, 0, f"{plural(cleared, 'pause')} lifted.")
    return 0
