"""The validator against the document it reads, and every verdict of it against jsonschema."""

import copy

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

from contract.operations import document, expand, operations
from contract.validate import FORMATS, Problem, fits, problems, unknown_fields

SCHEMAS = expand(document()["components"]["schemas"])
BODIES = {name: one for name, one in operations().items() if one.body}


# -- jsonschema, given this document's own x-any-case and meaning of formats


def _enum(validator, enum, value, schema):
    folded = value.lower() if schema.get("x-any-case") and isinstance(value, str) else value
    return Draft202012Validator.VALIDATORS["enum"](validator, enum, folded, schema)


def _check(name):
    return lambda value: not isinstance(value, str) or fits(name, value)


CHECKER = FormatChecker(())
for format_name in FORMATS:
    CHECKER.checks(format_name)(_check(format_name))
Reference = extend(Draft202012Validator, {"enum": _enum})


def differing(values, schema):
    """The values on which the two disagree."""
    expected = Reference(schema, format_checker=CHECKER)
    return [one for one in values if bool(problems(one, schema)) == expected.is_valid(one)]


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
    for name, field in schema.get("properties", {}).items():
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
    return copy.deepcopy(operations()[name].content["example"])


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_accepted_exactly_when_jsonschema_accepts_it(name):
    schema = BODIES[name].body
    fields = list(places(schema))
    tried = [placed(example(name), path, value) for path in fields for value in VALUES]
    tried += [placed({}, path, value) for path in fields for value in VALUES]
    tried += [{**example(name), "phone": value} for value in VALUES]
    assert len(tried) >= 100
    assert differing(tried + VALUES, schema) == []


def test_a_parameter_is_accepted_exactly_when_jsonschema_accepts_it():
    for one in operations().values():
        for parameter in one.parameters().values():
            assert differing(VALUES, parameter["schema"]) == [], one


# -- what is said


def found(value, name):
    return [tuple(one) for one in problems(value, SCHEMAS[name])]


def test_all_problems_are_named_at_once():
    body = {
        "campaignType": "spam", "startDate": "2026-02-30", "spend": -1, "client_id": " ",
        "goals": {"targetAccounts": "many"},
    }  # fmt: skip
    assert found(body, "CampaignInput") == [
        ("name", "is required", False),
        ("campaignType", "must be one of abm, demand_gen, nurture", False),
        ("startDate", "must be a date that exists, as YYYY-MM-DD", False),
        ("goals.targetAccounts", "must be of type number", False),
        ("client_id", "must not be empty", False),
        ("spend", "must be at least 0", True),
    ]


REPORT, HOOK = {"userEmail": 1, "description": "x"}, {"url": "http://x.example", "events": ["x"]}
LOGIN = {"email": "a@b.example", "password": ""}


@pytest.mark.parametrize(
    ("body", "name", "path", "words"),
    [
        (REPORT, "MaintenanceReport", "userEmail", "must be of type string or null"),
        (HOOK, "WebhookInput", "url", "must start with https://"),
        ({"leads": []}, "LeadBatch", "leads", "must have at least 1 item"),
        ({"ids": ["a", ""]}, "LeadIds", "ids[1]", "must not be empty"),
        ({"fitScore": 101}, "ScoreUpdate", "fitScore", "must be at most 100"),
        ({"fitScore": 1.5}, "ScoreUpdate", "fitScore", "must be of type integer"),
        ({}, "ScoreUpdate", "", "must have at least 1 field"),
        ([], "Login", "", "must be of type object"),
        (LOGIN, "Login", "password", "must not be empty"),
    ],
)
def test_problems_in_words(body, name, path, words):
    assert (path, words, False) in found(body, name)


def test_a_problem_inside_a_list_has_its_place():
    row = {**example("leads.create"), "lastName": ".", "email": "nobody"}
    body = {"leads": [example("leads.create"), row]}
    paths = [one.path for one in problems(body, SCHEMAS["LeadBatch"])]
    assert paths == ["leads[1].lastName", "leads[1].email"]
    assert problems(row, SCHEMAS["LeadInput"], "line 7")[0].path == "line 7.lastName"


def step(channel):
    return {"name": "x", "steps": [{"channel": channel}]}


@pytest.mark.parametrize(
    ("body", "name", "path", "assumed"),
    [
        ({"leadIds": ["a"], "enrichmentType": "x"}, "EnrichmentRequest", "enrichmentType", True),
        ({"leadIds": ["a"] * 501}, "EnrichmentRequest", "leadIds", False),
        ({"ids": ["a"] * 101}, "LeadIds", "ids", True),
        ({"ids": []}, "LeadIds", "ids", False),
        ({"other": 1}, "StatusChange", "status", True),
        ({"name": "x", "handoffs": [{"from": 1}]}, "WorkflowInput", "handoffs[0].from", True),
        (step("fax"), "SequenceInput", "steps[0].channel", True),
        (step(1), "SequenceInput", "steps[0].channel", False),
    ],
)
def test_a_breach_of_an_assumed_rule_is_marked(body, name, path, assumed):
    assert [(one[0], one[2]) for one in found(body, name)] == [(path, assumed)]


@pytest.mark.parametrize("name", [".", "..", " ", ". .", "\u00a0"])
def test_known_crashes_of_the_server_are_refused(name):
    lead = {**example("leads.create"), "lastName": name}
    assert [one[0] for one in found(lead, "LeadInput")] == ["lastName"]


def test_phone_is_refused_once_and_other_unknown_fields_are_only_named():
    schema = SCHEMAS["LeadInput"]
    body = {**example("leads.create"), "phone": "1", "statsu": "new", "zzzzzz": 1}
    phone = Problem("phone", "is not a field; did you mean phoneNumber?", False)
    assert problems(body, schema) == [phone]
    assert unknown_fields(body, schema) == [
        Problem("statsu", "is not a field; did you mean status?", False),
        Problem("zzzzzz", "is not a field", False),
    ]
    assert unknown_fields({"anything": 1}, {"type": "object"}) == unknown_fields([1], schema) == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "date",
            ["2026-02-28", "2024-02-29"],
            [
                *("2026-02-29", "20260228", "2026-2-8", "٢٠٢٦-٠٢-٠٨", "0000-01-01"),
                *("2026-02-28\n", "2026-W01-1"),
            ],
        ),
        (
            "date-time",
            ["2026-01-31T09:30:00.000Z", "2026-01-31T09:30:00+02:00"],
            [
                *("2026-01-31T24:00:00Z", "2026-02-30T09:30:00Z", "2026-01-31T09:30:00"),
                "2026-01-31T09:30Z",
            ],
        ),
        (
            "email",
            ["a@b.example"],
            ["a@b", "a@b@c.example", "a\x00@b.example", "a" * 250 + "@b.example"],
        ),
        ("uri", ["https://x.example/a?b=c"], ["x.example", "https://x example"]),
    ],
)
def test_formats(kind, good, bad):
    assert [text for text in good + bad if fits(kind, text)] == good
