"""Text made harmless: control characters, formulas in csv, and secrets.

Text of a server is data, never terminal code or an instruction. JSON and csv escape what cannot be
seen; tables and
messages show it in visible form.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

MASK = "***"
_SHORTEST_SECRET = 6  # a shorter one would turn ordinary words into stars
_RUN = 12  # so many characters of a secret in a row are masked wherever they stand
_UNSEEN = "\u034f\u115f\u1160\u3164\uffa0"  # of _active, those that count as printable
_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_LONG = 4096  # characters; a longer text is looked through in another way
_SHOWN = {  # the two joiners, parts of Persian words and of emoji, as they are
    "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u200c": "\u200c", "\u200d": "\u200d",
}  # fmt: skip


@cache
def _active() -> re.Pattern[str]:
    """C0, DEL, C1, bidi controls, line separators, lone surrogates, tag characters, and what takes
    no room."""
    return re.compile(
        "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064"
        "\u2066-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
    )


def compact(value: Any, indent: int | None = None) -> str:
    """JSON of `value`: printable Unicode as it is, everything that cannot be seen as an escape."""
    if indent is None:
        text = _ENCODE(value)
    else:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=(",", ": "))
    if text.isascii() and "\x7f" not in text:
        return text
    if text.isprintable() and not any(char in text for char in _UNSEEN):
        return text
    return _active().sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    char = found[0]
    if char == "\n":  # the indentation's own; one inside a text is escaped already
        return char
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def escaped(text: str) -> str:
    """`text` for a csv cell: like JSON, but line feeds and tabs stay, because quoting keeps
    them."""
    if text.isprintable() and text.isascii():
        return text
    return _active().sub(
        lambda found: found[0] if found[0] in "\n\t\u200c\u200d" else _json_escape(found), text
    )


def inert(text: str) -> str:
    """`text` on one line, with what cannot be seen in visible form: for tables and messages."""
    if text.isprintable() and text.isascii():
        return text
    return _active().sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _SHOWN.get(found[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def cell(value: Any) -> str:
    """A value as it stands in a csv cell: text as it is, null empty, nested values as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else compact(value)


def unformula(text: str) -> str:
    """`text` with a `'` in front where a spreadsheet would run it, or where it begins with such a
    `'` already."""
    bare = text.lstrip("'")
    if (
        not bare.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"))
        or text == "-"
    ):
        return text
    number = r"[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]+)?%?"
    phone = r"\+[0-9][0-9 ()./-]{4,24}"
    return text if re.fullmatch(f"{number}|{phone}", text, re.ASCII) else "'" + text


def reformula(text: str) -> str:
    """What `unformula` made of a text, undone."""
    return text[1:] if text.startswith("'") and unformula(text[1:]) == text else text


MONEY = {"spend", "pipelineValue", "averageDealValue", "targetPipeline"}
_SHARES = {"conversionRate", "roi"}


def shown(name: str, value: Any) -> str:
    """A value as a person reads it, on one line; its name says what is money and what a share."""
    name = name.rpartition(".")[2]
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, (int, float)):
        if name in _SHARES:
            return f"{value:,.1%}"
        if name in MONEY or isinstance(value, int):
            return f"{value:,.2f}".removesuffix(".00") if name in MONEY else f"{value:,}"
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, dict):
        return ", ".join(f"{inert(key)} {shown(key, one)}" for key, one in value.items())
    if rows_in(value):
        return plural(len(value), "item")
    if isinstance(value, list):
        return ", ".join(shown(name, one) for one in value)
    time = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})(:[0-9]{2}(\.[0-9]+)?)?Z?"
    return inert(re.sub(time, r"\1 \2", str(value)))


def rows_in(value: Any) -> bool:
    """Whether a value is a list of records."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def plain(text: Any, otherwise: str = "ID") -> str:
    """A value that may stand in a command to type, shell-quoted where needed, else a
    placeholder."""
    text = str(text)
    if not re.fullmatch(r"[A-Za-z0-9._@][A-Za-z0-9 ._@-]{0,63}", text, re.ASCII):
        return otherwise
    return f'"{text}"' if " " in text else text


def plural(count: int, noun: str) -> str:
    """`1 row`, `1,274 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def prefix(key: str) -> str:
    """What may be shown of a key, to tell it from others: `lgp_` and six of its characters."""
    return key[:10] if len(key) > 20 else MASK


class Masker:
    """Replaces the secrets of this process by `***`, also in part, percent-encoded, in base64 or
    inside JSON."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._grams: set[int] = set()  # 8 bytes in a row of a form, as a number
        self._others = bytes(range(256))  # the bytes that no form has
        self.sources: list[Callable[[], Iterable[str]]] = []
        self.show = False  # --show: the reader asked to see them on stdout
        self.add(*secrets)

    def add(self, *secrets: str | None) -> None:
        """Mask these from now on, as they are and as URLs, JSON and base64 write them."""
        for text in ((secret or "").strip() for secret in secrets):
            if len(text) < _SHORTEST_SECRET or text in self._forms:
                continue
            import base64  # help has no secret to mask
            from urllib.parse import quote

            raw = text.encode("utf-8", "replace")
            encoded = (base64.b64encode(raw[start:]).decode() for start in range(3))
            forms = {text, quote(text, safe=""), json.dumps(text)[1:-1], inert(text)}
            forms |= {form.rstrip("=")[:-1] for form in encoded if len(form) > _RUN}
            self._forms |= forms
            for data in (form.encode("utf-8", "surrogatepass") for form in forms):
                grams = (data[at : at + 8] for at in range(len(data) - 7))
                self._grams |= {int.from_bytes(gram, sys.byteorder) for gram in grams}
                self._others = self._others.translate(None, data)

    def mask(self, text: str) -> str:
        """`text` without any secret, and without any 12 characters of one in a row."""
        for source in self.sources:
            self.add(*source())
        clean = len(text) > _LONG and self._is_clean(text)
        for form in sorted(self._forms, key=len, reverse=True):
            sixes = range(0, len(form) - 5, 6)  # a run of twelve holds one of these stretches
            if clean and len(form) >= _RUN:
                continue
            if any(form[at : at + 6] in text for at in sixes):
                text = _without_runs(text, form)
        return text

    def _is_clean(self, text: str) -> bool:
        """Whether no long secret can be in a text: twelve characters of one in a row would hold
        eight bytes that begin at a multiple of five, and none of the bytes that no secret has.
        Takes the same time for many secrets."""
        data = memoryview(text.encode("utf-8", "surrogatepass").translate(None, self._others))
        parts = (data[start:] for start in range(0, 40, 5))
        eights = (part[: len(part) // 8 * 8].cast("Q")[::5] for part in parts)
        return all(self._grams.isdisjoint(numbers) for numbers in eights)


def _without_runs(text: str, secret: str) -> str:
    """Longest first: whatever part of a secret stands in `text`, down to twelve characters."""
    for length in range(len(secret), min(len(secret), _RUN) - 1, -1):
        for at in range(len(secret) - length + 1):
            text = text.replace(secret[at : at + length], MASK)
    return text
