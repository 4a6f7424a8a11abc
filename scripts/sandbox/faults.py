"""The fault lever: failures on demand, so that a client can be seen to meet them.

`METHOD PATH=WHAT*N`, as in `POST /leads/batch=503*2` or `ANY /campaigns/*=reset`. PATH with or without `/api` and
`/agent`; `*` stands for one segment; N is how often, absent is always. WHAT:

- a status 400–599, as `503` or `503:30` (with that Retry-After): nothing is done
- `reset`, `close`, `stall`: nothing is done, and no answer comes
- `html`: nothing is done, and a proxy's page comes with status 200
- `truncate`, `badjson`: the call is carried out, its answer is damaged
- `applied-reset`: the call is carried out and the connection reset before the answer
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.answers import STATUS_OF_CODE, Answer, Refusal

LEVER = re.compile(r"([A-Za-z]+)\s+(\S+)=([a-z-]+|[0-9]{3}(?::[0-9]{1,6})?)(?:\*([0-9]{1,9}))?")
BEFORE = ("reset", "close", "stall")
AFTER = ("truncate", "badjson", "applied-reset")
CODE_OF_STATUS = {status: code for code, status in reversed(STATUS_OF_CODE.items())}
PAGE = b"<!doctype html><title>Sign in</title><h1>This network asks you to sign in</h1>"


def segments_of(path: str) -> tuple[str, ...]:
    """The path as the user thinks of it: without `/api` and `/api/agent`."""
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        parts = parts[1:]
    return tuple(parts[1:] if parts[:1] == ["agent"] else parts)


@dataclass
class Fault:
    method: str
    path: tuple[str, ...]
    what: str
    left: int | None  # None is always
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def parse(cls, lever: str) -> Fault:
        """Raises ValueError with a sentence that shows the grammar."""
        found = LEVER.fullmatch(lever.strip())
        if found is None:
            raise ValueError(f"a fault must look like 'POST /leads/batch=503*2', not {lever!r}")
        method, path, what, times = found.groups()
        words = (*BEFORE, *AFTER, "html")
        if what not in words and not 400 <= int(what[:3] if what[:3].isdigit() else 0) <= 599:
            raise ValueError(f"a fault is a status from 400 to 599 or one of {', '.join(words)}, not {what!r}")
        return cls(method.upper(), segments_of(path), what, int(times) if times else None)

    def take(self, method: str, path: tuple[str, ...]) -> bool:
        """Whether this request is hit; counts atomically across threads."""
        if self.method not in ("ANY", method) or len(self.path) != len(path):
            return False
        if any(mine not in ("*", given) for mine, given in zip(self.path, path, strict=True)):
            return False
        with self.lock:
            if self.left is None:
                return True
            self.left -= 1
            return self.left >= 0

    def strike(self, perform: Callable[[], Answer]) -> Answer:
        """The damaged answer; `perform` carries the call out."""
        if self.what in BEFORE:
            return Answer(503, b"", drop=self.what)
        if self.what == "html":
            return Answer(200, PAGE, content_type="text/html; charset=utf-8")
        if self.what in AFTER:
            return self._damage(perform())
        return self._status()

    def _damage(self, answer: Answer) -> Answer:
        if self.what == "badjson":
            answer.body = answer.body[:-1] + b",]"
        else:
            answer.drop = "reset" if self.what == "applied-reset" else self.what
        return answer

    def _status(self) -> Answer:
        status, _, seconds = self.what.partition(":")
        wait = seconds or ("1" if status in ("429", "503") else "")
        known = {found.value: found.phrase for found in HTTPStatus}
        sentence = "Rate limit exceeded (minute window)" if status == "429" else known.get(int(status), "Failed")
        code = CODE_OF_STATUS.get(int(status), "BAD_REQUEST" if int(status) < 500 else "INTERNAL")
        headers = [("Retry-After", wait)] if wait else []
        return Refusal(code, sentence, headers=headers, status=int(status)).answer()


def parse_all(levers: Sequence[str]) -> list[Fault]:
    return [Fault.parse(lever) for lever in levers]
