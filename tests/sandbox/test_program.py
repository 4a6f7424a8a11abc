"""`python3 scripts/sandbox` as a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leadgenius.settings import DEFAULT_WINDOWS
from sandbox.__main__ import main
from sandbox.demo import CREDENTIALS

SANDBOX = Path(__file__).resolve().parents[2] / "scripts" / "sandbox"
NAMES = ["LGP_BASE_URL", "LGP_EMAIL", "LGP_PASSWORD", "LGP_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_COMPANY_ID"]
# A command that prints its variables, and what the service answers to its own key.
COMMAND = """import json, os, sys, urllib.request as web
call = web.Request(os.environ["LGP_BASE_URL"] + "/api/agent/campaigns", headers={"X-API-Key": os.environ["LGP_API_KEY"]})
with web.urlopen(call) as answer:
    print(json.dumps([dict(os.environ), answer.status, dict(answer.headers)]))
sys.exit(int(sys.argv[1]))"""


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SANDBOX), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ, **environ})


def serve_command(*options: str, code: int = 0, **environ: str) -> tuple[int, dict[str, str], dict[str, str]]:
    """The exit code of a run with COMMAND, the command's variables, and the headers of its answer."""
    done = run(*options, "--demo-leads", "9", "--", sys.executable, "-c", COMMAND, str(code), **environ)
    variables, status, headers = json.loads(done.stdout)
    assert status == 200, done.stderr
    return done.returncode, variables, headers


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and the lines that it prints."""
    command = [sys.executable, str(SANDBOX), "--port", "0", "--demo-leads", "9", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline().rstrip() for _ in range(13)]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_where_it_serves_and_ends_quietly(number: int) -> None:
    with serving() as (process, lines):
        words = [shlex.split(line.lstrip("# "))[1].split("=", 1) for line in lines if "export " in line]
        assert [name for name, _ in words] == NAMES * 2
        assert [line[0] for line in lines] == ["e"] * 6 + ["#"] * 7
        assert (words[3][1], words[9][1]) == (CREDENTIALS["api_key"], CREDENTIALS["other_api_key"])
        login = json.dumps({"email": words[7][1], "password": words[8][1]}).encode()
        call = urllib.request.Request(words[6][1] + "/api/epsimo-auth", login, {"Content-Type": "application/json"})
        with urllib.request.urlopen(call) as answer:
            assert json.load(answer)["success"]
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    database = Path(os.environ["HOME"], ".local/state/leadgenius/sandbox/sandbox.sqlite3")
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_command_gets_the_demo_account_alone_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    users = {name: "of the user" for name in ("LGP_API_KEY", "LGP_USER_ID", "LGP_PROFILE", "LGP_LIMITER")}
    users |= {"LGP_API_KEY_FILE": "/x", "LGP_AUTH_FILE": "/x", "LGP_STATE_DIR": str(tmp_path), "LGP_READ_ONLY": "1"}
    code, variables, headers = serve_command(code=7, **users)
    assert (code, headers["X-RateLimit-Limit"]) == (7, "60")
    demo = {name: CREDENTIALS[name.removeprefix("LGP_").lower()] for name in NAMES[1:]}
    found = {name: value for name, value in variables.items() if name.startswith("LGP_")}
    for name in ("LGP_STATE_DIR", "LGP_AUTH_FILE"):
        assert not Path(found.pop(name)).exists(), "it ends with the command"
    assert found.pop("LGP_BASE_URL").startswith("http://127.0.0.1:")
    assert found == {**demo, "LGP_READ_ONLY": "1", "LGP_RATE_LIMITS": DEFAULT_WINDOWS}
    assert (tmp_path / "sandbox" / "sandbox.sqlite3").is_file()


def test_a_command_learns_the_limits_that_it_meets() -> None:
    _, variables, headers = serve_command("--limits", "fixed:5/10")
    assert (variables["LGP_RATE_LIMITS"], headers["X-RateLimit-Limit"]) == ("5/10", "5")
    _, variables, headers = serve_command("--no-rate-limit")
    assert "X-RateLimit-Limit" not in headers
    assert int(variables["LGP_RATE_LIMITS"].split("/")[0]) > 10_000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--limits", "often"], 2, "rate limits must look like"), (["--fault", "GET /x"], 2, "a fault must look like"),
        (["--port", "x"], 2, "whole number"), (["--nonsense"], 2, "--nonsense"), (["--"], 2, "a command"),
        (["--port", "65536"], 2, "port"), (["--db", "/proc/nowhere/x.sqlite3"], 9, "/proc/nowhere"),
        (["--db", "/"], 9, "/"), (["--demo-leads", "9", "--", "/no/such/program"], 9, "/no/such/program"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found: Any = main(arguments)
    except SystemExit as stop:
        found = stop.code
    said = capsys.readouterr()
    assert (found, said.out) == (code, "")
    assert words in said.err.splitlines()[-1]


def test_a_port_in_use_is_said_before_anything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--port", port, "--demo-leads", "9"]) == 9
    said = capsys.readouterr()
    assert said.out == ""
    assert f"Address already in use: port {port}" in said.err


def test_a_relative_state_directory_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LGP_STATE_DIR", "here")
    assert main([]) == 2
    assert "LGP_STATE_DIR" in capsys.readouterr().err


def test_reset_makes_the_demo_data_anew_even_from_a_broken_file(tmp_path: Path) -> None:
    database = tmp_path / "x.sqlite3"
    database.write_text("this is no database, but somebody's words")
    done = run("--db", str(database))
    assert (done.returncode, "--reset" in done.stderr) == (9, True)
    assert run("--db", str(database), "--reset", "--demo-leads", "9", "--", "true").returncode == 0
    done = run("--db", str(database), "--demo-leads", "5", "--", "true")
    assert "--reset makes it anew" in done.stderr


def test_it_runs_without_requests_installed(tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError")
    done = run("--help", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert serve_command(PYTHONPATH=str(tmp_path))[0] == 0
