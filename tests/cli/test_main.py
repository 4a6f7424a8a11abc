"""From argv to exit code in real processes: every code, signals, closed and full streams, bugs, secrets."""

import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import main, start
from cli.offline import EXIT_CODES
from leadgenius import __version__
from sandbox.answers import Answer
from sandbox.demo import CREDENTIALS

KEY = CREDENTIALS["api_key"]
LEAD = "leads create --first-name A --last-name B --email a@b.example --client-id c"
NOWHERE = {"LGP_BASE_URL": "http://127.0.0.1:9", "LGP_API_KEY": KEY}
# code → (line, faults of the server or None for no server, variables)
REACHED = {
    0: ("campaigns list", [], {}),
    2: ("leads delete --ids lead_1", [], {}),
    3: ("campaigns list", [], {"LGP_API_KEY": "lgp_" + "0" * 64}),
    4: ("campaigns get no-such-campaign", [], {}),
    5: ("campaigns list --max-wait 0", ["GET /campaigns=429*9"], {}),
    6: ("campaigns list --max-wait 0", None, NOWHERE),
    7: ("campaigns list --max-wait 0", ["GET /campaigns=500*9"], {}),
    8: (LEAD, ["POST /leads=applied-reset*9"], {}),
    9: ("campaigns list --out /nowhere/at/all.csv", [], {}),
    10: ("leads enrich --ids lead_1 --wait --wait-time 0.01", [], {}),
}


def last_error(err):
    assert "Traceback" not in err
    return json.loads(err.splitlines()[-1])["error"]


@pytest.mark.parametrize("code", REACHED)
def test_each_exit_code_is_reached_with_its_object_and_an_empty_stdout(code, process, serve):
    line, faults, variables = REACHED[code]
    environ = {**(serve(faults=faults).environ if faults is not None else {}), **variables}
    run = process("lgp.py", *line.split(), environ=environ)
    out, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    if code:
        error = last_error(err)
        assert (error["exit_code"], bool(error["message"])) == (code, True)
        assert out == "" or code == 10
    else:
        assert json.loads(out)["data"]


@pytest.mark.parametrize(
    ("path", "line", "search"),
    [
        ("/leads", LEAD, "leads list --email ADDRESS"),
        ("/campaigns", "campaigns create --name=Q3/A", "campaigns list"),
        ("/sequences", "sequences create --name Warm", "sequences list"),
    ],
)
def test_a_lost_answer_is_in_the_record_of_changes_and_the_hint_lists_what_it_may_have_made(
    path, line, search, lgp, serve, state
):
    served = serve(faults=[f"POST {path}=applied-reset*9"])
    reply = lgp(*line.split(), environ=served.environ, sandbox=False)
    assert (reply.code, reply.error["hint"].partition("lgp.py ")[2]) == (8, search)
    change = json.loads((state / "changes.jsonl").read_text())
    assert (change["path"], change["outcome"]) == (f"/api/agent{path}", "unknown")


def test_every_exit_code_of_the_help_is_reached_by_a_test():
    codes = {int(one) for one in re.findall("(?m)^  ([0-9]+)", EXIT_CODES)}
    assert codes == {*REACHED, 1, 130}


def test_a_bug_is_exit_1_with_a_traceback_and_the_object(lgp, monkeypatch):
    def broken(context):
        raise ZeroDivisionError(f"with {KEY} in it")

    monkeypatch.setattr("cli.lists.run", broken)
    reply = lgp("campaigns", "list", environ={"LGP_API_KEY": KEY})
    assert (reply.code, reply.error["code"]) == (1, "bug")
    assert "Traceback" in reply.err and KEY[4:20] not in reply.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_waiting_read_at_once(number, code, process, serve):
    served = serve(faults=["GET /campaigns=stall"])

    def signalled(environ, ask):
        run.send_signal(number)
        return ask(environ)

    served.around(signalled)
    run = process("lgp.py", "campaigns", "list", environ=served.environ)
    out, err = run.communicate(timeout=10)
    assert (run.returncode, out) == (code, "")
    assert "outcome" not in last_error(err)
    assert "change" not in last_error(err)["message"]


