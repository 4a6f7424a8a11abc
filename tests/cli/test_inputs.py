"""Bodies, flags and ids: where they come from, and that what cannot be sent is refused with the reason."""

import json
import shlex

import pytest

from cli.inputs import ids_from
from leadgenius.errors import UsageError

LEAD = {"firstName": "Jo", "lastName": "Lind", "email": "jo@lind.example", "client_id": "client_a"}
INTEGRATION = "integrations create --platform hubspot --config"
TWO_PROBLEMS = '{"firstName": "A", "lastName": "B", "email": "x", "phone": "1"}'


@pytest.mark.parametrize(
    "text",
    [
        "a\nb\nc\n",
        " a \n\nb\nc",
        '["a", "b", "c"]',
        '[{"id": "a"}, {"leadId": "b"}, {"lead_id": "c"}]',
        '{\n  "data": [{"id": "a"}, {"id": "b"},\n{"id": "c"}], "rows": 3\n}',
        '{"requested": 3, "ids": ["a", "b", "c"]}',
        '{"id": "a"}\n\n{"id": "b"}\n{"id": "c"}\n',
        "email,id\nx@x.example,a\ny@x.example,b\nz@x.example,c\n",
        'leadId;name\na;"x; y"\nb;y\nc;z\n',
        "id\na\nb\nc\n",
        "email\tid\n\ta\n\tb\nz@x.example\tc\n",
    ],
)
def test_ids_are_read_from_every_form_that_this_program_writes(text):
    assert ids_from(text) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb c\n", "line 2"),
        ("mara@x.example\n", "line 1"),
        ("email,name\nx,y\n", "no column id"),
        ('[{"name": "x"}]', "no id"),
        ("{broken", "line 1 column 2"),
        ('{"id": "a"}\n{"id"\n', "line 2, is not valid JSON"),
    ],
)
def test_a_file_without_ids_says_where(text, said):
    with pytest.raises(UsageError, match=said):
        ids_from(text)


def test_ids_come_from_everywhere_and_each_is_sent_once(lgp, home):
    (home / "ids.txt").write_text("c\na\n")
    words = ["leads", "delete", "--ids", "a,b", "b", "--dry-run", "--ids-from"]
    for reply in (lgp(*words, "ids.txt"), lgp(*words, "-", stdin='{"id": "c"}')):
        assert (reply.json["records"], reply.json["body"]) == (3, {"ids": ["a", "b"]})


@pytest.mark.parametrize("data", [json.dumps(LEAD), "@lead.json", "-"])
def test_data_is_json_a_file_or_standard_input_and_flags_win(lgp, home, data):
    (home / "lead.json").write_text("\ufeff" + json.dumps(LEAD), encoding="utf-8")
    words = ("leads", "create", "--data", data, "--title", "@lead.json", "--dry-run")
    body = lgp(*words, stdin=json.dumps(LEAD)).json["body"]
    assert body == {**LEAD, "title": "@lead.json"}  # only --data understands an @


