"""Is a body or a parameter what openapi.json describes? All problems at once, each with its path.

What no vendor document states is marked `x-assumed` there: breaking it is worth a note, and the request goes out.
The JSON Schema words understood are those the document's request bodies use; a test keeps it so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from console.catalog import Schema, near, resolve

_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Problem:
    """What is wrong at `path` (`leads[3].email`); `assumed` when no vendor document states the rule."""

    path: str
    problem: str
    assumed: bool = False

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "problem": self.problem}


def problems(value: Any, schema: Schema, path: str = "", assumed: bool = False) -> Iterator[Problem]:
    """Every breach of `schema` by `value`."""
    schema = resolve(schema)
    assumed = assumed or schema.get("x-assumed") is True
    if not _is_kind(value, schema.get("type")):
        yield Problem(path, f"must be {_kind_words(schema['type'])}", assumed)
        return
    for text in (*_value_breaches(value, schema), *_size_breaches(value, schema)):
        yield Problem(path, text, assumed)
    for part in schema.get("allOf", ()):
        yield from problems(value, part, path, assumed)
    if isinstance(value, dict):
        yield from _inside_object(value, schema, path, assumed)
    if isinstance(value, list) and "items" in schema:
        for position, one in enumerate(value):
            yield from problems(one, schema["items"], f"{path}[{position}]", assumed)


def unknown_fields(value: Any, schema: Schema, path: str = "") -> Iterator[Problem]:
    """Top-level fields that the schema does not name: the server would drop them, or worse."""
    names = list(resolve(schema).get("properties", {}))
    for name in value if isinstance(value, dict) else ():
        if names and name not in names:
            like = near(name, names)
            yield Problem(f"{path}{name}", "is not a field" + (f"; did you mean {like}?" if like else " of this call"))


def _is_kind(value: Any, kind: Any) -> bool:
    kinds = kind if isinstance(kind, list) else [kind] if kind else []
    if isinstance(value, bool):
        return not kinds or "boolean" in kinds
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        return True
    return not kinds or any(isinstance(value, _KINDS[one]) for one in kinds)


def _kind_words(kind: Any) -> str:
    names = {"integer": "a whole number", "null": "null", "object": "an object", "array": "an array"}
    kinds = kind if isinstance(kind, list) else [kind]
    return " or ".join(
        names.get(one, {"string": "text", "boolean": "true or false"}.get(one, f"a {one}")) for one in kinds
    )


def _value_breaches(value: Any, schema: Schema) -> Iterator[str]:
    if "const" in schema and value != schema["const"]:
        yield f"must be {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield "must be one of " + ", ".join(str(one) for one in schema["enum"] if one is not None)
    if isinstance(value, str):
        yield from _text_breaches(value, schema)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            yield f"must be at least {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"must be at most {schema['maximum']}"


def _text_breaches(value: str, schema: Schema) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0) or (schema.get("minLength") and not value.strip()):
        yield "must not be empty"
        return
    if len(value) > schema.get("maxLength", len(value)):
        yield f"must have at most {schema['maxLength']} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield (
            "must start with https://" if schema["pattern"].startswith("^https") else f"must match {schema['pattern']}"
        )
    words = _FORMATS.get(schema.get("format", ""))
    if words and not words[0](value):
        yield f"must be {words[1]}"


def _size_breaches(value: Any, schema: Schema) -> Iterator[str]:
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"must have at least {schema['minItems']} item"
        if len(value) > schema.get("maxItems", len(value)):
            yield f"must have at most {schema['maxItems']} items, not {len(value)}"
    if isinstance(value, dict) and len(value) < schema.get("minProperties", 0):
        yield "needs at least one of " + ", ".join(schema.get("properties", {}))


def _inside_object(value: dict[str, Any], schema: Schema, path: str, assumed: bool) -> Iterator[Problem]:
    dot = f"{path}." if path else ""
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem(f"{dot}{name}", "is required", assumed)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from problems(value[name], inner, f"{dot}{name}", assumed)
    alternatives = schema.get("anyOf", ())
    if alternatives and all(any(problems(value, one, path)) for one in alternatives):
        names = sorted({name for one in alternatives for name in resolve(one).get("required", ())})
        yield Problem(path or "body", "needs one of " + ", ".join(names), assumed)


def is_date(text: str) -> bool:
    """A day as the API writes it: YYYY-MM-DD, and one that exists."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


_FORMATS = {
    "date": (is_date, "a date that exists, as YYYY-MM-DD"),
    "date-time": (_is_moment, "a time such as 2026-01-31T09:30:00.000Z"),
    "email": (lambda text: bool(_EMAIL.fullmatch(text)), "an e-mail address"),
    "uri": (lambda text: bool(re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+", text)), "a URL"),
}
