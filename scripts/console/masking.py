"""Secrets never leave on stderr: header values by their name, and every credential in use by its value."""

from __future__ import annotations

from collections.abc import Mapping

MASK = "***"
_HEADERS = {"authorization", "x-api-key", "proxy-authorization", "cookie", "set-cookie"}
_SHORTEST = 6  # a shorter secret would turn ordinary words into stars


class Masker:
    """Knows the secrets of this process and blots them out of any text."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, secret: str | None) -> None:
        """Blot this value out from now on."""
        if secret and len(secret) >= _SHORTEST:
            self._secrets.add(secret)

    def mask(self, text: str) -> str:
        """`text` with every known secret replaced; the longest first, for one may contain another."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be shown: the name and kind of a credential, never its value."""
    return {name: _masked(value) if name.lower() in _HEADERS else value for name, value in headers.items()}


def _masked(value: str) -> str:
    return f"Bearer {MASK}" if value.startswith("Bearer ") else MASK
