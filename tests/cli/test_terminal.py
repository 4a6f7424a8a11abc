"""A person at a terminal: tables and records that fit, sentences, errors, one live line."""

from __future__ import annotations

import builtins
import io
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cli import terminal
from cli.stderr import Notes
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
LGP = Path(__file__).resolve().parents[2] / "scripts" / "lgp.py"
IDENTITY = "3f2b8c1e-9d4a-4e7b-8a61-5c0d2e9f7b34"


def output(width: int = 80, **given: Any) -> Any:
    """What a writer needs of an Output, on a terminal; what it prints is collected in `.text`."""
    made = SimpleNamespace(
        terminal=True, options=SimpleNamespace(out=None), fields=None, preferred=[], columns=[],
        footnotes=[], masked=lambda text: text, said=[], text="",
    )  # fmt: skip
    made.notes = lambda level, words: made.said.append(words)
    made.write = lambda text: setattr(made, "text", made.text + text)
    made.__dict__.update(given)
    return made


def table(rows: list[Any], monkeypatch: pytest.MonkeyPatch, width: int = 80, **given: Any) -> Any:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    made = output(**given)
    writer = terminal.TableWriter(made.write, made)
    writer.rows(rows)
    writer.end({})
    return made


def fits(text: str, width: int) -> None:
    """No line is wider than the terminal, and no word goes on in the next line."""
    for line in text.splitlines():
        assert cell_len(line) <= width, line


@pytest.mark.parametrize("width", [40, 80, 100, 200])
@pytest.mark.parametrize("command", LISTS + OTHERS)
def test_nothing_is_wider_than_the_terminal_or_as_machines_write_it(
    lgp: Any, command: str, width: int
) -> None:
    reply = lgp(*command.split(), terminal=True, environ={"COLUMNS": str(width), "NO_COLOR": "1"})
    assert reply.code != 1, reply
    fits(reply.out + reply.err, width)
    text = reply.out + reply.err
    assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:", text)
    assert not re.search(r"\b(requested|problems_total|not_sent)\b|[{}\[\]]", reply.out)
    assert "\x1b" not in text.replace("\x1b[2K", "")


@pytest.mark.parametrize("command", LISTS)
def test_a_wider_terminal_never_shows_less_and_an_id_is_whole_and_last(
    lgp: Any, command: str
) -> None:
    ids = lgp(*command.split(), "--format", "ids").out.split()
    before: set[str] = set()
    for width in (60, 80, 100, 120, 160, 200, 300):
        reply = lgp(
            *command.split(), terminal=True, environ={"COLUMNS": str(width), "NO_COLOR": "1"}
        )
        heads = reply.out.splitlines()[0].split()
        if width >= 100:
            assert before <= set(heads)
            before = set(heads)
        assert heads[0] not in ("id", "leadId")
        if "id" in heads:
            assert heads[-1] == "id"
            assert [line.split()[-1] for line in reply.out.splitlines()[1:]] == ids
        elif command != "enrichment services":
            assert "--format ids" in reply.err.replace("\n", " ")


def test_what_one_looks_for_stands_at_80_columns(lgp: Any) -> None:
    at_80 = {"COLUMNS": "80", "NO_COLOR": "1"}
    heads = lgp("leads", "list", terminal=True, environ=at_80).out.splitlines()[0].split()
    assert heads == ["fullName", "email", "companyName", "status", "updatedAt"]
    bugs = lgp("maintenance", "bugs", "list", terminal=True, environ=at_80).out.splitlines()
    assert bugs[0].startswith("description")


def test_values_are_written_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "id": "c1", "name": "Spring", "spend": 18500, "pipelineValue": 1177600.5, "roi": 7.4541,
        "conversionRate": 0.0661, "leads": 1274, "days": 3.25, "active": True, "paused": False,
        "events": ["a", "b"], "at": "2026-11-24T09:30:15.123Z", "goals": {"targetPipeline": 90000},
        "steps": [{"day": 1}, {"day": 2}], "none": None,
    }  # fmt: skip
    text = table([row], monkeypatch, 220).text
    head, line = text.splitlines()
    cells = dict(
        zip(re.split(r" {2,}", head.strip()), re.split(r" {2,}", line.strip()), strict=True)
    )
    assert cells == {
        "name": "Spring", "spend": "18,500", "pipeline": "1,177,600.50", "roi": "745.4%",
        "rate": "6.6%", "leads": "1,274", "days": "3.25", "active": "yes", "paused": "no",
        "events": "a, b", "at": "2026-11-24 09:30", "goals": "targetPipeline 90,000",
        "steps": "2 items", "id": "c1",
    }  # fmt: skip


