"""api_call.py: METHOD ENDPOINT. The credential goes by the path; the body is printed as it came."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from cli import inputs
from cli.context import MANY, Context
from cli.lists import Walk
from cli.options import OPTIONS
from cli.parser import check_served
from cli.text import compact, hidden
from contract.operations import at
from leadgenius import answers, scopes
from leadgenius.errors import UsageError
from leadgenius.scopes import SYSTEM, Target


def send(context: Context) -> None:
    """One request; or a list like that of a command, where an option or the format asks for its
    rows."""
    given = context.options
    endpoint, method = given.endpoint, given.method.upper()
    if given.key:
        words = "--key can be read by every process on this machine; prefer LGP_API_KEY."
        context.notes("warning", words)
    if method not in ("GET", "POST", "PUT", "DELETE"):
        raise UsageError("METHOD is GET, POST, PUT or DELETE.")
    useless = ("yes",) if method == "GET" else ("list", "page")
    served = [one for one in OPTIONS if one.group not in useless]
    check_served(given, served)
    if endpoint[1:2] == ":":
        hint = "Leave out the leading slash (campaigns), or set MSYS_NO_PATHCONV=1."
        raise UsageError("The shell turned the endpoint into a Windows path.", hint=hint)
    target = scopes.route(endpoint, context.client.origin, given.scope or "auto")
    context.operation = operation = at(method, target.path)
    if operation:
        context.output.columns = operation.columns()
        context.command = context.command._replace(example=f"{{lgp}} schema {operation.id}")
    if not (given.format or given.out):
        context.output.format = "json"  # also on a terminal
    params: dict[str, Any] = parse_qs(target.query, keep_blank_values=True)
    for word in given.param or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError("-p takes KEY=VALUE.")
        params.setdefault(name, []).append(value)
    every = given.all or given.max_items or given.where or given.count or given.count_by
    shaped = given.fields or context.output.format != "json"
    rows = every or (shaped and operation and operation.paging)
    if rows:
        if not every and {"page", "pageSize", "limit", "nextToken"} & params.keys():
            hint = "Give --page N or --page-size N instead."
            raise UsageError("With --fields or --format the endpoint names no page.", hint=hint)
        params.pop("nextToken", None)  # a list begins at its beginning
        Walk(context, target.path, params, target.scope.name).show()
    else:
        size = "limit" if target.scope is SYSTEM else "pageSize"
        typed = {"page": given.page, size: given.page_size}
        params |= {name: one for name, one in typed.items() if one}
        _once(context, method, target, params)


def _once(context: Context, method: str, target: Target, params: dict[str, Any]) -> None:
    operation, body = context.operation, inputs.data(context)
    if method == "GET" and body is not None:
        raise UsageError("A GET takes no --data.")
    inputs.check_body(context, body or {})
    inputs.check_fields(context)
    held = answers.dig(body, "ids", "leadIds")
    ids = list(map(str, held)) if isinstance(held, list) else []
    effect = operation.effect if operation else ""
    many = len(ids) > MANY and effect in ("contacts-people", "spends")
    needs_yes = many or method == "DELETE"
    request: dict[str, Any] = {"params": params, "body": body, "scope": target.scope.name}
    if context.options.dry_run:
        context.preview(method, target.path, **request, needs_yes=needs_yes)
        return
    if needs_yes:
        verb = "enrol or enrich" if many else "delete"
        context.confirm(verb, ids or [target.path.rsplit("/", 1)[-1]])
    answer = context.client.call(method, target.path, **request)
    if context.options.include:
        headers = {
            name: one for name, one in answer.headers.items() if name.lower() != "set-cookie"
        }
        context.notes.write(compact({"status": answer.status, "headers": headers}) + "\n")
    if operation.changing if operation else method != "GET":
        made = answers.new_id(answer.body)
        context.record_change(target.path, [made] if made else ids)
    guarded = target.scope.name == "root" and not context.options.show
    body = hidden(answer.body) if guarded else answer.body
    if body != answer.body:
        context.notes("warning", "A key or token is left out: --show prints it.")
    context.output.document(body)
