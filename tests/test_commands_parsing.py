"""What is typed wrongly is answered with what to type instead, and a rehearsal never leaves this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands.runners import parsing
from commands.runners.rows import Row
from conftest import Run, Sent
from console import options
from contract import OPERATIONS, commands_in

# What this API cannot do


MISSING = {
    words: hint for group in parsing.GROUPS for words, hint in getattr(parsing.module_of(group), "MISSING", {}).items()
}
WANTED = [("leads", "get"), ("leads", "find"), ("leads", "update"), ("keys", "revoke"), ("enrichment", "list"),
          ("enrichment", "cancel")]  # fmt: skip


@pytest.mark.parametrize("words", [*WANTED, *(words for words in MISSING if words not in WANTED)], ids=" ".join)
@pytest.mark.parametrize("more", [(), ("some-id", "--status", "new")], ids=["alone", "with words"])
def test_a_call_that_does_not_exist_names_the_nearest_line(lgp: Run, words: tuple[str, ...], more: Any) -> None:
    ran = lgp(*words, *more)
    assert (ran.code, ran.error["code"]) == (2, "not_in_api")
    assert "no such call" in ran.error["message"]
    assert ran.out == ""
    ((_, argv),) = commands_in(ran.error["hint"].split("   ")[0], {"ADDRESS": "a@b.example"})
    found = parsing.find(argv)
    parsing.parse(found.row, found.rest)


@pytest.mark.parametrize("name", options.ELSEWHERE)
def test_an_option_of_another_tool_is_told_by_its_name_here(lgp: Run, name: str) -> None:
    ran = lgp("campaigns", "list", name, "5")
    assert ran.code == 2
    assert options.ELSEWHERE[name] in ran.error["message"]


def test_what_those_options_are_called_here_exists() -> None:
    known = {f"--{option.name}" for option in options.OPTIONS} | {"--data", "--email", "--scope"}
    for words in options.ELSEWHERE.values():
        assert [word for word in words.replace(",", " ").split() if word.startswith("--") and word not in known] == []


@pytest.mark.parametrize(
    "argv", [("--limit", "5"), ("--limit=5",), ("--json",), ("-o", "x.csv"), ("-o=x",)], ids=" ".join
)
def test_the_usual_slips(lgp: Run, api_call: Run, argv: tuple[str, ...]) -> None:
    for ran in (lgp("leads", "list", *argv), lgp(*argv, "leads", "list"), api_call("GET", "/leads", *argv)):
        assert ran.code == 2
        assert "Here it is --" in ran.error["message"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("lead", "list"), "leads"), (("leads", "lst"), "list"), (("campains",), "campaigns"),
        (("maintenance", "bug", "list"), "bugs"), (("maintenance", "bugs", "show"), "list"),
        (("auth", "logut"), "logout"), (("leads",), "list, create, status, delete, enrich"),
        (("zzzzzz",), "leads"), (("leads", "zzzzzz"), "enrich"), (("campaigns", "list", "more"), "no further word"),
        (("campaigns", "create", "--nmae", "x"), "--name"), (("leads", "list", "--sttaus", "new"), "--status"),
        (("campaigns", "get"), "ID"), (("auth", "save-key"), "--scope"), (("completion", "tcsh"), "bash"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_slip_names_what_was_meant(lgp: Run, argv: tuple[str, ...], words: str) -> None:
    ran = lgp(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.error["message"]
    assert "python3 scripts/lgp.py" in ran.error["hint"]


@pytest.mark.parametrize("word", ["\x1b[31mred", "a" * 500, "‮", "leads\nlist"])
def test_a_strange_word_is_not_repeated(lgp: Run, word: str) -> None:
    ran = lgp(word)
    assert ran.code == 2
    assert word not in ran.error["message"]


# A rehearsal


CHANGING = [row for row in parsing.all_rows() if row.operation and OPERATIONS[row.operation][0] != "GET"]
IDS = {"CAMPAIGN_ID": "c1", "ACCOUNT_ID": "a1", "SEQUENCE_ID": "s1"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, own_world: Path) -> Path:
    """No connection and no name look-up of any kind; gives the home, which must stay as empty as it is."""

    def refuse(*args: Any, **more: Any) -> None:
        raise AssertionError("a rehearsal used the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("leadgenius.transport.Transport.send", refuse)
    return own_world


@pytest.mark.parametrize("row", CHANGING, ids=[row.name for row in CHANGING])
def test_a_dry_run_shows_the_request_and_sends_nothing(lgp: Run, offline: Path, row: Row) -> None:
    ((_, argv),) = commands_in(row.example, IDS)
    ran = lgp(*argv, "--dry-run")
    assert ran.code == 0, ran.err
    told = ran.json()
    method, path, operation = OPERATIONS[str(row.operation)]
    assert (told["dry_run"], told["method"], told["effect"]) == (True, method, operation["x-effect"])
    assert told["url"].startswith("https://last.leadgenius.app" + path.split("{")[0])
    assert {value for name, value in told["headers"].items() if name.lower() in ("x-api-key", "authorization")} <= {
        "***",
        "Bearer ***",
    }
    assert not list(offline.glob("**/*.json*"))


def test_a_dry_run_of_a_delete_makes_every_other_check(lgp: Run, offline: Path) -> None:
    assert lgp("leads", "delete", "--ids", "a", "--dry-run").error["code"] == "needs_yes"
    assert lgp("campaigns", "create", "--dry-run").error["code"] == "invalid_input"
    assert lgp("leads", "status", "--ids", "a", "--status", "lost", "--dry-run").code == 2


def test_a_dry_run_of_many_shows_two_rows_and_what_it_would_take(lgp: Run, offline: Path) -> None:
    ids = [f"id-{number}" for number in range(1203)]
    told = lgp("leads", "enrich", "--ids", *ids, "--dry-run").json()
    assert told["body"]["leadIds"] == ids[:2]
    assert (told["rows"], told["requests"], told["least_seconds"]) == (1203, 3, 0)
    told = lgp("leads", "status", "--ids", *ids, "--status", "new", "--dry-run").json()
    assert (told["rows"], told["requests"], told["least_seconds"]) == (1203, 1203, 3600)
    rows = [{"firstName": "A", "lastName": "B", "email": f"{one}@b.example"} for one in ids]
    told = lgp("leads", "create", "--data", "-", "--dry-run", stdin=json.dumps(rows)).json()
    assert (told["body"], told["requests"]) == ({"leads": rows[:2]}, 13)


@pytest.mark.parametrize(
    ("count", "seconds"), [(60, 0), (61, 60), (121, 120), (1000, 960), (1001, 3600), (10_001, 86_400)]
)
def test_least_seconds_of_the_documented_limits(count: int, seconds: float) -> None:
    from commands.runners.rehearsal import least_seconds
    from leadgenius.ratelimit import DEFAULT_WINDOWS, Windows

    assert least_seconds(count, Windows.parse(DEFAULT_WINDOWS)) == seconds


def test_a_dry_run_shows_no_password(lgp: Run, offline: Path) -> None:
    ran = lgp("auth", "--email", "a@b.example", "--password", "hunter22", "--dry-run")
    assert ran.code == 0
    assert "hunter22" not in ran.out + ran.err


def test_a_dry_run_shows_first_requests_of_lists(lgp: Run, offline: Path) -> None:
    url = lgp("leads", "list", "--all", "--status", "new", "--dry-run").json()["url"]
    assert url == "https://last.leadgenius.app/api/agent/leads?status=new&page=1&pageSize=100"
    url = lgp("enrich-leads", "list", "--company-id", "c", "--fields", "id,email", "--dry-run").json()["url"]
    assert "fields=id" in url and "email" in url and "limit=20" in url


@pytest.mark.parametrize("name", ["old.jsonl", "new.csv"])
def test_a_dry_run_leaves_the_file_of_out_alone(lgp: Run, offline: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "old.jsonl").write_text("precious", "utf-8")
    ran = lgp("enrich-leads", "list", "--company-id", "c", "--all", "--out", str(tmp_path / name), "--dry-run")
    assert ran.json()["dry_run"] is True
    assert (tmp_path / "old.jsonl").read_text("utf-8") == "precious"
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "ids"])
def test_a_dry_run_shows_the_request_in_every_form(lgp: Run, offline: Path, form: str) -> None:
    assert lgp("campaigns", "list", "--format", form, "--dry-run").json()["method"] == "GET"


@pytest.mark.parametrize("row", CHANGING, ids=[row.name for row in CHANGING])
def test_read_only_refuses_every_change_before_anything_is_read(
    lgp: Run, sandboxed: Path, sent: list[Sent], row: Row
) -> None:
    ((_, argv),) = commands_in(row.example, IDS)
    ran = lgp(*argv, "--read-only")
    if row.operation == "auth.login":
        assert ran.code == 0
        return
    assert (ran.code, ran.error["code"], ran.error["outcome"], sent) == (2, "read_only", "not_sent", [])


def test_no_variable_of_read_only_is_lifted_by_a_flag(
    lgp: Run, api_call: Run, monkeypatch: pytest.MonkeyPatch, sandboxed: Path, sent: list[Sent]
) -> None:
    monkeypatch.setenv("LGP_READ_ONLY", "1")
    assert lgp("campaigns", "create", "--name", "x", "--no-check", "--yes").code == 2
    assert api_call("DELETE", "/campaigns/x", "--yes").error["code"] == "read_only"
    assert lgp("campaigns", "list").code == 0
    assert [one.method for one in sent] == ["GET"]
