"""The global options: one table, from which the parser, the variables, the help and the checks are
made.

They stand before or after the command alike; the later one wins. An option that does nothing for
the command at hand
is an error: whoever typed it expected something.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from leadgenius import settings
from leadgenius.errors import UsageError

FORMATS = ("json", "jsonl", "csv", "table", "ids")


def number(text: str) -> int:
    """A whole number from 1 on. ValueError for anything else."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("a whole number from 1 on")
    return int(text)


def some_seconds(text: str) -> float:
    """A time longer than 0, in seconds."""
    value = settings.seconds(text)
    if value <= 0:
        raise ValueError("a time longer than 0")
    return value


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a value that is not empty")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(_text(text.replace(",", " ")).split()))


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError("one of " + ", ".join(FORMATS))
    return text


class Option(NamedTuple):
    """`group` says which commands it serves; `read` makes the value of its text, None for a
    switch."""

    name: str
    group: str
    help: str
    read: Callable[[str], Any] | None = None
    metavar: str = ""


OPTIONS = (
    # always: people have them in aliases
    Option("sandbox", "always", "the local sandbox: no account, invented data"),
    Option("profile", "always", "another account, with its own credential file", _text, "NAME"),
    Option("base-url", "origin", "another server than the saved one or production", _text, "URL"),
    Option("format", "output", f"one of {', '.join(FORMATS)}",
           _format, "FORMAT"),
    Option("fields", "output", "exactly these fields, in this order", _names, "A,B,C.D"),
    Option("out", "output", "write to this .json, .jsonl or .csv file",
           _path, "FILE"),
    Option("excel", "output", "csv with a byte-order mark, for Excel"),
    Option("csv-raw", "output", "leave csv cells that start like a formula as they are"),
    Option("all", "list", "every row, with the largest pages"),
    Option("max-items", "list", "at most this many rows", number, "N"),
    Option("where", "list", "only rows where this holds: = != ~ > < >= <=",
           _text, "FIELD=VALUE"),
    Option("count", "list", "how many there are, exactly"),
    Option("count-by", "list", "how many of each value of these fields", _names, "A,B"),
    Option("page", "page", "this page, counted from 1", number, "N"),
    Option("page-size", "list", "rows a page (at most 100; bulk lists 5000)", number, "N"),
    Option("wait", "wait", "follow the job to its end"),
    Option("wait-time", "wait", "longest to follow a job (600s; off a terminal 100s)",
           some_seconds, "TIME"),
    Option("dry-run", "send", "print the request and stop; nothing is sent"),
    Option("read-only", "send", "send nothing but reads and a login"),
    Option("yes", "yes", "really delete; enrol, enrich, import over 25"),
    Option("no-check", "send", "send what our schema does not know"),
    Option("max-wait", "send", "longest sleep for any one request (default 75s)",
           settings.seconds, "TIME"),
    Option("max-time", "send", "longest the whole command may run", some_seconds, "TIME"),
    Option("timeout", "send", "longest one request may take (default 60s)", some_seconds, "TIME"),
    Option("quiet", "always", "no notes and no progress on stderr"),
    Option("verbose", "always", "show each attempt on stderr, secrets masked"),
)  # fmt: skip
# LGP_… stands in for these: none that confirms, redirects output or changes what a list means.
WITH_VARIABLE = frozenset(
    "sandbox profile base_url format read_only max_wait max_time timeout quiet no_check".split()  # noqa: SIM905
)
SENDING = frozenset({"always", "origin", "output", "send"})

# What users of other tools type, and what it is called here.
ELSEWHERE = {
    "--limit": "--max-items N for at most N rows, --page-size N for one page",
    "--per-page": "--page-size N",
    "--json": "--format json",
    "--output": "--out FILE for a file, --format for the format",
    "-o": "--out FILE for a file, --format for the format",
    "--paginate": "--all",
    "--cursor": "--all, which follows the cursors; with --out it resumes",
    "--filter": "--where FIELD=VALUE",
    "--jq": "--fields and --where, or pipe the JSON into jq",
    "--api-key": "export LGP_API_KEY=…, or: auth save-key --scope agent",
    "--token": "export LGP_API_KEY=…, or: auth --email YOU",
    "--force": "--yes",
    "-y": "--yes",
    "-d": "--data",
}


class Parser(argparse.ArgumentParser):
    """argparse that raises our own error instead of leaving, and asks for no terminal's width."""

    def __init__(self, prog: str = "") -> None:
        width: Any = partial(argparse.HelpFormatter, width=80)
        super().__init__(prog, add_help=False, allow_abbrev=False, formatter_class=width)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.")


def global_parser() -> Parser:
    """A parser that takes the global options from anywhere and leaves everything else."""
    made = Parser()
    for option in OPTIONS:
        how: dict[str, Any] = {"action": "append" if option.name == "where" else "store"}
        if option.read is None:
            how = {"action": "store_true", "default": None}
        made.add_argument(f"--{option.name}", **how)
    return made


def split(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[argparse.Namespace, list[str]]:
    """The global options with their variables, and the other words of the command line in their
    order.

    The namespace has every option's value (None when not given; times in seconds) and `typed`, the
    names typed.
    """
    try:
        "".join(argv).encode()
    except UnicodeEncodeError as error:
        words = "The command line holds bytes that are not UTF-8."
        raise UsageError(words, code="invalid_input") from error
    found, rest = global_parser().parse_known_args(argv)
    found.typed = {name for name, value in vars(found).items() if value is not None}
    for option in OPTIONS:
        name, dest = f"--{option.name}", option.name.replace("-", "_")
        text = getattr(found, dest)
        if text is None and dest in WITH_VARIABLE:
            name = f"LGP_{dest.upper()}"
            text = environ.get(name, "").strip() or None
        if text is not None:
            setattr(found, dest, _value(option, text, name))
    _resolve(found)
    return found, rest


def _value(option: Option, text: Any, name: str) -> Any:
    try:
        if option.read is None:
            return text is True or settings.switch(text, name)
        return [_text(one) for one in text] if isinstance(text, list) else option.read(text)
    except ValueError as error:
        words = str(error) if name in str(error) else f"{name} takes {error}."
        raise UsageError(words, code="invalid_input") from error


_CONTRADICTIONS = (
    "all page", "max_items page", "where page", "count page", "count_by page", "all max_items",
    "count all", "count_by all",
    "count max_items", "count count_by", "quiet verbose", "sandbox base_url",
)  # fmt: skip


def _resolve(found: argparse.Namespace) -> None:
    """Of two options that contradict each other a typed one wins over a variable; both typed are an
    error."""
    for pair in _CONTRADICTIONS:
        names = pair.split()
        if not all(getattr(found, name) for name in names):
            continue
        others = [name for name in names if name not in found.typed]
        if len(others) != 1:
            words = " and --".join(names).replace("_", "-")
            raise UsageError(f"--{words} contradict each other.", hint="Leave out one of the two.")
        setattr(found, others[0], None)


def check_served(found: argparse.Namespace, groups: Collection[str]) -> None:
    """UsageError for an option that does nothing for a command that serves `groups`."""
    for option in OPTIONS:
        typed = option.name.replace("-", "_") in found.typed
        if typed and option.group not in groups:
            words = f"--{option.name} does nothing for this command."
            raise UsageError(words, hint=f"Leave out --{option.name}.")
