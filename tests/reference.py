"""Write the generated parts of references/api_reference.md from references/openapi.json.

`python3 tests/reference.py` rewrites them in place; `--check` changes nothing, says whether they are up to date and
returns 1 if they are not. A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`; what lies outside
is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REFERENCES = Path(__file__).resolve().parent.parent / "references"
SPEC, PAGE = REFERENCES / "openapi.json", REFERENCES / "api_reference.md"
METHODS = ("get", "post", "put", "delete")
CREDENTIALS = {
    "agentKey": "agent key",
    "amplifyKey": "Amplify key",
    "adminKey": "agent key of a Master Admin",
    "jwt": "JWT",
}
EFFECTS = {
    "reads": "reads",
    "writes": "**writes**",
    "contacts-people": "**contacts people**",
    "spends": "**spends money**",
    "deletes": "**deletes for good**",
}
TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false"}
ASSUMED = "*assumed*"
WIDTH = 100  # columns of an example

Json = dict[str, Any]
Part = tuple[str, str]  # name, text


def load() -> Json:
    spec: Json = json.loads(SPEC.read_text(encoding="utf-8"))
    return spec


class Reference:
    """The generated parts of one specification, each as Markdown text without a newline at its end."""

    def __init__(self, spec: Json) -> None:
        self.spec = spec
        self.schemas: Json = spec["components"]["schemas"]
        self.bodies = {_name(_body(op)["schema"]): op["operationId"] for _, _, op in self.operations() if _body(op)}

    def operations(self, tag: str = "") -> Iterator[tuple[str, str, Json]]:
        """(method, path, operation) in the order of the file, of one workflow or of all."""
        for path, methods in self.spec["paths"].items():
            for method in METHODS:
                if method in methods and tag in ("", *methods[method]["tags"]):
                    yield method.upper(), path, methods[method]

    def resolve(self, node: Json) -> Json:
        """The node itself, or what its `$ref` names."""
        while "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = self.spec["components"][kind][name]
        return node

    # -- parts

    def parts(self) -> list[Part]:
        workflows = [(f"workflow {tag['name']}", self.workflow(tag)) for tag in self.spec["tags"]]
        return [("codes", self.codes()), *workflows, ("records", self.records()), ("marks", self.marks())]

    def workflow(self, tag: Json) -> str:
        sections = [self.section(*one) for one in self.operations(tag["name"])]
        return "\n\n".join([f"## {tag['name'].capitalize()}", tag["description"], *sections])

    def section(self, method: str, path: str, op: Json) -> str:
        """One operation, whole."""
        return "\n\n".join(
            [
                f"### {op['operationId']}",
                f"{op['summary']}.",
                f"`{method} {path}`",
                self.facts(op),
                op["description"],
                *self.parameters(op),
                *self.body(op),
                *self.answer(op),
                self.errors(op),
            ]
        )

    def facts(self, op: Json) -> str:
        """Scope, credential, effect and paging on one line."""
        facts = [f"scope {op['x-scope']}", self.credential(op), f"effect: {EFFECTS[op['x-effect']]}"]
        if "x-paging" in op:
            facts.append(f"read on by {op['x-paging']}")
        return " · ".join(facts) + (f" · {ASSUMED}" if _is_assumed(op) else "")

    def credential(self, op: Json) -> str:
        if not op["security"]:
            return "no credential"
        (name,) = op["security"][0]
        scheme = self.spec["components"]["securitySchemes"][name]
        header = scheme["name"] if scheme["type"] == "apiKey" else "Authorization: Bearer"
        return f"{CREDENTIALS[name]} (`{header}`)"

    def parameters(self, op: Json) -> list[str]:
        found = [self.resolve(one) for one in op.get("parameters", [])]
        rows = [
            [f"`{one['name']}`", one["in"], _yes(one.get("required")), self.form(one["schema"]), _meaning(one)]
            for one in found
        ]
        return [_table(["parameter", "in", "required", "form", "meaning"], rows)] if rows else []

    def body(self, op: Json) -> list[str]:
        content = _body(op)
        if not content:
            return []
        schema = self.resolve(content["schema"])
        least = schema.get("minProperties")
        words = ["**Body**, JSON.", schema.get("description", ""), f"At least {least} field." if least else ""]
        return [" ".join(filter(None, words)), self.fields(schema, "required"), _code(content["example"])]

    def answer(self, op: Json) -> list[str]:
        status, response = next(iter(op["responses"].items()))
        content = response["content"]["application/json"]
        mark = f" The form of this answer is {ASSUMED}." if _is_assumed(content["schema"]) else ""
        head = f"**Answer** `{status}`: {response['description']}{mark}"
        return [head, self.fields(content["schema"]), _code(content["example"])]

    def errors(self, op: Json) -> str:
        found = [(status, self.resolve(one)) for status, one in op["responses"].items() if status >= "400"]
        words = [f"`{status}`" + (f" ({ASSUMED})" if _is_assumed(one) else "") for status, one in found]
        return "**Errors** " + ", ".join(words)

    def codes(self) -> str:
        """Every way to be refused: status, codes, meaning."""
        statuses = {_name(one): status for _, _, op in self.operations() for status, one in op["responses"].items()}
        statuses["MethodNotAllowed"] = "405"
        named = self.spec["components"]["responses"]
        rows = [
            [f"`{statuses[name]}`", ", ".join(f"`{code}`" for code in _codes(one)), _meaning(one)]
            for name, one in sorted(named.items(), key=lambda item: statuses[item[0]])
        ]
        return _table(["status", "code", "meaning"], rows)

    def records(self) -> str:
        """Every schema that has fields and is not the body of a call."""
        sections = []
        for name, schema in self.schemas.items():
            if self.has_page(name) and name not in self.bodies:
                mark = f" Its form is {ASSUMED}." if _is_assumed(schema) else ""
                sections.append(f"### Record: {name}\n\n{schema['description']}{mark}\n\n{self.fields(schema)}")
        return "\n\n".join(sections)

    def marks(self) -> str:
        """Every `x-assumed` of the specification; places that are assumed the same share a row."""
        places: dict[str, list[str]] = {}
        for where, what in self.assumed():
            places.setdefault(what, []).append(f"`{where}`")
        return _table(["what is assumed", "where"], [[what, ", ".join(found)] for what, found in places.items()])

    # -- schemas

    def has_page(self, name: str) -> bool:
        return "properties" in self.schemas[name]

    def fields(self, schema: Json, need: str = "always there") -> str:
        """The table of an object's fields; `need` heads the column of what is required."""
        rows = [[f"`{name}`", yes, self.form(one), _meaning(one)] for name, yes, one in self.members(schema)]
        return _table(["field", need, "form", "meaning"], rows)

    def members(self, schema: Json, above: str = "") -> Iterator[tuple[str, str, Json]]:
        """(dotted name, whether it is required, schema) of every field; objects without a name are opened up."""
        required = dict.fromkeys(schema.get("required", []), "yes")
        for part in schema.get("allOf", []):
            required.update(dict.fromkeys(part.get("required", []), f"yes, {ASSUMED}"))
        for name, member in schema["properties"].items():
            if member == {"const": True}:
                continue  # `success`: the same in every answer
            shown = {**self.described(member), **member}
            yield above + name, required.get(name, ""), shown
            inner = member.get("items", member)
            if "properties" in inner:
                yield from self.members(inner, above + name + ("[]." if "items" in member else "."))

    def described(self, member: Json) -> Json:
        return {"description": self.resolve(member).get("description", "")}

    def form(self, schema: Json) -> str:
        """Type and limits in words: "text, not empty", "list of [Lead](#record-lead), 1 to 100 items"."""
        if "$ref" in schema:
            name = _name(schema)
            return self.link(name) if self.has_page(name) else self.form(self.schemas[name])
        phrases = [self.kind(schema), *_limits(schema)]
        for part in schema.get("allOf", []):
            phrases.append(self.form(part) + (f" ({ASSUMED})" if _is_assumed(part) else ""))
        return ", ".join(filter(None, phrases))

    def kind(self, schema: Json) -> str:
        """The type alone."""
        if "anyOf" in schema:
            return " or ".join(self.form(one) for one in schema["anyOf"])
        names = schema.get("type", [])
        words = [self.word(name, schema) for name in ([names] if isinstance(names, str) else names)]
        return " or ".join(words)

    def word(self, name: str, schema: Json) -> str:
        if name == "array":
            return f"list of {self.form(schema['items'])}".replace(", ", "; ") if "items" in schema else "list"
        if name == "object" and "additionalProperties" in schema:
            return f"object of {self.form(schema['additionalProperties'])}"
        return str(schema["format"]) if name == "string" and "format" in schema else TYPES.get(name, name)

    def link(self, name: str) -> str:
        if name in self.bodies:
            return f"[body of {self.bodies[name]}](#{slug(self.bodies[name])})"
        return f"[{name}](#{slug(f'Record: {name}')})"

    # -- marks

    def assumed(self) -> Iterator[tuple[str, str]]:
        """(place, what) of every mark: schemas first, then call by call."""
        for name, schema in self.schemas.items():
            yield from self.assumed_in(name, schema)
        for _, _, op in self.operations():
            yield from self.assumed_of(op)

    def assumed_of(self, op: Json) -> Iterator[tuple[str, str]]:
        if _is_assumed(op):
            yield op["operationId"], "the call"
        for one in map(self.resolve, op.get("parameters", [])):
            if _is_assumed(one):
                yield op["operationId"], f"the parameter `{one['name']}`"
        for status, one in op["responses"].items():
            response = self.resolve(one)
            if _is_assumed(response):
                yield op["operationId"], f"the answer {status}"
            schema = response["content"]["application/json"]["schema"]
            yield from self.assumed_in(f"{op['operationId']} {status}", schema)

    def assumed_in(self, place: str, schema: Json) -> Iterator[tuple[str, str]]:
        if _is_assumed(schema):
            yield place, self.claim(schema)
        for part in schema.get("allOf", []):
            yield from self.assumed_in(place, part)
        for name, member in schema.get("properties", {}).items():
            yield from self.assumed_in(f"{place}.{name}", member)
        for inner in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
            yield from self.assumed_in(place, inner)

    def claim(self, schema: Json) -> str:
        """What a mark on this schema says."""
        needed = [one["required"] for one in [schema, *schema.get("anyOf", [])] if "required" in one]
        if "properties" in schema:
            return "the form: " + ", ".join(f"`{name}`" for name in schema["properties"])
        if needed:
            return "the name of the field: " + " or ".join(f"`{name}`" for names in needed for name in names)
        return self.form(schema)


