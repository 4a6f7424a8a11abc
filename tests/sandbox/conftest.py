"""The sandbox for its tests: a copy of one small demo database, a clock that is set by hand, no socket unless asked."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contract.operations import operations
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.server import Server

NOON = 1781524800.0  # 2026-06-15T12:00:00Z


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def error(self) -> tuple[int, str, list[str]]:
        """Status, code, and the fields that a refusal names."""
        return self.status, self.body["code"], [one["field"] for one in self.body.get("details", ())]


class Service:
    """The application as a client sees it. `who` names a demo credential; an e-mail stands for a login."""

    def __init__(self, app: Sandbox) -> None:
        self.app, self.now = app, NOON
        app.clock = lambda: self.now
        self.tokens: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None, who: str = "api_key", **environ: Any) -> Reply:
        """`path` without /api/agent; bytes are sent as they are. `environ` wins; None takes an entry away."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {
            "REQUEST_METHOD": method,
            "RAW_URI": path if path.startswith("/api/") else "/api/agent" + path,
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
            **self._credential(who),
            **environ,
        }
        started: list[Any] = []
        given = {name: value for name, value in given.items() if value is not None}
        content = b"".join(self.app(given, lambda *status_and_headers: started.extend(status_and_headers)))
        return Reply(int(started[0].split()[0]), dict(started[1]), content)

    def _credential(self, who: str) -> dict[str, str]:
        if who.endswith("email"):
            return {"HTTP_AUTHORIZATION": f"Bearer {self.token(who)}"}
        return {"HTTP_X_API_KEY": CREDENTIALS[who]} if who else {}

    def token(self, who: str = "email") -> str:
        if who not in self.tokens:
            login = {"email": CREDENTIALS[who], "password": CREDENTIALS[who.replace("email", "password")]}
            self.tokens[who] = self.post("/api/epsimo-auth", login, "").body["jwt_token"]
        return self.tokens[who]

    def get(self, path: str, who: str = "api_key") -> Reply:
        return self.call("GET", path, None, who)

    def post(self, path: str, body: Any, who: str = "api_key") -> Reply:
        return self.call("POST", path, body, who)

    def put(self, path: str, body: Any, who: str = "api_key") -> Reply:
        return self.call("PUT", path, body, who)

    def delete(self, path: str, body: Any = None) -> Reply:
        return self.call("DELETE", path, body)

    def bulk(self, path: str = "enrich-leads", query: str = "") -> Any:
        target = f"/api/{path}/list?companyId={CREDENTIALS['company_id']}{query}"
        return self.get(target, "amplify_api_key").body

    def lead(self, who: str = "api_key", **fields: Any) -> Any:
        """A new lead, made through the API."""
        reply = self.post("/leads", {"firstName": "Ada", "lastName": "Moss", "email": "ada@moss.example", **fields}, who)
        assert reply.status == 201, reply.raw
        return reply.data

    def job(self, job: str, who: str = "api_key") -> Any:
        return self.get(f"/enrichment/status/{job}", who).data

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.app.database)) as db, db:
            return db.execute(query, values).fetchall()

    def ids(self, whose: str = "") -> dict[str, str]:
        """An id of the demo data for each kind of record that a path may name."""
        company = CREDENTIALS[whose + "company_id"]
        found = dict(self.sql("SELECT kind, max(id) FROM records WHERE company_id = ? GROUP BY kind", company))
        found |= dict(self.sql("SELECT 'job', max(id) FROM jobs WHERE company_id = ?", company))
        query = "SELECT id FROM leads WHERE company_id = ? AND id NOT LIKE 'lead%' ORDER BY seq DESC"
        return {**found, "lead": self.sql(query, company)[0][0]}

    def path(self, name: str, ids: dict[str, str]) -> str:
        """The path of an operation with an id that exists."""
        path = operations()[name].path
        kinds = {"campaigns": "campaign", "leads": "lead", "sequences": "sequence", "target-accounts": "target account"}
        record = ids.get(kinds.get(path.split("/")[3], "job") if "{" in path else "") or "none"
        return path.replace("{id}", record).replace("{jobId}", record)


def credential_of(name: str, whose: str = "") -> str:
    """The demo credential that an operation takes; `whose` is user_, other_, or nothing."""
    scope = operations()[name].scope
    kind = {"agent": "api_key", "admin": "api_key", "system": "amplify_api_key", "root": "email"}[scope]
    return "" if name == "auth.login" else whose + kind


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    return Sandbox(folder / "demo.sqlite3", clock=lambda: NOON, demo_leads=60).database


@pytest.fixture(scope="session")
def make_in(demo_database: Path) -> Callable[..., Service]:
    """A sandbox over its own copy of the demo data in a folder, without rate limits unless they are asked for."""

    def make(folder: Path, **options: Any) -> Service:
        database = folder / f"{len(list(folder.iterdir()))}.sqlite3"
        if "demo_leads" not in options:
            shutil.copy(demo_database, database)
        return Service(Sandbox(database, **{"rate_limit": False, "clock": lambda: NOON, **options}))

    return make


@pytest.fixture
def make(make_in: Callable[..., Service], tmp_path: Path) -> Callable[..., Service]:
    folder = tmp_path / "sandbox"
    folder.mkdir()
    return lambda **options: make_in(folder, **options)


@pytest.fixture
def service(make: Callable[..., Service]) -> Service:
    return make()


@pytest.fixture(scope="module")
def shared(make_in: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory) -> Service:
    """One for a whole module, whose tests leave no trace that another would mind."""
    return make_in(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def whose_credential() -> Callable[..., str]:
    return credential_of


@pytest.fixture
def listen() -> Iterator[Callable[[Service], int]]:
    """Puts a service on a loopback port and returns it."""
    running = []

    def start(service: Service) -> int:
        server = Server(service.app, 0)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server.server_port

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
