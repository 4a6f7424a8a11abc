"""From words to a command and its arguments: the parser of one command is made from its row and
openapi.json."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import takewhile

from cli import options
from cli.commands import COMMANDS, EXTRA, MISSING, Command
from cli.options import Parser
from cli.text import plain
from contract.operations import Operation, Schema, near, operations, resolve
from leadgenius.errors import UsageError


def operation_of(command: Command) -> Operation | None:
    """The command's operation, None for a command without one."""
    return operations()[command.operation] if command.operation else None


def in_group(words: str) -> list[Command]:
    """The commands that begin with `words`."""
    return [one for one in COMMANDS if f"{one.words} ".startswith(f"{words} ".lstrip())]


def is_group(words: Sequence[str]) -> bool:
    """Whether the words are a group of commands and no command: its help is what is wanted."""
    text = " ".join(words)
    rows = in_group(text) if words else []
    return bool(rows) and rows[0].words != text


def find(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that the first words name, and the words after it. UsageError says what is near
    or not there."""
    leading = list(takewhile(lambda word: not word.startswith("-"), words))
    if not leading:
        _refuse_elsewhere("".join(words[:1]))
        raise UsageError("A command's words come before its own options.", hint="{lgp} --help")
    for length in range(min(len(leading), 3), 0, -1):
        text = " ".join(leading[:length])
        rows = in_group(text)
        if rows and rows[0].words == text and (len(rows) == 1 or len(leading) == length):
            return rows[0], list(words[length:])
    raise _unknown(leading)


def _unknown(words: list[str]) -> UsageError:
    for text in (" ".join(words[:2]), words[0]):
        if text in MISSING:
            message = f"There is no command {text}: this API has no such call."
            return UsageError(message, code="not_in_api", hint=MISSING[text])
    depth = 0
    while depth < len(words) - 1 and in_group(" ".join(words[: depth + 1])):
        depth += 1
    start = " ".join(words[:depth])
    rows = (row.words.split() for row in in_group(start))
    known = list(dict.fromkeys(row[depth] for row in rows if len(row) > depth))
    like = near(words[depth], known, least=0.6)
    there = f"Did you mean {like}?" if like else f"There are: {', '.join(known)}."
    missing = f"{start} {plain(words[depth], 'of that name')}".strip()
    hint = " ".join(filter(None, ["{lgp}", start, like.split(", ")[0], "--help"]))
    return UsageError(f"There is no command {missing}. {there}", hint=hint)


def parse(command: Command, words: Sequence[str]) -> argparse.Namespace:
    """The command's own arguments. UsageError for a word it does not know, with what it is called
    here."""
    made = parser(command)
    found, unknown = made.parse_known_args(words)
    for word in unknown:
        _refuse_elsewhere(word)
        raise _unknown_word(made, command, word.split("=")[0])
    return found


def _refuse_elsewhere(word: str) -> None:
    """UsageError for an option of another tool that has another name here."""
    flag = word.split("=")[0]
    if flag in options.ELSEWHERE:
        message = f"There is no option {flag}. Here it is {options.ELSEWHERE[flag]}."
        raise UsageError(message, code="not_in_api", hint="{lgp} --help options")


def _unknown_word(made: Parser, command: Command, word: str) -> UsageError:
    """Never suggests --yes: a mistyped option must not lead to the one that lets a delete
    through."""
    if not word.startswith("-"):
        where = "ids go behind --ids" if "--ids" in flags(made) else "values go behind options"
        return UsageError(f"{command.words} takes no further word; {where}.", hint=command.example)
    known = [*flags(made), *(f"--{one.name}" for one in options.OPTIONS if one.name != "yes")]
    like = near(word, known, least=0.6)
    guess = f"did you mean {like}?" if like else "its help names those there are."
    words = f"{command.words} has no option {plain(word.strip('-'), 'of that name')}; {guess}"
    return UsageError(words, hint=f"{{lgp}} {command.words} --help")


def parser(command: Command) -> Parser:
    """The parser of one command."""
    made = Parser(command.words)
    operation = operation_of(command)
    if command.words in ("schema", "completion"):
        made.add_argument("name", metavar="NAME", nargs="*", help="as in the example")
    if command.run == "imports.run":
        made.add_argument("file", metavar="FILE", help="csv, jsonl or json")
    elif operation:
        _add_ids(made, command, operation)
        for name, parameter in operation.filters().items():
            schema = {**parameter, **resolve(parameter["schema"])}
            _add_field(made, command, f"query_{name}", schema)
        if command.run != "login.login":  # its fields are EXTRA options
            _add_body(made, command, operation)
    for name in command.extra.split():
        made.add_argument(f"--{name}", **{"dest": name.replace("-", "_"), **EXTRA[name]})
    return made


def _add_ids(made: Parser, command: Command, operation: Operation) -> None:
    if command.ids in ("one", "many"):
        group = command.words.split()[0].split("-")[-1].rstrip("s").upper()
        noun, words = group, "its id, or name=NAME to look it up"
        if "jobId" in operation.parameters("path"):
            noun, words = "JOB", "the job's id"
        many = "+" if command.ids == "many" else None
        made.add_argument("path_id", metavar=noun, help=words, nargs=many)
    if command.ids == "flag" or operation.id_field():
        words = "ids, apart or with commas"
        made.add_argument("--ids", nargs="+", action="extend", metavar="LEAD", help=words)
        words = "ids from a file or - (lines, json, jsonl, or csv with a column id)"
        made.add_argument("--ids-from", metavar="FILE", help=words)


def _add_body(made: Parser, command: Command, operation: Operation) -> None:
    if operation.body and command.ids != "flag" and not operation.id_field():
        words = "the whole body; flags win over it"
        made.add_argument("--data", metavar="JSON|@FILE|-", help=words)
    for name, schema in operation.body_fields().items():
        if name != operation.id_field():
            required = name in operation.required and name not in command.defaults
            _add_field(made, command, f"body_{name}", schema, "(required)" if required else "")


def _add_field(made: Parser, command: Command, dest: str, schema: Schema, after: str = "") -> None:
    """The flags of one API field, with what its schema says: description, values, kind."""
    flags = flags_of(command, dest.partition("_")[2])
    text = schema.get("description", "").split(". ")[0].rstrip(".")
    words = [text, ", ".join(values_of(schema)), after]
    many = resolve(schema.get("items", {})).get("type") == "string"
    nested = schema.get("type") in ("object", "array") and not many
    metavar = "JSON" if nested else flags[0].rsplit("-", 1)[-1].upper()
    made.add_argument(
        *flags, dest=dest, metavar=metavar, help="; ".join(filter(None, words)),
        nargs="+" if many else None,
    )  # fmt: skip


def flags_of(command: Command, field: str) -> list[str]:
    """The flags of an API field: its name in kebab case, or those the row gives."""
    words = re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", field).replace("_", "-").lower()
    return command.flags.get(field, f"--{words}").split()


def values_of(schema: Schema) -> list[str]:
    """The values that a schema lists, for its field or its items."""
    values = schema.get("enum") or resolve(schema.get("items", {})).get("enum") or ()
    return [str(value) for value in values if value is not None]


def flags(made: Parser) -> list[str]:
    """Every flag of a parser."""
    return [flag for action in made._actions for flag in action.option_strings]


def option_groups(command: Command) -> set[str]:
    """Which global options do something for this command."""
    operation, found = operation_of(command), {"always", *command.groups.split()}
    if operation:
        found |= options.SENDING | ({"list", operation.paging} if operation.paging else set())
    return found
