"""Answers of every shape that the vendor's clients have met."""

from __future__ import annotations

import pytest

from leadgenius import answers

ROWS = [{"id": "a"}]


@pytest.mark.parametrize(
    ("body", "collection"),
    [
        (ROWS, ""),
        ({"data": ROWS}, "leads"),
        ({"data": {"items": ROWS}}, "leads"),
        ({"data": {"leads": ROWS}}, "leads"),
        ({"leads": ROWS}, "leads"),
        ({"items": ROWS}, ""),
        ({"targetAccounts": ROWS}, "target-accounts"),
        ({"accounts": ROWS}, "target-accounts"),
        ({"data": {"target-accounts": ROWS}}, "target-accounts"),
    ],
)
def test_rows_are_found_wherever_they_stand(body, collection):
    assert answers.items(body, collection) == ROWS
    assert answers.has_rows(body, collection)


@pytest.mark.parametrize(
    "body", [None, 7, "x", {}, {"data": {}}, {"data": {"leads": {}}}, {"campaigns": ROWS}]
)
def test_no_array_is_no_rows(body):
    assert (answers.items(body, "leads"), answers.has_rows(body, "leads")) == ([], False)


def test_the_rest_is_all_but_the_rows():
    assert answers.rest({"data": ROWS, "meta": 1}) == {"meta": 1}
    assert answers.rest({"data": {"items": ROWS, "nextToken": "t"}, "success": True}) == {
        "nextToken": "t",
        "success": True,
    }
    assert answers.rest({"leads": ROWS, "a": 1}, "leads") == {"a": 1}
    assert answers.rest(ROWS) == {}


def test_cursor_and_totals_stand_at_the_top_or_inside_data():
    inside = {"pagination": {"totalItems": 7, "totalPages": 2}, "nextToken": "t"}
    for body in (inside, {"data": inside}):
        assert (answers.cursor(body), answers.total(body), answers.total_pages(body)) == ("t", 7, 2)
    for odd in (
        None,
        [],
        {"nextToken": ""},
        {"nextToken": None, "pagination": {"totalItems": -1}},
        {"pagination": {"totalItems": True}},
    ):
        assert (answers.cursor(odd), answers.total(odd)) == (None, None)


def test_ids_keys_jobs_and_tokens_of_every_shape():
    for body in (
        {"id": "a"},
        {"data": {"id": "a"}},
        {"bug": {"id": "a"}},
        {"id": "a", "data": {"id": "b"}},
    ):
        assert answers.new_id(body, "bug") == "a"
    for body in ({"jobId": "a"}, {"data": {"jobId": "a"}}, {"job": {"id": "a"}}):
        assert answers.job_id(body) == "a"
    for body in ({"apiKey": "a"}, {"apiKey": {"plainTextKey": "a"}}, {"data": {"apiKey": "a"}}):
        assert answers.new_key(body) == "a"
    for name in ("jwt_token", "token", "access_token"):
        assert answers.token({name: "a"}) == answers.token({"data": {name: "a"}}) == "a"
    assert answers.token({"tokens": {"accessToken": "a"}}) == "a"
    assert answers.job_id({"jobId": 7}) == "7"
    assert answers.new_id({"id": True}) is answers.new_id({"id": ""}) is answers.token(None) is None


def test_a_record_is_data_or_its_own_name_or_the_body():
    assert answers.record({"data": {"id": "a"}}) == {"id": "a"}
    assert answers.record({"bug": {"id": "a"}}, "bug") == {"id": "a"}
    assert answers.record({"id": "a"}) == {"id": "a"}
    assert answers.record([1]) == [1]


@pytest.mark.parametrize(
    "body", [None, 7, [None], {"data": [7]}, {"data": {"pagination": []}, "apiKey": []}]
)
def test_no_body_makes_them_raise(body):
    for function in (answers.cursor, answers.total, answers.job_id, answers.new_key, answers.token):
        assert function(body) is None
    for named in (answers.items, answers.rest, answers.record):
        named(body, "leads")
