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
from commands.runners import inputs, listing, parsing, rehearsal
from commands.runners.rows import Call, Row
from console import catalog, checks, options, program
from console.catalog import Operation
from console.hints import called
from console.masking import masked_headers
from console.notes import Notes
from console.output import Receipt
from console.session import Session
from console.text import compact
from leadgenius import __version__, answers, scopes
from leadgenius.errors import UsageError

METHODS = ("GET", "POST", "PUT", "DELETE")
_ANY_ANSWER: dict[str, Any] = {"200": {"content": {"application/json": {"schema": {}}}}}
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
        self.call, self.session, self.method = call, call.session, method
        self.endpoint, self.scope = call.typed("endpoint"), call.typed("scope")
        self.params = params_of(call.typed("param") or ())
        self.target = scopes.route(self.endpoint, origin=self.session.origin, scope=self.scope)
        self.operation = catalog.at(method, self.target.path)

    def run(self) -> int:
        self._refuse_change()
        body = inputs.data(self.call)
        if body is not None and self.method == "GET":
            raise UsageError("A GET takes no --data.", hint="Use -p KEY=VALUE for parameters, or another METHOD.")
        self._check(body)
        if self.operation is None:
            near = catalog.near_path(self.method, self.target.path)
            self.session.notes("note", f"This path is not in our schema; the nearest known is {near}.")
        settings = self.session.settings
        if settings.dry_run:
            params = {**self.params, **self._page_params()}
            return rehearsal.show(
                self.session, self.operation, self.method, self.endpoint, params=params, body=body, scope=self.scope
            )
        if settings.all or settings.max_items or settings.count:
            return self._list()
        return self._one(body)

    def _refuse_change(self) -> None:
        """--read-only, LGP_MAX_CHANGES and --yes, before anything is read."""
        if self.session.settings.read_only and self.method != "GET" and not self.target.is_login:
            raise UsageError(
                f"{self.method} is a change, and --read-only (or LGP_READ_ONLY) allows none.",
                code="read_only",
                hint="Run it without --read-only, and with LGP_READ_ONLY unset.",
                outcome="not_sent",
            )

    def _check(self, body: Any) -> None:
        """The body against the schema, and what the safety options say of its records."""
        if self.operation and self.operation.body and not self.session.settings.no_check:
            schema = self.operation.body
            found = [*checks.problems({} if body is None else body, schema), *checks.unknown_fields(body, schema)]
            inputs.refuse(self.call, found)
        if self.method == "GET":
            return
        records = _records(body)
        if not self.target.is_login:
            self.session.check_changes(max(len(records), 1))
        if self.method == "DELETE":
            self.session.demand_yes(max(len(records), 1), "deletes", records or [self.target.path])
        elif self.operation and self.operation.effect == "contacts-people" and len(records) > 25:
            self.session.demand_yes(len(records), "enrols, and so contacts,", records)

    def _page_params(self) -> dict[str, Any]:
        settings = self.session.settings
        if self._by_cursor():
            return {"limit": settings.page_size, "nextToken": settings.cursor, "fields": self._wire_fields()}
        return {"page": settings.page, "pageSize": settings.page_size}

    def _by_cursor(self) -> bool:
        return self.target.scope is scopes.SYSTEM

    def _wire_fields(self) -> str | None:
        fields = self.session.settings.fields
        return ",".join(dict.fromkeys(name.split(".")[0] for name in fields)) if fields else None

    def _one(self, body: Any) -> int:
        client, output = self.session.client, self.session.output
        params = {**self.params, **{name: value for name, value in self._page_params().items() if value is not None}}
        answer = client.call(self.method, self.endpoint, params=params, body=body, scope=self.scope)
        if self.call.typed("include"):
            told = {"status": answer.status, "headers": masked_headers(answer.headers)}
            self.session.notes.stream.write(self.session.notes.masker.mask(compact(told)) + "\n")
        rows = answers.items(answer.body, self._collection())
        if (self.session.settings.fields or output.form != "json") and self._is_list(answer.body):
            rest = answers.rest(answer.body, self._collection())
            output.listing(iter([rows]), rest, output.shape(self._columns()), Receipt())
            return 0
        output.document(answer.body, self._columns(), requests=client.requests)
        return 0

    def _is_list(self, body: Any) -> bool:
        return (
            isinstance(body, list)
            or bool(answers.items(body, self._collection()))
            or bool(self.operation and self.operation.paging)
        )

    def _list(self) -> int:
        """Every page, or so many rows, or their number: by the same hands as the named commands."""
        call = replace(self.call, of=self._operation_of_list())
        params = {**_query_of(self.target.query), **self.params}
        if call.operation.id == "leads.list":
            return leads.search(call, params)
        return listing.run(call, params)

    def _operation_of_list(self) -> Operation:
        """The known operation, or what the path tells of an unknown one."""
        paging = "cursor" if self._by_cursor() else "page"
        spec = {"summary": "", "x-effect": "reads", "responses": _ANY_ANSWER, "x-paging": paging}
        spec |= {**(self.operation.spec if self.operation else {}), "x-scope": self.target.scope.name}
        return Operation(self.operation.id if self.operation else "", "GET", self.target.path, spec)

    def _collection(self) -> str:
        return self.operation.collection if self.operation else self.target.path.rsplit("/", 1)[-1]

    def _columns(self) -> list[str]:
        return self.operation.columns() if self.operation else []


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
    """The records that a body is about, as far as it lists them."""
    if not isinstance(body, Mapping):
        return []
    found: list[Any] = next(
        (body[name] for name in ("ids", "leadIds", "leads") if isinstance(body.get(name), list)), []
    )
    return [one if isinstance(one, str) else f"row {number}" for number, one in enumerate(found, 1)]
