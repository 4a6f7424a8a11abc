"""The small validator against the document it reads, and against jsonschema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from console import catalog, checks

BODIES = [operation for operation in catalog.operations().values() if operation.body]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FORMATS_WE_READ_ALONE = ("format", "minLength")  # jsonschema leaves formats to checkers; blanks count as empty here


def found(value: Any, name: str) -> list[tuple[str, bool]]:
    return [(one.path, one.assumed) for one in checks.problems(value, catalog.schemas()[name])]


def test_all_problems_are_named_at_once() -> None:
    body = {"name": "", "campaignType": "spam", "startDate": "2026-02-30", "goals": {"targetAccounts": "many"}}
    assert found(body, "CampaignInput") == [
        ("name", False),
        ("campaignType", False),
        ("startDate", False),
        ("goals.targetAccounts", False),
    ]


def test_a_breach_of_an_assumed_part_is_marked() -> None:
    assert found({"leadIds": ["a"], "enrichmentType": "new kind"}, "EnrichmentRequest") == [("enrichmentType", True)]
    assert found({"leadIds": ["a"] * 501}, "EnrichmentRequest") == [("leadIds", False)]
    assert found({"ids": ["a"] * 101}, "LeadIds") == [("ids", True)]


@pytest.mark.parametrize(
    ("text", "fine"),
    [("2026-02-28", True), ("2026-02-29", False), ("2024-02-29", True), ("20260228", False), ("2026-2-8", False),
     ("٢٠٢٦-٠٢-٠٨", False), ("0000-01-01", False)],
)  # fmt: skip
def test_dates_exist(text: str, fine: bool) -> None:
    assert checks.is_date(text) is fine


def test_an_unknown_field_names_the_nearest() -> None:
    told = list(checks.unknown_fields({"phone": "1"}, catalog.schemas()["LeadInput"]))
    assert "phoneNumber" in told[0].problem


@pytest.mark.parametrize("operation", BODIES, ids=lambda operation: operation.id)
def test_the_documents_own_example_has_no_problem(operation: catalog.Operation) -> None:
    example = operation.spec["requestBody"]["content"]["application/json"]["example"]
    assert list(checks.problems(example, operation.body or {})) == []


@pytest.mark.parametrize("operation", BODIES, ids=lambda operation: operation.id)
def test_agrees_with_jsonschema(operation: catalog.Operation) -> None:
    schema = _without(catalog.expand(operation.body, 9))
    validator = Draft202012Validator(schema)
    names = list(schema["properties"])

    @given(st.dictionaries(st.sampled_from(names), VALUES, max_size=4) | VALUES)
    def agrees(value: Any) -> None:
        assert bool(list(checks.problems(value, schema))) is bool(list(validator.iter_errors(value)))

    agrees()


def _without(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without(one) for name, one in schema.items() if name not in FORMATS_WE_READ_ALONE}
    return [_without(one) for one in schema] if isinstance(schema, list) else schema
