"""What the service says: answers, refusals, and the envelopes both come in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
}  # every other code is a 400


@dataclass
class Answer:
    """One HTTP answer. `drop` names a way to break the connection instead of (or while) sending it; see faults."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "application/json; charset=utf-8"
    drop: str = ""


class Refusal(Exception):
    """A request that is refused: `code` of the closed list, a sentence, the offending fields, extra headers."""

    def __init__(
        self,
        code: str,
        sentence: str,
        found: Sequence[tuple[str, str]] = (),
        headers: Sequence[tuple[str, str]] = (),
        status: int = 0,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.found = found
        self.headers = headers
        self.status = status or STATUS_OF_CODE.get(code, 400)

    def answer(self) -> Answer:
        """The error envelope: success, error, code, details (one entry for each bad field), requestId."""
        envelope: dict[str, Any] = {"success": False, "error": self.sentence, "code": self.code}
        if self.found:
            envelope["details"] = [{"field": name, "problem": problem} for name, problem in self.found]
        envelope["requestId"] = f"req-{secrets.token_hex(8)}"
        return Answer(self.status, encode(envelope), list(self.headers))


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises ValueError for what JSON cannot carry: NaN, infinities, lone surrogates."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def ok(data: Any, http: int = 200, **beside: Any) -> Answer:
    """`{"success": true, …beside, "data": data}`; `beside` are the fields clients read at the top level."""
    return Answer(http, encode({"success": True, **beside, "data": data}))


def said(http: int = 200, **fields: Any) -> Answer:
    """`{"success": true, …fields}`, for the answers whose fields all stand at the top level."""
    return Answer(http, encode({"success": True, **fields}))


def not_found(what: str) -> Refusal:
    """Also the answer to another company's id (references/api_reference.md#tenancy): it is nobody's business."""
    return Refusal("NOT_FOUND", f"No {what} has this id")
