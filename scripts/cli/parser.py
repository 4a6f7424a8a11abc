"""From words to a command and its arguments: the parser of one command is made from its row and
openapi.json."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import takewhile

from cli import options
from cli.commands import COMMANDS, EXTRA, EXTRA_FLAGS, MISSING, Command
from cli.options import Parser
from contract.operations import Operation, Schema, near, operations, resolve
from leadgenius.errors import UsageError

_KINDS = {"integer": "N", "number": "N", "boolean": "true|false", "object": "JSON", "array": "JSON"}


def operation_of(command: Command) -> Operation | None:
    """The command's operation, None for a command without one."""
    return operations()[command.operation] if command.operation else None


def find(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that the first words name, and the words after it. UsageError says what is near
    or not there."""
    leading = list(takewhile(lambda word: not word.startswith("-"), words))
    if not leading:
        _refuse_elsewhere(words[0].split("=")[0] if words else "")
        raise UsageError("A command's words come before its own options.", hint="{lgp} --help")
    for length in range(min(len(leading), 3), 0, -1):
        rows = in_group(" ".join(leading[:length]))
        if (
            rows
            and rows[0].words.count(" ") < length
            and (len(rows) == 1 or len(leading) == length)
        ):
            return rows[0], list(words[length:])
    raise _unknown(leading)


def in_group(words: str) -> list[Command]:
    """The commands that begin with `words`."""
    return [one for one in COMMANDS if one.words == words or one.words.startswith(words + " ")]


def _unknown(words: list[str]) -> UsageError:
    for text in (" ".join(words[:2]), words[0]):
        if text in MISSING:
            message = f"There is no command {text}: this API has no such call."
            return UsageError(message, code="not_in_api", hint=MISSING[text])
    depth = 0
    while in_group(" ".join(words[: depth + 1])):
        depth += 1
    rows = [row.words.split() for row in (in_group(" ".join(words[:depth])) if depth else COMMANDS)]
    known = list(dict.fromkeys(row[depth] for row in rows if len(row) > depth))
    word = words[depth] if re.fullmatch(r"[\w.-]{1,40}", words[depth]) else "of that name"
    like = near(words[depth], known, least=0.6)
    start = "".join(f"{one} " for one in words[:depth])
    there = f"Did you mean {like}?" if like else f"There are: {', '.join(known)}."
    hint = f"{{lgp}} {start}{like.split(', ')[0]}".rstrip() + " --help"
    return UsageError(f"There is no command {start}{word}. {there}", hint=hint)


def parse(command: Command, words: Sequence[str]) -> argparse.Namespace:
    """The command's own arguments. UsageError for a word it does not know, with what it is called
    here."""
    made = parser(command)
    found, unknown = made.parse_known_args(list(words))
    if unknown:
        raise _unknown_word(made, command, unknown[0])
    return found


def parser(command: Command) -> Parser:
    """The parser of one command."""
    made = Parser(prog=command.words, add_help=False, allow_abbrev=False)
    operation = operation_of(command)
    names = {"schema": "campaigns.create, leads, Lead", "completion": "bash or zsh"}
    if command.words in names:
        made.add_argument("name", metavar="NAME", nargs="*", help=names[command.words])
    if command.run == "imports.run":
        made.add_argument("file", metavar="FILE", help="csv, jsonl or json")
    elif operation:
        _add_ids(made, command, operation)
        _add_filters(made, command, operation)
        _add_body(made, command, operation)
    if "dates" in command.groups:
        for name in ("start", "end"):
            words, dest = f"{name} of the period", f"query_{name}Date"
            made.add_argument(f"--{name}", dest=dest, metavar="DATE", help=words)
    for name in command.extra.split():
        flag = EXTRA_FLAGS.get(name, f"--{name}")
        made.add_argument(flag, dest=name.replace("-", "_"), **EXTRA[name])
    return made


def _add_ids(made: Parser, command: Command, operation: Operation) -> None:
    for name in operation.parameters("path") if command.ids in ("one", "many") else ():
        group = command.words.split()[0]
        noun = "JOB" if name == "jobId" else group.split("-")[-1].rstrip("s").upper()
        words = "the job's id" if noun == "JOB" else "its id, or name=NAME to look it up"
        many = "+" if command.ids == "many" else None
        made.add_argument("path_id", metavar=noun, help=words, nargs=many)
    if command.ids == "flag" or operation.id_field():
        words = "ids, apart or with commas"
        made.add_argument("--ids", nargs="+", action="extend", metavar="LEAD", help=words)
        words = "ids from a file or - (lines, json, jsonl, or csv with a column id)"
        made.add_argument("--ids-from", metavar="FILE", help=words)


def _add_filters(made: Parser, command: Command, operation: Operation) -> None:
    for name, parameter in operation.filters().items():
        if name != "companyId":  # an EXTRA option: it is found by itself
            schema = resolve(parameter["schema"])
            described = {**schema, "description": parameter.get("description", "")}
            _add_field(made, command, f"query_{name}", described)


def _add_body(made: Parser, command: Command, operation: Operation) -> None:
    fields = operation.body_fields()
    if command.data and fields:
        words = "the whole body; flags win over it"
        made.add_argument("--data", metavar="JSON|@FILE|-", help=words)
    for name, schema in fields.items():
        if name not in (operation.id_field(), "leads") and command.run != "login.login":
            required = name in operation.required and name not in command.defaults
            _add_field(made, command, f"body_{name}", schema, " (required)" if required else "")


def _add_field(made: Parser, command: Command, dest: str, schema: Schema, after: str = "") -> None:
    """The flags of one API field, with what its schema says: description, values, kind."""
    flags = flags_of(command, dest.partition("_")[2])
    text = str(schema.get("description", "")).split(". ")[0].rstrip(".")
    words = ": ".join(one for one in (text, ", ".join(values_of(schema))) if one)
    kind, many = schema.get("type"), None
    metavar = _KINDS.get(str(kind), flags[0].rsplit("-", 1)[-1].upper())
    if schema.get("format") == "date":
        metavar = "DATE"
    if kind == "array" and resolve(schema.get("items", {})).get("type") == "string":
        metavar, many = flags[0].rsplit("-", 1)[-1].upper(), "+"
    made.add_argument(*flags, dest=dest, metavar=metavar, help=words + after, nargs=many)


def flags_of(command: Command, field: str) -> list[str]:
    """The flags of an API field: its name in kebab case, or those the row gives."""
    return command.flags[field].split() if field in command.flags else ["--" + kebab(field)]


def kebab(name: str) -> str:
    """`campaignId` and `client_id` as `campaign-id` and `client-id`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).replace("_", "-").lower()


