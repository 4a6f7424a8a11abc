"""What every test gets: a home of its own, no variables of the user's, no socket beyond loopback."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("project", max_examples=40, deadline=None, database=None)
settings.load_profile("project")

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
# The processes that tests start share their compiled modules, and leave none in the tree.
COMPILED = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), f"leadgenius-tests-{os.getuid()}"))}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME in a temporary folder; no LGP_ variable, proxy or certificate variable of whoever runs the tests."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("LGP_", "LEADGENIUS_", "XDG_")) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", COMPILED["PYTHONPYCACHEPREFIX"])
    return home


@pytest.fixture(scope="session", autouse=True)
def real_home_untouched() -> Iterator[None]:
    """Fail the run when a test has written into the real home."""
    home = Path(os.environ.get("HOME", "/nonexistent"))
    watched = [home / ".leadgenius_auth.json", home / ".local" / "state" / "leadgenius"]
    before = [path.exists() for path in watched]
    yield
    assert [path.exists() for path in watched] == before, "a test wrote into the real home directory"


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere else is a failure of the test, not of the network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(host)):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Ran:
    """One run of a script in this process: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        import json

        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error object: the last line of stderr."""
        import json

        found: dict[str, Any] = json.loads(self.err.strip().splitlines()[-1])["error"]
        return found

    def notes(self) -> list[dict[str, Any]]:
        import json

        return [json.loads(line) for line in self.err.splitlines() if line.startswith('{"level"')]


Run = Callable[..., Ran]


@pytest.fixture
def lgp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`lgp("leads", "list", stdin="…")` runs lgp.py in this process."""
    from commands import program

    return _runner(program.main, "lgp.py", capsys, monkeypatch)


@pytest.fixture
def api_call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`api_call("GET", "/leads")` runs api_call.py in this process."""
    from commands import raw

    return _runner(raw.main, "api_call.py", capsys, monkeypatch)


def _runner(
    main: Callable[[list[str]], int], name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    import io

    def run(*argv: str, stdin: str = "") -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [f"scripts/{name}", *argv])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main(list(argv))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def demo_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with the sandbox's demo data and its account, made once; never written to by a test."""
    from console import embedding
    from leadgenius.credentials import CredentialFile
    from leadgenius.scopes import EMBEDDED
    from leadgenius.transport import Transport

    folder = tmp_path_factory.mktemp("demo") / "sandbox"
    transport = Transport(EMBEDDED, environ={})
    transport.mount(embedding.Embedded(embedding.service({}, folder)))
    embedding.provide_credentials(CredentialFile(folder / "credentials.json"), transport)
    transport.close()
    return folder.parent


@pytest.fixture
def sandboxed(demo_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command goes to the embedded sandbox, over a copy of the demo data, as fast as it can.

    Gives the sandbox's folder: sandbox.sqlite3, credentials.json, requests.sqlite3, jobs.jsonl.
    """
    import shutil

    shutil.copytree(demo_state, tmp_path / "state")
    monkeypatch.setenv("LGP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LGP_SANDBOX", "1")
    monkeypatch.setenv("LGP_RATE_LIMITS", "100000/60")
    return tmp_path / "state" / "sandbox"


@dataclass
class Clock:
    """Real time and the time that was slept away; `slept` lists every sleep in seconds."""

    slept: list[float]

    def __call__(self) -> float:
        import time

        return time.time() + sum(self.slept)

    def monotonic(self) -> float:
        import time

        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Following a job moves this clock, the embedded sandbox's included, and takes no time."""
    from functools import partial
    from types import SimpleNamespace

    from console import embedding
    from sandbox.app import Sandbox

    made = Clock([])
    fake = SimpleNamespace(time=made, monotonic=made.monotonic, sleep=made.sleep)
    monkeypatch.setattr("commands.runners.jobs.time", fake)
    monkeypatch.setattr(embedding, "Sandbox", partial(Sandbox, clock=made))
    return made


@dataclass(frozen=True)
class Sent:
    """One request that reached the embedded sandbox."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """Every request to the embedded sandbox, as it goes out."""
    import json

    from console.embedding import Embedded

    found: list[Sent] = []
    send = Embedded.send

    def noted(self: Any, request: Any, *args: Any, **more: Any) -> Any:
        body = json.loads(request.body) if request.body else None
        found.append(Sent(request.method, request.path_url, dict(request.headers), body))
        return send(self, request, *args, **more)

    monkeypatch.setattr(Embedded, "send", noted)
    return found
