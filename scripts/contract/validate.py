"""Does a body or a parameter fit its schema? All problems at once, each with its path.

The keywords understood are those that request bodies in openapi.json use; the tests compare every
verdict with jsonschema. A rule that no vendor document states is listed in its schema's
`x-assumed`; its problems say so, and the command line sends such a body with a note.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from contract.operations import Schema, near

_KINDS: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    type(None): "null",
    int: "integer",
    float: "number",
}
_LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must not be empty",
    "minItems": "must have at least {} item",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} field",
}
PATTERNS = {
    r"\S": "must not be empty",
    r"[^.\s]": "must not be only dots or blanks",
    "^https://": "must start with https://",
}
_PART = r"[^@\s\x00-\x1f\x7f]+"
_DAY, _TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "([01][0-9]|2[0-3]):[0-5][0-9]"
FORMATS = {  # what `format` means in this document: name → pattern, words
    "date": (_DAY, "a date that exists, as YYYY-MM-DD"),
    "date-time": (
        rf"{_DAY}T{_TIME}:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-]{_TIME})",
        "a time such as 2026-01-31T09:30:00.000Z",
    ),
    "email": (rf"(?=.{{,254}}$){_PART}@{_PART}\.{_PART}", "an e-mail address"),
    "uri": (r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+", "a URL"),
}


class Problem(NamedTuple):
    """What is wrong at `path` (`leads[3].email`); `assumed` if no vendor document states it."""

    path: str
    problem: str
    assumed: bool = False


def is_date(text: str) -> bool:
    """A day as the API writes it: YYYY-MM-DD, and one that exists."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def fits(name: str, text: str) -> bool:
    """Whether `text` has the format `name`."""
    day_exists = not name.startswith("date") or is_date(text[:10])
    return day_exists and re.fullmatch(FORMATS[name][0], text) is not None


def problems(value: Any, schema: Schema, path: str = "", assumed: bool = False) -> list[Problem]:
    """Every breach of `schema` by `value`; none when the value is accepted. `assumed` is true
    inside a schema that is assumed as a whole."""
    marks = schema.get("x-assumed", ())
    assumed, dot = assumed or marks is True, f"{path}." if path else ""
    found = [
        Problem(dot + field if field else path, words, assumed or keyword in marks)
        for keyword, field, words in _breaches(value, schema)
    ]
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                found += problems(value[name], inner, dot + name, assumed)
    if isinstance(value, list):
        for position, one in enumerate(value):
            found += problems(one, schema.get("items", {}), f"{path}[{position}]", assumed)
    return found


def unknown_fields(value: Any, schema: Schema) -> list[Problem]:
    """Top-level fields that the schema does not name: it allows them, the server ignores them."""
    names = list(schema.get("properties", {}))
    known = {*names, *schema.get("not", {}).get("required", ())}  # refused: a problem of its own
    if not names or not isinstance(value, dict):
        return []
    return [Problem(name, _unknown(name, names)) for name in value if name not in known]


def _breaches(value: Any, schema: Schema) -> Iterator[tuple[str, str, str]]:
    """(keyword, field or "", problem) for what the value itself breaks."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    kind = _KINDS[type(value)]
    if kind == "number" and value.is_integer():  # 80.0 is whole
        kind = "integer"
    if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
        yield "type", "", "must be of type " + " or ".join(kinds)
        return
    if "enum" in schema:
        word = value.lower() if schema.get("x-any-case") else value
        if word not in schema["enum"]:
            yield "enum", "", "must be one of " + ", ".join(map(str, schema["enum"]))
    size = len(value) if isinstance(value, (str, list, dict)) else value
    for keyword, words in _LIMITS.items():
        limit = schema.get(keyword, size)
        if limit != size and (limit > size) is keyword.startswith("min"):
            yield keyword, "", words.format(limit)
    if isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value):
            yield "pattern", "", PATTERNS[schema["pattern"]]
        elif "format" in schema and not fits(schema["format"], value):
            yield "format", "", f"must be {FORMATS[schema['format']][1]}"
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                yield "required", name, "is required"
        for name in schema.get("not", {}).get("required", ()):
            if name in value:
                yield "not", name, _unknown(name, list(schema["properties"]))


def _unknown(name: str, known: list[str]) -> str:
    like = near(name, known)
    return f"is not a field; did you mean {like}?" if like else "is not a field"
