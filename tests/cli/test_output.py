"""stdout and --out in the forms that lists do not show: records, masks, files of others."""

import json

import pytest

from sandbox.answers import Answer


def test_one_record_is_the_servers_body_and_its_record_in_other_forms(lgp):
    first = lgp("campaigns", "list").rows[0]
    get = ["campaigns", "get", first["id"], "--format"]
    assert lgp(*get, "json").json["data"]["id"] == first["id"]
    assert lgp(*get, "ids").out == first["id"] + "\n"
    fields = ["--fields", "id,goals.none"]
    assert lgp(*get, "jsonl", *fields).json == {"id": first["id"], "goals.none": None}
    assert lgp(*get, "csv", *fields).out == f"id,goals.none\n{first['id']},\n"


def test_hostile_text_is_inert_in_every_form(lgp):
    name = "=cmd|' /C calc'!A0 \x1b[31m\u202e;rm"
    lgp("campaigns", "create", "--data", json.dumps({"name": name, "campaignType": "abm"}))
    words = ["campaigns", "list", "--where", "name~calc", "--all", "--fields", "name", "--format"]
    found = {form: lgp(*words, form) for form in ("json", "jsonl", "csv", "table")}
    assert found["json"].json["data"] == [{"name": name}]
    for reply in found.values():
        assert "\x1b" not in reply.out and "\u202e" not in reply.out
    assert found["csv"].out.splitlines()[1].startswith("\"'=cmd")
    assert lgp(*words, "csv", "--csv-raw").out.splitlines()[1].startswith('"=cmd')


@pytest.mark.parametrize(
    ("words", "code"),
    [("x.xlsx", 2), ("x", 2), ("x.html", 2), ("x.csv --format json", 2), ("missing/x.csv", 9),
     ("x.txt --format table", 2)],
)  # fmt: skip
def test_a_place_or_name_that_cannot_be_written_is_said_before_anything_is_sent(lgp, words, code):
    reply = lgp("campaigns", "create", "--name", "Unsent", "--out", *words.split())
    assert (reply.code, reply.out) == (code, "")
    assert lgp("campaigns", "list", "--where", "name=Unsent", "--count").json["count"] == 0


def test_a_file_is_replaced_whole_and_private(lgp, home):
    target = home / "c.json"
    target.write_text("old")
    target.chmod(0o640)
    receipt = lgp("campaigns", "list", "--out", "c.json", terminal=True).out
    assert receipt.startswith("file c.json, rows 6, requests 1, ")
    assert "\n" not in target.read_text().rstrip("\n")
    assert json.loads(target.read_text())["data"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert not [one for one in home.iterdir() if one.name.endswith((".part", ".tmp"))]


def test_a_pipe_or_device_at_out_is_refused(lgp):
    assert lgp("campaigns", "list", "--out", "/dev/null", "--format", "csv").code == 9


@pytest.mark.parametrize(
    ("body", "csv"),
    [(rb'{"=1+1 \u001b[31m": 1}', "'=1+1 \\u001b[31m\n1\n"), (b'["a", "b"]', "value\na\nb\n")],
)
def test_in_csv_names_are_inert_too_and_any_row_has_a_cell(lgp, serve, body, csv):
    served = serve()
    served.around(lambda environ, ask: Answer(200, body))
    words = ["api_call", "GET", "/x", "--format", "csv"]
    reply = lgp(*words, sandbox=False, environ=served.environ)
    assert reply.out == csv


@pytest.mark.parametrize("words", ["campaigns list", "pipeline", "leads list --count"])
def test_json_is_the_same_on_and_off_a_terminal_and_verbose_changes_no_stdout(lgp, words):
    command = [*words.split(), "--format", "json"]
    plain, indented = lgp(*command), lgp(*command, terminal=True)
    assert indented.json == plain.json
    assert "\n" in indented.out.rstrip("\n")
    assert lgp(*command, "--verbose").out == plain.out


def test_csv_has_its_columns_without_rows_and_says_when_it_leaves_out_fields(lgp, serve):
    words = ["campaigns", "list", "--format", "csv"]
    assert lgp(*words, "--where", "name=nobody").out.startswith("id,name,")
    served, body = serve(), b'{"success": true, "data": [{"id": "c1", "brandNew": 1}]}'
    served.around(lambda environ, ask: Answer(200, body))
    reply = lgp(*words, sandbox=False, environ=served.environ)
    assert (reply.out.count("\n"), "brandNew" in reply.out) == (2, False)
    assert any("jsonl has all" in note for note in reply.notes)
    for more in ([], ["--fields", "id"]):
        assert not any("jsonl has all" in note for note in lgp(*words, *more).notes)
