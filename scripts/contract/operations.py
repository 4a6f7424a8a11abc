"""references/openapi.json, read once: operations with method, path, fields, limits and effect."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Schema = dict[str, Any]
FILE = Path(__file__).resolve().parents[2] / "references" / "openapi.json"
_PAGING = {"page", "pageSize", "limit", "nextToken", "fields"}  # set by the options every list has


class Operation(NamedTuple):
    """One operation. Its schemas come with every reference resolved; `spec` is as in the document.

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
        return self.effect != "reads"

    def parameters(self) -> dict[str, Schema]:
        """name → parameter, of the path and the query."""
        return {one["name"]: one for one in expand(self.spec.get("parameters", []))}

    def filters(self) -> dict[str, Schema]:
        """name → schema of the query parameters, paging left out."""
        return {
            name: {**one["schema"], "description": one["description"]}
            for name, one in self.parameters().items()
            if one["in"] == "query" and name not in _PAGING
        }

    @property
    def content(self) -> Any:
        """Schema and example of the body; empty for an operation without one."""
        return self.spec.get("requestBody", {}).get("content", {}).get("application/json", {})

    @property
    def body(self) -> Any:
        """The schema of the body; empty for an operation without one."""
        return expand(self.content.get("schema", {}))

    def body_fields(self) -> Any:
        """name → schema of the body's top-level fields."""
        return self.body.get("properties", {})

    @property
    def answer(self) -> Any:
        """The schema of the success answer, which stands first."""
        found = next(iter(self.spec["responses"].values()))
        return expand(found["content"]["application/json"]["schema"])

    def record(self) -> Any:
        """The schema of one record: an item of a list, else `data`, else the answer itself."""
        answer = self.answer
        data = answer["properties"].get("data", {})
        found = data.get("items", data)
        return found if "properties" in found else answer

    def columns(self) -> list[str]:
        """The fields of one record, in the order of csv columns."""
        return list(self.record()["properties"])

    def id_field(self) -> str | None:
        """The body field that is an array of ids or of records, if there is one."""
        return next(iter({"ids", "leadIds", "leads"} & self.body_fields().keys()), None)


@cache
def document() -> Any:
    """The whole document."""
    return json.loads(FILE.read_bytes())


@cache
def operations() -> dict[str, Operation]:
    """operationId → Operation, in the order of the document."""
    names = ("summary", "description", "x-scope", "x-effect", "x-paging")
    return {
        spec["operationId"]: Operation(
            spec["operationId"], method.upper(), path, spec, *map(spec.get, names)
        )
        for path, methods in document()["paths"].items()
        for method, spec in methods.items()
    }


@cache
def _component(reference: str) -> Any:
    *_, kind, name = reference.split("/")
    return expand(document()["components"][kind][name])


def expand(schema: Any) -> Any:
    """`schema` with what each `$ref` names in its place; keywords beside the reference win."""
    if isinstance(schema, list):
        return [expand(one) if isinstance(one, dict) else one for one in schema]
    found = {
        name: expand(one) if isinstance(one, (dict, list)) else one for name, one in schema.items()
    }
    return _component(found.pop("$ref")) | found if "$ref" in found else found


def at(method: str, path: str) -> Operation | None:
    """The operation of a method and a path on the wire, or None."""
    for one in operations().values():
        pattern = re.sub(r"\{\w+\}", "[^/]*", one.path) + "/*"
        if one.method == method and re.fullmatch(pattern, path):
            return one
    return None


def near(word: str, known: list[str]) -> str:
    """The names most like `word`, with commas between; empty when none is."""
    from difflib import get_close_matches  # slow to import, and needed for a mistake only

    return ", ".join(get_close_matches(word, known))
