"""What needs no network: help in three levels, the schema, the request log, completion."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shlex
import sys
import textwrap
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import options, parser
from cli.commands import COMMANDS, GROUPS, Command
from cli.hints import spelled
from cli.options import Parser
from cli.text import plural, prefix
from contract.operations import Operation, expand, near, operations, resolve, schemas
from leadgenius.errors import CredentialError, LocalError, UsageError

if TYPE_CHECKING:
    from cli.context import Context

_VARIABLES = (
    "Before or after the command alike. The variables: LGP_ and the option's name (not for those"
    " that confirm, redirect output or change what a list means); LGP_API_KEY, LGP_AMPLIFY_API_KEY,"
    " LGP_EMAIL, LGP_PASSWORD (each also as …_FILE, a file whose first line it is), LGP_COMPANY_ID,"
    " LGP_USER_ID, LGP_AUTH_FILE, LGP_STATE_DIR, LGP_RATE_LIMITS, LGP_LIMITER, LGP_MAX_CHANGES,"
    " LGP_AGENT_NAME."
)
_SCRIPT = """_lgp() {{
  local IFS=$'\\n'
  COMPREPLY=($({program} completion candidates -- "${{COMP_WORDS[@]:1:$COMP_CWORD}}" 2>/dev/null))
"""
# File names come from the shell itself. bash gives them where there are no candidates; zsh would do
# so everywhere.
_ENDS = {
    "bash": "}\ncomplete -o default -F _lgp lgp lgp.py\n",
    "zsh": """  case "${COMP_WORDS[$COMP_CWORD-1]}" in import|--ids-from|--out|--*-out)
    COMPREPLY=($(compgen -f -- "${COMP_WORDS[$COMP_CWORD]}"));; esac
}
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
complete -F _lgp lgp lgp.py
""",
}


def show_help(words: Sequence[str], exit_codes: Mapping[int, str]) -> int:
    """Print the help of what the words name: everything, the global options, a group, a command."""
    named = _command_words(words)
    if not named:
        codes = "; ".join(f"{code} {text}" for code, text in exit_codes.items())
        rows = [(name, f"{title}: {text}".lstrip(": ")) for title, name, text in GROUPS]
        rows.append(("GROUP --help", "the commands of a group; COMMAND --help: one command"))
        rows.append(("help options", "options of every command, and the variables"))
        rows.append(("api_call.py PATH", "any request, with the right credential"))
        top = f"LeadGenius from the command line: {spelled('{lgp}')} COMMAND"
        top += "   (--sandbox: without an account)"
        page = _page(_named(rows), top, f"exit codes: {codes}")
    elif named == ["options"]:
        page = _page(_with_options(Parser()), "Global options.", _VARIABLES)
    elif parser.is_group(named):
        rows = [(one.words, _title(one)) for one in parser.in_group(" ".join(named))]
        page = _page(_named(rows), "", f"options of one: {spelled('{lgp}')} {rows[0][0]} --help")
    else:
        command = parser.find(named)[0]
        page = command_page(command, parser.parser(command), parser.option_groups(command))
    sys.stdout.write(page)
    return 0


def _command_words(words: Iterable[str]) -> list[str]:
    """The words before the command's own options, global options left out."""
    rest = options.global_parser().parse_known_args(list(words))[1]
    return list(itertools.takewhile(lambda word: not word.startswith("-"), rest))


def command_page(command: Command, made: Parser, groups: Set[str]) -> str:
    """The help of one command: example on top, its own options, and where the global ones are."""
    operation = parser.operation_of(command)
    about = operation.description if operation and not command.help else ""
    top = f"{command.words}: {_title(command)}\nexample: {spelled(command.example)}\n{about}"
    more = ", ".join(one.words for one in parser.in_group(command.words)[1:])
    end = f"also: {more}\n" if more else ""
    end += f"global options: {spelled('{lgp}')} --help options"
    return _page(_with_options(made, groups & {"list", "page", "wait", "yes"}), top, end)


def _title(command: Command) -> str:
    operation = parser.operation_of(command)
    return command.help or (operation.summary if operation else "")


def _named(rows: Iterable[tuple[str, str]]) -> Parser:
    made = Parser()
    listed = made.add_argument_group("commands")
    for name, words in rows:
        listed.add_argument(name, help=words)
    return made


def _with_options(made: Parser, groups: Set[str] | None = None) -> Parser:
    """`made` with the global options of `groups`, or all of them."""
    for one in options.OPTIONS:
        if groups is None or one.group in groups:
            how: dict[str, Any] = {"metavar": one.metavar}
            if one.read is None:
                how = {"action": "store_true"}
            made.add_argument(f"--{one.name}", help=one.help, **how)
    return made


def _page(made: Parser, top: str, end: str) -> str:
    """What argparse makes of `made`, with the lines `top` and `end` around it."""
    columns = os.environ.get("COLUMNS", "")
    width = (int(columns) if columns.isdecimal() else 80) - 2
    with contextlib.suppress(OSError, ValueError):  # no terminal
        width = os.get_terminal_size(sys.stdout.fileno()).columns - 2

    def wrapped(text: str) -> str:
        lines = [textwrap.fill(line, width, break_on_hyphens=False) for line in text.splitlines()]
        return "\n".join(lines)

    made.usage, made.description, made.epilog = argparse.SUPPRESS, wrapped(top), wrapped(end)
    made.formatter_class = lambda prog: RawDescriptionHelpFormatter(
        prog, max_help_position=34, width=width
    )
    return made.format_help()


