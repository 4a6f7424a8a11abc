"""The sandbox for its tests: a copy of a small demo database, a clock set by hand."""

import io
import json
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from contract.operations import operations
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.server import Server

NOON = 1781524800.0  # 2026-06-15T12:00:00Z
KINDS = {
    "campaigns": "campaign",
    "leads": "lead",
    "sequences": "sequence",
    "target-accounts": "target account",
}


class Reply:
    def __init__(self, answer):
        self.status, self.raw, self.headers = answer.status, answer.body, dict(answer.headers)

    body = property(lambda self: json.loads(self.raw))
    data = property(lambda self: self.body["data"])

    @property
    def error(self):
        """Status, code, and the fields that a refusal names."""
        fields = [one["field"] for one in self.body.get("details", ())]
        return self.status, self.body["code"], fields


class Service:
    """The application as a client sees it; `who` names a demo credential, an e-mail a login."""

    def __init__(self, app):
        self.app, self.now, self.tokens = app, NOON, {}
        app.clock = lambda: self.now

    def call(self, method, path, body=None, who="api_key", **environ):
        """`path` without /api/agent; bytes go as they are; `environ` wins, None removes."""
        sent = b"" if body is None else body
        sent = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        given = {
            "REQUEST_METHOD": method,
            "RAW_URI": path if path.startswith("/api/") else "/api/agent" + path,
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
            "HTTP_X_API_KEY": CREDENTIALS[who] if who.endswith("key") else None,
            "HTTP_AUTHORIZATION": f"Bearer {self.token(who)}" if who.endswith("email") else None,
            **environ,
        }
        return Reply(
            self.app.answer({name: value for name, value in given.items() if value is not None})
        )

    def token(self, who="email"):
        if who not in self.tokens:
            login = {
                "email": CREDENTIALS[who],
                "password": CREDENTIALS[who.replace("email", "password")],
            }
            self.tokens[who] = self.post("/api/epsimo-auth", login, "").body["jwt_token"]
        return self.tokens[who]

    def get(self, path, who="api_key"):
        return self.call("GET", path, None, who)

    def post(self, path, body, who="api_key"):
        return self.call("POST", path, body, who)

    def put(self, path, body, who="api_key"):
        return self.call("PUT", path, body, who)

    def delete(self, path, body=None):
        return self.call("DELETE", path, body)

    def total(self, path):
        return self.get(path).body["pagination"]["totalItems"]

    def bulk(self, path="enrich-leads", query=""):
        target = f"/api/{path}/list?companyId={CREDENTIALS['company_id']}{query}"
        return self.get(target, "amplify_api_key").body

    def lead(self, who="api_key", **fields):
        """A new lead, made through the API."""
        lead = {"firstName": "Ada", "lastName": "Moss", "email": "ada@moss.example", **fields}
        return self.post("/leads", lead, who).data

    def job(self, job, who="api_key"):
        """The job, after it has ended."""
        self.now += 10
        return self.get(f"/enrichment/status/{job}", who).data

    def sql(self, query, *values):
        with closing(sqlite3.connect(self.app.database)) as db, db:
            return db.execute(query, values).fetchall()

    def ids(self, whose=""):
        """An id of the demo data for each kind of record that a path may name."""
        company = CREDENTIALS[whose + "company_id"]
        found = dict(
            self.sql("SELECT kind, max(id) FROM records WHERE company_id = ? GROUP BY 1", company)
        )
        found |= dict(self.sql("SELECT 'job', max(id) FROM jobs WHERE company_id = ?", company))
        query = (
            "SELECT 'lead', id FROM leads WHERE company_id = ? AND id NOT LIKE 'lead%' ORDER BY seq"
        )
        return found | dict(self.sql(query, company))

    def operate(self, name, ids, body=None, who=None, query="", **environ):
        """Calls an operation, with its own kind of credential unless another is named."""
        operation = operations()[name]
        kind = KINDS.get(operation.path.split("/")[3], "job") if "{" in operation.path else ""
        path = operation.path.replace("{id}", ids.get(kind) or "none").replace(
            "{jobId}", ids.get(kind) or "none"
        )
        return self.call(
            operation.method,
            path + query,
            body,
            credential_of(name) if who is None else who,
            **environ,
        )


def credential_of(name, whose=""):
    """The demo credential that an operation takes; `whose` is user_, other_, or nothing."""
    kinds = {"agent": "api_key", "admin": "api_key", "system": "amplify_api_key", "root": "email"}
    return "" if name == "auth.login" else whose + kinds[operations()[name].scope]


@pytest.fixture(scope="session")
def credential():
    return credential_of


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory):
    return Sandbox(
        tmp_path_factory.mktemp("demo") / "demo.sqlite3", clock=lambda: NOON, demo_leads=60
    ).database


@pytest.fixture(scope="session")
def make(demo_database, tmp_path_factory):
    """A sandbox over its own copy of the demo data; without rate limits unless asked for."""

    def run(**options):
        database = tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite3"
        if "demo_leads" not in options:
            shutil.copy(demo_database, database)
        return Service(Sandbox(database, **{"rate_limit": False, "clock": lambda: NOON, **options}))

    return run


@pytest.fixture
def service(make):
    return make()


@pytest.fixture(scope="module")
def shared(make):
    """One for a whole module, whose tests leave no trace that another would mind."""
    return make()


@pytest.fixture
def open_port():
    """Puts a service on a loopback port and returns it."""
    running = []

    def start(service):
        server = Server(service.app, 0)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return server.server_port

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
