"""From words to a command and its arguments: the parser of one command is made from its row and
openapi.json."""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from cli.commands import COMMANDS, INSTEAD, Command
from cli.options import CONTRADICTIONS, GLOBAL, OPTIONS, SENDING, WITH_VARIABLE, Option
from cli.text import plain
from contract.operations import Operation, near, operations
from leadgenius.errors import UsageError
from leadgenius.settings import switch

# The flags of an API field, where they are not its name in kebab case.
_FLAGS = {
    "description": "--desc --description",
    "startDate": "--start --start-date",
    "endDate": "--end --end-date",
    "userEmail": "--email --user-email",
    "format": "--report-format",  # --format is a global option
}


class Parser(argparse.ArgumentParser):
    """argparse for these options, that raises our own error instead of leaving."""

    def __init__(self, prog: str, options: Iterable[Option]) -> None:
        super().__init__(
            prog,
            add_help=False,
            allow_abbrev=False,
            # Without a width every start would import what finds the terminal's.
            formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80),
        )
        shown = self.add_argument_group("it takes")
        for one in options:
            value = {"metavar": one.metavar, **one.more}
            how = value if one.metavar else {"action": "store_true", "default": None}
            shown.add_argument(*one.name.split(), help=one.help, **how)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"Wrong usage: {message}.", hint=f"{self.prog} --help")


def split(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[argparse.Namespace, list[str]]:
    """The global options with their variables, and the other words of the command line in their
    order.

    The namespace has every option's value (None when not given; times in seconds) and `typed`, the
    names typed.
    """
    taken = [one for one in OPTIONS if one.group in GLOBAL]
    found, rest = Parser("{lgp}", taken).parse_known_args(argv)
    found.typed = {name for name, value in vars(found).items() if value is not None}
    for names in CONTRADICTIONS:
        given = [f"--{name}".replace("_", "-") for name in names if name in found.typed]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} contradict each other.", "Give one of them.")
    for option in taken:
        source = option.name.split()[-1]
        name = source[2:].replace("-", "_")
        text = getattr(found, name)
        if text is None and name in WITH_VARIABLE:
            source = f"LGP_{name.upper()}"
            text = environ.get(source, "").strip() or None
        if isinstance(text, str):
            try:
                setattr(found, name, _value(option, text))
            except ValueError as error:
                hint = "{lgp} --help options"
                raise UsageError(f"{source}: {error}", hint, code="invalid_input") from error
    return found, rest


def _value(option: Option, text: str) -> Any:
    if not option.metavar:
        return switch(text)
    if option.values and text not in option.values:
        raise ValueError(f"it must be one of {', '.join(option.values)}.")
    if not text.strip(" ,"):
        raise ValueError("it must not be empty.")
    return option.read(text)


def check_served(found: argparse.Namespace, served: Iterable[Option]) -> None:
    """UsageError for a global option that was typed and is none of those that do something."""
    known = flags(served)
    for name in found.typed:
        flag = f"--{name}".replace("_", "-")
        if flag not in known:
            raise UsageError(f"{flag} does nothing for this command.", "Leave it out.")


def flags(options: Iterable[Option]) -> list[str]:
    """Options as they are typed, without the words after a command."""
    return [flag for one in options for flag in one.name.split() if flag[0] == "-"]


def following(words: Sequence[str]) -> list[str]:
    """The words that may come next behind these first words of a command."""
    start = " ".join([*words, ""])
    rest = [one.words[len(start) :] for one in COMMANDS if one.words.startswith(start)]
    return list(dict.fromkeys(words.split()[0] for words in rest))


def find(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    """The command that the first words name and the words after it; None for a group alone.
    UsageError says what is near, or what there is instead."""
    start, after = list[str](), list(words)
    while after and after[0] in following(start):
        start.append(after.pop(0))
    named = " ".join(start)
    command = next((one for one in COMMANDS if one.words == named), None)
    if after and not command:
        raise refusal(named, after[0], following(start))
    return command, after


def parse(command: Command, found: argparse.Namespace, words: Sequence[str]) -> argparse.Namespace:
    """`found` and the command's own arguments. UsageError for a word that it does not know, or for
    a global option that does nothing for it."""
    taken = takes(command)
    own = [one for one in taken if one.group not in GLOBAL]
    found, unknown = Parser(f"{{lgp}} {command.words}", own).parse_known_args(words, found)
    if unknown:
        known = following(command.words.split()) + flags(taken)
        raise refusal(command.words, unknown[0], known)
    check_served(found, taken)
    return found


def refusal(before: str, word: str, known: Iterable[str]) -> UsageError:
    """What is near a word that is not known, or there instead of it. Never --yes: a mistyped option
    must not lead to the one that lets a delete through."""
    name = word.split("=")[0]
    bare = name.lstrip("-")
    shown = name.removesuffix(bare) + plain(bare, "such word")
    message = f"There is no {before or 'command'} {shown}."
    instead = INSTEAD.get(f"{before} {name}".strip()) or INSTEAD.get(name)
    if instead:
        return UsageError(message, instead, code="not_in_api")
    names = [one for one in known if one != "--yes"]
    like = near(name, names) or ", ".join(names)
    return UsageError(f"{message} There is {like}.", f"{{lgp}} --help {before}".strip())


def takes(command: Command) -> list[Option]:
    """Everything that may be typed behind the words of a command: the options of its groups, and
    the fields of its operation."""
    operation, fields = operations().get(command.id), list[Option]()
    groups = {"always", *command.groups.split()}
    if operation:
        groups |= SENDING
        if operation.paging:
            groups |= {"list", operation.paging}
        if not groups & {"import", "login"}:
            fields += _fields(command, operation)
            if operation.body and "ids" not in groups:
                groups.add("body")
    return fields + [one for one in OPTIONS if one.group in groups]


def _fields(command: Command, operation: Operation) -> Iterator[Option]:
    """The API fields of a command: description, values and kind as their schema says."""
    query, body = operation.filters(), operation.body_fields()
    of_ids = operation.id_field()
    required = {*operation.body.get("required", ())} - command.defaults.keys()
    for name, schema in (query | body).items():
        if name == of_ids:  # --ids gives them
            continue
        kebab = re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).replace("_", "-").lower()
        items = schema.get("items", {})
        values = schema.get("enum") or items.get("enum", ())
        place = "query" if name in query else "body"
        many = "+" if items.get("type") == "string" else None
        yield Option(
            _FLAGS.get(name, f"--{kebab}"),
            "",
            f"{schema['description']} {', '.join(values)}" + " (required)" * (name in required),
            kebab.split("-")[-1].upper(),
            values=values,
            more={"dest": f"{place}_{name}", "nargs": many},
        )
