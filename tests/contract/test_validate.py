"""The validator against the document it reads, and every verdict of it against jsonschema."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

from contract.operations import document, operations, resolve, schemas
from contract.validate import FORMATS, Problem, is_date, problems, unknown_fields

Json = dict[str, Any]
BODIES = {name: one.body for name, one in operations().items() if one.body}
each_body = pytest.mark.parametrize("name", BODIES)


# -- jsonschema, given this document's own x-any-case and meaning of formats


def _enum(validator, enum, value, schema):
    folded = value.lower() if schema.get("x-any-case") and isinstance(value, str) else value
    return Draft202012Validator.VALIDATORS["enum"](validator, enum, folded, schema)


def _check(accepts):
    return lambda value: not isinstance(value, str) or accepts(value)


CHECKER = FormatChecker(())
for format_name, (check, _) in FORMATS.items():
    CHECKER.checks(format_name)(_check(check))
Reference = extend(Draft202012Validator, {"enum": _enum})


def reference(schema):
    return Reference({**schema, "components": document()["components"]}, format_checker=CHECKER)


# -- every field of every body with these values

VALUES = [
    None, True, 0, -1, 1, 1.5, 80.0, 101, 10**20, float("inf"),
    "", " ", ".", "..", ". .", "\t", "x", "x" * 300,
    [], {}, ["x"], [""], [" "], [None], [1], [{}], ["x"] * 501, {"a": 1},
    "2026-01-01", "2026-13-01", "2026-1-1", "2026-02-08T09:30:00Z", "2026-02-08 09:30:00",
    "2026-02-30T09:30:00.000Z", "a@b", "a@b.example", "a b@c.example", "http://x.example",
    "https://x.example", "HTTPS://x.example", "https://", "QUALIFIED", "Qualified", "qualified",
    "abm", "ABM", "email", "active", "technographic", "low",
]  # fmt: skip


def places(schema, path=()):
    """The path of every field, through objects and the first item of lists."""
    for name, field in resolve(schema).get("properties", {}).items():
        field = resolve(field)
        yield (*path, name)
        if "items" in field:
            yield (*path, name, 0)
        yield from places(field, (*path, name))
        yield from places(field.get("items", {}), (*path, name, 0))


def placed(body, path, value):
    """The body with `value` at the path; what leads there is made."""
    if not path:
        return value
    step, *rest = path
    if step == 0:
        first = body[0] if isinstance(body, list) and body else {}
        return [placed(first, tuple(rest), value)]
    body = dict(body) if isinstance(body, dict) else {}
    return {**body, step: placed(body.get(str(step)), tuple(rest), value)}


def example(name):
    return copy.deepcopy(
        operations()[name].spec["requestBody"]["content"]["application/json"]["example"]
    )


@each_body
def test_each_field_is_accepted_exactly_when_jsonschema_accepts_it(name):
    schema = BODIES[name]
    expected = reference(schema)
    tried = [placed(example(name), path, value) for path in places(schema) for value in VALUES]
    assert len(tried) >= 40
    differ = [body for body in tried if bool(problems(body, schema)) == expected.is_valid(body)]
    assert differ == []


@each_body
def test_each_body_is_accepted_exactly_when_jsonschema_accepts_it(name):
    schema = BODIES[name]
    expected = reference(schema)
    fields = [str(path[-1]) for path in places(schema) if isinstance(path[-1], str)]
    plain = (
        st.sampled_from(VALUES)
        | st.text(max_size=4)
        | st.integers(-5, 200)
        | st.floats(allow_nan=False)
    )
    values = st.recursive(
        plain,
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(fields), inner, max_size=4)
        ),
        max_leaves=6,
    )

    @given(values | st.dictionaries(st.sampled_from([*fields, "phone"]), values, max_size=5))
    def agrees(value):
        body = {**example(name), **value} if isinstance(value, dict) else value
        assert bool(problems(body, schema)) != expected.is_valid(body)
        assert bool(problems(value, schema)) != expected.is_valid(value)

    agrees()


def test_each_parameter_is_accepted_exactly_when_jsonschema_accepts_it():
    for one in operations().values():
        for parameter in one.parameters().values():
            expected = reference(parameter["schema"])
            for value in VALUES:
                assert bool(problems(value, parameter["schema"])) != expected.is_valid(value), (
                    one,
                    value,
                )


# -- what is said


def found(value, name):
    return [tuple(one) for one in problems(value, schemas()[name])]


def test_all_problems_are_named_at_once():
    body = {
        "campaignType": "spam", "startDate": "2026-02-30", "spend": -1, "client_id": " ",
        "goals": {"targetAccounts": "many"},
    }  # fmt: skip
    assert found(body, "CampaignInput") == [
        ("name", "is required", False),
        ("campaignType", "must be one of abm, demand_gen, nurture", False),
        ("startDate", "must be a date that exists, as YYYY-MM-DD", False),
        ("goals.targetAccounts", "must be a number", False),
        ("client_id", "must not be empty", False),
        ("spend", "must be at least 0", True),
    ]


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        (
            {"userEmail": 1, "description": "x"},
            "MaintenanceReport",
            ("userEmail", "must be text or null"),
        ),
        (
            {"url": "http://x.example", "events": []},
            "WebhookInput",
            ("url", "must start with https://"),
        ),
        ({"leads": []}, "LeadBatch", ("leads", "must have at least 1 item")),
        ({"fitScore": 101}, "ScoreUpdate", ("fitScore", "must be at most 100")),
        ({"fitScore": 1.5}, "ScoreUpdate", ("fitScore", "must be a whole number")),
        ({}, "ScoreUpdate", ("", "needs at least one of intentScore, engagementScore, fitScore")),
        ([], "Login", ("", "must be an object")),
        ({"email": "a@b.example", "password": ""}, "Login", ("password", "must not be empty")),
        ({"ids": ["a", ""]}, "LeadIds", ("ids[1]", "must not be empty")),
    ],
)
def test_problems_in_words(body, name, expected):
    assert (*expected, False) in found(body, name)


def test_a_problem_inside_a_list_has_its_place():
    leads = [
        example("leads.create"),
        {**example("leads.create"), "lastName": ".", "email": "nobody"},
    ]
    assert [one.path for one in problems({"leads": leads}, schemas()["LeadBatch"])] == [
        "leads[1].lastName", "leads[1].email",
    ]  # fmt: skip
    assert problems(leads[1], schemas()["LeadInput"], "line 7")[0].path == "line 7.lastName"


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        (
            {"leadIds": ["a"], "enrichmentType": "new kind"},
            "EnrichmentRequest",
            ("enrichmentType", True),
        ),
        ({"leadIds": ["a"] * 501}, "EnrichmentRequest", ("leadIds", False)),
        ({"ids": ["a"] * 101}, "LeadIds", ("ids", True)),
        ({"ids": []}, "LeadIds", ("ids", False)),
        ({"other": 1}, "StatusChange", ("status", True)),
        ({"name": "x", "handoffs": [{"from": 1}]}, "WorkflowInput", ("handoffs[0].from", True)),
        ({"name": "x", "steps": [{"channel": "fax"}]}, "SequenceInput", ("steps[0].channel", True)),
        ({"name": "x", "steps": [{"channel": 1}]}, "SequenceInput", ("steps[0].channel", False)),
    ],
)
def test_a_breach_of_an_assumed_rule_is_marked(body, name, expected):
    assert [(path, assumed) for path, _, assumed in found(body, name)] == [expected]


def test_a_switched_off_mark_is_no_mark():
    assert problems(1, {"type": "string", "x-assumed": False}) == [
        Problem("", "must be text", False)
    ]


@pytest.mark.parametrize(
    ("status", "fine"), [("Qualified", True), ("NEW", True), ("won", False), (1, False)]
)
def test_a_status_is_accepted_in_any_case(status, fine):
    assert (found({"status": status}, "StatusChange") == []) is fine


@pytest.mark.parametrize("name", [".", "..", " ", ". .", "\u00a0"])
def test_known_crashes_of_the_server_are_refused(name):
    assert [
        one.path
        for one in problems({**example("leads.create"), "lastName": name}, schemas()["LeadInput"])
    ] == ["lastName"]


def test_phone_is_refused_once_and_other_unknown_fields_are_only_named():
    schema = schemas()["LeadInput"]
    body = {**example("leads.create"), "phone": "1", "statsu": "new", "zzzzzz": 1}
    assert problems(body, schema) == [
        Problem("phone", "is not a field; did you mean phoneNumber?", False)
    ]
    assert unknown_fields(body, schema, "leads[0].") == [
        Problem("leads[0].statsu", "is not a field; did you mean status?", False),
        Problem("leads[0].zzzzzz", "is not a field of this call", False),
    ]
    assert unknown_fields({"anything": 1}, {"type": "object"}) == unknown_fields([1], schema) == []


@pytest.mark.parametrize(
    ("text", "fine"),
    [("2026-02-28", True), ("2026-02-29", False), ("2024-02-29", True), ("20260228", False),
     ("2026-2-8", False), ("٢٠٢٦-٠٢-٠٨", False), ("0000-01-01", False), ("2026-02-28\n", False),
     ("2026-W01-1", False)],
)  # fmt: skip
def test_dates_exist(text, fine):
    assert is_date(text) is fine


@pytest.mark.parametrize(
    ("name", "text", "fine"),
    [
        ("date-time", "2026-01-31T09:30:00.000Z", True),
        ("date-time", "2026-01-31T09:30:00+02:00", True),
        ("date-time", "2026-01-31T24:00:00Z", False),
        ("date-time", "2026-02-30T09:30:00Z", False),
        ("date-time", "2026-01-31T09:30:00", False),
        ("date-time", "2026-01-31T09:30Z", False),
        ("email", "a@b.example", True),
        ("email", "a@b", False),
        ("email", "a@b@c.example", False),
        ("email", "a\x00@b.example", False),
        ("email", "a" * 250 + "@b.example", False),
        ("uri", "https://x.example/a?b=c", True),
        ("uri", "x.example", False),
        ("uri", "https://x example", False),
    ],
)
def test_formats(name, text, fine):
    assert bool(FORMATS[name][0](text)) is fine
