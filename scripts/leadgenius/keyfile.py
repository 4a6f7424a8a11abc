"""The credential file: JSON of one account, mode 0600, changed by one process at a time, replaced
whole.

    {"base_url": ORIGIN, "email", "token", "expires_at", "api_key", "amplify_api_key",
     "company_id", "user_id", "previous_api_keys": [...]}

Other keys stay where they are. No message, repr or exception of this module shows a value of the
file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from leadgenius import files
from leadgenius.errors import LocalError, UsageError
from leadgenius.scopes import PRODUCTION, clean_origin
from leadgenius.settings import unsafe

LIMIT = 64 * 1024  # bytes; a larger file was not written by this program
SECRETS = ("token", "api_key", "amplify_api_key")
FIELDS = ("base_url", "email", "expires_at", "company_id", "user_id", *SECRETS)
PREVIOUS = "previous_api_keys"  # agent keys that were replaced, the newest last
OLD_DEFAULT = "http://localhost:3000"  # older scripts wrote it, wherever the key came from
LAYOUT = "layout"  # set by this version, whose base_url always means what it says
ELSEWHERE = "Set LGP_AUTH_FILE to a file you can write to, or give the key in LGP_API_KEY."

Notes = Callable[[str, str], None]


class Account:
    """What is stored, by the names of FIELDS: "" for what is not. `origin` is its base_url;
    `previous_api_keys` a tuple; `expires_at` the token's end, ISO 8601 in UTC.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.origin: str = document.get("base_url") or ""
        self.previous_api_keys = tuple(document.get(PREVIOUS) or ())
        self.has_secret = any(document.get(name) for name in SECRETS)

    def __getattr__(self, name: str) -> str:
        if name not in FIELDS:
            raise AttributeError(name)
        return str(self._document.get(name) or "")


