"""api_call.py: METHOD ENDPOINT. The credential goes by the path; the body is printed as it came."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from cli import inputs, options
from cli.commands import Command
from cli.context import MANY, Context
from cli.hints import spelled
from cli.lists import Walk
from cli.rows import hidden
from cli.text import compact
from contract.operations import at
from leadgenius import answers, scopes
from leadgenius.errors import UsageError
from leadgenius.scopes import SYSTEM, Target

COMMAND = Command(
    "api_call.py", "{api_call} GET /campaigns -p status=active", "raw.send",
    help="one request; stdout is the body, JSON unless --format says otherwise",
)  # fmt: skip


def show_help() -> int:
    """Print the help of api_call.py."""
    made = _parser()
    made.add(one for one in options.OPTIONS if one.group in ("list", "page", "yes"))
    made.usage, made.description = COMMAND.example, COMMAND.help
    sys.stdout.write(spelled(made.format_help()))
    return 0


def parse(
    argv: Sequence[str], environ: Mapping[str, str]
) -> tuple[argparse.Namespace, argparse.Namespace]:
    """The global options and the arguments of a command line of api_call.py."""
    found, rest = options.split(argv, environ)
    arguments = _parser().parse_args(rest)
    groups = options.SENDING | ({"list", "page"} if arguments.method == "GET" else {"yes"})
    options.check_served(found, [one for one in options.OPTIONS if one.group in groups])
    found.format = found.format or "json"  # also on a terminal
    return found, arguments


def _parser() -> options.Parser:
    made = options.Parser("{api_call}")
    add, methods, names = made.add_argument, ("GET", "POST", "PUT", "DELETE"), [*scopes.SCOPES]
    add("method", metavar="METHOD", type=str.upper, choices=methods, help=", ".join(methods))
    add("endpoint", metavar="ENDPOINT", help="/campaigns, campaigns, /api/agent/campaigns or a URL")
    add("-p", "--param", action="append", default=[], metavar="KEY=VALUE",
        help="a query parameter; repeatable")  # fmt: skip
    add("--data", metavar="JSON|@FILE|-", help="the body")
    add("--scope", choices=("auto", *names), default="auto", metavar="SCOPE",
        help=f"instead of the path's own: {', '.join(names)}")  # fmt: skip
    add("--include", action="store_true", help="status and masked headers, on stderr")
    add("--show", action="store_true", help="print the secrets of the login and key paths")
    add("--key", metavar="KEY", help="readable by other processes: prefer LGP_API_KEY")
    return made


def send(context: Context) -> int:
    """One request; or a list like that of a command, where an option or the format asks for its
    rows."""
    if context.typed("key"):
        words = "--key can be read by every process on this machine; prefer LGP_API_KEY."
        context.notes("warning", words)
    options, endpoint = context.options, context.typed("endpoint")
    if endpoint[1:2] == ":":
        hint = "Leave out the leading slash (campaigns), or set MSYS_NO_PATHCONV=1."
        raise UsageError("The shell turned the endpoint into a Windows path.", hint=hint)
    target = scopes.route(endpoint, context.client.origin, context.typed("scope"))
    context.operation = operation = at(context.typed("method"), target.path)
    if operation:
        context.output.columns = operation.columns()
        context.command = COMMAND._replace(example=f"{{lgp}} schema {operation.id}")
    params: dict[str, Any] = parse_qs(target.query, keep_blank_values=True)
    for word in context.typed("param"):
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError("-p takes KEY=VALUE.")
        params.setdefault(name, []).append(value)
    rows = options.all or options.max_items or options.where or options.count or options.count_by
    if operation and operation.paging:
        rows = rows or options.fields or context.output.format != "json"
    bulk = target.scope is SYSTEM
    if rows:
        return Walk(context, target.path, params, bulk, target.scope.name).show()
    params |= {"page": options.page, "limit" if bulk else "pageSize": options.page_size}
    return _once(context, target, params)


def _once(context: Context, target: Target, params: dict[str, Any]) -> int:
    method, operation, body = context.typed("method"), context.operation, inputs.data(context)
    if method == "GET" and body is not None:
        raise UsageError("A GET takes no --data.", hint=COMMAND.example)
    inputs.check_body(context, body or {})
    inputs.check_fields(context)
    held = answers.dig(body, "ids", "leadIds")
    ids = list(map(str, held)) if isinstance(held, list) else []
    effect = operation.effect if operation else ""
    many = len(ids) > MANY and effect in ("contacts-people", "spends")
    needs_yes = many or method == "DELETE"
    request: dict[str, Any] = {"params": params, "body": body, "scope": target.scope.name}
    if context.options.dry_run:
        return context.preview(method, target.path, **request, needs_yes=needs_yes)
    if needs_yes:
        named = ids or [target.path.rsplit("/", 1)[-1]]
        context.confirm(len(named), "enrol or enrich" if many else "delete", named)
    answer = context.client.call(method, target.path, **request)
    if context.typed("include"):
        headers = {
            name: "***" if "cookie" in name.lower() else value
            for name, value in answer.headers.items()
        }
        context.notes.write(compact({"status": answer.status, "headers": headers}) + "\n")
    if operation.changing if operation else method != "GET":
        made = answers.new_id(answer.body)
        context.record_change(target.path, [made] if made else ids, outcome="applied")
    guarded = target.scope.name == "root" and not context.typed("show")
    body = hidden(answer.body) if guarded else answer.body
    context.output.document(body, context.client.requests)
    return 0
