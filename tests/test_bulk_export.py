"""Exports: every row exactly once, wherever the work was cut off."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulk.export import Checkpoint, Export, exporting
from leadgenius.client import Page
from leadgenius.errors import LocalError

PAGES = [
    Page([{"id": "a", "client_id": "x"}], None, 1, "c1"),
    Page([{"id": "b", "client_id": "y"}], None, 2, "c2"),
    Page([{"id": "c", "client_id": "x"}], None, 3, None),
]


def text(page: Page) -> str:
    return "".join(json.dumps(row) + "\n" for row in page.items)


def test_a_whole_run_leaves_the_target_alone_in_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    with exporting(target, "q") as work:
        for page in PAGES:
            work.add(text(page), page)
        work.finish()
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.glob("leads*")) == ["leads.jsonl"]


class CutError(Exception):
    """Where a test cuts the work off."""


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("torn", ["", '{"id": "half'])
def test_cut_off_after_any_page_and_run_again(tmp_path: Path, after: int, torn: str) -> None:
    target = tmp_path / "leads.jsonl"
    with pytest.raises(CutError), exporting(target, "q") as work:
        for page in PAGES[:after]:
            work.add(text(page), page)
        raise CutError
    with (tmp_path / "leads.jsonl.part").open("a") as part:
        part.write(torn)  # what a kill in the middle of a page leaves behind
    with exporting(target, "q") as work:
        assert work.checkpoint.rows == after
        done = [page.cursor for page in PAGES].index(work.checkpoint.cursor) + 1 if after else 0
        for page in PAGES[done:]:
            work.add(text(page), page)
        assert work.checkpoint.clients == {"x": 2, "y": 1}
        work.finish()
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == ["a", "b", "c"]


def begun(target: Path, now: float = 1000.0) -> None:
    with exporting(target, "q", clock=lambda: now) as work:
        work.add(text(PAGES[0]), PAGES[0])


def test_a_checkpoint_of_another_query_is_an_error_that_offers_restart(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    begun(target)
    with pytest.raises(LocalError) as raised, exporting(target, "other", clock=lambda: 1001.0):
        pass
    assert raised.value.code == "checkpoint"
    assert "--restart" in raised.value.hint
    with exporting(target, "other", restart=True, clock=lambda: 1001.0) as work:
        assert work.checkpoint.rows == 0


def test_a_checkpoint_older_than_a_day_wants_a_word(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    begun(target)
    later = 1000.0 + 86_401
    with pytest.raises(LocalError) as raised, exporting(target, "q", clock=lambda: later):
        pass
    assert "--continue-old" in raised.value.hint
    with exporting(target, "q", continue_old=True, clock=lambda: later) as work:
        assert work.checkpoint.rows == 1


def test_a_second_run_on_the_same_target_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    with exporting(target, "q"), pytest.raises(LocalError) as raised, exporting(target, "q"):
        pass
    assert raised.value.code == "locked"


def test_a_broken_checkpoint_costs_time_not_rows(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    begun(target)
    (tmp_path / "leads.jsonl.checkpoint").write_text("{")
    with exporting(target, "q") as work:
        assert work.checkpoint.rows == 0
        assert (tmp_path / "leads.jsonl.part").read_text() == ""


def test_a_full_disk_leaves_the_old_file_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "leads.jsonl"
    target.write_text("old")

    def full(self: Export, text: str, page: Page) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Export, "add", full)
    with pytest.raises(LocalError) as raised, exporting(target, "q") as work:
        work.add("", PAGES[0])
    assert (raised.value.exit_code, raised.value.code) == (9, "disk")
    assert target.read_text() == "old"


def test_a_checkpoint_is_all_its_file_holds() -> None:
    assert set(Checkpoint("q", 0.0).__dict__) == {
        "query", "started", "cursor", "rows", "bytes", "pages", "clients", "finished",
    }  # fmt: skip


OTHER = 54_321  # a user id that is not ours
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


def refused(target: Path, **options: bool) -> LocalError:
    with pytest.raises(LocalError) as raised, exporting(target, "q", **options) as work:
        work.add(text(PAGES[0]), PAGES[0])
    assert raised.value.exit_code == 9
    return raised.value


@pytest.mark.parametrize("suffix", [".part", ".checkpoint"])
@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
def test_a_planted_link_is_refused_and_what_it_leads_to_stays(
    suffix: str, plant: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    victim, target = tmp_path / "victim", tmp_path / "leads.jsonl"
    victim.write_text("precious")
    plant(tmp_path / f"leads.jsonl{suffix}", victim)
    error = refused(target)
    assert (error.code, "lies there" in error.message, suffix in error.message) == ("permission", True, True)
    assert victim.read_text() == "precious"


def test_restart_replaces_a_link_at_the_checkpoint(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", tmp_path / "leads.jsonl"
    victim.write_text("precious")
    (tmp_path / "leads.jsonl.checkpoint").symlink_to(victim)
    with exporting(target, "q", restart=True) as work:
        work.add(text(PAGES[0]), PAGES[0])
    assert victim.read_text() == "precious"
    assert not (tmp_path / "leads.jsonl.checkpoint").is_symlink()


@as_root
@pytest.mark.parametrize("suffix", [".part", ".checkpoint"])
def test_a_file_of_another_user_is_not_worked_on(suffix: str, tmp_path: Path) -> None:
    planted = tmp_path / f"leads.jsonl{suffix}"
    planted.touch(0o666)
    os.chown(planted, OTHER, OTHER)
    assert "another user" in refused(tmp_path / "leads.jsonl").message


@as_root
def test_a_link_of_another_user_in_the_place_of_the_target_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    target.symlink_to(tmp_path / "victim")
    os.lchown(target, OTHER, OTHER)
    assert refused(target).code == "permission"


@pytest.mark.parametrize("suffix", ["", ".part", ".checkpoint"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(suffix: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"leads.jsonl{suffix}")
    refused(tmp_path / "leads.jsonl")
    assert stat.S_ISFIFO((tmp_path / f"leads.jsonl{suffix}").stat().st_mode)


def test_an_export_keeps_the_mode_of_the_file_it_replaces(tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    target.touch()
    target.chmod(0o600)
    with exporting(target, "q") as work:
        assert stat.S_IMODE((tmp_path / "leads.jsonl.part").stat().st_mode) == 0o600
        work.finish()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "changes",
    [
        {"started": "x"}, {"started": None}, {"started": float("nan")}, {"bytes": "9"}, {"bytes": True}, {"bytes": 0},
        {"bytes": -1}, {"cursor": {}}, {"cursor": None}, {"rows": "q"}, {"rows": 10**9}, {"pages": 0}, {"pages": []},
        {"clients": ["x"]}, {"clients": {"x": "1"}}, {"clients": {"x": 2}}, {"finished": True}, {"finished": 0},
        {"bytes": 0, "finished": True, "cursor": None}, {"query": None}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_checkpoint_that_no_export_leaves_means_starting_anew(changes: dict[str, Any], tmp_path: Path) -> None:
    target, checkpoint = tmp_path / "leads.jsonl", tmp_path / "leads.jsonl.checkpoint"
    begun(target)
    checkpoint.write_text(json.dumps({**json.loads(checkpoint.read_text()), **changes}))
    with exporting(target, "q", clock=lambda: 1001.0) as work:
        assert (work.checkpoint.rows, work.checkpoint.finished, work.resumed) == (0, False, False)


@pytest.mark.parametrize("content", ["[]", "[1]", "null", "7", "[" * 100_000, '"x"'])
def test_a_checkpoint_of_another_shape_means_starting_anew(content: str, tmp_path: Path) -> None:
    target = tmp_path / "leads.jsonl"
    begun(target)
    (tmp_path / "leads.jsonl.checkpoint").write_text(content)
    with exporting(target, "q", clock=lambda: 1001.0) as work:
        assert not work.resumed


def test_starting_anew_takes_the_old_checkpoint_away_before_the_rows(tmp_path: Path) -> None:
    """Left there, it would vouch for the first bytes of other rows once they are longer."""
    target = tmp_path / "leads.jsonl"
    begun(target)
    with pytest.raises(CutError), exporting(target, "q", restart=True, clock=lambda: 1001.0):
        assert not (tmp_path / "leads.jsonl.checkpoint").exists()
        raise CutError


def test_what_a_killed_run_left_of_a_checkpoint_is_removed(tmp_path: Path) -> None:
    target, left = tmp_path / "leads.jsonl", tmp_path / ".leads.jsonl.checkpoint.abc123.tmp"
    left.touch()
    with exporting(target, "q") as work:
        work.finish()
    assert not left.exists()
