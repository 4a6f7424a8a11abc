"""The credential file on disk, usually ~/.leadgenius_auth.json: read with suspicion, changed under a lock.

Its shape is in `accounts`; how it is read and replaced in `files`. It holds secrets: no error, note or repr of this
module shows a value out of it.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path

from leadgenius import accounts
from leadgenius.accounts import Account, Document
from leadgenius.errors import LocalError
from leadgenius.files import (
    Notes,
    check_replaceable,
    locked,
    quiet,
    read_private,
    remove_leftovers,
    write_atomic,
)

LIMIT = 64 * 1024  # bytes; a larger file is none of ours
_SPARE = b" " * 4096  # what a first write may need
_ELSEWHERE = "set LGP_AUTH_FILE to a file in a directory you can write, or give the key in LGP_API_KEY"


class CredentialFile:
    """The stored accounts, one for each origin. Every call reads the file again: other processes change it too.

    `path` None means that nothing can be stored: reading finds nothing, changing raises LocalError. `notes` is told
    (level, message), each message once; `lock_wait` is in seconds. Every method may raise LocalError (exit 9):
    `credential_file` when the file is broken or others may change it, `permission`, `disk` or `locked`.
    """

    def __init__(self, path: Path | None, *, notes: Notes = quiet, lock_wait: float = 5.0) -> None:
        self.path = path
        self._notes = notes
        self._told: set[str] = set()
        self._lock_wait = lock_wait

    def saved_origin(self, *, lenient: bool = False) -> str | None:
        """The top-level origin, when a credential is saved with it.

        `lenient`, for a caller whose credential comes from the environment: a file that cannot be used is a warning
        and None instead of an error.
        """
        try:
            document = self._read()
        except LocalError as error:
            if not lenient:
                raise
            self.note("warning", f"{error.message}; going on with the key from the environment")
            return None
        return str(document["base_url"]) if accounts.holds_credential(document) else None

    def account(self, origin: str) -> Account:
        """What is stored for `origin`; an empty Account when nothing is."""
        return accounts.account(self._read(), origin)

    def origins(self) -> list[str]:
        """Every origin with a stored credential, the top-level one first."""
        document = self._read()
        named = [str(document.get("base_url", "")), *document.get("origins", {})]
        return [name for name in named if accounts.holds_credential(accounts.find(document, name) or {})]

    def update(self, origin: str, **changes: str | None) -> None:
        """Set the given fields (names of `accounts.FIELDS`) of the account at `origin`; None removes one."""
        unknown = set(changes) - set(accounts.FIELDS)
        if unknown:
            raise ValueError(f"not fields of an account: {sorted(unknown)}")
        with self._changing() as document:
            accounts.change(_entry(document, origin, create=any(changes.values())), changes)

    def login(self, origin: str, email: str, token: str, expires_at: str | None = None) -> list[str]:
        """Store the token of a login. Returns the names dropped because they belonged to another e-mail."""
        with self._changing() as document:
            entry = _entry(document, origin, create=True)
            stored = entry.get("email") or email
            dropped = _present(entry, accounts.OWNED) if stored.casefold() != email.casefold() else []
            accounts.change(entry, dict.fromkeys(dropped))
            accounts.change(entry, {"email": email, "token": token, "expires_at": expires_at})
        return dropped

    def logout(self, origin: str, *, keys: bool = False) -> list[str]:
        """Remove the token, with `keys` every key too. Returns the names that were there."""
        names = (*accounts.TOKEN, *accounts.KEYS) if keys else accounts.TOKEN
        with self._changing() as document:
            entry = _entry(document, origin, create=False)
            removed = _present(entry, names)
            accounts.change(entry, dict.fromkeys(removed))
        return removed

    def store_key(self, origin: str, key: str) -> bool:
        """Store an agent key. True when another was stored: it is now the newest of `previous_api_keys`."""
        with self._changing() as document:
            entry = _entry(document, origin, create=True)
            old, previous = entry.get("api_key"), list(entry.get(accounts.PREVIOUS) or [])
            moved = bool(old) and old != key
            kept = [item for item in previous if item not in (old, key)] + ([old] if moved else [])
            accounts.change(entry, {"api_key": key, accounts.PREVIOUS: kept})
        return moved

    def check_writable(self) -> None:
        """Prove that a change would be stored, before something is asked for that cannot be had twice."""
        with self._locked() as path:
            self._read()
            check_replaceable(path, _SPARE)

    def note(self, level: str, message: str) -> None:
        """Pass a message on to `notes`, once."""
        if message not in self._told:
            self._told.add(message)
            self._notes(level, message)

    def _read(self) -> Document:
        raw = read_private(self.path, limit=LIMIT, notes=self.note) if self.path else None
        return accounts.parse(raw or b"", self.path or Path(), self.note)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Document]:
        """The document as it is on disk now, under the lock; written back when the block changed it."""
        with self._locked() as path:
            remove_leftovers(path)
            document = self._read()
            before = copy.deepcopy(document)
            yield document
            accounts.prune(document)
            if document != before:
                write_atomic(path, _encoded(document, path))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Path]:
        if self.path is None:
            raise LocalError("nothing can be stored: HOME is not set", hint=_ELSEWHERE)
        try:
            with locked(self.path, wait=self._lock_wait):
                yield self.path
        except LocalError as error:
            if error.code not in ("permission", "disk"):
                raise
            raise LocalError(f"nothing can be stored: {error.message}", code=error.code, hint=_ELSEWHERE) from error


def _entry(document: Document, origin: str, *, create: bool) -> Document:
    """The part for `origin`; when there is none and none is to be created, one that belongs to no document."""
    if create:
        return accounts.place(document, origin)
    found = accounts.find(document, origin)
    return {} if found is None else found


def _present(entry: Document, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if entry.get(name)]


def _encoded(document: Document, path: Path) -> bytes:
    data = json.dumps(document, indent=2).encode() + b"\n"
    if len(data) > LIMIT:  # it could not be read again
        raise LocalError(f"{path} would grow beyond {LIMIT} bytes", code="credential_file")
    return data
