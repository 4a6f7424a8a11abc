"""Exports: every row exactly once, wherever the work was cut off."""

from __future__ import annotations

import json
from pathlib import Path

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
