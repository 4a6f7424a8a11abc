"""What needs no network: help in three levels, the schema, the request log, completion."""

from __future__ import annotations

import contextlib
import itertools
import shlex
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import options, parser
from cli.commands import COMMANDS, WORKFLOWS, Command
from cli.stderr import spelled
from cli.text import plural, prefix
from contract.operations import operations
from leadgenius.errors import CredentialError, LocalError, UsageError

if TYPE_CHECKING:
    from cli.context import Context

WIDTH = 78
EXIT_CODES = {
    0: "done",
    1: "a bug in this program",
    2: "wrong usage or input, or a refusal of ours; nothing was sent",
    3: "no credential, or the server refused it",
    4: "the API refused some or all of it, or a job failed",
    5: "rate budget or --max-time: come back at retry_at",
    6: "network: this request was not applied; run it again",
    7: "server failure on a read; run it again",
    8: "a change may or may not have been applied; check first",
    9: "this machine: set-up, disk, permission, credential file, certificate",
    10: "the job is still running; look again",
    130: "interrupted (143 terminated, 141 stdout closed)",
}
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


def show_help(words: Sequence[str]) -> None:
    """Print the help of what the words name: everything, the global options, a group, a command."""
    named = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    if named == ["options"]:
        every = [one for one in options.OPTIONS if one.group in options.GLOBAL]
        _page("Global options.", _rows(every), _VARIABLES)
        return
    command, _ = parser.find(named)
    if command:
        about = "" if command.help else operations()[command.id].description
        taken = [one for one in parser.takes(command) if one.group not in options.SENDING]
        top = f"{command.words}: {_title(command)}\nexample: {command.example}\n{about}"
        _page(top, _rows(taken), "global options: {lgp} --help options")
        return
    if named:
        rows = [(one.words, _title(one)) for one in parser.begun(named)]
        _page("Commands:", rows, f"options of one: {{lgp}} {rows[0][0]} --help")
        return
    rows = []
    for name in parser.following([]):
        others = parser.following([name])
        words = ", ".join(others) if len(others) > 1 else _title(parser.begun([name])[0])
        rows.append((name, f"{WORKFLOWS[name]}: {words}" if name in WORKFLOWS else words))
    rows += [
        ("GROUP --help", "the commands of a group; COMMAND --help: one command"),
        ("help options", "options of every command, and the variables"),
    ]
    top = "LeadGenius from the command line: {lgp} COMMAND   (--sandbox: without an account)"
    codes = "; ".join(f"{code} {text}" for code, text in EXIT_CODES.items())
    _page(top, rows, f"exit codes: {codes}")


def _title(command: Command) -> str:
    return command.help or operations()[command.id].summary


def _rows(taken: Iterable[options.Option]) -> list[tuple[str, str]]:
    return [(f"{', '.join(parser.flags(one))} {one.metavar}".strip(), one.help) for one in taken]


def _page(top: str, rows: Sequence[tuple[str, str]], end: str) -> None:
    """Print lines, two columns and a last line, wrapped."""
    left = max([0, *(len(name) for name, _ in rows)])
    lines = [*spelled(top).splitlines(), ""]
    lines += [f"  {name:<{left}}  {words}" for name, words in rows]
    for line in [*lines, "", spelled(end)]:
        indent = " " * (left + 4) if line.startswith(" ") else ""
        text = textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
        sys.stdout.write(f"{text}\n")


def schema(context: Context) -> None:
    """All operations, in a line each, or one in full: by its id, also with blanks for dots."""
    name, known = ".".join(context.options.name), operations()
    if not name:
        names = ("method", "path", "effect", "summary")
        rows = [
            {"operation": one.id, **{name: getattr(one, name) for name in names}}
            for one in known.values()
        ]
        context.output.listing(rows)
        return
    operation = known.get(name)
    if not operation:
        raise parser.refusal("schema", name, known)
    found = {  # what is empty is left out
        "operation": name,
        **operation._asdict(),
        "id": None,
        "spec": None,
        "commands": [one.words for one in COMMANDS if one.id == operation.id],
        "parameters": operation.parameters(),
        "body": operation.body,
        "example": operation.content.get("example"),
        "answers": operation.record()["properties"],
    }
    context.output.format = context.options.format or "json"  # also on a terminal
    context.output.document({name: value for name, value in found.items() if value})


def limits(context: Context) -> None:
    """Used, left, when the next is free, for each key and window of the shared request log."""
    from leadgenius.keys import Credential

    client = context.client
    found = [Credential("agent", old, "") for old in client.file.account().previous_api_keys]
    for kind in ("agent", "amplify", "jwt"):
        with contextlib.suppress(CredentialError, LocalError):
            found.append(client.keys.find(kind))
    login = f"login of {client.keys.account().email}"
    names = {
        client.identity(one): login if one.kind == "jwt" else prefix(one.value) for one in found
    }
    rows = client.limiter.report()
    context.output.listing(
        [{"key": names.get(row.pop("credential"), "another key"), **row} for row in rows]
    )


def clear(context: Context) -> None:
    """Lift the pauses that a 429 put into the request log; what was counted stays counted."""
    cleared = context.client.limiter.clear()
    context.result({"cleared": cleared}, f"{plural(cleared, 'pause')} lifted.")


def completion(context: Context) -> None:
    """Print the lines for a shell: eval "$(lgp completion bash)"."""
    shell = " ".join(context.options.name)
    if shell not in _ENDS:
        raise parser.refusal("completion", shell, _ENDS)
    program = shlex.join([sys.executable, str(Path(sys.argv[0]).resolve())])
    context.output.write(_SCRIPT.format(program=program) + _ENDS[shell])


def print_candidates(words: Sequence[str]) -> None:
    """What may stand for the last of `words`, a line each."""
    *before, last = words
    with contextlib.suppress(UsageError):
        for one in _candidates(before, last):
            if one.startswith(last):
                sys.stdout.write(f"{one}\n")


def _candidates(before: list[str], last: str) -> Iterable[str]:
    """The values of an option that has a closed set; else flags, or the words that come next."""
    flag = before.pop() if before and before[-1].startswith("-") else ""
    _, rest = parser.split(before, {})
    taken = parser.takes(parser.find(rest)[0] or Command("", "", groups=" ".join(options.GLOBAL)))
    for one in taken:
        if flag in parser.flags(one) and one.metavar:
            return one.values
    if last.startswith("-"):
        return [flag for one in taken for flag in parser.flags(one)]
    return operations() if rest == ["schema"] else parser.following(rest)