# -- words


def _name(node: Json) -> str:
    return str(node.get("$ref", "")).rpartition("/")[2]


def _body(op: Json) -> Json:
    content: Json = op.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content


def _is_assumed(node: Json) -> bool:
    return node.get("x-assumed") is True


def _yes(flag: Any) -> str:
    return "yes" if flag else ""


def _meaning(node: Json, *, mark: bool = True) -> str:
    text = str(node.get("description", ""))
    return f"{text} {ASSUMED.capitalize()}".strip() if mark and _is_assumed(node) else text


def _codes(response: Json) -> list[str]:
    code = response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]
    return list(code.get("enum", [code.get("const")]))


def _limits(schema: Json) -> Iterator[str]:
    """The limits of one schema, without those in its `allOf`."""
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        yield f"`{json.dumps(schema['const'])}`"
    if schema.get("minLength") == 1:
        yield "not empty"
    yield from _range(schema, "minItems", "maxItems", " items")
    yield from _range(schema, "minimum", "maximum", "")
    yield from _range(schema, "minProperties", "maxProperties", " fields")
    if "pattern" in schema:
        yield f"matching `{schema['pattern']}`"
    if "default" in schema:
        yield f"default {schema['default']}"


def _range(schema: Json, low: str, high: str, unit: str) -> Iterator[str]:
    least, most = schema.get(low), schema.get(high)
    if least is not None and most is not None:
        yield f"{least} to {most}{unit}"
    elif least is not None:
        yield f"at least {least}{unit if least != 1 else unit.removesuffix('s')}"
    elif most is not None:
        yield f"at most {most}{unit}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table without the columns that are empty in every row."""
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line[place].replace("|", "\\|") for place in kept) + " |" for line in lines)


