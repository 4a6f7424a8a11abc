"""What the credential file says, as a document in memory: one account at the top level, others under `origins`.

    {"base_url": ORIGIN, "token": …, "email": …, "api_key": …, "amplify_api_key": …, "previous_api_keys": [...],
     "origins": {OTHER_ORIGIN: {"token": …, …}}}

A credential never moves from one origin to another. Keys that are not ours stay where they are. Files of older
scripts are understood; their oddities are put right in memory and reach the disk with the next change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadgenius.errors import LocalError, UsageError
from leadgenius.files import Notes
from leadgenius.scopes import PRODUCTION, clean_origin

# Older scripts wrote this default into every file, wherever the credential came from.
OLD_DEFAULT = "http://localhost:3000"

SECRETS = ("token", "api_key", "amplify_api_key")
FIELDS = (*SECRETS, "email", "user_id", "company_id", "expires_at")
PREVIOUS = "previous_api_keys"  # agent keys that were replaced, the newest last
TOKEN = ("token", "expires_at")
KEYS = ("api_key", "amplify_api_key", PREVIOUS)
OWNED = (*KEYS, "user_id", "company_id")  # what another e-mail has no right to
_TEXTS = tuple(name for name in FIELDS if name != "expires_at")  # older scripts wrote numbers there
_OURS = frozenset((*FIELDS, PREVIOUS, "base_url", "origins"))

Document = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """What is stored for one origin; all None when nothing is. `expires_at` is the token's, ISO 8601 in UTC.

    `extra` holds the keys that are not ours. Nothing secret is in its repr.
    """

    token: str | None = field(default=None, repr=False)
    email: str | None = None
    api_key: str | None = field(default=None, repr=False)
    amplify_api_key: str | None = field(default=None, repr=False)
    user_id: str | None = None
    company_id: str | None = None
    expires_at: str | None = None
    previous_api_keys: tuple[str, ...] = field(default=(), repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def origin_of(url: str) -> str | None:
    """The origin in a saved URL, whatever path follows; None when `scopes.clean_origin` refuses it."""
    scheme, _, rest = url.strip().partition("://")
    try:
        return clean_origin(f"{scheme}://{rest.partition('/')[0]}")
    except UsageError:
        return None


def parse(raw: bytes, path: Path, notes: Notes) -> Document:
    """The document in `raw`, its oddities put right; an empty file is an empty document.

    Raises LocalError (code `credential_file`) with line and column for broken JSON, another top-level type, or a
    value of the wrong type. The decoder's own errors carry the whole text, so none is kept as a cause.
    """
    text, problem = _decode(raw)
    document, problem = (None, problem) if problem else _load(text)
    problem = problem or _mistyped(document, text)
    if problem:
        hint = f"mend {path}, or move it away and run: auth login. A key in LGP_API_KEY works meanwhile"
        raise LocalError(f"{path} {problem}", code="credential_file", hint=hint)
    assert isinstance(document, dict)
    _modernise(document, path, notes)
    return document


def account(document: Document, origin: str) -> Account:
    """What `document` stores for `origin`; an empty Account when nothing."""
    entry = find(document, origin)
    if entry is None:
        return Account()
    texts = {name: entry[name] for name in FIELDS if isinstance(entry.get(name), str) and entry[name]}
    extra = {name: value for name, value in entry.items() if name not in _OURS}
    return Account(**texts, previous_api_keys=tuple(entry.get(PREVIOUS) or ()), extra=extra)


def holds_credential(entry: Document) -> bool:
    """True when `entry` has something to authenticate with."""
    return any(entry.get(name) for name in SECRETS)


def find(document: Document, origin: str) -> Document | None:
    """The part of `document` that belongs to `origin` (the document itself for the top level), or None."""
    others: Document = document.get("origins") or {}
    other = next((entry for name, entry in others.items() if origin_of(name) == origin), None)
    if document.get("base_url") == origin and (other is None or holds_credential(document)):
        return document
    return other


def place(document: Document, origin: str) -> Document:
    """`find`, or a new part: the top level while that holds no credential, else one under `origins`.

    The old default origin never takes the top level, where it would be read as production the next time.
    """
    found = find(document, origin)
    if found is not None:
        return found
    if holds_credential(document) or origin == OLD_DEFAULT:
        return _other(document, origin)
    left = {name: document.pop(name) for name in (*FIELDS, PREVIOUS) if name in document}
    if left:  # the e-mail of an account that logged out belongs to its own origin
        _other(document, document.get("base_url") or PRODUCTION).update(left)
    document["base_url"] = origin
    return document


def change(entry: Document, changes: Mapping[str, str | list[str] | None]) -> None:
    """Set the given names in `entry`; None and an empty list remove."""
    for name, value in changes.items():
        entry.pop(name, None)
        if value:
            entry[name] = value


def prune(document: Document) -> None:
    """Remove parts under `origins` that have become empty."""
    kept = {name: entry for name, entry in (document.pop("origins", None) or {}).items() if entry}
    if kept:
        document["origins"] = kept


def _other(document: Document, origin: str) -> Document:
    entry: Document = document.setdefault("origins", {}).setdefault(origin, {})
    return entry


def _decode(raw: bytes) -> tuple[str, str]:
    """(text, ""), or ("", the problem). Editors on Windows put a byte order mark in front."""
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        before = raw[: error.start]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return "", f"is not UTF-8 text: line {line}, column {column}"


def _load(text: str) -> tuple[Any, str]:
    """(document, ""), or (None, the problem)."""
    if not text.strip():  # LGP_AUTH_FILE=$(mktemp)
        return {}, ""
    try:
        return json.loads(text), ""
    except json.JSONDecodeError as error:
        return None, f"is not valid JSON: line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):  # a number of 5,000 digits, thousands of open brackets
        return None, "is JSON beyond any sensible size: line 1, column 1"


def _mistyped(document: Any, text: str) -> str:
    """The first value of a wrong type, with its place, or "" when there is none."""
    if not isinstance(document, dict):
        return f"must hold one JSON object: {_place_of(text, re.compile('[^ ]'))}"
    for name, wanted, opening in _wrong(document):
        # a value of the wrong type is one that does not open as the right one does
        pattern = re.compile(rf"{re.escape(json.dumps(name, ensure_ascii=False))}\s*:\s*(?!\s|null|{opening})")
        shown = name if name in _OURS else "an origin"
        return f"has a wrong value: {shown} must be {wanted} ({_place_of(text, pattern)})"
    return ""


def _wrong(document: Document) -> Iterator[tuple[str, str, str]]:
    """(name, wanted type, pattern of how such a value opens) of each wrong value."""
    others = document.get("origins")
    if not isinstance(others, dict | None):
        yield "origins", "an object", r"\{"
    others = others if isinstance(others, dict) else {}
    for name, entry in others.items():
        if not isinstance(entry, dict):
            yield name, "an object", r"\{"
    for entry in (document, *(entry for entry in others.values() if isinstance(entry, dict))):
        for name in (*_TEXTS, "base_url"):
            if not isinstance(entry.get(name), str | None):
                yield name, "text", '"'
        previous = entry.get(PREVIOUS)
        if previous is not None and not _is_texts(previous):
            yield PREVIOUS, "a list of texts", r'\[\s*(?:"|\])'


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _place_of(text: str, pattern: re.Pattern[str]) -> str:
    found = pattern.search(text)
    start = found.start() if found else 0
    return f"line {text.count(chr(10), 0, start) + 1}, column {start - text.rfind(chr(10), 0, start)}"


def _modernise(document: Document, path: Path, notes: Notes) -> None:
    """Put right what older scripts wrote: no origin or their default, a URL with a path, a key as the token."""
    prune(document)
    for entry in (document, *document.get("origins", {}).values()):
        _move_key(entry)
    given = document.get("base_url") or (OLD_DEFAULT if holds_credential(document) else PRODUCTION)
    origin = origin_of(given)
    if origin is None:
        hint = f"write the server's origin there, such as {PRODUCTION}"
        raise LocalError(f"{path} has a base_url that is no https URL", code="credential_file", hint=hint)
    if origin == OLD_DEFAULT and holds_credential(document):
        notes("note", f"{path} was written by an older script: its credentials count for {PRODUCTION}")
    document["base_url"] = PRODUCTION if origin == OLD_DEFAULT else origin


def _move_key(entry: Document) -> None:
    """Older scripts saved an agent key as `token`. One that stands beside an `api_key` is kept as a previous one."""
    token = entry.get("token") or ""
    if not token.startswith("lgp_"):
        return
    del entry["token"]
    if not entry.get("api_key"):
        entry["api_key"] = token
    elif token != entry["api_key"]:
        entry[PREVIOUS] = [token, *(entry.get(PREVIOUS) or [])]
