"""api_call.py: METHOD ENDPOINT. The credential goes by the path; the body is printed as it came."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from cli import apikeys, inputs, leads, lists, offline, options
from cli.commands import Command
from cli.context import MANY, Context
from cli.lists import Listing
from cli.text import compact
from contract.operations import Operation, at, near, operations
from leadgenius import answers, scopes
from leadgenius.errors import UsageError
from leadgenius.scopes import Target

METHODS = ("GET", "POST", "PUT", "DELETE")
COMMAND = Command(
    "api_call.py", "", "raw.send", "{api_call} GET /campaigns -p status=active",
    help="one request; stdout is the body, JSON unless --format says otherwise",
)  # fmt: skip
_HEADERS = {"authorization", "x-api-key", "proxy-authorization", "cookie", "set-cookie"}


def show_help() -> int:
    """Print the help of api_call.py."""
    groups = frozenset({"list", "page", "yes"})
    sys.stdout.write(offline.command_page(COMMAND, _parser(), groups))
    return 0


def parse(
    argv: Sequence[str], environ: Mapping[str, str]
) -> tuple[argparse.Namespace, argparse.Namespace]:
    """The global options and the arguments of a command line of api_call.py."""
    found, rest = options.split(argv, environ)
    arguments = _parser().parse_args(rest)
    arguments.method = arguments.method.upper()
    if arguments.method not in METHODS:
        raise UsageError(f"METHOD must be one of {', '.join(METHODS)}.", hint=COMMAND.example)
    groups = {"list", "page"} if arguments.method == "GET" else {"yes"}
    options.check_served(found, options.SENDING | groups)
    return found, arguments


def _parser() -> options.Parser:
    made = options.Parser(prog="api_call.py", add_help=False, allow_abbrev=False)
    add = made.add_argument
    add("method", metavar="METHOD", help=", ".join(METHODS))
    add("endpoint", metavar="ENDPOINT", help="/campaigns, campaigns, /api/agent/campaigns or a URL")
    add("-p", "--param", action="append", metavar="KEY=VALUE", help="a query parameter; repeatable")
    add("--data", metavar="JSON|@FILE|-", help="the body")
    add("--scope", choices=("auto", *scopes.SCOPES), default="auto", metavar="SCOPE",
        help=f"instead of the path's own: {', '.join(scopes.SCOPES)}")  # fmt: skip
    add("--include", action="store_true", help="status and masked headers, on stderr")
    add("--show", action="store_true", help="print the secrets of the login and key paths")
    add("--key", metavar="KEY", help="readable by other processes: prefer LGP_API_KEY")
    return made


def send(context: Context) -> int:
    """One request, or every page of a list with --all, --where, --count and the like."""
    method, endpoint, scope = (context.typed(name) for name in ("method", "endpoint", "scope"))
    if context.typed("key") is not None:
        context.masker.add(context.typed("key"))
        words = "--key can be read by every process on this machine; prefer LGP_API_KEY."
        context.notes("warning", words)
    target = scopes.route(endpoint, context.client.origin, scope)
    operation = _adopt(context, method, target)
    params = _joined(_pair(word) for word in context.typed("param") or ())
    choices = context.options
    if method == "GET" and any(
        (choices.all, choices.max_items, choices.where, choices.count, choices.count_by)
    ):
        return _list(context, target, operation, params)
    body = inputs.data(context)
    if body is not None and method == "GET":
        raise UsageError(
            "A GET takes no --data; parameters are -p KEY=VALUE.", hint=COMMAND.example
        )
    inputs.check_body(context, {} if body is None else body)
    inputs.check_fields(context, choices.fields or (), "--fields")
    size = "limit" if target.scope is scopes.SYSTEM else "pageSize"
    params |= {"page": choices.page, size: choices.page_size}
    records = _records(body)
    many = operation is not None and operation.effect in ("contacts-people", "spends")
    needs_yes = method == "DELETE" or (many and len(records) > MANY)
    if choices.dry_run:
        return context.preview(
            method, endpoint, params=params, body=body, scope=scope, needs_yes=needs_yes
        )
    if needs_yes:
        verb = operation.summary.split()[0].lower() if operation else "delete"
        context.confirm(max(len(records), 1), verb, records or [target.path.rsplit("/", 1)[-1]])
    answer = context.client.call(method, endpoint, params=params, body=body, scope=scope)
    if context.typed("include"):
        headers = {
            name: "***" if name.lower() in _HEADERS else value
            for name, value in answer.headers.items()
        }
        context.notes.write(compact({"status": answer.status, "headers": headers}) + "\n")
    if method != "GET" and not target.is_login:
        made = answers.new_id(answer.body)
        context.record_change(target.path, records or [made or ""], outcome="applied")
    _print(context, target, operation, answer.body)
    return 0


def _adopt(context: Context, method: str, target: Target) -> Operation | None:
    """Let the context know the operation of the path, if our schema has one; else a note."""
    operation = at(method, target.path)
    context.__dict__["known_operation"] = operation
    if operation:
        context.output.columns = operation.columns()
        context.command = COMMAND._replace(example=f"{{lgp}} schema {operation.id}")
    else:
        known = [f"{one.method} {one.path}" for one in operations().values()]
        like = near(f"{method} {target.path}", known, least=0)
        context.notes("note", f"This path is not in our schema; the nearest known is {like}.")
    return operation


def _list(
    context: Context, target: Target, operation: Operation | None, params: dict[str, Any]
) -> int:
    query = _joined(parse_qsl(target.query, keep_blank_values=True))
    listing = Listing(
        target.path,
        {**query, **params},
        "cursor" if target.scope is scopes.SYSTEM else "page",
        operation.collection if operation else target.path.rsplit("/", 1)[-1],
        target.scope.name,
        shown=_shown(context, target),
    )
    is_search = operation is not None and operation.id == "leads.list"
    return leads.show_search(context, listing) if is_search else lists.show(context, listing)


def _shown(context: Context, target: Target) -> Any:
    """What may be printed of an answer: on the login and key paths no secret, unless --show."""
    guarded = target.scope.name == "root" and not context.typed("show")
    return apikeys.hidden if guarded else lambda value: value


def _print(context: Context, target: Target, operation: Operation | None, body: Any) -> None:
    output = context.output
    body = _shown(context, target)(body)
    collection = operation.collection if operation else ""
    rows = answers.items(body, collection)
    if not rows or (output.format == "json" and not output.fields):
        return output.document(body, context.client.requests)
    with output.open() as writer:
        writer.rows(rows)
        writer.end(answers.rest(body, collection))
    return output.receipt(len(rows), context.client.requests, True)


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise inputs.invalid("-p takes KEY=VALUE.", COMMAND.example)
    return name, value


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Query parameters; a repeated name has a list."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        made[name] = [*made[name], value] if name in made else [value]
    return {name: values[0] if len(values) == 1 else values for name, values in made.items()}


def _records(body: Any) -> list[str]:
    """The records that a body is about: a list itself, or every list of ids and leads in it."""
    held = body if isinstance(body, dict) else {"ids": body}
    listed = [held.get(name) for name in ("ids", "leadIds", "leads")]
    found = [one for rows in listed if isinstance(rows, list) for one in rows]
    return [one if isinstance(one, str) else f"row {row}" for row, one in enumerate(found, 1)]