def _code(value: Any) -> str:
    return f"```json\n{laid_out(value)}\n```"


def laid_out(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON with every object and list on one line if it fits, for examples that are short and still readable."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or indent + before + len(flat) <= WIDTH:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key)}: {laid_out(one, indent + 2, len(key) + 4)}" for key, one in value.items()]
    else:
        lines = [pad + laid_out(one, indent + 2) for one in value]
    left, right = "{}" if isinstance(value, dict) else "[]"
    return left + "\n" + ",\n".join(lines) + "\n" + " " * indent + right


# -- the page


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def headings(page: str) -> Iterator[tuple[int, str]]:
    """(level, text) of every heading outside code."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for found in re.finditer(r"^(#+) (.+)$", prose, re.MULTILINE):
        yield len(found[1]), found[2]


def contents(page: str) -> str:
    """A line for each chapter, with its sections behind it."""
    lines: list[str] = []
    for level, text in headings(page):
        link = f"[{text.removeprefix('Record: ')}](#{slug(text)})"
        if level == 2 and text != "Contents":
            lines.append(f"- **{link}**")
        elif level == 3:
            lines[-1] += (" · " if lines[-1].endswith(")") else ": ") + link
    return "\n".join(lines)


def fill(page: str, name: str, text: str) -> str:
    """The page with one part replaced. Raises ValueError unless its markers stand there exactly once."""
    pattern = rf"(<!-- generated: {re.escape(name)} -->\n).*?(<!-- end: {re.escape(name)} -->)"
    filled, count = re.subn(pattern, lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the markers of {name!r} stand {count} times in {PAGE.name}")
    return filled


def generate(page: str, spec: Json) -> str:
    """The page with every generated part made anew; the contents last, since they list the others' headings."""
    for name, text in Reference(spec).parts():
        page = fill(page, name, text)
    return fill(page, "contents", contents(page))


def main(argv: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the page is out of date")
    check = parser.parse_args(argv).check
    page = PAGE.read_text(encoding="utf-8")
    fresh = generate(page, load())
    if check:
        say(f"{PAGE.name} is up to date" if page == fresh else f"{PAGE.name} is out of date: run tests/reference.py")
        return int(page != fresh)
    PAGE.write_text(fresh, encoding="utf-8")
    say(f"{PAGE.name}: {len(fresh.encode()) // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
