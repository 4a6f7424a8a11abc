"""Reading a spreadsheet: dialects, headings, mapping, what cannot be read, our own csv again."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import spreadsheet
from cli.output import Csv
from cli.text import inert
from contract.operations import operations

ROWS = [
    ["First Name", "last_name", "E-MAIL", "Company"],
    ["Jürgen", "Groß", "j@x.example", "Öl; AG, | x"],
]
LEAD = {
    "firstName": "Jürgen",
    "lastName": "Groß",
    "email": "j@x.example",
    "companyName": "Öl; AG, | x",
}


def made(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def plan(lgp: Any, name: str, *words: str) -> list[dict[str, Any]]:
    """The leads that an import would send."""
    reply = lgp("leads", "import", name, "--dry-run", *words)
    assert reply.code == 0, reply
    found: list[dict[str, Any]] = reply.json["body"]["leads"]
    return found


@pytest.mark.parametrize("delimiter", ",;\t|")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_dialect_and_encoding_gives_the_same_leads(
    lgp: Any, delimiter: str, encoding: str
) -> None:
    with Path("c.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(ROWS)
    words = ["--encoding", "cp1252"] if encoding == "cp1252" else []
    assert plan(lgp, "c.csv", *words) == [LEAD]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.jsonl", json.dumps(LEAD) + "\n\n"),
        ("c.json", json.dumps([LEAD], indent=2)),
        (
            "c.json",
            json.dumps({"data": [{**LEAD, "id": "x", "technologies": []}], "complete": True}),
        ),
        ("c.json", json.dumps({"data": [LEAD]}, indent=1)),
    ],
)
def test_json_and_jsonl_are_read_too(lgp: Any, name: str, text: str) -> None:
    assert plan(lgp, made(name, text)) == [LEAD]


def test_headings_of_the_table(lgp: Any) -> None:
    head = "First name;LAST_NAME;E-Mail;Company;Phone;Job Title;Website;LinkedIn\n"
    found = plan(
        lgp,
        made("c.csv", head + "Ada;Kurz;ada@x.example;Kurz AG;+49 30 12345;CTO;x.example;in/ada\n"),
    )
    assert found == [
        {
            "firstName": "Ada", "lastName": "Kurz", "email": "ada@x.example",
            "companyName": "Kurz AG", "phoneNumber": "+49 30 12345", "title": "CTO",
            "companyDomain": "x.example", "linkedinUrl": "in/ada",
        }
    ]  # fmt: skip


def test_a_name_is_split_at_its_last_space_and_mapped_columns_come_first(lgp: Any) -> None:
    text = "Name,Work Email,Email,Phone,Mobile,id,Fax\n"
    text += "Anna Maria Schmidt,w@x.example,p@x.example,,+1 555 0100,9,1\n"
    words = ["--map", "Name=firstName+lastName", "--map", "work email=email"]
    reply = lgp("leads", "import", made("c.csv", text), "--dry-run", *words)
    assert reply.json["body"]["leads"] == [
        {
            "firstName": "Anna Maria",
            "lastName": "Schmidt",
            "email": "w@x.example",
            "phoneNumber": "+1 555 0100",
        }
    ]
    assert reply.json["columns"]["phoneNumber"] == ["Phone", "Mobile"]
    assert reply.notes == [
        "Work Email and Email give email: the first that is not empty is taken.",
        "Phone and Mobile give phoneNumber: the first that is not empty is taken.",
        'Not imported: Fax. To import one: --map "Fax=FIELD".',
    ]


def test_gaps_are_filled_empty_cells_left_out(lgp: Any) -> None:
    text = "firstName,lastName,email,client_id,status,notes\n"
    text += "A,B, a@x.example ,,Qualified, \nC,D,c@x.example,own,,'=1+1\n"
    found = plan(lgp, made("c.csv", text), "--client-id", "client_a", "--campaign-id", "k")
    assert found == [
        {"firstName": "A", "lastName": "B", "email": "a@x.example",
         "client_id": "client_a", "campaignId": "k",
         "status": "Qualified"},
        {"firstName": "C", "lastName": "D", "email": "c@x.example",
         "client_id": "own", "campaignId": "k",
         "notes": "=1+1"},
    ]  # fmt: skip


HEAD = "firstName,lastName,email\n"
UNREADABLE = {
    "not there": (None, "There is no file c.csv"),
    "empty": ("", "has no rows"),
    "blank": ("\n\n", "has no rows"),
    "header alone": (HEAD, "has no rows"),
    "no e-mail": (
        "firstName,lastName\nA,B\n",
        "No column gives email; the columns are firstName, lastName.",
    ),
    "one name": ("Name,email\nA,a@x.example\n", "No column gives firstName, lastName"),
    "latin-1": (
        HEAD.encode() + b"A,B,a@x.example\nJ\xfcrgen,B,b@x.example\n",
        "line 3: not UTF-8 text",
    ),
    "binary": (HEAD + "A,\0B,a@x.example\n", "line 2: not UTF-8 text"),
    "zip": (b"PK\x03\x04rest", "is a workbook"),
    "old xls": (b"\xd0\xcf\x11\xe0rest", "line 1: not UTF-8 text"),
    "open quote": (
        HEAD + 'A,B,a@x.example\nA,"B,c@x.example\n',
        "line 3: the row that starts there is no csv",
    ),
    "broken json": ('[{"firstName": "A",]', "not valid JSON"),
    "broken line": ('{"firstName": "A"}\n{"firstName"\n', "line 2, is not valid JSON"),
    "no object": ("[1]", "record 1 is not a JSON object"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_exit_2_with_the_line_and_nothing_is_sent(
    lgp: Any, kind: str
) -> None:
    content, words = UNREADABLE[kind]
    if content is not None:
        made("c.csv", content)
    reply = lgp("leads", "import", "c.csv")
    assert (reply.code, reply.out) == (2, "")
    assert words in reply.error["message"]
    assert not Path("c.csv.lgp-ledger").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-"], "no standard input"),
        (["."], "pipe or folder"),
        (["c.csv", "--encoding", "nosuch"], "not nosuch text"),
        (
            ["c.csv", "--map", "Nix=email"],
            "--map takes COLUMN=FIELD; the columns are firstName, lastName, email.",
        ),
        (["c.csv", "--map", "email=e-post"], "is not a field"),
    ],
)
def test_what_is_typed_wrong_is_exit_2(lgp: Any, words: list[str], message: str) -> None:
    made("c.csv", HEAD + "A,B,a@x.example\n")
    reply = lgp("leads", "import", *words)
    assert (reply.code, reply.out) == (2, "")
    assert message in reply.error["message"]


def test_bad_rows_are_listed_by_line_and_can_be_fixed_in_the_rejects_file(lgp: Any) -> None:
    text = (
        "First Name;Last Name;email;Notes\n"
        '=A;B;a@x.example;"two\nlines"\n'
        ";;nothing;\n"
        "\n"
        "C;.;c@x.example;\n"
        f"D;E;d@x.example;{'x' * 2_000_000}\n"
        "F;G;f@x.example;;;h\n"
    )
    reply = lgp("leads", "import", made("c.csv", text))
    assert reply.code == 2
    assert reply.error["details"] == [
        {
            "line": 4,
            "problem": "firstName is required; lastName is required; "
            "email must be an e-mail address",
        },
        {"line": 6, "problem": "lastName must not be only dots or blanks"},
        {"line": 7, "problem": "is larger than 40,000 bytes"},
        {"line": 8, "problem": "has 6 cells, and 4 have a heading"},
    ]
    rejects = Path("c.csv.rejects.csv")
    assert rejects.stat().st_mode & 0o777 == 0o600
    lines = rejects.read_text("utf-8-sig").splitlines()
    assert lines[0] == "problem,First Name,Last Name,email,Notes"
    fixed = [
        lines[0],
        lines[1].replace(",,,nothing", ",N,O,n@x.example"),
        lines[2].replace(",.,", ",Dot,"),
    ]
    rejects.write_text("\n".join(fixed))
    assert plan(lgp, str(rejects)) == [
        {"firstName": "N", "lastName": "O", "email": "n@x.example"},
        {"firstName": "C", "lastName": "Dot", "email": "c@x.example"},
    ]


def test_a_double_is_left_out_and_one_with_other_values_is_a_problem(lgp: Any) -> None:
    text = "firstName,lastName,email,client_id\n"
    text += "A,B,a@x.example,k\nA,B,A@x.Example,k\nA,B,A@X.example,other\n"
    assert len(plan(lgp, made("c.csv", text))) == 2
    reply = lgp("leads", "import", made("c.csv", text + "A,Bee,A@x.example,k\n"))
    assert reply.error["details"] == [
        {"line": 5, "problem": "email is that of line 2, with other values"}
    ]


FIELDS = [
    name
    for name in operations()["leads.create"].body_fields()
    if name not in ("email", "status", "contactName")
]
PRINTABLE = st.text(st.characters(blacklist_categories=["C", "Zl", "Zp"]), min_size=1).filter(
    lambda text: inert(text, "\n\t") == text
)
VALUES = st.dictionaries(
    st.sampled_from(FIELDS),
    PRINTABLE | st.sampled_from(["=1+1", "'=1", "-", "+49 30 123456", "@a", "''"]),
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_our_own_csv_comes_back_with_equal_values(rows: list[dict[str, str]]) -> None:
    leads = [
        {**{k: v for k, v in row.items() if v.strip()}, "email": f"{n}@x.example", "status": "new"}
        for n, row in enumerate(rows)
    ]
    stored = [
        {"id": "1", "technologies": ["a"], "createdAt": "2026-01-01T00:00:00.000Z", **lead}
        for lead in leads
    ]
    notes = lambda level, message: None  # noqa: E731
    options = SimpleNamespace(excel=False, csv_raw=False, no_check=True)
    columns = operations()["enrich-leads.list"].columns()
    text: list[str] = []
    writer = Csv(
        text.append, SimpleNamespace(columns=columns, fields=None, options=options, notes=notes)
    )  # type: ignore[arg-type]
    writer.rows(stored)
    stdin = SimpleNamespace(buffer=None)
    context: Any = SimpleNamespace(
        options=options, notes=notes, typed=lambda name: None, stdin=stdin
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "leads.csv")
        path.write_text("".join(text), "utf-8", newline="")
        assert [row.lead for row in spreadsheet.read(context, path).rows] == leads