def values_of(schema: Schema) -> list[str]:
    """The values that a schema lists, for its field or its items."""
    values = schema.get("enum") or resolve(schema.get("items", {})).get("enum") or ()
    return [str(value) for value in values if value is not None]


def _refuse_elsewhere(flag: str) -> None:
    """UsageError for an option of another tool that has another name here."""
    if flag in options.ELSEWHERE:
        message = f"There is no option {flag}. Here it is {options.ELSEWHERE[flag]}."
        raise UsageError(message, code="not_in_api", hint="{lgp} --help options")


def _unknown_word(made: Parser, command: Command, word: str) -> UsageError:
    name = word.split("=", 1)[0]
    _refuse_elsewhere(name)
    if not name.startswith("-"):
        where = "ids go behind --ids" if "--ids" in flags(made) else "values go behind options"
        return UsageError(f"{command.words} takes no further word; {where}.", hint=command.example)
    like = _near_flag(name, [*flags(made), *(f"--{one.name}" for one in options.OPTIONS)])
    shown = name if re.fullmatch(r"[\w-]{1,40}", name) else "like that"
    guess = f" Did you mean {like}?" if like else ""
    words = f"There is no option {shown} of {command.words}.{guess}"
    return UsageError(words, hint=f"{{lgp}} {command.words} --help")


def flags(made: Parser) -> list[str]:
    """Every flag of a parser."""
    return [flag for action in made._actions for flag in action.option_strings]


def _near_flag(word: str, known: list[str]) -> str:
    """The flag most like `word`. Never --yes: a mistyped option must not lead to the one that lets
    a delete through."""
    known = [flag for flag in known if flag != "--yes"]
    tail = "-" + word.lstrip("-")
    around = [flag for flag in known if flag.startswith(word + "-") or flag.endswith(tail)]
    return around[0] if len(around) == 1 else near(word, known, least=0.7).split(", ")[0]


def option_groups(command: Command) -> set[str]:
    """Which global options do something for this command."""
    operation, found = operation_of(command), {"always", *command.groups.split()}
    if operation:
        found |= options.SENDING | ({"list", operation.paging} if operation.paging else set())
    return found


def wants_help(words: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(words))


def is_group(words: Sequence[str]) -> bool:
    """Whether the words are a group of commands and no command: its help is what is wanted."""
    text = " ".join(words)
    return bool(in_group(text)) and all(one.words != text for one in COMMANDS)
