"""Answers of every shape that the vendor's clients have met."""

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


def test_the_rest_is_all_but_the_rows():
    assert answers.rest({"data": {"items": ROWS, "nextToken": "t"}, "a": 1}) == {
        "nextToken": "t",
        "a": 1,
    }
    assert answers.rest({"leads": ROWS, "a": 1}, "leads") == {"a": 1}
    assert answers.rest(ROWS) == {}


@pytest.mark.parametrize(
    ("read", "bodies"),
    [
        (answers.new_id, [{"id": "a"}, {"bug": {"id": "a"}}, {"id": "a", "data": {"id": "b"}}]),
        (answers.job_id, [{"jobId": "a"}, {"data": {"jobId": "a"}}, {"job": {"id": "a"}}]),
        (answers.new_key, [{"apiKey": "a"}, {"apiKey": {"plainTextKey": "a"}}]),
        (answers.token, [{"jwt_token": "a"}, {"token": "a"}, {"data": {"access_token": "a"}}]),
        (answers.token, [{"tokens": {"accessToken": "a"}}]),
        (answers.cursor, [{"nextToken": "a"}, {"data": {"nextToken": "a"}}]),
    ],
)
def test_ids_keys_tokens_and_cursors_of_every_shape(read, bodies):
    more = ["bug"] if read is answers.new_id else []
    assert [read(body, *more) for body in bodies] == ["a"] * len(bodies)


def test_totals_are_whole_numbers_and_an_id_may_be_one():
    body = {"pagination": {"totalItems": 7, "totalPages": 2}}
    assert (answers.total(body), answers.total_pages({"data": body})) == (7, 2)
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
    rows = body if isinstance(body, list) else body["data"] if body == {"data": [7]} else []
    assert answers.items(body, "leads") == rows
    assert answers.has_rows(body, "leads") == bool(rows)
    answers.rest(body, "leads")


def test_a_record_is_data_or_its_own_name_or_the_body():
    for body in ({"data": ROWS[0]}, {"bug": ROWS[0]}, ROWS[0]):
        assert answers.record(body, "bug") == ROWS[0]
