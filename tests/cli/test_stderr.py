"""stderr of a person: errors, and one live line that is gone before anything else is printed."""

import io
import os
from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from cli.output import Output
from cli.stderr import Notes
from cli.text import Masker

WAIT = "Waiting {} s: the rate limit (60 per 60 s)"
KEY = "lgp_0123456789abcdef0123456789abcdef"
GONE = "\x1b[?25h\r\x1b[1A\x1b[2K"  # the cursor seen again, the line above it empty


@pytest.fixture
def live(monkeypatch):
    """Notes on a terminal of 80 columns: `.at(seconds, …)` reports progress and gives the line."""
    for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    now, stream = [100.0], io.StringIO()
    stream.isatty = lambda: True
    for clock in ("cli.stderr.monotonic", "rich.console.monotonic"):
        monkeypatch.setattr(clock, lambda: now[0])
    notes = Notes(stream, Masker([KEY]))

    def at(seconds, *words):
        now[0] = 100.0 + seconds
        notes.progress(*words)
        return stream.getvalue().rpartition("\x1b[2K")[2].removeprefix("\x1b[?25l")

    return SimpleNamespace(notes=notes, at=at, seen=stream.getvalue)


def test_an_error_is_what_happened_why_and_one_command(live):
    says = f"{'x' * 280} {KEY} \x1b[31m{'y' * 300}"
    facts = {
        "server_message": says,
        "details": [f"{'x' * 60}{KEY}\x1b[2J"],
        "hint": "{lgp} leads list",
    }
    live.notes.error({"message": "It failed.", **facts})
    error, *server, details, following = live.seen().splitlines()
    assert (error, details) == ("Error: It failed.", rf"  {'x' * 60}***\u001b[2J")
    assert following.startswith("Next: python3 ") and following.endswith("lgp.py leads list")
    words = "".join(server)
    assert words.startswith("The server says:") and words.endswith(r"***\u001b[31myyyyyyyyyy")


def test_progress_is_one_line_with_bar_rate_and_time_left(live):
    assert live.at(0, "0 rows", 0, 1000) == ""
    assert live.at(0.5, "100 rows", 100, 1000) == ""  # nothing in the first second
    assert live.at(2, "500 rows", 500, 1000).split() == ["━" * 5, "500", "rows", "-:--:--"]
    later = live.at(4, "900 rows", 900, 1000)
    assert later.split() == ["━" * 9, "900", "rows", "200/s", "0:00:01"]
    long = live.at(4, "wide " * 40, 900, 1000)
    assert (cell_len(long) <= 80, "…" in long) == (True, True)
    live.at(6, "100 of 500 tasks", 100, 500)  # other work begins
    live.at(8, "200 of 500 tasks", 200, 500)
    assert live.at(10, "300 of 500 tasks", 300, 500).endswith("300 of 500 tasks 50/s 0:00:04")
    assert "\n" not in live.seen()


def test_a_wait_is_shown_at_once_and_counts_down_beside_the_bar(live):
    assert " Waiting 9 s: the rate limit (60 per 60 s)" in live.at(0, WAIT.format(9))
    live.at(1, "20 rows", 20, 40)
    for left in (43, 42):
        drawn = live.at(50 - left, WAIT.format(left)).strip()
        assert drawn.split(maxsplit=1) == ["━" * 5, f"20 rows · {WAIT.format(left)}  -:--:--"]
    assert "\n" not in live.seen()


def test_progress_is_taken_away_before_anything_else_is_printed(live):
    for action, words, text in (
        (live.notes, ["warning", "It is half."], "Warning: It is half.\n"),
        (live.notes.write, [], ""),
        (
            live.notes.error,
            [{"message": "It failed.", "hint": "x"}],
            "Error: It failed.\nNext: x\n",
        ),
    ):
        assert r"Waiting 9 s: *** \u0007" in live.at(0, f"Waiting 9 s: {KEY} \x07")
        action(*words)
        assert live.seen().endswith(f"\n{GONE}{text}")


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
    assert live.seen().endswith(GONE)
    assert stdout.getvalue() == "Data, ***"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)],
)
def test_only_a_yes_is_a_yes(live, monkeypatch, typed, answer):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert live.notes.ask("Go on? [y/N] ", 5) is answer
    assert live.seen() == "Go on? [y/N] " + "\n" * (not typed)


def test_silence_is_no(live, monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        assert live.notes.ask("Go on?", 0.05) is False
