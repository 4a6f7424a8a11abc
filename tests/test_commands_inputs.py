"""What is read for a request: whole, or not at all, and never for ever."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from commands import program
from commands.runners import inputs
from conftest import Run, Sent


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(inputs, "LARGEST_INPUT", 64)
    return 64


def test_input_that_is_too_long_is_refused_and_not_cut(
    small: int, lgp: Run, sandboxed: Path, sent: list[Sent], tmp_path: Path
) -> None:
    """A list cut in the middle of an id names another lead; this once deleted one."""
    ids = "\n".join(f"lead-{number:04}" for number in range(20))
    ran = lgp("leads", "delete", "--yes", "--ids-from", "-", stdin=ids)
    assert (ran.code, ran.error["code"]) == (2, "invalid_input")
    ran = lgp("leads", "create", "--data", "-", stdin=json.dumps({"firstName": "x" * small}))
    assert (ran.code, ran.error["code"]) == (2, "invalid_input")
    (tmp_path / "ids").write_text(ids)
    assert lgp("leads", "delete", "--yes", "--ids-from", str(tmp_path / "ids")).code == 2
    assert not sent


def test_input_of_just_the_largest_size_is_taken(small: int, lgp: Run, sandboxed: Path, tmp_path: Path) -> None:
    ids = "".join(f"lead-{number:02}\n" for number in range(8))
    assert len(ids) == small
    assert lgp("leads", "delete", "--dry-run", "--yes", "--ids-from", "-", stdin=ids).code == 0
    (tmp_path / "ids").write_text(ids)
    assert lgp("leads", "delete", "--dry-run", "--yes", "--ids-from", str(tmp_path / "ids")).code == 0


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(small: int, name: str, lgp: Run, sandboxed: Path) -> None:
    for words in (("leads", "create", "--data", f"@{name}"), ("leads", "delete", "--yes", "--ids-from", name)):
        ran = lgp(*words)
        assert (ran.code, ran.error["code"]) == (2, "invalid_input")
        assert " -`" in ran.error["hint"]


def test_a_pipe_that_nobody_closes_does_not_outlast_max_time(lgp: Run, sandboxed: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ends = os.open(pipe, os.O_RDWR)
    began = time.monotonic()
    ran = lgp("leads", "delete", "--yes", "--ids-from", str(pipe), "--max-time", "0.3")
    os.close(ends)
    assert ran.code == 2
    assert time.monotonic() - began < 3
    assert lgp("leads", "delete", "--yes", "--ids-from", str(pipe)).code == 2  # and nobody writes to it at all


def test_a_process_substitution_can_supply_ids(lgp: Run, sandboxed: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"lead-1\nlead-2\n")
    os.close(writing)
    ran = lgp("leads", "delete", "--dry-run", "--yes", "--ids-from", f"/dev/fd/{reading}")
    os.close(reading)
    assert ran.code == 0
    assert "lead-2" in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ("leads", "delete", "--yes", "--ids", "a\udcff", "b"),
        ("leads", "list", "--company-name", "\udcff"),
        ("leads", "create", "--first-name", "\udcff"),
        ("leads", "create", "--no-check", "--first-name", "\udcff"),
        ("leads", "create", "--data", '{"firstName": "\udcff"}'),
        ("leads", "create", "--data", '{"firstName": "\\udcff"}'),
        ("leads", "create", "--data", '[{"firstName": "\udcff"}]'),
    ],
)
def test_bytes_that_are_no_text_are_not_sent(
    words: tuple[str, ...], lgp: Run, sandboxed: Path, sent: list[Sent]
) -> None:
    ran = lgp(*words)
    assert (ran.code, ran.error["code"]) == (2, "invalid_input")
    assert not sent


def test_standard_input_is_utf_8_whatever_the_locale(
    sandboxed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"lead-\xff\n"), encoding="ascii", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", stream)
    assert program.main(["leads", "delete", "--yes", "--ids-from", "-"]) == 2
    assert "UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("lies", ["pipe", "link"])
def test_the_list_of_jobs_is_written_to_no_pipe_and_through_no_link(
    lies: str, lgp: Run, sandboxed: Path, tmp_path: Path
) -> None:
    """A job has been started by then: its id is told all the same, and a warning says that it is not kept."""
    path, victim = sandboxed / "jobs.jsonl", tmp_path / "victim"
    victim.write_text("precious")
    if lies == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(victim)
    ran = lgp("leads", "enrich", "--ids", *some_leads(lgp))
    assert ran.code == 0
    assert any("jobs.jsonl" in note["message"] for note in ran.notes())
    assert victim.read_text() == "precious"


def some_leads(lgp: Run) -> list[str]:
    return lgp("leads", "list", "--page-size", "1", "--format", "ids").out.split()
