"""What needs no network: the schema, the request log, completion for shells."""

from __future__ import annotations

import contextlib
import json
from argparse import ArgumentParser
from typing import Any

from commands.runners import parsing
from commands.runners.rows import Call, Row
from console import catalog
from console.catalog import Operation
from console.options import FORMATS
from console.output import Receipt
from leadgenius.errors import CredentialError, LocalError, UsageError

_LARGEST = 8000  # bytes; an answer is to fit a small context window
_LEVELS = 2  # how deep references are resolved


def schema(call: Call) -> int:
    """All operations in a line each, or one operation or record alone."""
    name = " ".join(call.typed("name") or ())
    if name:
        call.session.output.document(_looked_up(name))
        return 0
    rows = [_line(operation) for operation in catalog.operations().values()]
    output = call.session.output
    if output.form == "json" and not call.session.settings.format and not call.session.settings.out:
        output.form = "jsonl"  # a line each, as one reads it
    output.listing(iter([rows]), {}, output.shape(list(rows[0])), Receipt())
    return 0


def _line(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {"operation": operation.id, "method": operation.method, "path": operation.path}
    return {**told, "effect": operation.effect, "summary": operation.summary}


def _looked_up(name: str) -> dict[str, Any]:
    operation = _operation(name)
    if operation:
        return _small(lambda levels: _described(operation, levels))
    known = {one.lower(): one for one in catalog.schemas()}
    if name.lower() in known:
        found = catalog.schemas()[known[name.lower()]]
        return _small(lambda levels: {"schema": known[name.lower()], **catalog.expand(found, levels)})
    like = catalog.near(name, [*catalog.operations(), *catalog.schemas(), *_method_paths()], least=0.4)
    raise UsageError(
        f"There is no operation or schema of this name.{f' Near: {like}.' if like else ''}", hint="{lgp} schema"
    )


def _operation(name: str) -> Operation | None:
    """By operationId, `METHOD /path` with or without its root, or the command's own words."""
    if name in catalog.operations():
        return catalog.operations()[name]
    method, _, path = name.partition(" ")
    if path.startswith("/"):
        roots = ("", "/api/agent", "/api", "/api/admin") if not path.startswith("/admin") else ("/api",)
        found = (catalog.at(method.upper(), root + path) for root in roots)
        return next((one for one in found if one), None)
    return next((row.spec for row in parsing.all_rows() if row.operation and row.name == name), None)


def _method_paths() -> list[str]:
    return [
        f"{one.method} {one.path.removeprefix('/api/agent').removeprefix('/api')}"
        for one in catalog.operations().values()
    ]


def _small(describe: Any) -> dict[str, Any]:
    """The deepest description that stays under the limit."""
    found: dict[str, Any] = {}
    for levels in range(_LEVELS, -1, -1):
        found = describe(levels)
        if len(json.dumps(found, ensure_ascii=False).encode()) < _LARGEST:
            break
    return found


def _described(operation: Operation, levels: int) -> dict[str, Any]:
    spec = operation.spec
    told: dict[str, Any] = {**_line(operation), "scope": operation.scope, "description": spec.get("description")}
    told["commands"] = [row.name for row in parsing.all_rows() if row.operation == operation.id]
    told["parameters"] = [catalog.expand(one, levels) for one in spec.get("parameters", [])]
    content = spec.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        told["body"] = catalog.expand(content["schema"], levels)
        told["example"] = content.get("example")
    told["answer"] = catalog.expand(operation.answer, levels - 1)
    told["errors"] = sorted(code for code in spec["responses"] if not code.startswith("2"))
    return told


def limits(call: Call) -> int:
    """What the request log knows: per credential and window the requests counted here and the server's own word."""
    names = _names(call)
    rows = [{"scope": names.get(row["credential"]), **row} for row in call.session.limiter.report()]
    output = call.session.output
    output.listing(iter([rows]), {}, output.shape(list(rows[0]) if rows else ()), Receipt())
    return 0


def _names(call: Call) -> dict[str, str]:
    """Log name → scope, of the credentials this run would use; the log itself holds no credential."""
    from leadgenius.ratelimit import identity

    session, found = call.session, dict[str, str]()
    for kind, scope in (("agent", "agent"), ("amplify", "system"), ("jwt", "login")):
        with contextlib.suppress(CredentialError, LocalError):
            value = session.keys.find(kind).value
            found[identity(session.origin, (session.owner or value) if kind == "jwt" else value)] = scope
    return found


def clear(call: Call) -> int:
    """Remove the pauses that a 429 has put into the log; the counted requests stay, because the server counted them."""
    call.session.output.document({"cleared": call.session.limiter.clear()})
    return 0


def completion(call: Call) -> int:
    """A script for the shell to read: `eval "$(… completion bash)"`. It completes the name `lgp`."""
    shell = str(call.typed("shell"))
    words: dict[str, list[str]] = {"": list(parsing.GROUPS)}
    flags: dict[str, list[str]] = {}
    values: dict[str, list[str]] = {"--format": list(FORMATS)}
    for row in parsing.all_rows():
        for depth in range(1, len(row.words)):
            before = " ".join(row.words[:depth])
            if row.words[depth] not in words.setdefault(before, []):
                words[before].append(row.words[depth])
        flags[row.name] = _flags(row)
        values |= _values(row)
    script = _fish(words, flags) if shell == "fish" else _bash(words, flags, values, zsh=shell == "zsh")
    call.session.output.stdout.write(script)
    return 0


def _flags(row: Row) -> list[str]:
    return [flag for action in parsing.parser(row).shown() for flag in action.option_strings if flag.startswith("--")]


def _values(row: Row) -> dict[str, list[str]]:
    """flag → the values its schema lists. Flags of the same name list the same things or more."""
    if row.operation is None:
        return {}
    fields = {**row.spec.body_fields(), **{name: one["schema"] for name, one in row.spec.filters().items()}}
    listed = {name: catalog.resolve(schema).get("enum") for name, schema in fields.items()}
    return {flag: values for name, values in listed.items() if values for flag in parsing.flags_of(row, name)}


def _bash(words: dict[str, list[str]], flags: dict[str, list[str]], values: dict[str, list[str]], *, zsh: bool) -> str:
    keys = sorted({*words, *flags})
    cases = "".join(f'    "{key}") found="{" ".join([*words.get(key, []), *flags.get(key, [])])}" ;;\n' for key in keys)
    chosen = "".join(f'    {flag}) found="{" ".join(listed)}" ;;\n' for flag, listed in sorted(values.items()))
    start = "autoload -U +X bashcompinit && bashcompinit\n" if zsh else ""
    return f"""{start}_lgp() {{
  local word command="" found=""
  case "${{COMP_WORDS[COMP_CWORD-1]}}" in
{chosen}  esac
  if [ -n "$found" ]; then
    COMPREPLY=($(compgen -W "$found" -- "${{COMP_WORDS[COMP_CWORD]}}"))
    return
  fi
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *) command="${{command:+$command }}$word" ;; esac
  done
  while :; do
    case "$command" in
{cases}    esac
    [ -n "$found" ] || [ -z "$command" ] && break
    case "$command" in *" "*) command="${{command% *}}" ;; *) command="" ;; esac
  done
  COMPREPLY=($(compgen -W "$found" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _lgp lgp.py lgp
"""


def _fish(words: dict[str, list[str]], flags: dict[str, list[str]]) -> str:
    lines = []
    for before, following in words.items():
        seen = f"__fish_seen_subcommand_from {before.split()[-1]}" if before else "__fish_use_subcommand"
        lines.append(f"complete -c lgp -f -n '{seen}' -a '{' '.join(following)}'")
    for name, known in flags.items():
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split())
        lines += [f"complete -c lgp -n '{seen}' -l {flag[2:]}" for flag in known]
    return "\n".join(lines) + "\n"


def _schema_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="*", metavar="OPERATION", help="campaigns.create, 'POST /campaigns', or a record: Lead"
    )


def _completion_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


# --sandbox changes nothing here, but whoever has it in an alias means no harm.
_OFFLINE = frozenset({"always", "output", "sandbox"})
ROWS = (
    Row(
        ("schema",),
        None,
        "{lgp} schema campaigns.create",
        help="Look up an operation or a record, offline",
        groups=_OFFLINE,
        arguments=_schema_arguments,
        run=schema,
    ),
    Row(
        ("limits",),
        None,
        "{lgp} limits",
        help="What the request log shared by all processes knows",
        groups=_OFFLINE,
        run=limits,
    ),
    Row(
        ("limits", "clear"),
        None,
        "{lgp} limits clear",
        help="Remove pauses that a 429 has put into the request log",
        groups=_OFFLINE,
        run=clear,
    ),
    Row(
        ("completion",),
        None,
        'eval "$({lgp} completion bash)"',
        help="Print the completion script of a shell",
        groups=frozenset({"always", "sandbox"}),
        arguments=_completion_arguments,
        run=completion,
    ),
)
