"""Whatever is sent, the sandbox takes and answers it as openapi.json says; jsonschema decides."""

import copy
import json
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from contract.operations import document, operations, resolve
from contract.validate import FORMATS
from sandbox import routes
from sandbox.app import LARGEST_BODY
from sandbox.demo import CREDENTIALS

OPERATIONS = operations()
WITH_BODY = [name for name, one in OPERATIONS.items() if one.body]
COMPANY = f"?companyId={CREDENTIALS['company_id']}"
each_operation = pytest.mark.parametrize("name", OPERATIONS)


def rewritten(node, closed):
    """The schema in the words of JSON Schema; `closed` allows no field beyond those it names."""
    if isinstance(node, list):
        return [rewritten(one, closed) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-any-case"):
        return {"type": "string", "pattern": f"^(?i:{'|'.join(node['enum'])})$"}
    extra = {"additionalProperties": False} if closed and "properties" in node else {}
    return {**{name: rewritten(one, closed) for name, one in node.items()}, **extra}


def validator(schema, closed=False):
    checker = FormatChecker(formats=())
    for name, (check, _) in FORMATS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    whole = {**schema, "components": {"schemas": document()["components"]["schemas"]}}
    return Draft202012Validator(rewritten(whole, closed), format_checker=checker)


@cache
def answer_validator(name, status):
    responses = OPERATIONS[name].spec["responses"]
    response = resolve(responses.get(status) or responses[status[0] + "XX"])
    return validator(response["content"]["application/json"]["schema"], closed=True)


def check(name, reply):
    """The answer is one that the document gives this operation."""
    assert reply.status < 500, reply.raw
    assert reply.headers["X-LeadGenius-Sandbox"] == "1"
    assert int(reply.headers["Content-Length"]) == len(reply.raw)
    answer_validator(name, str(reply.status)).validate(reply.body)


def example(name, ids):
    """The document's own example of a body, with a login and leads that exist."""
    content = OPERATIONS[name].spec.get("requestBody", {}).get("content", {})
    body = copy.deepcopy(content.get("application/json", {}).get("example"))
    if name == "auth.login":
        return {"email": CREDENTIALS["email"], "password": CREDENTIALS["password"]}
    return body and body | {field: [ids["lead"]] for field in ("ids", "leadIds") if field in body}


def test_every_operation_has_a_handler_and_every_handler_an_operation():
    assert set(routes.HANDLERS) == set(OPERATIONS)
    assert len(OPERATIONS) == 40


@each_operation
def test_every_operation_answers_as_documented_to_each_credential(make, credential, name):
    """The right kind gets in; every other is 401, and at the administration a plain user 403."""
    service = make()
    ids, right = service.ids(), credential(name)
    report = {"reportType": "campaigns", "format": "json"}
    ids["job"] = service.post("/analytics/reports", report).body["jobId"]
    service.now += 10
    query = COMPANY if OPERATIONS[name].paging == "cursor" else ""
    for who in (right, "", "user_api_key", "api_key", "amplify_api_key", "email", "other_api_key"):
        reply = service.operate(name, ids, example(name, ids), who, query)
        check(name, reply)
        own = who.removeprefix("user_").removeprefix("other_") == right
        assert (reply.status == 401) == (not own and name != "auth.login"), who
        if who == right and who not in ("", "user_api_key"):
            assert reply.status < 300 or reply.status == 409
        elif own and OPERATIONS[name].scope == "admin":
            assert reply.status == 403


# What is accepted

VALUES = [
    None, True, False, 0, 1, -1, 1.0, 1.5, 100, 101, 1e300, 10**400, "", " ", ".", "x", "abm",
    "ABM", "new", "Qualified", "email", "a@b.example", "a@b", "x" * 300 + "@b.example",
    "2026-02-30", "2026-02-02", "20260202", "2026-06-15T12:00:00Z", "https://x.example",
    "HTTPS://x.example", "http://x.example", [], ["x"], ["new_source_lead"], [{}], {}, {"a": 1},
    "\x00", "😀",
]  # fmt: skip
MISSING = object()
# What no schema can exchange: dates the wrong way round, and records that are not the company's.
BEYOND = (b"is before startDate", b"names no campaign of this company")


def places(schema):
    """The path of every field of a body, also of its objects and of objects in its lists."""
    for name, inner in resolve(schema).get("properties", {}).items():
        inner = resolve(inner)
        items = resolve(inner.get("items", {}))
        yield (name,)
        yield from ((name, *rest) for rest in places(inner))
        yield from ((name, 0, *rest) for rest in places(items))


def changed(body, path, value):
    """The body with the value at the path; what lies above it is made."""
    inner = body = copy.deepcopy(body)
    for step, after in pairwise(path):
        made = [{}] if after == 0 else {}
        inner = inner.setdefault(step, made) if isinstance(inner, dict) else inner[step]
    if value is MISSING:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return body


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_is_accepted_exactly_when_its_schema_accepts_it(make, name):
    service, operation = make(allow_duplicates=True), OPERATIONS[name]
    ids, valid = service.ids(), validator(operation.body)
    body = example(name, ids)
    body |= {"leads": body["leads"][:1]} if "leads" in body else {}
    for field in [*places(operation.body), ("not a field",)]:
        for value in [*VALUES, MISSING]:
            sent = changed(body, field, value)
            reply = service.operate(name, ids, sent)
            assert reply.status < 500, (field, value)
            rows = reply.body.get("skipped") if name == "leads.create-batch" else None
            accepted = reply.status != 400 and not rows
            beyond = any(words in reply.raw for words in BEYOND)
            assert (accepted or beyond) == valid.is_valid(sent), (field, value, reply.raw)


@each_operation
def test_a_parameter_is_accepted_exactly_when_its_schema_accepts_it(shared, name):
    texts = (
        "1",
        "0",
        "-1",
        "9" * 30,
        "1.5",
        "x",
        "NEW",
        "draft",
        "abm",
        "day",
        "2026-02-02",
        "2026-02-30",
    )
    for parameter, spec in OPERATIONS[name].parameters().items():
        if parameter in ("companyId", "nextToken"):
            continue  # more than a schema is held against them
        schema = {**resolve(spec["schema"]), "maximum": 10**99}  # more than a page is reduced
        for text in texts:
            query = f"{COMPANY}&{parameter}={text}"
            reply = shared.operate(name, {}, query=query)
            whole = schema.get("type") == "integer" and text.lstrip("-").isdigit()
            value = int(text) if whole else text
            assert (reply.status == 200) == validator(schema).is_valid(value), (parameter, text)
        for bad in (f"{parameter}=", f"{parameter}=%ff", f"{parameter}=1&{parameter}=1"):
            assert shared.operate(name, {}, query="?" + bad).body["code"] == "INVALID_PARAMETER"


# Odd requests


@pytest.mark.parametrize(
    ("raw", "environ", "status"),
    [
        *(
            (raw, {}, 400)
            for raw in (b"{", b"", b'{"a": NaN}', b"\xff\xfe", b"[" * 99999, b'{"a": 1e999}')
        ),
        *(
            (raw, {}, 400)
            for raw in (b'"\\ud800"', b"\xef\xbb\xbf{}", b"[]", b'{"a":' * 65 + b"1" + b"}" * 65)
        ),
        *((b"{}", {"CONTENT_LENGTH": length}, 411) for length in (None, "-1", "x")),
        *(
            (b"{}", {"CONTENT_LENGTH": length}, 413)
            for length in ("9" * 400, str(LARGEST_BODY + 1))
        ),
        *(
            (b"{}", {"CONTENT_TYPE": kind}, 415)
            for kind in ("text/plain", "application/json; charset=utf-16", "\xff")
        ),
        (b"{}", {"CONTENT_LENGTH": "99"}, 400),
        (b"{}", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
    ],
)
def test_a_body_that_cannot_be_read(shared, raw, environ, status):
    ids = shared.ids()
    for name in WITH_BODY:
        reply = shared.operate(name, ids, raw, **environ)
        check(name, reply)
        assert reply.status == status, name


def test_other_methods_are_405_with_allow_and_other_paths_404(shared):
    for path in {one.path for one in OPERATIONS.values()}:
        known = {one.method for one in OPERATIONS.values() if one.path == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW", "get"} - known:
            reply = shared.call(method, path, {})
            assert reply.error == (405, "METHOD_NOT_ALLOWED", [])
            assert set(reply.headers["Allow"].split(", ")) == known
        for more in ("/", "/more/than/that"):
            assert shared.get(path + more).error == (404, "NOT_FOUND", [])


def test_an_encoded_slash_stays_inside_its_segment(shared):
    replies = [shared.put(f"/leads/{lead}/status", {"status": "new"}) for lead in ("a%2Fb", "a/b")]
    errors = [reply.body["error"] for reply in replies]
    assert errors == ["No lead has this id", "There is no such path"]


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
)
WILD = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6
)
RAW = st.text(st.sampled_from("aZ09%+=-._~/?:@&#\x00é"), max_size=12)


@each_operation
def test_no_request_makes_an_operation_fail(shared, credential, name):
    operation, body = OPERATIONS[name], example(name, shared.ids()) or {}
    fields = st.dictionaries(
        st.sampled_from([*operation.body_fields(), "owner", "x"]), WILD, max_size=3
    )

    @settings(
        max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(fields.map(lambda more: {**body, **more}) | WILD, RAW, RAW)
    def answers(sent, record, query):
        path = operation.path.replace("{id}", record).replace("{jobId}", record)
        raw = json.dumps(sent).encode() if operation.body else b""
        reply = shared.call(operation.method, f"{path}?{query}", raw, credential(name))
        assert reply.status < 500, reply.raw
        assert reply.body["success"] is (reply.status < 300)

    answers()
