"""What every test gets: a home of its own, no variables of whoever runs the tests, no socket beyond loopback."""

import contextlib
import io
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest
from hypothesis import settings

from sandbox import demo, server
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS

settings.register_profile("project", max_examples=40, deadline=None, database=None)
settings.load_profile("project")

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
SMALL = 60  # leads of the small demo database: enough for everything but the search depth
# The processes that tests start share their compiled modules, and leave none in the tree.
COMPILED = Path(tempfile.gettempdir(), f"leadgenius-tests-{os.getuid()}")
OURS = re.compile(
    "(LGP_|LEADGENIUS_|XDG_).*|(https?|all|no)_proxy|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_FILE"
    "|NETRC|CI|NO_COLOR|PYTHONDONTWRITEBYTECODE",
    re.IGNORECASE,
)


class Reply:
    """What one run left: exit code, stdout, stderr; and both of them parsed."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"Reply({self.code}, out={self.out[:2000]!r}, err={self.err[:2000]!r})"

    @property
    def json(self):
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def rows(self):
        """The rows of a list, from `data` or from jsonl."""
        if self.out.startswith('{"data"'):
            return self.json["data"]
        return [json.loads(one) for one in self.out.splitlines()]

    @property
    def lines(self):
        """The JSON lines of stderr."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    @property
    def error(self):
        """The error object, the last line of stderr."""
        return self.lines[-1]["error"]

    @property
    def notes(self):
        """Notes and warnings, without the one that says that the data is not real."""
        messages = [line["message"] for line in self.lines if "message" in line]
        return [one for one in messages if "sandbox" not in one]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """HOME in a temporary folder, which is the current directory too."""
    made = tmp_path / "home"
    made.mkdir()
    for name in filter(OURS.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["scripts/lgp.py"])  # not the one of pytest
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(COMPILED))
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="session", autouse=True)
def real_home_untouched():
    """Fail the run when a test has written into the real home."""
    real = Path(os.environ.get("HOME", "/nonexistent"))
    watched = [real / ".leadgenius_auth.json", real / ".local" / "state" / "leadgenius"]
    before = [path.exists() for path in watched]
    yield
    assert [path.exists() for path in watched] == before, "a test wrote into the real home"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works():
    """A suite in the background is started with SIGINT ignored, and so would be everything it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    """A connection to anywhere else is a failure of the test, not of the network."""
    connect = socket.socket.connect

    def guarded(self, address):
        host = address[0] if isinstance(address, tuple) else ""
        with contextlib.suppress(ValueError):
            if host not in ("", "localhost") and not ipaddress.ip_address(host).is_loopback:
                raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def small_database(tmp_path_factory):
    """The demo database with SMALL leads, made once a session; copy it, never write to it."""
    path = tmp_path_factory.mktemp("demo") / "sandbox.sqlite3"
    demo.make(path, time.time(), SMALL)
    return path


@pytest.fixture
def state(home):
    """The state directory of this test's home."""
    return home / ".local" / "state" / "leadgenius"


class Stream(io.StringIO):
    """A text stream with the bytes below it, and a terminal or not."""

    def __init__(self, text="", terminal=False):
        super().__init__(text)
        self.buffer = io.BytesIO(text.encode())
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def quick_jobs(monkeypatch):
    """Jobs of the sandbox end as soon as they begin, and nobody sleeps before looking."""
    for name in ("QUEUED_SECONDS", "BASE_SECONDS", "TASK_SECONDS"):
        monkeypatch.setattr(f"sandbox.jobs.{name}", 0.0)
    monkeypatch.setattr("cli.jobs.sleep", lambda seconds: None)


@pytest.fixture
def lgp(monkeypatch, state, small_database):
    """`lgp("leads list", word, …)` runs lgp.py in this process with --sandbox over the small demo database.

    `sandbox=False`: without --sandbox (a served one through LGP_BASE_URL, say). `script="api_call"` or "auth" runs
    another script. `stdin`, `environ` (set for this run), `terminal=True` (stdout and stderr are terminals).
    """
    from cli import main

    target = state / "sandbox" / "sandbox.sqlite3"
    target.parent.mkdir(parents=True, mode=0o700)
    shutil.copy(small_database, target)

    def run(line="", *words, script="lgp", sandbox=True, stdin="", environ=None, terminal=False):
        argv = [*line.split(), *words]
        argv += ["--sandbox"] * (sandbox and "--" not in words)
        with monkeypatch.context() as patch:
            for name, value in (environ or {}).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", [f"scripts/{script}.py", *argv])
            out, err = Stream(terminal=terminal), Stream(terminal=terminal)
            streams = {"stdin": Stream(stdin, terminal), "stdout": out, "stderr": err}
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = main.run(*([] if script == "lgp" else [script]))
        return Reply(code, out.getvalue(), err.getvalue())

    return run


class Served:
    """A served sandbox: its application and its origin."""

    def __init__(self, app, listening):
        self.app, self.listening = app, listening
        self.origin = f"http://127.0.0.1:{listening.server_address[1]}"

    def around(self, call):
        """Let `call(environ, ask)` answer from now on; `ask(environ)` is what the sandbox answers."""
        ask = self.app.answer
        self.app.answer = lambda environ: self.app.marked(call(environ, ask))

    @property
    def environ(self):
        """The variables with which a run talks to it."""
        return {
            "LGP_BASE_URL": self.origin,
            "LGP_API_KEY": CREDENTIALS["api_key"],
            "LGP_AMPLIFY_API_KEY": CREDENTIALS["amplify_api_key"],
            "LGP_COMPANY_ID": CREDENTIALS["company_id"],
        }


@pytest.fixture
def serve(tmp_path, small_database):
    """`serve(faults=[…], limits=…, …)` serves a sandbox in a thread; options as for sandbox.app.Sandbox."""
    running = []

    def start(**options):
        database = tmp_path / f"served{len(running)}" / "sandbox.sqlite3"
        database.parent.mkdir(mode=0o700)
        if "demo_leads" not in options:
            shutil.copy(small_database, database)
        app = Sandbox(database, **options)
        made = Served(app, server.Server(app, 0))
        serving = made.listening.serve_forever
        threading.Thread(target=serving, args=(0.01,), daemon=True).start()
        running.append(made)
        return made

    yield start
    for one in running:
        one.listening.shutdown()
        one.listening.server_close()


@pytest.fixture
def process():
    """`process("lgp.py", "leads", "list")` starts a real script, in text mode with pipes; it is ended after the test."""
    started = []

    def start(script, *words, environ=None, stdout=PIPE, **options):
        command, environ = [sys.executable, SCRIPTS / script, *words], os.environ | (environ or {})
        options = {"stdin": DEVNULL, "stderr": PIPE, "text": True, **options}
        made = Popen(command, env=environ, stdout=stdout, **options)
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
