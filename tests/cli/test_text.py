"""Text made harmless: control characters, csv formulas, secrets."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.text import MASK, Masker, compact, inert, listed, plain, reformula, shown, unformula

KEY = "lgp_" + "".join(f"{number:x}" for number in range(16)) * 4
PASSWORD = 'pa ss/"wörd'


@given(st.text())
def test_json_keeps_the_text_and_lets_no_control_character_out(text):
    made = compact({"name": text})
    assert json.loads(made) == {"name": text}
    assert not any(
        ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066" for char in made
    )


def test_what_cannot_be_seen_is_an_escape_and_all_else_stays():
    hostile = "a\x1b[31mred\r\nb\u202ec\u200b\x7f\U000e0041\ttab"
    seen = r"a\u001b[31mred\r{0}b\u202ec\u200b\u007f\udb40\udc41{1}tab"
    assert inert(hostile) == seen.format("\\n", "\\t")
    assert inert(hostile, keep="\n\t") == seen.format("\n", "\t")
    kind = "Zoë 東京 محمد می\u200cروم 👩\u200d💻"  # with the joiners of words and of emoji
    assert (inert(kind), json.dumps(kind, ensure_ascii=False)) == (kind, compact(kind))


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        (text, "'" + text)
        for text in ("=1", "+SUM(A1)", "-cmd", "@x", "\tx", "\rx", "＝1", "'=1", "''=1")
    ]
    + [(text, text) for text in ("-", "-12.5", "+49 30 1234567", "1,000", "", "it's", "'quoted'")],
)
def test_what_a_spreadsheet_would_run_gets_a_quote_in_front(text, guarded):
    assert unformula(text) == guarded


@given(st.text() | st.text("'=+-1").map(str))
def test_the_guard_can_be_taken_off_again(text):
    assert reformula(unformula(text)) == text


@pytest.mark.parametrize("size", [10, 10_000])
@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(PASSWORD, safe=""),
        json.dumps({"password": PASSWORD}),
        compact({"password": PASSWORD}),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(b"ab" + KEY.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_its_encodings(form, size):
    masked = Masker([KEY, PASSWORD, "abc"]).mask(f"{'abc ' * size}{form} after")
    assert masked.startswith("abc " * size) and masked.endswith(" after")
    assert MASK in masked and form not in masked
    assert not any(part in masked for part in ("0123456789ab", "wörd", "ss%2F"))


def test_twelve_characters_of_a_secret_are_masked_in_a_short_text():
    for part in (KEY[10:40], KEY[-12:]):
        assert Masker([KEY]).mask(f"before {part}, after") == f"before {MASK}, after"
    assert Masker([KEY]).mask(f"{KEY[:11]}…") == f"{KEY[:11]}…"


def test_a_source_of_secrets_is_asked_each_time():
    masker, known = Masker(), set[str]()
    masker.source = lambda: known
    assert masker.mask(KEY) == KEY
    known.add(KEY)
    assert masker.mask(KEY) == MASK


@pytest.mark.parametrize(
    ("value", "word"),
    [("lead_1", "lead_1"), ("Spring ABM", '"Spring ABM"')]
    + [(value, "ID") for value in ("a;rm -rf", "$(x)", "-x", "", "x" * 65, "a\n")],
)
def test_only_plain_words_enter_a_command_to_type(value, word):
    assert plain(value) == word


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("spend", 18500, "18,500"),
        ("pipelineValue", 1177600.5, "1,177,600.5"),
        ("totals.conversionRate", 0.0661, "6.6%"),
        ("active", True, "yes"),
        ("events", ["a", "b"], "a, b"),
        ("at", "2026-11-24T09:30:15.123Z", "2026-11-24 09:30"),
        ("goals", {"targetPipeline": 90000, "none": None}, "targetPipeline 90,000"),
        ("steps", [{"day": 1}, {"day": 2}], "2 items"),
    ],
)
def test_values_are_written_for_people(name, value, text):
    assert shown(name, value) == text


def test_of_many_problems_the_first_are_listed():
    problem = {"row": 1, "email": "a@b.example", "message": "no", "code": None}
    lines = listed([problem] * 50, 90)
    assert lines[0] == "  row 1, email a@b.example: no"
    assert (len(lines), lines[-1]) == (17, "  … and 74 more")
    assert listed("plain \x1b[2J") == ["  plain \\u001b[2J"]
