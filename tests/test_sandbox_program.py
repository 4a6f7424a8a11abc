"""`python3 scripts/sandbox` as a process of its own."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.app import default_database

SANDBOX = Path(__file__).resolve().parents[1] / "scripts" / "sandbox"
NAMES = ["LGP_BASE_URL", "LGP_EMAIL", "LGP_PASSWORD", "LGP_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_COMPANY_ID"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SANDBOX), *arguments], capture_output=True, text=True, timeout=30)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process and the variables that it prints."""
    command = [sys.executable, str(SANDBOX), "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = [shlex.split(process.stdout.readline()) for _ in NAMES]
        try:
            yield process, dict(word.split("=", 1) for _, word in words)
        finally:
            process.kill()


def ask(variables: dict[str, str], method: str = "GET") -> int:
    connection = http.client.HTTPConnection(variables["LGP_BASE_URL"].removeprefix("http://"), timeout=10)
    try:
        connection.request(method, "/api/agent/campaigns", headers={"X-API-Key": variables["LGP_API_KEY"]})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_quietly(tmp_path: Path, number: int) -> None:
    with serving("--fault", "GET /campaigns=503*1") as (process, variables):
        assert list(variables) == NAMES
        assert [ask(variables), ask(variables)] == [503, 200]
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert default_database(os.environ).is_file()
    assert str(default_database(os.environ)).startswith(os.environ["HOME"])


def test_the_state_directory_holds_the_database() -> None:
    environ = {"HOME": "/h", "XDG_STATE_HOME": "/x", "LGP_STATE_DIR": "/s"}
    assert default_database(environ) == Path("/s/sandbox/sandbox.sqlite3")
    del environ["LGP_STATE_DIR"]
    assert default_database(environ) == Path("/x/leadgenius/sandbox/sandbox.sqlite3")
    del environ["XDG_STATE_HOME"]
    assert default_database(environ) == Path("/h/.local/state/leadgenius/sandbox/sandbox.sqlite3")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--limits", "often"], 2), (["--fault", "GET /x"], 2), (["--port", "x"], 2), (["--port", "65536"], 2),
        (["--nonsense"], 2), (["--db", "/proc/nowhere/x.sqlite3"], 9), (["--db", "/"], 9), (["extra"], 2),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_a_line(arguments: list[str], code: int) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].startswith("sandbox: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("--port", port)
    assert done.returncode == 9
    assert f"port {port}" in done.stderr


def test_reset_makes_the_demo_data_anew_even_from_a_broken_file(tmp_path: Path) -> None:
    database = tmp_path / "x.sqlite3"
    database.write_text("this is no database, but somebody's words")
    done = run("--db", str(database))
    assert done.returncode == 9
    assert "--reset" in done.stderr
    with serving("--db", str(database), "--reset") as (_, variables):
        assert ask(variables) == 200
