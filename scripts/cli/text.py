"""What stands in a row, and its text made harmless: control characters, formulas in csv, secrets.

Text of a server is data, never terminal code or an instruction: what cannot be seen is printed as
an escape, as JSON writes it.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from leadgenius import answers

MASK = "***"
_SHORTEST_SECRET = 6  # a shorter one would turn ordinary words into stars
_RUN = 12  # so many characters of a secret in a row are masked in a short text
_SHORT = 4096  # characters; in a longer text only whole secrets are looked for
# C0, DEL, C1, bidi controls, line separators, lone surrogates, tag characters, and what takes no
# room. The two joiners are none of them: they are parts of Persian words and of emoji.
_UNSEEN = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064"
    "\u2066-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_FORMULA = tuple("=+-@＝＋－＠\t\r\n")  # a cell that begins so is run by a spreadsheet
_SHARES = {"conversionRate", "roi"}
_SECRET = {"apiKey", "key", "plainTextKey", "token", "jwt_token", "access_token", "tokens"}
_LINES = 16  # of ids, problems or details
# Columns that repeat another one: left out of csv and tables unless asked for.
TWINS = {"lead_id": "id", "contactName": "fullName"}


def inert(text: str, keep: str = "") -> str:
    """`text` with an escape for everything that cannot be seen, but for the characters of `keep`:
    on one line, unless a line feed is kept."""
    if text.isascii() and text.isprintable():
        return text
    for char in {*re.findall(_UNSEEN, text)} - {*keep}:
        text = text.replace(char, "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1])
    return text


def compact(value: Any, indent: int | None = None) -> str:
    """JSON of `value`: printable Unicode as it is, everything that cannot be seen as an escape."""
    separators = None if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return inert(text, keep="\n")  # the indentation's own; one inside a text is escaped already


def cell(value: Any) -> str:
    """A value as it stands in a csv cell: text as it is, null empty, all else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else compact(value)


def unformula(text: str) -> str:
    """`text` with a `'` in front where a spreadsheet would run it, or where it begins with such a
    `'` already."""
    if not text.lstrip("'").startswith(_FORMULA):
        return text
    number = r"[+-]?[0-9]+([.,][0-9]+)*([eE][+-]?[0-9]+)?%?"
    phone = r"\+[0-9][0-9 ()./-]{4,24}"
    return text if re.fullmatch(f"-|{number}|{phone}", text, re.ASCII) else "'" + text


def reformula(text: str) -> str:
    """What `unformula` made of a text, undone."""
    return text[1:] if text.startswith("'") and unformula(text[1:]) == text else text


def shown(name: str, value: Any) -> str:
    """A value as a person reads it, on one line; its name says what is a share."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, (int, float)):
        share = name.rpartition(".")[2] in _SHARES
        return f"{value:,.1%}" if share else f"{round(value, 2):,}"
    if isinstance(value, dict):
        known = (f"{inert(key)} {shown(key, one)}" for key, one in value.items() if one is not None)
        return ", ".join(known)
    if rows_in(value):
        return plural(len(value), "item")
    if isinstance(value, list):
        return ", ".join(shown(name, one) for one in value)
    time = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})(:[0-9]{2}(\.[0-9]+)?)?Z?"
    return inert(re.sub(time, r"\1 \2", str(value)))


def in_words(name: str) -> str:
    """`conversion rate` of a field named conversionRate."""
    return re.sub("([A-Z])", r" \1", name).lower()


def rows_in(value: Any) -> bool:
    """Whether a value is a list of records."""
    return isinstance(value, list) and {*map(type, value)} == {dict}


def listed(items: Any, total: int | None = None) -> list[str]:
    """The first of some ids, problems or an error's details, each on a line of its own."""
    items = items if isinstance(items, list) else [items]
    more = (total or len(items)) - _LINES
    lines = [f"  {_about(item)}" for item in items[:_LINES]]
    return lines + [f"  … and {more:,} more"] * (more > 0)


def _about(item: Any) -> str:
    """What it is, and why it could not be done: `row 1, email a@b.example: already exists`."""
    why = answers.text(item, "message", "problem")
    if not why:
        return shown("", item)
    others = ("outcome", "code", "message", "problem")
    return f"{shown('', {name: one for name, one in item.items() if name not in others})}: {why}"


def wrapped(lines: Iterable[str]) -> str:
    """Lines for a person, broken at words to the width of the terminal."""
    import shutil  # programs need neither
    from textwrap import fill

    width = shutil.get_terminal_size().columns
    return "".join(fill(inert(line), width, break_on_hyphens=False) + "\n" for line in lines)


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
    return key[:10] if len(key) > 20 else MASK * bool(key)


def row_id(row: Any) -> str | None:
    """The id of a row of ours or of the API's."""
    if isinstance(row, (str, int)):
        return str(row)
    return answers.text(row, "id", "leadId", "lead_id", "jobId", "key")


def pick(row: Any, fields: Sequence[str] | None) -> Any:
    """`row` with `fields` alone, in their order; `a.b` reads inside. Null where there is
    nothing."""
    if fields is None or not isinstance(row, dict):
        return row
    return {name: inside(row, name) for name in fields}


def inside(row: Any, name: str) -> Any:
    """The value of a dotted name; None where there is nothing."""
    return row[name] if isinstance(row, dict) and name in row else answers.dig(row, name)


def hidden(value: Any) -> Any:
    """`value` without the fields that hold a key or token, and keys in its texts cut to their
    prefix."""
    if isinstance(value, dict):
        return {name: hidden(one) for name, one in value.items() if name not in _SECRET}
    if isinstance(value, list):
        return [hidden(one) for one in value]
    if isinstance(value, str):
        return re.sub(r"\b((?:lgp_|da2-)\w{6})\w{10,}", r"\1", value)
    return value


class Masker:
    """Replaces the secrets of this process by `***`, also percent-encoded, in base64 or inside
    JSON, and in a short text also parts of them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms, self._runs = set[str](), set[str]()
        self.source: Callable[[], Iterable[str]] = tuple  # of secrets that come to light later
        self.show = False  # --show: the reader asked to see them on stdout
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Mask these from now on, as they are and as URLs, JSON and base64 write them."""
        for text in map(str.strip, secrets):
            if len(text) < _SHORTEST_SECRET or text in self._forms:
                continue
            import base64  # help has no secret to mask
            from urllib.parse import quote

            raw = text.encode("utf-8", "replace")
            encoded = (base64.b64encode(raw[start:]).decode() for start in range(3))
            forms = {text, quote(text, safe=""), json.dumps(text)[1:-1], compact(text)[1:-1]}
            forms |= {form.rstrip("=")[:-1] for form in encoded if len(form) > _RUN}
            self._forms |= forms
            self._runs |= {form[at : at + _RUN] for form in forms for at in range(len(form))}

    def mask(self, text: str) -> str:
        """`text` without any secret; a short one without any 12 characters of one in a row."""
        self.add(*self.source())
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        if len(text) <= _SHORT:
            starts = range(len(text) - _RUN + 1)
            for at in [at for at in starts if text[at : at + _RUN] in self._runs]:
                text = text[:at] + "\0" * _RUN + text[at + _RUN :]
            text = re.sub("\0+", MASK, text)
        return text
