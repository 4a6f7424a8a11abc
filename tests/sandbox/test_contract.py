"""Whatever is sent, the sandbox takes and answers it as openapi.json says. jsonschema is the judge."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from contract.operations import operations
from contract.validate import FORMATS
from sandbox import routes
from sandbox.app import LARGEST_BODY
from sandbox.demo import CREDENTIALS

OPERATIONS = operations()
WITH_BODY = [name for name, one in OPERATIONS.items() if one.body]
BULK = f"?companyId={CREDENTIALS['company_id']}&limit=3"
each_operation = pytest.mark.parametrize("name", OPERATIONS)


def closed(node: Any) -> Any:
    """The schema with no field beyond those it names, and marks of our own in the words of JSON Schema."""
    if isinstance(node, list):
        return [closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {name: closed(one) for name, one in node.items()}
    return {**node, "additionalProperties": False} if "properties" in node and "not" not in node else node


def any_case(node: Any) -> Any:
    if isinstance(node, list):
        return [any_case(one) for one in node]
    if isinstance(node, dict) and node.get("x-any-case"):
        return {"type": "string", "pattern": f"^(?i:{'|'.join(node['enum'])})$"}
    return {name: any_case(one) for name, one in node.items()} if isinstance(node, dict) else node


def judge(schema: Any, change: Callable[[Any], Any]) -> Draft202012Validator:
    from contract.operations import document

    checker = FormatChecker(formats=())
    for name, (check, _) in FORMATS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    whole = {**change(schema), "components": {"schemas": change(document()["components"]["schemas"])}}
    return Draft202012Validator(whole, format_checker=checker)


@cache
def answer_judge(name: str, status: str) -> Draft202012Validator | None:
    from contract.operations import resolve

    responses = OPERATIONS[name].spec["responses"]
    response = responses.get(status) or responses.get(status[0] + "XX")
    return judge(resolve(response)["content"]["application/json"]["schema"], closed) if response else None


def check(name: str, reply: Any) -> None:
    """The answer is one that the document gives this operation."""
    assert reply.status < 500, reply.raw
    assert reply.headers["X-LeadGenius-Sandbox"] == "1"
    assert int(reply.headers["Content-Length"]) == len(reply.raw)
    found = answer_judge(name, str(reply.status))
    assert found, f"{reply.status} is not documented"
    assert [f"{error.json_path} {error.message[:200]}" for error in found.iter_errors(reply.body)] == []


def example(name: str, ids: dict[str, str]) -> Any:
    """The document's own example of a body, with a login and leads that exist."""
    content = OPERATIONS[name].spec.get("requestBody", {}).get("content", {})
    body = copy.deepcopy(content.get("application/json", {}).get("example"))
    if name == "auth.login":
        return {"email": CREDENTIALS["email"], "password": CREDENTIALS["password"]}
    return {**body, **{field: [ids["lead"]] for field in ("ids", "leadIds") if field in body}} if body else None


def test_every_operation_has_a_handler_and_every_handler_an_operation() -> None:
    assert set(routes.HANDLERS) == set(OPERATIONS)
    assert len(OPERATIONS) == 40


@each_operation
def test_every_operation_answers_as_documented(service: Any, whose_credential: Any, name: str) -> None:
    ids = service.ids()
    ids["job"] = service.post("/analytics/reports", {"reportType": "campaigns", "format": "json"}).body["jobId"]
    service.now += 10
    path = service.path(name, ids) + (BULK if OPERATIONS[name].paging == "cursor" else "")
    reply = service.call(OPERATIONS[name].method, path, example(name, ids), whose_credential(name))
    check(name, reply)
    assert str(reply.status) in OPERATIONS[name].spec["responses"]
    assert reply.status < 300


# What is accepted