def test_numbers_stand_to_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "a", "leadCount": 5}, {"name": "b", "leadCount": 1500}]
    assert table(rows, monkeypatch).text == "name  leadCount\na             5\nb         1,500\n"


def test_money_of_a_column_has_cents_everywhere_or_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"name": "a", "spend": 2600.5}, {"name": "b", "spend": 7400}, {"name": "c"}]
    lines = table(rows, monkeypatch).text.splitlines()
    assert lines[1:] == ["a     2,600.50", "b     7,400.00", "c"]


def test_cells_are_cut_before_columns_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"name": "n" * 50, "email": "e" * 50, "status": "new", "id": IDENTITY}
    wide = {"preferred": ["name", "email", "status"]}
    assert (
        table([row], monkeypatch, 50, **wide).text.splitlines()[1]
        == f"{'n' * 19}…  {'e' * 19}…  new"
    )
    narrow = table([row], monkeypatch, 20, **wide)
    assert narrow.text.splitlines()[1] == f"{'n' * 8}…  {'e' * 8}…"
    assert narrow.said == ["1 row. 1 column left out: --format json. Ids: --format ids."]
    more = table([{"name": "n", "title": "t" * 20, "id": IDENTITY}], monkeypatch, 50, **wide)
    assert more.text.splitlines()[1] == f"n     {IDENTITY}"  # before what nobody asked for
    asked = table([row], monkeypatch, 50, fields=["id", "name"])
    assert asked.text.splitlines()[1] == f"{IDENTITY}  {'n' * 11}…"


def test_what_the_list_says_of_itself_stands_below_it_in_one_line(lgp: Any) -> None:
    first = lgp("enrich-leads", "list", terminal=True)
    assert first.err.splitlines()[-1].startswith("The first 20 rows: --all for every row.")
    assert "20 of 60 rows" in lgp("leads", "list", terminal=True).err
    assert "2 rows." in lgp("admin", "companies", terminal=True).err
    none = lgp("leads", "list", "--where", "fullName~zzzz", terminal=True)
    assert (none.out, "0 of 60 rows match" in none.err) == ("", True)


def test_no_total_is_printed_that_the_search_depth_makes_untrue(lgp: Any, serve: Any) -> None:
    served = serve(demo_leads=1500)
    reply = lgp("leads", "list", sandbox=False, terminal=True, environ=served.environ)
    found = re.search(r"20 of at least ([\d,]+) found by search", reply.err)
    assert found
    assert 1000 <= int(found[1].replace(",", "")) < 1500
    assert "(newest 1,000 of each index); exact: enrich-leads list" in " ".join(reply.err.split())


