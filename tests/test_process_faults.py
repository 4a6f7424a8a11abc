"""The scripts as processes: every exit code, signals, lost outputs, odd homes and locales; and no secret anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import faults
from conftest import COMPILED, SCRIPTS
from faults import FaultServer, ProxyServer

KEY = "lgp_canary" + "0" * 58
PASSWORD = 'canary "pass\\word" é'
PROXY_PASSWORD = "canary-of-the-proxy"
API, LGP = "api_call.py", "lgp.py"
GET, POST = ("GET", "/campaigns"), ("POST", "/campaigns", "--no-check", "--data", '{"name": "n"}')
LIST = {"success": True, "data": [{"id": "a", "name": "é漢"}]}


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    """The variables of a process of its own."""
    for name in ("home", "state", "tmp", "cwd"):
        (tmp_path / name).mkdir(exist_ok=True)
    world = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")} | COMPILED
    return {**world, "LGP_STATE_DIR": str(tmp_path / "state"), "LGP_API_KEY": KEY}


def command(script: str, argv: Sequence[str]) -> list[str]:
    return [sys.executable, str(SCRIPTS / script), *argv]


STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """A test that fails in the middle leaves nothing running."""
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


def start(world: dict[str, str], script: str, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    cwd = Path(world["TMPDIR"]).parent / "cwd"
    STARTED.append(subprocess.Popen(command(script, argv), env=world, cwd=cwd, **given))
    return STARTED[-1]


class Done:
    """One run that has ended."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes | None = None) -> None:
        out, err = process.communicate(stdin, timeout=20)
        self.code, self.out, self.err = process.returncode, (out or b"").decode(), (err or b"").decode()

    @property
    def error(self) -> dict[str, Any]:
        """The error object: the last line of stderr."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return found


def run(world: dict[str, str], script: str, *argv: str, stdin: bytes | None = None, **more: Any) -> Done:
    given = {"stdin": subprocess.PIPE} if stdin is not None else {}
    return Done(start(world, script, *argv, **given, **more), stdin)


def at(world: dict[str, str], origin: str, **more: str) -> dict[str, str]:
    return {**world, "LGP_BASE_URL": origin, **more}


# ---- exit codes

RUNNING = faults.answer(body={"success": True, "data": {"jobId": "j1", "status": "running"}})
NOW_OR_NEVER = {"LGP_MAX_WAIT": "0s"}
# the code, what the server does (None: it refuses connections), the script, its words, variables
EXITS: list[tuple[int, faults.Step | None, str, tuple[str, ...], dict[str, str]]] = [
    (0, faults.answer(body=LIST), API, GET, {}),
    (2, faults.ok(), API, ("GET", "/leads/.."), {}),
    (2, faults.ok(), API, ("GET", "/leads", "--nonsense"), {}),
    (2, faults.ok(), API, POST, {"LGP_READ_ONLY": "1"}),
    (2, faults.ok(), API, ("GET", "/campaigns", "-p", "status=\udcff"), {}),
    (3, faults.status(401), API, GET, {}),
    (3, faults.ok(), API, GET, {"LGP_API_KEY": ""}),
    (3, faults.ok(), API, GET, {"LGP_API_KEY": f"{KEY}\nX-Evil: 1"}),
    (4, faults.status(404), API, GET, {}),
    (4, faults.redirect(302, "http://[bad"), API, POST, {}),
    (5, faults.too_many(1000), API, POST, {}),
    (5, faults.ok(), API, POST, {"LGP_MAX_TIME": "0.1s"}),
    (6, None, API, POST, NOW_OR_NEVER),
    (7, faults.status(500), API, GET, NOW_OR_NEVER),
    (7, faults.reset_body(), API, GET, NOW_OR_NEVER),
    (7, faults.html(), API, GET, {}),
    (8, faults.close_before(), API, POST, {}),
    (8, faults.stall(), API, POST, {"LGP_TIMEOUT": "0.2s"}),
    (9, faults.ok(), API, GET, {"REQUESTS_CA_BUNDLE": "/nonexistent/ca.pem"}),
    (10, RUNNING, LGP, ("enrichment", "status", "j1", "--wait"), {"LGP_WAIT_TIME": "0.1s"}),
]
SENT_NOTHING = {2, 6, 9}


@pytest.mark.parametrize(
    ("code", "step", "script", "argv", "more"), EXITS, ids=[f"{row[0]}-{n}" for n, row in enumerate(EXITS)]
)
def test_every_exit_code_is_reached(code, step, script, argv, more, world):
    with FaultServer([step or faults.ok()]) as server:
        origin = server.origin if step else faults.closed_port()
        done = run(at(world, origin, **more), script, *argv)
    assert done.code == code, done.err
    assert not (code in SENT_NOTHING and server.requests)
    assert KEY not in done.out + done.err
    if code == 0:
        assert json.loads(done.out) == LIST
        return
    assert (done.out, done.error["exit_code"]) == ("", code)
    changed = {5: ("rejected", "not_sent"), 6: ("not_sent",), 8: ("unknown",)}
    if argv == POST and code in changed:
        assert done.error["outcome"] in changed[code]


BREAK = """
import argparse, os
def broken(*_, **__):
    raise RuntimeError("deep inside: " + " ".join(os.environ[name] for name in ("LGP_API_KEY", "LGP_PASSWORD")))
