"""stderr of a person: errors, and one live line that is gone before anything else is printed."""

import io
from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from cli.output import Output
from cli.stderr import Notes
from cli.text import Masker

KEY = "lgp_0123456789abcdef0123456789abcdef"


@pytest.fixture
def live(monkeypatch):
    """Notes on a terminal of 80 columns: `.at(seconds, …)` reports progress and gives the line."""
    for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    now, stream = [100.0], io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr("cli.stderr.monotonic", lambda: now[0])
    notes = Notes(stream, Masker([KEY]))

    def at(seconds, *words):
        now[0] = 100.0 + seconds
        notes.progress(*words)
        return stream.getvalue().rpartition("\x1b[2K")[2]

    return SimpleNamespace(notes=notes, at=at, seen=stream.getvalue)


@pytest.mark.parametrize(
    ("detail", "line"),
    [
        ({"row": 1, "email": "a@b.example", "code": "x", "message": "no"}, "row 1 a@b.example: no"),
        ([{"leadId": "lead_x", "reason": "no such lead"}], "lead_x: no such lead"),
        ({"id": None, "outcome": "rejected", "message": "It was not done."}, "It was not done."),
        ("plain \x1b[2J", "plain \\u001b[2J"),
    ],
)
def test_an_error_is_what_happened_why_and_one_command(live, detail, line):
    says = f"{'x' * 280} {KEY} \x1b[31m{'y' * 300}"
    facts = {"server_message": says, "details": detail, "hint": "{lgp} leads list"}
    live.notes.error({"message": "It failed.", **facts})
    error, *server, details, following = live.seen().splitlines()
    assert (error, details) == ("Error: It failed.", f"  {line}")
    assert following.startswith("Next: python3 ") and following.endswith("lgp.py leads list")
    words = "".join(server)
    assert words.startswith("The server says:") and words.endswith(r"*** \u001b[31myyyyyyyyyy")


def test_progress_is_one_line_with_bar_rate_and_time_left(live):
    assert live.at(0, "0 rows", 0, 1000) == ""
    assert live.at(0.5, "100 rows", 100, 1000) == ""  # nothing in the first second
    half = live.at(2, "500 rows, 5 requests", 500, 1000)
    assert half == f"{'━' * 10}{' ' * 10}  50% 500 rows, 5 requests, 250/s, 0:02 left"
    long = live.at(4, "wide " * 40, 900, 1000)
    assert (cell_len(long), long[:5], long[-1]) == (80, "━━━━━", "…")
    assert live.at(5, "done", 1000, 1000).endswith("100% done, 200/s")
    live.at(6, "100 of 500 tasks", 100, 500)  # other work begins
    assert live.at(8, "200 of 500 tasks", 200, 500).endswith("200 of 500 tasks, 50/s, 0:06 left")
    assert "\n" not in live.seen()


def test_a_wait_counts_down_in_place_and_keeps_what_is_done(live):
    assert live.at(0, "Waiting 9 s: the rate limit (60 per 60 s)").startswith("Waiting 9 s")
    live.at(1, "20 rows", 20)
    live.at(3, "40 rows", 40)
    for left in (43, 42):
        words = f"Waiting {left} s: the rate limit (60 per 60 s)"
        assert live.at(50 - left, words) == f"40 rows · {words}"
    assert "\n" not in live.seen()


def test_progress_is_taken_away_before_anything_else_is_printed(live):
    for action, words, text in (
        (live.notes, ["warning", "It is half."], "Warning: It is half.\n"),
        (live.notes.end_progress, [], ""),
        (
            live.notes.error,
            [{"message": "It failed.", "hint": "x"}],
            "Error: It failed.\nNext: x\n",
        ),
    ):
        live.at(0, "Waiting 9 s: a pause")
        action(*words)
        assert live.seen().endswith(f"Waiting 9 s: a pause\r\x1b[2K{text}")


def test_a_dumb_terminal_gets_a_line_now_and_then_and_none_drawn_again(live, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    for second in range(25):
        live.at(second, f"Waiting {59 - second} s: a pause")
    live.notes("warning", "The end.")
    waits = [f"Waiting {left} s: a pause" for left in (49, 39)]
    assert live.seen().splitlines() == [*waits, "Warning: The end."]


def test_programs_get_a_line_each_ten_seconds_and_each_note_once(live, monkeypatch):
    monkeypatch.setattr(live.notes, "terminal", False)
    live.notes.quiet = True
    live.notes("note", "Never.")
    live.notes("warning", f"Half of {KEY}.")
    live.notes.quiet = False
    live.notes("warning", f"Half of {KEY}.")
    live.notes("attempt", "Only with --verbose.")
    for second in (1, 9, 11, 12):
        live.at(second, f"{second} rows", second)
    live.notes.error({"code": "bug", "message": "It failed.", "hint": ""})
    assert live.seen().splitlines() == [
        '{"level":"warning","message":"Half of ***."}',
        '{"level":"progress","message":"11 rows"}',
        '{"error":{"code":"bug","message":"It failed.","hint":""}}',
    ]


def test_data_on_stdout_takes_the_live_line_away(live):
    options, stdout = SimpleNamespace(format="json", out=None, fields=None), io.StringIO()
    live.at(0, "Waiting 9 s: a pause")
    Output(options, stdout, live.notes).write(f"Data, {KEY}")
    assert live.seen().endswith("a pause\r\x1b[2K")
    assert stdout.getvalue() == "Data, ***"
