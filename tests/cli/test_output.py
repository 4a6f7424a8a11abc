"""stdout and --out in the forms that lists do not show: records, masks, files of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_one_record_is_the_servers_body_and_its_record_in_other_forms(lgp: Any) -> None:
    (first, *_) = lgp("campaigns", "list").rows
    assert lgp("campaigns", "get", first["id"]).json["data"]["id"] == first["id"]
    assert lgp("campaigns", "get", first["id"], "--format", "ids").out == first["id"] + "\n"
    row = json.loads(
        lgp(
            "campaigns",
            "get",
            first["id"],
            "--format",
            "jsonl",
            "--fields",
            "name,goals.targetAccounts",
        ).out
    )
    assert list(row) == ["name", "goals.targetAccounts"]
    lines = lgp("campaigns", "get", first["id"], "--format", "csv").out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("id,name")


def test_hostile_text_is_inert_in_every_form(lgp: Any) -> None:
    name = "=cmd|' /C calc'!A0 \x1b[31m\u202e;rm"
    lgp("campaigns", "create", "--data", json.dumps({"name": name, "campaignType": "abm"}))
    words = ["campaigns", "list", "--where", "name~calc", "--all"]
    out = lgp(*words).out
    assert json.loads(out)["data"][0]["name"] == name
    for form in ("json", "jsonl", "csv", "table"):
        text = lgp(*words, "--format", form).out
        assert "\x1b" not in text and "\u202e" not in text
    csv_line = lgp(*words, "--format", "csv", "--fields", "name").out.splitlines()[1]
    assert csv_line.startswith("\"'=cmd")
    raw = lgp(*words, "--format", "csv", "--fields", "name", "--csv-raw").out.splitlines()[1]
    assert raw.startswith('"=cmd')


def test_cells_with_a_semicolon_or_a_tab_are_quoted(lgp: Any) -> None:
    lgp("campaigns", "create", "--name", "a;b")
    lgp("campaigns", "create", "--name", "a\tb")
    out = lgp("campaigns", "list", "--all", "--format", "csv", "--fields", "name").out
    assert '"a;b"' in out and '"a\tb"' in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--out", "x.xlsx"], 2),
        (["--out", "x"], 2),
        (["--out", "x.csv", "--format", "json"], 2),
        (["--out", "missing/x.csv"], 9),
    ],
)
def test_a_place_or_name_that_cannot_be_written_is_said_before_anything_is_sent(
    lgp: Any, words: list[str], code: int
) -> None:
    reply = lgp("campaigns", "create", "--name", "Unsent", *words)
    assert (reply.code, reply.out) == (code, "")
    assert lgp("campaigns", "list", "--where", "name=Unsent", "--count").json["count"] == 0


def test_a_file_is_replaced_whole_and_private(lgp: Any, home: Path) -> None:
    target = home / "c.json"
    target.write_text("old")
    target.chmod(0o640)
    assert lgp("campaigns", "list", "--out", "c.json").code == 0
    assert json.loads(target.read_text())["data"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert not [one for one in home.iterdir() if one.name.endswith((".part", ".tmp"))]


def test_a_pipe_or_device_at_out_is_written_to_as_it_is(lgp: Any) -> None:
    assert lgp("campaigns", "list", "--out", "/dev/null", "--format", "csv").code == 0


def test_json_on_a_terminal_parses_to_the_same(lgp: Any) -> None:
    plain = lgp("campaigns", "list", "--format", "json")
    shown = lgp("campaigns", "list", "--format", "json", terminal=True)
    assert plain.json == shown.json
    assert "\n" in shown.out.rstrip("\n")


def test_verbose_changes_no_stdout(lgp: Any) -> None:
    assert lgp("campaigns", "list", "--verbose").out == lgp("campaigns", "list").out
