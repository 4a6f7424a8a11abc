"""The global options: one table, from which the parser, the variables, the settings and the help are made.

Each stands before or after the command alike; the later one wins; each has a variable LGP_<NAME>. An option that
does nothing for the command at hand is an error: whoever typed it expected something.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from leadgenius.errors import UsageError

FORMATS = ("json", "jsonl", "csv", "table", "ids")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_SECONDS = 31_536_000.0


@dataclass(frozen=True)
class Settings:
    """The options of one run, variables included. Times are seconds; None means not given."""

    base_url: str | None = None
    sandbox: bool = False
    format: str | None = None
    fields: tuple[str, ...] | None = None
    no_check: bool = False
    all: bool = False
    max_items: int | None = None
    page: int | None = None
    page_size: int | None = None
    cursor: str | None = None
    count: bool = False
    out: Path | None = None
    dry_run: bool = False
    read_only: bool = False
    yes: bool = False
    max_wait: float = 75.0
    max_time: float | None = None
    timeout: float = 60.0
    wait: bool = False
    wait_time: float = 600.0
    csv_raw: bool = False
    quiet: bool = False
    verbose: bool = False
    given: frozenset[str] = frozenset()  # names typed on the command line


def seconds(text: str) -> float:
    """`90`, `90s`, `40m`, `2h` in seconds. ValueError for anything else."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smh]?)", text.strip())
    if not found:
        raise ValueError("a time such as 90, 90s, 40m or 2h")
    return min(float(found[1]) * _UNITS[found[2]], _LONGEST_SECONDS)


def _some_seconds(text: str) -> float:
    value = seconds(text)
    if value <= 0 or math.isnan(value):
        raise ValueError("a time longer than 0")
    return value


def number(text: str) -> int:
    """A whole number from 1 on. ValueError for anything else."""
    if not re.fullmatch(r"[0-9]{1,9}", text.strip()) or int(text) < 1:
        raise ValueError("a whole number from 1 on")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("field names with commas between them")
    return tuple(dict.fromkeys(names))


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError("one of " + ", ".join(FORMATS))
    return text


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("a value that is not empty")
    return text


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ValueError("the name of a file")
    return Path(text)


@dataclass(frozen=True)
class Option:
    """`group` says which commands it serves; `read` makes the value of its text, None for a switch."""

    name: str
    group: str
    help: str
    read: Callable[[str], Any] | None = None
    metavar: str = ""

    @property
    def variable(self) -> str:
        return "LGP_" + self.name.upper().replace("-", "_")

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")


OPTIONS = (
    Option("base-url", "origin", "origin to talk to, instead of the saved one or production", _some_text, "URL"),
    Option("sandbox", "sandbox", "use the embedded local service: no account, no network, invented data"),
    Option("format", "output", f"{', '.join(FORMATS)} (default json; table on a terminal)", _format, "FORMAT"),
    Option("fields", "output", "exactly these fields, in this order", _names, "A,B,C.D"),
    Option("csv-raw", "output", "leave CSV cells that start like a formula as they are"),
    Option("out", "output", "write to this file; .json, .jsonl or .csv decides the format", _path, "FILE"),
    Option("no-check", "checked", "send what our schema does not know"),
    Option("all", "list", "every page, with the largest page size"),
    Option("max-items", "list", "stop after this many rows", number, "N"),
    Option("page", "page", "this page, counted from 1", number, "N"),
    Option("page-size", "list", "rows a page (at most 100; bulk lists 5000)", number, "N"),
    Option("cursor", "cursor", "go on from this nextToken", _some_text, "T"),
    Option("count", "list", "only how many there are"),
    Option("dry-run", "rehearsal", "print the request and stop; nothing is sent, no credential is needed"),
    Option("read-only", "network", "send nothing but reads and a login"),
    Option("yes", "yes", "really delete, or enrol more than 25 leads"),
    Option("max-wait", "network", "longest sleep for any one request (default 75s)", seconds, "TIME"),
    Option("max-time", "network", "longest the whole command may run", _some_seconds, "TIME"),
    Option("timeout", "network", "longest one request may take (default 60s)", _some_seconds, "TIME"),
    Option("wait", "wait", "follow the job to its end"),
    Option("wait-time", "wait", "longest to follow a job (default 600s)", _some_seconds, "TIME"),
    Option("quiet", "always", "no notes and no progress on stderr"),
    Option("verbose", "always", "show each attempt, secrets masked"),
)
SENDING = frozenset({"always", "output", "sandbox", "origin", "network", "rehearsal", "checked"})

