"""Faults: failures on demand (--fault, repeatable), so that a client can be seen to meet them.

METHOD PATH=WHAT*N, as in 'POST /leads/batch=503*2' or 'ANY /campaigns/*=reset'. METHOD may be ANY;
PATH is given with or without /api/agent, and * stands for one segment of it; N is how often,
without *N always. WHAT is:

  503, 503:30          a status from 400 to 599, with such a Retry-After; nothing is done
  reset, close, stall  the connection breaks, or no answer comes; nothing is done
  html                 a sign-in page of a proxy, status 200; nothing is done
  stored-nothing       an answer of success with ids; nothing is kept
  truncate, badjson    the call is carried out, its answer is damaged
  applied-reset        the call is carried out, the connection breaks before the answer
  lag:SECONDS          a list does not show records that are younger

"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus

from sandbox.answers import STATUS_OF_CODE, Answer, Refusal

BEFORE = ("reset", "close", "stall")
WORDS = (*BEFORE, "html", "stored-nothing", "truncate", "badjson", "applied-reset")
WHAT = "|".join((*WORDS, "[45][0-9]{2}(?::[0-9]{1,6})?", "lag:[0-9]{1,6}"))
GRAMMAR = re.compile(rf"([A-Za-z]+)\s+(\S+)=({WHAT})(?:\*([0-9]{{1,9}}))?")
CODE_OF_STATUS = {status: code for code, status in reversed(STATUS_OF_CODE.items())}
PHRASES = {status.value: status.phrase for status in HTTPStatus}
PAGE = b"<!doctype html><title>Sign in</title><h1>This network asks you to sign in</h1>"

Perform = Callable[[bool, float], Answer]  # whether to keep what is written; seconds that lists lag


def segments_of(path: str) -> tuple[str, ...]:
    """The path as the user thinks of it: without `/api` and `/api/agent`."""
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        parts = parts[1:]
    return tuple(parts[1:] if parts[:1] == ["agent"] else parts)


class Fault:
    """One fault of the grammar above; raises ValueError with a sentence that shows it."""

    def __init__(self, text: str) -> None:
        found = GRAMMAR.fullmatch(text.strip())
        if found is None:
            known = ", ".join(("503", "503:30", *WORDS, "lag:30"))
            raise ValueError(
                f"a fault must look like 'POST /leads/batch=503*2', not {text!r}; "
                f"after = stands one of {known}"
            )
        self.method, self.what = found[1].upper(), found[3]
        self.path = segments_of(found[2])
        self.left = int(found[4]) if found[4] else None  # None is always
        self._lock = threading.Lock()

    def take(self, method: str, path: Sequence[str]) -> bool:
        """Whether this request fails; counts atomically across threads."""
        if self.method not in ("ANY", method) or len(self.path) != len(path):
            return False
        if any(word not in ("*", given) for word, given in zip(self.path, path, strict=True)):
            return False
        with self._lock:
            if self.left is not None:
                self.left -= 1
            return self.left is None or self.left >= 0

    def answer(self, perform: Perform) -> Answer:
        """The damaged answer; `perform` carries the call out."""
        if self.what in BEFORE:
            return Answer(503, b"", drop=self.what)
        if self.what == "html":
            return Answer(200, PAGE, [("Content-Type", "text/html; charset=utf-8")])
        if self.what[0].isdigit():
            return self._status()
        lag = float(self.what[4:]) if self.what.startswith("lag:") else 0.0
        answer = perform(self.what != "stored-nothing", lag)
        if self.what == "badjson":
            return answer._replace(body=answer.body[:-1] + b",]")
        drops = {"applied-reset": "reset", "truncate": "truncate"}
        return answer._replace(drop=drops.get(self.what, ""))

    def _status(self) -> Answer:
        status, _, seconds = self.what.partition(":")
        wait = seconds or ("1" if status in ("429", "503") else "")
        sentence = PHRASES.get(int(status), "Failed")
        if status == "429":
            sentence = "Rate limit exceeded (minute window)"
        code = CODE_OF_STATUS.get(int(status), "BAD_REQUEST" if int(status) < 500 else "INTERNAL")
        headers = [("Retry-After", wait)] if wait else []
        return Refusal(code, sentence, headers=headers, status=int(status)).answer()
