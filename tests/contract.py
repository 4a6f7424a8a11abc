"""What the contract tests share: openapi.json as validators, the sandbox as a function, ids and command lines.

Schemas are looked up in the document by this module alone, not by scripts/console/catalog.py: a mistake there must
not make its own tests pass.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from jsonschema import Draft202012Validator, FormatChecker

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.server import serve

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]
SPEC: Json = json.loads((ROOT / "references" / "openapi.json").read_text(encoding="utf-8"))
# operationId → (method, path, operation)
OPERATIONS: dict[str, tuple[str, str, Json]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in SPEC["paths"].items()
    for method, operation in methods.items()
}
NOT_LISTED = {404: "NotFound", 405: "MethodNotAllowed"}  # of paths and methods that are no operation
BULK = ("enrich-leads.list", "source-leads.list")
CREDENTIAL_OF = {"agent": "api_key", "admin": "api_key", "system": "amplify_api_key"}


def resolved(node: Json) -> Json:
    """The part of the document that a `$ref` names."""
    while "$ref" in node:
        target: Any = SPEC
        for word in node["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        node = target
    return node


@cache
def validator(operation: str | None, status: int) -> Draft202012Validator | None:
    """Of the body that this operation may answer under this status; None when the document lists no such status."""
    if operation is None:
        response = SPEC["components"]["responses"].get(NOT_LISTED.get(status, ""))
    else:
        response = OPERATIONS[operation][2]["responses"].get(str(status))
    if response is None:
        return None
    schema = resolved(response)["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": SPEC["components"]}, format_checker=FormatChecker())


def breaches(operation: str | None, status: int, body: Any) -> list[str]:
    """How an answer differs from what the document promises; empty when it does not."""
    found = validator(operation, status)
    if found is None:
        return [f"status {status} is not documented: {body}"]
    return [f"{error.json_path} {error.message[:200]}" for error in found.iter_errors(body)]


@cache
def _record_validator(operation: str) -> Draft202012Validator:
    responses = OPERATIONS[operation][2]["responses"]
    schema = resolved(responses["200"])["content"]["application/json"]["schema"]
    items = resolved(schema["properties"]["data"])["items"]
    return Draft202012Validator({**items, "components": SPEC["components"]}, format_checker=FormatChecker())


def record_breaches(operation: str, row: Any) -> list[str]:
    """The same for one row of a list."""
    return [f"{error.json_path} {error.message[:200]}" for error in _record_validator(operation).iter_errors(row)]


def example(operation: str) -> Any:
    """The document's own example of a body, None for an operation without one."""
    content = OPERATIONS[operation][2].get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("example")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Desk:
    """The sandbox's application without a socket: one call, one reply. `who` names a demo credential."""

    def __init__(self, database: Path, **options: Any) -> None:
        options.setdefault("rate_limit", False)
        self.app = Sandbox(database, **options)
        self._tokens: dict[str, str] = {}

    def ask(
        self, method: str, target: str, body: Any = None, *, who: str = "api_key", raw: bytes | None = None, **more: Any
    ) -> Reply:
        """`body` goes as JSON, `raw` as it is; `more` are entries of the WSGI environ that win over the usual ones."""
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode("utf-8", "surrogatepass")
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "RAW_URI": target,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
            "wsgi.errors": io.StringIO(),
            **self._credential(who),
            **more,
        }
        told: list[Any] = []
        given = {name: value for name, value in environ.items() if value is not None}
        content = b"".join(self.app(given, lambda *status_and_headers: told.extend(status_and_headers)))
        return Reply(int(told[0].split()[0]), dict(told[1]), content)

    def _credential(self, who: str) -> dict[str, str]:
        if not who:
            return {}
        if not who.endswith("email"):
            return {"HTTP_X_API_KEY": CREDENTIALS[who]}
        if who not in self._tokens:
            login = {"email": CREDENTIALS[who], "password": CREDENTIALS[who.replace("email", "password")]}
            self._tokens[who] = self.ask("POST", "/api/epsimo-auth", login, who="").body["jwt_token"]
        return {"HTTP_AUTHORIZATION": f"Bearer {self._tokens[who]}"}

    def credential_of(self, operation: str, whose: str = "") -> str:
        """Which credential an operation takes; `whose` is a prefix of the demo credentials, such as `other_`."""
        if operation == "auth.login":
            return ""
        return whose + CREDENTIAL_OF.get(OPERATIONS[operation][2]["x-scope"], "email")