class KeyFile:
    """The file at `path`; None when nothing can be stored. Every call reads it again: other
    processes change it.

    Each method may raise LocalError (exit 9): credential_file, permission, disk or locked. A note
    is given once.
    """

    def __init__(self, path: Path | None, on_note: Notes = lambda level, message: None) -> None:
        self.path = path
        self._on_note = on_note
        self._noted: set[str] = set()

    def account(self) -> Account:
        """What is stored now."""
        return Account(self._read())

    def update(self, **changes: str | None) -> None:
        """Set fields of the account; None removes one."""
        with self._changing() as document:
            document.update(changes)

    def check_account(self, origin: str, email: str = "") -> None:
        """UsageError when a key of another origin or e-mail is stored here: that account needs a
        profile.
        """
        self._refuse_other(self.account(), origin, email)

    def _refuse_other(self, stored: Account, origin: str, email: str) -> None:
        other = bool(email and stored.email) and stored.email.casefold() != email.casefold()
        if (stored.api_key or stored.amplify_api_key) and (other or stored.origin != origin):
            what = "e-mail" if other else f"origin ({stored.origin})"
            raise UsageError(
                f"{self.path} holds a key of another {what}; it is left as it is.",
                hint="Add --profile NAME to keep this account in a file of its own.",
            )

    def login(self, origin: str, email: str, token: str, expires_at: str = "") -> None:
        """Store the token of a login. UsageError as check_account."""
        with self._changing() as document:
            stored = Account(dict(document))
            self._refuse_other(stored, origin, email)
            if stored.origin != origin or stored.email.casefold() != email.casefold():
                document.update(company_id=None, user_id=None)
            document.update(base_url=origin, email=email, token=token, expires_at=expires_at)

    def logout(self, keys: bool = False) -> list[str]:
        """Remove the token, with `keys` every key too. Returns the names that were removed."""
        names = ("token", "expires_at", *(("api_key", "amplify_api_key", PREVIOUS) if keys else ()))
        with self._changing() as document:
            return [name for name in names if document.pop(name, None)]

    def store_key(self, origin: str, key: str, kind: str = "agent") -> bool:
        """Store a key. True when it replaced another agent key, which is now the newest of
        `previous_api_keys`.

        UsageError as check_account.
        """
        with self._changing() as document:
            self._refuse_other(Account(dict(document)), origin, "")
            document["base_url"] = origin
            if kind != "agent":
                document["amplify_api_key"] = key
                return False
            old, kept = document.get("api_key"), document.get(PREVIOUS) or []
            moved = [old] if old and old != key else []
            document.update(
                {"api_key": key, PREVIOUS: [one for one in kept if one not in (old, key)] + moved}
            )
        return bool(moved)

    def check_writable(self) -> None:
        """Prove that a change would be stored, before something is asked for that cannot be had
        twice.

        An existing file is replaced by itself: only that finds one mounted by itself or made
        immutable.
        """
        with self._locked() as path:
            self._read()
            if path.exists():
                return files.write_private(path, path.read_bytes())
            probe = path.with_name(f".{path.name}.probe")
            files.write_private(probe, b" " * 4096)
            return probe.unlink()

    def note(self, level: str, message: str) -> None:
        """Pass a message on, once."""
        if message not in self._noted:
            self._noted.add(message)
            self._on_note(level, message)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Path]:
        if self.path is None:
            raise LocalError("Nothing can be stored: HOME is not set.", hint=ELSEWHERE)
        path = Path(os.path.realpath(self.path))
        try:
            with files.locked(path):
                yield path
        except LocalError as error:
            error.hint = error.hint or ELSEWHERE
            raise

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The document as it is on disk, under the lock; written back when the block changed it."""
        with self._locked() as path:
            for left in path.parent.glob(f".{path.name}.*.tmp"):  # of a writer that was killed
                left.unlink(missing_ok=True)
            document = self._read()
            before = dict(document)
            yield document
            kept = {
                name: value
                for name, value in document.items()
                if value or name not in (*FIELDS, PREVIOUS)
            }
            if kept != before:
                files.write_private(
                    path, json.dumps({**kept, LAYOUT: 2}, indent=2).encode() + b"\n"
                )

    def _read(self) -> dict[str, Any]:
        raw, visible = files.read_private(self.path, LIMIT) if self.path else (b"", False)
        if visible and self.path:
            self._tighten(self.path)
        document, problem = _parsed(raw)
        if problem:
            hint = "Fix it, or move it away and log in again. A key in LGP_API_KEY works meanwhile."
            raise LocalError(f"{self.path} {problem}.", code="credential_file", hint=hint)
        if raw:
            self._modernise(document)
        return document

    def _tighten(self, path: Path) -> None:
        try:
            path.chmod(0o600)
        except OSError:
            self.note(
                "warning",
                f"{path} can be read by other users, and its mode cannot be changed from here.",
            )
        else:
            self.note("note", f"{path} could be read by other users: its mode is now 0600.")

    def _modernise(self, document: dict[str, Any]) -> None:
        """Understand what older scripts wrote; it is saved with the next change."""
        token = document.get("token") or ""
        if token.startswith("lgp_"):
            del document["token"]
            if document.setdefault("api_key", token) != token:
                document[PREVIOUS] = [token, *(document.get(PREVIOUS) or [])]
        secret = Account(document).has_secret
        if document.get(LAYOUT) != 2 and document.get("base_url", OLD_DEFAULT) == OLD_DEFAULT:
            document["base_url"] = PRODUCTION
            if secret:
                self.note(
                    "note",
                    f"{self.path} was written by an older script: it counts for {PRODUCTION}.",
                )
        others = document.get("origins")
        if isinstance(others, dict) and others:
            self.note(
                "warning",
                f"{self.path} has keys of more origins; a file now holds one. Save each again: "
                + "; ".join(
                    f"auth save-key --profile NAME --base-url {_shown(name)}" for name in others
                ),
            )
        folder = Path(os.path.realpath(str(self.path))).parent
        with contextlib.suppress(OSError):
            problem = unsafe(folder.stat())
            if problem and secret:
                self.note("warning", f"The folder of {self.path} is not safe for a key: {problem}.")


def _shown(origin: str) -> str:
    try:
        return clean_origin(origin)
    except UsageError:
        return "ORIGIN"


def _parsed(raw: bytes) -> tuple[dict[str, Any], str]:
    """(document, ""), or ({}, the problem). base_url is an origin, whatever path it had."""
    try:
        # LGP_AUTH_FILE=$(mktemp) names an empty file
        document = json.loads(raw.decode("utf-8-sig")) if raw.strip() else {}
    except json.JSONDecodeError as error:
        return {}, f"is not valid JSON: line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        return {}, "is not UTF-8 text, or JSON beyond any sensible size"
    if not isinstance(document, dict):
        return {}, "must hold one JSON object"
    for name in (
        name for name in FIELDS if name != "expires_at"
    ):  # older scripts wrote numbers there
        if not isinstance(document.get(name), str | None):
            return {}, f"has a wrong value: {name} must be text"
    previous = document.get(PREVIOUS) or []
    if not isinstance(previous, list) or not all(isinstance(one, str) for one in previous):
        return {}, f"has a wrong value: {PREVIOUS} must be a list of texts"
    if document.get("base_url"):
        scheme, _, rest = document["base_url"].strip().partition("://")
        try:
            document["base_url"] = clean_origin(f"{scheme}://{rest.partition('/')[0]}")
        except UsageError:
            return {}, "has a base_url that is no https origin"
    return document, ""