# What users of other tools type, and what it is called here.
ELSEWHERE = {
    "--limit": "--page-size N for one page, --max-items N for at most N rows",
    "--per-page": "--page-size N",
    "--json": "--format json",
    "--csv": "--format csv",
    "--jsonl": "--format jsonl",
    "--output": "--out FILE for a file, --format for the form",
    "-o": "--out FILE for a file, --format for the form",
    "--paginate": "--all",
    "--offset": "--page N",
    "--jq": "--fields, or pipe the JSON into jq",
    "--api-key": "export LGP_API_KEY=…, or: auth save-key --scope agent",
    "--token": "export LGP_API_KEY=…, or: auth --email YOU",
    "--force": "--yes",
    "-y": "--yes",
    "-f": "--yes for deletes, --data @FILE for a body",
    "--file": "--data @FILE",
    "-d": "--data",
    "-q": "--quiet",
    "-v": "--verbose",
}


def add(parser: argparse.ArgumentParser, served: Iterable[str]) -> None:
    """Add every global option to `parser`; its help shows those of the groups `served`.

    The others are understood too, so that `settings` can say that they do nothing here.
    """
    groups = set(served)
    group = parser.add_argument_group("global options (before or after the command; each also as LGP_<NAME>)")
    for option in OPTIONS:
        flag = f"--{option.name}"
        words = option.help if option.group in groups else argparse.SUPPRESS
        if option.read is None:
            group.add_argument(flag, dest=_dest(option), action="store_true", default=None, help=words)
        else:
            group.add_argument(flag, dest=_dest(option), metavar=option.metavar, help=words)


def _dest(option: Option) -> str:
    return f"global_{option.field}"


def takes_value(word: str) -> bool:
    """Whether `word` is a global option whose value is the next word."""
    return any(word == f"--{option.name}" and option.read for option in OPTIONS)


def settings(arguments: argparse.Namespace, environ: Mapping[str, str], groups: Iterable[str]) -> Settings:
    """The settings of one run. UsageError for a bad value, an option that does nothing here, or two that contradict."""
    served = set(groups)
    values: dict[str, Any] = {}
    given: set[str] = set()
    for option in OPTIONS:
        typed = getattr(arguments, _dest(option), None)
        if typed is not None:
            given.add(option.name)
            if option.group not in served:
                raise UsageError(f"--{option.name} does nothing for this command.", hint=f"Leave out --{option.name}.")
            values[option.field] = True if option.read is None else _read(option, typed, f"--{option.name}")
        elif environ.get(option.variable, "").strip() and option.group in served:
            values[option.field] = _from_variable(option, environ[option.variable].strip())
    _settle(values, given)
    made = Settings(**values, given=frozenset(given))
    if made.sandbox and "base-url" in made.given:
        raise UsageError("--sandbox is a service of its own; it takes no --base-url.", hint="Leave out one of the two.")
    return made


def _read(option: Option, text: str, name: str) -> Any:
    assert option.read is not None
    try:
        return option.read(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name} takes {error}.", code="invalid_input") from error


def _from_variable(option: Option, text: str) -> Any:
    return switch(text, option.variable) if option.read is None else _read(option, text, option.variable)


def switch(text: str, name: str) -> bool:
    """1/true/yes/on or 0/false/no/off. UsageError for anything else: a misspelt safety switch must not be lost."""
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("", "0", "false", "no", "off"):
        return False
    raise UsageError(f"{name} takes 1, true, yes, on or 0, false, no, off.", code="invalid_input")


_CONTRADICTIONS = (
    ("all", "page"),
    ("all", "cursor"),
    ("all", "max_items"),
    ("count", "page"),
    ("count", "cursor"),
    ("count", "max_items"),
    ("count", "page_size"),
    ("count", "fields"),
    ("page", "max_items"),
    ("quiet", "verbose"),
)


def _settle(values: dict[str, Any], given: set[str]) -> None:
    """Of two options that contradict each other a typed one wins over a variable; both typed are an error."""
    for pair in _CONTRADICTIONS:
        if not (values.get(pair[0]) and values.get(pair[1])):
            continue
        flags = [f"--{name.replace('_', '-')}" for name in pair]
        typed = [name for name in pair if name.replace("_", "-") in given]
        if len(typed) != 1:
            raise UsageError(f"{flags[0]} and {flags[1]} contradict each other.", hint="Leave out one of the two.")
        values.pop(pair[0] if typed == [pair[1]] else pair[1])


assert {option.field for option in OPTIONS} == {one.name for one in fields(Settings)} - {"given"}
