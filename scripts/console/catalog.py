"""The machine truth, references/openapi.json, read once: operations with method, path, fields, limits and effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from leadgenius.errors import LocalError

Schema = dict[str, Any]
FILE = Path(__file__).resolve().parents[2] / "references" / "openapi.json"
_PAGING = {"page", "pageSize", "limit", "nextToken", "fields"}  # what the global options stand for


@dataclass(frozen=True)
class Operation:
    """One operation of the API. `body` and the parameters' schemas are resolved one level; `expand` goes deeper."""

    id: str
    method: str
    path: str
    spec: Schema

    @property
    def summary(self) -> str:
        return str(self.spec["summary"])

    @property
    def scope(self) -> str:
        return str(self.spec["x-scope"])

    @property
    def effect(self) -> str:
        return str(self.spec["x-effect"])

    @property
    def paging(self) -> str | None:
        """page, cursor, or None for what is no list."""
        return self.spec.get("x-paging")

    @property
    def collection(self) -> str:
        """The last fixed word of the path: the name under which some servers put a list's rows."""
        words = [word for word in self.path.split("/") if word and not word.startswith("{") and word != "list"]
        return words[-1]

    @property
    def changing(self) -> bool:
        """Whether --read-only refuses it. A login is a POST that changes nothing."""
        return self.method != "GET" and self.id != "auth.login"

    def parameters(self, place: str = "query") -> dict[str, Schema]:
        """name → parameter, of those in `place` (query or path)."""
        found = [resolve(one) for one in self.spec.get("parameters", [])]
        return {one["name"]: one for one in found if one["in"] == place}

    def filters(self) -> dict[str, Schema]:
        """The query parameters that are no paging."""
        return {name: one for name, one in self.parameters().items() if name not in _PAGING}

    @property
    def body(self) -> Schema | None:
        content = self.spec.get("requestBody", {}).get("content", {})
        return resolve(content["application/json"]["schema"]) if content else None

    def body_fields(self) -> dict[str, Schema]:
        """name → schema of the body's top-level fields."""
        return {name: resolve(one) for name, one in (self.body or {}).get("properties", {}).items()}

    @property
    def answer(self) -> Schema:
        """The schema of the success answer."""
        code = next(code for code in self.spec["responses"] if code.startswith("2"))
        return resolve(resolve(self.spec["responses"][code])["content"]["application/json"]["schema"])

    def record(self) -> Schema:
        """The schema of one record: an item of a list, else what stands under `data`, else the answer itself."""
        data = resolve(self.answer.get("properties", {}).get("data", {}))
        found = resolve(data["items"]) if "items" in data else data or self.answer
        return found if found.get("properties") else self.answer

    def columns(self) -> list[str]:
        return list(self.record().get("properties", {}))

    def id_field(self) -> str | None:
        """The body field that is an array of ids, if the operation takes one."""
        fields = self.body_fields()
        return next((name for name in ("ids", "leadIds") if name in fields), None)

    def ceiling(self, field: str) -> int:
        """How many items the array `field` of the body takes at most in one request."""
        schema = self.body_fields()[field]
        found = [one["maxItems"] for one in (schema, *schema.get("allOf", ())) if "maxItems" in one]
        return int(min(found))


@cache
def document() -> Schema:
    """references/openapi.json. LocalError when the folder is not whole."""
    try:
        loaded: Schema = json.loads(FILE.read_bytes())
    except (OSError, ValueError) as error:
        raise LocalError(
            "references/openapi.json is missing or broken.", hint="Install the skill's folder again, whole."
        ) from error
    return loaded


@cache
def operations() -> dict[str, Operation]:
    """operationId → Operation, in the order of the document."""
    return {one.id: one for one in _operations()}


def _operations() -> Iterator[Operation]:
    for path, methods in document()["paths"].items():
        for method, spec in methods.items():
            if isinstance(spec, dict) and "operationId" in spec:
                yield Operation(spec["operationId"], method.upper(), path, spec)


def schemas() -> dict[str, Schema]:
    found: dict[str, Schema] = document()["components"]["schemas"]
    return found


def resolve(schema: Schema) -> Schema:
    """The schema behind `$ref`; keywords beside the reference win."""
    while "$ref" in schema:
        target: Any = document()
        for word in schema["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def expand(schema: Any, levels: int = 2) -> Any:
    """`schema` with references resolved `levels` deep; deeper ones stay as the bare name of their schema."""
    if isinstance(schema, list):
        return [expand(one, levels) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        if levels <= 0:
            return {**schema, "$ref": schema["$ref"].rsplit("/", 1)[-1]}
        return expand(resolve(schema), levels - 1)
    return {name: expand(one, levels) for name, one in schema.items()}


def at(method: str, path: str) -> Operation | None:
    """The operation of a method and a path on the wire, or None."""
    return next((one for one in operations().values() if one.method == method and _same(one.path, path)), None)


def _same(template: str, path: str) -> bool:
    words, given = template.split("/"), path.rstrip("/").split("/")
    return len(words) == len(given) and all(a == b or a.startswith("{") for a, b in zip(words, given, strict=True))


def near_path(method: str, path: str) -> str:
    """The known `METHOD path` most like an unknown one."""
    known = [f"{one.method} {one.path}" for one in operations().values()]
    return near(f"{method} {path}", known, least=0.0)


def near_flag(word: str, known: list[str]) -> str:
    """The option most like `word`: one it begins or ends (`--phone`, `--name`), else one spelt alike.

    Never --yes: whoever mistypes an option must not be led to the one that lets a delete through.
    """
    safe = [flag for flag in known if flag.startswith("--") and flag != "--yes"]
    tail = "-" + word.lstrip("-")
    around = [flag for flag in safe if flag.startswith(word + "-") or flag.endswith(tail)]
    return around[0] if len(around) == 1 else near(word, safe, least=0.75)


def near(word: str, known: list[str], *, least: float = 0.5) -> str:
    """The names most like `word`, with commas between them; empty when none is."""
    matches = get_close_matches(word.lower(), [name.lower() for name in known], n=3, cutoff=least)
    back = {name.lower(): name for name in known}
    return ", ".join(back[name] for name in matches[: 1 if least == 0.0 else 3])
