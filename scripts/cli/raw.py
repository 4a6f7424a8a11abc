"""api_call.py: METHOD ENDPOINT. The credential goes by the path; the body is printed as it came."""

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


def send(context: Context) -> None:
    """One request; or all pages of a list, like a list command, where an option asks for them."""
    given, output, body = context.options, context.output, inputs.data(context)
    endpoint, method = given.endpoint, given.method.upper()
    if given.key:
        words = "--key can be read by every process on this machine; prefer LGP_API_KEY."
        context.notes("warning", words)
    useless = ("yes",) if method == "GET" else ("list", "page")
    check_served(given, [one for one in OPTIONS if one.group not in useless])
    if method not in ("GET", "POST", "PUT", "DELETE") or (method == "GET" and body is not None):
        raise UsageError("METHOD is GET (without --data), POST, PUT or DELETE.")
    if endpoint[1:2] == ":":
        hint = "Leave out the leading slash (campaigns), or set MSYS_NO_PATHCONV=1."
        raise UsageError("The shell turned the endpoint into a Windows path.", hint=hint)
    scope, path, query = scopes.route(endpoint, context.client.origin, given.scope or "auto")
    context.operation = operation = at(method, path)
    if operation:
        output.columns = operation.columns()
        context.command = context.command._replace(example=f"{{lgp}} schema {operation.id}")
    if not (given.format or given.out):
        output.format = "json"  # also on a terminal
    params = parse_qs(query, keep_blank_values=True)
    for word in given.param or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError("-p takes KEY=VALUE.")
        params.setdefault(name, []).append(value)
    walk = Walk(context, path, params, scope.name)
    if walk.single:
        _once(context, method, walk, body)
    else:
        if "page" in params:
            raise UsageError("A list of several pages takes no page: leave it out.")
        walk.query.pop("nextToken", None)  # it begins at its beginning
        walk.show()


def _once(context: Context, method: str, walk: Walk, body: Any) -> None:
    """One request, whatever it does, and the body of its answer."""
    given, operation, path, scope = context.options, context.operation, walk.path, walk.scope
    inputs.check_body(context, body or {})
    held = answers.dig(body, "ids", "leadIds")
    ids = held if isinstance(held, list) else []
    needs_yes = method == "DELETE" or len(ids) > MANY
    paging = {"page": given.page, "limit" if walk.bulk else "pageSize": given.page_size}
    request = method, path, paging | walk.params, body, scope
    if given.dry_run:
        context.preview(*request, needs_yes=needs_yes)
        return
    if needs_yes:
        context.confirm(ids or [path.rsplit("/", 1)[-1]])
    answer = context.client.call(*request)
    if given.include:
        headers = {
            name: one for name, one in answer.headers.items() if name.lower() != "set-cookie"
        }
        context.notes.write(compact({"status": answer.status, "headers": headers}) + "\n")
    if operation.changing if operation else method != "GET":
        made = answers.new_id(answer.body)
        context.record_change(path, [made] if made else ids)
    shown = answer.body if scope != "root" or given.show else hidden(answer.body)
    if shown != answer.body:
        context.notes("warning", "A key or token is left out: --show prints it.")
    context.output.document(shown)
