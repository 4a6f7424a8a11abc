"""lgp.py: find the row that is meant, parse what was typed for it, run it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from commands.runners import parsing
from commands.runners.rows import Call, Row
from console import options, program
from console.hints import called
from console.notes import Notes
from console.session import Session
from leadgenius import __version__
from leadgenius.errors import UsageError

_HELP = ("-h", "--help")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one run of lgp.py."""
    return program.run(work, sys.argv[1:] if argv is None else argv)


def work(argv: Sequence[str], notes: Notes) -> int:
    """Help, version, or one command. Raises the family of errors."""
    words = [word for word in argv if not word.startswith("-")]
    if "--version" in argv:
        sys.stdout.write(f"leadgenius-skill {__version__}\n")
        return 0
    if argv and argv[0] == "help":
        return work([*argv[1:], "--help"], notes)
    asks_help = any(word in argv for word in _HELP)
    if (asks_help and not words) or not argv:
        sys.stdout.write(overview())
        return 0
    if asks_help and words[0] in parsing.GROUPS and _is_group(words):
        sys.stdout.write(group_help(words[0]))
        return 0
    found = parsing.find(argv)
    return _run(found, notes)


def _run(found: parsing.Found, notes: Notes) -> int:
    if any(word in found.rest for word in _HELP):
        sys.stdout.write(called(parsing.parser(found.row).format_help()))
        return 0
    try:
        arguments = parsing.parse(found.row, found.rest)
        settings = options.settings(arguments, os.environ, found.row.option_groups())
        session = Session(settings, os.environ, stdin=sys.stdin, stdout=sys.stdout, notes=notes)
        with contextlib.closing(session):
            session.output.check()
            return Call(found.row, arguments, session).run()
    except UsageError as error:
        error.hint = error.hint or f"{{lgp}} {found.row.name} --help"
        raise


def _is_group(words: Sequence[str]) -> bool:
    """Whether the words name a group rather than one of its commands."""
    rows = parsing.rows_of(words[0])
    longer = [row.words for row in rows if len(row.words) > 1]
    return bool(longer) and not any(one == tuple(words[: len(one)]) for one in longer)


def overview() -> str:
    """The whole surface at a glance."""
    longest = max(map(len, parsing.GROUPS))
    groups = "".join(f"  {name:{longest}}  {words}\n" for name, (_, words) in parsing.GROUPS.items())
    codes = "".join(f"  {code:>3}  {words}\n" for code, words in program.EXIT_CODES.items())
    text = f"""usage: {{lgp}} COMMAND [WORD…] [options]

LeadGenius Pro from the command line. No account yet? Add --sandbox to any command.

commands (each with --help):
{groups}
first steps:
  {{lgp}} --sandbox leads list                  see it work, with invented data
  {{lgp}} auth --email your@email.com           log in
  {{lgp}} generate-key --name "My agent"        make and store an API key
  {{lgp}} schema                                every operation of the API

global options (before or after the command; each also as a variable LGP_<NAME>):
{_option_lines()}
exit codes:
{codes}"""
    return called(text)


def _option_lines() -> str:
    shown = [(f"--{one.name} {one.metavar}".strip(), one.help) for one in options.OPTIONS]
    shown.append(("--version", "the version of this program"))
    longest = max(len(name) for name, _ in shown)
    return "".join(f"  {name:{longest}}  {words}\n" for name, words in shown)


def group_help(group: str) -> str:
    """The commands of one group."""
    rows = parsing.rows_of(group)
    longest = max(len(row.name) for row in rows)
    lines = "".join(f"  {row.name:{longest}}  {row.summary}{_effect(row)}\n" for row in rows)
    text = f"usage: {{lgp}} {group} …\n\n{parsing.GROUPS[group][1]}\n\n{lines}\nexample:\n  {rows[0].example}\n"
    return called(text)


def _effect(row: Row) -> str:
    effect = row.spec.effect if row.operation else "reads"
    return "" if effect == "reads" else f"  [{effect}]"
