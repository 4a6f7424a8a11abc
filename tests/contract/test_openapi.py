"""openapi.json is whole, small, and keeps the conventions that its readers rely on."""

import re

import pytest
from jsonschema import Draft202012Validator

from contract.operations import FILE, document, expand, operations
from contract.validate import FORMATS, PATTERNS, problems

ALL = list(operations().values())
each_operation = pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
CREDENTIALS = {"agent": "agentKey", "system": "amplifyKey", "admin": "adminKey", "root": "jwt"}
EFFECTS = {
    "sequences.enroll": "contacts-people",
    "enrichment.trigger": "spends",
    "leads.delete-batch": "deletes",
}
# What the validator understands, and words that restrict nothing.
KEYWORDS = {
    *("type", "enum", "pattern", "format", "minLength", "minItems", "maxItems", "minimum"),
    *("maximum", "minProperties", "required", "not", "properties", "items", "$ref"),
    *("description", "default", "x-assumed", "x-any-case"),
}


def walk(node, pointer=""):
    """(pointer, object) of every object of the document, examples left out."""
    inside = enumerate(node) if isinstance(node, list) else ()
    if isinstance(node, dict):
        yield pointer, node
        inside = node.items()
    for name, inner in inside:
        if name != "example":
            yield from walk(inner, f"{pointer}/{name}")


def schemas_of_bodies():
    """Every schema that a body or a parameter can reach."""
    waiting = [one.body for one in ALL if one.body]
    waiting += [one["schema"] for each in ALL for one in each.parameters().values()]
    while waiting:
        schema = waiting.pop()
        yield schema
        waiting += schema.get("properties", {}).values()
        waiting += [schema["items"]] if "items" in schema else []


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


def test_it_is_small_and_names_its_version_license_and_servers():
    assert len(FILE.read_bytes()) <= 95 * 1024  # it is read at every start
    assert document()["openapi"] == "3.1.0"
    assert document()["info"]["license"]["identifier"] == "MIT"
    servers = [one["url"] for one in document()["servers"]]
    assert servers == ["https://last.leadgenius.app", "http://127.0.0.1:8787"]
    assert len(ALL) == 40


@each_operation
def test_an_operation_can_be_shown_as_help(one):
    assert re.fullmatch(r"[a-z-]+(\.[a-z-]+){1,2}", one.id)
    assert re.fullmatch(r".{,71}[^.]", one.summary)
    assert one.description.endswith((".", ")"))
    assert [tag["name"] for tag in document()["tags"]].count(*one.spec["tags"]) == 1


@each_operation
def test_scope_credential_and_effect_follow_from_path_and_method(one):
    found = re.match(r"/api/(agent|admin)/", one.path)
    expected = found[1] if found else "system" if one.path.endswith("-leads/list") else "root"
    assert one.scope == expected
    wanted = [] if one.id == "auth.login" else [{CREDENTIALS[expected]: []}]
    assert one.spec.get("security", document()["security"]) == wanted
    ordinary = "reads" if one.method == "GET" or one.id == "auth.login" else "writes"
    assert one.effect == EFFECTS.get(one.id, ordinary)


@each_operation
def test_lists_and_nothing_else_state_their_paging(one):
    answer, parameters = one.answer["properties"], set(one.parameters())
    is_list = answer.get("data", {}).get("type") == "array"
    by_page, by_cursor = parameters >= {"page", "pageSize"}, parameters >= {"limit", "nextToken"}
    assert ("pagination" in answer, "nextToken" in answer) == (by_page, by_cursor)
    assert one.paging == ("page" if by_page else "cursor" if by_cursor else None)
    assert bool(one.paging) == is_list


@each_operation
def test_every_way_to_be_refused_is_documented_and_bodies_and_answers_are_named(one):
    wanted = {"400", "401", "429", "5XX"}
    wanted |= {"4XX"} if one.body else set()
    wanted |= {"403"} if one.scope in ("system", "admin") else set()
    wanted |= {"404"} if "{" in one.path else set()
    wanted |= {"409"} if one.id == "leads.create" else set()
    (status, answer), *refused = one.spec["responses"].items()
    assert status[0] == "2"
    assert set(answer["content"]["application/json"]["schema"]) == {"$ref"}
    assert {name for name, _ in refused} == wanted
    assert all(set(response) == {"$ref"} for _, response in refused)
    if one.body:
        assert set(one.content) == {"schema", "example"}
        assert one.spec["requestBody"]["required"] is True


def test_examples_are_valid_and_misspell_nothing():
    components = closed(document()["components"])
    shown = [node for _, node in walk(document()) if node.keys() >= {"example", "schema"}]
    assert len(shown) > 20
    for node in shown:
        whole = Draft202012Validator({**closed(node["schema"]), "components": components})
        assert list(whole.iter_errors(node["example"])) == []
        assert problems(node["example"], expand(node["schema"])) == []


def test_examples_show_no_secret_and_no_real_address():
    text = FILE.read_text(encoding="utf-8")
    assert not re.findall(r"lgp_[0-9a-f]{7,}|da2-[0-9a-z]{26}", text)
    assert {*re.findall(r"[\w.]+@(?![\w.-]+\.example)([\w.-]+)", text)} == {"email.com"}


def test_no_reference_dangles_and_no_component_is_unused():
    used = {node["$ref"] for _, node in walk(document()) if "$ref" in node}
    components = {**document()["components"]}
    schemes = set(components.pop("securitySchemes"))
    assert used == {
        f"#/components/{kind}/{name}" for kind, all in components.items() for name in all
    }
    needs = [need for one in ALL for need in one.spec.get("security", document()["security"])]
    assert schemes == {name for need in needs for name in need}


def test_arrays_have_items_objects_stay_open_and_required_fields_exist():
    for pointer, node in walk(document()["components"]["schemas"]):
        kind = node.get("type", ())
        assert "items" in node or not (kind == "array" or "array" in kind), pointer
        assert node.get("additionalProperties") is not False, pointer
        if isinstance(node.get("properties"), dict) and isinstance(node.get("required"), list):
            assert set(node["required"]) <= set(node["properties"]), pointer


def test_bodies_can_be_checked_and_described():
    for schema in schemas_of_bodies():
        assert set(schema) <= KEYWORDS, schema
        assert schema.get("format", "date") in FORMATS, schema
        assert schema.get("pattern", r"\S") in PATTERNS, schema
        assert set(schema.get("not", {})) <= {"required", "properties"}, schema
        for name, field in schema.get("properties", {}).items():
            assert {"type", "description"} <= set(field), name
        some = {"enum", "format", "pattern", "minLength"}  # no text may be empty
        assert schema.get("type") != "string" or schema.keys() & some, schema


def test_marks_name_what_is_there():
    for one in ALL:
        assert set(one.spec.get("x-assumed", [])) <= {"x-paging", *one.spec["responses"]}, one
    for pointer, node in walk(document()["components"]):
        mark = node.get("x-assumed", True)
        assert mark is True or (mark and set(mark) <= {*node, *node.get("enum", ())}), pointer


def test_figures_are_described_as_what_they_count():
    known = operations()
    assert "ever reached" in known["campaigns.metrics"].description
    assert "ever reached" in known["analytics.pipeline"].description
    assert "period in which it was created" in known["analytics.trends"].description
    assert set(document()["components"]["schemas"]["JobError"]["properties"]) == {
        "leadId",
        "reason",
    }
    shown = known["enrich-leads.list"].answer["properties"]["meta"]["properties"]
    assert "unassigned" in shown["clientSummary"]["description"]
