"""Write the generated parts of references/api_reference.md: `python3 tests/contract/reference.py`.

A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`; the rest is written by
hand. The tests compare the page with what this writes.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "references" / "api_reference.md"
if str(ROOT / "scripts") not in sys.path:
    sys.path.insert(0, str(ROOT / "scripts"))

from contract.operations import document, expand, operations  # noqa: E402
from leadgenius.retry import RULES  # noqa: E402

SCHEMAS = document()["components"]["schemas"]
EFFECTS = {
    "contacts-people": "**contacts people**",
    "spends": "**spends money**",
    "deletes": "**deletes**",
}


def parts():
    """name → lines of every generated part."""
    return {
        "failures": failures(),
        "operations": operation_table(),
        "records": records(),
        "assumptions": assumptions(),
    }


def generate(page):
    """The page with every generated part written anew."""
    for name, lines in parts().items():
        page = fill(page, name, "\n".join(lines))
    return page


def fill(page, name, text):
    """The page with one part replaced. ValueError unless its two markers stand there once."""
    pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end: {name} -->)"
    if len(re.findall(pattern, page, re.DOTALL)) != 1:
        raise ValueError(f"the markers of {name!r} do not stand once in the page")
    return re.sub(pattern, lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page, flags=re.DOTALL)


def row(*cells):
    return "| " + " | ".join(cells) + " |"


# -- failures


def failures():
    yield row("what happened", "GET", "PUT, DELETE", "POST")
    yield row(*["---"] * 4)
    again = {"once": "retried once, ", "wait": "waits, retried, ", "never": ""}
    for rule in RULES.values():
        words = again.get(rule.again, "retried, ")
        post = words if rule.again in ("always", "wait") else ""
        change = 8 if rule.exit_code == 7 else rule.exit_code  # it may have been applied
        yield row(rule.what, f"{words}{rule.exit_code}", f"{words}{change}", f"{post}{change}")


# -- operations


def operation_table():
    yield row("operation", "method and path", "effect", "fields", "answer")
    yield row(*["---"] * 5)
    for one in operations().values():
        effect = ", ".join(filter(None, [EFFECTS.get(one.effect, one.effect), one.paging]))
        yield row(f"`{one.id}`", f"`{one.method} {one.path}`", effect, fields(one), answer(one))


def fields(one):
    """Of the body, else of the query; `*` marks a required one."""
    query = {name for name, spec in one.parameters().items() if spec.get("required")}
    known, needed = one.body_fields() or one.filters(), {*one.body.get("required", ()), *query}
    return ", ".join(f"{name}*" if name in needed else name for name in known)


def answer(one):
    success = next(iter(one.spec["responses"].values()))
    named = success["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    found = {**SCHEMAS[named]["properties"]}
    for name in ("success", "pagination"):
        found.pop(name, None)
    return ", ".join(name + form(inner) for name, inner in found.items())


def form(schema):
    """The record that a field holds, as `: Lead` or `: [Lead]`; empty for plain values."""
    inner = schema.get("items", schema)
    named = next((one for one in (inner, *inner.get("anyOf", ())) if "$ref" in one), None)
    if named is None:
        return ""
    name = named["$ref"].rsplit("/", 1)[-1]
    return f": [{name}]" if inner is not schema else f": {name}"


# -- records


def records():
    """One line for each shared schema that is neither a body nor an answer of its own."""
    top = set(
        re.findall(
            r'"schema": \{"\$ref": "#/components/schemas/(\w+)"', json.dumps(document()["paths"])
        )
    )
    top -= {"LeadStatus", "CampaignStatus", "CampaignType"}  # of parameters
    for name, schema in SCHEMAS.items():
        if name not in top and "properties" in schema:
            words = [
                field + ("?" if nullable(one) else "") + form(one)
                for field, one in schema["properties"].items()
            ]
            yield f"- **{name}**: {', '.join(words)}"
        elif "enum" in schema:
            yield f"- **{name}**: one of {', '.join(schema['enum'])}"


def nullable(schema):
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())


# -- assumptions


def assumptions():
    """Every mark in the document, sorted by what it stands on."""
    marks = {one.id: one.spec.get("x-assumed", ()) for one in operations().values()}
    yield "- Lists that are read by page: " + names(
        name for name, found in marks.items() if "x-paging" in found
    )
    yield "- The form of the success answer: " + names(
        name for name, found in marks.items() if {"200", "201", "202"} & set(found)
    )
    yield "- The answer 409: " + names(name for name, found in marks.items() if "409" in found)
    found = [mark for name, schema in SCHEMAS.items() for mark in schema_marks(name, schema)]
    whole = [place for place, rule in found if not rule]
    yield "- The whole record: " + names(place for place in whole if "." not in place)
    yield "- Fields: " + names(place for place in whole if "." in place)
    yield "- Rules and values: " + "; ".join(f"`{place}` {rule}" for place, rule in found if rule)


def schema_marks(place, schema):
    """(place, rule) of every mark of a schema and its fields; an empty rule for all of it."""
    mark = schema.get("x-assumed", ())
    if mark is True:
        yield place, ""
    else:
        yield from ((place, rule_of(schema, word)) for word in mark)
    for name, field in schema.get("properties", {}).items():
        yield from schema_marks(f"{place}.{name}", field)


def rule_of(schema, word):
    value = expand(schema).get(word, "")
    return f"{word} {', '.join(value) if isinstance(value, list) else value}".strip()


def names(found):
    return ", ".join(f"`{name}`" for name in found)


if __name__ == "__main__":
    PAGE.write_text(generate(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
