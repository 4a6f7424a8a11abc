"""Does a body or a parameter fit its schema? All problems at once, each with its path.

The keywords understood are those that request bodies in openapi.json use; the tests compare every
verdict with jsonschema. A rule that no vendor document states is listed in its schema's
`x-assumed`; its problems say so, and the command line sends such a body with a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from contract.operations import Schema, near, resolve

_TYPES: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "object": ("an object", dict),
    "array": ("an array", list),
    "string": ("text", str),
    "boolean": ("true or false", bool),
    "null": ("null", type(None)),
    "integer": ("a whole number", int),
    "number": ("a number", (int, float)),
}
_EMAIL = r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+"
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_CLOCK = rf"T{_TIME}:[0-5]\d(\.\d{{1,9}})?(Z|[+-]{_TIME})"  # compiled when first used


class Problem(NamedTuple):
    """What is wrong at `path` (`leads[3].email`); `assumed` if no vendor document states it."""

    path: str
    problem: str
    assumed: bool = False


def problems(value: Any, schema: Schema, path: str = "") -> list[Problem]:
    """Every breach of `schema` by `value`; none when the value is accepted."""
    return list(_breaches(value, schema, path, False))


def unknown_fields(value: Any, schema: Schema, path: str = "") -> list[Problem]:
    """Top-level fields that the schema does not name: it allows them, the server ignores them."""
    schema = resolve(schema)
    names = list(schema.get("properties", {}))
    refused = schema.get("not", {}).get("required", ())  # a problem of its own
    extra = set(value) - {*names, *refused} if isinstance(value, dict) and names else ()
    return [Problem(f"{path}{name}", _unknown(name, names)) for name in value if name in extra]


def is_date(text: str) -> bool:
    """A day as the API writes it: YYYY-MM-DD, and one that exists."""
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None and _exists(text)


def _exists(day: str) -> bool:
    from datetime import date  # a millisecond that most bodies do not need

    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _is_moment(text: str) -> bool:
    return is_date(text[:10]) and re.fullmatch(_CLOCK, text[10:], re.ASCII) is not None


def _is_email(text: str) -> bool:
    return len(text) <= 254 and re.fullmatch(_EMAIL, text) is not None


def _is_uri(text: str) -> bool:
    return re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+", text) is not None


# What `format` means in this document: name → check, words.
FORMATS: dict[str, tuple[Callable[[str], bool], str]] = {
    "date": (is_date, "a date that exists, as YYYY-MM-DD"),
    "date-time": (_is_moment, "a time such as 2026-01-31T09:30:00.000Z"),
    "email": (_is_email, "an e-mail address"),
    "uri": (_is_uri, "a URL"),
}


def _breaches(value: Any, schema: Schema, path: str, all_assumed: bool) -> Iterator[Problem]:
    schema = resolve(schema)
    marks = schema.get("x-assumed") or ()
    all_assumed = all_assumed or marks is True

    def problem(keyword: str, text: str, at: str = path) -> Problem:
        return Problem(at, text, all_assumed or keyword in marks)

    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is_kind(value, kind) for kind in kinds):
        yield problem("type", "must be " + " or ".join(_TYPES[kind][0] for kind in kinds))
        return
    for keyword, text in (*_value_rules(value, schema), *_size_rules(value, schema)):
        yield problem(keyword, text)
    if isinstance(value, dict):
        dot = f"{path}." if path else ""
        for keyword, name, text in _field_rules(value, schema):
            yield problem(keyword, text, dot + name)
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _breaches(value[name], inner, dot + name, all_assumed)
    if isinstance(value, list) and "items" in schema:
        for position, one in enumerate(value):
            yield from _breaches(one, schema["items"], f"{path}[{position}]", all_assumed)


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    whole = kind == "integer" and isinstance(value, float) and value.is_integer()  # 80.0 is one
    return whole or isinstance(value, _TYPES[kind][1])


def _value_rules(value: Any, schema: Schema) -> Iterator[tuple[str, str]]:
    """(keyword, problem) for what a text or a number breaks."""
    if "enum" in schema:
        word = value.lower() if schema.get("x-any-case") and isinstance(value, str) else value
        if word not in schema["enum"]:
            yield "enum", "must be one of " + ", ".join(str(one) for one in schema["enum"])
    if isinstance(value, str):
        yield from _text_rules(value, schema)
    elif isinstance(value, (int, float)):
        if value < schema.get("minimum", value):
            yield "minimum", f"must be at least {schema['minimum']}"
        if value > schema.get("maximum", value):
            yield "maximum", f"must be at most {schema['maximum']}"


def _text_rules(value: str, schema: Schema) -> Iterator[tuple[str, str]]:
    if len(value) < schema.get("minLength", 0):
        yield "minLength", "must not be empty"
        return
    pattern = schema.get("pattern", "")
    if not re.search(pattern, value):
        words = {r"\S": "must not be empty", "^https://": "must start with https://"}
        yield "pattern", words.get(pattern, f"must match {pattern}")
    elif "format" in schema and not FORMATS[schema["format"]][0](value):
        yield "format", f"must be {FORMATS[schema['format']][1]}"


def _size_rules(value: Any, schema: Schema) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield "minItems", f"must have at least {schema['minItems']} item"
        if len(value) > schema.get("maxItems", len(value)):
            yield "maxItems", f"must have at most {schema['maxItems']} items, not {len(value)}"
    elif isinstance(value, dict) and len(value) < schema.get("minProperties", 0):
        yield "minProperties", "needs at least one of " + ", ".join(schema["properties"])


def _field_rules(value: Schema, schema: Schema) -> Iterator[tuple[str, str, str]]:
    """(keyword, field, problem) for fields that are missing or refused."""
    for name in schema.get("required", ()):
        if name not in value:
            yield "required", name, "is required"
    for name in schema.get("not", {}).get("required", ()):
        if name in value:
            yield "not", name, _unknown(name, list(schema["properties"]))


def _unknown(name: str, known: list[str]) -> str:
    like = near(name, known)
    return "is not a field" + (f"; did you mean {like}?" if like else " of this call")
