"""Text made harmless: control characters, csv formulas, secrets."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.text import MASK, Masker, compact, escaped, inert, plain, plural, reformula, unformula

KEY = "lgp_" + "".join(f"{number:x}" for number in range(16)) * 4


@given(st.text())
def test_json_keeps_the_text_and_lets_no_control_character_out(text: str) -> None:
    made = compact({"name": text})
    assert json.loads(made) == {"name": text}
    assert not any(
        ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066" for char in made
    )


def test_a_terminal_gets_no_escape_sequence_and_no_line_of_its_own() -> None:
    assert inert("a\x1b[31mred\r\nb\u202ec") == "a\\x1b[31mred\\r\\nb\\u202ec"
    assert inert("Zoë 東京 محمد") == "Zoë 東京 محمد"


def test_a_csv_cell_keeps_its_line_feeds_and_escapes_the_rest() -> None:
    assert escaped("a\nb\tc\x1b") == "a\nb\tc\\u001b"


@pytest.mark.parametrize(
    "text", ["=1+1", "+SUM(A1)", "-cmd", "@x", "\tx", "\rx", "＝1", "'=1", "''=1"]
)
def test_what_a_spreadsheet_would_run_gets_a_quote_in_front(text: str) -> None:
    assert unformula(text) == "'" + text
    assert reformula("'" + text) == text


@pytest.mark.parametrize(
    "text", ["-", "-12.5", "+49 30 1234567", "1,000", "", "it's", "'quoted'", "+1"]
)
def test_numbers_and_phone_numbers_stay(text: str) -> None:
    assert unformula(text) == text
    assert reformula(text) == text


@given(st.text())
def test_the_guard_can_be_taken_off_again(text: str) -> None:
    assert reformula(unformula(text)) == text


@pytest.mark.parametrize(
    "shown",
    [
        KEY,
        KEY[10:30],
        KEY[-12:],
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(b"ab" + KEY.encode()).decode(),
        json.dumps({"key": KEY}),
        f"Bearer {KEY}",
    ],
)
def test_a_secret_is_masked_whole_or_in_part(shown: str) -> None:
    masked = Masker([KEY]).mask(f"before {shown} after")
    assert MASK in masked
    assert not any(KEY[at : at + 12] in masked for at in range(len(KEY) - 11))
    assert shown not in masked
    assert masked.startswith("before ") and masked.endswith(" after")


def test_a_password_is_masked_in_its_encodings_and_short_words_stay() -> None:
    masker = Masker(["pa ss/wörd", "abc"])
    for shown in ("pa ss/wörd", quote("pa ss/wörd", safe=""), json.dumps("pa ss/wörd")[1:-1]):
        assert masker.mask(shown) == MASK
    assert masker.mask("abc and 11 characters of a key") == "abc and 11 characters of a key"


def test_eleven_characters_of_a_key_are_no_secret_and_twelve_in_a_long_text_are() -> None:
    page = json.dumps([{"id": f"lead_{number:x}", "name": "Zoë"} for number in range(400)])
    assert Masker([KEY]).mask(page + KEY[:11] + "…") == page + KEY[:11] + "…"
    for at in range(len(page) - 8, len(page)):  # whatever its place
        text = page[:at] + KEY[20:32] + page[at:]
        assert Masker([KEY]).mask(text) == page[:at] + MASK + page[at:]


def test_a_source_of_secrets_is_asked_each_time() -> None:
    masker, known = Masker(), set[str]()
    masker.sources.append(lambda: known)
    assert masker.mask(KEY) == KEY
    known.add(KEY)
    assert masker.mask(KEY) == MASK


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("lead_1", "lead_1"),
        ("Spring ABM", '"Spring ABM"'),
        ("a;rm -rf", "ID"),
        ("$(x)", "ID"),
        ("-x", "ID"),
        ("", "ID"),
        ("x" * 65, "ID"),
        ("a\n", "ID"),
    ],
)
def test_only_plain_words_enter_a_command_to_type(value: str, shown: str) -> None:
    assert plain(value) == shown


def test_counts_have_separators_and_the_right_number() -> None:
    assert [plural(1, "row"), plural(0, "row"), plural(1274, "row")] == [
        "1 row",
        "0 rows",
        "1,274 rows",
    ]


def test_joiners_of_words_and_emoji_stay_where_nothing_else_unseen_does() -> None:
    text = "می\u200cروم 👩\u200d💻"
    assert (inert(text), escaped(text)) == (text, text)
    assert inert("a\u202eb\u200bc\x1b") == "a\\u202eb\\u200bc\\x1b"
