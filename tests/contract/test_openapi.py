"""openapi.json is whole, small, and keeps the conventions that its readers rely on."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contract.operations import FILE, document, operations, resolve, schemas
from contract.validate import FORMATS, problems

Json = dict[str, Any]
ALL = list(operations().values())
each_operation = pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
CREDENTIALS = {"agent": "agentKey", "system": "amplifyKey", "admin": "adminKey", "root": "jwt"}
# What the validator understands, and words that restrict nothing.
KEYWORDS = {
    "type",
    "enum",
    "pattern",
    "format",
    "minLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
}
KEYWORDS |= {"minProperties", "required", "not", "properties", "items", "$ref", "description"}
KEYWORDS |= {"x-assumed", "x-any-case"}


def walk(node, pointer=""):
    """(pointer, object) of every object of the document, examples left out."""
    if isinstance(node, dict):
        yield pointer, node
        for name, inner in node.items():
            if name != "example":
                yield from walk(inner, f"{pointer}/{name.replace('/', '~')}")
    elif isinstance(node, list):
        for place, inner in enumerate(node):
            yield from walk(inner, f"{pointer}/{place}")


def schemas_of_bodies():
    """Every schema that a body or a parameter can reach."""
    waiting = [one.body for one in ALL if one.body]
    waiting += [parameter["schema"] for one in ALL for parameter in one.parameters().values()]
    while waiting:
        schema = waiting.pop()
        yield schema
        waiting += [resolve(inner) for inner in schema.get("properties", {}).values()]
        waiting += [resolve(schema["items"])] if "items" in schema else []


def examples():
    """(pointer, media type) of every example."""
    for pointer, node in walk(document()):
        if "example" in node and "schema" in node:
            yield pointer, node


def closed(node):
    """The document with no object open to other fields, to find misspelt ones in examples."""
    if isinstance(node, list):
        return [closed(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    made = {name: closed(inner) for name, inner in node.items()}
    if made.get("type") == "object" and isinstance(made.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


def test_it_is_small_enough_to_be_read_at_every_start():
    assert len(FILE.read_bytes()) <= 95 * 1024


def test_it_names_its_version_license_and_servers():
    assert document()["openapi"] == "3.1.0"
    assert document()["info"]["license"]["identifier"] == "MIT"
    servers = [one["url"] for one in document()["servers"]]
    assert servers == ["https://last.leadgenius.app", "http://127.0.0.1:8787"]


def test_it_has_forty_operations():
    assert len(ALL) == 40
    assert all(re.fullmatch(r"[a-z-]+(\.[a-z-]+){1,2}", one.id) for one in ALL)


@each_operation
def test_an_operation_can_be_shown_as_help(one):
    assert 0 < len(one.summary) <= 72
    assert not one.summary.endswith(".")
    assert one.description.endswith((".", ")"))
    assert [tag["name"] for tag in document()["tags"]].count(*one.spec["tags"]) == 1


@each_operation
def test_scope_and_credential_follow_from_the_path(one):
    found = re.match(r"/api/(agent|admin)/", one.path)
    expected = found[1] if found else "system" if one.path.endswith("-leads/list") else "root"
    assert one.scope == expected
    wanted = [] if one.id == "auth.login" else [{CREDENTIALS[expected]: []}]
    assert one.spec.get("security", document()["security"]) == wanted


@each_operation
def test_the_effect_is_known(one):
    special = {
        "sequences.enroll": "contacts-people",
        "enrichment.trigger": "spends",
        "leads.delete-batch": "deletes",
    }
    ordinary = "reads" if one.method == "GET" or one.id == "auth.login" else "writes"
    assert one.effect == special.get(one.id, ordinary)


@each_operation
def test_lists_and_nothing_else_state_their_paging(one):
    answer, parameters = one.answer["properties"], set(one.parameters())
    assert (one.paging is not None) == (resolve(answer.get("data", {})).get("type") == "array")
    assert (
        (one.paging == "page") == ({"page", "pageSize"} <= parameters) == ("pagination" in answer)
    )
    assert (
        (one.paging == "cursor")
        == ({"limit", "nextToken"} <= parameters)
        == ("nextToken" in answer)
    )


@each_operation
def test_every_way_to_be_refused_is_documented(one):
    wanted = {"400", "401", "429", "5XX"}
    wanted |= {"4XX"} if one.body else set()
    wanted |= {"403"} if one.scope in ("system", "admin") else set()
    wanted |= {"404"} if one.parameters("path") else set()
    wanted |= {"409"} if one.id == "leads.create" else set()
    refused = {
        status: answer for status, answer in one.spec["responses"].items() if status[0] != "2"
    }
    assert set(refused) == wanted
    assert all(set(answer) == {"$ref"} for answer in refused.values())


@each_operation
def test_bodies_and_answers_are_named_schemas(one):
    (answer,) = [response for status, response in one.spec["responses"].items() if status[0] == "2"]
    assert set(answer["content"]["application/json"]["schema"]) == {"$ref"}
    if one.body:
        assert set(one.spec["requestBody"]["content"]["application/json"]) == {"schema", "example"}
        assert one.spec["requestBody"]["required"] is True


@pytest.mark.parametrize(
    "content", [pytest.param(node, id=pointer) for pointer, node in examples()]
)
def test_examples_are_valid_and_misspell_nothing(content):
    schema = {**closed(content["schema"]), "components": closed(document()["components"])}
    assert list(Draft202012Validator(schema).iter_errors(content["example"])) == []
    assert problems(content["example"], content["schema"]) == []


def test_examples_show_no_secret_and_no_real_address():
    text = FILE.read_text(encoding="utf-8")
    assert not re.findall(r"lgp_[0-9a-f]{7,}|da2-[0-9a-z]{26}", text)
    assert {
        host for host in re.findall(r"[\w.]+@([\w.-]+)", text) if not host.endswith(".example")
    } == {"email.com"}


def test_no_reference_dangles_and_no_component_is_unused():
    used = {node["$ref"] for _, node in walk(document()) if "$ref" in node}
    components = document()["components"]
    kinds = [kind for kind in components if kind != "securitySchemes"]
    assert used == {f"#/components/{kind}/{name}" for kind in kinds for name in components[kind]}
    schemes = {
        name
        for one in ALL
        for need in one.spec.get("security", document()["security"])
        for name in need
    }
    assert schemes == set(components["securitySchemes"])


def test_arrays_have_items_and_objects_stay_open():
    for pointer, node in walk(document()):
        kind = node.get("type", ())
        assert "items" in node or not (kind == "array" or "array" in kind), pointer
        assert node.get("additionalProperties") is not False, pointer


def test_required_fields_exist():
    for pointer, node in walk(document()["components"]["schemas"]):
        if isinstance(node.get("properties"), dict) and isinstance(node.get("required"), list):
            assert set(node["required"]) <= set(node["properties"]), pointer


def test_bodies_use_only_keywords_the_validator_understands():
    for schema in schemas_of_bodies():
        assert set(schema) - {"default"} <= KEYWORDS, schema
        assert schema.get("format", "date") in FORMATS, schema
        assert set(schema.get("not", {})) <= {"required", "properties"}, schema


def test_every_field_of_a_body_has_a_type_and_a_description():
    for schema in schemas_of_bodies():
        for name, field in schema.get("properties", {}).items():
            assert {"type", "description"} <= set(resolve(field)), name


def test_no_text_in_a_body_may_be_empty():
    for schema in schemas_of_bodies():
        assert schema.get("type") != "string" or schema.keys() & {
            "enum",
            "format",
            "pattern",
            "minLength",
        }, schema


def test_marks_name_what_is_there():
    for one in ALL:
        mark = one.spec.get("x-assumed", [])
        assert set(mark) <= {"x-paging", *one.spec["responses"]}, one
    for pointer, node in walk(document()["components"]):
        mark = node.get("x-assumed", True)
        assert mark is True or (mark and set(mark) <= {*node, *node.get("enum", ())}), pointer


def test_figures_are_described_as_what_they_count():
    assert "ever reached" in operations()["campaigns.metrics"].description
    assert "ever reached" in operations()["analytics.pipeline"].description
    assert "period in which it was created" in operations()["analytics.trends"].description
    assert "Monday" in operations()["analytics.trends"].description
    assert set(schemas()["JobError"]["properties"]) == {"leadId", "reason"}
    assert "unassigned" in schemas()["BulkMeta"]["properties"]["clientSummary"]["description"]
