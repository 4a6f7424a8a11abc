"""From words to a command and its arguments: the parser of one command is made from its row and
openapi.json."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from cli.commands import COMMANDS, INSTEAD, Command
from cli.options import CONTRADICTIONS, GLOBAL, OPTIONS, SENDING, WITH_VARIABLE, Option
from cli.text import plain
from contract.operations import Operation, near, operations
from leadgenius.errors import UsageError
from leadgenius.settings import switch

# The flags of an API field, where they are not its name in kebab case.
_FLAGS = {
    "description": "desc description",
    "startDate": "start start-date",
    "endDate": "end end-date",
    "userEmail": "email user-email",
    "format": "report-format",  # --format is a global option
}
# The words after a command: their place in the arguments, and help.
_ID = ("path_id", "its id; that of a record also as name=NAME")
_ARGUMENTS = {
    "METHOD": ("method", "GET, POST, PUT or DELETE"),
    "ENDPOINT": ("endpoint", "/campaigns, campaigns, /api/agent/campaigns or a URL"),
    "FILE": ("file", "csv, jsonl or json"),
    "NAME": ("name", "as in the example"),
}


def flags(option: Option) -> list[str]:
    """As typed: --max-items; none for the word after a command."""
    if option.group == "argument":
        return []
    words = option.name.replace("_", "-").split()
    return [f"--{word}" if len(word) > 1 else f"-{word}" for word in words]


class _Parser(argparse.ArgumentParser):
    """argparse for these options, that raises our own error instead of leaving."""

    def __init__(self, prog: str, options: Iterable[Option]) -> None:
        # Without a width every start would import what finds the terminal's.
        shaped: Any = partial(argparse.HelpFormatter, width=80)
        super().__init__(prog, add_help=False, allow_abbrev=False, formatter_class=shaped)
        for one in options:
            value = {"metavar": one.metavar, **one.more}
            how = value if one.metavar else {"action": "store_true", "default": None}
            self.add_argument(*(flags(one) or [one.name]), **how)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"Wrong usage: {message}.", hint=f"{self.prog} --help")


def split(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[argparse.Namespace, list[str]]:
    """The global options with their variables, and the other words of the command line in their
    order.

    The namespace has every option's value (None when not given; times in seconds) and `typed`, the
    names typed.
    """
    taken = [one for one in OPTIONS if one.group in GLOBAL]
    found, rest = _Parser("{lgp}", taken).parse_known_args(argv)
    found.typed = {name for name, value in vars(found).items() if value is not None}
    for option in taken:
        text, source = getattr(found, option.name), f"--{option.name}".replace("_", "-")
        if text is None and option.name in WITH_VARIABLE:
            source = f"LGP_{option.name.upper()}"
            text = environ.get(source, "").strip() or None
        if isinstance(text, str):
            try:
                setattr(found, option.name, _value(option, text))
            except ValueError as error:
                hint = "{lgp} --help options"
                raise UsageError(f"{source}: {error}", code="invalid_input", hint=hint) from error
    _resolve(found)
    return found, rest


def _value(option: Option, text: str) -> Any:
    if not option.metavar:
        return switch(text)
    if option.values and text not in option.values:
        raise ValueError(f"it must be one of {', '.join(option.values)}.")
    if not text.strip(" ,"):
        raise ValueError("it must not be empty.")
    return option.read(text)


def _resolve(found: argparse.Namespace) -> None:
    """Of options that contradict each other a typed one wins over variables, or it is an error."""
    for names in CONTRADICTIONS:
        given = {name for name in names if getattr(found, name)}
        typed = given & found.typed
        if len(given) > 1 and len(typed) != 1:
            words = " and --".join(sorted(given)).replace("_", "-")
            raise UsageError(f"--{words} contradict each other.", hint="Give one of them.")
        for name in given - (typed or given):
            setattr(found, name, None)


def check_served(found: argparse.Namespace, served: Iterable[Option]) -> None:
    """UsageError for a global option that was typed and is none of those that do something."""
    for name in found.typed - {one.name for one in served}:
        words = f"--{name} does nothing for this command.".replace("_", "-")
        raise UsageError(words, hint="Leave it out.")


def begun(words: Sequence[str]) -> list[Command]:
    """The commands that begin with the words."""
    start = " ".join([*words, ""])
    return [one for one in COMMANDS if f"{one.words} ".startswith(start)]


def following(words: Sequence[str]) -> list[str]:
    """The words that may come next."""
    rest = [one.words.split()[len(words) :] for one in begun(words)]
    return list(dict.fromkeys(words[0] for words in rest if words))


def find(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    """The command that the first words name and the words after it; None for a group alone.
    UsageError says what is near, or what there is instead."""
    depth = 0
    while depth < len(words) and begun(words[: depth + 1]):
        depth += 1
    start, after = words[:depth], list(words[depth:])
    first = begun(start)[0]
    if first.words == " ".join(start):
        return first, after
    if after:
        raise refusal(" ".join(start), after[0], following(start))
    return None, []


def parse(command: Command, found: argparse.Namespace, words: Sequence[str]) -> argparse.Namespace:
    """`found` and the command's own arguments. UsageError for a word that it does not know, or for
    a global option that does nothing for it."""
    taken = takes(command)
    own = [one for one in taken if one.group not in GLOBAL]
    found, unknown = _Parser(f"{{lgp}} {command.words}", own).parse_known_args(words, found)
    if unknown:
        every = [flag for one in taken for flag in flags(one)]
        raise refusal(command.words, unknown[0], following(command.words.split()) + every)
    check_served(found, taken)
    return found


def refusal(before: str, word: str, known: Iterable[str]) -> UsageError:
    """What there is instead of a word, or what is near. Never --yes: a mistyped option must not
    lead to the one that lets a delete through."""
    name = word.split("=")[0]
    whole = f"{before} {name}".strip()
    instead = INSTEAD.get(whole) or INSTEAD.get(name)
    if instead:
        return UsageError(f"There is no {whole}.", code="not_in_api", hint=instead)
    names = [one for one in known if one != "--yes"]
    like = near(name, names)
    words = f"Did you mean {like}?" if like else f"It takes {', '.join(names)}."
    words = f"{before or 'lgp'} does not take {plain(name.strip('-'), 'this word')}. {words}"
    return UsageError(words, hint=f"{{lgp}} {before} --help".replace("  ", " "))


def takes(command: Command) -> list[Option]:
    """Everything that may be typed behind the words of a command: its arguments, the fields of its
    operation, and the options of its groups."""
    operation = operations().get(command.id)
    groups, taken = {"always", *command.groups.split()}, []
    for argument in command.argument.split():
        noun = argument.rstrip("+*")
        name, words = _ARGUMENTS.get(noun, _ID)
        many = argument[len(noun) :] or None
        taken.append(Option(name, "argument", words, noun, more={"nargs": many}))
    if operation:
        groups |= SENDING
        if operation.paging:
            groups |= {"list", operation.paging}
        if not groups & {"import", "login"}:
            taken += _fields(command, operation)
            if operation.body and "ids" not in groups:
                groups.add("body")
    return taken + [one for one in OPTIONS if one.group in groups]


def _fields(command: Command, operation: Operation) -> Iterator[Option]:
    """The API fields of a command: description, values and kind as their schema says."""
    query, body = operation.filters(), operation.body_fields()
    required = operation.body.get("required", ())
    body.pop(operation.id_field() or "", None)
    for name, schema in (query | body).items():
        kebab = re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).replace("_", "-").lower()
        items = schema.get("items", {})
        values = schema.get("enum") or items.get("enum", [])
        words = [schema["description"].split(". ")[0].rstrip("."), ", ".join(values)]
        if name in required and name not in command.defaults:
            words.append("(required)")
        many = "+" if items.get("type") == "string" else None
        nested = schema.get("type") in ("object", "array") and not many
        yield Option(
            _FLAGS.get(name, kebab),
            "",
            "; ".join(filter(None, words)),
            "JSON" if nested else kebab.rsplit("-", 1)[-1].upper(),
            values=values,
            more={"dest": f"{'query' if name in query else 'body'}_{name}", "nargs": many},
        )
