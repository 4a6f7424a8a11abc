"""Bodies, flags and ids: where they come from, and that what cannot be sent is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.inputs import ids_from
from leadgenius.errors import UsageError

LEAD = {"firstName": "Jo", "lastName": "Lind", "email": "jo@lind.example", "client_id": "client_a"}


@pytest.mark.parametrize(
    "text",
    [
        "a\nb\nc\n",
        " a \n\nb\nc",
        '["a", "b", "c"]',
        '[{"id": "a"}, {"leadId": "b"}, {"lead_id": "c"}]',
        '{"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "rows": 3}',
        '{"requested": 3, "ids": ["a", "b", "c"]}',
        '{"id": "a"}\n{"id": "b"}\n{"id": "c"}\n',
        "email,id\nx@x.example,a\ny@x.example,b\nz@x.example,c\n",
        'leadId;name\na;"x; y"\nb;y\nc;z\n',
        "id\na\nb\nc\n",
    ],
)
def test_ids_are_read_from_every_form_that_this_program_writes(text: str) -> None:
    assert ids_from(text) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb c\n", "line 2"),
        ("mara@x.example\n", "line 1"),
        ("email,name\nx,y\n", "no column id"),
        ('[{"name": "x"}]', "no id"),
        ("{broken", "JSON"),
    ],
)
def test_a_file_without_ids_says_where(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ids_from(text)


def test_data_is_json_a_file_or_standard_input_and_flags_win(lgp: Any, home: Path) -> None:
    (home / "lead.json").write_text("\ufeff" + json.dumps(LEAD), encoding="utf-8")
    for words, stdin in (
        (["--data", json.dumps(LEAD)], ""),
        (["--data", "@lead.json"], ""),
        (["--data", "-"], json.dumps(LEAD)),
    ):
        email = f"{len(words[1])}@lind.example"
        reply = lgp("leads", "create", *words, "--email", email, "--dry-run", stdin=stdin)
        assert reply.json["body"] == {**LEAD, "email": email}


def test_only_data_understands_an_at_sign(lgp: Any, home: Path) -> None:
    (home / "secret").write_text("top secret")
    reply = lgp("campaigns", "create", "--name", "@secret", "--dry-run")
    assert reply.json["body"]["name"] == "@secret"


def test_the_short_line_makes_an_active_abm_campaign_and_says_so_after_it_was_made(
    lgp: Any,
) -> None:
    reply = lgp("campaigns", "create", "--name", "Q3 Expansion")
    assert reply.code == 0
    assert (reply.json["data"]["campaignType"], reply.json["data"]["status"]) == ("abm", "active")
    assert any("--status draft" in note for note in reply.notes)
    assert not any(
        "--status draft" in note
        for note in lgp("campaigns", "create", "--name", "Q", "--dry-run").notes
    )
    data = lgp(
        "campaigns", "create", "--data", '{"name": "A", "campaignType": "nurture"}', "--dry-run"
    )
    assert data.json["body"] == {"name": "A", "campaignType": "nurture"}


def test_flags_are_read_as_their_schemas_types(lgp: Any) -> None:
    words = ["--name", "A", "--spend", "12.5", "--goals", '{"targetAccounts": 3}']
    body = lgp("campaigns", "create", *words, "--dry-run").json["body"]
    assert (body["spend"], body["goals"]) == (12.5, {"targetAccounts": 3})
    score = lgp("target-accounts", "score", "acc", "--intent-score", "80", "--dry-run").json
    assert score["body"] == {"intentScore": 80}
    assert score["url"].endswith("/target-accounts/acc/score")
    hook = ["--url", "https://x.example/h", "--events", "new_source_lead,enrichment_completed"]
    events = lgp("webhooks", "create", *hook, "--dry-run").json["body"]["events"]
    assert events == ["new_source_lead", "enrichment_completed"]


def test_a_status_is_lower_cased(lgp: Any) -> None:
    assert lgp("leads", "status", "--ids", "lead_1", "--status", "Qualified", "--dry-run").json[
        "body"
    ] == {"status": "qualified"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["leads", "create", "--first-name", "A"], ["lastName", "email"]),
        (
            [
                "leads",
                "create",
                "--data",
                '{"firstName": "A", "lastName": "B", "email": "x", "phone": "1"}',
            ],
            ["email", "phone"],
        ),
        (["leads", "create", "--data", "{broken"], ["line 1, column 2"]),
        (["leads", "create", "--data", "@missing.json"], ["missing.json"]),
        (["leads", "create", "--data", "[]"], ["list of them"]),
        (["leads", "create", "--data", "3"], ["object"]),
        (["campaigns", "create", "--data", "[1]"], ["object"]),
        (["campaigns", "update", "c"], ["Nothing to change", "--help"]),
        (["target-accounts", "score", "a", "--intent-score", "many"], ["whole number"]),
        (["target-accounts", "score", "a", "--intent-score", "101"], ["at most 100"]),
        (["leads", "status", "--ids", "a", "--status", "hot"], ["must be one of", "qualified"]),
        (["campaigns", "get", ".."], ["id"]),
        (["campaigns", "get", "a/b"], ["id"]),
        (["leads", "delete", "--yes"], ["No ids"]),
        (["leads", "delete", "--ids-from", "none.txt", "--yes"], ["none.txt"]),
    ],
)
def test_what_cannot_be_sent_is_refused_with_every_reason(
    lgp: Any, words: list[str], said: list[str]
) -> None:
    reply = lgp(*words)
    assert (reply.code, reply.out) == (2, "")
    assert all(one in json.dumps(reply.error, ensure_ascii=False) for one in said)
    assert reply.error["hint"]


def test_a_record_is_found_by_its_name(lgp: Any) -> None:
    (first, *_) = lgp("campaigns", "list").rows
    reply = lgp("campaigns", "get", f"name={first['name'].upper()}")
    assert reply.json["data"]["id"] == first["id"]
    account = lgp("target-accounts", "list").rows[0]
    scored = lgp(
        "target-accounts", "score", f"accountName={account['accountName']}", "--fit-score", "7"
    )
    assert scored.json["data"] == {**scored.json["data"], "id": account["id"], "fitScore": 7}


def test_a_name_that_is_not_there_or_not_alone_is_refused_with_the_ids(lgp: Any) -> None:
    assert lgp("campaigns", "get", "name=No such campaign").code == 2
    ids = [lgp("campaigns", "create", "--name", "Twin").json["id"] for _ in range(2)]
    reply = lgp("campaigns", "get", "name=Twin")
    assert reply.code == 2
    assert all(one in reply.error["message"] for one in ids)


def test_no_check_sends_what_the_schema_does_not_know(lgp: Any) -> None:
    words = ["leads", "create", "--data", json.dumps({**LEAD, "leadGrade": "A"}), "--dry-run"]
    assert lgp(*words).code == 2
    assert lgp(*words, "--no-check").json["body"]["leadGrade"] == "A"


def test_a_lead_without_a_client_draws_a_warning(lgp: Any) -> None:
    words = ["--first-name", "A", "--last-name", "B", "--email", "a@b.example", "--dry-run"]
    assert any("may hide" in note for note in lgp("leads", "create", *words).notes)
    assert not any(
        "may hide" in note for note in lgp("leads", "create", *words, "--client-id", "c").notes
    )