argparse.ArgumentParser.parse_known_args = broken
"""


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A PYTHONPATH under which our scripts meet what is never supposed to happen."""
    folder = tmp_path / "breaking"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BREAK)
    return str(folder)


def test_a_bug_shows_its_traceback_without_secrets_and_exits_with_1(world, broken):
    for script, words in ((API, GET), (LGP, ("campaigns", "list"))):
        done = run({**world, "PYTHONPATH": broken, "LGP_PASSWORD": PASSWORD}, script, *words)
        assert (done.code, done.out, done.error["code"]) == (1, "", "bug"), done.err
        assert "Traceback" in done.err
        assert "deep inside" in done.err
        assert "canary" not in done.err


# ---- signals


@pytest.fixture(autouse=True)
def ctrl_c_reaches_children() -> Iterator[None]:
    """A child inherits an ignored SIGINT, as tests in the background have it; one that is handled starts afresh."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("step", "argv", "outcome"),
    [
        (faults.slow(0.3, faults.applied(faults.ok())), POST, "applied"),
        (faults.slow(0.3, faults.status(400)), POST, "rejected"),
        (faults.slow(0.3, faults.close_before()), POST, "unknown"),
        (faults.stall(), GET, None),
    ],
)
def test_a_signal_lets_a_change_in_flight_answer_and_tells_it(number, code, step, argv, outcome, world):
    with FaultServer([step]) as server:
        process = start(at(world, server.origin), API, *argv)
        assert server.wait_for(1)
        process.send_signal(number)
        done = Done(process)
    assert (done.code, done.out, len(server.requests)) == (code, "", 1)
    assert (done.error["outcome"], done.error["exit_code"]) == (outcome, code)
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_interrupt_waits_no_longer(number, code, world):
    with FaultServer([faults.stall()]) as server:
        process = start(at(world, server.origin), API, *POST)
        assert server.wait_for(1)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)  # it gives the server time to answer
        process.send_signal(signal.SIGINT)
        done = Done(process)
    assert (done.code, done.error["outcome"]) == (code, "unknown")


def test_an_interrupt_among_many_changes_still_prints_what_was_done(world):
    plan = [faults.ok(), faults.slow(0.3, faults.ok())]
    with FaultServer(plan) as server:
        process = start(at(world, server.origin), LGP, "campaigns", "archive", "a", "b", "c")
        assert server.wait_for(2)
        process.send_signal(signal.SIGINT)
        done = Done(process)
    told = json.loads(done.out)
    assert (done.code, len(server.requests)) == (130, 2)
    assert [told[name] for name in ("requested", "applied", "unknown", "not_sent")] == [3, 2, 0, 1]


# ---- outputs that are lost


def test_a_reader_that_leaves_ends_it_quietly(world):
    rows = {"success": True, "data": [{"id": f"lead_{n}", "note": "x" * 100} for n in range(5000)]}
    with FaultServer([faults.answer(body=rows)]) as server:
        process = start(at(world, server.origin), API, "GET", "/leads")
        assert process.stdout is not None
        assert process.stdout.read(10) == b'{"success"'
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(20)) == (b"", 141)
        process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    ("plan", "argv", "code"),
    [
        ([faults.answer(body=LIST)], ("campaigns", "list"), 9),
        ([faults.ok(), faults.status(404)], ("campaigns", "archive", "a", "b"), 9),
    ],
)
def test_a_full_disk_behind_stdout_is_told(plan, argv, code, world):
    with FaultServer(plan) as server, Path("/dev/full").open("w") as stdout:
        done = run(at(world, server.origin), LGP, *argv, stdout=stdout)
    assert (done.code, done.error["exit_code"]) == (code, code)
    assert "could not be written" in done.err
    assert "Exception ignored" not in done.err


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_behind_out_leaves_the_old_file(tiny_disk, world):
    """And the answer of a change, which cannot be had again, goes to stdout instead."""
    target = tiny_disk / "out.json"
    target.write_text("old")
    rows = {"success": True, "data": [{"id": f"lead_{n}", "note": "x" * 100} for n in range(2000)]}
    create = ("campaigns", "create", "--name", "n")
    for script, argv, outcome in ((API, GET, None), (LGP, create, "applied")):
        with FaultServer([faults.answer(body=rows)]) as server:
            done = run(at(world, server.origin), script, *argv, "--out", str(target))
        assert (done.code, done.error["code"], done.error["outcome"]) == (9, "disk", outcome)
        assert (json.loads(done.out) == rows) if outcome else done.out == ""
        assert (target.read_text(), [path.name for path in tiny_disk.iterdir()]) == ("old", ["out.json"])


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_streams_closed_by_whoever_starts_it_break_nothing(closed, world):
    with FaultServer([faults.answer(body=LIST)]) as server:
        words = ["sh", "-c", f'exec "$@" {closed}', "sh", *command(API, GET)]
        done = subprocess.run(words, env=at(world, server.origin), capture_output=True, check=False)
    assert (done.returncode, done.stderr, len(server.requests)) == (0, b"", 1)
    assert bool(done.stdout) is ("1>" not in closed)


# ---- where it runs


@pytest.mark.parametrize("home", [None, "/proc/nowhere", "relative"])
def test_without_a_home_a_key_of_the_environment_works_and_a_login_says_why_not(home, world, tmp_path):
    world = {name: value for name, value in world.items() if name not in ("HOME", "LGP_STATE_DIR")}
    world |= {} if home is None else {"HOME": home}
    with FaultServer([faults.answer(body={"success": True, "token": "t.t.t"})]) as server:
        read = run(at(world, server.origin), API, *GET)
        login = run(at(world, server.origin, LGP_PASSWORD=PASSWORD), LGP, "auth", "--email", "a@b.example")
    assert read.code == 0, read.err
    assert (login.code, login.out, len(server.requests)) == (9, "", 1), login.err
    assert list((tmp_path / "cwd").iterdir()) == [], "nothing is ever kept in the current directory"


def test_without_a_terminal_nothing_is_asked(world):
    with FaultServer() as server:
        done = run(at(world, server.origin), LGP, "auth", "--email", "a@b.example")
    assert (done.code, len(server.requests)) == (2, 0)


@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_stdout_is_utf_8_whatever_the_locale(locale, world):
    with FaultServer([faults.answer(body=LIST)]) as server:
        done = run(at(world, server.origin, **locale), API, *GET)
    assert "é漢" in done.out
    assert json.loads(done.out) == LIST


# ---- secrets


def test_no_secret_appears_anywhere(world, broken, tmp_path):
    """Every run below has secrets in its variables, and something that would like to print them."""
    told: list[Done] = []
    echo = faults.answer(400, {"success": False, "error": f"bad key {KEY}", "details": {"got": [KEY, PASSWORD]}})
    login = faults.answer(body={"success": True, "token": "canary.of.the.login"})
    saved = "lgp_000000_canary_from_stdin_" + "0" * 35
    secret = {"LGP_PASSWORD": PASSWORD, "LGP_VERBOSE": "1"}
    with FaultServer([faults.answer(body=LIST), echo, login], last="ok") as server, ProxyServer() as proxy:
        here = at(world, server.origin, **secret)
        told.append(run(here, API, *GET, "--include"))
        told.append(run(here, API, *POST))
        told.append(run(here, LGP, "auth", "--email", "a@b.example"))
        told.append(run(here, LGP, "auth", "save-key", "--scope", "agent", stdin=f"{saved}\n".encode()))
        there = {"HTTPS_PROXY": proxy.origin.replace("//", f"//user:{PROXY_PASSWORD}@"), "LGP_MAX_WAIT": "0s"}
        told.append(run(at(world, "https://api.invalid", **secret, **there), API, *GET))
        bad = {"HTTPS_PROXY": f"http://user:{PROXY_PASSWORD}@[bad", "LGP_MAX_WAIT": "0s"}
        told.append(run(at(world, "https://api.invalid", **secret, **bad), API, *GET))
    told.append(run({**world, **secret, "PYTHONPATH": broken}, API, *GET))
    assert [done.code for done in told] == [0, 4, 0, 0, 6, 6, 1], [done.err for done in told]
    assert len(proxy.requests) == 1
    texts = [text for done in told for text in (done.out, done.err)]
    assert [text for text in texts if "canary" in text] == []
    kept = {path: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    assert kept, "the request log is kept there"
    assert [path for path, content in kept.items() if b"canary" in content] == []
    auth = (tmp_path / "home" / ".leadgenius_auth.json").read_text()
    assert saved in auth
    assert "canary.of.the.login" in auth
    assert KEY not in auth
    assert "pass" not in auth