def schema(context: Context) -> int:
    """All operations, or those of a group, in a line each; one operation or record in full."""
    name = " ".join(context.typed("name"))
    listed = [one for one in operations().values() if not name or one.id.startswith(f"{name}.")]
    if listed and name not in operations():
        context.output.listing([_line(one) for one in listed])
    else:
        found = _looked_up(name)
        context.output.format = context.options.format or "json"  # also on a terminal
        context.output.document(found)
    return 0


def _line(operation: Operation) -> dict[str, Any]:
    facts = {"operation": operation.id, "method": operation.method, "path": operation.path}
    return {**facts, "effect": operation.effect, "summary": operation.summary}


def _looked_up(name: str) -> dict[str, Any]:
    """By operationId, the words of a command, or the name of a record."""
    command = next((one for one in COMMANDS if one.words == name), None)
    operation = operations().get(command.operation if command else name)
    if operation:
        return _described(operation)
    if name in schemas():
        return {"record": name, **expand(schemas()[name])}
    like = near(name, [*operations(), *schemas()], least=0.4)
    guess = f" Near: {like}." if like else ""
    raise UsageError(f"There is no operation or record of this name.{guess}", hint="{lgp} schema")


def _described(operation: Operation) -> dict[str, Any]:
    parameters = {**operation.parameters("path"), **operation.parameters()}
    content = operation.spec.get("requestBody", {"content": {}})["content"]
    found = {
        **_line(operation),
        "scope": operation.scope,
        "description": operation.description,
        "commands": [one.words for one in COMMANDS if one.operation == operation.id],
        "paging": operation.paging,
        "parameters": parameters,
        "body": operation.body,
        "example": content.get("application/json", {}).get("example"),
        "answers": operation.record()["properties"],
    }
    return {name: expand(value) for name, value in found.items() if value}


def limits(context: Context) -> int:
    """Used, left, when the next is free, for each key and window of the shared request log."""
    from leadgenius.keys import Credential

    names, client = {}, context.client
    for kind in ("agent", "amplify", "jwt"):
        with contextlib.suppress(CredentialError, LocalError):
            found = client.keys.find(kind)
            shown = f"login of {client.keys.account().email}" if kind == "jwt" else prefix(found.value)
            names[client.identity(found)] = shown
    for old in client.file.account().previous_api_keys:
        names[client.identity(Credential("agent", old, ""))] = prefix(old)
    report = client.limiter.report()
    context.output.listing(
        [{"key": names.get(row.pop("credential"), "another key"), **row} for row in report]
    )
    return 0


def clear(context: Context) -> int:
    """Lift the pauses that a 429 put into the request log; what was counted stays counted."""
    cleared = context.client.limiter.clear()
    context.output.document({"cleared": cleared}, 0, f"{plural(cleared, 'pause')} lifted.")
    return 0


def completion(context: Context) -> int:
    """Print the lines for a shell: eval "$(lgp completion bash)"."""
    end = _ENDS.get(" ".join(context.typed("name")))
    if not end:
        raise UsageError("completion takes bash or zsh.", hint="{lgp} completion bash")
    program = shlex.join([sys.executable, str(Path(sys.argv[0]).resolve())])
    context.output.write(_SCRIPT.format(program=program) + end)
    return 0


def print_candidates(words: Sequence[str]) -> int:
    """What may stand for the last of `words`, a line each. In bash an `=` is a word of its own."""
    last = "".join(words[-1:]).lstrip("=")
    with contextlib.suppress(UsageError):
        found = _candidates([word for word in words[:-1] if word != "="], last)
        sys.stdout.write("".join(f"{one}\n" for one in found if one.startswith(last)))
    return 0


def _candidates(before: list[str], last: str) -> Iterable[str]:
    flag = before.pop() if before and before[-1].startswith("-") else ""
    words = _command_words(before)
    command = parser.find(words)[0] if words and not parser.is_group(words) else None
    made = parser.parser(command) if command else Parser()
    _with_options(made, parser.option_groups(command) if command else None)
    for action in made._actions:
        if flag in action.option_strings and action.nargs != 0:
            return _values(action, command)
    if last.startswith("-"):
        return parser.flags(made)
    rows = parser.in_group(" ".join(words)) if words else COMMANDS
    following = [word for one in rows for word in one.words.split()[len(words) :][:1]]
    values = {"schema": operations(), "completion": ("bash", "zsh")}
    return dict.fromkeys(following) or values.get(" ".join(words), ())


def _values(action: argparse.Action, command: Command | None) -> Iterable[str]:
    """The values of an option, where they are a closed set."""
    if action.dest == "format":
        return options.FORMATS
    operation = parser.operation_of(command) if command else None
    if not operation:
        return action.choices or ()
    filters = {name: resolve(one["schema"]) for name, one in operation.filters().items()}
    field = {**filters, **operation.body_fields()}.get(action.dest.partition("_")[2], {})
    return parser.values_of(field)
