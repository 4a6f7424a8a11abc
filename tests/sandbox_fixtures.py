"""A sandbox on a loopback port for tests: a copy of one demo database, a clock that is set by hand."""

from __future__ import annotations

import atexit
import functools
import http.client
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS
from sandbox.server import serve

NOON = 1781524800.0  # 2026-06-15T12:00:00Z


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.body["code"])

    @property
    def fields(self) -> list[str]:
        """The fields that a refusal names."""
        return [one["field"] for one in self.body["details"]]


@functools.cache
def demo_database() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Sandbox(Path(folder) / "demo.sqlite3", clock=Clock()).database


class Service:
    """The running sandbox as a client sees it. `key` names a credential of the demo data."""

    def __init__(self, app: Sandbox, clock: Clock, port: int) -> None:
        self.app, self.clock, self.port = app, clock, port

    def call(self, method: str, path: str, body: Any = None, key: str | None = "api_key", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["X-API-Key"] = CREDENTIALS[key]
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, key: str | None = "api_key", **headers: str) -> Reply:
        return self.call("GET", path, None, key, **headers)

    def post(self, path: str, body: Any, key: str | None = "api_key", **headers: str) -> Reply:
        return self.call("POST", path, body, key, **headers)

    def put(self, path: str, body: Any, key: str | None = "api_key") -> Reply:
        return self.call("PUT", path, body, key)

    def token(self, who: str = "") -> str:
        login = {"email": CREDENTIALS[who + "email"], "password": CREDENTIALS[who + "password"]}
        return str(self.post("/api/epsimo-auth", login, key=None).body["jwt_token"])

    def lead(self, key: str = "api_key", **fields: Any) -> dict[str, Any]:
        """A new lead, made through the API."""
        lead = {"firstName": "Test", "lastName": "Person", "email": "test@person.example", **fields}
        reply = self.post("/api/agent/leads", lead, key)
        assert reply.status == 201, reply.raw
        return dict(reply.body["data"])


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Service]:
    """The sandbox over a copy of the demo data, without rate limits unless they are asked for."""
    database, clock = folder / "sandbox.sqlite3", Clock()
    shutil.copy(demo_database(), database)
    options.setdefault("rate_limit", False)
    app = Sandbox(database, clock=clock, **options)
    with serve(app, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Service(app, clock, server.server_port)
        finally:
            server.shutdown()
            thread.join()
