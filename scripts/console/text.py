"""Text from a server made harmless for JSON, tables and messages; and how wide text is on a terminal.

What cannot be seen is shown as an escape, in every form: two ids that look alike are then alike. That takes in the
joiners of some scripts and of composed emoji; in JSON an escape is the same text, so no data is changed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# C0, DEL, C1, the bidirectional controls, line and paragraph separators, lone surrogates, tag characters; and what
# takes no room or looks like a space: soft hyphens, joiners, fillers, invisible operators, annotation marks.
_ACTIVE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_PLAIN_ID = re.compile(r"(?![-.])[A-Za-z0-9._:-]{1,128}")
_SHOWN = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def compact(value: Any, indent: int | None = None) -> str:
    """JSON of `value`: printable Unicode as it is, every active character as an escape."""
    separators = (",", ":") if indent is None else (",", ": ")
    return _ACTIVE.sub(_json_escape, json.dumps(value, ensure_ascii=False, indent=indent, separators=separators))


def _json_escape(found: re.Match[str]) -> str:
    char = found[0]
    if char == "\n":  # the indentation's own; one inside a text is escaped already
        return char
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def escaped(text: str) -> str:
    """`text` for a CSV cell: its active characters as JSON escapes, but line feeds and tabs, which quoting keeps."""
    return _ACTIVE.sub(lambda found: found[0] if found[0] in "\n\t" else _json_escape(found), text)


def inert(text: str) -> str:
    """`text` with active characters in visible form, on one line."""
    return _ACTIVE.sub(lambda found: _SHOWN.get(found[0]) or _visible(found[0]), text)


def _visible(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}"


def plain_id(text: str) -> str:
    """An id of a server's that may stand in a command to type, else the word ID.

    Nothing that a shell or the option parser would read as more than a word.
    """
    return text if _PLAIN_ID.fullmatch(text) else "ID"


def cell(value: Any) -> str:
    """A value as it stands in a table or a CSV cell: text as it is, null empty, nested values as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else compact(value)


def sentence(text: str) -> str:
    """`text` as a sentence: a capital first, a full stop last. The low layers write clauses that others embed."""
    started = text[:1].upper() + text[1:] if text[:2].islower() or text[1:2] == " " else text
    return started if started.endswith((".", "!", "?", "…", ")")) else started + "."


def width(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining marks none."""
    return len(text) if text.isascii() else sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, columns: int) -> str:
    """`text` padded to `columns`, or cut with an ellipsis."""
    if width(text) <= columns:
        return text + " " * (columns - width(text))
    kept = ""
    for char in text:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return fit(kept + "…", columns)
