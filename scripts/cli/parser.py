"""From words to a command and its arguments: the parser of one command is made from its row and
openapi.json."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from cli import options
from cli.commands import COMMANDS, EXTRA, EXTRA_FLAGS, MISSING, Command
from cli.options import Parser
from contract.operations import Operation, near, operations, resolve
from leadgenius.errors import UsageError

_HELP = ("-h", "--help")


def operation_of(command: Command) -> Operation | None:
    """The command's operation, None for a command without one."""
    return operations()[command.operation] if command.operation else None


def find(words: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that the first words name, and the words after it. UsageError says what is near
    or not there."""
    leading = []
    for word in words:
        if word.startswith("-"):
            break
        leading.append(word)
    if not leading:
        _refuse_elsewhere(words[0].split("=")[0] if words else "")
        raise UsageError("A command's words come before its own options.", hint="{lgp} --help")
    for length in range(min(len(leading), 3), 0, -1):
        text = " ".join(leading[:length])
        found = next((one for one in COMMANDS if one.words == text), None)
        longer = any(one.words.startswith(text + " ") for one in COMMANDS)
        if found and not (longer and len(leading) > length):
            return found, list(words[length:])
    raise _unknown(leading)


def in_group(words: str) -> list[Command]:
    """The commands that begin with `words`."""
    return [one for one in COMMANDS if one.words == words or one.words.startswith(words + " ")]


def _unknown(words: list[str]) -> UsageError:
    for length in (2, 1):
        missing = MISSING.get(" ".join(words[:length]))
        if missing:
            message = f"There is no command {' '.join(words[:length])}: this API has no such call."
            return UsageError(message, code="not_in_api", hint=missing)
    depth = 0
    while depth < len(words) and in_group(" ".join(words[: depth + 1])):
        depth += 1
    before = " ".join(words[:depth])
    rows = in_group(before) if depth else list(COMMANDS)
    known = [row.words.split()[depth] for row in rows if len(row.words.split()) > depth]
    known = list(dict.fromkeys(known))
    word = words[depth] if re.fullmatch(r"[\w.-]{1,40}", words[depth]) else "of that name"
    like = near(words[depth], known, least=0.6)
    start = f"{before} " if before else ""
    if like:
        message = f"There is no command {start}{word}. Did you mean {like}?"
        return UsageError(message, hint=f"{{lgp}} {start}{like.split(', ')[0]} --help")
    return UsageError(
        f"There is no command {start}{word}. There are: {', '.join(known)}.",
        hint=f"{{lgp}} {start}--help",
    )


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
    if command.words in ("schema", "completion"):
        made.add_argument(
            "name",
            metavar="NAME",
            nargs="*",
            help="campaigns.create, leads, Lead" if command.words == "schema" else "bash or zsh",
        )
    if command.run == "imports.run":
        made.add_argument("file", metavar="FILE", help="csv, jsonl or json")
    elif operation:
        _add_ids(made, command, operation)
        _add_filters(made, command, operation)
        _add_body(made, command, operation)
    if "dates" in command.groups:
        for name in ("start", "end"):
            made.add_argument(
                f"--{name}", dest=f"query_{name}Date", metavar="DATE", help=f"{name} of the period"
            )
    for name in command.extra.split():
        flag = EXTRA_FLAGS.get(name, f"--{name}")
        made.add_argument(flag, dest=name.replace("-", "_"), **EXTRA[name])
    return made


def _add_ids(made: Parser, command: Command, operation: Operation) -> None:
    if operation.parameters("path") and command.ids in ("one", "many"):
        noun = (
            "JOB"
            if "jobId" in operation.parameters("path")
            else command.words.split()[0].rstrip("s").split("-")[-1].upper()
        )
        many = {"nargs": "+"} if command.ids == "many" else {}
        words = "its id, or name=NAME to look it up" if noun != "JOB" else "the job's id"
        made.add_argument("path_id", metavar=noun, help=words, **many)  # type: ignore[arg-type]
    if command.ids == "flag" or operation.id_field():
        made.add_argument(
            "--ids", nargs="+", action="extend", metavar="LEAD", help="ids, apart or with commas"
        )
        words = "ids from a file or - (lines, json, jsonl, or csv with a column id)"
        made.add_argument("--ids-from", metavar="FILE", help=words)


def _add_filters(made: Parser, command: Command, operation: Operation) -> None:
    for name, parameter in operation.filters().items():
        if name == "companyId":  # an EXTRA option: it is found by itself
            continue
        schema = resolve(parameter["schema"])
        flags = flags_of(command, name)
        words = _described({**schema, "description": parameter.get("description", "")})
        made.add_argument(
            *flags, dest=f"query_{name}", metavar=_metavar(schema, flags[0]), help=words
        )


def _add_body(made: Parser, command: Command, operation: Operation) -> None:
    fields = operation.body_fields()
    if command.data and fields:
        made.add_argument(
            "--data", metavar="JSON|@FILE|-", help="the whole body; flags win over it"
        )
    for name, schema in fields.items():
        if name in (operation.id_field(), "leads") or command.run in ("login.login",):
            continue
        flags = flags_of(command, name)
        required = name in operation.required and name not in command.defaults
        many = {"nargs": "+"} if _takes_words(schema) else {}
        words = _described(schema) + (" (required)" if required else "")
        made.add_argument(
            *flags, dest=f"body_{name}", metavar=_metavar(schema, flags[0]), help=words, **many
        )  # type: ignore[arg-type]


def flags_of(command: Command, field: str) -> list[str]:
    """The flags of an API field: its name in kebab case, or those the row gives."""
    return command.flags[field].split() if field in command.flags else ["--" + kebab(field)]


def kebab(name: str) -> str:
    """`campaignId` and `client_id` as `campaign-id` and `client-id`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).replace("_", "-").lower()


