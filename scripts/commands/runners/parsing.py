"""From argv to a call: which row is meant, and the parser made from it.

Each row gets one flat parser, so global options stand before, between or after the command's words alike.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from commands.runners.rows import Row
from console import options
from console.catalog import Operation, near, near_flag, resolve
from leadgenius.errors import UsageError

# The first word of a command → the module of its rows. Only the module asked for is imported.
GROUPS: Mapping[str, tuple[str, str]] = {
    "auth": ("auth", "log in, see and drop credentials"),
    "generate-key": ("keys", "make an API key and store it"),
    "keys": ("keys", "list, make and rotate API keys"),
    "leads": ("leads", "list, create, qualify, enrich and delete leads"),
    "enrich-leads": ("leads", "all enriched leads of a company, in bulk"),
    "source-leads": ("leads", "all source leads of a company, in bulk"),
    "enrichment": ("leads", "follow enrichment and other jobs"),
    "campaigns": ("campaigns", "ABM campaigns and their metrics"),
    "target-accounts": ("accounts", "target accounts and their scores"),
    "sequences": ("outreach", "outreach sequences and enrolment"),
    "workflows": ("automation", "automated workflows and hand-offs"),
    "integrations": ("automation", "connections to other platforms"),
    "webhooks": ("automation", "calls to your own server on events"),
    "pipeline": ("analytics", "the funnel of a period"),
    "analytics": ("analytics", "trends and reports"),
    "maintenance": ("maintenance", "bug reports and enhancement requests"),
    "admin": ("admin", "companies and users (Master Admin)"),
    "schema": ("local", "look an operation or a record up, offline"),
    "limits": ("local", "the request log shared by all processes"),
    "completion": ("local", "completion for bash, zsh or fish"),
}


class Parser(argparse.ArgumentParser):
    """argparse that raises our own error instead of leaving."""

    example = ""

    def shown(self) -> list[argparse.Action]:
        """The options and words that the help shows: those that do something here."""
        return [action for action in self._actions if action.help != argparse.SUPPRESS]

    def destinations(self) -> set[str]:
        return {action.dest for action in self._actions}

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", hint=self.example)


@dataclass(frozen=True)
class Found:
    """The row that argv means, and the words that are left for its parser."""

    row: Row
    rest: list[str]


def rows_of(group: str) -> list[Row]:
    """Every row whose first word is `group`."""
    return [row for row in module_of(group).ROWS if row.words[0] == group]


def module_of(group: str) -> Any:
    """The module that holds the rows of `group`."""
    return importlib.import_module(f"commands.{GROUPS[group][0]}")


def all_rows() -> list[Row]:
    """Every row of every group: for help, completion and tests."""
    return [row for group in GROUPS for row in rows_of(group)]


def find(argv: Sequence[str]) -> Found:
    """The row meant by argv. UsageError names the nearest for an unknown one, or says what this API cannot do."""
    positions = _words(argv)
    words = [argv[position] for position in positions]
    if not words:
        _refuse_elsewhere(argv[0] if argv else "", "{lgp} --help")
        raise UsageError("No command was given; its words come before its own options.", hint="{lgp} --help")
    if words[0] not in GROUPS:
        raise _unknown(words[0], list(GROUPS), "")
    rows = rows_of(words[0])
    for length in range(min(len(words), 3), 0, -1):
        match = next((row for row in rows if row.words == tuple(words[:length])), None)
        if match and not _misspelt(match, rows, words[length:]):
            used = set(positions[:length])
            return Found(match, [word for position, word in enumerate(argv) if position not in used])
    raise _no_row(words, rows)


def _misspelt(row: Row, rows: list[Row], rest: list[str]) -> bool:
    """A word after a row that takes none, where longer commands exist: `auth logut`."""
    longer = any(len(other.words) > len(row.words) for other in rows)
    return longer and bool(rest) and not row.ids


def _words(argv: Sequence[str]) -> list[int]:
    """Where the command's words stand: global options and their values are passed over."""
    found: list[int] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        if options.takes_value(word):
            position += 1
        elif not word.startswith("-"):
            found.append(position)
        elif not _is_global(word):
            break
        position += 1
    return found


def _is_global(word: str) -> bool:
    return any(word.split("=", 1)[0] == f"--{option.name}" for option in options.OPTIONS)


def _no_row(words: list[str], rows: list[Row]) -> UsageError:
    missing: Mapping[tuple[str, ...], str] = getattr(module_of(words[0]), "MISSING", {})
    if tuple(words[:2]) in missing:
        return UsageError(
            f"This API has no such call as {' '.join(words[:2])}.", code="not_in_api", hint=missing[tuple(words[:2])]
        )
    depth = 1
    while depth < len(words) and any(row.words[: depth + 1] == tuple(words[: depth + 1]) for row in rows):
        depth += 1
    before = tuple(words[:depth])
    known = list(
        dict.fromkeys(row.words[depth] for row in rows if row.words[:depth] == before and len(row.words) > depth)
    )
    if depth < len(words):
        return _unknown(words[depth], known, " ".join(before) + " ")
    return UsageError(
        f"{' '.join(before)} needs one more word: {', '.join(known)}. A command's own options come after its words.",
        hint=f"{{lgp}} {' '.join(before)} --help",
    )


def _unknown(word: str, known: list[str], before: str) -> UsageError:
    like = near(word, known)
    shown = word if re.fullmatch(r"[\w.-]{1,40}", word) else "that"
    message = f"There is no command {before}{shown}."
    if like:
        return UsageError(f"{message} Did you mean {like}?", hint=f"{{lgp}} {before}{like.split(', ')[0]} --help")
    return UsageError(f"{message} There are: {', '.join(known)}.", hint=f"{{lgp}} {before}--help")


