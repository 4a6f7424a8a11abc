"""Where rows, totals, tokens and ids stand in an answer: the vendor's clients have met several
shapes of each.

Every function takes a parsed body of any JSON type and never raises.
"""

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


def text(body: Any, *paths: str) -> str | None:
    """What dig finds, if it is a text or a number, as text; None for an empty one too."""
    found = dig(body, *paths)
    return str(found) if found and type(found) in (str, int) else None


def rows(body: Any, collection: str = "") -> list[Any] | None:
    """The rows of a list: `data` as an array, `data.items`, the collection's own name, or the body
    itself. None when there is no array of rows at all.
    """
    if isinstance(body, list):
        return body
    found = (dig(body, place) for place in ("data", "data.items", collection))
    return next((one for one in found if isinstance(one, list)), None)


def rest(body: Any, found: list[Any]) -> dict[str, Any]:
    """Everything an answer says beside its rows (`found`) or its `data`."""
    fields = dict(body) if isinstance(body, dict) else {}
    inside = fields.pop("data", None)
    if isinstance(inside, dict):
        fields = inside | fields
    return {name: one for name, one in fields.items() if one is not found}


def total(body: Any, name: str = "totalItems") -> int | None:
    """`pagination.totalItems`, or `name` beside it; None where the server does not say."""
    found = dig(body, f"pagination.{name}")
    return found if type(found) is int and found >= 0 else None


def record(body: Any) -> Any:
    """The one record of an answer: `data`, or the body itself."""
    inside = dig(body, "data")
    return inside if isinstance(inside, dict) else body


def new_id(body: Any, resource: str = "") -> str | None:
    """The id of a record just made: `id`, `data.id`, or `<resource>.id`."""
    return text(body, "id", "data.id", f"{resource}.id")


def job_id(body: Any) -> str | None:
    """The id of a job just started."""
    return text(body, "jobId", "data.jobId")


def new_key(body: Any) -> str | None:
    """A key just made: `apiKey.plainTextKey`, `apiKey` as a string, or `data.apiKey`."""
    return text(body, "apiKey.plainTextKey", "apiKey", "data.apiKey")


def token(body: Any) -> str | None:
    """The token of a login."""
    return text(body, "jwt_token", "token", "access_token", "tokens.accessToken")