@pytest.mark.parametrize(
    "name",
    ["[red]x[/red] :smile:", "\x1b[31mred\x07", "a\u202eb", "two\nlines\ttab", "https://a.example"],
)
def test_server_text_is_text(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = table([{"name": name}], monkeypatch)
    assert made.text.splitlines()[1:] == [
        name.replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\u202e", "\\u202e")
        .replace("\n", "\\n").replace("\t", "\\t")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["山田太郎山田太郎山田太郎", "محمد عبد الرحمن بن خالد", "สมชาย ใจดี", "👩 Zoë"]
)
def test_wide_and_right_to_left_names_keep_the_columns(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    lines = table([{"name": name, "z": "Z"}], monkeypatch, 16).text.splitlines()
    assert cell_len(lines[1].removesuffix("Z")) == cell_len(lines[0].removesuffix("z"))


@given(
    st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=40) | st.integers()), max_size=3)
)
def test_any_rows_make_a_table_that_fits(rows: list[dict[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fits(table(rows, patch, 40).text, 40)


def test_a_secret_is_masked_before_a_cell_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    masker = Masker(["lgp_0123456789abcdef"])
    row = {"a": "x" * 30, "key": "lgp_0123456789abcdef"}
    assert "lgp_0" not in table([row], monkeypatch, 20, masked=masker.mask).text


def test_rows_that_come_one_by_one_share_their_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    made = output()
    writer = terminal.TableWriter(made.write, made)
    for name in ("a", "longer", "longest of all"):
        writer.rows([{"name": name, "n": 1}])
    writer.end({})
    assert {line.rindex("1") for line in made.text.splitlines()[1:]} == {16}


def test_a_record_is_a_field_a_line_the_id_last_lists_of_rows_as_tables(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = lgp("workflows", "list").rows[0]
    monkeypatch.setenv("NO_COLOR", "1")
    made = output(preferred=["name"])
    terminal.print_record(
        made.write, made, {**workflow, "goals": {"spend": 5}, "notes": "one\ntwo"}
    )
    lines = made.text.splitlines()
    assert re.fullmatch(r"name +" + re.escape(workflow["name"]), lines[0])
    assert re.search(r"^goals\.spend +5$", made.text, re.MULTILINE)
    assert re.search(r"^notes +one\n +two$", made.text, re.MULTILINE)
    fields = made.text.partition("\n\n")[0].splitlines()
    assert fields[-1].split() == ["id", workflow["id"]]
    assert re.search(r"^steps\n.*\n", made.text, re.MULTILINE)
    assert "company_id" not in made.text


def test_where_an_id_would_be_broken_names_stand_above_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    made = output()
    terminal.print_record(made.write, made, {"campaignType": "abm", "id": IDENTITY})
    assert made.text == f"campaignType\nabm\nid\n{IDENTITY}\n"


def test_a_report_is_never_printed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made = output()
    terminal.print_record(made.write, made, {"result": {"content": "word " * 100_000}})
    assert len(made.text) < 2000
    assert "(500,000 characters)" in " ".join(made.text.split())


def test_a_change_is_a_sentence_and_what_needs_action(lgp: Any) -> None:
    reply = lgp("campaigns", "create", "--name", "Autumn", terminal=True)
    sentence, made = reply.out.splitlines()
    assert sentence == "Campaign Autumn created; it is active."
    assert made.strip() in lgp("campaigns", "list", "--format", "ids").out
    many = {"problems": [{"row": n, "email": "a@b.example", "message": "no"} for n in range(50)]}
    shown = output()
    terminal.print_sentence(shown.write, shown, "3 leads created.", {**many, "problems_total": 90})
    lines = shown.text.splitlines()
    assert lines[:2] == ["3 leads created.", "  row 0 a@b.example: no"]
    assert (len(lines), lines[-1]) == (18, "  … and 74 more")


def test_what_is_shown_only_once_stands_under_the_sentence(lgp: Any) -> None:
    hook = ["webhooks", "create", "--url", "https://h.example/x", "--events"]
    hook.append("enrichment_completed")
    for command in (hook, ["generate-key", "--name", "K", "--show"]):
        lines = lgp(*command, terminal=True).out.splitlines()
        assert re.fullmatch(r"  (secret: whsec|key: lgp)_\w{20,}", lines[2])
        assert lines[3] == "  keep it: it is shown only now"


@pytest.mark.parametrize(
    ("detail", "line"),
    [
        ({"line": 6, "problem": "lastName is required"}, "line 6: lastName is required"),
        ({"leadId": "lead_nope", "reason": "no such lead"}, "lead_nope: no such lead"),
        ({"row": 2, "field": "email", "problem": "is no address"}, "row 2 email: is no address"),
        ({"reason": "It failed."}, "It failed."),
    ],
)
def test_a_detail_is_named_by_what_it_has(live: Any, detail: dict[str, Any], line: str) -> None:
    live.notes.error({"message": "No.", "details": [detail]})
    assert f"\n  {line}\n" in live.stream.getvalue()


def test_a_count_is_one_line(lgp: Any) -> None:
    assert lgp("enrich-leads", "list", "--count", terminal=True).out == "60 leads.\n"
    assert lgp("target-accounts", "list", "--count", terminal=True).out.endswith(" accounts.\n")
    assert "60 leads." in lgp("leads", "list", "--count-by", "status", terminal=True).err
    none = lgp("leads", "list", "--email", "no@body.example", terminal=True).err
    assert none.endswith("No lead matches.\n")


@pytest.mark.usefixtures("quick_jobs")
def test_a_job_that_was_followed_is_done_and_needs_no_note(lgp: Any) -> None:
    enrich = ["leads", "enrich", "--ids", "lead_1", "lead_2"]
    followed, started = lgp(*enrich, "--wait", terminal=True), lgp(*enrich, terminal=True)
    assert (followed.out[:18], "to follow it" in followed.err) == ("2 leads enriched.\n", False)
    assert started.out.startswith("2 leads sent to enrichment.\n")
    assert "to follow it" in started.err


def test_colour_is_for_headers_and_states_unless_turned_off(lgp: Any) -> None:
    coloured = lgp("campaigns", "list", terminal=True, environ={"TERM": "xterm"}).out
    assert "\x1b[1mname" in coloured
    assert "\x1b[32mactive" in coloured
    for off in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        reply = lgp("campaigns", "list", terminal=True, environ=off)
        assert "\x1b" not in reply.out + reply.err


def test_an_error_is_what_happened_what_the_server_says_and_one_command(lgp: Any) -> None:
    reply = lgp("campaigns", "get", "no-such", terminal=True, environ={"NO_COLOR": "1"})
    assert reply.out == ""
    lines = reply.err.splitlines()
    assert [line.split(":")[0] for line in lines[-3:]] == ["Error", "The server says", "Next"]


def test_an_explicit_table_off_a_terminal_is_100_columns_and_only_the_table(lgp: Any) -> None:
    reply = lgp("leads", "list", "--format", "table", environ={"COLUMNS": "40"})
    fits(reply.out, 100)
    assert max(cell_len(line) for line in reply.out.splitlines()) > 80
    assert len(reply.out.splitlines()) == 21
    assert any("20 of 60 rows" in note for note in reply.notes)


def test_json_is_the_same_on_and_off_a_terminal_and_verbose_changes_no_stdout(lgp: Any) -> None:
    for words in (["campaigns", "list"], ["pipeline"], ["leads", "list", "--count"]):
        words = [*words, "--format", "json"]
        plain = lgp(*words)
        assert lgp(*words, terminal=True).json == plain.json
        assert lgp(*words, "--verbose").out == plain.out
    words = ["campaigns", "list"]
    assert lgp(*words, "--verbose", terminal=True).out == lgp(*words, terminal=True).out


def test_without_rich_a_terminal_gets_json_and_one_note(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.split(".")[0] == "rich":
            raise ImportError(name=name)
        return real(name, *more, **named)

    for name in [one for one in sys.modules if one.split(".")[0] == "rich"] + ["cli.terminal"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(builtins, "__import__", without)
    reply = lgp("campaigns", "list", terminal=True)
    assert reply.code == 0
    assert len(reply.json["data"]) == 6
    assert reply.err.count("rich") == 2  # the package, and the command that installs it
    failed = lgp("campaigns", "get", "no-such", terminal=True)
    assert failed.err.splitlines()[-1].startswith("Next: ")
    assert lgp("leads", "delete", "--ids", "lead_1", terminal=True).code == 2


class Tty(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that tests set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Notes on a terminal of 80 columns: `.at(seconds, …)` reports progress and gives the line."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    stream, clock = Tty(), Clock()
    notes: Any = Notes(stream, Masker())
    notes.screen = terminal.Screen(notes.write, clock)

    def at(seconds: float, *words: Any) -> str:
        clock.now = 100.0 + seconds
        notes.progress(*words)
        return stream.getvalue().rpartition("\x1b[2K")[2]

    return SimpleNamespace(notes=notes, at=at, stream=stream)


def test_progress_is_one_line_with_bar_rate_and_time_left(live: Any) -> None:
    assert live.at(0, "0 rows", 0, 1000) == ""
    assert live.at(0.5, "100 rows", 100, 1000) == ""  # nothing in the first second
    assert live.at(2, "500 rows, 5 requests", 500, 1000).endswith(
        "50% 500 rows, 5 requests, 250/s, 0:02 left"
    )
    assert live.at(4, "wide " * 40, 900, 1000).startswith("━━")
    assert live.at(5, "done", 1000, 1000).endswith("100% done, 200/s")
    assert "\n" not in live.stream.getvalue()
    fits(live.stream.getvalue().replace("\r", "\n").replace("\x1b[2K", ""), 80)


def test_the_rate_begins_anew_with_the_next_job(live: Any) -> None:
    live.at(0, "0 of 500 tasks", 0, 500)
    live.at(4, "500 of 500 tasks", 500, 500)
    live.at(6, "100 of 500 tasks", 100, 500)
    assert live.at(8, "200 of 500 tasks", 200, 500).endswith("200 of 500 tasks, 50/s, 0:06 left")


def test_a_wait_counts_down_in_place_and_keeps_what_is_done(live: Any) -> None:
    assert live.at(0, "Waiting 9 s: the rate limit (60 per 60 s)").startswith("Waiting 9 s")
    live.at(1, "20 rows", 20)
    live.at(3, "40 rows", 40)
    for left in (43, 42):
        words = f"Waiting {left} s: the rate limit (60 per 60 s)"
        assert live.at(50 - left, words) == f"40 rows · {words}"
    assert "\n" not in live.stream.getvalue()


def test_progress_is_taken_away_before_anything_else_is_printed(live: Any) -> None:
    live.at(0, "Waiting 9 s: a pause")
    live.notes("warning", "Half of it is missing.")
    assert live.stream.getvalue().endswith("\r\x1b[2KWarning: Half of it is missing.\n")
    live.at(1, "Waiting 8 s: a pause")
    live.notes.end_progress()
    assert live.stream.getvalue().endswith("\r\x1b[2K")
    live.at(2, "Waiting 7 s: a pause")
    live.notes.error({"message": "It failed.", "hint": "again"})
    assert live.stream.getvalue().endswith("\r\x1b[2KError: It failed.\nNext: again\n")


def test_a_dumb_terminal_gets_a_line_now_and_then_and_none_drawn_again(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    for second in range(25):
        live.at(second, f"Waiting {59 - second} s: a pause")
    live.notes("warning", "The end.")
    waits = [f"Waiting {left} s: a pause" for left in (59, 49, 39)]
    assert live.stream.getvalue().splitlines() == [*waits, "Warning: The end."]


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)],
)
def test_only_a_yes_is_a_yes(typed: str, answer: bool) -> None:
    written: list[str] = []
    assert terminal.ask(written.append, "Go on? [y/N]", io.StringIO(typed), 5) is answer
    assert written[0] == "Go on? [y/N] "


def test_silence_is_no() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"):
        assert terminal.ask(lambda text: None, "Go on?", stdin, 0.05) is False


def test_a_delete_asks_and_sends_nothing_without_a_yes(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = lgp("leads", "delete", "--ids", "lead_1", terminal=True)
    assert reply.code == 2
    assert "delete 1 lead" in reply.err
    assert "lead_1" in lgp("leads", "list", "--all", "--format", "ids").out.split()
    for unattended in ({"CI": "1"}, {"LGP_AGENT_NAME": "robot"}):
        assert (
            "[y/N]"
            not in lgp("leads", "delete", "--ids", "lead_1", terminal=True, environ=unattended).err
        )
    monkeypatch.setattr(terminal, "ask", lambda *words: True)
    assert lgp("leads", "delete", "--ids", "lead_1", terminal=True).code == 0


def test_a_real_terminal_sees_a_table_and_one_line_below_it(
    home: Path, state: Path, small_database: Path
) -> None:
    target = state / "sandbox" / "sandbox.sqlite3"
    target.parent.mkdir(parents=True, mode=0o700)
    target.write_bytes(small_database.read_bytes())
    ours, theirs = pty.openpty()
    command = [sys.executable, str(LGP), "--sandbox", "leads", "list"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    ) as running:
        os.close(theirs)
        seen: list[bytes] = []

        def read() -> None:
            try:
                while piece := os.read(ours, 65536):
                    seen.append(piece)
            except OSError:
                pass  # the other side is closed

        reader = threading.Thread(target=read)
        reader.start()
        assert running.wait(60) == 0
        reader.join()
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", b"".join(seen).decode())
    fits(text, 80)
    lines = text.splitlines()
    assert lines[1].split() == ["fullName", "email", "companyName", "status", "updatedAt"]
    assert lines[22].startswith("20 of 60 rows: --all for every row")
