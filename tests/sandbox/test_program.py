"""`python3 scripts/sandbox` as a process of its own."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from leadgenius.settings import DEFAULT_WINDOWS
from sandbox.__main__ import main
from sandbox.demo import CREDENTIALS

SANDBOX = str(Path(__file__).resolve().parents[2] / "scripts" / "sandbox")
NAMES = ["BASE_URL", "EMAIL", "PASSWORD", "API_KEY", "AMPLIFY_API_KEY", "COMPANY_ID"]
SMALL = ("--demo-leads", "9")
# A command that prints its variables, and the headers of an answer to its own key.
COMMAND = """import json, os, sys, urllib.request as web
call = web.Request(os.environ["LGP_BASE_URL"] + "/api/agent/campaigns")
call.add_header("X-API-Key", os.environ["LGP_API_KEY"])
with web.urlopen(call) as answer:
    print(json.dumps([dict(os.environ), dict(answer.headers)]))
sys.exit(7)"""


def run(*arguments, **environ):
    command, given = [sys.executable, SANDBOX, *arguments], {**os.environ, **environ}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=given)


def run_command(*options, **environ):
    """The LGP_ variables of a run with COMMAND, and the headers of its answer."""
    done = run(*options, *SMALL, "--", sys.executable, "-c", COMMAND, **environ)
    assert done.returncode == 7, done.stderr
    variables, headers = json.loads(done.stdout)
    return {name: value for name, value in variables.items() if name.startswith("LGP_")}, headers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_where_it_serves_and_ends_quietly(number, state):
    command = [sys.executable, SANDBOX, "--port", "0", *SMALL]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        lines = [process.stdout.readline() for _ in range(12)]
        assert [line[0] for line in lines] == ["e"] * 6 + ["#"] * 6
        found = [shlex.split(line.lstrip("# "))[1] for line in lines]
        origin = found[0].partition("=")[2]
        assert found == [
            f"LGP_{name}={origin if name == 'BASE_URL' else CREDENTIALS[whose + name.lower()]}"
            for whose in ("", "other_")
            for name in NAMES
        ]
        socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2]))).close()
        process.send_signal(number)
        assert "Traceback" not in process.communicate(timeout=10)[1]
    assert process.returncode == 0
    assert (state / "sandbox" / "sandbox.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_command_gets_the_demo_account_alone_and_its_exit_code_is_ours(tmp_path):
    users = dict.fromkeys(["LGP_API_KEY", "LGP_USER_ID", "LGP_PROFILE", "LGP_LIMITER"], "user's")
    users |= dict.fromkeys(["LGP_API_KEY_FILE", "LGP_AUTH_FILE", "LEADGENIUS_API_KEY"], "/x")
    found, _ = run_command(**users, LGP_STATE_DIR=str(tmp_path), LGP_READ_ONLY="1")
    for name in ("LGP_STATE_DIR", "LGP_AUTH_FILE"):
        assert not Path(found.pop(name)).exists(), "it ends with the command"
    assert found.pop("LGP_BASE_URL").startswith("http://127.0.0.1:")
    demo = {f"LGP_{name}": CREDENTIALS[name.lower()] for name in NAMES[1:]}
    assert found == {**demo, "LGP_READ_ONLY": "1", "LGP_RATE_LIMITS": DEFAULT_WINDOWS}


@pytest.mark.parametrize(
    ("options", "paced_by", "limit"),
    [(["--limits", "fixed:5/10"], "5/10", "5"), (["--no-rate-limit"], "1000000/1", None)],
)
def test_a_command_learns_the_limits_that_it_meets(options, paced_by, limit):
    found, headers = run_command(*options)
    assert (found["LGP_RATE_LIMITS"], headers.get("X-RateLimit-Limit")) == (paced_by, limit)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--limits often", 2, "rate limits must look like"),
        ("--fault 'GET /x'", 2, "a fault must look like"),
        ("--", 2, "a command"),
        ("--port 65536 --demo-leads 9", 2, "port"),
        ("--db /proc/nowhere/x.sqlite3", 9, "/proc/nowhere"),
        ("--demo-leads 9 -- /no/such/program", 9, "/no/such/program"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(arguments, code, words, capsys):
    try:
        found = main(shlex.split(arguments))
    except SystemExit as stop:
        found = stop.code
    said = capsys.readouterr()
    assert (found, said.out) == (code, "")
    assert words in said.err.splitlines()[-1]


def test_reset_makes_the_demo_data_anew_even_from_a_broken_file(tmp_path, capsys):
    database = tmp_path / "x.sqlite3"
    database.write_text("this is no database, but somebody's words")
    options = ["--db", str(database), *SMALL]
    assert main(options) == 9
    assert "--reset makes it anew" in capsys.readouterr().err
    assert main([*options, "--reset", "--", "true"]) == 0
    assert database.read_bytes().startswith(b"SQLite")


def test_reset_removes_the_credentials_of_the_embedded_sandbox_alone(state, tmp_path):
    other = tmp_path / "x.sqlite3"
    for folder, options in ((state / "sandbox", []), (tmp_path, ["--db", str(other)])):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / ".leadgenius_auth.json"
        file.write_text("{}")
        assert main([*options, *SMALL, "--reset", "--", "true"]) == 0
        assert file.exists() == bool(options)


def test_it_runs_without_requests_installed(tmp_path):
    (tmp_path / "requests.py").write_text("raise ImportError")
    done = run("--help", PYTHONPATH=str(tmp_path))
    assert (done.returncode, max(map(len, done.stdout.splitlines())) <= 100) == (0, True)
    run_command(PYTHONPATH=str(tmp_path))