def _takes_words(schema: dict[str, Any]) -> bool:
    return (
        schema.get("type") == "array" and resolve(schema.get("items", {})).get("type") == "string"
    )


def _metavar(schema: dict[str, Any], flag: str) -> str:
    kinds = {"integer": "N", "number": "N", "boolean": "true|false", "object": "JSON"}
    if schema.get("format") == "date":
        return "DATE"
    if schema.get("type") == "array" and not _takes_words(schema):
        return "JSON"
    kind = schema.get("type")
    return kinds.get(
        kind if isinstance(kind, str) else "", flag.lstrip("-").rsplit("-", 1)[-1].upper()
    )


def values_of(schema: dict[str, Any]) -> list[str]:
    """The values that a schema lists, for its field or its items."""
    values = schema.get("enum") or resolve(schema.get("items", {})).get("enum") or ()
    return [str(value) for value in values if value is not None]


def _described(schema: dict[str, Any]) -> str:
    text = str(schema.get("description", "")).split(". ")[0].rstrip(".")
    values = ", ".join(values_of(schema))
    return f"{text}: {values}" if text and values else text or values


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
    return UsageError(
        f"There is no option {shown} of {command.words}.{guess}",
        hint=f"{{lgp}} {command.words} --help",
    )


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


def option_groups(command: Command) -> frozenset[str]:
    """Which global options do something for this command."""
    found = {"always", *command.groups.split()}
    operation = operation_of(command)
    if operation:
        found |= options.SENDING
        if operation.paging:
            found |= {"list"} | ({"page"} if operation.paging == "page" else set())
    return frozenset(found)


def wants_help(words: Sequence[str]) -> bool:
    return any(word in _HELP for word in words)


def is_group(words: Sequence[str]) -> bool:
    """Whether the words are a group of commands and no command: its help is what is wanted."""
    text = " ".join(words)
    return bool(in_group(text)) and all(one.words != text for one in COMMANDS)