def test_an_interrupted_change_says_what_became_of_it(process, serve):
    served = serve()

    def slow(environ, ask):
        if environ["REQUEST_METHOD"] == "POST":
            run.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        return ask(environ)

    served.around(slow)
    run = process("lgp.py", *LEAD.split(), environ=served.environ)
    _, err = run.communicate(timeout=15)
    assert run.returncode == 143
    error = last_error(err)
    assert (error["outcome"], "change: applied" in error["message"]) == ("applied", True)


def test_a_closed_stdout_is_quiet(process, serve):
    reading, writing = os.pipe()
    os.close(reading)
    run = process("lgp.py", "leads", "list", environ=serve().environ, stdout=writing)
    os.close(writing)
    _, err = run.communicate(timeout=10)
    assert (run.returncode, "Error" in err) == (141, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_exit_9(process, serve):
    with Path("/dev/full").open("w") as full:
        run = process("lgp.py", "leads", "list", environ=serve().environ, stdout=full)
    _, err = run.communicate(timeout=10)
    assert (run.returncode, last_error(err)["code"]) == (9, "disk")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_stream_that_the_caller_closed_is_no_crash(closed, serve):
    script = Path(main.__file__).parents[1] / "lgp.py"
    command = f"{shlex.join([sys.executable, str(script)])} campaigns list {closed}"
    environ = {**os.environ, **serve().environ}
    done = subprocess.run(command, shell=True, env=environ, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_output_is_utf8_whatever_the_locale(process, serve):
    environ = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    data = json.dumps({"name": "Überländer 東京", "campaignType": "abm"})  # in ASCII
    words = ["campaigns", "create", "--data", data]
    run = process("lgp.py", *words, environ={**serve().environ, **environ}, encoding="utf-8")
    out, _ = run.communicate(timeout=10)
    assert json.loads(out)["data"]["name"] == "Überländer 東京"


@pytest.mark.parametrize(
    ("line", "environ", "code"),
    [
        (LEAD, {"LGP_READ_ONLY": "1"}, "read_only"),
        (f"{LEAD} --read-only", {}, "read_only"),
        ("leads status --ids a b --status new", {"LGP_MAX_CHANGES": "1"}, "too_many_changes"),
    ],
)
def test_read_only_and_the_cap_hold_before_anything_is_sent(lgp, line, environ, code):
    refused = lgp(*line.split(), environ=environ)
    assert (refused.code, refused.error["code"]) == (2, code)
    assert (refused.error["outcome"], refused.error["hint"]) == ("not_sent", "")
    assert lgp("leads", "list", "--read-only").code == 0


def test_without_any_time_nothing_is_sent(real):
    found = real("campaigns list --max-time 0").code
    assert (found, len(real.planned.calls)) == (5, 0)


def test_no_secret_leaves_by_any_stream(lgp, serve):
    served = serve()
    details = [{"field": "key", "problem": f"is not {KEY[9:40]}!"}]
    body = {"success": False, "error": f"bad key {KEY[:35]}", "details": details}
    served.around(lambda environ, ask: Answer(400, json.dumps(body).encode()))
    reply = lgp("campaigns", "list", "--verbose", sandbox=False, environ=served.environ)
    assert reply.code == 4
    assert not any(KEY[at : at + 12] in reply.out + reply.err for at in range(len(KEY) - 11))


def test_a_hint_names_the_program_as_it_was_called_and_goes_where_this_run_went(lgp):
    error = lgp("workflows", "list", "--timeout", "0").error  # of the helper, which has no hint
    assert error["hint"] == "python3 scripts/lgp.py --sandbox workflows list"


def test_the_program_reads_no_variables_or_files_of_the_user_under_sandbox(lgp, home):
    file = home / ".leadgenius_auth.json"
    file.write_text("{broken")
    assert lgp("campaigns", "list", environ={"LGP_API_KEY": "not even a key é"}).code == 0
    assert file.read_text() == "{broken"


def test_the_version(lgp):
    assert lgp("--version", sandbox=False).out == f"leadgenius-api {__version__}\n"


def test_an_old_python_is_exit_9_with_what_to_type(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit, match="9"):
        runpy.run_path(start.__file__)
    error = last_error(capsys.readouterr().err)
    assert (error["code"], error["message"][-7:]) == ("setup", "is 3.9.")
    assert "uv run" in error["hint"]
