"""Where rows, cursor, token and ids stand in an answer: the vendor's clients have met several
shapes of each.

Every function takes a parsed body of any JSON type and never raises.
"""

from __future__ import annotations

from typing import Any

LARGEST_PAGE = 100  # rows of a numbered page
LARGEST_BULK_PAGE = 5000


def dig(body: Any, *paths: str) -> Any:
    """The value at the first of `paths` ("data.id" is `id` inside `data`) that is not null; None
    without one.
    """
    for path in paths:
        found = body
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            return found
    return None


def _text(body: Any, *paths: str) -> str | None:
    found = (dig(body, path) for path in paths)
    texts = (str(one) for one in found if isinstance(one, (str, int)) and not isinstance(one, bool))
    return next((text for text in texts if text), None)


def _names(collection: str) -> list[str]:
    """`target-accounts` may stand as itself, as `targetAccounts` or as `accounts`."""
    words = collection.split("-")
    return ["items", collection, words[0] + "".join(map(str.capitalize, words[1:])), words[-1]]


def _rows(body: Any, collection: str) -> list[Any] | None:
    if isinstance(body, list):
        return body
    names = _names(collection)
    places = ["data", *(f"data.{name}" for name in names), *names]
    return next((found for place in places if isinstance(found := dig(body, place), list)), None)


def items(body: Any, collection: str = "") -> list[Any]:
    """The rows of a list: `data` as an array, `data.items`, the collection's own name, or the body
    itself.
    """
    return _rows(body, collection) or []


def has_rows(body: Any, collection: str = "") -> bool:
    """Whether there is an array of rows at all, be it empty."""
    return _rows(body, collection) is not None


def rest(body: Any, collection: str = "") -> dict[str, Any]:
    """Everything of a list answer but its rows."""
    if not isinstance(body, dict):
        return {}
    others = dict(body)
    if isinstance(body.get("data"), dict):
        others = {**body["data"], **{name: value for name, value in body.items() if name != "data"}}
    held = next(
        (name for name in ("data", *_names(collection)) if isinstance(others.get(name), list)), ""
    )
    others.pop(held, None)
    return others


def cursor(body: Any) -> str | None:
    """`nextToken`, at top level or inside `data`; None on the last page."""
    return _text(body, "nextToken", "data.nextToken")


def total(body: Any) -> int | None:
    """`pagination.totalItems`, None where the server does not say."""
    return _count(body, "totalItems")


def total_pages(body: Any) -> int | None:
    """`pagination.totalPages`, None where the server does not say."""
    return _count(body, "totalPages")


def _count(body: Any, name: str) -> int | None:
    found = (dig(body, f"{place}pagination.{name}") for place in ("", "data."))
    return next((one for one in found if type(one) is int and one >= 0), None)


def record(body: Any, resource: str = "") -> Any:
    """The one record of an answer: `data`, `<resource>`, or the body itself."""
    return next(
        (one for name in ("data", resource) if isinstance(one := dig(body, name), dict)), body
    )


def new_id(body: Any, resource: str = "") -> str | None:
    """The id of a record just made: `id`, `data.id`, or `<resource>.id`."""
    return _text(body, "id", "data.id", f"{resource}.id")


def job_id(body: Any) -> str | None:
    """The id of a job just started."""
    return _text(body, "jobId", "data.jobId", "job.id", "job.jobId")


def new_key(body: Any) -> str | None:
    """A key just made: `apiKey` as a string, `apiKey.plainTextKey`, or `data.apiKey`."""
    return _text(body, "apiKey", "apiKey.plainTextKey", "data.apiKey")


def token(body: Any) -> str | None:
    """The token of a login; also inside `data`."""
    names = ("jwt_token", "token", "access_token", "tokens.accessToken")
    return _text(body, *names, *(f"data.{name}" for name in names))
