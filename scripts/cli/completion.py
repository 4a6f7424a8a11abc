"""Completion: a few lines of shell ask this program for the candidates, so that they are those of
the command typed."""

from __future__ import annotations

import itertools
import shlex
import sys
from argparse import Action
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli import options, parser
from cli.commands import COMMANDS, Command
from contract.operations import operations, resolve, schemas
from leadgenius.errors import UsageError

if TYPE_CHECKING:
    from cli.context import Context

_SCRIPT = """_lgp() {{
  local IFS=$'\\n'
  COMPREPLY=($({program} completion candidates -- "${{COMP_WORDS[@]:1:$COMP_CWORD}}" 2>/dev/null))
}}
complete -o filenames -F _lgp lgp lgp.py
"""
_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def script(context: Context) -> int:
    """Print the lines for a shell: eval "$(lgp completion bash)"."""
    shell = " ".join(context.typed("name"))
    if shell not in ("bash", "zsh"):
        raise UsageError("completion takes bash or zsh.", hint="{lgp} completion bash")
    program = shlex.join([sys.executable, str(Path(sys.argv[0]).resolve())])
    context.output.write((_ZSH if shell == "zsh" else "") + _SCRIPT.format(program=program))
    return 0


def print_candidates(words: Sequence[str]) -> int:
    """What may stand for the last of `words`, a line each. `--format=c` is one word of zsh and
    three of bash, which splits `@x` too."""
    before = [word for word in words[:-1] if word not in ("=", "@")]
    last = "@" * (list(words[-2:-1]) == ["@"]) + "".join(words[-1:]).lstrip("=")
    flag, equals, value = last.partition("=")
    start = flag + equals if equals and flag.startswith("--") else ""
    if start:
        before, last = [*before, flag], value
    try:
        found = _candidates(before, last)
    except UsageError:
        found = []
    sys.stdout.write("".join(f"{start}{one}\n" for one in found if one.startswith(last)))
    return 0


def _candidates(before: list[str], last: str) -> Sequence[str]:
    flag = before.pop() if before and before[-1].startswith("-") else ""
    _, rest = options.global_parser().parse_known_args(before)
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), rest))
    command = parser.find(words)[0] if words and not parser.is_group(words) else None
    groups = parser.option_groups(command) if command else {one.group for one in options.OPTIONS}
    everywhere = zip(options.global_parser()._actions, options.OPTIONS, strict=True)
    actions = [action for action, option in everywhere if option.group in groups]
    actions = [*(parser.parser(command)._actions if command else ()), *actions]
    for action in actions:
        if flag in action.option_strings and action.nargs != 0:
            return _values(action, command, last)
    if last.startswith("-"):
        return [name for action in actions for name in action.option_strings]
    rows = parser.in_group(" ".join(words)) if words else COMMANDS
    following = [word for one in rows for word in one.words.split()[len(words) :][:1]]
    if any(action.metavar == "FILE" and not action.option_strings for action in actions):
        return _files(last)
    if command and command.words in ("schema", "completion"):
        return [*operations(), *schemas()] if command.words == "schema" else ["bash", "zsh"]
    return list(dict.fromkeys(following))


def _values(action: Action, command: Command | None, last: str) -> Sequence[str]:
    """The values of an option: those its schema lists, fields of the records, or files."""
    operation = parser.operation_of(command) if command else None
    if action.metavar == "FILE" or (action.dest == "data" and last.startswith("@")):
        return _files(last)
    if action.dest == "format":
        return options.FORMATS
    if operation is None or action.choices:
        return list(action.choices or ())
    if action.dest in ("fields", "count_by", "where"):
        return operation.columns()
    asked = {name: resolve(one["schema"]) for name, one in operation.filters().items()}
    known = operation.body_fields() if action.dest.startswith("body_") else asked
    return parser.values_of(known.get(action.dest.partition("_")[2], {}))


def _files(last: str) -> list[str]:
    """The files that begin as `last` does, an @ in front kept."""
    start = "@" if last.startswith("@") else ""
    folder, slash, _ = last.removeprefix(start).rpartition("/")
    try:
        names = sorted(one.name for one in Path(folder + slash).iterdir())
    except OSError:
        return []
    return [f"{start}{folder}{slash}{name}" for name in names]
