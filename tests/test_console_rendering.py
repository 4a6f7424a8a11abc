"""The five forms: server text stays harmless, nothing is cut unsaid."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.rendering import WRITERS, Csv, Shape, Table, details, pick
from console.text import compact, escaped, fit, inert, width

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ACTIVE = "\x1b[31m\x07\x7f\x85\u202e\u2028"


def written(form: str, rows: list[Any], rest: dict[str, Any] | None = None, **shape: Any) -> str:
    text = io.StringIO()
    writer = WRITERS[form](text, Shape(**shape))
    writer.rows(rows)
    writer.end(rest or {})
    return text.getvalue()


@given(JSON)
def test_compact_is_json_of_the_same_value_on_one_harmless_line(value: Any) -> None:
    text = compact(value)
    assert json.loads(text) == value
    text.encode("utf-8")
    assert inert(text) == text


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table", "ids"])
def test_no_form_lets_terminal_codes_or_bidi_through(form: str) -> None:
    text = written(form, [{"id": f"a{ACTIVE}", "name": ACTIVE}], schema=("id", "name"))
    assert not set(text) & set("\x1b\x07\x7f\x85\u202e\u2028")


INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064"
    "\u206a\u206b\u206c\u206d\u206e\u206f\u3164\uffa0\ufff9\ufffa\ufffb"
)


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table", "ids"])
def test_no_character_is_invisible(form: str) -> None:
    text = written(form, [{"id": f"a{INVISIBLE}", "name": f"n{INVISIBLE}"}], schema=("id", "name"))
    assert not set(text) & set(INVISIBLE)
    if form in ("json", "jsonl"):
        assert INVISIBLE in text.encode().decode("unicode_escape")
    assert width(inert(INVISIBLE)) == len(inert(INVISIBLE))


def test_printable_unicode_stays_as_it_is() -> None:
    assert "Zoë 山田" in written("jsonl", [{"name": "Zoë 山田"}])


def test_json_closes_with_what_is_said_of_the_whole_list() -> None:
    assert json.loads(written("json", [{"id": 1}, {"id": 2}], {"complete": True})) == {
        "data": [{"id": 1}, {"id": 2}],
        "complete": True,
    }
    assert json.loads(written("json", [], {"rows": 0})) == {"data": [], "rows": 0}


@given(st.lists(st.dictionaries(st.text(min_size=1), JSON, max_size=3), max_size=4))
def test_indented_json_is_the_same_json(rows: list[dict[str, Any]]) -> None:
    assert json.loads(written("json", rows, {"complete": True}, indent=2))["data"] == rows


def test_fields_pick_in_their_order_and_read_inside() -> None:
    row = {"a": 1, "b": {"c": 2}, "d.e": 3}
    assert list(pick(row, ("b.c", "d.e", "gone", "a")).items()) == [("b.c", 2), ("d.e", 3), ("gone", None), ("a", 1)]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@cmd", "'@cmd"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("\rx", "'\\rx"),
        ("+", "'+"),
        ("-", "-"),
        ("-12.5", "-12.5"),
        ("+49 (30) 123-456", "+49 (30) 123-456"),
        ("\nx", "'\nx"),
        ("＝1+1", "'＝1+1"),
        ("＋x", "'＋x"),
        ("－x", "'－x"),
        ("＠x", "'＠x"),
        ("plain", "plain"),
        (-3, "-3"),
        (None, ""),
        (True, "true"),
        ([1, "a"], '[1,"a"]'),
    ],
)
def test_csv_cells_cannot_be_formulas(value: Any, cell: str) -> None:
    text = written("csv", [{"v": value}], fields=("v",))
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [[cell]]


def test_csv_tells_how_many_cells_it_changed_and_raw_leaves_them() -> None:
    shape = Shape(fields=("v",))
    writer = Csv(io.StringIO(), shape)
    writer.rows([{"v": "=a"}, {"v": "b"}, {"v": "@c"}])
    writer.end({})
    assert shape.told == ["2 cells start like a formula and got a ' in front; --csv-raw leaves them alone."]
    assert "'" not in written("csv", [{"v": "=a"}], fields=("v",), csv_raw=True)


def test_csv_puts_all_unknown_fields_into_one_column() -> None:
    text = written("csv", [{"id": "1", "zeta": 5, "alpha": [1]}], schema=("id",))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["id"] == "1"
    assert json.loads(rows[0]["other"]) == {"zeta": 5, "alpha": [1]}


@given(st.text())
def test_csv_text_survives_a_round_trip_but_for_escapes(text: str) -> None:
    made = written("csv", [{"v": text, "w": "x"}], fields=("w", "v"), csv_raw=True)
    assert list(csv.reader(io.StringIO(made, newline="")))[1] == ["x", escaped(text)]


def test_a_table_fits_the_width_keeps_ids_whole_and_says_what_it_cut() -> None:
    identity = "3f2b8c1e-9d4a-4e7b-8a61-5c0d2e9f7b34"
    shape = Shape(width=60)
    text = io.StringIO()
    table = Table(text, shape)
    table.rows([{"id": identity, "name": "N" * 50, "more": "M" * 50}])
    table.end({})
    lines = text.getvalue().splitlines()
    assert all(width(line) <= 60 + 36 for line in lines)
    assert identity in lines[1]
    assert shape.told


def test_an_empty_table_says_so() -> None:
    assert written("table", []) == "(none)\n"


def test_wide_characters_take_two_columns() -> None:
    assert width("山田") == 4
    assert fit("山田太郎", 5) == "山田…"
    assert width(fit("山田太郎", 6)) == 6


def test_one_record_is_a_field_a_line() -> None:
    text = io.StringIO()
    details(text, {"id": "1", "empty": None, "long": {"name": 1}, "rows": [{"a": 1}, {"a": 2}]}, Shape())
    assert text.getvalue() == "id         1\nlong.name  1\n\nrows:\na\n1\n2\n"


def test_ids_are_one_a_line() -> None:
    assert written("ids", [{"id": "a"}, {"leadId": "b"}, {"jobId": "c"}, "d", {}]) == "a\nb\nc\nd\n"
