"""What needs no network: help, the schema, the request log, completion."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import options, parser
from cli.commands import COMMANDS, Command
from cli.options import Option
from cli.stderr import spelled
from cli.text import plural, prefix
from contract.operations import operations
from leadgenius.errors import CredentialError, LocalError, UsageError

if TYPE_CHECKING:
    from cli.context import Context

EXIT_CODES = """exit codes:
  0    done
  1    a bug in this program
  2    wrong usage or input, or a refusal of ours; nothing was sent
  3    no credential, or the server refused it
  4    the API refused some or all of it, or a job failed
  5    rate budget or --max-time: come back at retry_at
  6    network: this request was not applied; run it again
  7    server failure on a read; run it again
  8    a change may or may not have been applied; check first
  9    this machine: set-up, disk, permission, credential file, certificate
  10   the job is still running; look again
  130  interrupted (143 terminated, 141 stdout closed)

COMMAND --help    its options
--help options    those of every command, and the variables
--sandbox         without an account
"""
_VARIABLES = """Before or after the command alike. The variables: LGP_ and the option's name
(not for those that confirm, redirect output or change what a list means);
LGP_API_KEY, LGP_AMPLIFY_API_KEY, LGP_EMAIL, LGP_PASSWORD (each also as …_FILE,
a file whose first line it is), LGP_COMPANY_ID, LGP_USER_ID, LGP_AUTH_FILE,
LGP_STATE_DIR, LGP_RATE_LIMITS, LGP_LIMITER, LGP_MAX_CHANGES, LGP_AGENT_NAME.
"""
# The shells themselves give file names where there are no candidates.
_COMPLETION = """_lgp() {{
  local IFS=$'\\n'
  COMPREPLY=($({program} completion candidates -- "${{COMP_WORDS[@]:1:$COMP_CWORD}}" 2>/dev/null))
}}
if [ -n "$ZSH_VERSION" ]; then
  autoload -U +X compinit && compinit
  autoload -U +X bashcompinit && bashcompinit
fi
complete -o default -F _lgp lgp lgp.py
"""


def show_help(words: Sequence[str]) -> None:
    """Print the help of what the words name: a command, a group, everything; or the options of
    every command."""
    if words == ["options"]:
        taken = [one for one in options.OPTIONS if one.group in options.GLOBAL]
        _page("{lgp} COMMAND", "", taken, _VARIABLES)
        return
    command, _ = parser.find(words)
    if command:
        operation = operations().get(command.id)
        about = f"{_title(command)}. {operation.description if operation else ''}"
        taken = [one for one in parser.takes(command) if one.group not in options.SENDING]
        _page(command.example, about, taken, "global options: {lgp} --help options\n")
        return
    rows = []
    for name in parser.following(words):
        inner = [*words, name]
        command, _ = parser.find(inner)
        texts = [_title(command)] if command else []
        rows.append(Option(name, "", "; ".join(texts + parser.following(inner)), name))
    _page(" ".join(["{lgp}", *words, "COMMAND"]), "", rows, EXIT_CODES)


def _title(command: Command) -> str:
    return command.help or operations()[command.id].summary


def _page(usage: str, about: str, rows: Iterable[Option], end: str) -> None:
    page = parser.Parser("", rows)
    page.usage, page.description = spelled(usage).replace("%", "%%"), about
    sys.stdout.write(f"{page.format_help()}\n{spelled(end)}")


def schema(context: Context) -> None:
    """All operations, in a line each, or one in full: by its id, also with blanks for dots."""
    name, known, output = ".".join(context.options.name), operations(), context.output
    if not name:
        names = ("method", "path", "effect", "summary")
        output.listing(
            [
                {"operation": one.id, **{name: getattr(one, name) for name in names}}
                for one in known.values()
            ]
        )
        return
    operation = known.get(name)
    if not operation:
        raise parser.refusal("schema", name, known)
    found = {
        "operation": name,
        **operation._asdict(),
        "commands": [one.words for one in COMMANDS if one.id == name],
        "parameters": operation.parameters(),
        "body": operation.body,
        "example": operation.content.get("example"),
        "answers": operation.record()["properties"],
    }
    del found["id"], found["spec"]
    output.format = context.options.format or "json"  # also on a terminal
    output.document(found)


def limits(context: Context) -> None:
    """Used, left, when the next is free, for each key and window of the shared request log."""
    client, names = context.client, {}
    for kind in ("agent", "amplify", "jwt"):
        with contextlib.suppress(CredentialError, LocalError):
            found = client.keys.find(kind)
            names[client.identity(found)] = "login" if kind == "jwt" else prefix(found.value)
    context.output.listing(
        [
            {"key": names.get(row.pop("credential"), "another key"), **row}
            for row in client.limiter.report()
        ]
    )


def clear(context: Context) -> None:
    """Lift the pauses that a 429 put into the request log; what was counted stays counted."""
    cleared = context.client.limiter.clear()
    context.result({"cleared": cleared}, f"{plural(cleared, 'pause')} lifted.")


def completion(context: Context) -> None:
    """Print the lines for a shell, the same for both: eval "$(lgp completion bash)"."""
    program = shlex.join([sys.executable, str(Path(sys.argv[0]).resolve())])
    context.output.write(_COMPLETION.format(program=program))


def print_candidates(words: Sequence[str]) -> None:
    """What may stand for the last of `words`, a line each: the values of an option that has a
    closed set; else flags, and the words that come next."""
    *before, last = words
    flag = before.pop() if before and before[-1].startswith("-") else ""
    with contextlib.suppress(UsageError):
        rest = parser.split(before, {})[1]
        command, _ = parser.find(rest)
        taken = parser.takes(command) if command else ()
        names: Iterable[str] = parser.flags(taken) + parser.following(rest)
        for one in taken:
            if flag in one.name.split() and one.metavar:
                names = one.values
        sys.stdout.writelines(f"{one}\n" for one in names if one.startswith(last))