def parser(row: Row) -> Parser:
    """The parser of one row, made from its facts."""
    made = Parser(
        prog=f"lgp.py {row.name}",
        description=_described(row),
        epilog=f"example:\n  {row.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.example = row.example
    own = made.add_argument_group("options of this command")
    if row.operation:
        _add_path(made, row)
        _add_filters(own, row)
        _add_body(own, row)
    if row.arguments:
        row.arguments(made)
    options.add(made, row.option_groups())
    return made


def _described(row: Row) -> str:
    if row.operation is None:
        return row.summary
    spec = row.spec
    return f"{row.summary}.\n\n{spec.spec.get('description', '')}\n\n{spec.method} {spec.path}   effect: {spec.effect}"


def parse(row: Row, rest: Sequence[str]) -> argparse.Namespace:
    """The options of a row. UsageError for a word that it does not know, with what it is called here."""
    made = parser(row)
    known, unknown = made.parse_known_args(list(rest))
    if unknown:
        raise _unknown_option(made, row, unknown[0])
    return known


def _refuse_elsewhere(word: str, hint: str) -> None:
    """UsageError for an option of another tool that has another name here."""
    name = word.split("=", 1)[0]
    if name in options.ELSEWHERE:
        raise UsageError(f"There is no option {name}. Here it is {options.ELSEWHERE[name]}.", hint=hint)


def _unknown_option(made: Parser, row: Row, word: str) -> UsageError:
    name = word.split("=", 1)[0]
    hint = f"{{lgp}} {row.name} --help"
    _refuse_elsewhere(name, hint)
    if not name.startswith("-"):
        where = (
            "ids go behind --ids" if row.ids == "flag" or "ids" in made.destinations() else "values go behind options"
        )
        return UsageError(f"{row.name} takes no further word; {where}.", hint=row.example)
    like = near_flag(name, [flag for action in made.shown() for flag in action.option_strings])
    shown = name if re.fullmatch(r"[\w-]{1,40}", name) else "like that"
    return UsageError(f"There is no option {shown}.{f' Did you mean {like}?' if like else ''}", hint=hint)


def _add_path(made: Parser, row: Row) -> None:
    for name in row.spec.parameters("path"):
        shown = {"id": "ID", "jobId": "JOB"}[name]
        if row.words[0] == "sequences":
            shown = "SEQUENCE"
        if row.ids == "one":
            made.add_argument("path_id", metavar=shown, help="the record's id")
        elif row.ids == "many":
            made.add_argument("path_id", metavar=shown, nargs="+", help="one id or several")
    if row.ids == "flag" or row.spec.id_field():
        noun = "LEAD"
        made.add_argument(
            "--ids", nargs="+", action="extend", metavar=noun, help="ids, apart or with commas between them"
        )
        made.add_argument(
            "--ids-from", metavar="FILE", help="ids from a file or - (lines, JSON, jsonl or csv with a column id)"
        )
    if row.ids in ("many", "flag") or row.spec.id_field():
        made.add_argument("--ids-out", metavar="FILE", help="write the ids that are still to do there")


def _add_filters(own: Any, row: Row) -> None:
    for name, parameter in row.spec.filters().items():
        schema = resolve(parameter["schema"])
        names = flags_of(row, name)
        own.add_argument(
            *names, dest=f"query_{name}", metavar=_metavar(schema, names[0]), help=_helped(schema, parameter)
        )


def _add_body(own: Any, row: Row) -> None:
    fields = row.spec.body_fields()
    if not fields:
        return
    if row.data:
        own.add_argument("--data", metavar="JSON|@FILE|-", help="the whole body; flags win over it")
    for name, schema in fields.items():
        if name != row.spec.id_field():
            many = {"nargs": "+"} if schema.get("type") == "array" and _takes_words(schema) else {}
            names = flags_of(row, name)
            needed = (
                " (required)" if name in (row.spec.body or {}).get("required", ()) and name not in row.defaults else ""
            )
            own.add_argument(
                *names,
                dest=f"body_{name}",
                metavar=_metavar(schema, names[0]),
                help=_helped(schema, schema) + needed,
                **many,
            )


def flags_of(row: Row, field: str) -> tuple[str, ...]:
    """The flags of an API field: its kebab-case name, and the short ones the row adds or puts in its place."""
    return row.flags.get(field) or ("--" + kebab(field),)


def kebab(name: str) -> str:
    """`campaignId` and `client_id` as `campaign-id` and `client-id`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).replace("_", "-").lower()


def _takes_words(schema: dict[str, Any]) -> bool:
    return resolve(schema.get("items", {})).get("type") == "string"


def _metavar(schema: dict[str, Any], flag: str) -> str:
    kinds = {"integer": "N", "number": "N", "boolean": "true|false", "object": "JSON"}
    if schema.get("format") == "date":
        return "YYYY-MM-DD"
    if schema.get("type") == "array" and not _takes_words(schema):
        return "JSON"
    kind = schema.get("type")
    return kinds.get(kind if isinstance(kind, str) else "", flag.lstrip("-").rsplit("-", 1)[-1].upper())


def _helped(schema: dict[str, Any], described: dict[str, Any]) -> str:
    text = str(described.get("description") or schema.get("description") or "").rstrip(".")
    values = schema.get("enum") or resolve(schema.get("items", {})).get("enum")
    if values:
        text += ": " + ", ".join(str(value) for value in values if value is not None)
    return text.replace("%", "%%")


def groups_of(operation: Operation) -> frozenset[str]:
    """The option groups of a bare operation, as api_call.py needs them."""
    found = set(options.SENDING)
    return frozenset(found | {"list", operation.paging} if operation.paging else found)
