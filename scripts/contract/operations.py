"""references/openapi.json, read once: operations with method, path, fields, limits and effect."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Schema = dict[str, Any]
FILE = Path(__file__).resolve().parents[2] / "references" / "openapi.json"
_PAGING = {"page", "pageSize", "limit", "nextToken", "fields"}  # set by the options every list has


class Operation(NamedTuple):
    """One operation. `body`, `answer` and fields are resolved one level; see `expand`.

    `scope` says which credential it takes: agent, system, admin or root. `effect` is reads, writes,
    contacts-people, spends or deletes; `paging` is page or cursor for a list, None for everything
    else.
    """

    id: str  # leads.create
    method: str  # POST
    path: str  # as on the wire: /api/agent/leads
    spec: Schema
    summary: str
    description: str
    scope: str
    effect: str
    paging: str | None

    @property
    def changing(self) -> bool:
        """Whether read-only mode refuses it. A login is a POST that changes nothing."""
        return self.method != "GET" and self.id != "auth.login"

    def parameters(self, place: str = "query") -> dict[str, Schema]:
        """name → parameter, of those in `place` (query or path)."""
        found = [resolve(one) for one in self.spec.get("parameters", ())]
        return {one["name"]: one for one in found if one["in"] == place}

    def filters(self) -> dict[str, Schema]:
        """name → schema of the query parameters, paging left out."""
        return {
            name: {**resolve(one["schema"]), "description": one["description"]}
            for name, one in self.parameters().items()
            if name not in _PAGING
        }

    @property
    def content(self) -> Schema:
        """Schema and example of the body; empty for an operation without one."""
        found: Schema = (
            self.spec.get("requestBody", {}).get("content", {}).get("application/json", {})
        )
        return found

    @property
    def body(self) -> Schema:
        return resolve(self.content.get("schema", {}))

    def body_fields(self) -> dict[str, Schema]:
        """name → schema of the body's top-level fields."""
        return {name: resolve(one) for name, one in self.body.get("properties", {}).items()}

    @property
    def required(self) -> list[str]:
        """The fields a body must have."""
        return list(self.body.get("required", ()))

    @property
    def answer(self) -> Schema:
        """The schema of the success answer, which stands first."""
        found = next(iter(self.spec["responses"].values()))
        return resolve(found["content"]["application/json"]["schema"])

    def record(self) -> Schema:
        """The schema of one record: an item of a list, else `data`, else the answer itself."""
        answer = self.answer
        data = resolve(answer["properties"].get("data", {}))
        found = resolve(data.get("items", data))
        return found if "properties" in found else answer

    def columns(self) -> list[str]:
        """The fields of one record, in the order of csv columns."""
        return list(self.record()["properties"])

    def id_field(self) -> str | None:
        """The body field that is an array of ids or of records, if there is one."""
        fields = self.body_fields()
        return next((name for name in ("ids", "leadIds", "leads") if name in fields), None)


@cache
def document() -> Schema:
    """The whole document."""
    loaded: Schema = json.loads(FILE.read_bytes())
    return loaded


@cache
def operations() -> dict[str, Operation]:
    """operationId → Operation, in the order of the document."""
    made = {}
    for path, methods in document()["paths"].items():
        for method, spec in methods.items():
            name = spec["operationId"]
            made[name] = Operation(
                name, method.upper(), path, spec, spec["summary"], spec["description"],
                spec["x-scope"], spec["x-effect"], spec.get("x-paging"),
            )  # fmt: skip
    return made


def schemas() -> dict[str, Schema]:
    """name → shared schema."""
    found: dict[str, Schema] = document()["components"]["schemas"]
    return found


def resolve(schema: Schema) -> Schema:
    """What `$ref` points to; keywords beside the reference win."""
    while "$ref" in schema:
        target: Any = document()
        for word in schema["$ref"][2:].split("/"):
            target = target[word]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def expand(schema: Any, levels: int = 2) -> Any:
    """`schema` with references resolved `levels` deep; deeper ones keep only their name."""
    if isinstance(schema, list):
        return [expand(one, levels) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" not in schema:
        return {name: expand(one, levels) for name, one in schema.items()}
    if levels <= 0:
        return {**schema, "$ref": schema["$ref"].rsplit("/", 1)[-1]}
    return expand(resolve(schema), levels - 1)


def at(method: str, path: str) -> Operation | None:
    """The operation of a method and a path on the wire, or None."""
    for one in operations().values():
        pattern = re.sub(r"\{\w+\}", "[^/]*", one.path) + "/*"
        if one.method == method and re.fullmatch(pattern, path):
            return one
    return None


def near(word: str, known: list[str], least: float = 0.5) -> str:
    """The names most like `word`, with commas between; empty when none is."""
    from difflib import get_close_matches  # slow to import, and needed for a mistake only

    return ", ".join(get_close_matches(word, known, cutoff=least))
