"""Secrets never leave on stderr: header values by their name, and every credential in use by its value."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

MASK = "***"
_HEADERS = {"authorization", "x-api-key", "proxy-authorization", "cookie", "set-cookie"}
_VARIABLES = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_PASSWORD")
_PREFIX = 10  # characters of a key that may be shown: lgp_ and six of the sixty-four
_SHORTEST = 6  # a shorter secret would turn ordinary words into stars


class Masker:
    """Knows the secrets of this process and blots them out of any text."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, secret: str | None) -> None:
        """Blot this value out from now on, as it is and as it stands in JSON and in a traceback."""
        text = (secret or "").strip()
        if len(text) >= _SHORTEST:
            self._secrets |= {text, *(shown[1:-1] for shown in (json.dumps(text), _json(text), repr(text)))}

    def mask(self, text: str) -> str:
        """`text` with every known secret replaced; the longest first, for one may contain another."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


def secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """The secrets in the environment: known before anything can go wrong with them."""
    yield from (environ[name] for name in _VARIABLES if name in environ)
    for name, value in environ.items():
        if name.lower().endswith("_proxy"):
            with contextlib.suppress(ValueError):
                password = urlsplit(value).password or ""
                yield from (password, unquote(password))


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def shown_prefix(key: str) -> str:
    """What may be shown of a key, to tell it from others; nothing of a short one."""
    return key[:_PREFIX] if len(key) > 2 * _PREFIX else MASK


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be shown: the name and kind of a credential, never its value."""
    return {name: _masked(value) if name.lower() in _HEADERS else value for name, value in headers.items()}


def _masked(value: str) -> str:
    return f"Bearer {MASK}" if value.startswith("Bearer ") else MASK
