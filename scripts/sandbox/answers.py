"""What the service answers: answers, refusals, pages, and the envelopes they come in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

STATUS_OF_CODE = {
    "UNAUTHORIZED": 401,
    "ADMIN_REQUIRED": 403,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "DUPLICATE_DETECTED": 409,
    "LENGTH_REQUIRED": 411,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "SERVICE_UNAVAILABLE": 503,
}  # every other code is a 400
DEFAULT_SIZE, LARGEST_SIZE = 20, 100
LARGEST_PAGE = 10**15  # beyond it SQLite could not hold the offset; the page is empty anyway

Headers = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """One HTTP answer.

    `drop` names a way to break the connection instead of (or while) sending it; see faults.
    """

    status: int
    body: bytes
    headers: Headers = ()
    drop: str = ""


class Refusal(Exception):
    """A refused request.

    `code` of the closed list, a sentence, (field, problem) pairs, extra headers.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        details: Iterable[tuple[str, str]] = (),
        headers: Headers = (),
        status: int = 0,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.details = [{"field": name, "problem": problem} for name, problem in details]
        self.headers = headers
        self.status = status or STATUS_OF_CODE.get(code, 400)

    def answer(self) -> Answer:
        """The error envelope.

        Success, error, code, details (one entry for each bad field), requestId.
        """
        details = {"details": self.details} if self.details else {}
        envelope = {"success": False, "error": str(self), "code": self.code, **details}
        return Answer(
            self.status,
            encode({**envelope, "requestId": f"req-{secrets.token_hex(8)}"}),
            self.headers,
        )


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON.

    Raises ValueError for what JSON cannot carry: NaN, infinities, lone surrogates.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def reply(status: int = 200, /, **fields: Any) -> Answer:
    """`{"success".

    True, …fields}`; a record stands under `data`, its id beside it, because clients read it there.
    """
    return Answer(status, encode({"success": True, **fields}))


def not_found(what: str) -> Refusal:
    """Also the answer to another company's id (references/api_reference.md#tenancy)."""
    return Refusal("NOT_FOUND", f"No {what} has this id")


class Page(NamedTuple):
    """A numbered page; sizes over 100 are reduced silently (references/api_reference.md#paging)."""

    number: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> Page:
        size = min(query.get("pageSize", DEFAULT_SIZE), LARGEST_SIZE)
        return cls(min(query.get("page", 1), LARGEST_PAGE), size)

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size

    def cut(self, rows: Sequence[Any]) -> Sequence[Any]:
        return rows[self.start : self.start + self.size]

    def answer(self, rows: Sequence[Any], total: int) -> Answer:
        """success, data, pagination {page, pageSize, totalItems, totalPages}.

        `rows` are those of this page.
        """
        pages = -(-total // self.size)
        facts = {
            "page": self.number,
            "pageSize": self.size,
            "totalItems": total,
            "totalPages": pages,
        }
        return reply(data=rows, pagination=facts)
