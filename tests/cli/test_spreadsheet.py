"""Reading a spreadsheet: dialects, headings, mapping, what cannot be read, our own csv again."""

import csv
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import spreadsheet
from cli.output import Csv
from cli.text import inert
from contract.operations import operations

HEAD = "firstName,lastName,email\n"
HEADINGS = "First name,LAST_NAME,E-Mail,Company,Phone,Job Title,Website,LinkedIn,campaign-id"
LEAD = {
    "firstName": "Jürgen", "lastName": "Groß", "email": "j@x.example", "companyName": "Öl; AG, | x",
    "phoneNumber": "+49 30 12345", "title": "CTO", "companyDomain": "x.example",
    "linkedinUrl": "in/j", "campaignId": "k",
}  # fmt: skip


@pytest.fixture
def run(lgp):
    """`run(content, *words)`: an import of c.csv; with --dry-run nothing is sent."""

    def start(content, *words):
        if content is not None:
            Path("c.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return lgp("leads import c.csv", *words)

    return start


@pytest.fixture
def plan(run):
    """The leads that an import would send."""
    return lambda *words: run(*words, "--dry-run").json["body"]["leads"]


@pytest.mark.parametrize("delimiter", ",;\t|")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_dialect_encoding_and_known_heading_gives_the_same_leads(plan, delimiter, encoding):
    with Path("c.csv").open("w", encoding=encoding, newline="") as file:
        rows = [HEADINGS.split(","), LEAD.values()]
        csv.writer(file, delimiter=delimiter).writerows(rows)
    words = ["--encoding", "cp1252"] if encoding == "cp1252" else []
    assert plan(None, *words) == [LEAD]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(LEAD) + "\n\n",
        json.dumps([LEAD], indent=2),
        json.dumps({"data": [{**LEAD, "id": "x", "technologies": []}], "complete": True}),
        json.dumps({"data": [{**LEAD, "notes": None}]}, indent=1),
    ],
)
def test_json_and_jsonl_are_read_too(plan, text):
    assert plan(text) == [LEAD]


def test_a_name_is_split_at_its_last_space_and_mapped_columns_come_first(run):
    text = "Name,Email,Work Email,Phone,Mobile,id,Fax\n"
    text += "Anna Maria Schmidt,p@x.example,w@x.example,,+1 555 0100,9,1\n"
    words = ["--map", "Name=firstName+lastName", "--map", "work email=email"]
    reply = run(text, "--dry-run", *words)
    assert reply.json["body"]["leads"] == [
        {"firstName": "Anna Maria", "lastName": "Schmidt", "email": "w@x.example",
         "phoneNumber": "+1 555 0100"}
    ]  # fmt: skip
    columns = {
        "Name": "firstName+lastName", "Work Email": "email", "Email": "email",
        "Phone": "phoneNumber", "Mobile": "phoneNumber",
        "id": "not imported", "Fax": "not imported",
    }  # fmt: skip
    assert reply.json["columns"] == columns
    (note,) = [one for one in reply.notes if one.startswith("Columns (the first that is not empty")]
    assert '"Mobile":"phoneNumber"' in note and '"Fax":"not imported"' in note


def test_gaps_are_filled_empty_cells_left_out(plan):
    text = "firstName,lastName,email,client_id,status,notes\n"
    text += "A,B, a@x.example ,,Qualified, \nC,D,c@x.example,own,,'=1+1\n"
    assert plan(text, "--client-id", "client_a", "--campaign-id", "k") == [
        {"firstName": "A", "lastName": "B", "email": "a@x.example", "client_id": "client_a",
         "campaignId": "k", "status": "qualified"},
        {"firstName": "C", "lastName": "D", "email": "c@x.example", "client_id": "own",
         "campaignId": "k", "notes": "=1+1"},
    ]  # fmt: skip


