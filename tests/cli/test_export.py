"""Exports: every row exactly once, wherever the work was cut off."""

import errno
import fcntl
import json
import os
import stat
from pathlib import Path

import pytest
import responses

from cli import export
from leadgenius.scopes import PRODUCTION

BULK = f"{PRODUCTION}/api/enrich-leads/list"
KEY = "da2-" + "a1" * 13
EXPORT = "enrich-leads list --all --page-size 9 --out"


@pytest.fixture
def rows(lgp):
    """Every row of the list; more than six pages of nine."""
    found = lgp("enrich-leads list --all").rows
    assert len(found) == 60
    return found


@pytest.fixture
def cut(lgp, monkeypatch):
    """`cut(3, *words)`: a run that Ctrl-C stops after the checkpoint of the third page;
    `at="clock"`: before it, when the page's rows are synced."""

    def run(page, *words, at="write_private"):
        real, calls = getattr(export, at), []

        def stop(*given):
            calls.append(given)
            made = real(*given)
            if len(calls) == page:
                raise KeyboardInterrupt
            return made

        with monkeypatch.context() as patch:
            patch.setattr(export, at, stop)
            reply = lgp(*words)
        assert reply.code == 130
        return reply

    return run


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_whole_run_leaves_the_file_alone_in_its_folder(lgp, home, rows):
    reply = lgp(EXPORT, "leads.jsonl")
    facts = {"file": "leads.jsonl", "rows": len(rows), "complete": True, "sandbox": True}
    assert (reply.code, reply.json) == (0, {**reply.json, **facts})
    assert read(home / "leads.jsonl") == rows
    assert [path.name for path in home.glob("*leads*")] == ["leads.jsonl"]
    assert stat.S_IMODE((home / "leads.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("page", [1, 2, 6])
@pytest.mark.parametrize("at", ["clock", "write_private"])
@pytest.mark.parametrize("name", ["leads.jsonl", "leads.json", "leads.csv"])
def test_cut_off_at_any_moment_and_run_again_each_row_comes_once(
    lgp, home, cut, rows, page, at, name
):
    lgp(EXPORT, f"whole-{name}", "--excel")
    stopped = cut(page, EXPORT, name, "--excel", at=at)
    kept = 9 * (page - (at == "clock"))
    assert len(list(home.glob(f"{name}*"))) == (2 if kept else 0)
    if at == "write_private":
        assert f"after {kept} rows" in stopped.error["hint"]
    elif kept:
        with (home / f"{name}.part").open("a") as part:
            part.write('{"torn' * 20_000)  # what a kill in the middle of a page leaves
    reply = lgp(EXPORT, name, "--excel", "--page-size", "20")
    assert (reply.code, reply.json["rows"]) == (0, len(rows))
    assert any(f"after {kept} rows" in note for note in reply.notes) is (kept > 0)
    found, whole = (home / name).read_text(), (home / f"whole-{name}").read_text()
    assert found == whole or json.loads(found)["data"] == json.loads(whole)["data"] == rows
    assert not list(home.glob(f"{name}.*"))


@pytest.mark.parametrize("renamed", [False, True])
def test_a_run_killed_while_it_renames_leaves_nothing_to_repair(
    lgp, home, rows, monkeypatch, renamed
):
    replace = Path.replace

    def stop(path, target):
        if path.suffix != ".part" or renamed:
            replace(path, target)
        if path.suffix == ".part":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        assert lgp(EXPORT, "leads.jsonl").code == 130
    assert (lgp(EXPORT, "leads.jsonl").code, read(home / "leads.jsonl")) == (0, rows)
    assert not list(home.glob("leads.jsonl.*"))


def test_where_works_on_the_way_and_its_counts_survive(lgp, home, cut, rows):
    words = (EXPORT, "new.jsonl", "--where", "status=new")
    new = [row for row in rows if row["status"] == "new"]
    cut(2, *words)
    reply = lgp(*words)
    assert read(home / "new.jsonl") == new
    assert (reply.json["rows"], reply.json["rows_read"]) == (len(new), len(rows))
    odd = lgp(*words, "--where", "firstName>=a")
    assert (odd.json["complete"], odd.json["not_comparable"]) == (False, len(new))
    assert "could not be compared" in odd.notes[-1]


@pytest.mark.parametrize(
    ("words", "change", "named"),
    [
        ("--where status=new", {}, "other where"),
        ("--fields id", {}, "fields"),
        ("--csv-raw", {}, "other format"),
        ("--client-id x", {}, "other parameters"),
        ("", {"time": 0}, "older than a day"),
        ("", {"bytes": 1_000_000}, "damaged"),
        ("", {"query": {}}, "damaged"),
        ("", None, "damaged"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_from_says_why_and_what_is_at_stake(
    lgp, home, cut, words, change, named
):
    cut(3, EXPORT, "leads.jsonl")
    path = home / "leads.jsonl.checkpoint"
    known = path.read_text()
    path.write_text("{" if change is None else json.dumps(json.loads(known) | change))
    reply = lgp(EXPORT, "leads.jsonl", *words.split())
    assert (reply.code, reply.error["code"]) == (9, "checkpoint")
    assert named in reply.error["message"]
    assert ("27 rows" in reply.error["message"]) is (change is not None)
    assert "--restart" in reply.error["hint"]
    path.write_text(known)
    assert lgp(EXPORT, "leads.jsonl").json["rows"] == 60


def test_restart_begins_anew(lgp, home, cut, rows):
    cut(2, EXPORT, "leads.jsonl", "--where", "status=new")
    cut(1, EXPORT, "leads.jsonl", "--restart", at="clock")
    assert not (home / "leads.jsonl.checkpoint").exists()
    assert lgp(EXPORT, "leads.jsonl", "--restart").code == 0
    assert read(home / "leads.jsonl") == rows


def test_a_second_run_on_the_same_file_is_refused(lgp, home):
    with (home / "leads.jsonl.part").open("w") as part:
        os.fchmod(part.fileno(), 0o600)
        fcntl.flock(part, fcntl.LOCK_EX)
        reply = lgp(EXPORT, "leads.jsonl")
    assert (reply.code, reply.error["code"]) == (9, "locked")


def test_a_full_disk_leaves_the_old_file(lgp, home, monkeypatch):
    (home / "leads.jsonl").write_text("old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    reply = lgp(EXPORT, "leads.jsonl")
    assert (reply.code, reply.error["code"]) == (9, "disk")
    assert [path.read_text() for path in home.glob("leads*")] == ["old"]


@pytest.mark.parametrize(
    ("plant", "suffix"),
    [
        (Path.symlink_to, ".part"),
        (Path.hardlink_to, ".part"),
        (lambda path, _: os.mkfifo(path, 0o600), ".part"),
        (lambda path, _: os.mkfifo(path, 0o600), ""),
    ],
)
def test_what_is_planted_in_the_place_of_a_file_is_refused_at_once(lgp, home, plant, suffix):
    victim = home / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    plant(home / f"leads.jsonl{suffix}", victim)
    assert lgp(EXPORT, "leads.jsonl").code == 9
    assert victim.read_text() == "precious"


@responses.activate
def test_after_a_failure_the_same_command_goes_on(lgp, home):
    for status, name, token in ((200, KEY, "t"), (500, "", ""), (200, "=b", None)):
        body = {"success": True, "data": [{"id": name}], "nextToken": token}
        responses.get(BULK, status=status, json=body)
    environ = {"LGP_AMPLIFY_API_KEY": KEY, "LGP_COMPANY_ID": "c"}
    words = (EXPORT, "leads.csv", "--fields", "id", "--max-wait", "0")
    failed = lgp(*words, sandbox=False, environ=environ)
    assert failed.code == 7
    assert lgp(*words, sandbox=False, environ=environ).code == 0
    assert (home / "leads.csv").read_text() == "id\n***\n'=b\n"
    assert "nextToken=t" in str(responses.calls[-1].request.url)
