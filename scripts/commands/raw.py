"""api_call.py: METHOD ENDPOINT, the credential by the path, the body as it comes."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from commands import leads
from commands.runners import inputs, listing, parsing, rehearsal, single
from commands.runners.rows import Call, Row
from console import catalog, options, program
from console.catalog import Operation
from console.hints import called
from console.masking import masked_headers
from console.notes import Notes
from console.output import Receipt
from console.session import LARGE_ENROLMENT, Session
from console.text import compact
from leadgenius import __version__, answers, scopes
from leadgenius.errors import UsageError

METHODS = ("GET", "POST", "PUT", "DELETE")
EXAMPLE = "{api_call} GET /campaigns -p status=active"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of one run of api_call.py."""
    return program.run(work, sys.argv[1:] if argv is None else argv)


def parser() -> parsing.Parser:
    """The parser of api_call.py."""
    made = parsing.Parser(
        prog="api_call.py",
        description="One request to the API. stdout is the body, always JSON unless --format is given.",
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.example = EXAMPLE
    made.add_argument("method", metavar="METHOD", help=", ".join(METHODS))
    made.add_argument(
        "endpoint", metavar="ENDPOINT", help="/campaigns, campaigns, /api/agent/campaigns, or the full URL"
    )
    made.add_argument("-p", "--param", action="append", metavar="KEY=VALUE", help="a query parameter; may be repeated")
    made.add_argument("--data", metavar="JSON|@FILE|-", help="the body")
    made.add_argument(
        "--scope", choices=("auto", *scopes.SCOPES), default="auto", help="instead of the path's own scope"
    )
    made.add_argument("--include", action="store_true", default=None, help="show status and masked headers on stderr")
    made.add_argument("--key", help="a key for this request; other processes can read it, so prefer LGP_API_KEY")
    options.add(made, options.SENDING | {"list", "page", "cursor", "yes"})
    return made


def work(argv: Sequence[str], notes: Notes) -> int:
    """One request. Raises the family of errors."""
    if "--version" in argv:
        sys.stdout.write(f"leadgenius-skill {__version__}\n")
        return 0
    made = parser()
    if any(word in ("-h", "--help") for word in argv):
        sys.stdout.write(called(made.format_help()))
        return 0
    arguments, unknown = made.parse_known_args(list(argv))
    row = Row(("api_call",), None, EXAMPLE)
    if unknown:
        raise parsing._unknown_option(made, row, unknown[0])
    if arguments.key is not None:
        notes("warning", "--key can be read by every process on this machine; prefer LGP_API_KEY.")
        notes.masker.learn(arguments.key)
    return _run(arguments, row, notes)


def _run(arguments: Namespace, row: Row, notes: Notes) -> int:
    method = arguments.method.upper()
    if method not in METHODS:
        raise UsageError(f"METHOD must be one of {', '.join(METHODS)}.", hint=EXAMPLE)
    groups = set(options.SENDING) | ({"list", "page", "cursor"} if method == "GET" else set())
    settings = options.settings(arguments, os.environ, groups | ({"yes"} if method in ("DELETE", "POST") else set()))
    session = Session(
        settings, os.environ, stdin=sys.stdin, stdout=sys.stdout, notes=notes, key=arguments.key, always_json=True
    )
    with contextlib.closing(session):
        session.output.check()
        return _Raw(Call(row, arguments, session), method).run()


class _Raw:
    """One raw request, from what was typed to what is printed."""

    def __init__(self, call: Call, method: str) -> None:
        self.session, self.method = call.session, method
        self.endpoint, self.scope = call.typed("endpoint"), call.typed("scope")
        self.params = params_of(call.typed("param") or ())
        self.target = scopes.route(self.endpoint, origin=self.session.origin, scope=self.scope)
        self.known = catalog.at(method, self.target.path)
        self.operation = self.known or _unknown(method, self.target)
        self.call = replace(call, of=self.operation)

    def run(self) -> int:
        self.session.refuse_change(self.operation)
        body = inputs.data(self.call)
        if body is not None and self.method == "GET":
            raise UsageError("A GET takes no --data.", hint="Use -p KEY=VALUE for parameters, or another METHOD.")
        self._check(body)
        if not self.known:
            near = catalog.near_path(self.method, self.target.path)
            self.session.notes("note", f"This path is not in our schema; the nearest known is {near}.")
        settings = self.session.settings
        if settings.dry_run:
            params = {**self.params, **self._page_params()}
            return rehearsal.show(
                self.session, self.operation, self.endpoint, params=params, body=body, scope=self.scope
            )
        if settings.all or settings.max_items or settings.count:
            return self._list()
        return self._one(body)

    def _check(self, body: Any) -> None:
        """The body against the schema, and what the safety options say of its records."""
        inputs.check_body(self.call, {} if body is None else body)
        if not self.operation.changing:
            return
        records = _records(body)
        self.session.check_changes(max(len(records), 1))
        if self.method == "DELETE":
            self.session.demand_yes(max(len(records), 1), "deletes", records or [self.target.path])
        elif self.operation.effect == "contacts-people" and len(records) > LARGE_ENROLMENT:
            self.session.demand_yes(len(records), "enrols, and so contacts,", records)

    def _page_params(self) -> dict[str, Any]:
        settings = self.session.settings
        if self.target.scope is scopes.SYSTEM:
            return {"limit": settings.page_size, "nextToken": settings.cursor, **listing.wire_fields(self.call)}
        return {"page": settings.page, "pageSize": settings.page_size}

    def _one(self, body: Any) -> int:
        client, output = self.session.client, self.session.output
        params = {**self.params, **{name: value for name, value in self._page_params().items() if value is not None}}
        answer = client.call(self.method, self.endpoint, params=params, body=body, scope=self.scope)
        if self.call.typed("include"):
            told = {"status": answer.status, "headers": masked_headers(answer.headers)}
            self.session.notes.stream.write(self.session.notes.masker.mask(compact(told)) + "\n")
        rows = answers.items(answer.body, self.operation.collection)
        if (self.session.settings.fields or output.form != "json") and (rows or self.operation.paging):
            rest = answers.rest(answer.body, self.operation.collection)
            output.listing(iter([rows]), rest, output.shape(self.operation.columns()), Receipt())
            return 0
        single.show(self.call, answer.body)
        return 0

    def _list(self) -> int:
        """Every page, or so many rows, or their number: by the same hands as the named commands."""
        paging = "cursor" if self.target.scope is scopes.SYSTEM else "page"
        spec = {**self.operation.spec, "x-paging": paging, "x-scope": self.target.scope.name}
        call = replace(self.call, of=Operation(self.operation.id, "GET", self.target.path, spec))
        params = {**_query_of(self.target.query), **self.params}
        return leads.search(call, params) if call.operation.id == "leads.list" else listing.run(call, params)


def _unknown(method: str, target: scopes.Target) -> Operation:
    """What can be said of an operation that openapi.json does not know."""
    answer: Any = {"200": {"content": {"application/json": {"schema": {}}}}}
    effect = "reads" if method == "GET" else "unknown"
    return Operation("", method, target.path, {"x-scope": target.scope.name, "x-effect": effect, "responses": answer})


def _query_of(query: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        made[name] = [*_as_list(made[name]), value] if name in made else value
    return made


def params_of(words: Sequence[str]) -> dict[str, Any]:
    """`-p key=value` words; a repeated key becomes a list. UsageError for a word without `=`."""
    made: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError("-p takes KEY=VALUE.", code="invalid_input", hint=EXAMPLE)
        made[name] = [*_as_list(made[name]), value] if name in made else value
    return made


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _records(body: Any) -> list[str]:
    """The records that a body is about: a list itself, or every list of ids and leads in it."""
    names = ("ids", "leadIds", "leads")
    lists = (
        [body] if isinstance(body, list) else [body.get(name) for name in names] if isinstance(body, Mapping) else []
    )
    found = [one for listed in lists if isinstance(listed, list) for one in listed]
    return [one if isinstance(one, str) else f"row {number}" for number, one in enumerate(found, 1)]
