"""Exports: every row exactly once, wherever the work was cut off."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import responses

from cli import export
from leadgenius.scopes import PRODUCTION

BULK = f"{PRODUCTION}/api/enrich-leads/list"
EXPORT = ("enrich-leads", "list", "--all", "--page-size", "9", "--out")


@pytest.fixture
def rows(lgp: Any) -> list[dict[str, Any]]:
    """Every row of the list; more than six pages of nine."""
    found: list[dict[str, Any]] = lgp("enrich-leads", "list", "--all").rows
    assert len(found) > 54
    return found


@pytest.fixture
def cut(lgp: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`cut(3, *words)`: a run that Ctrl-C stops when the rows of the third page are synced, and
    before its checkpoint; `at="write_private"`: after the checkpoint."""

    def run(page: int, *words: str, at: str = "clock") -> Any:
        real, calls = getattr(export, at), []

        def stop(*given: Any) -> Any:
            calls.append(given)
            if at == "clock" and len(calls) == page:
                raise KeyboardInterrupt
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


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_whole_run_leaves_the_file_alone_in_its_folder(
    lgp: Any, home: Path, rows: list[Any]
) -> None:
    reply = lgp(*EXPORT, "leads.jsonl")
    facts = {"file": "leads.jsonl", "rows": len(rows), "complete": True, "sandbox": True}
    assert (reply.code, reply.json) == (0, {**reply.json, **facts})
    assert read(home / "leads.jsonl") == rows
    assert [path.name for path in home.glob("*leads*")] == ["leads.jsonl"]
    assert stat.S_IMODE((home / "leads.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("page", [1, 2, 6])
@pytest.mark.parametrize("at", ["clock", "write_private"])
@pytest.mark.parametrize("name", ["leads.jsonl", "leads.json", "leads.csv"])
def test_cut_off_at_any_moment_and_run_again_each_row_comes_once(
    lgp: Any, home: Path, cut: Any, rows: list[Any], page: int, at: str, name: str
) -> None:
    lgp(*EXPORT, f"whole-{name}", "--excel")
    stopped = cut(page, *EXPORT, name, "--excel", at=at)
    kept = 9 * (page - (at == "clock"))
    assert (home / f"{name}.checkpoint").exists() is (kept > 0)
    assert not (home / name).exists()
    if at == "write_private":
        assert f"after the {kept} rows" in stopped.error["hint"]
    elif page > 1:
        with (home / f"{name}.part").open("a") as part:
            part.write('{"torn' * 20_000)  # what a kill in the middle of a page leaves
    reply = lgp(*EXPORT, name, "--excel", "--page-size", "20")
    assert (reply.code, reply.json["rows"]) == (0, len(rows))
    assert any(f"after {kept} rows" in note for note in reply.notes) is (kept > 0)
    summary = {"requests": 0} if name.endswith("json") else {}
    found, whole = (home / name).read_text(), (home / f"whole-{name}").read_text()
    if summary:
        assert json.loads(found)["data"] == json.loads(whole)["data"] == rows
    else:
        assert found == whole
    assert not list(home.glob(f"{name}.*"))


@pytest.mark.parametrize("renamed", [False, True])
def test_a_run_killed_while_it_renames_leaves_nothing_to_repair(
    lgp: Any, home: Path, rows: list[Any], monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    replace = Path.replace

    def stop(path: Path, target: Path) -> None:
        if path.suffix != ".part" or renamed:
            replace(path, target)
        if path.suffix == ".part":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        assert lgp(*EXPORT, "leads.jsonl").code == 130
    assert (lgp(*EXPORT, "leads.jsonl").code, read(home / "leads.jsonl")) == (0, rows)
    assert not list(home.glob("leads.jsonl.*"))


def test_where_works_on_the_way_and_its_counts_survive(
    lgp: Any, home: Path, cut: Any, rows: list[Any]
) -> None:
    where = ("--where", "firstName>=a", "--where", "status=new")
    new = [row for row in rows if row["status"] == "new"]
    cut(3, *EXPORT, "new.jsonl", "--where", "status=new")
    reply = lgp(*EXPORT, "new.jsonl", "--where", "status=new")
    assert read(home / "new.jsonl") == new
    assert (reply.json["rows"], reply.json["rows_read"]) == (len(new), len(rows))
    odd = lgp(*EXPORT, "odd.jsonl", *where)
    assert (odd.json["complete"], odd.json["not_comparable"]) == (False, len(new))
    assert "could not be compared" in odd.notes[-1]


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--where", "status=new"), "where"), (("--fields", "id"), "fields"),
     (("--csv-raw",), "format"), (("--client-id", "x"), "parameters")],
)  # fmt: skip
def test_a_checkpoint_of_another_query_says_what_differs_and_what_is_at_stake(
    lgp: Any, home: Path, cut: Any, rows: list[Any], words: Any, named: str
) -> None:
    cut(3, *EXPORT, "leads.jsonl", at="write_private")
    before = (home / "leads.jsonl.part").read_bytes()
    reply = lgp(*EXPORT, "leads.jsonl", *words)
    assert (reply.code, reply.error["code"]) == (9, "checkpoint")
    assert named in reply.error["message"] and "27 rows" in reply.error["message"]
    assert (home / "leads.jsonl.part").read_bytes() == before
    assert lgp(*EXPORT, "leads.jsonl").json["rows"] == len(rows)


def test_restart_begins_anew(lgp: Any, home: Path, cut: Any, rows: list[Any]) -> None:
    cut(3, *EXPORT, "leads.jsonl", "--where", "status=new")
    cut(1, *EXPORT, "leads.jsonl", "--restart")
    assert not (home / "leads.jsonl.checkpoint").exists()
    assert lgp(*EXPORT, "leads.jsonl", "--restart").code == 0
    assert read(home / "leads.jsonl") == rows


def test_a_checkpoint_older_than_a_day_is_an_error(
    lgp: Any, cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(2, *EXPORT, "leads.jsonl", at="write_private")
    later = export.clock() + 86_401
    monkeypatch.setattr(export, "clock", lambda: later)
    reply = lgp(*EXPORT, "leads.jsonl")
    assert (reply.code, reply.error["code"]) == (9, "checkpoint")
    assert "older than a day" in reply.error["message"]


@pytest.mark.parametrize("change", ['{"bytes": 1000000}', "[]", "{"])
def test_a_checkpoint_that_no_export_leaves_is_an_error(
    lgp: Any, home: Path, cut: Any, change: Any
) -> None:
    cut(2, *EXPORT, "leads.jsonl", at="write_private")
    path = home / "leads.jsonl.checkpoint"
    if "bytes" in change:  # the rows were cut off
        change = json.dumps(json.loads(path.read_text()) | json.loads(change))
    path.write_text(change)
    reply = lgp(*EXPORT, "leads.jsonl")
    assert (reply.code, reply.error["code"]) == (9, "checkpoint")
    assert "--restart" in reply.error["hint"]


def test_a_second_run_on_the_same_file_is_refused(lgp: Any, home: Path) -> None:
    with (home / "leads.jsonl.part").open("w") as part:
        os.fchmod(part.fileno(), 0o600)
        fcntl.flock(part, fcntl.LOCK_EX)
        reply = lgp(*EXPORT, "leads.jsonl")
    assert (reply.code, reply.error["code"]) == (9, "locked")


def test_a_full_disk_leaves_the_old_file(
    lgp: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "leads.jsonl").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    reply = lgp(*EXPORT, "leads.jsonl")
    assert (reply.code, reply.error["code"]) == (9, "disk")
    assert [path.name for path in home.glob("leads*")] == ["leads.jsonl"]
    assert (home / "leads.jsonl").read_text() == "old"


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_planted_link_is_refused_and_what_it_leads_to_stays(
    lgp: Any, home: Path, plant: Callable[[Path, Path], None]
) -> None:
    victim = home / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    plant(home / "leads.jsonl.part", victim)
    assert lgp(*EXPORT, "leads.jsonl").code == 9
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("suffix", ["", ".part"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(
    lgp: Any, home: Path, suffix: str
) -> None:
    os.mkfifo(home / f"leads.jsonl{suffix}", 0o600)
    assert lgp(*EXPORT, "leads.jsonl").code == 9


@pytest.mark.parametrize("cursor", ["a\nb", "x" * 5000])
@responses.activate
def test_an_unusable_cursor_is_exit_7_and_leaves_no_checkpoint(
    lgp: Any, home: Path, cursor: str
) -> None:
    responses.get(BULK, json={"success": True, "data": [{"id": "a"}], "nextToken": cursor})
    environ = {"LGP_AMPLIFY_API_KEY": "da2-" + "a" * 26, "LGP_COMPANY_ID": "c"}
    reply = lgp(*EXPORT, "leads.jsonl", sandbox=False, environ=environ)
    assert (reply.code, list(home.glob("leads*"))) == (7, [])


@responses.activate
def test_after_a_failure_the_same_command_goes_on(lgp: Any, home: Path) -> None:
    for status, name, token in ((200, "a", "t"), (500, "", ""), (200, "=b", None)):
        body = {"success": True, "data": [{"id": name}], "nextToken": token}
        responses.get(BULK, status=status, json=body)
    environ = {"LGP_AMPLIFY_API_KEY": "da2-" + "a" * 26, "LGP_COMPANY_ID": "c"}
    words = (*EXPORT, "leads.csv", "--fields", "id")
    failed = lgp(*words, sandbox=False, environ={**environ, "LGP_MAX_WAIT": "0"})
    assert (failed.code, "after the 1 row" in failed.error["hint"]) == (7, True)
    assert lgp(*words, sandbox=False, environ=environ).code == 0
    assert (home / "leads.csv").read_text() == "id\na\n'=b\n"
