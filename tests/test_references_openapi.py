"""openapi.json is complete, valid, and keeps the conventions that its readers rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

Json = dict[str, Any]
PATH = Path(__file__).resolve().parent.parent / "references" / "openapi.json"
SPEC: Json = json.loads(PATH.read_text(encoding="utf-8"))
SCHEMAS: Json = SPEC["components"]["schemas"]

OPERATIONS = {
    "auth.login": "POST /api/epsimo-auth",
    "keys.create": "POST /api/agent-api-keys",
    "keys.list": "GET /api/agent-api-keys",
    "enrich-leads.list": "GET /api/enrich-leads/list",
    "source-leads.list": "GET /api/source-leads/list",
    "campaigns.list": "GET /api/agent/campaigns",
    "campaigns.create": "POST /api/agent/campaigns",
    "campaigns.get": "GET /api/agent/campaigns/{id}",
    "campaigns.update": "PUT /api/agent/campaigns/{id}",
    "campaigns.archive": "DELETE /api/agent/campaigns/{id}",
    "campaigns.metrics": "GET /api/agent/campaigns/{id}/metrics",
    "leads.list": "GET /api/agent/leads",
    "leads.create": "POST /api/agent/leads",
    "leads.create-batch": "POST /api/agent/leads/batch",
    "leads.delete-batch": "DELETE /api/agent/leads/batch",
    "leads.status": "PUT /api/agent/leads/{id}/status",
    "enrichment.trigger": "POST /api/agent/enrichment/trigger",
    "enrichment.status": "GET /api/agent/enrichment/status/{jobId}",
    "enrichment.services": "GET /api/agent/enrichment/services",
    "target-accounts.list": "GET /api/agent/target-accounts",
    "target-accounts.create": "POST /api/agent/target-accounts",
    "target-accounts.score": "PUT /api/agent/target-accounts/{id}/score",
    "sequences.list": "GET /api/agent/sequences",
    "sequences.create": "POST /api/agent/sequences",
    "sequences.enroll": "POST /api/agent/sequences/{id}/enroll",
    "analytics.pipeline": "GET /api/agent/analytics/pipeline",
    "analytics.trends": "GET /api/agent/analytics/trends",
    "analytics.report": "POST /api/agent/analytics/reports",
    "workflows.list": "GET /api/agent/workflows",
    "workflows.create": "POST /api/agent/workflows",
    "integrations.list": "GET /api/agent/integrations",
    "integrations.create": "POST /api/agent/integrations",
    "webhooks.list": "GET /api/agent/webhooks",
    "webhooks.create": "POST /api/agent/webhooks",
    "maintenance.bugs.list": "GET /api/agent/maintenance/bugs",
    "maintenance.bugs.report": "POST /api/agent/maintenance/bugs",
    "maintenance.enhancements.list": "GET /api/agent/maintenance/enhancements",
    "maintenance.enhancements.request": "POST /api/agent/maintenance/enhancements",
    "admin.companies": "GET /api/admin/companies",
    "admin.users": "GET /api/admin/users",
}
SYSTEM = {"/api/enrich-leads/list", "/api/source-leads/list"}
CREDENTIAL_OF_SCOPE = {"agent": "agentKey", "system": "amplifyKey", "admin": "adminKey", "root": "jwt"}
TAGS = {
    "session",
    "leads",
    "campaigns",
    "accounts",
    "outreach",
    "automation",
    "analytics",
    "maintenance",
    "administration",
}
CONSTRAINTS = {"type", "enum", "const", "required", "properties", "additionalProperties", "items", "pattern", "format"}
BOUNDS = {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "minProperties"}
# What the command line's own validator understands, and two words that are not constraints.
KEYWORDS = CONSTRAINTS | BOUNDS | {"allOf", "anyOf", "$ref", "description", "x-assumed"}
# Operations, parameters, responses, and schemas wherever they stand.
ANNOTATED = (
    r"/paths/[^/]+/\w+"
    r"|/components/(parameters|responses|schemas)/\w+"
    r"|.*/(schema|items|(properties|allOf|anyOf)/\w+)"
)


def operations() -> Iterator[tuple[str, str, Json]]:
    for path, methods in SPEC["paths"].items():
        for method, op in methods.items():
            yield method.upper(), path, op


def resolve(node: Json) -> Json:
    while "$ref" in node:
        _, _, kind, name = node["$ref"].split("/")
        node = SPEC["components"][kind][name]
    return node


def walk(node: Any, pointer: str = "") -> Iterator[tuple[str, Json]]:
    """(pointer, object) of every object in a document, examples left out."""
    if isinstance(node, dict):
        yield pointer, node
        for name, inner in node.items():
            if name != "example":
                yield from walk(inner, f"{pointer}/{name.replace('/', '~')}")
    elif isinstance(node, list):
        for place, inner in enumerate(node):
            yield from walk(inner, f"{pointer}/{place}")


def body(op: Json) -> Json | None:
    found: Json | None = op.get("requestBody", {}).get("content", {}).get("application/json")
    return found


def success(op: Json) -> tuple[str, Json]:
    ((status, response),) = [(status, one) for status, one in op["responses"].items() if status < "300"]
    return status, response["content"]["application/json"]


def subschemas(schema: Json, seen: set[str]) -> Iterator[Json]:
    """The schema and every schema below it, each shared one once."""
    if "$ref" in schema:
        if schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            yield from subschemas(resolve(schema), seen)
        return
    yield schema
    below = [*schema.get("properties", {}).values(), *schema.get("allOf", []), *schema.get("anyOf", [])]
    for inner in [*below, *([schema["items"]] if "items" in schema else [])]:
        yield from subschemas(inner, seen)


def body_schemas() -> Iterator[Json]:
    seen: set[str] = set()
    for _, _, op in operations():
        if found := body(op):
            yield from subschemas(found["schema"], seen)


def closed(node: Any) -> Any:
    """The document with every object limited to its listed fields, to find misspelt ones in examples."""
    if isinstance(node, list):
        return [closed(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    made = {name: closed(inner) for name, inner in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


CLOSED = closed(SPEC["components"])
BY_ID = {op["operationId"]: op for _, _, op in operations()}
each_operation = pytest.mark.parametrize("op", [pytest.param(op, id=name) for name, op in BY_ID.items()])


def faults(content: Json, schema: Json, components: Json) -> list[str]:
    validator = Draft202012Validator({**schema, "components": components}, format_checker=FormatChecker())
    return [f"{error.json_path} {error.message}" for error in validator.iter_errors(content["example"])]


def test_is_valid_openapi() -> None:
    validate(SPEC)
    assert SPEC["openapi"] == "3.1.0"
    assert [server["url"] for server in SPEC["servers"]] == ["https://last.leadgenius.app"]


def test_holds_exactly_the_known_operations() -> None:
    assert {op["operationId"]: f"{method} {path}" for method, path, op in operations()} == OPERATIONS
    assert sum(1 for _ in operations()) == len(OPERATIONS) == 40


def test_is_small_enough_to_be_read_at_every_start() -> None:
    assert len(PATH.read_bytes()) <= 150 * 1024


@each_operation
def test_can_be_shown_as_help(op: Json) -> None:
    assert 0 < len(op["summary"]) <= 72
    assert not op["summary"].endswith(".")
    assert op["description"].endswith((".", ")"))


@each_operation
def test_belongs_to_one_declared_workflow(op: Json) -> None:
    assert len(op["tags"]) == 1
    assert op["tags"][0] in TAGS


def test_declares_each_workflow_with_a_description() -> None:
    assert {tag["name"] for tag in SPEC["tags"]} == TAGS
    assert all(tag["description"] for tag in SPEC["tags"])


def test_scope_follows_from_the_path() -> None:
    for _, path, op in operations():
        expected = re.match(r"/api/(agent|admin)/", path)
        assert op["x-scope"] == ("system" if path in SYSTEM else expected[1] if expected else "root"), path


@each_operation
def test_takes_the_credential_of_its_scope(op: Json) -> None:
    wanted = [] if op["operationId"] == "auth.login" else [{CREDENTIAL_OF_SCOPE[op["x-scope"]]: []}]
    assert op["security"] == wanted


def test_every_effect_is_known_and_only_login_reads_by_post() -> None:
    special = {"sequences.enroll": "contacts-people", "enrichment.trigger": "spends", "leads.delete-batch": "deletes"}
    for method, _, op in operations():
        name = op["operationId"]
        ordinary = "reads" if method == "GET" or name == "auth.login" else "writes"
        assert op["x-effect"] == special.get(name, ordinary), name


@each_operation
def test_lists_say_how_to_go_on_and_nothing_else_does(op: Json) -> None:
    parameters = {resolve(one)["name"] for one in op.get("parameters", [])}
    answer = success(op)[1]["schema"]["properties"]
    rows = answer.get("data", {}).get("type") == "array"
    paging = op.get("x-paging")
    assert (paging is not None) == rows
    assert (paging == "page") == ({"page", "pageSize"} <= parameters) == ("pagination" in answer)
    assert (paging == "cursor") == ({"limit", "nextToken"} <= parameters) == ("nextToken" in answer)


@each_operation
def test_documents_every_way_to_be_refused(op: Json) -> None:
    wanted = {"400", "401", "429", "500"}
    wanted |= {"411", "413", "415"} if body(op) else set()
    wanted |= {"403"} if op["x-scope"] in ("system", "admin") else set()
    wanted |= {"404"} if any(resolve(one)["in"] == "path" for one in op.get("parameters", [])) else set()
    wanted |= {"409"} if op["operationId"] == "leads.create" else set()
    refused = {status: one for status, one in op["responses"].items() if status >= "400"}
    assert set(refused) == wanted
    assert all(set(one) == {"$ref"} for one in refused.values())


@each_operation
def test_tells_the_rate_limit_with_every_answer(op: Json) -> None:
    for response in map(resolve, op["responses"].values()):
        assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(response["headers"])
    assert "Retry-After" in resolve(op["responses"]["429"])["headers"]


def test_method_not_allowed_names_the_methods() -> None:
    assert "Allow" in SPEC["components"]["responses"]["MethodNotAllowed"]["headers"]


def test_path_parameters_are_those_in_the_path() -> None:
    for _, path, op in operations():
        named = {one["name"] for one in map(resolve, op.get("parameters", [])) if one["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), path


@each_operation
def test_bodies_are_named_schemas(op: Json) -> None:
    found = body(op)
    assert found is None or set(found["schema"]) == {"$ref"}
    assert found is None or op["requestBody"]["required"] is True


@each_operation
def test_examples_are_valid_and_misspell_nothing(op: Json) -> None:
    contents = [success(op)[1], *filter(None, [body(op)])]
    for content in contents:
        assert faults(content, content["schema"], SPEC["components"]) == []
        assert faults(content, closed(content["schema"]), CLOSED) == []


@pytest.mark.parametrize("name", SPEC["components"]["responses"])
def test_examples_of_refusals_are_valid(name: str) -> None:
    content = SPEC["components"]["responses"][name]["content"]["application/json"]
    assert faults(content, content["schema"], SPEC["components"]) == []


def test_bodies_use_only_keywords_the_command_line_understands() -> None:
    for schema in body_schemas():
        assert set(schema) <= KEYWORDS, schema
        assert schema.get("additionalProperties") is not False


def test_every_field_of_a_body_is_described_and_typed() -> None:
    for schema in body_schemas():
        for name, field in schema.get("properties", {}).items():
            assert resolve(field).get("description"), name
            assert resolve(field).get("type"), name


def test_no_text_in_a_body_may_be_empty() -> None:
    for schema in body_schemas():
        bounded = schema.keys() & {"enum", "format", "minLength"}
        assert schema.get("type") != "string" or bounded, schema


def test_every_required_field_exists() -> None:
    for pointer, schema in walk(SPEC["components"]["schemas"]):
        if isinstance(schema.get("properties"), dict):
            assert set(schema.get("required", [])) <= set(schema["properties"]), pointer


def test_parameters_are_described_and_typed() -> None:
    for _, _, op in operations():
        for one in map(resolve, op.get("parameters", [])):
            assert one["description"], one
            assert "type" in resolve(one["schema"]), one


def test_records_tolerate_fields_that_nobody_listed() -> None:
    assert not [pointer for pointer, node in walk(SPEC) if node.get("additionalProperties") is False]


def test_assumed_stands_only_where_readers_look() -> None:
    marked = [(pointer, node["x-assumed"]) for pointer, node in walk(SPEC) if "x-assumed" in node]
    assert len(marked) > 40
    for pointer, value in marked:
        assert value is True, pointer
        assert re.fullmatch(ANNOTATED, pointer), pointer


@pytest.mark.parametrize(
    ("schema", "field", "ceiling", "assumed"),
    [
        ("LeadBatch", "leads", 100, False),
        ("EnrichmentRequest", "leadIds", 500, False),
        ("LeadIds", "ids", 100, True),
        ("Enrollment", "leadIds", 500, True),
    ],
)
def test_ceilings_of_batches(schema: str, field: str, ceiling: int, assumed: bool) -> None:
    found = SCHEMAS[schema]["properties"][field]
    assert found["type"] == "array"
    assert found["minItems"] == 1
    assert "x-assumed" not in found
    assert found.get("maxItems") == (None if assumed else ceiling)
    assert found.get("allOf") == ([{"maxItems": ceiling, "x-assumed": True}] if assumed else None)


def test_limits_of_pages() -> None:
    for name in ("PageSize", "AssumedPageSize"):
        schema = SPEC["components"]["parameters"][name]["schema"]
        assert (schema["minimum"], schema["default"], schema["maximum"]) == (1, 20, 100)
    limit = SPEC["components"]["parameters"]["Limit"]["schema"]
    assert (limit["minimum"], limit["default"], limit["maximum"]) == (1, 1000, 5000)


def test_every_component_is_used() -> None:
    used = {node["$ref"] for _, node in walk(SPEC) if "$ref" in node}
    components = SPEC["components"]
    made = {
        f"#/components/{kind}/{name}" for kind in components if kind != "securitySchemes" for name in components[kind]
    }
    assert made - used == {"#/components/responses/MethodNotAllowed"}
    used_schemes = {name for _, _, op in operations() for one in op["security"] for name in one}
    assert used_schemes == set(components["securitySchemes"])


def test_examples_hold_no_secret_and_no_real_address() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert set(re.findall(r"lgp_[0-9a-f]{7,}", text)) == {"lgp_" + "0" * 64}
    assert not re.findall(r"da2-[0-9a-z]{26}", text)
    assert {found for found in re.findall(r"[\w.]+@([\w.-]+)", text) if not found.endswith(".example")} == {"email.com"}
    hosts = set(re.findall(r"https?://([\w.-]+)", text))
    assert {host for host in hosts if not host.endswith(".example")} == {"last.leadgenius.app"}