@contextmanager
def serving(app: Sandbox) -> Iterator[str]:
    """The application on a loopback port; gives its origin."""
    with serve(app, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def demo_ids(database: Path, company: str = "company_id") -> dict[str, str]:
    """Placeholder → an id of the demo data that fits it."""
    owner = CREDENTIALS[company]
    found = {"COMPANY_ID": owner}
    kinds = {"CAMPAIGN_ID": "campaign", "SEQUENCE_ID": "sequence", "ACCOUNT_ID": "target account"}
    with closing(sqlite3.connect(database)) as db:
        query = "SELECT id FROM records WHERE kind = ? AND company_id = ? ORDER BY seq LIMIT 1"
        for name, kind in kinds.items():
            found[name] = db.execute(query, (kind, owner)).fetchone()[0]
        query = "SELECT id FROM leads WHERE company_id = ? AND id NOT IN ('lead_1', 'lead_2') ORDER BY seq DESC LIMIT 1"
        found["LEAD_ID"] = db.execute(query, (owner,)).fetchone()[0]
        job = db.execute("SELECT id FROM jobs WHERE company_id = ? LIMIT 1", (owner,)).fetchone()
        found["JOB_ID"] = job[0] if job else "no-job"
    return found


def path_id(operation: str, ids: dict[str, str]) -> str:
    """The id that stands for `{id}` or `{jobId}` in the path of an operation; empty when there is none."""
    path = OPERATIONS[operation][1]
    if "{" not in path:
        return ""
    words = {"campaigns": "CAMPAIGN_ID", "leads": "LEAD_ID", "sequences": "SEQUENCE_ID"}
    words |= {"target-accounts": "ACCOUNT_ID", "enrichment": "JOB_ID"}
    return ids[words[path.split("/")[3]]]


def filled(operation: str, ids: dict[str, str]) -> str:
    """The path of an operation with an id of the demo data in place."""
    return re.sub(r"\{\w+\}", path_id(operation, ids), OPERATIONS[operation][1])


def real_body(operation: str, ids: dict[str, str]) -> Any:
    """The document's example body with ids that are there."""
    body = example(operation)
    if not isinstance(body, dict):
        return body
    if operation == "auth.login":
        return {"email": CREDENTIALS["email"], "password": CREDENTIALS["password"]}
    body = {name: [ids["LEAD_ID"]] if name in ("ids", "leadIds") else value for name, value in body.items()}
    return json.loads(re.sub(r'("campaignId": )"[^"]*"', rf'\1"{ids["CAMPAIGN_ID"]}"', json.dumps(body)))


def code_blocks(page: Path) -> Iterator[str]:
    """The lines of the shell blocks of a Markdown page, and the command lines in its running text."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        yield from (line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#"))
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from re.findall(r"`((?:uv run|python3) scripts/\S+\.py[^`…]*)`", prose)


PROGRAM = re.compile(r"(?:(?:uv run|python3|\S*/python) scripts/|\{)(lgp|api_call|auth)(?:\.py|\})")


def commands_in(line: str, ids: dict[str, str]) -> list[tuple[str, list[str]]]:
    """The runs of our scripts in a shell line: (script, argv), placeholders replaced."""
    found = []
    for match in PROGRAM.finditer(line):
        lexer = shlex.shlex(line[match.end() :], posix=True, punctuation_chars=";|&()")
        lexer.whitespace_split = True
        argv: list[str] = []
        for word in _words(lexer):
            if word[0] in ";|&()":
                break
            argv.append(re.sub(rf"\b({'|'.join(ids)})\b", lambda name: ids[name[0]], word))
        found.append((match[1], argv))
    return found


def _words(lexer: shlex.shlex) -> Iterator[str]:
    try:
        yield from lexer
    except ValueError:
        return  # a quote that was opened before the program's name ends here