VALUES = [
    None, True, False, 0, 1, -1, 1.0, 1.5, 100, 101, 1e300, 10**400, "", " ", ".", "x", "abm", "ABM", "new", "Qualified",
    "email", "a@b.example", "a@b", "x" * 300 + "@b.example", "2026-02-30", "2026-02-02", "20260202",
    "2026-06-15T12:00:00Z", "https://x.example", "HTTPS://x.example", "http://x.example", [], ["x"],
    ["new_source_lead"], [{}], {}, {"a": 1}, "\x00", "😀",
]  # fmt: skip
MISSING = object()
# What no schema can say: dates the wrong way round, and records that are not the company's.
BEYOND = ("is before startDate", "names no campaign of this company")


def places(schema: Any, body: Any) -> Iterator[tuple[Any, ...]]:
    """The path of every field of a body, those of its objects and of the objects in its lists included."""
    from contract.operations import resolve

    for name, inner in resolve(schema).get("properties", {}).items():
        inner = resolve(inner)
        yield (name,)
        if inner.get("type") == "array" and resolve(inner.get("items", {})).get("properties"):
            yield from ((name, 0, *rest) for rest in places(inner["items"], body))
        else:
            yield from ((name, *rest) for rest in places(inner, body))


def changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The body with the value at the path; what lies above it is made."""
    body = copy.deepcopy(body)
    inner = body
    for step, after in zip(path, path[1:], strict=False):
        if isinstance(inner, dict):
            inner = inner.setdefault(step, [{}] if after == 0 else {})
        else:
            inner = inner[step]
    if value is MISSING:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return body


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_is_accepted_exactly_when_its_schema_accepts_it(
    make: Callable[..., Any], whose_credential: Any, name: str
) -> None:
    service = make(allow_duplicates=True)
    ids, operation = service.ids(), OPERATIONS[name]
    valid, body = judge(operation.body, any_case), example(name, ids)
    if name == "leads.create-batch":
        body = {"leads": body["leads"][:1]}
    fields = list(places(operation.body, body))
    assert {path[0] for path in fields} == set(operation.body_fields())
    path, who = service.path(name, ids), whose_credential(name)
    for field in [*fields, ("not a field",)]:
        for value in [*VALUES, MISSING]:
            sent = changed(body, field, value)
            reply = service.call(operation.method, path, sent, who)
            assert reply.status < 500, (field, value)
            accepted = reply.status != 400 and not reply.body.get("skipped")
            beyond = any(words.encode() in reply.raw for words in BEYOND)
            assert (accepted or beyond or "enrolled" in reply.body) == valid.is_valid(sent), (field, value, reply.raw)


@each_operation
def test_a_parameter_is_accepted_exactly_when_its_schema_accepts_it(
    shared: Any, whose_credential: Any, name: str
) -> None:
    texts = ["1", "0", "-1", "101", "9" * 30, "1.5", "x", "new", "NEW", "draft", "abm", "day", "2026-02-02", "2026-02-30"]
    path, who = shared.path(name, shared.ids()), whose_credential(name)
    for parameter, spec in OPERATIONS[name].parameters().items():
        if parameter in ("companyId", "nextToken"):
            continue  # more than a schema is held against them
        schema = {**spec["schema"], "maximum": 10**99}
        for text in texts:
            reply = shared.get(f"{path}{BULK[:-8] if 'list' in path else '?x=1'}&{parameter}={text}", who)
            value = int(text) if schema.get("type") == "integer" and text.lstrip("-").isdigit() else text
            assert (reply.status == 200) == judge(schema, any_case).is_valid(value), (parameter, text)
        for bad in (f"{parameter}=", f"{parameter}=%ff", f"{parameter}=1&{parameter}=1"):
            assert shared.get(f"{path}?{bad}", who).body["code"] == "INVALID_PARAMETER"


# Odd requests


@each_operation
def test_each_credential_at_each_operation(make: Callable[..., Any], whose_credential: Any, name: str) -> None:
    """The right kind gets in; every other is 401, a company's that has no such record 404, a user's at admin 403."""
    service = make()
    ids, right = service.ids(), whose_credential(name)
    for who in ("", "api_key", "user_api_key", "other_api_key", "amplify_api_key", "email", "other_email"):
        path = service.path(name, ids) + (BULK if right == "amplify_api_key" else "")
        reply = service.call(OPERATIONS[name].method, path, example(name, ids), who)
        check(name, reply)
        kind = who.removeprefix("user_").removeprefix("other_")
        assert (reply.status == 401) == (kind != right and name != "auth.login"), who


@pytest.mark.parametrize(
    ("raw", "environ", "status"),
    [
        (b"{", {}, 400), (b"", {}, 400), (b'{"a": NaN}', {}, 400), (b"\xff\xfe", {}, 400), (b"[" * 99999, {}, 400),
        (b'{"a": 1e999}', {}, 400), (b'"\\ud800"', {}, 400), (b'\xef\xbb\xbf{}', {}, 400), (b"[]", {}, 400),
        (b'{"a":' * 65 + b"1" + b"}" * 65, {}, 400), (b"{}", {"CONTENT_LENGTH": "99"}, 400),
        (b"{}", {"CONTENT_LENGTH": None}, 411), (b"{}", {"CONTENT_LENGTH": "-1"}, 411),
        (b"{}", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411), (b"{}", {"CONTENT_LENGTH": "9" * 400}, 413),
        (b"{}", {"CONTENT_LENGTH": str(LARGEST_BODY + 1)}, 413), (b"a=1", {"CONTENT_TYPE": "text/plain"}, 415),
        (b"{}", {"CONTENT_TYPE": "application/json; charset=utf-16"}, 415), (b"{}", {"CONTENT_TYPE": "\xff"}, 415),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read(shared: Any, whose_credential: Any, raw: bytes, environ: Any, status: int) -> None:
    for name in WITH_BODY:
        path = shared.path(name, shared.ids())
        reply = shared.call(OPERATIONS[name].method, path, raw, whose_credential(name), **environ)
        check(name, reply)
        assert reply.status == status, name


def test_other_methods_are_405_with_allow_and_other_paths_404(shared: Any) -> None:
    for path in {one.path for one in OPERATIONS.values()}:
        known = {one.method for one in OPERATIONS.values() if one.path == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "get"} - known:
            reply = shared.call(method, path.replace("{id}", "x").replace("{jobId}", "x"), {})
            assert reply.error == (405, "METHOD_NOT_ALLOWED", [])
            assert set(reply.headers["Allow"].split(", ")) == known
        assert shared.get(path + "/more/than/that").error == (404, "NOT_FOUND", [])
        assert shared.get(path + "/").status == 404


def test_an_encoded_slash_stays_inside_its_segment(shared: Any) -> None:
    errors = [shared.put(f"/leads/{lead}/status", {"status": "new"}).body["error"] for lead in ("a%2Fb", "a/b")]
    assert errors == ["No lead has this id", "There is no such path"]


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
RAW = st.text(st.sampled_from("aZ09%+=-._~/?:@&#\x00é"), max_size=12)


@each_operation
def test_no_request_makes_an_operation_fail(shared: Any, whose_credential: Any, name: str) -> None:
    operation, who = OPERATIONS[name], whose_credential(name)
    body = example(name, shared.ids()) or {}
    fields = st.dictionaries(st.sampled_from([*operation.body_fields(), "owner", "x"]), WILD, max_size=3)

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(fields.map(lambda more: {**body, **more}) | WILD, RAW, RAW)
    def answers(sent: Any, record: str, query: str) -> None:
        path = operation.path.replace("{id}", record).replace("{jobId}", record)
        raw = json.dumps(sent).encode() if operation.body else b""
        reply = shared.call(operation.method, f"{path}?{query}", raw, who)
        assert reply.status < 500, reply.raw
        assert reply.body["success"] is (reply.status < 300)

    answers()
