"""The options: one table, from which the parsers, the variables, the help and completion are made.

Global ones stand before or after the command alike; the later one wins. An option that does nothing
for the command at hand is an error: whoever typed it expected something.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from leadgenius.errors import UsageError
from leadgenius.settings import seconds, switch


def number(text: str) -> int:
    """A whole number from 1 on. ValueError for anything else."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("it must be a whole number from 1 on.")
    return int(text)


def parts(text: str) -> list[str]:
    """What stands apart, or between commas; each once."""
    return list(dict.fromkeys(re.findall(r"[^,\s]+", text)))


class Option(NamedTuple):
    """`group` says which commands it serves; an API field that is given as a flag has none.

    Without a `metavar` it is a switch. `read` makes the value of a global option's text, `values`
    are all there are, `more` is for argparse.
    """

    name: str  # as in the arguments; two for a field with two flags
    group: str
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str
    values: Sequence[str] = ()
    more: Mapping[str, Any] = {}

    @property
    def flags(self) -> list[str]:
        """As typed: --max-items; none for the word after a command."""
        if self.group == "argument":
            return []
        words = self.name.replace("_", "-").split()
        return [f"--{word}" if len(word) > 1 else f"-{word}" for word in words]


# Groups of global options. What a command sends, prints or reads decides which serve it.
SENDING = frozenset({"always", "origin", "output", "send"})
GLOBAL = SENDING | {"list", "page", "wait", "yes"}
_KINDS = ("agent", "system")
OPTIONS = (
    # of single commands, typed behind their words
    Option("ids", "ids", "ids, apart or with commas", "LEAD",
           more={"nargs": "+", "action": "extend"}),
    Option("ids_from", "ids", "ids from a file or - (lines, json, jsonl, or csv with a column id)",
           "FILE"),
    Option("data", "body", "the whole body; flags win over it", "JSON|@FILE|-"),
    Option("ids_out", "change", "write the ids of what was made or changed there", "FILE"),
    Option("todo_out", "change", "write the ids that failed or are still to do there", "FILE"),
    Option("restart", "restart", "with --all --out: begin the export anew"),
    Option("email", "login", "the account (else LGP_EMAIL, else a prompt)", "ADDRESS"),
    Option("password", "login", "readable by others: prefer --password-stdin or LGP_PASSWORD",
           "PASSWORD"),
    Option("password_stdin", "login", "read the password from standard input"),
    Option("save", "login", "accepted for older scripts: the login is always saved"),
    Option("check", "check", "ask the server what the keys may do"),
    Option("keys", "keys", "drop the stored API keys too"),
    Option("scope", "scope", "agent (lgp_…) or system (da2-…)", "SCOPE",
           values=_KINDS, more={"required": True, "choices": _KINDS}),
    Option("show", "show", "print the key itself"),
    Option("no_store", "no-store", "store nothing (needs --show)"),
    Option("map", "import", 'e.g. "Work Email=email", "Name=firstName+lastName"', "COLUMN=FIELD",
           more={"action": "append"}),
    Option("encoding", "import", "of the file, when it is not UTF-8, e.g. cp1252", "NAME"),
    Option("client_id", "import", "the client of rows that name none", "ID"),
    Option("campaign_id", "import", "the campaign of rows that name none", "ID"),
    Option("skip_invalid", "import", "send the good rows although others are bad"),
    Option("one_by_one", "import", "one request a row, where batches are not stored"),
    Option("resend_unknown", "import", "send again what may have been stored"),
    Option("p param", "raw", "a query parameter; repeatable", "KEY=VALUE",
           more={"action": "append"}),
    Option("scope", "raw", "instead of the path's own: agent, system, admin, root", "SCOPE",
           more={"choices": ("auto", *_KINDS, "admin", "root")}),
    Option("include", "raw", "status and masked headers, on stderr"),
    Option("key", "raw", "readable by other processes: prefer LGP_API_KEY", "KEY"),
    # global ones; those that are always taken stand in people's aliases
    Option("sandbox", "always", "the local sandbox: no account, invented data"),
    Option("profile", "always", "another account, with its own credential file", "NAME"),
    Option("base_url", "origin", "another server than the saved one or production", "URL"),
    Option("format", "output", "one of json, jsonl, csv, table, ids", "FORMAT",
           values=("json", "jsonl", "csv", "table", "ids")),
    Option("fields", "output", "exactly these columns, in this order", "A,B", parts),
    Option("out", "output", "write to this .json, .jsonl or .csv file", "FILE", Path),
    Option("excel", "output", "csv with a byte-order mark, for Excel"),
    Option("csv_raw", "output", "leave csv cells that start like a formula as they are"),
    Option("all", "list", "every row, with the largest pages"),
    Option("max_items", "list", "at most this many rows", "N", number),
    Option("where", "list", "only rows where this holds: = != ~ > < >= <=", "FIELD=VALUE",
           more={"action": "append"}),
    Option("count", "list", "how many there are, exactly"),
    Option("count_by", "list", "how many of each value of these fields", "A,B", parts),
    Option("page", "page", "this page, counted from 1", "N", number),
    Option("page_size", "list", "rows a page (at most 100; bulk lists 5000)", "N", number),
    Option("wait", "wait", "follow the job to its end"),
    Option("wait_time", "wait", "longest to follow a job (600s; off a terminal 100s)", "TIME",
           seconds),
    Option("dry_run", "send", "print the request and stop; nothing is sent"),
    Option("read_only", "send", "send nothing but reads and a login"),
    Option("yes", "yes", "really delete; enrol, enrich, import over 25"),
    Option("no_check", "send", "send what our schema does not know"),
    Option("max_wait", "send", "longest sleep for any one request (default 75s)", "TIME",
           seconds),
    Option("max_time", "send", "longest the whole command may run", "TIME", seconds),
    Option("timeout", "send", "longest one request may take (default 60s)", "TIME",
           seconds),
    Option("quiet", "always", "no notes and no progress on stderr"),
    Option("verbose", "always", "show each attempt on stderr, secrets masked"),
)  # fmt: skip
# LGP_… stands in for these: none that confirms, redirects output or changes what a list means.
WITH_VARIABLE = frozenset(
    "sandbox profile base_url format read_only max_wait max_time timeout quiet no_check".split()  # noqa: SIM905
)
# Of each line one may be given.
_CONTRADICTIONS = (
    ("page", "all", "max_items", "count", "count_by"),
    ("page", "where"),
    ("quiet", "verbose"),
    ("sandbox", "base_url"),
)


class Parser(argparse.ArgumentParser):
    """argparse for these options, that raises our own error instead of leaving."""

    def __init__(self, prog: str, options: Iterable[Option]) -> None:
        # Without a width every start would import what finds the terminal's.
        shaped: Any = partial(argparse.HelpFormatter, width=80)
        super().__init__(prog, add_help=False, allow_abbrev=False, formatter_class=shaped)
        for one in options:
            value = {"metavar": one.metavar, **one.more}
            how = value if one.metavar else {"action": "store_true", "default": None}
            self.add_argument(*(one.flags or [one.name]), **how)

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
    for names in _CONTRADICTIONS:
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
