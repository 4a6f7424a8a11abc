"""api_reference.md equals its specification, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import reference
from reference import Reference, contents, fill, generate, headings, laid_out, main, slug

ROOT = reference.REFERENCES.parent
SPEC = reference.load()
PAGE = reference.PAGE.read_text(encoding="utf-8")
ANCHORS = [slug(text) for _, text in headings(PAGE)]
OPERATIONS = [
    pytest.param(method.upper(), path, op, id=op["operationId"])
    for path, methods in SPEC["paths"].items()
    for method, op in methods.items()
]


def section(name: str) -> str:
    found = re.search(rf"^### {re.escape(name)}\n(.*?)(?=^###? |^<!-- end)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page in a place of its own, which main() reads and writes."""
    page = tmp_path / "api_reference.md"
    page.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(reference, "PAGE", page)
    return page


def test_generated_sections_are_up_to_date() -> None:
    assert generate(PAGE, SPEC) == PAGE, "run python3 tests/reference.py"


def test_check_accepts_the_page_as_it_is(copy: Path) -> None:
    said: list[str] = []
    assert main(["--check"], said.append) == 0
    assert said == ["api_reference.md is up to date"]


def test_check_refuses_a_stale_page_and_leaves_it_alone(copy: Path) -> None:
    stale = PAGE.replace("`POST /api/agent/campaigns`", "`POST /api/agent/campaign`")
    copy.write_text(stale, encoding="utf-8")
    said: list[str] = []
    assert main(["--check"], said.append) == 1
    assert "out of date" in said[0]
    assert copy.read_text(encoding="utf-8") == stale


def test_rewriting_mends_a_stale_page_and_keeps_what_is_written_by_hand(copy: Path) -> None:
    copy.write_text(PAGE.replace("### leads.status", "### leads.state"), encoding="utf-8")
    assert main([], lambda _: None) == 0
    assert copy.read_text(encoding="utf-8") == PAGE


def test_a_changed_specification_makes_the_page_stale() -> None:
    changed = json.loads(json.dumps(SPEC))
    changed["components"]["schemas"]["LeadBatch"]["properties"]["leads"]["maxItems"] = 99
    assert generate(PAGE, changed) == PAGE.replace("1 to 100 items | The new leads.", "1 to 99 items | The new leads.")


@pytest.mark.parametrize("page", ["", "<!-- generated: a -->\n<!-- end: a -->\n" * 2])
def test_markers_must_stand_there_once(page: str) -> None:
    with pytest.raises(ValueError, match="'a'"):
        fill(page, "a", "text")


def test_the_page_has_no_marker_of_a_part_that_is_not_generated() -> None:
    marked = set(re.findall(r"<!-- generated: (.+) -->", PAGE))
    assert marked == {name for name, _ in Reference(SPEC).parts()} | {"contents"}


def test_every_anchor_is_one_place() -> None:
    assert len(ANCHORS) == len(set(ANCHORS))


def test_every_link_resolves() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) > 100
    for link in links:
        file, _, anchor = link.partition("#")
        assert not file or (reference.PAGE.parent / file).is_file(), link
        assert not anchor or anchor in ANCHORS, link


def test_contents_name_every_chapter_and_section() -> None:
    listed = re.findall(r"\(#([^)]+)\)", contents(PAGE))
    assert listed == [slug(text) for level, text in headings(PAGE) if level in (2, 3) and text != "Contents"]


def test_what_code_and_documents_point_at_is_there() -> None:
    found = {}
    for file in [*ROOT.glob("*.md"), *ROOT.glob("scripts/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        for anchor in re.findall(r"api_reference\.md#([\w-]+)", file.read_text(encoding="utf-8")):
            found[anchor] = file.name
    assert "search-depth" in found
    assert {anchor: file for anchor, file in found.items() if anchor not in ANCHORS} == {}


@pytest.mark.parametrize(("method", "path", "op"), OPERATIONS)
def test_every_operation_has_its_section(method: str, path: str, op: dict[str, Any]) -> None:
    text = section(op["operationId"])
    assert f"\n`{method} {path}`\n" in text
    assert f"scope {op['x-scope']} · " in text
    assert op["description"] in text
    for one in op.get("parameters", []):
        assert f"| `{Reference(SPEC).resolve(one)['name']}` |" in text
    for status in op["responses"]:
        assert f"`{status}`" in text
    assert text.count("```json") == (2 if "requestBody" in op else 1)


@pytest.mark.parametrize(("name", "op"), [(param.values[1], param.values[2]) for param in OPERATIONS])
def test_every_field_of_a_body_is_listed(name: str, op: dict[str, Any]) -> None:
    if "requestBody" in op:
        schema = Reference(SPEC).resolve(op["requestBody"]["content"]["application/json"]["schema"])
        for field in schema["properties"]:
            assert f"| `{field}` |" in section(op["operationId"]), name


def test_a_table_tells_what_is_required_limited_and_assumed() -> None:
    text = section("leads.delete-batch")
    assert "| `ids` | yes | list of text; not empty, at least 1 item, at most 100 items (*assumed*) |" in text
    assert "| `status` | yes, *assumed* | text, one of `new`," in section("leads.status")
    assert "the metrics need it. *assumed* |" in section("campaigns.create")
    assert "The form of this answer is *assumed*" in section("webhooks.create")
    assert "The form of this answer" not in section("campaigns.create")


def test_every_mark_is_listed_among_the_assumptions() -> None:
    text = dict(Reference(SPEC).parts())["marks"]
    for name, schema in SPEC["components"]["schemas"].items():
        if '"x-assumed"' in json.dumps(schema):
            assert re.search(rf"`{name}[.`]", text), name
    for *_, op in (param.values for param in OPERATIONS):
        answer = next(iter(op["responses"].values()))
        if '"x-assumed"' in json.dumps(answer):
            assert re.search(rf"`{re.escape(op['operationId'])} 20\d[.`]", text), op["operationId"]
    assert "| the answer 409 | `leads.create` |" in text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "minLength": 1}, "text, not empty"),
        ({"type": ["integer", "null"], "minimum": 0}, "whole number or null, at least 0"),
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, "list of text, at least 1 item"),
        ({"type": "array", "allOf": [{"maxItems": 5, "x-assumed": True}]}, "list, at most 5 items (*assumed*)"),
        ({"anyOf": [{"$ref": "#/components/schemas/Goals"}, {"type": "null"}]}, "[Goals](#record-goals) or null"),
        ({"$ref": "#/components/schemas/LeadInput"}, "[body of leads.create](#leadscreate)"),
        ({"$ref": "#/components/schemas/Score"}, "whole number, 0 to 100"),
        ({"type": "string", "pattern": "a|b", "const": "a"}, 'text, `"a"`, matching `a|b`'),
    ],
)
def test_forms_in_words(schema: dict[str, Any], words: str) -> None:
    assert Reference(SPEC).form(schema) == words


@pytest.mark.parametrize(
    "value", [{}, [], {"a": "é" * 200, "b": [1, {"c": None}]}, [["x" * 60, "y" * 60], {"k": "z" * 99}]]
)
def test_laid_out_json_is_the_same_value(value: Any) -> None:
    text = laid_out(value)
    assert json.loads(text) == value
    assert len(json.dumps(value, ensure_ascii=False)) <= reference.WIDTH or "\n" in text


def test_code_is_not_searched_for_headings() -> None:
    assert list(headings("# a\n```sh\n# not one\n```\n## b\n")) == [(1, "a"), (2, "b")]
