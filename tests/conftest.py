"""What every test gets: a home of its own, no variables of whoever runs the tests, no socket beyond loopback."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sandbox import demo, server
from sandbox.answers import Answer
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS

settings.register_profile("project", max_examples=40, deadline=None, database=None)
settings.load_profile("project")

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
SMALL = 60  # leads of the small demo database: enough for everything but the search depth
# The processes that tests start share their compiled modules, and leave none in the tree.
COMPILED = {
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), f"leadgenius-tests-{os.getuid()}"))
}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NETRC", "CI", "NO_COLOR")


class Reply:
    """What one run left: exit code, stdout, stderr; and both of them parsed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"Reply({self.code}, out={self.out[:2000]!r}, err={self.err[:2000]!r})"

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[Any]:
        """The rows of a list, from `data` or from jsonl."""
        return (
            self.json["data"]
            if self.out.startswith('{"data"')
            else [json.loads(one) for one in self.out.splitlines()]
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of stderr."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    @property
    def error(self) -> dict[str, Any]:
        """The error object, the last line of stderr."""
        found: dict[str, Any] = self.lines[-1]["error"]
        return found

    @property
    def notes(self) -> list[str]:
        """Notes and warnings, without the one that says that the data is not real."""
        messages = [line["message"] for line in self.lines if "message" in line]
        return [one for one in messages if "sandbox" not in one]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME in a temporary folder, which is the current directory too."""
    made = tmp_path / "home"
    made.mkdir()
    for name in list(os.environ):
        if (
            name.startswith(("LGP_", "LEADGENIUS_", "XDG_"))
            or name.lower() in _PROXIES
            or name in _OTHERS
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", COMPILED["PYTHONPYCACHEPREFIX"])
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="session", autouse=True)
def real_home_untouched() -> Iterator[None]:
    """Fail the run when a test has written into the real home."""
    real = Path(os.environ.get("HOME", "/nonexistent"))
    watched = [real / ".leadgenius_auth.json", real / ".local" / "state" / "leadgenius"]
    before = [path.exists() for path in watched]
    yield
    assert [path.exists() for path in watched] == before, (
        "a test wrote into the real home directory"
    )


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> Iterator[None]:
    """A suite in the background is started with SIGINT ignored, and so would be everything it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere else is a failure of the test, not of the network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        with contextlib.suppress(ValueError):
            if host not in ("", "localhost") and not ipaddress.ip_address(host).is_loopback:
                raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def small_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo database with SMALL leads, made once a session; copy it, never write to it."""
    import time

    path = tmp_path_factory.mktemp("demo") / "sandbox.sqlite3"
    demo.make(path, time.time(), SMALL)
    return path


@pytest.fixture
def state(home: Path) -> Path:
    """The state directory of this test's home."""
    return home / ".local" / "state" / "leadgenius"


class Stream(io.StringIO):
    """A text stream with the bytes below it, and a terminal or not."""

    def __init__(self, text: str = "", terminal: bool = False) -> None:
        super().__init__(text)
        self.buffer = io.BytesIO(text.encode())
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


Lgp = Callable[..., Reply]


@pytest.fixture
def quick_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of the sandbox end as soon as they begin, and nobody sleeps before looking."""
    for name in ("QUEUED_SECONDS", "BASE_SECONDS", "TASK_SECONDS"):
        monkeypatch.setattr(f"sandbox.jobs.{name}", 0.0)
    monkeypatch.setattr("cli.jobs.sleep", lambda seconds: None)


@pytest.fixture
def lgp(monkeypatch: pytest.MonkeyPatch, state: Path, small_database: Path) -> Lgp:
    """`lgp("leads", "list")` runs lgp.py in this process with --sandbox over the small demo database.

    `sandbox=False`: without --sandbox (a served one through LGP_BASE_URL, say). `script="api_call"` or "auth" runs
    another script. `stdin`, `environ` (set for this run), `terminal=True` (stdout and stderr are terminals).
    """
    from cli import main

    target = state / "sandbox" / "sandbox.sqlite3"
    target.parent.mkdir(parents=True, mode=0o700)
    shutil.copy(small_database, target)

    def run(
        *words: str,
        script: str = "lgp",
        sandbox: bool = True,
        stdin: str = "",
        environ: dict[str, str] | None = None,
        terminal: bool = False,
    ) -> Reply:
        argv = [*words, "--sandbox"] if sandbox and "--" not in words else list(words)
        with monkeypatch.context() as patch:
            for name, value in (environ or {}).items():
                patch.setenv(name, value)
            out, err = Stream(terminal=terminal), Stream(terminal=terminal)
            patch.setattr(sys, "argv", [f"scripts/{script}.py", *argv])
            patch.setattr(sys, "stdin", Stream(stdin, terminal and not stdin))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main.run(script, argv)
        return Reply(code, out.getvalue(), err.getvalue())

    return run


class Served:
    """A served sandbox: its application and its origin."""

    def __init__(self, app: Sandbox, listening: server.Server) -> None:
        self.app, self.listening = app, listening
        self.origin = f"http://127.0.0.1:{listening.server_address[1]}"

    def around(self, call: Callable[[dict[str, Any], Callable[[Any], Answer]], Answer]) -> None:
        """Let `call(environ, ask)` answer from now on; `ask(environ)` is what the sandbox answers."""
        ask = self.app.answer
        self.app.answer = lambda environ: self.app.marked(call(environ, ask))  # type: ignore[method-assign]

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which a run talks to it."""
        return {
            "LGP_BASE_URL": self.origin,
            "LGP_API_KEY": CREDENTIALS["api_key"],
            "LGP_AMPLIFY_API_KEY": CREDENTIALS["amplify_api_key"],
            "LGP_COMPANY_ID": CREDENTIALS["company_id"],
        }


@pytest.fixture
def serve(tmp_path: Path, small_database: Path) -> Iterator[Callable[..., Served]]:
    """`serve(faults=[…], limits=…, …)` serves a sandbox in a thread; options as for sandbox.app.Sandbox."""
    running: list[Served] = []

    def start(**options: Any) -> Served:
        database = tmp_path / f"served{len(running)}" / "sandbox.sqlite3"
        database.parent.mkdir(mode=0o700)
        if "demo_leads" not in options:
            shutil.copy(small_database, database)
        app = Sandbox(database, **options)
        made = Served(app, server.Server(app, 0))
        threading.Thread(
            target=made.listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        running.append(made)
        return made

    yield start
    for one in running:
        one.listening.shutdown()
        one.listening.server_close()


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`process("lgp.py", "leads", "list")` starts a real script, in text mode with pipes; it is ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        script: str, *words: str, environ: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        pipes = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        command = [sys.executable, str(SCRIPTS / script), *words]
        made = subprocess.Popen(
            command, env={**os.environ, **(environ or {})}, **{**pipes, **options}
        )
        started.append(made)
        return made

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.wait()
        for stream in (one.stdin, one.stdout, one.stderr):
            if stream:
                stream.close()
