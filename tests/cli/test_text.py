"""Text made harmless: control characters, csv formulas, secrets."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.text import MASK, Masker, compact, inert, plain, plural, reformula, unformula

KEY = "lgp_" + "".join(f"{number:x}" for number in range(16)) * 4
PASSWORD = 'pa ss/"wörd'


@given(st.text())
def test_json_keeps_the_text_and_lets_no_control_character_out(text: str) -> None:
    made = compact({"name": text})
    assert json.loads(made) == {"name": text}
    assert not any(
        ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066" for char in made
    )


def test_what_cannot_be_seen_is_an_escape_and_all_else_stays() -> None:
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
def test_what_a_spreadsheet_would_run_gets_a_quote_in_front(text: str, guarded: str) -> None:
    assert unformula(text) == guarded


@given(st.text() | st.text("'=+-1").map(str))
def test_the_guard_can_be_taken_off_again(text: str) -> None:
    assert reformula(unformula(text)) == text


@pytest.mark.parametrize("size", [10, 10_000])
@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        quote(PASSWORD, safe=""),
        json.dumps({"password": PASSWORD}),
        compact({"password": PASSWORD}),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(b"ab" + KEY.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_its_encodings(shown: str, size: int) -> None:
    masked = Masker([KEY, PASSWORD, "abc"]).mask(f"{'abc ' * size}{shown} after")
    assert masked.startswith("abc " * size) and masked.endswith(" after")
    assert MASK in masked and shown not in masked
    assert not any(part in masked for part in ("0123456789ab", "wörd", "ss%2F"))


def test_twelve_characters_of_a_secret_are_masked_in_a_short_text() -> None:
    for part in (KEY[10:40], KEY[-12:]):
        assert Masker([KEY]).mask(f"before {part}, after") == f"before {MASK}, after"
    assert Masker([KEY]).mask(f"{KEY[:11]}…") == f"{KEY[:11]}…"


def test_a_source_of_secrets_is_asked_each_time() -> None:
    masker, known = Masker(), set[str]()
    masker.sources.append(lambda: known)
    assert masker.mask(KEY) == KEY
    known.add(KEY)
    assert masker.mask(KEY) == MASK


@pytest.mark.parametrize(
    ("value", "shown"),
    [("lead_1", "lead_1"), ("Spring ABM", '"Spring ABM"')]
    + [(value, "ID") for value in ("a;rm -rf", "$(x)", "-x", "", "x" * 65, "a\n")],
)
def test_only_plain_words_enter_a_command_to_type(value: str, shown: str) -> None:
    assert plain(value) == shown


def test_counts_have_separators_and_the_right_number() -> None:
    counted = [plural(count, "row") for count in (1, 0, 1274)]
    assert counted == ["1 row", "0 rows", "1,274 rows"]
