"""Reading answers tolerantly: the vendor's own clients have met several shapes of the same thing.

Rules: references/api_reference.md#tolerance. Every function takes a parsed body of any JSON type and never raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LARGEST_PAGE = 100  # rows; references/api_reference.md#paging
LARGEST_BULK_PAGE = 5000


def items(body: Any, collection: str = "") -> list[Any]:
    """The rows of a list answer: `data` as an array, `data.items`, the collection's own name, or the body itself."""
    return _rows(body, collection) or []


def has_rows(body: Any, collection: str = "") -> bool:
    """Whether a list answer has an array of rows at all, be it empty; one without is no end of a list."""
    return _rows(body, collection) is not None


def _rows(body: Any, collection: str) -> list[Any] | None:
    if isinstance(body, list):
        return body
    places = (holder.get(name) for holder, name in _places(body, collection))
    return next((found for found in places if isinstance(found, list)), None)


def rest(body: Any, collection: str = "") -> dict[str, Any]:
    """Everything of a list answer but its rows, so that nothing the server said beside them is lost."""
    if not isinstance(body, dict):
        return {}
    others = dict(body)
    data = others.get("data")
    if isinstance(data, dict):
        others.update({key: value for key, value in data.items() if key not in others})
        del others["data"]
    for name in ("data", "items", *_names(collection)):
        if isinstance(others.get(name), list):
            del others[name]
            break
    return others


def _places(body: Any, collection: str) -> Iterator[tuple[dict[str, Any], str]]:
    if not isinstance(body, dict):
        return
    data = body.get("data")
    yield body, "data"
    for holder in (data, body):
        if isinstance(holder, dict):
            yield from ((holder, name) for name in ("items", *_names(collection)))


def _names(collection: str) -> tuple[str, ...]:
    words = collection.split("-")
    return (collection, words[0] + "".join(word.capitalize() for word in words[1:]), words[-1])


def cursor(body: Any) -> str | None:
    """The next page's `nextToken`, at top level or inside `data`; None on the last page."""
    for holder in _holders(body):
        if holder.get("nextToken"):
            return str(holder["nextToken"])
    return None


def total(body: Any) -> int | None:
    """`pagination.totalItems` of a list answer, None where the server does not say."""
    return _page_number(body, "totalItems")


def total_pages(body: Any) -> int | None:
    """`pagination.totalPages` of a list answer, None where the server does not say."""
    return _page_number(body, "totalPages")


def _page_number(body: Any, name: str) -> int | None:
    for holder in _holders(body):
        pagination = holder.get("pagination")
        value = pagination.get(name) if isinstance(pagination, dict) else None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def record(body: Any, resource: str = "") -> Any:
    """The one record of an answer: `data`, `<resource>`, or the body itself."""
    if isinstance(body, dict):
        for name in ("data", resource):
            if isinstance(body.get(name), dict):
                return body[name]
    return body


def new_id(body: Any, resource: str = "") -> str | None:
    """The id of a record just made: top level `id`, `data.id`, or `<resource>.id`."""
    return _first_text(body, [("id",), ("data", "id"), (resource, "id")])


def job_id(body: Any) -> str | None:
    """The id of a job just started: `jobId` at top level or inside `data`."""
    return _first_text(body, [("jobId",), ("data", "jobId"), ("job", "id"), ("job", "jobId")])


def new_key(body: Any) -> str | None:
    """A key just made: `apiKey` as a string, `apiKey.plainTextKey`, or `data.apiKey`."""
    return _first_text(body, [("apiKey",), ("apiKey", "plainTextKey"), ("data", "apiKey")])


def token(body: Any) -> str | None:
    """The token of a login: `jwt_token`, `token`, `access_token`, or `tokens.accessToken`; also inside `data`."""
    paths: list[tuple[str, ...]] = [("jwt_token",), ("token",), ("access_token",), ("tokens", "accessToken")]
    return _first_text(body, paths + [("data", *path) for path in paths])


def _first_text(body: Any, paths: list[tuple[str, ...]]) -> str | None:
    for path in paths:
        value = body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value):
            return str(value)
    return None


def _holders(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, dict):
        return []
    return [holder for holder in (body, body.get("data")) if isinstance(holder, dict)]
