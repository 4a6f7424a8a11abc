"""What an accepted part left undone, for every way a server has of telling."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.runners import shortfall
from console.catalog import operations
from leadgenius.errors import RefusedError
from leadgenius.transport import Answer

ROWS = ("a", "b", "c")
BATCH, DELETE, ENROLL = "leads.create-batch", "leads.delete-batch", "sequences.enroll"
ROW = {"index": 1, "reason": "duplicate of another"}
LEAD = {"leadId": "a", "reason": "already enrolled"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=3) | st.sampled_from(ROWS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def found(operation: str, body: Any, doubted: bool = False) -> list[tuple[Any, str]]:
    told = shortfall.of(operations()[operation], ROWS, Answer(200, {}, body, doubted))
    return [(one["id"], one["code"]) for one in told]


@pytest.mark.parametrize(
    ("operation", "body", "problems", "fails"),
    [
        (BATCH, {"created": 3, "skipped": []}, [], False),
        (BATCH, {"created": 0, "skipped": 3}, [(None, "skipped")] * 3, False),
        (BATCH, {"created": 1, "skipped": [ROW]}, [("b", "duplicate"), (None, "unexplained")], True),
        (BATCH, {"created": 0, "skipped": [{"reason": "bad"}] * 3}, [(None, "refused")] * 3, True),
        (BATCH, {"created": 0, "errors": ["x"]}, [(None, "unexplained")] * 3, True),
        (BATCH, {"created": 3, "skipped": 2}, [], False),
        (BATCH, None, [], False),
        (DELETE, {"deleted": 2, "notFound": ["c"]}, [("c", "not_found")], True),
        (DELETE, {"deleted": 0}, [(None, "unexplained")] * 3, True),
        (DELETE, {"notFound": 5}, [], False),
        (DELETE, [{"id": "x"}], [], False),
        (ENROLL, {"enrolled": 1, "skipped": [LEAD]}, [("a", "duplicate"), (None, "unexplained")], True),
        (ENROLL, {"enrolled": 0, "skipped": 3}, [(None, "skipped")] * 3, False),
        ("leads.status", {"success": True}, [], False),
    ],
)  # fmt: skip
def test_what_is_left_undone(operation: str, body: Any, problems: list[tuple[Any, str]], fails: bool) -> None:
    assert found(operation, body) == problems
    told = shortfall.of(operations()[operation], ROWS, Answer(200, {}, body))
    if not fails:
        return shortfall.judge(operations()[operation], told)
    with pytest.raises(RefusedError):
        shortfall.judge(operations()[operation], told)
    return None


def test_after_an_unanswered_delete_nothing_is_a_failure() -> None:
    told = shortfall.of(operations()[DELETE], ROWS, Answer(200, {}, {"deleted": 0, "notFound": ["a"]}, True))
    assert {one["outcome"] for one in told} == {"deleted_or_absent"}
    shortfall.judge(operations()[DELETE], told)


@given(st.sampled_from([BATCH, DELETE, ENROLL]), JSON, JSON, JSON)
def test_no_answer_breaks_it_or_leaves_more_undone_than_there_was(
    operation: str, one: Any, two: Any, three: Any
) -> None:
    body = {"created": one, "deleted": one, "enrolled": one, "skipped": two, "notFound": three}
    for made in (body, one):
        assert len(found(operation, made)) <= len(ROWS)
