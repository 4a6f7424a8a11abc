"""Secrets never leave on stderr: header values by their name, and every credential in use by its value."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from console.text import compact, inert

MASK = "***"
_HEADERS = {"authorization", "x-api-key", "proxy-authorization", "cookie", "set-cookie"}
_VARIABLES = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_PASSWORD")
_PREFIX = 10  # characters of a key that may be shown: lgp_ and six of the sixty-four
_SHORTEST = 6  # a shorter secret would turn ordinary words into stars
_SECRET_NAME = re.compile(r"(password|secret|token|api[_-]?key)$", re.IGNORECASE)  # accessToken and client_secret too
_DEEPEST_JSON = 3  # JSON in a text in JSON: what a server quotes of an answer that quotes our request


class Masker:
    """Knows the secrets of this process and blots them out of any text."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, secret: str | None) -> None:
        """Blot this value out from now on, as it is and as a URL, JSON, a terminal or a traceback shows it."""
        text = (secret or "").strip()
        if len(text) >= _SHORTEST:
            self._secrets |= set(_guises(text))

    def learn_from(self, body: Any) -> None:
        """Learn what stands under a secret's name, at any depth of a body that is about to be sent."""
        todo = [(body, False)]  # no recursion: a body may be nested as deeply as its author likes
        while todo:
            value, hidden = todo.pop()
            if isinstance(value, dict):
                todo += [(inner, hidden or is_secret(name)) for name, inner in value.items()]
            elif isinstance(value, list):
                todo += [(inner, hidden) for inner in value]
            elif hidden and isinstance(value, (str, int)):
                self.learn(str(value))

    def mask(self, text: str) -> str:
        """`text` with every known secret replaced, in any case; the longest first, for one may contain another."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
        return text


def _guises(text: str) -> Iterator[str]:
    yield from (text, inert(text), repr(text)[1:-1])
    with contextlib.suppress(UnicodeEncodeError):  # bytes of the command line that are no UTF-8
        yield from (quote(text, safe=""), quote(text), quote_plus(text))
        yield "".join(f"%{byte:02X}" for byte in text.encode())
    nested = {text}
    for _ in range(_DEEPEST_JSON):
        nested = {written(one)[1:-1] for one in nested for written in (json.dumps, compact)}
        yield from nested


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return bool(_SECRET_NAME.search(name))


def secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """The secrets in the environment: known before anything can go wrong with them."""
    yield from (environ[name] for name in _VARIABLES if name in environ)
    for name, value in environ.items():
        if name.lower().endswith("_proxy"):
            with contextlib.suppress(ValueError):
                password = urlsplit(value).password or ""
                yield from (password, unquote(password))


def shown_prefix(key: str) -> str:
    """What may be shown of a key, to tell it from others; nothing of a short one."""
    return key[:_PREFIX] if len(key) > 2 * _PREFIX else MASK


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be shown: the name and kind of a credential, never its value."""
    return {name: _masked(value) if name.lower() in _HEADERS else value for name, value in headers.items()}


def _masked(value: str) -> str:
    return f"Bearer {MASK}" if value.startswith("Bearer ") else MASK