def test_the_short_line_makes_an_active_abm_campaign_and_says_so_after_it_was_made(lgp):
    words = ("campaigns", "create", "--name", "Q3 Expansion")
    made, planned = lgp(*words), lgp(*words, "--dry-run")
    facts = {"name": "Q3 Expansion", "campaignType": "abm", "status": "active"}
    assert planned.json["body"] == facts
    assert made.json["data"] == {**made.json["data"], **facts}
    assert ["--status draft" in str(one.notes) for one in (made, planned)] == [True, False]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (
            'campaigns create --data {"name":"A","campaignType":"nurture"}',
            {"name": "A", "campaignType": "nurture"},  # no defaults beside --data
        ),
        ("campaigns update c --spend 12.5 --goals {}", {"spend": 12.5, "goals": {}}),
        ("target-accounts score acc --intent-score 80", {"intentScore": 80}),
        (
            "webhooks create --url https://x.example/h --events new_source_lead,enrichment_completed",
            {
                "url": "https://x.example/h",
                "events": ["new_source_lead", "enrichment_completed"],
            },
        ),
        ("leads status --ids lead_1 --status Qualified", {"status": "qualified"}),
        (
            'leads create --last-name B --data {"firstName":"A","email":"a@b.example","status":"New"}',
            {"firstName": "A", "lastName": "B", "email": "a@b.example", "status": "new"},
        ),
    ],
)
def test_flags_are_read_as_their_schemas_types(lgp, words, body):
    assert lgp(*words.split(), "--dry-run").json["body"] == body


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("leads create --first-name A", "lastName email"),
        (f"leads create --data '{TWO_PROBLEMS}'", "email phone"),
        ("leads create --data {broken", "line column"),
        ("leads create --data [NaN]", "Out of range"),
        ("leads create --data @missing.json", "missing.json"),
        ("leads create --data []", "list of them"),
        ("leads create --data 3", "object"),
        ("campaigns create --data [1]", "object"),
        ("campaigns update c", "Nothing to change --help"),
        ("target-accounts score a --intent-score many", "intentScore"),
        ("target-accounts score a --intent-score 101", "at most 100"),
        ("leads status --ids a --status hot", "must be one of qualified"),
        ("campaigns get ..", "id"),
        ("campaigns get a/b", "id"),
        pytest.param(f"{INTEGRATION} {'[' * 100_000}", "config object", id="deep"),
        (f"{INTEGRATION} '{{\"a\": NaN}}'", "config object"),
        ("leads delete --yes", "No ids"),
        ("leads delete --ids-from none.txt --yes", "none.txt"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_every_reason(lgp, words, said):
    reply = lgp(*shlex.split(words))
    assert (reply.code, reply.out) == (2, "")
    assert reply.error["hint"]
    words = json.dumps(reply.error)
    assert [one for one in said.split() if one not in words] == []


def test_a_record_is_found_by_its_name(lgp):
    (first, *_) = lgp("campaigns", "list").rows
    reply = lgp("campaigns", "get", f"name={first['name'].upper()}")
    assert reply.json["data"]["id"] == first["id"]
    account = lgp("target-accounts", "list").rows[0]
    named = f"accountName={account['accountName']}"
    scored = lgp("target-accounts", "score", named, "--fit-score", "7").json["data"]
    assert scored == {**scored, "id": account["id"], "fitScore": 7}


def test_a_name_that_is_not_there_or_not_alone_is_refused_with_the_ids(lgp):
    assert lgp("campaigns", "get", "name=No such campaign").code == 2
    lgp("campaigns create --name 007")
    assert lgp("campaigns get name=7").code == 2  # not equal as a number
    assert lgp("jobs status name=foo").code == 4  # jobs have no names
    ids = [lgp("campaigns", "create", "--name", "Twin").json["id"] for _ in range(2)]
    reply = lgp("campaigns", "get", "name=Twin")
    assert (reply.code, {*reply.error["details"]}) == (2, {*ids})


def test_a_breach_of_an_assumed_rule_is_a_note(lgp):
    reply = lgp("campaigns", "create", "--name", "A", "--spend=-1", "--dry-run")
    assert reply.json["body"]["spend"] == -1
    assert "undocumented rule" in str(reply.notes)


def test_no_check_sends_what_the_schema_does_not_know(lgp):
    words = ["leads", "create", "--data", json.dumps({**LEAD, "leadGrade": "A"}), "--dry-run"]
    assert lgp(*words).code == 2
    assert lgp(*words, "--no-check").json["body"]["leadGrade"] == "A"


@pytest.mark.parametrize("client", [(), ("--client-id", "c")])
def test_a_lead_without_a_client_draws_a_warning(lgp, client):
    words = "leads create --first-name A --last-name B --email a@b.example --dry-run"
    notes = lgp(*words.split(), *client).notes
    assert ("may hide" in str(notes)) is not bool(client)
