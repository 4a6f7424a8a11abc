"""Answers of every shape that the vendor's clients have met."""

import pytest

from leadgenius import answers

ROWS = [{"id": "a"}]


@pytest.mark.parametrize(
    ("body", "beside"),
    [
        (ROWS, {}),
        ({"data": ROWS, "nextToken": None}, {"nextToken": None}),
        ({"data": {"items": ROWS, "nextToken": "t"}, "a": 1}, {"nextToken": "t", "a": 1}),
        ({"data": {"leads": ROWS}}, {}),
        ({"leads": ROWS, "a": 1}, {"a": 1}),
        ({"items": ROWS}, {}),
    ],
)
def test_rows_are_found_wherever_they_stand_and_the_rest_is_all_but_them(body, beside):
    rows = answers.rows(body, "leads")
    assert (rows, answers.rest(body, rows)) == (ROWS, beside)


@pytest.mark.parametrize(
    ("read", "bodies"),
    [
        (answers.new_id, [{"id": "a"}, {"bug": {"id": "a"}}, {"id": "a", "data": {"id": "b"}}]),
        (answers.job_id, [{"jobId": "a"}, {"data": {"jobId": "a"}}]),
        (answers.new_key, [{"apiKey": "a"}, {"apiKey": {"plainTextKey": "a"}}]),
        (answers.new_key, [{"data": {"apiKey": "a"}}]),
        (answers.token, [{"jwt_token": "a"}, {"token": "a"}, {"access_token": "a"}]),
        (answers.token, [{"tokens": {"accessToken": "a"}}]),
        (answers.cursor, [{"nextToken": "a"}, {"data": {"nextToken": "a"}}]),
    ],
)
def test_ids_keys_tokens_and_cursors_of_every_shape(read, bodies):
    more = ["bug"] if read is answers.new_id else []
    assert [read(body, *more) for body in bodies] == ["a"] * len(bodies)


def test_totals_are_whole_numbers_and_an_id_may_be_one():
    body = {"pagination": {"totalItems": 7, "totalPages": 2}}
    assert (answers.total(body), answers.total({"data": body}, "totalPages")) == (7, 2)
    for odd in (-1, True):
        assert answers.total({"pagination": {"totalItems": odd}}) is None
    assert answers.job_id({"jobId": 7}) == "7"
    assert answers.new_id({"id": True}) is answers.new_id({"id": ""}) is None


@pytest.mark.parametrize(
    "body",
    [None, 7, "x", [None], {"data": [7]}, {"data": {"pagination": []}, "apiKey": []},
     {"data": {"leads": {}}, "nextToken": ""}, {"campaigns": ROWS, "nextToken": None}],
)  # fmt: skip
def test_what_is_not_there_is_nothing_and_no_body_makes_them_raise(body):
    for function in (answers.cursor, answers.total, answers.job_id, answers.new_key, answers.token):
        assert function(body) is None
    there = body if isinstance(body, list) else [7] if body == {"data": [7]} else None
    assert answers.rows(body, "leads") == there
    answers.rest(body, there)


def test_a_record_is_data_or_the_body():
    assert answers.record({"data": ROWS[0]}) == answers.record(ROWS[0]) == ROWS[0]
