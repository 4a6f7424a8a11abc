"""Every shape of an answer that some client of the vendor's has met, and any JSON at all."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from leadgenius import answers

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "leadgenius-hypothesis"))

ROWS = [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    ("body", "collection", "rows"),
    [
        ({"success": True, "data": ROWS}, "leads", ROWS),
        ({"data": {"items": ROWS, "nextToken": "t"}}, "leads", ROWS),
        ({"items": ROWS}, "leads", ROWS),
        ({"leads": ROWS}, "leads", ROWS),
        ({"campaigns": ROWS}, "campaigns", ROWS),
        ({"data": {"campaigns": ROWS}}, "campaigns", ROWS),
        ({"targetAccounts": ROWS}, "target-accounts", ROWS),
        ({"target-accounts": ROWS}, "target-accounts", ROWS),
        ({"accounts": ROWS}, "target-accounts", ROWS),
        ({"data": ROWS, "leads": [{"id": "other"}]}, "leads", ROWS),
        (ROWS, "leads", ROWS),
        ({"data": ROWS, "unknown": {"deep": [1]}, "extra": None}, "", ROWS),
        ({"data": []}, "leads", []),
        ({"data": None}, "leads", []),
        ({"data": {"leads": None}}, "leads", []),
        ({"leads": {"not": "a list"}}, "leads", []),
        ({}, "leads", []),
        (None, "leads", []),
        ("text", "leads", []),
        (7, "", []),
        (True, "", []),
    ],
)
def test_rows_are_found_in_every_shape(body, collection, rows):
    assert answers.items(body, collection) == rows
    assert answers.has_rows(body, collection) == (bool(rows) or body == {"data": []})


def test_an_empty_array_is_rows_and_none_at_all_is_told_apart():
    assert all(answers.has_rows(body, "leads") for body in ([], {"data": {"items": []}}, {"leads": []}))


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ({"success": True, "data": ROWS, "pagination": {"page": 1}}, {"success": True, "pagination": {"page": 1}}),
        ({"data": {"items": ROWS, "nextToken": "t"}, "success": True}, {"success": True, "nextToken": "t"}),
        ({"leads": ROWS, "note": "n"}, {"note": "n"}),
        ({"data": {"leads": ROWS, "success": False}, "success": True}, {"success": True}),
        (ROWS, {}),
        (None, {}),
    ],
)
def test_what_the_server_says_beside_the_rows_is_kept(body, rest):
    before = json.dumps(body)
    assert answers.rest(body, "leads") == rest
    assert json.dumps(body) == before, "the answer itself was changed"


@pytest.mark.parametrize(
    ("body", "cursor"),
    [
        ({"nextToken": "t"}, "t"),
        ({"data": {"items": [], "nextToken": "t"}}, "t"),
        ({"nextToken": None, "data": {"nextToken": "t"}}, "t"),
        ({"nextToken": 17}, "17"),
        ({"nextToken": None}, None),
        ({"nextToken": ""}, None),
        ({"data": ROWS}, None),
        (ROWS, None),
        (None, None),
    ],
)
def test_the_cursor_stands_at_the_top_or_inside_data(body, cursor):
    assert answers.cursor(body) == cursor


@pytest.mark.parametrize(
    ("pagination", "total"),
    [
        ({"totalItems": 3, "totalPages": 3}, 3),
        ({"totalItems": 0, "totalPages": 0}, 0),
        ({"totalItems": -1, "totalPages": -1}, None),
        ({"totalItems": True, "totalPages": True}, None),
        ({"totalItems": "3", "totalPages": "3"}, None),
        ({"totalItems": 3.5, "totalPages": 3.5}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_totals_are_numbers_or_unknown(pagination, total):
    for body in ({"pagination": pagination}, {"data": {"items": [], "pagination": pagination}}):
        assert (answers.total(body), answers.total_pages(body)) == (total, total)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"data": {"id": "a"}}, {"id": "a"}),
        ({"campaign": {"id": "a"}}, {"id": "a"}),
        ({"id": "a", "data": None}, {"id": "a", "data": None}),
        ({"data": ROWS}, {"data": ROWS}),
        (ROWS, ROWS),
        (None, None),
    ],
)
def test_the_one_record_of_an_answer(body, found):
    assert answers.record(body, "campaign") == found


@pytest.mark.parametrize(
    ("read", "body", "found"),
    [
        (answers.new_id, {"id": "a"}, "a"),
        (answers.new_id, {"id": 7}, "7"),
        (answers.new_id, {"data": {"id": "a"}}, "a"),
        (answers.new_id, {"id": "", "data": {"id": "a"}}, "a"),
        (answers.new_id, {"id": None, "data": {}}, None),
        (answers.new_id, {"id": True}, None),
        (answers.new_id, {"id": {"id": "a"}}, None),
        (lambda body: answers.new_id(body, "campaign"), {"campaign": {"id": "a"}}, "a"),
        (answers.job_id, {"jobId": "j"}, "j"),
        (answers.job_id, {"data": {"jobId": "j"}}, "j"),
        (answers.job_id, {"job": {"id": "j"}}, "j"),
        (answers.job_id, {"data": ROWS}, None),
        (answers.new_key, {"apiKey": "lgp_1"}, "lgp_1"),
        (answers.new_key, {"apiKey": {"plainTextKey": "lgp_1", "id": "k"}}, "lgp_1"),
        (answers.new_key, {"data": {"apiKey": "lgp_1"}}, "lgp_1"),
        (answers.new_key, {"apiKey": {"prefix": "lgp_"}}, None),
        (answers.token, {"jwt_token": "t"}, "t"),
        (answers.token, {"token": "t"}, "t"),
        (answers.token, {"access_token": "t"}, "t"),
        (answers.token, {"tokens": {"accessToken": "t"}}, "t"),
        (answers.token, {"data": {"token": "t"}}, "t"),
        (answers.token, {"tokens": "t"}, None),
        (answers.token, None, None),
    ],
)
def test_ids_keys_and_tokens_are_found_where_some_version_puts_them(read, body, found):
    assert read(body) == found


# Names that the readers look for, so that random JSON gets into every branch.
WORDS = "data items leads id jobId job nextToken pagination totalItems totalPages apiKey plainTextKey tokens token x"
NAMES = st.sampled_from(["", "accessToken", *WORDS.split()])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["", "leads", "target-accounts", "-", "data"]))
def test_no_json_makes_a_reader_raise(body, collection):
    assert isinstance(answers.items(body, collection), list)
    assert isinstance(answers.rest(body, collection), dict)
    answers.record(body, collection)
    for read in (answers.cursor, answers.new_id, answers.job_id, answers.new_key, answers.token):
        found = read(body)
        assert found is None or (isinstance(found, str) and found)
    for count in (answers.total, answers.total_pages):
        number = count(body)
        assert number is None or number >= 0
