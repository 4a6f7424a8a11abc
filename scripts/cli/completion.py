"""Completion: a few lines of shell ask this program for the candidates, so that they are those of
the command typed."""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import options, parser
from cli.commands import COMMANDS, Command
from contract.operations import operations, resolve, schemas
from leadgenius.errors import UsageError

if TYPE_CHECKING:
    from cli.context import Context

FILES = "<files>"  # the candidate that stands for the names of files
_SCRIPT = """{zsh}_lgp() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" IFS=$'\\n'
  COMPREPLY=($({program} completion candidates -- "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
  [ "${{COMPREPLY[0]}}" = "{files}" ] || return 0
  compopt -o filenames 2>/dev/null
  case "$cur" in
    @*) COMPREPLY=($(compgen -P @ -f -- "${{cur#@}}")) ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}}
complete -F _lgp lgp lgp.py
"""
_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def script(context: Context) -> int:
    """Print the lines for a shell: eval "$(… completion bash)"."""
    shell = " ".join(context.typed("name") or ())
    if shell not in ("bash", "zsh"):
        raise UsageError("completion takes bash or zsh.", hint="{lgp} completion bash")
    program = shlex.join([sys.executable, str(Path(sys.argv[0]).resolve())])
    zsh = _ZSH if shell == "zsh" else ""
    context.output.write(_SCRIPT.format(zsh=zsh, program=program, files=FILES))
    return 0


def print_candidates(words: Sequence[str]) -> int:
    """What may stand for the last of `words`, a line each. Bash gives `--format=c` as three words,
    zsh as one."""
    before, last = [word for word in words[:-1] if word != "="], "".join(words[-1:]).lstrip("=")
    flag, equals, value = last.partition("=")
    start = ""
    if equals and flag.startswith("--"):
        before, last, start = [*before, flag], value, f"{flag}="
    try:
        found = _candidates(before, last)
    except UsageError:
        found = []
    fitting = [one for one in found if one.startswith(last) or one == FILES]
    sys.stdout.write("".join(f"{start}{one}\n" for one in fitting))
    return 0


def _candidates(before: list[str], last: str) -> Sequence[str]:
    flag = before.pop() if before and before[-1].startswith("-") else ""
    _, rest = options.global_parser().parse_known_args(before)
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
    command = parser.find(words)[0] if words and not parser.is_group(words) else None
    actions = parser.parser(command)._actions if command else []
    groups = parser.option_groups(command) if command else {one.group for one in options.OPTIONS}
    known = [one for one in options.OPTIONS if one.group in groups]
    taking = {f"--{one.name}" for one in known if one.read}
    taking |= {name for one in actions if one.nargs != 0 for name in one.option_strings}
    if flag in taking:
        return _values(flag, last, command, actions)
    if last.startswith("-"):
        own = [name for one in actions for name in one.option_strings]
        return [*own, *(f"--{one.name}" for one in known)]
    rows = parser.in_group(" ".join(words)) if words else COMMANDS
    following = [one.words.split()[len(words) :][:1] for one in rows]
    if any(following):
        return list(dict.fromkeys(word for one in following for word in one))
    if any(one.metavar == "FILE" and not one.option_strings for one in actions):
        return [FILES]
    named = {"schema": [*operations(), *schemas()], "completion": ["bash", "zsh"]}
    return named.get(command.words if command else "", [])


def _values(
    flag: str, last: str, command: Command | None, actions: list[argparse.Action]
) -> Sequence[str]:
    """The values of an option: those its schema lists, the fields of the records, or files."""
    operation = parser.operation_of(command) if command else None
    action = next((one for one in actions if flag in one.option_strings), None)
    if flag == "--out" or (flag == "--data" and last[:1] == "@"):
        return [FILES]
    if flag == "--format":
        return options.FORMATS
    if flag in ("--fields", "--count-by", "--where") and operation:
        return operation.columns()
    if action is None or action.metavar == "FILE" or action.choices:
        return list(action.choices or [FILES]) if action else []
    place, _, name = action.dest.partition("_")
    fields = operation.body_fields() if operation and place == "body" else {}
    if operation and place == "query" and name in operation.filters():
        fields = {name: resolve(operation.filters()[name]["schema"])}
    return parser.values_of(fields.get(name, {}))
