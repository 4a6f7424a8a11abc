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
    """A text or a number, as text; None for an empty one too."""
    found = [dig(body, path) for path in paths]
    return next((str(one) for one in found if one and type(one) in (str, int)), None)


def _place(body: Any, collection: str) -> str | None:
    """The path of the rows. `target-accounts` may stand as itself, as `targetAccounts` or as
    `accounts`.
    """
    first, *others = collection.split("-")
    camel = first + "".join(map(str.capitalize, others))
    names = ["items", collection, camel, collection.rpartition("-")[2]]
    places = ["data", *(f"data.{name}" for name in names), *names]
    return next((place for place in places if isinstance(dig(body, place), list)), None)


def items(body: Any, collection: str = "") -> list[Any]:
    """The rows of a list: `data` as an array, `data.items`, the collection's own name, or the body
    itself.
    """
    place = _place(body, collection)
    return body if isinstance(body, list) else dig(body, place) if place else []


def has_rows(body: Any, collection: str = "") -> bool:
    """Whether there is an array of rows at all, be it empty."""
    return isinstance(body, list) or _place(body, collection) is not None


def rest(body: Any, collection: str = "") -> dict[str, Any]:
    """Everything of a list answer but its rows."""
    place = (_place(body, collection) or "").rpartition(".")[2]
    inside = dig(body, "data")
    others = inside if isinstance(inside, dict) else {}
    if isinstance(body, dict):
        others = others | {name: value for name, value in body.items() if value is not others}
    return {name: value for name, value in others.items() if name != place}


def cursor(body: Any) -> str | None:
    """`nextToken`, at top level or inside `data`; None on the last page."""
    return _text(body, "nextToken", "data.nextToken")


def total(body: Any, name: str = "totalItems") -> int | None:
    """`pagination.totalItems`, None where the server does not say."""
    found = dig(body, f"pagination.{name}", f"data.pagination.{name}")
    return found if type(found) is int and found >= 0 else None


def total_pages(body: Any) -> int | None:
    """`pagination.totalPages`, None where the server does not say."""
    return total(body, "totalPages")


def record(body: Any, resource: str = "") -> Any:
    """The one record of an answer: `data`, `<resource>`, or the body itself."""
    found = [dig(body, "data"), dig(body, resource)]
    return next((one for one in found if isinstance(one, dict)), body)


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