ROW = f"{HEAD}A,B,a@x.example\n"
WRONG = {
    "not there": (None, "c.csv is no file of UTF-8 text: there is no such file"),
    "empty": ("", "has no rows"),
    "header alone": (HEAD, "has no rows"),
    "no e-mail": ("firstName,lastName\nA,B\n", "No column gives email; the columns are firstName,"),
    "latin-1": (
        ROW.encode() + b"J\xfcrgen,B,b@x.example\n",
        "no file of UTF-8 text: 'utf-8' codec",
    ),
    "open quote": (ROW + 'A,"B,c@x.example\n', "line 3: no csv from there on"),
    "broken json": ('[{"firstName": "A",]', "not valid JSON"),
    "broken line": ('{"firstName": "A"}\n{"firstName"\n', "line 2, is not valid JSON"),
    "no object": ("[1]", "No column gives firstName"),
    "-": (None, "- is no file of UTF-8 text"),
    "--encoding=nosuch": (ROW, "unknown encoding: nosuch"),
    "--map=Nix=email": (ROW, "--map takes COLUMN=FIELD; the columns are firstName, lastName,"),
    "--map=email=e-post": (ROW, "is not a field"),
    "--fields=creatd": (ROW, "is not a field; did you mean created"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_read_is_exit_2_with_the_line_and_nothing_is_sent(lgp, run, kind):
    content, words = WRONG[kind]
    reply = lgp("leads import -") if kind == "-" else run(content, *[kind] * ("=" in kind))
    assert (reply.code, reply.out) == (2, "")
    assert words in str(reply.error)
    assert not Path("c.csv.lgp-ledger").exists()


def test_bad_rows_are_listed_by_line_and_can_be_fixed_in_the_rejects_file(run, plan):
    reply = run(
        "First Name;Last Name;email;Notes\n"
        '=A;B;a@x.example;"two\nlines"\n'
        ";;nothing\n"
        "\n"
        "C;.;c@x.example;=1\n"
        "F;G;f@x.example;;;h\n"
        "A;Bee;A@x.example;\n"
        'F;G;f@x.example;"=x"\n'
        "F;G;f@x.example;=x\n"
    )
    missing = "firstName is required; lastName is required; email must be an e-mail address"
    problems = {
        4: missing, 6: "lastName must not be only dots or blanks",
        7: "has 6 cells, and 4 have a heading", 8: "email is that of line 2, with other values",
    }  # fmt: skip
    assert reply.code == 2
    assert {one["line"]: one["problem"] for one in reply.error["details"]} == problems
    rejects = Path("c.csv.rejects.csv")
    assert rejects.stat().st_mode & 0o777 == 0o600
    lines = rejects.read_text().splitlines()
    assert lines[0] == "\ufeffproblem,First Name,Last Name,email,Notes"
    assert lines[2].endswith(",c@x.example,'=1")
    fixed = [lines[0], lines[1].replace(",,,nothing", ",N,O,n@x.example")]
    assert plan("\n".join([*fixed, lines[2].replace(",.,", ",Dot,")])) == [
        {"firstName": "N", "lastName": "O", "email": "n@x.example"},
        {"firstName": "C", "lastName": "Dot", "email": "c@x.example", "notes": "=1"},
    ]
    assert plan(f"{HEAD}A,B,nothing\n", "--no-check")[0]["email"] == "nothing"


def test_a_double_is_left_out_but_not_one_of_another_client(plan):
    rows = "A,B,a@x.example,k\nA,B,a@x.example,k\nA,B,A@X.example,other\n"
    assert len(plan("firstName,lastName,email,client_id\n" + rows)) == 2


FIELDS = {*operations()["leads.create"].body_fields()} - {"email", "status", "contactName"}
PRINTABLE = st.text(st.characters(blacklist_categories=["C", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text.strip() and inert(text, "\n\t") == text
)
VALUES = st.dictionaries(
    st.sampled_from(sorted(FIELDS)),
    PRINTABLE | st.sampled_from(["=1+1", "'=1", "-", "+49 30 123456", "@a", "''"]),
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_our_own_csv_comes_back_with_equal_values(rows):
    leads = [{**row, "email": f"{n}@x.example", "status": "new"} for n, row in enumerate(rows)]
    readonly = {"id": "1", "technologies": ["a"], "createdAt": "2026-01-01T00:00:00.000Z"}
    context = SimpleNamespace(
        columns=operations()["enrich-leads.list"].columns(), fields=None, notes=lambda *_: None,
        options=SimpleNamespace(excel=False, csv_raw=False, no_check=True), typed=lambda name: None,
    )  # fmt: skip
    text = []
    Csv(text.append, context).rows([{**readonly, **lead} for lead in leads])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "leads.csv")
        path.write_bytes("".join(text).encode())
        assert [row.lead for row in spreadsheet.read(context, path)[2]] == leads
