"""From argv to exit code in real processes: every code, signals, closed and full streams, bugs, secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.offline import EXIT_CODES
from sandbox.answers import Answer
from sandbox.demo import CREDENTIALS

LEAD = [
    "leads",
    "create",
    "--first-name",
    "A",
    "--last-name",
    "B",
    "--email",
    "a@b.example",
    "--client-id",
    "c",
]
NOWHERE = {"LGP_BASE_URL": "http://127.0.0.1:9", "LGP_API_KEY": CREDENTIALS["api_key"]}
# code → (words, faults of the server or None for no server, variables)
REACHED: dict[int, tuple[list[str], list[str] | None, dict[str, str]]] = {
    0: (["campaigns", "list"], [], {}),
    2: (["leads", "delete", "--ids", "lead_1"], [], {}),
    3: (["campaigns", "list"], [], {"LGP_API_KEY": "lgp_" + "0" * 64}),
    4: (["campaigns", "get", "no-such-campaign"], [], {}),
    5: (["campaigns", "list", "--max-wait", "0"], ["GET /campaigns=429*9"], {}),
    6: (["campaigns", "list", "--max-wait", "0"], None, NOWHERE),
    7: (["campaigns", "list", "--max-wait", "0"], ["GET /campaigns=500*9"], {}),
    8: (LEAD, ["POST /leads=applied-reset*9"], {}),
    9: (["campaigns", "list", "--out", "/nowhere/at/all.csv"], [], {}),
    10: (["leads", "enrich", "--ids", "lead_1", "--wait", "--wait-time", "0.01"], [], {}),
}


@pytest.mark.parametrize("code", REACHED)
def test_each_exit_code_is_reached_with_its_object_and_an_empty_stdout(
    code: int, process: Any, serve: Any
) -> None:
    words, faults, variables = REACHED[code]
    environ = {**(serve(faults=faults).environ if faults is not None else {}), **variables}
    run = process("lgp.py", *words, environ=environ)
    out, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    if code:
        error = json.loads(err.splitlines()[-1])["error"]
        assert (error["exit_code"], bool(error["message"])) == (code, True)
        assert out == "" or code == 10
    else:
        assert json.loads(out)["data"]
    assert "Traceback" not in err


def test_every_exit_code_of_the_help_is_reached_by_a_test() -> None:
    assert set(EXIT_CODES) == {*REACHED, 1, 130}


def test_a_bug_is_exit_1_with_a_traceback_and_the_object(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(context: Any) -> int:
        raise ZeroDivisionError(f"with {CREDENTIALS['api_key']} in it")

    monkeypatch.setattr("cli.lists.run", broken)
    reply = lgp("campaigns", "list", environ={"LGP_API_KEY": CREDENTIALS["api_key"]})
    assert reply.code == 1
    assert "Traceback" in reply.err and CREDENTIALS["api_key"][4:20] not in reply.err
    assert reply.error["code"] == "bug"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_waiting_read_at_once(
    number: int, code: int, process: Any, serve: Any
) -> None:
    served = serve(faults=["GET /campaigns=stall"])
    run = process("lgp.py", "campaigns", "list", environ=served.environ)
    wait_for_request(served)
    run.send_signal(number)
    out, err = run.communicate(timeout=10)
    assert (run.returncode, out) == (code, "")
    error = json.loads(err.splitlines()[-1])["error"]
    assert "outcome" not in error
    assert "Traceback" not in err


def test_an_interrupted_change_says_what_became_of_it(process: Any, serve: Any) -> None:
    served = serve()

    def slow(environ: dict[str, Any], ask: Any) -> Answer:
        if environ["REQUEST_METHOD"] == "POST":
            run.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        return ask(environ)

    served.around(slow)
    run = process("lgp.py", *LEAD, environ=served.environ)
    _, err = run.communicate(timeout=15)
    assert run.returncode == 143
    assert json.loads(err.splitlines()[-1])["error"]["outcome"] == "applied"


def wait_for_request(served: Any) -> None:
    """Until the server has a connection: a signal before that would meet the start of Python."""
    end = time.monotonic() + 10
    arrived: list[int] = []

    def watched(environ: dict[str, Any], ask: Any) -> Answer:
        arrived.append(1)
        return ask(environ)

    served.around(watched)
    while not arrived and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.05)


def test_a_closed_stdout_is_quiet(process: Any, serve: Any) -> None:
    served = serve()
    reading, writing = os.pipe()
    os.close(reading)
    run = process("lgp.py", "leads", "list", environ=served.environ, stdout=writing)
    os.close(writing)
    _, err = run.communicate(timeout=10)
    assert run.returncode == 141
    assert "Traceback" not in err and "BrokenPipe" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_exit_9(process: Any, serve: Any) -> None:
    served = serve()
    with Path("/dev/full").open("w") as full:
        run = process("lgp.py", "leads", "list", environ=served.environ, stdout=full)
        _, err = run.communicate(timeout=10)
    assert run.returncode == 9
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "disk"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_stream_that_the_caller_closed_is_no_crash(closed: str, serve: Any) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "lgp.py"
    command = f"{sys.executable} {script} campaigns list {closed}"
    done = subprocess.run(
        command, shell=True, env={**os.environ, **serve().environ}, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_output_is_utf8_whatever_the_locale(process: Any, serve: Any) -> None:
    served = serve()
    environ = {**served.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    name = "Überländer 東京"
    data = json.dumps({"name": name, "campaignType": "abm"})  # in ASCII
    words = ["campaigns", "create", "--data", data]
    made = process("lgp.py", *words, environ=environ, encoding="utf-8")
    out, _ = made.communicate(timeout=10)
    assert json.loads(out)["data"]["name"] == name


def test_read_only_and_the_cap_hold_before_anything_is_sent(lgp: Any) -> None:
    refused = lgp(*LEAD, environ={"LGP_READ_ONLY": "1"})
    assert (refused.code, refused.error["code"]) == (2, "read_only")
    assert lgp(*LEAD, "--read-only").error["outcome"] == "not_sent"
    capped = lgp(
        "leads",
        "status",
        "--ids",
        "lead_1",
        "lead_2",
        "--status",
        "new",
        environ={"LGP_MAX_CHANGES": "1"},
    )
    assert (capped.code, capped.error["code"]) == (2, "too_many_changes")
    assert lgp("leads", "list", "--read-only").code == 0


def test_no_secret_leaves_by_any_stream(lgp: Any, serve: Any) -> None:
    served = serve()
    key = CREDENTIALS["api_key"]

    def echoing(environ: dict[str, Any], ask: Any) -> Answer:
        body = {
            "success": False,
            "error": f"bad key {key}",
            "details": [{"field": key[5:40], "problem": key}],
        }
        return Answer(400, json.dumps(body).encode())

    served.around(echoing)
    reply = lgp("campaigns", "list", "--verbose", sandbox=False, environ=served.environ)
    assert reply.code == 4
    assert not any(key[at : at + 12] in reply.out + reply.err for at in range(len(key) - 11))


def test_a_hint_names_the_program_as_it_was_called_and_goes_where_this_run_went(lgp: Any) -> None:
    reply = lgp("campaigns", "get", "no-such")
    assert reply.code == 4
    help_hint = lgp("campaigns", "lst").error["hint"]
    assert help_hint == "python3 scripts/lgp.py --sandbox campaigns --help"


def test_the_program_reads_no_variables_or_files_of_the_user_under_sandbox(
    lgp: Any, home: Path
) -> None:
    (home / ".leadgenius_auth.json").write_text("{broken")
    reply = lgp("campaigns", "list", environ={"LGP_API_KEY": "not even a key é"})
    assert reply.code == 0
    assert (home / ".leadgenius_auth.json").read_text() == "{broken"
