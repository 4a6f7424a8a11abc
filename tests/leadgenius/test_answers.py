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
        ({"leads": ROWS, "a": 1}, {"a": 1}),
    ],
)
def test_rows_are_found_wherever_they_stand_and_the_rest_is_all_but_them(body, beside):
    rows = answers.rows(body, "leads")
    assert (rows, answers.rest(body, rows)) == (ROWS, beside)


@pytest.mark.parametrize(
    ("read", "places"),
    [
        (lambda body: answers.new_id(body, "bug"), "id data.id bug.id"),
        (answers.job_id, "jobId data.jobId"),
        (answers.new_key, "apiKey apiKey.plainTextKey data.apiKey"),
        (answers.token, "jwt_token token access_token tokens.accessToken"),
    ],
)
def test_ids_keys_and_tokens_wherever_they_stand(read, places):
    for place in places.split():
        body = "a"
        for name in reversed(place.split(".")):
            body = {name: body}
        assert read(body) == "a"


def test_totals_are_whole_numbers_and_an_id_may_be_one():
    body = {"pagination": {"totalItems": 7, "totalPages": 2}}
    assert (answers.total(body), answers.total(body, "totalPages")) == (7, 2)
    for odd in (-1, True):
        assert answers.total({"pagination": {"totalItems": odd}}) is None
    assert answers.job_id({"jobId": 7}) == "7"
    assert answers.new_id({"id": True}) is answers.new_id({"id": ""}) is None


@pytest.mark.parametrize(
    "body",
    [None, 7, "x", {"data": {}, "pagination": [], "apiKey": []}, {"leads": {}},
     {"campaigns": ROWS, "nextToken": ""}],
)  # fmt: skip
def test_what_is_not_there_is_nothing_and_no_body_makes_them_raise(body):
    for function in (answers.total, answers.job_id, answers.new_key, answers.rows):
        assert function(body) is None
    answers.rest(body, [])


def test_a_record_is_data_or_the_body():
    assert answers.record({"data": ROWS[0]}) == answers.record(ROWS[0]) == ROWS[0]
