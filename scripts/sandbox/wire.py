"""Reading a request off the WSGI environ: the raw target, the query, the credentials, the body.

Everything here is hostile until proven otherwise; whatever is malformed is refused with a 4xx.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from sandbox.answers import Refusal, encode

LARGEST_BODY = 5 * 1024 * 1024  # bytes; the sandbox's own choice, the vendor states none
DEEPEST = 64  # levels of nesting in a body
BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def target(environ: Mapping[str, Any]) -> tuple[str, str]:
    """The undecoded path and query. RAW_URI may be a path or a whole URL; without it PATH_INFO has to do."""
    raw = environ.get("RAW_URI")
    if raw is None:
        path = quote(environ.get("PATH_INFO", "").encode("latin-1", "replace"))
        return path, environ.get("QUERY_STRING", "")
    if not raw.startswith("/"):
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    path, _, query = raw.partition("#")[0].partition("?")
    return path, query


def segments(path: str) -> list[str]:
    """The path's segments, split before they are decoded, so that `a%2Fb` is one. Raises Refusal."""
    return [_decoded(part, "path") for part in path.removeprefix("/").split("/")]


def pairs(query: str) -> dict[str, str]:
    """The parameters of the query. A doubled or an empty one is refused: a caller's mistake, and guessing hides it."""
    found: dict[str, str] = {}
    problems = []
    for part in filter(None, query.split("&")):
        raw_name, _, raw_value = part.replace("+", " ").partition("=")
        name = _decoded(raw_name, "query")
        if name in found:
            problems.append((name, "is given twice"))
        found[name] = _decoded(raw_value, name)
        if not found[name]:
            problems.append((name, "must not be empty"))
    if problems:
        raise Refusal("INVALID_PARAMETER", "Parameters of the query are doubled or empty", problems)
    return found


def _decoded(text: str, where: str) -> str:
    try:
        if not BAD_ESCAPE.search(text):
            return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        pass
    problem = "is not percent-encoded UTF-8"
    raise Refusal("INVALID_PARAMETER", f"The URL {problem}", [(where, problem)])


def credentials(environ: Mapping[str, Any]) -> dict[str, str]:
    return {"x-api-key": environ.get("HTTP_X_API_KEY", ""), "authorization": environ.get("HTTP_AUTHORIZATION", "")}


def body(environ: Mapping[str, Any]) -> Any:
    """The JSON body. Raises Refusal: 411 without a length, 413, 415, INVALID_JSON."""
    length = _length(environ)
    _check_type(environ.get("CONTENT_TYPE", ""))
    raw = environ["wsgi.input"].read(length)
    if len(raw) < length:
        raise Refusal("INVALID_JSON", "The body ended before its stated length")
    try:
        return _parsed(raw)
    except (ValueError, RecursionError):
        raise Refusal("INVALID_JSON", "The body is not valid JSON in UTF-8") from None


def _length(environ: Mapping[str, Any]) -> int:
    stated = str(environ.get("CONTENT_LENGTH") or "")
    if not stated or environ.get("HTTP_TRANSFER_ENCODING"):
        raise Refusal("LENGTH_REQUIRED", "Send the body with a Content-Length")
    if not re.fullmatch("[0-9]+", stated):
        raise Refusal("LENGTH_REQUIRED", "Content-Length is not a number")
    if len(stated) > 15 or int(stated) > LARGEST_BODY:
        raise Refusal("PAYLOAD_TOO_LARGE", f"A body may have at most {LARGEST_BODY} bytes")
    return int(stated)


def _check_type(value: str) -> None:
    """No type at all counts as JSON."""
    kind, _, rest = value.lower().partition(";")
    charset = re.search(r'charset\s*=\s*"?([^";\s]*)', rest)
    json_like = not kind.strip() or re.fullmatch(r"application/([\w.+-]+\+)?json", kind.strip())
    if not json_like or (charset and charset[1] not in ("utf-8", "utf8")):
        raise Refusal("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in UTF-8")


def _parsed(raw: bytes) -> Any:
    value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    _check_depth(value)
    encode(value)  # refuses 1e999 and lone surrogates, which Python would read
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: Any) -> None:
    """Deeper bodies would meet Python's own limit later, where nobody expects it."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level if isinstance(one, (dict, list)) for inner in _members(one)]
        if not level:
            return
    raise ValueError("nested too deep")


def _members(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
