"""A person at a terminal: tables and records that fit, sentences, errors, one live line."""

import contextlib
import os
import pty
import re
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cli import terminal
from cli.output import TableRows
from cli.text import Masker

LISTS = [
    "leads list", "enrich-leads list", "source-leads list", "campaigns list",
    "target-accounts list", "sequences list", "workflows list", "integrations list", "webhooks list", "keys list",
    "enrichment services", "maintenance bugs list", "maintenance enhancements list",
    "admin companies", "admin users",
]  # fmt: skip
OTHERS = [
    "pipeline", "analytics trends --granularity week", "leads list --count",
    "leads list --count-by status", "leads list --where status=qualified --all", "jobs list",
    "analytics report --report-type leads --report-format csv", "auth status", "limits",
    "campaigns create --name Autumn", "leads enrich --ids lead_1 no-such --wait-time 1s",
    "leads status --ids lead_1 lead_2 --status qualified", "leads delete --ids lead_9 --yes",
    "campaigns get no-such", "leads list --status quallified", "target-accounts score X",
]  # fmt: skip
IDENTITY = "3f2b8c1e-9d4a-4e7b-8a61-5c0d2e9f7b34"
WANTED = ["name", "email", "status"]
DRAWN = r"\x1b\[(\?25[hl]|1A|2K)"  # a live line
REST = "1 row. Not everything fits: --format json; ids: --format ids."


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """80 columns without colours."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def tty(lgp):
    """`tty("leads list", width=…, NAME=…)` runs a command on a terminal, with variables."""

    def run(command, width=80, **environ):
        reply = lgp(*command.split(), terminal=True, environ={"COLUMNS": str(width), **environ})
        assert reply.code != 1, reply
        return reply

    return run


def output(**given):
    """What a writer needs of an Output, on a terminal; what it prints is collected in `.text`."""
    made = SimpleNamespace(
        terminal=True, fields=None, preferred=[], columns=[], footnote="", text="",
        masked=Masker(["lgp_0123456789abcdef"]).mask,
    )  # fmt: skip
    made.write = lambda text: setattr(made, "text", made.text + text)
    made.__dict__.update(given)
    return made


def table(*pages, width=80, **given):
    """A table of rows that come page by page."""
    made = output(**given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        writer = TableRows(made.write, made)
        for rows in pages:
            writer.rows(rows)
        writer.end({})
    return made


def fits(text, width):
    """No line is wider than the terminal."""
    for line in text.splitlines():
        assert cell_len(line) <= width, line


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("command", LISTS + OTHERS)
def test_nothing_is_wider_than_the_terminal_or_as_machines_write_it(tty, command, width):
    reply = tty(command, width)
    text = reply.out + reply.err
    fits(text, width)
    assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:", text)
    assert not re.search(r"\b(requested|problems_total|not_sent)\b|[{}\[\]]", reply.out)
    assert "\x1b" not in re.sub(DRAWN, "", text)


@pytest.mark.parametrize("command", LISTS)
def test_a_wider_terminal_never_shows_less_and_an_id_is_whole_and_last(lgp, tty, command):
    ids = lgp(*command.split(), "--format", "ids").out.split()
    before = set()
    for width in (60, 80, 100, 120, 160, 200, 300):
        reply = tty(command, width)
        head, *lines = reply.out.splitlines()
        names = head.split()
        if width >= 100:
            assert before <= set(names)
            before = set(names)
        assert names[0] not in ("id", "leadId")
        if "id" in names:
            assert (names[-1], [line.split()[-1] for line in lines]) == ("id", ids)
        elif command != "enrichment services":
            assert "--format ids" in reply.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("row", "width", "more", "line", "note"),
    [
        ({"name": "n" * 50, "email": "e" * 50, "status": "new"}, 50, {"preferred": WANTED},
         f"{'n' * 19}…  {'e' * 19}…  new", "1 row."),  # cut before one is left out
        ({"name": "n" * 50, "email": "e" * 50, "status": "new", "id": IDENTITY}, 20,
         {"preferred": WANTED}, f"{'n' * 7}…  {'e' * 9}…",
         REST),
        ({"name": "n", "title": "t" * 20, "id": IDENTITY}, 50, {"preferred": WANTED},
         f"n     {IDENTITY}", "1 row."),  # before what nobody asked for
        ({"name": "n" * 50, "id": IDENTITY}, 50, {"fields": ["id", "name"]},
         f"{IDENTITY}  {'n' * 11}…", "1 row."),
        ({"name": "n" * 90, "id": IDENTITY}, 100, {"preferred": WANTED},
         f"{'n' * 59}…  {IDENTITY}", "1 row."),
        ({"id": IDENTITY}, 20, {}, IDENTITY[:19] + "…", "1 row."),
        ({"a": "x" * 30, "key": "lgp_0123456789abcdef"}, 20, {},
         f"{'x' * 14}…  ***", "1 row."),  # masked before it is cut
    ],
)  # fmt: skip
def test_cells_are_cut_before_columns_are_left_out(row, width, more, line, note):
    made = table([row], width=width, **more)
    assert (made.text.splitlines()[1].rstrip(), made.footnote) == (line, note)


def test_rows_that_come_one_by_one_share_their_columns_numbers_to_the_right():
    made = table([{"name": "a", "roi": 0.05}], [{"name": "longest", "roi": 15}])
    assert made.text == "name          roi\na            5.0%\nlongest  1,500.0%\n"


@pytest.mark.parametrize(
    ("command", "out", "line"),
    [
        ("enrich-leads list", "", "20 rows; --all for every row."),
        ("leads list", "", "20 of 60 rows; --all for every row."),
        ("maintenance bugs list", "description", " rows."),
        ("leads list --where fullName~zzzz", "", "0 of 0 rows that match (60 read)."),
        ("enrich-leads list --count", "60 rows.\n", ""),
        ("leads list --count-by status", "", "60 rows."),
    ],
)
def test_what_a_list_says_of_itself_stands_below_it_in_one_line(tty, command, out, line):
    reply = tty(command, 160)
    assert reply.out.startswith(out)
    assert line in reply.err.splitlines()[-1]


def test_no_total_is_printed_that_the_search_depth_makes_untrue(lgp, serve):
    served = serve(demo_leads=1500)
    environ = {**served.environ, "COLUMNS": "100"}
    reply = lgp("leads", "list", sandbox=False, terminal=True, environ=environ)
    below = " ".join(reply.err.split())
    found = re.search(r"20 of at least ([\d,]+) rows found by search \(newest 1,000 of each", below)
    assert found
    assert 1000 <= int(found[1].replace(",", "")) < 1500


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("[red]x[/red] :smile:", "[red]x[/red] :smile:"),
        ("\x1b[31mred\x07", "\\u001b[31mred\\u0007"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_server_text_is_text(name, seen):
    assert table([{name: name}]).text == f"{seen}\n{seen}\n"


@pytest.mark.parametrize(
    "name", ["山田太郎山田太郎山田太郎", "محمد عبد الرحمن بن خالد", "สมชาย ใจดี", "👩 Zoë"]
)
def test_wide_and_right_to_left_names_keep_the_columns(name):
    head, line = table([{"name": name, "z": "Z"}], width=16).text.splitlines()
    assert cell_len(line.removesuffix("Z")) == cell_len(head.removesuffix("z"))


@given(
    st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=40) | st.integers()), max_size=3)
)
def test_any_rows_make_a_table_that_fits(rows):
    fits(table(rows, width=40).text, 40)


def test_a_record_is_a_field_a_line_the_id_last():
    made = output(preferred=["name"])
    record = {
        "id": IDENTITY, "steps": [{"day": 1}, {"day": 2}], "company_id": "lgp_0123456789abcdef", "none": None,
        "go\x07": {"spend": 5}, "notes": "one\ntwo", "name": "Triage", "long": "word " * 100_000,
        "url": f"It is at https://x.example/{'y' * 80}",
    }  # fmt: skip
    terminal.print_record(made, record)
    lines = [line.rstrip() for line in made.text.splitlines()]
    assert lines[:6] == [
        "name        Triage", "steps       2 items", "company_id  ***",
        r"go\u0007    spend 5", r"notes       one\ntwo", f"long        {'word ' * 12}word",
    ]  # fmt: skip
    values = "".join(line[12:] for line in lines).replace(" ", "")
    assert values.endswith(record["url"].replace(" ", "") + IDENTITY)
    assert lines[-1] == f"id          {IDENTITY}"
    assert "… --format json" in made.text
    fits(made.text, 80)


def test_a_change_is_a_sentence_and_what_needs_action(tty):
    sentence, made = tty("campaigns create --name Autumn").out.splitlines()
    assert sentence.startswith("Campaign Autumn created")
    assert made.strip() in tty("campaigns list --format ids").out
    refused = tty("leads status --ids lead_1 no-such --status qualified").out.splitlines()
    assert refused[1].startswith("  id no-such: No lead has this id")


@pytest.mark.parametrize(
    "command",
    [
        "webhooks create --url https://h.example/x --events enrichment_completed",
        "generate-key --name K --show",
    ],
)
def test_what_is_shown_only_once_stands_under_the_sentence(tty, command):
    lines = tty(command).out.splitlines()
    once = r"  (secret|key) \(shown only now, keep it\): (whsec|lgp)_\w{20,}"
    assert re.fullmatch(once, " ".join(lines[2:]))


def test_colour_is_for_headers_and_states_unless_turned_off(tty):
    text = tty("campaigns list", NO_COLOR="", TERM="xterm").out
    assert ("\x1b[1mname" in text, "\x1b[32mactive" in text) == (True, True)
    assert "\x1b" not in tty("campaigns list", NO_COLOR="", TERM="dumb").out


def test_an_explicit_table_off_a_terminal_is_100_columns_and_only_the_table(lgp):
    reply = lgp("leads", "list", "--format", "table", environ={"COLUMNS": "40"})
    assert 80 < max(map(cell_len, reply.out.splitlines())) <= 100
    assert len(reply.out.splitlines()) == 21
    assert any("20 of 60 rows" in note for note in reply.notes)


def test_without_rich_a_terminal_gets_json_and_one_note(tty, monkeypatch):
    for name in [one for one in sys.modules if one.split(".")[0] == "rich"] + ["cli.terminal"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    reply = tty("campaigns list")
    assert (reply.code, len(reply.json["data"])) == (0, 6)
    assert reply.err.count("rich") == 2  # the package, and the command that installs it
    assert tty("campaigns get no-such").err.splitlines()[-1].startswith("Next: ")
    assert tty("leads delete --ids lead_1").code == 2


def test_a_delete_asks_and_sends_nothing_without_a_yes(tty, monkeypatch):
    delete = "leads delete --ids lead_1"
    for unattended in ({}, {"CI": "1"}, {"LGP_AGENT_NAME": "robot"}):
        reply = tty(delete, **unattended)
        assert (reply.code, "leads delete: 1 record" in reply.err) == (2, True)
        assert ("[y/N]" in reply.err) is not bool(unattended)
    assert "lead_1" in tty("leads list --all --format ids").out.split()
    monkeypatch.setattr("cli.stderr.Notes.ask", lambda *words: True)
    assert tty(delete).code == 0


def test_a_real_terminal_sees_a_table_and_one_line_below_it(lgp, process):
    ours, theirs = pty.openpty()
    process("lgp.py", "--sandbox", "leads", "list", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while piece := os.read(ours, 65536):
            seen += piece
    os.close(ours)
    lines = seen.decode().replace("\r\x1b[2K", "").splitlines()
    assert lines[1].split() == ["fullName", "email", "companyName", "status", "updatedAt"]
    assert lines[22].startswith("20 of 60 rows; --all for every row")
