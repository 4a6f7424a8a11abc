"""Whatever is sent, the sandbox takes and answers it as openapi.json says; jsonschema decides."""

import copy
from functools import cache, partial

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contract.operations import document, expand, operations
from contract.validate import FORMATS, fits
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
    for name in FORMATS:
        check = partial(fits, name)
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    whole = {**schema, "components": {"schemas": document()["components"]["schemas"]}}
    return Draft202012Validator(rewritten(whole, closed), format_checker=checker)


@cache
def answer_validator(name, status):
    responses = OPERATIONS[name].spec["responses"]
    response = expand(responses.get(status) or responses[status[0] + "XX"])
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
    for who in (right, "", "user_api_key", "api_key", "amplify_api_key", "email", "other_api_key"):
        reply = service.operate(name, ids, example(name, ids), who, COMPANY)
        check(name, reply)
        own = who.removeprefix("user_").removeprefix("other_") == right
        assert (reply.status == 401) == (not own and name != "auth.login"), who
        if who == right and who not in ("", "user_api_key"):
            assert reply.status < 300 or reply.status == 409
        elif own and OPERATIONS[name].scope == "admin":
            assert reply.status == 403


# What is accepted

VALUES = [
    None, True, -1, 1.5, 101, 10**400, "", ".", "abm", "ABM", "Qualified", "a@b.example",
    "2026-02-30", "2026-02-02", "https://x.example", [], ["x"], [{}], {}, {"a": 1}, "\x00", "😀",
]  # fmt: skip
# What no schema can exchange: dates the wrong way round, and records that are not the company's.
BEYOND = (b"is before startDate", b"names no campaign of this company")


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_is_accepted_exactly_when_its_schema_accepts_it(make, name):
    service, operation = make(allow_duplicates=True), OPERATIONS[name]
    ids, valid = service.ids(), validator(operation.body)
    body = example(name, ids)
    body |= {"leads": body["leads"][:1]} if "leads" in body else {}
    for field in [*operation.body_fields(), "not a field"]:
        missing = {other: value for other, value in body.items() if other != field}
        for sent in [*({**body, field: value} for value in VALUES), missing]:
            reply = service.operate(name, ids, sent)
            assert reply.status < 500, sent
            rows = reply.body.get("skipped") if name == "leads.create-batch" else None
            accepted = reply.status != 400 and not rows
            beyond = any(words in reply.raw for words in BEYOND)
            assert (accepted or beyond) == valid.is_valid(sent), (sent, reply.raw)


@each_operation
def test_a_parameter_is_accepted_exactly_when_its_schema_accepts_it(shared, name):
    texts = ["1", "0", "-1", "1.5", "x", "NEW", "draft", "abm", "day", "2026-02-02", "2026-02-30"]
    for parameter, spec in OPERATIONS[name].parameters().items():
        if parameter in ("companyId", "nextToken") or spec["in"] == "path":
            continue  # more than a schema is held against them
        schema = {**spec["schema"], "maximum": 10**99}  # more than a page is reduced
        for text in [*texts, "9" * 30]:
            reply = shared.operate(name, {}, query=f"{COMPANY}&{parameter}={text}")
            whole = schema.get("type") == "integer" and text.lstrip("-").isdigit()
            value = int(text) if whole else text
            assert (reply.status == 200) == validator(schema).is_valid(value), (parameter, text)
        for bad in (f"{parameter}=", f"{parameter}=%ff", f"{parameter}=1&{parameter}=1"):
            assert shared.operate(name, {}, query="?" + bad).body["code"] == "INVALID_PARAMETER"


# Odd requests


UNREADABLE = [b"{", b"", b"[]", b'{"a": NaN}', b"\xff\xfe", b"[" * 99999, b'"\\ud800"']
TOO_DEEP = b'{"a":' * 65 + b"1" + b"}" * 65
HEADS = {
    411: [
        ("CONTENT_LENGTH", None),
        ("CONTENT_LENGTH", "-1"),
        ("HTTP_TRANSFER_ENCODING", "chunked"),
    ],
    413: [("CONTENT_LENGTH", str(LARGEST_BODY + 1))],
    415: [("CONTENT_TYPE", "text/plain"), ("CONTENT_TYPE", "application/json; charset=utf-16")],
    400: [("CONTENT_LENGTH", "99")],
}


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_cannot_be_read(shared, name):
    for raw in (*UNREADABLE, TOO_DEEP):
        reply = shared.operate(name, shared.ids(), raw)
        check(name, reply)
        assert reply.status == 400, raw[:20]
    for status, heads in HEADS.items():
        for head in heads:
            reply = shared.operate(name, shared.ids(), b"{}", **dict([head]))
            check(name, reply)
            assert reply.status == status, head


def test_other_methods_are_405_with_allow_and_other_paths_404(shared):
    for path in {one.path for one in OPERATIONS.values()}:
        known = {one.method for one in OPERATIONS.values() if one.path == path}
        for method in {"GET", "POST", "PUT", "DELETE", "BREW", "get"} - known:
            reply = shared.call(method, path, {})
            assert reply.error == (405, "METHOD_NOT_ALLOWED", [])
            assert set(reply.headers["Allow"].split(", ")) == known
        assert shared.get(path + "/more/than/that").error == (404, "NOT_FOUND", [])


def test_an_odd_id_stays_inside_its_segment(shared):
    for lead in ("a%2Fb", "a?b", "%00", "..", "a/b"):
        reply = shared.put(f"/leads/{lead}/status", {"status": "new"})
        words = "There is no such path" if lead in ("a/b", "a?b") else "No lead has this id"
        assert (reply.status, reply.body["error"]) == (404, words), lead
